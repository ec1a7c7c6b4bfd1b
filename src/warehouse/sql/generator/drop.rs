//! Drops the tables.

use crate::model::{Model, TableSchema};
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements that drop all tables, each table before those that it refers to.
pub(crate) fn drop_statements(model: &Model) -> Vec<Statement> {
    let tables = model.warehouse_tables_by_dependency().into_iter().rev();
    let drop = |table: &'static TableSchema| {
        let sql = format!("DROP TABLE IF EXISTS {}", table.name);
        Statement::new(Effect::Drop(table), sql).blocking()
    };
    tables.map(drop).collect()
}
