//! Creates the tables.

use super::clause::names;
use super::column::column_definitions;
use super::list::comment_lines;
use crate::model::{Distribution, Model, RedshiftLayout, Reference, TableRule, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::statement::{Effect, Statement};

/// Returns the statements that create the tables that do not exist, each table after those that it refers to.
pub(crate) fn create_statements(model: &Model, dialect: Dialect) -> Vec<Statement> {
    let tables = model.warehouse_tables_by_dependency().into_iter();
    tables
        .flat_map(|table| create_table(model, dialect, table))
        .collect()
}

/// Returns the statements that create a table with all that belongs to it.
fn create_table(model: &Model, dialect: Dialect, table: &'static TableSchema) -> Vec<Statement> {
    let table_ddl = table_definition(model, dialect, table);
    let mut statements = vec![ddl(table, table_ddl, table.description)];
    match dialect {
        Dialect::Redshift => {}
        Dialect::Postgres => {
            statements.extend(index_on_sort_key(table));
            statements.extend(replica_identity(table));
        }
    }
    statements
}

fn ddl(table: &'static TableSchema, sql: String, comment: impl Into<String>) -> Statement {
    Statement::new(Effect::Create(table), sql)
        .blocking()
        .with_comment(comment)
}

fn table_definition(model: &Model, dialect: Dialect, table: &TableSchema) -> String {
    let mut lines = column_definitions(table.columns, dialect);
    match table.key() {
        [] => {}
        [_] => lines[0].push_str(" PRIMARY KEY"),
        key => lines.push(format!("PRIMARY KEY ({})", names(key).join(", "))),
    }
    match dialect {
        Dialect::Redshift => {
            for (line, column) in lines.iter_mut().zip(table.columns) {
                let mut references = table.references.iter();
                if let Some(reference) = references.find(|r| r.column == column.name) {
                    let key = names(model.table(reference.table).key());
                    line.push_str(&format!(
                        " REFERENCES {} ({})",
                        reference.table,
                        key.join(", ")
                    ));
                }
            }
        }
        Dialect::Postgres => lines.extend(table.references.iter().map(foreign_key)),
    }
    let lines = lines.join(",\n    ");
    let mut sql = format!(
        "CREATE TABLE IF NOT EXISTS {} (\n    {lines}\n)",
        table.name
    );
    match dialect {
        Dialect::Redshift => sql.push_str(&format!("\n{}", storage_layout(&table.redshift))),
        Dialect::Postgres => {}
    }
    sql
}

fn foreign_key(reference: &Reference) -> String {
    let Reference {
        name,
        column,
        table,
    } = reference;
    format!("CONSTRAINT {name} FOREIGN KEY ({column}) REFERENCES {table}")
}

fn storage_layout(layout: &RedshiftLayout) -> String {
    let distribution = match layout.distribution {
        Distribution::All => "DISTSTYLE ALL".to_owned(),
        Distribution::Even => "DISTSTYLE EVEN".to_owned(),
        Distribution::Key(column) => format!("DISTSTYLE KEY DISTKEY ({column})"),
    };
    let reason = comment_lines(layout.reason);
    format!(
        "{reason}{distribution} SORTKEY ({}) ENCODE AUTO",
        layout.sort_key
    )
}

/// Returns the index with which PostgreSQL skips blocks, as Redshift does by the sort key. Only the fact table is large
/// enough for it.
fn index_on_sort_key(table: &'static TableSchema) -> Option<Statement> {
    let TableRule::Fact(_) = table.rule else {
        return None;
    };
    let (name, column) = (table.name, table.redshift.sort_key);
    let sql = format!("CREATE INDEX IF NOT EXISTS {name}_{column} ON {name} USING brin ({column})");
    let comment = format!(
        "Most queries select a time range, and {name} are loaded roughly in order of time."
    );
    Some(ddl(table, sql, comment))
}

fn replica_identity(table: &'static TableSchema) -> Option<Statement> {
    if !table.key().is_empty() {
        return None;
    }
    let sql = format!("ALTER TABLE {} REPLICA IDENTITY FULL", table.name);
    let comment = "Logical replication of a table without a primary key identifies rows by all of their columns.";
    Some(ddl(table, sql, comment))
}
