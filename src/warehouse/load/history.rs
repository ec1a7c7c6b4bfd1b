//! Reads the load history: what was loaded into a warehouse before.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::lost_connection::{Contact, open_session, retry_if_lost};
use super::plan::loaded_runs_query;
use super::preflight::{ensure_mergeable, ensure_refreshable};
use crate::config::LoadedObjects;
use crate::error::{Error, Result};
use crate::model::sparkify::SPARKIFY;
use crate::model::{EngineValue, Model};
use crate::observer::Observer;
use crate::warehouse::config::WarehouseConfig;
use crate::warehouse::connect::error::{StatementError, fatal};
use crate::warehouse::connect::session::WarehouseSession;
use crate::warehouse::lock_wait::warn_if_blocked;
use crate::warehouse::query_result::text_column;
use crate::warehouse::sql::generator::newest_load_query;

/// Returns the query for the objects in the load history, with their kinds and versions.
fn loaded_objects_query(model: &Model) -> String {
    let [kind, object, version] = [
        EngineValue::ObjectKind,
        EngineValue::ObjectName,
        EngineValue::ObjectVersion,
    ]
    .map(|value| model.history_column(value));
    let table = model.load_history.name;
    format!("SELECT DISTINCT {kind}, {object}, {version} FROM {table}")
}

/// What was loaded into a warehouse.
#[derive(Debug)]
pub(crate) struct LoadedBefore {
    /// The objects.
    pub objects: LoadedObjects,
    /// The newest load, if there is one.
    pub newest: Option<NewestLoad>,
}

/// The newest load of a warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewestLoad {
    /// The run whose dataset was loaded.
    pub run: String,
    /// When it was loaded, in UTC: `2026-11-29T03:00:12Z`.
    pub loaded_at: String,
}

impl fmt::Display for NewestLoad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.loaded_at.trim_end_matches('Z').replace('T', " ");
        write!(f, "{at} UTC (run {})", self.run)
    }
}

/// Checks the tables of a warehouse, and returns what was loaded into it.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached, if its tables do not match or have lost their rows, or if the user
/// may not load into them.
pub(crate) fn loaded_before(
    warehouse: &WarehouseConfig,
    progress: &dyn Observer,
) -> Result<LoadedBefore> {
    query_warehouse(warehouse, progress, |session| {
        ensure_mergeable(session, progress)?;
        let mut objects = LoadedObjects::default();
        session.for_each_row(&loaded_objects_query(&SPARKIFY), |row| {
            if let [Some(kind), Some(object), Some(etag)] = row.as_slice() {
                objects.insert(kind, object, etag);
            }
        })?;
        let mut newest = None;
        session.for_each_row(&newest_load_query(&SPARKIFY), |row| {
            if let [Some(run), Some(loaded_at)] = row.as_slice() {
                newest = Some(NewestLoad {
                    run: (*run).to_owned(),
                    loaded_at: (*loaded_at).to_owned(),
                });
            }
        })?;
        Ok(LoadedBefore { objects, newest })
    })
}

/// Checks the tables of a warehouse, before something is loaded that does not depend on what it contains.
///
/// # Errors
/// Returns the errors of [`loaded_before`].
pub(crate) fn check_tables(warehouse: &WarehouseConfig, progress: &dyn Observer) -> Result<()> {
    query_warehouse(warehouse, progress, |session| {
        ensure_mergeable(session, progress)
    })
}

/// Checks the tables of a warehouse before a full refresh, and returns the runs that were loaded into it.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached, if its tables do not match, or if all of them are missing.
pub(crate) fn loaded_runs(
    warehouse: &WarehouseConfig,
    progress: &dyn Observer,
) -> Result<HashSet<String>> {
    query_warehouse(warehouse, progress, |session| {
        let missing = ensure_refreshable(session, progress)?;
        match missing.contains(&SPARKIFY.load_history) {
            true => Ok(HashSet::new()),
            false => query_runs(session, &loaded_runs_query(&SPARKIFY)),
        }
    })
}

/// Returns the runs that a query lists.
pub(super) fn query_runs(
    session: &mut WarehouseSession,
    sql: &str,
) -> std::result::Result<HashSet<String>, StatementError> {
    let runs = text_column(session.query(sql)?).map_err(fatal)?;
    Ok(runs.into_iter().collect())
}

/// Runs a query before a dataset is built for the warehouse.
fn query_warehouse<T>(
    warehouse: &WarehouseConfig,
    progress: &dyn Observer,
    query: impl Fn(&mut WarehouseSession) -> std::result::Result<T, StatementError>,
) -> Result<T> {
    let _span = tracing::info_span!("load_history", warehouse = %warehouse.connection).entered();
    let load_error = |failure: StatementError| StatementError {
        error: Error::failed(format!("cannot load into {}", warehouse.connection))
            .with_source(failure.error),
        ..failure
    };
    let mut contact = Contact::First;
    let queried = retry_if_lost(progress, || {
        let mut session = open_session(&warehouse.connection, contact)?;
        contact = Contact::Again;
        // In Redshift a lock on a table blocks readers too.
        warn_if_blocked(progress, || query(&mut session)).map_err(load_error)
    });
    queried.map_err(|failure| failure.error)
}
