//! Defines the columns of tables.

use crate::model::{ColumnSchema, ColumnType};
use crate::warehouse::dialect::Dialect;

/// Returns the definition of each column, for a CREATE TABLE. The types are aligned. Keys are not included.
pub(super) fn column_definitions(columns: &[ColumnSchema], dialect: Dialect) -> Vec<String> {
    let width = columns.iter().map(|column| column.name.len()).max();
    let definition = |column: &ColumnSchema| {
        let null = if column.nullable { "" } else { " NOT NULL" };
        let ty = type_name(column.ty, dialect);
        format!(
            "{:width$} {ty}{null}",
            column.name,
            width = width.unwrap_or(0)
        )
    };
    columns.iter().map(definition).collect()
}

/// Returns the name of a type. Text is compared bytewise in both kinds of warehouse, but only PostgreSQL has to be told.
pub(super) fn type_name(ty: ColumnType, dialect: Dialect) -> String {
    match (ty, dialect) {
        (ColumnType::BigInt, _) => "BIGINT".to_owned(),
        (ColumnType::Integer, _) => "INTEGER".to_owned(),
        (ColumnType::SmallInt, _) => "SMALLINT".to_owned(),
        (ColumnType::Double, _) => "DOUBLE PRECISION".to_owned(),
        (ColumnType::Timestamp, _) => "TIMESTAMP".to_owned(),
        (ColumnType::Varchar(bytes), Dialect::Redshift) => format!("VARCHAR({bytes})"),
        (ColumnType::Varchar(bytes), Dialect::Postgres) => {
            format!("VARCHAR({bytes}) COLLATE \"C\"")
        }
    }
}
