//! Rules about tables that the simulator checks in its catalog, because PostgreSQL does not know the keys.

use super::ddl::TableDefinition;
use super::lexer::SqlStatement;
use super::pg_session::{PgSession, quote_literal};
use super::protocol::{SessionResult, SqlError};

/// Checks that the referenced tables exist and have the referenced keys.
pub fn check_references(backend: &mut PgSession, table: &TableDefinition) -> SessionResult<()> {
    for (name, columns) in &table.references {
        let key = columns.as_ref().map_or("true".to_owned(), |columns| {
            format!("{} = ANY (keys)", quote_literal(columns))
        });
        let sql = format!(
            "SELECT EXISTS (SELECT FROM redshift.tables WHERE id = {}::regclass \
             AND cardinality(keys) > 0 AND {key})",
            quote_literal(name)
        );
        if backend.run_sql(&sql)?[0][0].as_deref() != Some("t") {
            let message = format!(
                "there is no unique constraint matching given keys for referenced table \"{name}\""
            );
            return Err(SqlError::new("42830", message).into());
        }
    }
    Ok(())
}

/// Checks that no other table refers to a dropped table, unless CASCADE is given.
pub fn check_drop_table(backend: &mut PgSession, statement: &SqlStatement) -> SessionResult<()> {
    let mut parser = statement.parser();
    parser.expect(&["drop", "table"])?;
    parser.accept(&["if", "exists"]);
    let mut tables = Vec::new();
    loop {
        let name = parser.qualified_name()?;
        tables.push(format!("to_regclass({})::oid", quote_literal(&name)));
        if !parser.accept(&[","]) {
            break;
        }
    }
    if parser.accept(&["cascade"]) {
        return Ok(());
    }
    let sql = format!(
        "WITH gone AS (SELECT array_remove(ARRAY[{}], NULL) AS ids) \
         SELECT c.relname FROM gone, redshift.tables t JOIN pg_class c ON c.oid = t.id \
         WHERE t.parents && ids AND NOT t.id = ANY (ids)",
        tables.join(", ")
    );
    match backend.run_sql(&sql)?.first() {
        None => Ok(()),
        Some(row) => {
            let child = row[0].as_deref().unwrap_or_default();
            let message = "cannot drop table because other objects depend on it";
            Err(SqlError::new("2BP01", message)
                .with_detail(format!("constraint on table {child} depends on it"))
                .with_hint("Use DROP ... CASCADE to drop the dependent objects too.")
                .into())
        }
    }
}
