//! Lists the loads that the load history of a warehouse records.

use std::str::FromStr;

use serde::Serialize;

use super::catalog::read_catalog;
use super::connect::config::ConnectionConfig;
use super::connect::error::{StatementError, fatal};
use super::connect::session::{ResultRow, WarehouseSession};
use super::lock_wait::warn_if_blocked;
use super::query_result::unexpected_result;
use super::sql::generator::{loads_query, newest_event_query};
use super::upgrade::check_table;
use crate::error::{Error, Result};
use crate::model::sparkify::{SPARKIFY, TIME};
use crate::observer::Observer;

/// The load of one run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoadEntry {
    /// The id of the run that wrote the dataset.
    pub run: String,
    /// When it was loaded, in UTC as in ISO 8601.
    pub loaded_at: String,
    /// Number of its song objects.
    pub song_objects: u64,
    /// Number of its log objects.
    pub log_objects: u64,
    /// Valid songs in these objects.
    pub songs: u64,
    /// `NextSong` events in these objects, repeated deliveries included.
    pub events: u64,
    /// Rejected records of these objects. `None` if an older version loaded it.
    pub rejected_records: Option<u64>,
    /// The duration of the transaction. `None` if an older version loaded it.
    pub load_seconds: Option<f64>,
    /// The user of the warehouse who loaded it. `None` if an older version loaded it.
    pub loaded_by: Option<String>,
}

/// Returns the newest loads, the newest first.
///
/// # Errors
/// Returns an error if the warehouse cannot be reached, or if its load history is missing or of an older version.
pub(crate) fn read_loads(
    connection: &ConnectionConfig,
    limit: u32,
    progress: &dyn Observer,
) -> Result<Vec<LoadEntry>> {
    let mut session = WarehouseSession::open(connection)?;
    // In Redshift the lock of a load blocks readers too.
    let loads = warn_if_blocked(progress, || query_loads(&mut session, limit));
    loads.map_err(|failure| {
        Error::failed(format!("cannot read the history of {connection}")).with_source(failure.error)
    })
}

/// The newest load, and the newest event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewestContents {
    /// The newest load, if there is one.
    pub load: Option<LoadEntry>,
    /// The time of the newest event, in UTC as in ISO 8601, if there is one.
    pub event: Option<String>,
}

/// Returns the newest load and the newest event.
///
/// # Errors
/// Returns the errors of [`read_loads`], and one if the calendar cannot be read.
pub(crate) fn read_newest(
    connection: &ConnectionConfig,
    progress: &dyn Observer,
) -> Result<NewestContents> {
    let mut session = WarehouseSession::open(connection)?;
    let newest = warn_if_blocked(progress, || query_newest(&mut session));
    newest.map_err(|failure| {
        Error::failed(format!("cannot read the status of {connection}")).with_source(failure.error)
    })
}

fn query_newest(
    session: &mut WarehouseSession,
) -> std::result::Result<NewestContents, StatementError> {
    let load = query_loads(session, 1)?.pop();
    let rows = session.query(&newest_event_query(&TIME))?;
    match <[ResultRow; 1]>::try_from(rows).map(|[row]| <[_; 1]>::try_from(row)) {
        Ok(Ok([event])) => Ok(NewestContents { load, event }),
        _ => Err(fatal(unexpected_result("the time of the newest event"))),
    }
}

fn query_loads(
    session: &mut WarehouseSession,
    limit: u32,
) -> std::result::Result<Vec<LoadEntry>, StatementError> {
    if let Some(difference) = check_table(&read_catalog(session)?, SPARKIFY.load_history) {
        return Err(fatal(difference));
    }
    let rows = session.query(&loads_query(&SPARKIFY, limit))?;
    let loads = rows.into_iter().map(parse_load);
    loads.collect::<Result<_>>().map_err(fatal)
}

fn parse_load(row: ResultRow) -> Result<LoadEntry> {
    let unreadable = || unexpected_result("the history of loads");
    let Ok(
        [
            run,
            loaded_at,
            song_objects,
            log_objects,
            songs,
            events,
            rejected,
            seconds,
            loaded_by,
        ],
    ) = <[Option<String>; 9]>::try_from(row)
    else {
        return Err(unreadable());
    };
    let required = |field: Option<String>| field.ok_or_else(unreadable);
    let count = |field| parse::<u64>(field)?.ok_or_else(unreadable);
    Ok(LoadEntry {
        run: required(run)?,
        loaded_at: required(loaded_at)?,
        song_objects: count(song_objects)?,
        log_objects: count(log_objects)?,
        songs: count(songs)?,
        events: count(events)?,
        rejected_records: parse(rejected)?,
        load_seconds: parse(seconds)?,
        loaded_by,
    })
}

fn parse<T: FromStr>(field: Option<String>) -> Result<Option<T>> {
    let number = field.map(|text| text.parse());
    let number = number.transpose();
    number.map_err(|_| unexpected_result("the history of loads"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: [&str; 9]) -> ResultRow {
        let field = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        fields.map(field).to_vec()
    }

    #[test]
    fn loads_of_older_versions_lack_some_values() {
        let fields = [
            "R",
            "2026-11-30T03:00:12Z",
            "0",
            "2",
            "0",
            "205",
            "",
            "",
            "",
        ];
        let load = parse_load(row(fields)).unwrap();
        assert_eq!(load.loaded_at, "2026-11-30T03:00:12Z");
        assert_eq!((load.log_objects, load.events), (2, 205));
        assert_eq!((load.rejected_records, load.loaded_by), (None, None));
    }

    #[test]
    fn unreadable_values_are_errors() {
        let fields = [
            "R",
            "2026-11-30T03:00:12Z",
            "1",
            "2",
            "60",
            "205",
            "3",
            "0.5",
            "etl",
        ];
        assert_eq!(parse_load(row(fields)).unwrap().load_seconds, Some(0.5));
        for index in 0..6 {
            let mut fields = fields;
            fields[index] = "";
            parse_load(row(fields)).unwrap_err();
        }
        for index in 2..8 {
            let mut fields = fields;
            fields[index] = "many";
            parse_load(row(fields)).unwrap_err();
        }
        parse_load(row(fields)[..8].to_vec()).unwrap_err();
    }
}
