//! Counts rows, to check the steps of a load.

use super::expression::equal;
use super::temp_table::staged_name;
use crate::input::RecordKind;
use crate::model::{ColumnType, EngineValue, Model, TableRule, TableSchema, ValueSource};
use crate::warehouse::sql::statement::{Check, Effect, Statement};

/// Returns the query that counts the rows of the staging tables.
pub(crate) fn staged_rows_statement(model: &Model) -> Statement {
    let count = |table: &TableSchema| {
        let (name, staged) = (table.name, staged_name(table));
        format!("SELECT '{name}' AS name, COUNT(*) AS rows FROM {staged}")
    };
    check(Check::StagedRows, model.dataset_tables().map(count)).with_comment(
        "The rows of each staging table: as many as the report of the run has under tables and merge_state.",
    )
}

/// Returns the query that counts the rows that staged rows are merged with, but that have no merge state. Their source
/// records are unknown, so nothing can be compared with them.
pub(crate) fn missing_state_statement(model: &Model) -> Statement {
    let count = |(table, state): (&TableSchema, &str)| {
        let first_key = table.columns[0].name;
        format!(
            "SELECT '{state}' AS name, COUNT(*) AS rows
FROM {staged} s
JOIN {table} w ON {}
LEFT JOIN {state} l ON {}
WHERE l.{first_key} IS NULL",
            equal(table.key(), "w", "s").join(" AND "),
            equal(table.key(), "l", "s").join(" AND "),
            table = table.name,
            staged = staged_name(table),
        )
    };
    let with_state = model
        .picks()
        .filter_map(|(table, rule)| Some((table, rule.state?)));
    check(Check::MergeState, with_state.map(count)).with_comment(
        "The rows of the warehouse that staged rows are merged with, but whose merge state is missing. Every count must be 0.",
    )
}

/// Returns the query for what the report of a run says about the staged rows of the fact table: how many match a row of
/// the lookup table, and the time of the first and of the last, as in ISO 8601.
#[expect(
    clippy::expect_used,
    reason = "the rule of a fact table has a lookup, which would be of no use otherwise"
)]
pub(crate) fn fact_summary_statement(model: &Model) -> Statement {
    let (fact, _) = model.fact();
    let matched = fact
        .columns
        .iter()
        .find(|column| matches!(column.source, ValueSource::Lookup(_)));
    let matched = matched.expect("the lookup of a fact table fills a column of it");
    let mut columns = vec![format!("COUNT({}) AS matched", matched.name)];
    let time = fact
        .columns
        .iter()
        .find(|column| column.ty == ColumnType::Timestamp);
    columns.extend(time.into_iter().flat_map(|time| {
        [("MIN", "oldest"), ("MAX", "newest")].map(|(function, name)| {
            format!(
                "TO_CHAR({function}({}), 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS {name}",
                time.name
            )
        })
    }));
    let sql = format!(
        "SELECT\n    {}\nFROM {}",
        columns.join(",\n    "),
        staged_name(fact)
    );
    Statement::new(Effect::Check(Check::FactSummary), sql)
}

/// Returns the query that counts by how many rows the tables of the star schema have grown. It has no rows if no table
/// has side effects.
pub(crate) fn row_deltas_statement(model: &Model) -> Statement {
    let row_delta = |table: &&TableSchema| {
        let name = table.name;
        format!(
            "SELECT w.name, (SELECT COUNT(*) FROM {name}) - w.rows AS rows FROM tables_with_side_effects w WHERE w.name = '{name}'"
        )
    };
    check(Check::RowDeltas, model.star.iter().map(row_delta))
}

/// Returns the query for the names of tables that a full refresh has not emptied.
pub(crate) fn emptied_statement(model: &Model) -> Statement {
    let queries = model
        .warehouse_tables()
        .map(|table| has_rows_query(table, None));
    check(Check::Emptied, queries)
}

/// The name of a load history that has a song object from which records were kept.
pub(crate) const LOADED_SONGS: &str = "load_history of songs";

/// Returns the query for the names of those of the given tables that have rows, as one statement, so that all of them are
/// seen at one moment. In the load history only log objects with kept events count, and it has a second name,
/// [`LOADED_SONGS`], for the song objects.
pub(crate) fn nonempty_tables_query<'a>(
    model: &Model,
    tables: impl IntoIterator<Item = &'a TableSchema>,
) -> String {
    let mut queries = Vec::new();
    for table in tables {
        match table.rule {
            TableRule::LoadHistory => {
                queries.push(loaded_records_query(model, RecordKind::Log, table.name));
                queries.push(loaded_records_query(model, RecordKind::Song, LOADED_SONGS));
            }
            TableRule::Fact(_)
            | TableRule::Pick(_)
            | TableRule::Calendar
            | TableRule::PickState { .. }
            | TableRule::LookupKeys { .. }
            | TableRule::SourceObjects => queries.push(has_rows_query(table, None)),
        }
    }
    queries.join("\nUNION ALL\n")
}

/// Returns the query for `name` if the load history has an object of a kind from which records were kept.
fn loaded_records_query(model: &Model, kind: RecordKind, name: &str) -> String {
    let condition = format!(
        "{} = '{}' AND {} > 0",
        model.history_column(EngineValue::ObjectKind),
        kind.singular(),
        model.history_column(EngineValue::KeptRecords)
    );
    named_if_rows(name, model.load_history, Some(&condition))
}

/// Returns the query for the name of the table if the table has at least one row that meets the condition.
pub(crate) fn has_rows_query(table: &TableSchema, condition: Option<&str>) -> String {
    named_if_rows(table.name, table, condition)
}

fn named_if_rows(name: &str, table: &TableSchema, condition: Option<&str>) -> String {
    let filter = condition.map_or_else(String::new, |condition| format!(" WHERE {condition}"));
    let table = table.name;
    format!("SELECT '{name}' AS name FROM (SELECT 1 FROM {table}{filter} LIMIT 1) AS found")
}

/// Returns the check of the result of several queries.
fn check(check: Check, queries: impl Iterator<Item = String>) -> Statement {
    let queries: Vec<_> = queries.collect();
    Statement::new(Effect::Check(check), queries.join("\nUNION ALL\n"))
}
