//! Names the temporary tables of a load, and generates the statements that create them.

use crate::model::TableSchema;
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the name of the staging table.
pub(super) fn staged_name(table: &TableSchema) -> String {
    format!("staged_{}", table.name)
}

/// Returns the name of the table of rows that replace rows of the warehouse, or are not in it yet.
pub(super) fn new_name(table: &TableSchema) -> String {
    format!("new_{}", table.name)
}

/// Returns the name of the table of events that both a batch and the warehouse have.
pub(super) fn existing_name(fact: &TableSchema) -> String {
    format!("existing_{}", fact.name)
}

/// Returns the name of the table of events whose deliveries in a batch and in the warehouse differ.
pub(super) fn changed_name(fact: &TableSchema) -> String {
    format!("changed_{}", fact.name)
}

/// Returns the name of the table of loaded events that match rows of the lookup table of a batch.
pub(super) fn matched_name(fact: &TableSchema) -> String {
    format!("matched_{}", fact.name)
}

/// Returns the name of the table of rows of the lookup table that a batch does not replace.
pub(super) fn earlier_name(lookup: &TableSchema) -> String {
    format!("earlier_{}", lookup.name)
}

/// Returns the statements that create a temporary table from a query.
pub(super) fn create_temp_table(dialect: Dialect, name: &str, query: &str) -> Vec<Statement> {
    match dialect {
        Dialect::Postgres => vec![
            Statement::new(
                Effect::Temporary,
                format!("CREATE TEMP TABLE {name} ON COMMIT DROP AS\n{query}"),
            ),
            analyze(name),
        ],
        Dialect::Redshift => vec![Statement::new(
            Effect::Temporary,
            format!("CREATE TEMP TABLE {name} AS\n{query}"),
        )],
    }
}

/// Returns the statement that collects the statistics of a temporary table in PostgreSQL.
pub(super) fn analyze(name: &str) -> Statement {
    Statement::new(Effect::Temporary, format!("ANALYZE {name}"))
}
