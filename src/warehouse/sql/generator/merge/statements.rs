//! Generates the merge of the staging tables into the star schema and the merge state.

use super::fact::{find_earlier_matches, merge_fact};
use super::fact_tables::FactTables;
use super::history::record_history;
use super::pick::merge_pick;
use super::rows::insert_absent;
use crate::model::{Model, TableRule, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::generator::expression::{equal, qualified};
use crate::warehouse::sql::generator::temp_table::{analyze, staged_name};
use crate::warehouse::sql::statement::Statement;

/// Returns the statements of the merge, without those for constraints and the COMMIT. `run` is the id of the run as an
/// expression of SQL.
pub(crate) fn merge_statements(model: &Model, dialect: Dialect, run: &str) -> Vec<Statement> {
    let fact_tables = FactTables::new(model);
    let mut statements = match dialect {
        Dialect::Postgres => analyze_staged(model),
        Dialect::Redshift => Vec::new(),
    };
    for table in model.warehouse_tables_by_dependency() {
        match table.rule {
            TableRule::Pick(rule) => {
                if table == fact_tables.lookup {
                    statements.extend(find_earlier_matches(&fact_tables, dialect, rule));
                }
                statements.extend(merge_pick(model, dialect, table, rule));
            }
            TableRule::Calendar => statements.push(merge_calendar(table)),
            // The fact table needs the merged lookup table, and the history comes last.
            TableRule::Fact(_) | TableRule::LookupKeys { .. } | TableRule::LoadHistory => {}
            // A pick merges its state.
            TableRule::PickState { .. } => {}
            // The source objects are rows of the history.
            TableRule::SourceObjects => {}
        }
    }
    statements.extend(merge_fact(&fact_tables, dialect));
    statements.push(record_history(model, dialect, run));
    statements
}

fn analyze_staged(model: &Model) -> Vec<Statement> {
    let tables = model
        .dataset_tables_by_dependency()
        .into_iter()
        .map(|table| analyze(&staged_name(table)));
    let mut statements: Vec<_> = tables.collect();
    let comment = "The planner has no statistics of temporary tables without ANALYZE.";
    statements[0].comment = comment.to_owned();
    statements
}

/// Returns the statement that inserts the new rows of a calendar. Rows with the same key are equal.
fn merge_calendar(table: &'static TableSchema) -> Statement {
    let source = format!("{} s", staged_name(table));
    let rows = qualified(table.columns, "s");
    insert_absent(table, &rows, &source, &equal(table.key(), "w", "s"))
        .with_comment(format!("Insert the new rows of {}.", table.name))
}
