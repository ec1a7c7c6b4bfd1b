//! Generates the merge of a table that has one row for each key, from the first record by an order.

use super::ranking::{Ranking, candidates};
use super::rows::{insert_absent, update};
use crate::model::{ColumnSchema, Model, PickRule, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::clause::{names, select};
use crate::warehouse::sql::generator::expression::{equal, exactly_equal, qualified, rows_differ};
use crate::warehouse::sql::generator::temp_table::{create_temp_table, new_name, staged_name};
use crate::warehouse::sql::statement::Statement;

/// Returns the statements that merge the staged rows of a table and of its state.
pub(super) fn merge_pick(
    model: &Model,
    dialect: Dialect,
    table: &'static TableSchema,
    rule: PickRule,
) -> Vec<Statement> {
    let state = rule.state.map(|state| model.table(state));
    let columns = [table.columns, state.map_or(&[], TableSchema::values)].concat();
    let ranking = Ranking {
        dialect,
        key: table.key(),
        columns: &columns,
        order: rule.order,
    };
    let query = format!(
        "{}
FROM (
{}
) AS ranked
WHERE rn = 1 AND is_staged = 1",
        select(&names(&columns)),
        ranking.query(
            &staged_candidates(dialect, table, state),
            &warehouse_candidates(table, state)
        )
    );
    let mut statements = create_temp_table(dialect, &new_name(table), &query);
    statements[0].comment = rule.explanation.to_owned();

    // A staged row may come first by its state alone. Without a state it differs if it comes first.
    let only_changed = state.is_some();
    statements.extend(replace_rows(dialect, table, &new_name(table), only_changed));
    if let Some(state) = state {
        statements.extend(replace_rows(dialect, state, &new_name(table), false));
    }
    statements
}

/// Returns the query for the staged rows.
fn staged_candidates(dialect: Dialect, table: &TableSchema, state: Option<&TableSchema>) -> String {
    let mut from = vec![format!("{} s", staged_name(table))];
    from.extend(state.map(|state| {
        let on = exactly_equal(dialect, table.key(), "l", "s").join(" AND ");
        format!("JOIN {} l ON {on}", staged_name(state))
    }));
    candidates(candidate_columns(table, state, "s"), true, from)
}

/// Returns the query for the rows of the warehouse that have the keys of staged rows.
fn warehouse_candidates(table: &TableSchema, state: Option<&TableSchema>) -> String {
    let on = equal(table.key(), "s", "w").join(" AND ");
    let mut from = vec![
        format!("{} w", table.name),
        format!("JOIN {} s ON {on}", staged_name(table)),
    ];
    from.extend(state.map(|state| {
        let on = equal(table.key(), "l", "w").join(" AND ");
        format!("JOIN {} l ON {on}", state.name)
    }));
    candidates(candidate_columns(table, state, "w"), false, from)
}

fn candidate_columns(
    table: &TableSchema,
    state: Option<&TableSchema>,
    alias: &str,
) -> [Vec<String>; 2] {
    [
        qualified(table.columns, alias),
        qualified(state.map_or(&[], TableSchema::values), "l"),
    ]
}

/// Returns the statements that update the rows whose keys are in a temporary table, and insert those that are absent.
fn replace_rows(
    dialect: Dialect,
    table: &'static TableSchema,
    source: &str,
    only_changed: bool,
) -> Vec<Statement> {
    // Keys with different spellings are the same key in Redshift, and each row has its own spelling.
    let has_spellings =
        |column: &&ColumnSchema| dialect == Dialect::Redshift && column.ty.is_text();
    let spellings = table.key().iter().filter(has_spellings);
    let columns: Vec<_> = spellings.chain(table.values()).copied().collect();

    let mut statements = Vec::new();
    if !columns.is_empty() {
        let mut conditions = equal(table.key(), table.name, "n");
        if only_changed {
            conditions.push(rows_differ(dialect, &columns, table.name, "n", 4));
        }
        statements.push(update(table, &columns, source, &conditions));
    }
    let rows = qualified(table.columns, "n");
    let same_key = equal(table.key(), "w", "n");
    statements.push(insert_absent(
        table,
        &rows,
        &format!("{source} n"),
        &same_key,
    ));
    statements
}
