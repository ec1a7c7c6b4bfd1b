//! Compares the tables of a warehouse with the expected ones: star schema, merge state and load history.
//!
//! The comparison comes before a load, so that a table that was altered fails it with one line and not halfway.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::star::schema::{
    ColumnSchema, ColumnType, SONGPLAYS, SOURCE_OBJECTS, STAR_TABLES, STATE_ARTISTS,
    STATE_SONGPLAYS, STATE_SONGS, STATE_USERS, TableSchema,
};
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::{ResultRow, WarehouseSession};

/// Name of the table that lists what was loaded: one row for each log object of each run.
pub const LOAD_HISTORY: &str = "load_history";

/// First column of [`LOAD_HISTORY`], before the columns of [`SOURCE_OBJECTS`].
const RUN_COLUMN: ColumnSchema = ColumnSchema {
    name: "run",
    ty: ColumnType::Varchar(64),
    nullable: false,
};
/// Last column of [`LOAD_HISTORY`].
const LOADED_AT_COLUMN: ColumnSchema = ColumnSchema {
    name: "loaded_at",
    ty: ColumnType::Timestamp,
    nullable: false,
};

/// The tables of the merge state that a warehouse has too.
static WAREHOUSE_STATE_TABLES: [&TableSchema; 4] =
    [&STATE_USERS, &STATE_ARTISTS, &STATE_SONGS, &STATE_SONGPLAYS];

/// Returns the name and the columns of each table, in order.
pub fn warehouse_tables() -> Vec<(&'static str, Vec<ColumnSchema>)> {
    let parquet_tables = STAR_TABLES.iter().chain(&WAREHOUSE_STATE_TABLES);
    let mut tables: Vec<_> = parquet_tables
        .map(|table| (table.name, table.columns.to_vec()))
        .collect();
    let mut load_history_columns = vec![RUN_COLUMN];
    load_history_columns.extend(SOURCE_OBJECTS.columns);
    load_history_columns.push(LOADED_AT_COLUMN);
    tables.push((LOAD_HISTORY, load_history_columns));
    tables
}

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

/// Returns the query for the columns of all tables: table, column, type and whether it is NOT NULL.
pub fn catalog_query() -> String {
    let names: Vec<_> = warehouse_tables()
        .iter()
        .map(|(name, _)| format!("'{name}'"))
        .collect();
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

/// A column as the catalog describes it: name, type, whether it is NOT NULL.
pub type CatalogColumn = (String, String, bool);

/// Returns the columns of each table that exists, by table.
///
/// # Errors
/// Returns an error if the query fails.
pub fn read_catalog(
    session: &mut WarehouseSession,
) -> std::result::Result<BTreeMap<String, Vec<CatalogColumn>>, StatementError> {
    let mut catalog: BTreeMap<String, Vec<CatalogColumn>> = BTreeMap::new();
    for row in session.query(&catalog_query())? {
        let mut row: ResultRow = row;
        let mut take_field = |i: usize| row.get_mut(i).and_then(Option::take).unwrap_or_default();
        let column = (
            take_field(1),
            take_field(2),
            matches!(take_field(3).as_str(), "t" | "true"),
        );
        catalog.entry(take_field(0)).or_default().push(column);
    }
    Ok(catalog)
}

/// Returns an error for the first table that is missing or does not match.
pub fn check_schema(catalog: &BTreeMap<String, Vec<CatalogColumn>>) -> Option<Error> {
    let missing = missing_tables(catalog).first().map(|name| {
        Error::failed(format!("table {name} does not exist"))
            .with_reason("no schema of the search_path has it, or another object has its name")
            .with_hint("create all tables with sparkify create-tables")
    });
    missing.or_else(|| schema_mismatch(catalog))
}

/// Returns the names of the tables that are not in the catalog.
pub fn missing_tables(catalog: &BTreeMap<String, Vec<CatalogColumn>>) -> Vec<&'static str> {
    let names = warehouse_tables().into_iter().map(|(name, _)| name);
    names.filter(|name| !catalog.contains_key(*name)).collect()
}

/// Hint for a table that was dropped or emptied.
const LOST_TABLE_HINT: &str = "sparkify run --full-refresh creates missing tables and loads everything again; \
                    or restore the table from a backup";

/// Returns an error if a table is missing while others have rows. Created again it would be empty, and later loads
/// would merge with an incomplete state.
///
/// # Errors
/// Returns an error if a query fails.
pub fn find_lost_table(
    session: &mut WarehouseSession,
    catalog: &BTreeMap<String, Vec<CatalogColumn>>,
) -> std::result::Result<Option<Error>, StatementError> {
    let missing = missing_tables(catalog);
    let Some(name) = missing.first() else {
        return Ok(None);
    };
    let others = warehouse_tables().into_iter().map(|(name, _)| name);
    let others: Vec<_> = others.filter(|name| !missing.contains(name)).collect();
    let nonempty = nonempty_tables(session, &others)?;
    Ok(nonempty.first().map(|other| {
        Error::failed(format!("table {name} does not exist"))
            .with_reason(format!(
                "{other} has rows, so {name} was dropped, or no schema of the search_path has it"
            ))
            .with_hint(LOST_TABLE_HINT)
    }))
}

/// Pairs of tables that are both empty or both filled, because every row of the one has a row of the other.
const COUPLED_TABLES: [(&str, &str); 6] = [
    ("users", "state_users"),
    ("artists", "state_artists"),
    ("songs", "state_songs"),
    ("songplays", "time"),
    ("songplays", "users"),
    ("songplays", LOAD_HISTORY),
];

/// Returns an error if a table is empty and its pair in `COUPLED_TABLES` is not. All tables must exist.
///
/// # Errors
/// Returns an error if a query fails.
pub fn find_emptied_table(
    session: &mut WarehouseSession,
) -> std::result::Result<Option<Error>, StatementError> {
    let names: Vec<_> = warehouse_tables()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let nonempty = nonempty_tables(session, &names)?;
    let error = |empty: &str, other: &str| {
        Error::failed(format!("table {empty} is empty"))
            .with_reason(format!(
                "{other} has rows, so the rows of {empty} were lost"
            ))
            .with_hint(LOST_TABLE_HINT)
    };
    for (a, b) in COUPLED_TABLES {
        match (nonempty.contains(a), nonempty.contains(b)) {
            (true, false) => return Ok(Some(error(b, a))),
            (false, true) => return Ok(Some(error(a, b))),
            (true, true) | (false, false) => {}
        }
    }
    let (keys, plays) = (STATE_SONGPLAYS.name, SONGPLAYS.name);
    if nonempty.contains(plays) && !nonempty.contains(keys) {
        // A play without song, artist and length has no row in state_songplays, but it has no song_id either.
        let matched = has_rows_query(plays, "songplays WHERE song_id IS NOT NULL");
        if !text_column(session.query(&matched)?).is_empty() {
            return Ok(Some(error(keys, plays)));
        }
    }
    Ok(None)
}

/// Builds the error for a merge state table that has no row for `rows` rows of the star schema.
pub fn incomplete_state_error(state: &str, rows: u64) -> Error {
    Error::failed(format!("table {state} is incomplete"))
        .with_reason(format!(
            "{rows} existing rows that the load merges with have no row in it"
        ))
        .with_hint(LOST_TABLE_HINT)
}

/// Returns which of the named tables have rows. In [`LOAD_HISTORY`] only objects with kept events count.
fn nonempty_tables(
    session: &mut WarehouseSession,
    names: &[&'static str],
) -> std::result::Result<BTreeSet<String>, StatementError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    Ok(text_column(session.query(&nonempty_tables_query(names))?))
}

/// Returns the query for the names of those of the given tables that have rows.
pub fn nonempty_tables_query(names: &[&str]) -> String {
    let query = |name: &&str| match *name {
        LOAD_HISTORY => has_rows_query(LOAD_HISTORY, "load_history WHERE rows > 0"),
        name => has_rows_query(name, name),
    };
    let queries: Vec<_> = names.iter().map(query).collect();
    queries.join("\nUNION ALL\n")
}

/// Returns the query that yields `name` if the table has at least one row.
fn has_rows_query(name: &str, table: &str) -> String {
    format!("SELECT '{name}' AS name FROM (SELECT 1 FROM {table} LIMIT 1) AS found")
}

/// Returns the distinct values of a query result with one text column.
pub fn text_column(rows: Vec<ResultRow>) -> BTreeSet<String> {
    rows.into_iter().flatten().flatten().collect()
}

/// Checks the tables before a load, and returns the names of the missing ones. Only a full refresh (`refresh`) may
/// find missing tables.
///
/// # Errors
/// Returns an error if a table is missing or does not match, or if a query fails. A table that lost its rows is an
/// error too, except in a full refresh.
pub fn ensure_loadable(
    session: &mut WarehouseSession,
    refresh: bool,
) -> std::result::Result<Vec<&'static str>, StatementError> {
    let catalog = read_catalog(session)?;
    if let Some(difference) = schema_mismatch(&catalog) {
        return Err(fatal(difference));
    }
    match (find_lost_table(session, &catalog)?, refresh) {
        (Some(_), true) => return Ok(missing_tables(&catalog)),
        (Some(lost), false) => return Err(fatal(lost)),
        (None, _) => {}
    }
    if let Some(drift) = check_schema(&catalog) {
        return Err(fatal(drift));
    }
    if !refresh && let Some(emptied) = find_emptied_table(session)? {
        return Err(fatal(emptied));
    }
    Ok(Vec::new())
}

/// Returns an error for the first existing table that does not match the expected columns.
pub fn schema_mismatch(catalog: &BTreeMap<String, Vec<CatalogColumn>>) -> Option<Error> {
    warehouse_tables().into_iter().find_map(|(name, columns)| {
        let why = column_mismatch(&columns, catalog.get(name)?)?;
        Some(
            Error::failed(format!("table {name} does not match"))
                .with_reason(why)
                .with_hint("alter it, or recreate all tables with sparkify create-tables --drop"),
        )
    })
}

fn column_mismatch(expected: &[ColumnSchema], actual: &[CatalogColumn]) -> Option<String> {
    for (index, column) in expected.iter().enumerate() {
        let number = index + 1;
        let expected_column = format!("`{} {}`", column.name, pg_type_name(column.ty));
        let Some((name, ty, not_null)) = actual.get(index) else {
            return Some(format!(
                "column {number} is missing, expected {expected_column}"
            ));
        };
        let is_unexpectedly_not_null = *not_null && column.nullable;
        if name != column.name || !is_compatible(ty, column.ty) || is_unexpectedly_not_null {
            let not_null = match is_unexpectedly_not_null {
                true => " NOT NULL",
                false => "",
            };
            return Some(format!(
                "column {number} is `{name} {ty}{not_null}`, expected {expected_column}"
            ));
        }
    }
    let (name, ty, _) = actual.get(expected.len())?;
    Some(format!("unexpected column `{name} {ty}`"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn matching_catalog() -> BTreeMap<String, Vec<CatalogColumn>> {
        let column = |c: ColumnSchema| (c.name.to_owned(), pg_type_name(c.ty), !c.nullable);
        let table = |(name, columns): (&str, Vec<ColumnSchema>)| {
            (name.to_owned(), columns.into_iter().map(column).collect())
        };
        warehouse_tables().into_iter().map(table).collect()
    }

    fn mismatch_after(change: impl FnOnce(&mut BTreeMap<String, Vec<CatalogColumn>>)) -> String {
        let mut catalog = matching_catalog();
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
            c.push(("extra".into(), "bigint".into(), false))
        });
        assert!(many.contains("unexpected column `extra bigint`"), "{many}");
        let few = change("songs", |c| drop(c.pop()));
        assert!(
            few.contains("column 5 is missing, expected `duration double precision`"),
            "{few}"
        );
        let other = change("time", |c| c[1].1 = "integer".into());
        assert!(
            other.contains(
                "table time does not match: column 2 is `hour integer`, expected `hour smallint`"
            ),
            "{other}"
        );
        let narrow = change("artists", |c| c[1].1 = "character varying(100)".into());
        assert!(
            narrow.contains("expected `name character varying(1024)`"),
            "{narrow}"
        );
        let strict = change("users", |c| c[1].2 = true);
        assert!(
            strict.contains("NOT NULL`, expected `first_name"),
            "{strict}"
        );
        let order = change("users", |c| c.swap(1, 2));
        assert!(
            order.contains("`last_name character varying(256)`, expected `first_name"),
            "{order}"
        );
        let wide = change("artists", |c| c[1].1 = "character varying(2048)".into());
        assert_eq!(wide, "");
        let lax = change("users", |c| c[4].2 = false);
        assert_eq!(lax, "");
    }
}
