//! Detects tables that were dropped or emptied while the others kept their rows. A load would merge with an incomplete
//! state.

use std::collections::BTreeSet;

use super::catalog::{Catalog, LOAD_HISTORY, missing_tables, warehouse_table_names};
use super::connect::error::{StatementError, fatal};
use super::connect::session::WarehouseSession;
use super::query_result::text_column;
use crate::error::Error;
use crate::model::sparkify::{SONGPLAYS, STATE_SONGPLAYS};

/// Hint for a table that was dropped or emptied.
const LOST_TABLE_HINT: &str = "sparkify run --full-refresh creates missing tables and loads everything again; \
                    or restore the table from a backup";

/// Returns an error if a table is missing while others have rows. Created again it would be empty, and later loads
/// would merge with an incomplete state.
///
/// # Errors
/// Returns an error if a query fails.
pub(super) fn find_lost_table(
    session: &mut WarehouseSession,
    catalog: &Catalog,
) -> std::result::Result<Option<Error>, StatementError> {
    let missing = missing_tables(catalog);
    let Some(name) = missing.first() else {
        return Ok(None);
    };
    let present: Vec<_> = warehouse_table_names()
        .filter(|name| !missing.contains(name))
        .collect();
    let nonempty = nonempty_tables(session, &present)?;
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
pub(super) fn find_emptied_table(
    session: &mut WarehouseSession,
) -> std::result::Result<Option<Error>, StatementError> {
    let names: Vec<_> = warehouse_table_names().collect();
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
        if !text_column(session.query(&matched)?)
            .map_err(fatal)?
            .is_empty()
        {
            return Ok(Some(error(keys, plays)));
        }
    }
    Ok(None)
}

/// Builds the error for a merge state table that has no row for `rows` rows of the star schema.
pub(super) fn incomplete_state_error(state: &str, rows: u64) -> Error {
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
    text_column(session.query(&nonempty_tables_query(names))?).map_err(fatal)
}

/// Returns the query for the names of those of the given tables that have rows.
pub(super) fn nonempty_tables_query(names: &[&str]) -> String {
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
