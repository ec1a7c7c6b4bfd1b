//! Checks the tables of a warehouse before a load.

use crate::warehouse::catalog::{check_schema, missing_tables, read_catalog, schema_mismatch};
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::lost_tables::{find_emptied_table, find_lost_table};

/// Checks the tables before a load, and returns the names of the missing ones. Only a full refresh (`refresh`) may
/// find missing tables.
///
/// # Errors
/// Returns an error if a table is missing or does not match, or if a query fails. A table that lost its rows is an
/// error too, except in a full refresh.
pub(super) fn ensure_loadable(
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
