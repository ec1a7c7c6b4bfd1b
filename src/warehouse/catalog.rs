//! Compares the tables of a warehouse with the expected ones: star schema, merge state and load history.
//!
//! The comparison comes before a load, so that a table that was altered fails it with one line and not halfway.

use std::collections::BTreeMap;

use super::connect::error::{StatementError, fatal};
use super::connect::session::{ResultRow, WarehouseSession};
use super::query_result::unexpected_result;
use crate::error::{Error, Result};
use crate::model::sparkify::SPARKIFY;
use crate::model::{ColumnSchema, ColumnType, TableSchema};

/// Returns the name that `format_type` has for a type in Redshift as well as in PostgreSQL.
fn pg_type_name(ty: ColumnType) -> String {
    match ty {
        ColumnType::BigInt => "bigint".to_owned(),
        ColumnType::Integer => "integer".to_owned(),
        ColumnType::SmallInt => "smallint".to_owned(),
        ColumnType::Double => "double precision".to_owned(),
        ColumnType::Timestamp => "timestamp without time zone".to_owned(),
        ColumnType::Varchar(bytes) => format!("character varying({bytes})"),
    }
}

/// Returns the query for the columns of all tables, also by their old names: table, column, type and whether it is NOT
/// NULL.
pub(crate) fn catalog_query() -> String {
    let tables = SPARKIFY.warehouse_tables();
    let names = tables.flat_map(|table| {
        [table.name]
            .into_iter()
            .chain(table.former_names.iter().copied())
    });
    let names: Vec<_> = names.map(|name| format!("'{name}'")).collect();
    format!(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relname IN ({})
    AND c.relkind IN ('r', 'p')
    AND a.attnum > 0
    AND NOT a.attisdropped
    AND pg_table_is_visible(c.oid)
ORDER BY c.relname, a.attnum",
        names.join(", ")
    )
}

/// A column as the catalog describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogColumn {
    /// Name of the column.
    pub name: String,
    /// Name of its type with the length, as `format_type` returns it.
    pub type_name: String,
    /// Whether it is NOT NULL.
    pub not_null: bool,
}

/// The columns of each table that exists, by table.
pub(crate) type Catalog = BTreeMap<String, Vec<CatalogColumn>>;

/// Reads the columns of the tables that exist.
///
/// # Errors
/// Returns an error if the query fails.
pub(crate) fn read_catalog(
    session: &mut WarehouseSession,
) -> std::result::Result<Catalog, StatementError> {
    let mut catalog = Catalog::new();
    for row in session.query(&catalog_query())? {
        let (table, column) = parse_catalog_row(row).map_err(fatal)?;
        catalog.entry(table).or_default().push(column);
    }
    Ok(catalog)
}

/// Returns the table and the column that a row of [`catalog_query`] describes.
fn parse_catalog_row(row: ResultRow) -> Result<(String, CatalogColumn)> {
    match <[Option<String>; 4]>::try_from(row) {
        Ok([Some(table), Some(name), Some(type_name), Some(not_null)]) => {
            let column = CatalogColumn {
                name,
                type_name,
                not_null: matches!(not_null.as_str(), "t" | "true"),
            };
            Ok((table, column))
        }
        Ok([..]) | Err(_) => Err(unexpected_result("the columns of the tables")),
    }
}

/// Returns an error for the first table that is missing or does not match.
pub(crate) fn check_schema(catalog: &Catalog) -> Option<Error> {
    let missing = missing_tables(catalog).first().copied().map(missing_error);
    missing.or_else(|| schema_mismatch(catalog))
}

/// Builds the error for a table that does not exist.
pub(super) fn missing_error(table: &TableSchema) -> Error {
    Error::failed(format!("table {} does not exist", table.name))
        .with_reason("no schema of the search_path has it, or another object has its name")
        .with_hint("create all tables with sparkify create-tables")
}

/// Returns the tables that are not in the catalog.
pub(crate) fn missing_tables(catalog: &Catalog) -> Vec<&'static TableSchema> {
    SPARKIFY
        .warehouse_tables()
        .filter(|table| !catalog.contains_key(table.name))
        .collect()
}

/// Returns an error for the first existing table that does not match the expected columns.
pub(crate) fn schema_mismatch(catalog: &Catalog) -> Option<Error> {
    SPARKIFY.warehouse_tables().find_map(|table| {
        let reason = column_mismatch(table.columns, catalog.get(table.name)?)?;
        Some(mismatch_error(table.name, reason))
    })
}

/// Builds the error for a table whose columns do not match.
pub(super) fn mismatch_error(name: &str, reason: String) -> Error {
    Error::failed(format!("table {name} does not match"))
        .with_reason(reason)
        .with_hint("alter it, or recreate all tables with sparkify create-tables --drop")
}

/// Returns the first difference between the columns of a table and the expected ones.
pub(super) fn column_mismatch(
    expected: &[ColumnSchema],
    actual: &[CatalogColumn],
) -> Option<String> {
    for (index, column) in expected.iter().enumerate() {
        let number = index + 1;
        let expected_column = format!("`{} {}`", column.name, pg_type_name(column.ty));
        let Some(actual_column) = actual.get(index) else {
            return Some(format!(
                "column {number} is missing, expected {expected_column}"
            ));
        };
        let CatalogColumn {
            name,
            type_name,
            not_null,
        } = actual_column;
        let is_unexpectedly_not_null = *not_null && column.nullable;
        if name != column.name || !is_compatible(type_name, column.ty) || is_unexpectedly_not_null {
            let constraint = match is_unexpectedly_not_null {
                true => " NOT NULL",
                false => "",
            };
            return Some(format!(
                "column {number} is `{name} {type_name}{constraint}`, expected {expected_column}"
            ));
        }
    }
    let CatalogColumn {
        name, type_name, ..
    } = actual.get(expected.len())?;
    Some(format!("unexpected column `{name} {type_name}`"))
}

/// Returns true if a column of the actual type can store all values of the expected type.
fn is_compatible(actual: &str, expected: ColumnType) -> bool {
    let length = |name: &str| -> Option<usize> {
        let length = name.strip_prefix("character varying(")?;
        length.strip_suffix(')')?.parse().ok()
    };
    match expected {
        // A wider column does no harm.
        ColumnType::Varchar(bytes) => length(actual).is_some_and(|found| found >= bytes),
        ColumnType::BigInt
        | ColumnType::Integer
        | ColumnType::SmallInt
        | ColumnType::Double
        | ColumnType::Timestamp => actual == pg_type_name(expected),
    }
}

/// Returns the catalog of a warehouse that has all tables of this version.
#[cfg(test)]
pub(super) fn current_catalog() -> Catalog {
    let column = |c: &ColumnSchema| CatalogColumn {
        name: c.name.to_owned(),
        type_name: pg_type_name(c.ty),
        not_null: !c.nullable,
    };
    let table = |table: &TableSchema| {
        let columns = table.columns.iter().map(column).collect();
        (table.name.to_owned(), columns)
    };
    SPARKIFY.warehouse_tables().map(table).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch_after(change: impl FnOnce(&mut Catalog)) -> String {
        let mut catalog = current_catalog();
        change(&mut catalog);
        check_schema(&catalog).map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn schema_mismatches_name_table_and_column() {
        assert_eq!(mismatch_after(|_| {}), "");
        let missing = mismatch_after(|catalog| drop(catalog.remove("users")));
        assert!(
            missing.contains("table users does not exist: no schema"),
            "{missing}"
        );
        let change = |table: &'static str, change: fn(&mut Vec<CatalogColumn>)| {
            mismatch_after(|catalog| catalog.get_mut(table).into_iter().for_each(change))
        };
        let many = change("songs", |c| {
            c.push(CatalogColumn {
                name: "extra".into(),
                type_name: "bigint".into(),
                not_null: false,
            });
        });
        assert!(many.contains("unexpected column `extra bigint`"), "{many}");
        let few = change("songs", |c| drop(c.pop()));
        assert!(
            few.contains("column 5 is missing, expected `duration double precision`"),
            "{few}"
        );
        let other = change("time", |c| c[1].type_name = "integer".into());
        assert!(
            other.contains(
                "table time does not match: column 2 is `hour integer`, expected `hour smallint`"
            ),
            "{other}"
        );
        let narrow = change("artists", |c| {
            c[1].type_name = "character varying(100)".into()
        });
        assert!(
            narrow.contains("expected `name character varying(1024)`"),
            "{narrow}"
        );
        let strict = change("users", |c| c[1].not_null = true);
        assert!(
            strict.contains("NOT NULL`, expected `first_name"),
            "{strict}"
        );
        let order = change("users", |c| c.swap(1, 2));
        assert!(
            order.contains("`last_name character varying(256)`, expected `first_name"),
            "{order}"
        );
        let wide = change("artists", |c| {
            c[1].type_name = "character varying(2048)".into()
        });
        assert_eq!(wide, "");
        let lax = change("users", |c| c[4].not_null = false);
        assert_eq!(lax, "");
    }

    #[test]
    fn incomplete_catalog_row_is_an_error() {
        let field = |text: &str| Some(text.to_owned());
        let row = vec![
            field("users"),
            field("user_id"),
            field("bigint"),
            field("t"),
        ];
        let (table, column) = parse_catalog_row(row.clone()).unwrap();
        assert_eq!(
            (table.as_str(), column.name.as_str(), column.not_null),
            ("users", "user_id", true)
        );
        for index in 0..row.len() {
            let mut with_null = row.clone();
            with_null[index] = None;
            parse_catalog_row(with_null).unwrap_err();
        }
        parse_catalog_row(row[..3].to_vec()).unwrap_err();
    }
}
