//! Fills the staged tables of the star schema from the valid records.

use super::calendar::calendar_statement;
use super::fact::fact_statements;
use super::pick::pick_statements;
use super::source_objects::source_objects_statement;
use crate::model::{Model, TableRule, TableSchema};
use crate::warehouse::sql::statement::Statement;

/// Returns the statements that fill the staged tables.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the run of the engine inside Redshift calls it")
)]
pub(crate) fn transform_statements(model: &Model) -> Vec<Statement> {
    let tables = transformed_tables(model).into_iter();
    tables
        .flat_map(|table| table_statements(model, table))
        .collect()
}

/// Returns the tables that have statements of their own. They fill the merge state too.
pub(super) fn transformed_tables(model: &Model) -> Vec<&'static TableSchema> {
    let mut tables = model.dataset_tables_by_dependency();
    tables.retain(|table| model.star.contains(table) || *table == model.source_objects());
    tables
}

/// Returns the statements that fill the staged table of a table, and those of the merge state that belongs to it.
pub(super) fn table_statements(model: &Model, table: &'static TableSchema) -> Vec<Statement> {
    match table.rule {
        TableRule::Fact(_) => {
            let (lookup, rule) = model.lookup();
            let mut statements = Vec::new();
            if !model.star.contains(&lookup) {
                statements.extend(pick_statements(model, lookup, rule));
            }
            statements.extend(fact_statements(model));
            statements
        }
        TableRule::Pick(rule) => pick_statements(model, table, rule),
        TableRule::Calendar => vec![calendar_statement(model, table)],
        TableRule::SourceObjects => vec![source_objects_statement(model)],
        // These come with the tables that they belong to, and the history only with a load.
        TableRule::PickState { .. } | TableRule::LookupKeys { .. } | TableRule::LoadHistory => {
            Vec::new()
        }
    }
}
