//! Empties all tables for a full refresh.

use super::constraints::drop_constraints_before_delete;
use crate::model::{Model, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements that delete all rows, of each table before those of the tables that it refers to.
pub(crate) fn refresh_statements(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let mut statements = match dialect {
        Dialect::Redshift => Vec::new(),
        Dialect::Postgres => vec![drop_constraints_before_delete(model)],
    };
    let delete = |table: &'static TableSchema| {
        Statement::new(Effect::Delete(table), format!("DELETE FROM {}", table.name))
    };
    let tables = model.warehouse_tables_by_dependency().into_iter().rev();
    statements.extend(tables.map(delete));
    statements
}
