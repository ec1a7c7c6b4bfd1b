//! Generates the statements that fill staged tables.

use crate::model::TableSchema;
use crate::warehouse::sql::generator::clause::names;
use crate::warehouse::sql::generator::list::list_in_parentheses;
use crate::warehouse::sql::generator::temp_table::staged_name;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statement that fills the staged table of a table with the result of a query.
pub(super) fn insert_into_staged(table: &'static TableSchema, query: &str) -> Statement {
    let before = format!("INSERT INTO {} ", staged_name(table));
    let target = list_in_parentheses(&before, names(table.columns), 0);
    Statement::new(Effect::Transform(table), format!("{target}\n{query}"))
}
