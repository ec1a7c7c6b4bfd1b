//! Changes the tables that an older version has created into those of this version.

use serde::Serialize;

use super::column::type_name;
use super::transaction::lock_statement;
use crate::model::{AddedColumn, ColumnSchema, ColumnType, Model, TableSchema};
use crate::warehouse::dialect::Dialect;
use crate::warehouse::sql::literal::quote_literal;
use crate::warehouse::sql::statement::{Effect, Statement};

/// A change of a table that an older version has created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum TableChange {
    /// The table gets its new name.
    RenameTable {
        /// Its new name.
        table: &'static str,
        /// Its old name.
        from: &'static str,
    },
    /// The table gets a column.
    AddColumn {
        /// The name of the table.
        table: &'static str,
        /// The name of the column.
        column: &'static str,
    },
}

/// Returns all columns that were added since version 0.1.0. The tables of that version have the names of this one.
pub(crate) fn changes_since_first_version(model: &Model) -> Vec<TableChange> {
    let tables = model.warehouse_tables();
    tables
        .flat_map(|table| {
            let columns = table.columns.iter();
            let added = columns.filter(|column| column.added.is_some());
            added.map(|column| TableChange::AddColumn {
                table: table.name,
                column: column.name,
            })
        })
        .collect()
}

/// Returns the statement that waits for loads before an upgrade.
pub(crate) fn upgrade_lock_statement(model: &Model, dialect: Dialect) -> Statement {
    lock_statement(model, dialect).with_comment(match dialect {
        Dialect::Redshift => {
            "This waits for a load that is running and for readers of the table. New ones wait until the COMMIT."
        }
        Dialect::Postgres => {
            "This waits for a load that is running, and ALTER TABLE for readers of the table too. New ones wait until \
             the COMMIT."
        }
    })
}

/// Returns the statements that make the changes, in order.
pub(crate) fn upgrade_statements(
    model: &Model,
    dialect: Dialect,
    changes: &[TableChange],
) -> Vec<Statement> {
    let mut statements = Vec::new();
    for change in changes {
        match *change {
            TableChange::RenameTable { table, from } => {
                let sql = format!("ALTER TABLE {from} RENAME TO {table}");
                statements.push(alter(model.table(table), sql));
            }
            TableChange::AddColumn { table, column } => {
                let table = model.table(table);
                let (column, added) = added_column(table, column);
                statements.extend(add_column(table, column, added, dialect));
            }
        }
    }
    statements
}

/// Returns the column that a change adds.
#[expect(
    clippy::expect_used,
    reason = "the changes are made from the columns of the model that were added"
)]
fn added_column(table: &TableSchema, name: &str) -> (&'static ColumnSchema, AddedColumn) {
    let column = table.column(name).expect("the table has the column");
    (column, column.added.expect("the column was added"))
}

/// Returns the statements that add a column and fill it in older rows. Redshift adds one column in a statement, and a
/// column that is NOT NULL only with a default, which cannot be dropped again.
fn add_column(
    table: &'static TableSchema,
    column: &ColumnSchema,
    added: AddedColumn,
    dialect: Dialect,
) -> Vec<Statement> {
    let (name, ty) = (column.name, type_name(column.ty, dialect));
    let null = if column.nullable { "" } else { " NOT NULL" };
    let fill = added
        .fill
        .map(|fill| format!(" DEFAULT {}", literal(fill, column.ty)));
    let add = format!(
        "ALTER TABLE {} ADD COLUMN {name} {ty}{}{null}",
        table.name,
        fill.as_deref().unwrap_or_default()
    );
    let mut statements = vec![alter(table, add)];
    match (dialect, fill) {
        (Dialect::Postgres, Some(_)) => {
            let drop = format!(
                "ALTER TABLE {} ALTER COLUMN {name} DROP DEFAULT",
                table.name
            );
            statements.push(alter(table, drop));
        }
        (Dialect::Redshift, _) | (Dialect::Postgres, None) => {}
    }
    statements
}

/// Returns a value of a type as a literal of SQL.
#[expect(
    clippy::expect_used,
    reason = "the values are those of the model, which are plain"
)]
fn literal(value: &str, ty: ColumnType) -> String {
    match ty {
        ColumnType::Varchar(_) | ColumnType::Timestamp => {
            quote_literal(value).expect("the value needs no escapes")
        }
        ColumnType::BigInt | ColumnType::Integer | ColumnType::SmallInt | ColumnType::Double => {
            value.to_owned()
        }
    }
}

fn alter(table: &'static TableSchema, sql: String) -> Statement {
    Statement::new(Effect::Alter(table), sql).blocking()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::SPARKIFY;

    fn sql(changes: &[TableChange], dialect: Dialect) -> Vec<String> {
        let statements = upgrade_statements(&SPARKIFY, dialect, changes).into_iter();
        statements.map(|statement| statement.sql).collect()
    }

    #[test]
    fn a_column_without_null_is_filled_by_a_default() {
        let changes = [
            TableChange::RenameTable {
                table: "load_history",
                from: "loads",
            },
            TableChange::AddColumn {
                table: "load_history",
                column: "kind",
            },
            TableChange::AddColumn {
                table: "load_history",
                column: "load_seconds",
            },
        ];
        assert_eq!(
            sql(&changes, Dialect::Redshift),
            [
                "ALTER TABLE loads RENAME TO load_history",
                "ALTER TABLE load_history ADD COLUMN kind VARCHAR(16) DEFAULT 'log' NOT NULL",
                "ALTER TABLE load_history ADD COLUMN load_seconds DOUBLE PRECISION",
            ]
        );
        assert_eq!(
            sql(&changes, Dialect::Postgres)[1..3],
            [
                "ALTER TABLE load_history ADD COLUMN kind VARCHAR(16) COLLATE \"C\" DEFAULT 'log' NOT NULL",
                "ALTER TABLE load_history ALTER COLUMN kind DROP DEFAULT",
            ]
        );
    }

    #[test]
    fn values_are_quoted_by_their_types() {
        assert_eq!(literal("log", ColumnType::Varchar(16)), "'log'");
        assert_eq!(literal("it's", ColumnType::Varchar(16)), "'it''s'");
        assert_eq!(literal("2018-11-01", ColumnType::Timestamp), "'2018-11-01'");
        assert_eq!(literal("0", ColumnType::BigInt), "0");
    }

    #[test]
    fn the_first_version_lacks_columns_of_the_history() {
        let tables = changes_since_first_version(&SPARKIFY);
        let is_of_history = |change: &TableChange| match *change {
            TableChange::AddColumn { table, .. } => table == "load_history",
            TableChange::RenameTable { .. } => false,
        };
        assert!(tables.iter().all(is_of_history), "{tables:?}");
        assert_eq!(tables.len(), 5);
    }
}
