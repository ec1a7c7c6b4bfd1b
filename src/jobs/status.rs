//! Tells how old the newest load or run and the newest event are.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::history::HistorySource;
use crate::error::Result;
use crate::observer::Observer;
use crate::output::run_log::{RunLogEntry, RunLogState, read_run_log};
use crate::storage::StoreOpener;
use crate::warehouse::load_log::read_newest;

/// The number of runs that are read first to find one that succeeded.
const FIRST_RUNS: usize = 20;

/// A request for the state of a warehouse, or of the runs at an output location.
#[derive(Debug, Clone)]
pub struct StatusJob {
    /// What is examined.
    pub source: HistorySource,
    /// The greatest age of the newest load or run that is not stale.
    pub max_age: Option<Duration>,
    /// The greatest age of the newest event that is not stale.
    pub max_lag: Option<Duration>,
}

/// The state of a warehouse, or of the runs at an output location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusReport {
    /// The newest load, or the newest run that succeeded, if there is one.
    pub newest: Option<NewestSuccess>,
    /// The time of the newest event, in UTC as in ISO 8601, if there is one.
    pub newest_event: Option<String>,
    /// The time since the newest event in seconds; 0 if the event is in the future.
    pub lag_seconds: Option<u64>,
    /// Whether the newest event is in the future.
    pub is_event_in_future: bool,
    /// The newest failed run, if it began after the newest one that succeeded. A warehouse knows of none.
    pub failed_since: Option<FailedSince>,
    /// Why the data are stale. Empty if they are not.
    pub stale: Vec<StaleReason>,
}

/// A load, or a run that succeeded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewestSuccess {
    /// The id of the run.
    pub run: String,
    /// When it was loaded, or when the run began, in UTC as in ISO 8601.
    pub at: String,
    /// The time since then in seconds; 0 if it is in the future.
    pub age_seconds: Option<u64>,
    /// Its rejected records, if they are known.
    pub rejected_records: Option<u64>,
}

/// A failed run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedSince {
    /// The id of the run.
    pub run: String,
    /// When it began, in UTC as in ISO 8601.
    pub started_at: Option<String>,
}

/// Why data are stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StaleReason {
    /// There was no load, or no run that succeeded.
    NoSuccess,
    /// The newest load or run is too old.
    TooOld,
    /// There is no event, although its age is limited.
    NoEvent,
    /// The newest event is too old.
    EventTooOld,
    /// The newest event is in the future, so that it does not tell whether events still come.
    EventInFuture,
}

/// How far clocks may differ. An event that is further in the future has a wrong time.
const MAX_CLOCK_DIFFERENCE: chrono::Duration = chrono::Duration::minutes(5);

/// What a status is computed from.
#[derive(Debug, Default)]
struct Newest {
    success: Option<NewestSuccess>,
    event: Option<String>,
    failed_since: Option<FailedSince>,
}

impl StatusJob {
    /// Reads the state. Nothing is changed. The observer is warned about a run whose report is damaged, and in Redshift
    /// while the status waits for a load that is running.
    ///
    /// # Errors
    /// Returns an error if the warehouse cannot be reached, if its tables are of an older version, or if the output cannot
    /// be read.
    pub fn execute(&self, observer: &dyn Observer) -> Result<StatusReport> {
        let _span = tracing::info_span!("status").entered();
        let newest = match &self.source {
            HistorySource::Warehouse(connection) => {
                let newest = read_newest(connection, observer)?;
                Newest {
                    success: newest.load.map(|load| NewestSuccess {
                        run: load.run,
                        at: load.loaded_at,
                        age_seconds: None,
                        rejected_records: load.rejected_records,
                    }),
                    event: newest.event,
                    failed_since: None,
                }
            }
            HistorySource::Output { out, s3 } => {
                let stores = StoreOpener::new(s3.clone());
                newest_of_runs(|limit| read_run_log(&stores, out, limit, observer))?
            }
        };
        let report = self.judge(newest, Utc::now());
        tracing::info!(stale = !report.stale.is_empty(), "read the status");
        Ok(report)
    }

    /// Compares what was found with the limits.
    fn judge(&self, newest: Newest, now: DateTime<Utc>) -> StatusReport {
        let age = |time: &str| {
            let time = DateTime::parse_from_rfc3339(time).ok()?;
            Some(now.signed_duration_since(time))
        };
        // Clocks differ, and a time in the future has no age.
        let positive_seconds =
            |age: chrono::Duration| u64::try_from(age.num_seconds()).unwrap_or_default();
        // An unknown age may be any.
        let exceeds = |seconds: Option<u64>, limit: Option<Duration>| {
            let seconds = seconds.map(Duration::from_secs);
            limit.is_some_and(|limit| seconds.is_none_or(|seconds| seconds > limit))
        };
        let success = newest.success.map(|success| NewestSuccess {
            age_seconds: age(&success.at).map(positive_seconds),
            ..success
        });
        let event_age = newest.event.as_deref().and_then(age);
        let lag_seconds = event_age.map(positive_seconds);
        let is_too_old = |success: &NewestSuccess| exceeds(success.age_seconds, self.max_age);
        let checks = [
            (success.is_none(), StaleReason::NoSuccess),
            (
                success.as_ref().is_some_and(is_too_old),
                StaleReason::TooOld,
            ),
            (
                success.is_some() && self.max_lag.is_some() && lag_seconds.is_none(),
                StaleReason::NoEvent,
            ),
            (
                lag_seconds.is_some() && exceeds(lag_seconds, self.max_lag),
                StaleReason::EventTooOld,
            ),
            (
                self.max_lag.is_some() && event_age.is_some_and(|age| age < -MAX_CLOCK_DIFFERENCE),
                StaleReason::EventInFuture,
            ),
        ];
        let stale = checks.into_iter().filter(|(is_stale, _)| *is_stale);
        StatusReport {
            newest: success,
            newest_event: newest.event,
            lag_seconds,
            is_event_in_future: event_age.is_some_and(|age| age < chrono::Duration::zero()),
            failed_since: newest.failed_since,
            stale: stale.map(|(_, reason)| reason).collect(),
        }
    }
}

/// Finds the newest run that succeeded. `read` returns the newest runs, at most as many as it is told. More are read only
/// while none of them succeeded.
fn newest_of_runs(read: impl Fn(usize) -> Result<Vec<RunLogEntry>>) -> Result<Newest> {
    let is_success =
        |run: &&RunLogEntry| matches!(run.state, RunLogState::Complete | RunLogState::Latest);
    let mut limit = FIRST_RUNS;
    let runs = loop {
        let runs = read(limit)?;
        if runs.len() < limit || runs.iter().any(|run| is_success(&run)) {
            break runs;
        }
        limit *= 8;
    };
    // Runs sort by their ids, which begin with the time.
    let success = runs.iter().find(is_success);
    let mut failed = runs
        .iter()
        .take_while(|run| !is_success(run))
        .filter(|run| run.state == RunLogState::Failed);
    Ok(Newest {
        success: success.map(|run| NewestSuccess {
            run: run.run.clone(),
            at: run.started_at.clone().unwrap_or_default(),
            age_seconds: None,
            rejected_records: run.rejected_records,
        }),
        // A run that adds older events to those before has a newest event that is not the newest of all.
        event: runs
            .iter()
            .filter(is_success)
            .filter_map(|run| run.newest_event.clone())
            .max(),
        failed_since: failed.next().map(|run| FailedSince {
            run: run.run.clone(),
            started_at: run.started_at.clone(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Location;
    use crate::storage::s3::S3Options;

    fn job(max_age: Option<u64>, max_lag: Option<u64>) -> StatusJob {
        StatusJob {
            source: HistorySource::Output {
                out: Location::Local("out".into()),
                s3: S3Options::default(),
            },
            max_age: max_age.map(Duration::from_secs),
            max_lag: max_lag.map(Duration::from_secs),
        }
    }

    fn newest(at: &str, event: Option<&str>) -> Newest {
        Newest {
            success: Some(NewestSuccess {
                run: "R".to_owned(),
                at: at.to_owned(),
                age_seconds: None,
                rejected_records: None,
            }),
            event: event.map(str::to_owned),
            failed_since: None,
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-11-30T12:00:00Z")
            .unwrap()
            .to_utc()
    }

    #[test]
    fn ages_are_compared_with_their_limits() {
        use StaleReason::{EventTooOld, NoEvent, TooOld};
        let at = "2026-11-30T11:00:00Z";
        let event = Some("2026-11-30T10:00:00.500Z");
        for (max_age, max_lag, event, expected) in [
            (None, None, event, &[][..]),
            (Some(3600), Some(7200), event, &[]),
            (Some(3599), Some(7200), event, &[TooOld]),
            (Some(3600), Some(7198), event, &[EventTooOld]),
            (Some(1), Some(1), event, &[TooOld, EventTooOld]),
            (Some(3600), None, None, &[]),
            (None, Some(7200), None, &[NoEvent]),
        ] {
            let report = job(max_age, max_lag).judge(newest(at, event), now());
            assert_eq!(report.stale, expected, "{max_age:?} {max_lag:?} {event:?}");
        }
        let report = job(None, None).judge(Newest::default(), now());
        assert_eq!(report.stale, [StaleReason::NoSuccess]);
    }

    #[test]
    fn times_in_the_future_have_no_age() {
        let future = newest("2026-11-30T12:00:05Z", Some("2030-01-01T00:00:00.000Z"));
        let report = job(Some(1), Some(1)).judge(future, now());
        assert_eq!(report.newest.unwrap().age_seconds, Some(0));
        assert_eq!(report.lag_seconds, Some(0));
        assert!(report.is_event_in_future);
        assert_eq!(report.stale, [StaleReason::EventInFuture]);
        // Clocks may differ, and without a limit nothing is stale.
        let soon = || newest("2026-11-30T12:00:05Z", Some("2026-11-30T12:00:05.000Z"));
        assert_eq!(job(Some(1), Some(1)).judge(soon(), now()).stale, []);
        let future = newest("2026-11-30T12:00:05Z", Some("2030-01-01T00:00:00.000Z"));
        assert_eq!(job(None, None).judge(future, now()).stale, []);
    }

    #[test]
    fn older_runs_are_read_until_one_succeeded() {
        let run = |number: usize| RunLogEntry {
            run: format!("R{number}"),
            started_at: Some(format!("2026-11-30T{number:02}:00:00.000Z")),
            state: match number {
                0 => RunLogState::Complete,
                _ => RunLogState::Failed,
            },
            song_objects: None,
            log_objects: None,
            events: None,
            rejected_records: Some(7),
            newest_event: Some(format!("2026-11-29T{number:02}:00:00.000Z")),
            seconds: None,
            executed_by: None,
        };
        let runs: Vec<_> = (0..FIRST_RUNS + 5).rev().map(run).collect();
        let found = newest_of_runs(|limit| Ok(runs[..limit.min(runs.len())].to_vec())).unwrap();
        let success = found.success.unwrap();
        assert_eq!(
            (success.run.as_str(), success.rejected_records),
            ("R0", Some(7))
        );
        assert_eq!(found.event.as_deref(), Some("2026-11-29T00:00:00.000Z"));
        assert_eq!(found.failed_since.unwrap().run, "R24");
    }
}
