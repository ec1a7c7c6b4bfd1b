//! Detects tables that were dropped or emptied while the others kept their rows. A load would merge with an incomplete
//! state.

use std::collections::BTreeSet;

use super::catalog::{Catalog, missing_tables};
use super::connect::error::{StatementError, fatal};
use super::connect::session::WarehouseSession;
use super::query_result::text_column;
use super::sql::generator::{LOADED_SONGS, has_rows_query, nonempty_tables_query};
use crate::error::Error;
use crate::model::sparkify::SPARKIFY;
use crate::model::{Model, TableSchema, ValueSource};

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
    let Some(TableSchema { name, .. }) = missing.first() else {
        return Ok(None);
    };
    let present = SPARKIFY
        .warehouse_tables()
        .filter(|table| !missing.contains(table));
    let nonempty = nonempty_tables(session, present)?;
    Ok(nonempty.first().map(|other| {
        Error::failed(format!("table {name} does not exist"))
            .with_reason(format!(
                "{other} has rows, so {name} was dropped, or no schema of the search_path has it"
            ))
            .with_hint(LOST_TABLE_HINT)
    }))
}

/// Returns the names of pairs of tables that are both empty or both filled, because every row of the one has a row of the
/// other.
fn coupled_tables(model: &Model) -> Vec<(&'static str, &'static str)> {
    let (fact, _) = model.fact();
    let (lookup, lookup_rule) = model.lookup();
    let mut pairs = Vec::new();
    for (table, rule) in model.picks() {
        match rule.state {
            Some(state) => pairs.push((table.name, state)),
            // Every record has a row in the lookup table, too.
            None if rule.record == lookup_rule.record => pairs.push((table.name, lookup.name)),
            None => {}
        }
    }
    for table in model.star {
        for reference in table.references {
            let column = table.column(reference.column);
            if column.is_some_and(|column| !column.nullable) {
                pairs.push((table.name, reference.table));
            }
        }
    }
    pairs.push((fact.name, model.load_history.name));
    pairs
}

/// Returns an error if a table is empty and a table that is coupled with it is not. All tables must exist.
///
/// # Errors
/// Returns an error if a query fails.
pub(super) fn find_emptied_table(
    session: &mut WarehouseSession,
) -> std::result::Result<Option<Error>, StatementError> {
    let nonempty = nonempty_tables(session, SPARKIFY.warehouse_tables())?;
    let error = |empty: &str, other: &str| {
        Error::failed(format!("table {empty} is empty"))
            .with_reason(format!(
                "{other} has rows, so the rows of {empty} were lost"
            ))
            .with_hint(LOST_TABLE_HINT)
    };
    for (a, b) in coupled_tables(&SPARKIFY) {
        match (nonempty.contains(a), nonempty.contains(b)) {
            (true, false) => return Ok(Some(error(b, a))),
            (false, true) => return Ok(Some(error(a, b))),
            (true, true) | (false, false) => {}
        }
    }
    // The history of version 0.1.0 has no songs, so that only the reverse is certain.
    let (lookup, lookup_rule) = SPARKIFY.lookup();
    let picks = SPARKIFY.picks();
    let of_songs = picks.filter(|(_, rule)| rule.record == lookup_rule.record);
    let mut of_songs = of_songs.map(|(table, _)| table).chain([lookup]);
    if let Some(empty) = of_songs.find(|table| !nonempty.contains(table.name))
        && nonempty.contains(LOADED_SONGS)
    {
        return Ok(Some(error(empty.name, SPARKIFY.load_history.name)));
    }
    let (fact, rule) = SPARKIFY.fact();
    let keys = rule.lookup.keys;
    if nonempty.contains(fact.name) && !nonempty.contains(keys) {
        // A row whose record lacks a value of the key has no row in the keys, but nothing was found for it either.
        let found = format!("{} IS NOT NULL", first_looked_up_column(fact));
        let found = has_rows_query(fact, Some(&found));
        if !text_column(session.query(&found)?)
            .map_err(fatal)?
            .is_empty()
        {
            return Ok(Some(error(keys, fact.name)));
        }
    }
    Ok(None)
}

/// Returns the name of the first column of the fact table that is filled from the lookup table.
#[expect(
    clippy::expect_used,
    reason = "the lookup of a model fills columns of the fact table"
)]
fn first_looked_up_column(fact: &TableSchema) -> &'static str {
    let mut columns = fact.columns.iter();
    let column = columns.find(|column| matches!(column.source, ValueSource::Lookup(_)));
    column.expect("the fact table has a looked-up column").name
}

/// Builds the error for a merge state table that has no row for `rows` rows of the star schema.
pub(super) fn incomplete_state_error(state: &str, rows: u64) -> Error {
    Error::failed(format!("table {state} is incomplete"))
        .with_reason(format!(
            "{rows} existing rows that the load merges with have no row in it"
        ))
        .with_hint(LOST_TABLE_HINT)
}

/// Returns the names of those of the tables that have rows. In the load history only objects with kept events count.
fn nonempty_tables(
    session: &mut WarehouseSession,
    tables: impl Iterator<Item = &'static TableSchema>,
) -> std::result::Result<BTreeSet<String>, StatementError> {
    let query = nonempty_tables_query(&SPARKIFY, tables);
    if query.is_empty() {
        return Ok(BTreeSet::new());
    }
    text_column(session.query(&query)?).map_err(fatal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coupled_tables_follow_from_the_rules() {
        let expected = [
            ("users", "state_users"),
            ("songs", "state_songs"),
            ("artists", "state_artists"),
            ("songplays", "time"),
            ("songplays", "users"),
            ("songs", "artists"),
            ("songplays", "load_history"),
        ];
        assert_eq!(coupled_tables(&SPARKIFY), expected);
    }
}
