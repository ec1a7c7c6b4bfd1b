//! Checks the tables of a warehouse before a load.

use std::collections::HashSet;

use super::mode::LoadMode;
use super::privileges::ensure_privileges;
use crate::model::TableSchema;
use crate::observer::Observer;
use crate::warehouse::catalog::{
    Catalog, check_schema, missing_tables, read_catalog, schema_mismatch,
};
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::lost_tables::{find_emptied_table, find_lost_table};
use crate::warehouse::upgrade::find_outdated_table;

/// Checks that a dataset can be merged with the rows in the tables.
///
/// # Errors
/// Returns an error if a table is missing, does not match or has lost its rows, if the user lacks a privilege, or if a
/// query fails.
pub(super) fn ensure_mergeable(
    session: &mut WarehouseSession,
    progress: &dyn Observer,
) -> std::result::Result<(), StatementError> {
    let catalog = read_matching_catalog(session)?;
    ensure_privileges(session, &LoadMode::Incremental, &catalog, progress)?;
    if let Some(lost) = find_lost_table(session, &catalog)? {
        return Err(fatal(lost));
    }
    ensure_complete(&catalog)?;
    ensure_tables_not_emptied(session)
}

/// Checks that the tables can be filled again by a full refresh, and returns those that it has to create.
///
/// # Errors
/// Returns an error if a table does not match, if tables are missing although the others are empty, if the user lacks a
/// privilege, or if a query fails.
pub(super) fn ensure_refreshable(
    session: &mut WarehouseSession,
    progress: &dyn Observer,
) -> std::result::Result<Vec<&'static TableSchema>, StatementError> {
    let catalog = read_matching_catalog(session)?;
    let full_refresh = LoadMode::FullRefresh {
        runs_before: HashSet::new(),
    };
    ensure_privileges(session, &full_refresh, &catalog, progress)?;
    if find_lost_table(session, &catalog)?.is_some() {
        return Ok(missing_tables(&catalog));
    }
    ensure_complete(&catalog)?;
    Ok(Vec::new())
}

/// Reads the catalog, and checks that the tables that exist match those of this version.
fn read_matching_catalog(
    session: &mut WarehouseSession,
) -> std::result::Result<Catalog, StatementError> {
    let catalog = read_catalog(session)?;
    if let Some(outdated) = find_outdated_table(&catalog) {
        return Err(fatal(outdated));
    }
    match schema_mismatch(&catalog) {
        None => Ok(catalog),
        Some(difference) => Err(fatal(difference)),
    }
}

/// Checks that all tables are there and are those of this version, and returns what the catalog has of them. Needs no
/// privileges on the tables.
///
/// # Errors
/// Returns an error if a table is missing or does not match, or if a query fails.
pub(crate) fn ensure_tables_match(
    session: &mut WarehouseSession,
) -> std::result::Result<Catalog, StatementError> {
    let catalog = read_matching_catalog(session)?;
    let is_complete = missing_tables(&catalog).is_empty();
    // A table that is missing while others have rows must not be created again, if the user may know of the rows.
    if !is_complete && let Ok(Some(lost)) = find_lost_table(session, &catalog) {
        return Err(fatal(lost));
    }
    ensure_complete(&catalog)?;
    Ok(catalog)
}

/// Checks that no table is empty whose rows others refer to. All tables must exist.
///
/// # Errors
/// Returns an error if one is, or if a query fails.
pub(crate) fn ensure_tables_not_emptied(
    session: &mut WarehouseSession,
) -> std::result::Result<(), StatementError> {
    match find_emptied_table(session)? {
        None => Ok(()),
        Some(emptied) => Err(fatal(emptied)),
    }
}

fn ensure_complete(catalog: &Catalog) -> std::result::Result<(), StatementError> {
    match check_schema(catalog) {
        None => Ok(()),
        Some(drift) => Err(fatal(drift)),
    }
}
