//! The tables of a warehouse: those of the star, of the ledger, and of what was loaded. What is there is held
//! against them before a load, so that a changed table ends in one line and not halfway.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::error::Error;
use crate::star::schema::{
    Column, ColumnType, SONGPLAYS, SOURCE_OBJECTS, STAR_TABLES, STATE_ARTISTS, STATE_SONGPLAYS,
    STATE_SONGS, STATE_USERS, Table,
};
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::{Row, Session};

/// The table of what was loaded: a log object of a run a row.
pub const LOAD_HISTORY: &str = "load_history";

/// What [`LOADS`] has before and behind the columns of [`LEDGER_OBJECTS`].
const RUN_COLUMN: Column = Column {
    name: "run",
    ty: ColumnType::Varchar(64),
    nullable: false,
};
const LOADED_AT_COLUMN: Column = Column {
    name: "loaded_at",
    ty: ColumnType::Timestamp,
    nullable: false,
};

/// The tables of the ledger that a warehouse has too.
static WAREHOUSE_STATE_TABLES: [&Table; 4] =
    [&STATE_USERS, &STATE_ARTISTS, &STATE_SONGS, &STATE_SONGPLAYS];

/// The name and the columns of each table, in order.
pub fn warehouse_tables() -> Vec<(&'static str, Vec<Column>)> {
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

/// A type as both catalogues name it (`format_type`).
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

/// Asks for the columns of all tables: table, column, type and whether null is refused.
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

/// A column as it was found: name, type, whether null is refused.
pub type CatalogColumn = (String, String, bool);

/// The columns of those of the tables that are there, by table.
///
/// # Errors
/// The warehouse does not tell.
pub fn read_catalog(
    session: &mut Session,
) -> std::result::Result<BTreeMap<String, Vec<CatalogColumn>>, StatementError> {
    let mut catalog: BTreeMap<String, Vec<CatalogColumn>> = BTreeMap::new();
    for row in session.query(&catalog_query())? {
        let mut row: Row = row;
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

/// Why the tables that were found cannot be loaded, if so: the first one that is missing or another.
pub fn check_schema(catalog: &BTreeMap<String, Vec<CatalogColumn>>) -> Option<Error> {
    let missing = missing_tables(catalog).first().map(|name| {
        Error::failed(format!("there is no table {name}"))
            .with_reason("it is not there, or in no schema of the search path, or something else has its name")
            .with_hint("sparkify create-tables makes all tables")
    });
    missing.or_else(|| schema_mismatch(catalog))
}

/// Returns the names of the tables that were not found.
pub fn missing_tables(catalog: &BTreeMap<String, Vec<CatalogColumn>>) -> Vec<&'static str> {
    let names = warehouse_tables().into_iter().map(|(name, _)| name);
    names.filter(|name| !catalog.contains_key(*name)).collect()
}

/// What a user does about a table that was lost, or whose rows were.
const LOST_TABLE_HINT: &str = "sparkify run --full-refresh creates what is missing and loads everything again; \
                    or restore the table from a backup";

/// Returns an error if a table is missing beside others that have rows: made anew it would be empty, and later loads
/// would choose between rows of which they know too little.
///
/// # Errors
/// The warehouse does not tell.
pub fn find_lost_table(
    session: &mut Session,
    catalog: &BTreeMap<String, Vec<CatalogColumn>>,
) -> std::result::Result<Option<Error>, StatementError> {
    let missing = missing_tables(catalog);
    let Some(name) = missing.first() else {
        return Ok(None);
    };
    let others = warehouse_tables().into_iter().map(|(name, _)| name);
    let others: Vec<_> = others.filter(|name| !missing.contains(name)).collect();
    let filled = nonempty_tables(session, &others)?;
    Ok(filled.first().map(|other| {
        Error::failed(format!("there is no table {name}"))
            .with_reason(format!(
                "{other} has rows, so it was there and is lost, or it is in no schema of the search path"
            ))
            .with_hint(LOST_TABLE_HINT)
    }))
}

/// Tables that have rows together or not at all: of each row of the one there is a row of the other.
const COUPLED_TABLES: [(&str, &str); 6] = [
    ("users", "state_users"),
    ("artists", "state_artists"),
    ("songs", "state_songs"),
    ("songplays", "time"),
    ("songplays", "users"),
    ("songplays", LOAD_HISTORY),
];

/// Returns an error if a table is empty beside one that has rows only together with it. All tables must be there.
///
/// # Errors
/// The warehouse does not tell.
pub fn find_emptied_table(
    session: &mut Session,
) -> std::result::Result<Option<Error>, StatementError> {
    let names: Vec<_> = warehouse_tables()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    let filled = nonempty_tables(session, &names)?;
    let error = |empty: &str, other: &str| {
        Error::failed(format!("table {empty} is empty"))
            .with_reason(format!(
                "{other} has rows, so its rows were there and are lost"
            ))
            .with_hint(LOST_TABLE_HINT)
    };
    for (a, b) in COUPLED_TABLES {
        match (filled.contains(a), filled.contains(b)) {
            (true, false) => return Ok(Some(error(b, a))),
            (false, true) => return Ok(Some(error(a, b))),
            (true, true) | (false, false) => {}
        }
    }
    let (keys, plays) = (STATE_SONGPLAYS.name, SONGPLAYS.name);
    if filled.contains(plays) && !filled.contains(keys) {
        // A play without song, artist and length has no row there, but it has no song either.
        let matched = has_rows_query(plays, "songplays WHERE song_id IS NOT NULL");
        if !text_column(session.query(&matched)?).is_empty() {
            return Ok(Some(error(keys, plays)));
        }
    }
    Ok(None)
}

/// Returns the error of a table of the merge state without the rows that belong to `rows` rows of the star.
pub fn incomplete_state_error(state: &str, rows: u64) -> Error {
    Error::failed(format!("table {state} is not complete"))
        .with_reason(format!(
            "it has no row for {rows} rows of the star that the load concerns"
        ))
        .with_hint(LOST_TABLE_HINT)
}

/// Returns those of some tables that have rows. An object in [`LOADS`] counts if events were kept from it.
fn nonempty_tables(
    session: &mut Session,
    names: &[&'static str],
) -> std::result::Result<BTreeSet<String>, StatementError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    Ok(text_column(session.query(&nonempty_tables_query(names))?))
}

/// Asks for the names of those of some tables that have rows.
pub fn nonempty_tables_query(names: &[&str]) -> String {
    let query = |name: &&str| match *name {
        LOAD_HISTORY => has_rows_query(LOAD_HISTORY, "load_history WHERE rows > 0"),
        name => has_rows_query(name, name),
    };
    let queries: Vec<_> = names.iter().map(query).collect();
    queries.join("\nUNION ALL\n")
}

/// Asks for `name` if a table has some row.
fn has_rows_query(name: &str, table: &str) -> String {
    format!("SELECT '{name}' AS name FROM (SELECT 1 FROM {table} LIMIT 1) AS found")
}

/// Returns the texts of a query with one column.
pub fn text_column(rows: Vec<Row>) -> BTreeSet<String> {
    rows.into_iter().flatten().flatten().collect()
}

/// Checks the tables before a load, and returns the names of those that are missing: of none, unless everything is
/// to be loaded anew into a warehouse that lost some.
///
/// # Errors
/// A table is another or missing, or the warehouse does not tell. A table that lost its rows is an error too, unless
/// everything is loaded anew.
pub fn ensure_loadable(
    session: &mut Session,
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

/// Why a table that was found is another than it should be, if so.
pub fn schema_mismatch(catalog: &BTreeMap<String, Vec<CatalogColumn>>) -> Option<Error> {
    warehouse_tables().into_iter().find_map(|(name, columns)| {
        let why = column_mismatch(&columns, catalog.get(name)?)?;
        Some(
            Error::failed(format!("table {name} is another"))
                .with_reason(why)
                .with_hint("mend it, or let sparkify create-tables --drop make all tables anew"),
        )
    })
}

fn column_mismatch(expected: &[Column], actual: &[CatalogColumn]) -> Option<String> {
    for (index, column) in expected.iter().enumerate() {
        let expected_type = pg_type_name(column.ty);
        let Some((name, ty, not_null)) = actual.get(index) else {
            return Some(format!("it has no column {} {expected_type}", column.name));
        };
        let mut why = format!("its column {} is {name} {ty}", index + 1);
        let is_unexpectedly_not_null = *not_null && column.nullable;
        if is_unexpectedly_not_null {
            why.push_str(" NOT NULL");
        }
        if name != column.name || !is_compatible(ty, column.ty) || is_unexpectedly_not_null {
            // Writing to a String does not fail.
            let _ = write!(why, " and not {} {expected_type}", column.name);
            return Some(why);
        }
    }
    let (name, ty, _) = actual.get(expected.len())?;
    Some(format!("it has a column too many, {name} {ty}"))
}

/// Whether a column of a type as it was found holds all values of the one that is wanted.
fn is_compatible(actual: &str, expected: ColumnType) -> bool {
    let length = |name: &str| -> Option<usize> {
        let length = name.strip_prefix("character varying(")?;
        length.strip_suffix(')')?.parse().ok()
    };
    match expected {
        // One that was made wider does no harm.
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
        let column = |c: Column| (c.name.to_owned(), pg_type_name(c.ty), !c.nullable);
        let table = |(name, columns): (&str, Vec<Column>)| {
            (name.to_owned(), columns.into_iter().map(column).collect())
        };
        warehouse_tables().into_iter().map(table).collect()
    }

    fn mismatch_after(change: impl FnOnce(&mut BTreeMap<String, Vec<CatalogColumn>>)) -> String {
        let mut found = matching_catalog();
        change(&mut found);
        check_schema(&found).map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn schema_mismatches_name_table_and_column() {
        assert_eq!(mismatch_after(|_| {}), "");
        let missing = mismatch_after(|found| drop(found.remove("users")));
        assert!(
            missing.contains("no table users: it is not there"),
            "{missing}"
        );
        let change = |table: &'static str, change: fn(&mut Vec<CatalogColumn>)| {
            mismatch_after(|found| found.get_mut(table).into_iter().for_each(change))
        };
        let many = change("songs", |c| {
            c.push(("extra".into(), "bigint".into(), false))
        });
        assert!(many.contains("a column too many, extra bigint"), "{many}");
        let few = change("songs", |c| drop(c.pop()));
        assert!(few.contains("no column duration double precision"), "{few}");
        let other = change("time", |c| c[1].1 = "integer".into());
        assert!(
            other.contains("its column 2 is hour integer and not hour smallint"),
            "{other}"
        );
        let narrow = change("artists", |c| c[1].1 = "character varying(100)".into());
        assert!(
            narrow.contains("not name character varying(1024)"),
            "{narrow}"
        );
        let strict = change("users", |c| c[1].2 = true);
        assert!(strict.contains("NOT NULL and not first_name"), "{strict}");
        let order = change("users", |c| c.swap(1, 2));
        assert!(
            order.contains("last_name character varying(256) and not first_name"),
            "{order}"
        );
        let wide = change("artists", |c| c[1].1 = "character varying(2048)".into());
        assert_eq!(wide, "");
        let lax = change("users", |c| c[4].2 = false);
        assert_eq!(lax, "");
    }
}
