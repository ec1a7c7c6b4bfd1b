//! The tables of a warehouse: those of the star, of the ledger, and of what was loaded. What is there is held
//! against them before a load, so that a changed table ends in one line and not halfway.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::error::Error;
use crate::star::schema::{
    Column, ColumnType, LEDGER_ARTISTS, LEDGER_OBJECTS, LEDGER_SONGPLAYS, LEDGER_SONGS,
    LEDGER_USERS, SONGPLAYS, TABLES, Table,
};
use crate::warehouse::connect::error::{StatementError, refused};
use crate::warehouse::connect::session::{Row, Session};

/// The table of what was loaded: a log object of a run a row.
pub const LOADS: &str = "loads";

/// What [`LOADS`] has before and behind the columns of [`LEDGER_OBJECTS`].
const RUN: Column = Column {
    name: "run",
    ty: ColumnType::Varchar(64),
    nullable: false,
};
const LOADED_AT: Column = Column {
    name: "loaded_at",
    ty: ColumnType::Timestamp,
    nullable: false,
};

/// The tables of the ledger that a warehouse has too.
static KEPT: [&Table; 4] = [
    &LEDGER_USERS,
    &LEDGER_ARTISTS,
    &LEDGER_SONGS,
    &LEDGER_SONGPLAYS,
];

/// The name and the columns of each table, in order.
pub fn tables() -> Vec<(&'static str, Vec<Column>)> {
    let kept = TABLES.iter().chain(&KEPT);
    let mut tables: Vec<_> = kept
        .map(|table| (table.name, table.columns.to_vec()))
        .collect();
    let mut loads = vec![RUN];
    loads.extend(LEDGER_OBJECTS.columns);
    loads.push(LOADED_AT);
    tables.push((LOADS, loads));
    tables
}

/// A type as both catalogues name it (`format_type`).
fn type_name(ty: ColumnType) -> String {
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
pub fn columns_query() -> String {
    let names: Vec<_> = tables()
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
pub fn look(
    session: &mut Session,
) -> std::result::Result<BTreeMap<String, Vec<CatalogColumn>>, StatementError> {
    let mut found: BTreeMap<String, Vec<CatalogColumn>> = BTreeMap::new();
    for row in session.rows(&columns_query())? {
        let mut row: Row = row;
        let mut take = |i: usize| row.get_mut(i).and_then(Option::take).unwrap_or_default();
        let column = (take(1), take(2), matches!(take(3).as_str(), "t" | "true"));
        found.entry(take(0)).or_default().push(column);
    }
    Ok(found)
}

/// Why the tables that were found cannot be loaded, if so: the first one that is missing or another.
pub fn drift(found: &BTreeMap<String, Vec<CatalogColumn>>) -> Option<Error> {
    let missing = missing(found).first().map(|name| {
        Error::failed(format!("there is no table {name}"))
            .because("it is not there, or in no schema of the search path, or something else has its name")
            .hint("sparkify create-tables makes all tables")
    });
    missing.or_else(|| difference(found))
}

/// Returns the names of the tables that were not found.
pub fn missing(found: &BTreeMap<String, Vec<CatalogColumn>>) -> Vec<&'static str> {
    let names = tables().into_iter().map(|(name, _)| name);
    names.filter(|name| !found.contains_key(*name)).collect()
}

/// What a user does about a table that was lost, or whose rows were.
const LOST: &str = "sparkify run --full-refresh creates what is missing and loads everything again; \
                    or restore the table from a backup";

/// Returns an error if a table is missing beside others that have rows: made anew it would be empty, and later loads
/// would choose between rows of which they know too little.
///
/// # Errors
/// The warehouse does not tell.
pub fn lost(
    session: &mut Session,
    found: &BTreeMap<String, Vec<CatalogColumn>>,
) -> std::result::Result<Option<Error>, StatementError> {
    let missing = missing(found);
    let Some(name) = missing.first() else {
        return Ok(None);
    };
    let others = tables().into_iter().map(|(name, _)| name);
    let others: Vec<_> = others.filter(|name| !missing.contains(name)).collect();
    let filled = filled(session, &others)?;
    Ok(filled.first().map(|other| {
        Error::failed(format!("there is no table {name}"))
            .because(format!(
                "{other} has rows, so it was there and is lost, or it is in no schema of the search path"
            ))
            .hint(LOST)
    }))
}

/// Tables that have rows together or not at all: of each row of the one there is a row of the other.
const PAIRS: [(&str, &str); 6] = [
    ("users", "ledger_users"),
    ("artists", "ledger_artists"),
    ("songs", "ledger_songs"),
    ("songplays", "time"),
    ("songplays", "users"),
    ("songplays", LOADS),
];

/// Returns an error if a table is empty beside one that has rows only together with it. All tables must be there.
///
/// # Errors
/// The warehouse does not tell.
pub fn emptied(session: &mut Session) -> std::result::Result<Option<Error>, StatementError> {
    let names: Vec<_> = tables().into_iter().map(|(name, _)| name).collect();
    let filled = filled(session, &names)?;
    let error = |empty: &str, other: &str| {
        Error::failed(format!("table {empty} is empty"))
            .because(format!(
                "{other} has rows, so its rows were there and are lost"
            ))
            .hint(LOST)
    };
    for (a, b) in PAIRS {
        match (filled.contains(a), filled.contains(b)) {
            (true, false) => return Ok(Some(error(b, a))),
            (false, true) => return Ok(Some(error(a, b))),
            (true, true) | (false, false) => {}
        }
    }
    let (keys, plays) = (LEDGER_SONGPLAYS.name, SONGPLAYS.name);
    if filled.contains(plays) && !filled.contains(keys) {
        // A play without song, artist and length has no row there, but it has no song either.
        let matched = some_row(plays, "songplays WHERE song_id IS NOT NULL");
        if !names_of(session.rows(&matched)?).is_empty() {
            return Ok(Some(error(keys, plays)));
        }
    }
    Ok(None)
}

/// Returns the error of a table of the merge state without the rows that belong to `rows` rows of the star.
pub fn incomplete(state: &str, rows: u64) -> Error {
    Error::failed(format!("table {state} is not complete"))
        .because(format!(
            "it has no row for {rows} rows of the star that the load concerns"
        ))
        .hint(LOST)
}

/// Returns those of some tables that have rows. An object in [`LOADS`] counts if events were kept from it.
fn filled(
    session: &mut Session,
    names: &[&'static str],
) -> std::result::Result<BTreeSet<String>, StatementError> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    Ok(names_of(session.rows(&filled_query(names))?))
}

/// Asks for the names of those of some tables that have rows.
pub fn filled_query(names: &[&str]) -> String {
    let query = |name: &&str| match *name {
        LOADS => some_row(LOADS, "loads WHERE rows > 0"),
        name => some_row(name, name),
    };
    let queries: Vec<_> = names.iter().map(query).collect();
    queries.join("\nUNION ALL\n")
}

/// Asks for `name` if a table has some row.
fn some_row(name: &str, table: &str) -> String {
    format!("SELECT '{name}' AS name FROM (SELECT 1 FROM {table} LIMIT 1) AS found")
}

/// Returns the texts of a query with one column.
pub fn names_of(rows: Vec<Row>) -> BTreeSet<String> {
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
    let found = look(session)?;
    if let Some(difference) = difference(&found) {
        return Err(refused(difference));
    }
    match (lost(session, &found)?, refresh) {
        (Some(_), true) => return Ok(missing(&found)),
        (Some(lost), false) => return Err(refused(lost)),
        (None, _) => {}
    }
    if let Some(drift) = drift(&found) {
        return Err(refused(drift));
    }
    if !refresh && let Some(emptied) = emptied(session)? {
        return Err(refused(emptied));
    }
    Ok(Vec::new())
}

/// Why a table that was found is another than it should be, if so.
pub fn difference(found: &BTreeMap<String, Vec<CatalogColumn>>) -> Option<Error> {
    tables().into_iter().find_map(|(name, wanted)| {
        let why = differs(&wanted, found.get(name)?)?;
        Some(
            Error::failed(format!("table {name} is another"))
                .because(why)
                .hint("mend it, or let sparkify create-tables --drop make all tables anew"),
        )
    })
}

fn differs(wanted: &[Column], found: &[CatalogColumn]) -> Option<String> {
    for (place, wanted) in wanted.iter().enumerate() {
        let expected = type_name(wanted.ty);
        let Some((name, ty, not_null)) = found.get(place) else {
            return Some(format!("it has no column {} {expected}", wanted.name));
        };
        let mut why = format!("its column {} is {name} {ty}", place + 1);
        let refuses_null = *not_null && wanted.nullable;
        if refuses_null {
            why.push_str(" NOT NULL");
        }
        if name != wanted.name || !holds(ty, wanted.ty) || refuses_null {
            // Writing to a String does not fail.
            let _ = write!(why, " and not {} {expected}", wanted.name);
            return Some(why);
        }
    }
    let (name, ty, _) = found.get(wanted.len())?;
    Some(format!("it has a column too many, {name} {ty}"))
}

/// Whether a column of a type as it was found holds all values of the one that is wanted.
fn holds(found: &str, wanted: ColumnType) -> bool {
    let length = |name: &str| -> Option<usize> {
        let length = name.strip_prefix("character varying(")?;
        length.strip_suffix(')')?.parse().ok()
    };
    match wanted {
        // One that was made wider does no harm.
        ColumnType::Varchar(bytes) => length(found).is_some_and(|found| found >= bytes),
        ColumnType::BigInt
        | ColumnType::Integer
        | ColumnType::SmallInt
        | ColumnType::Double
        | ColumnType::Timestamp => found == type_name(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> BTreeMap<String, Vec<CatalogColumn>> {
        let column = |c: Column| (c.name.to_owned(), type_name(c.ty), !c.nullable);
        let table = |(name, columns): (&str, Vec<Column>)| {
            (name.to_owned(), columns.into_iter().map(column).collect())
        };
        tables().into_iter().map(table).collect()
    }

    fn drift_of(change: impl FnOnce(&mut BTreeMap<String, Vec<CatalogColumn>>)) -> String {
        let mut found = found();
        change(&mut found);
        drift(&found).map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn every_drift_is_named() {
        assert_eq!(drift_of(|_| {}), "");
        let missing = drift_of(|found| drop(found.remove("users")));
        assert!(
            missing.contains("no table users: it is not there"),
            "{missing}"
        );
        let change = |table: &'static str, change: fn(&mut Vec<CatalogColumn>)| {
            drift_of(|found| found.get_mut(table).into_iter().for_each(change))
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
