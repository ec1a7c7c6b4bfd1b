//! Lists the runs at an output location with what their reports say of them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::latest::parse_published;
use super::layout::{FAILED_REPORT_FILE, LATEST_FILE, REPORT_FILE, RunObject, RunObjectKey};
use super::rejected_run::failed_beside;
use super::run_id::RunId;
use super::run_report::RunOutcome;
use crate::error::{Error, Result};
use crate::observer::Observer;
use crate::storage::{ListMode, Location, Store, StoreOpener, s3_url_hint};

/// A run at an output location. What its report does not tell is `None`: the report of an older version, or none at all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunLogEntry {
    /// The id of the run.
    pub run: String,
    /// When the run began, in UTC as in ISO 8601.
    pub started_at: Option<String>,
    /// How far it came.
    pub state: RunLogState,
    /// Song objects that were read.
    pub song_objects: Option<u64>,
    /// Log objects that were read.
    pub log_objects: Option<u64>,
    /// Events in the dataset.
    pub events: Option<u64>,
    /// Rejected records of songs and logs.
    pub rejected_records: Option<u64>,
    /// The time of the newest event that it read, in UTC as in ISO 8601.
    pub newest_event: Option<String>,
    /// The duration of the run.
    pub seconds: Option<f64>,
    /// Who ran it, as `user@host`.
    pub executed_by: Option<String>,
}

/// How far a run came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunLogState {
    /// The run is complete.
    Complete,
    /// The run is complete, and the newest one.
    Latest,
    /// The run failed because of its input.
    Failed,
    /// The run has no report: it is still at work, or was killed.
    Unfinished,
    /// The report of the run is damaged.
    Unreadable,
}

/// The parts of a report that the list shows. Versions of the report differ in the others.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ReportExtract {
    run: Option<String>,
    status: Option<RunOutcome>,
    started_at: Option<String>,
    executed_by: Option<String>,
    songs: InputExtract,
    logs: InputExtract,
    total: TotalExtract,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct InputExtract {
    objects: Option<u64>,
    rejected: Option<u64>,
    kept: Option<u64>,
    newest_event: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TotalExtract {
    seconds: Option<f64>,
}

/// Returns the newest runs at `out`, the newest first: those below a prefix or a folder that keeps runs side by side, or the
/// one whose dataset is in the folder itself. A failed run beside a local folder is among them. Warns about a report that
/// is not valid.
///
/// # Errors
/// Returns an error if `out` does not exist or cannot be listed, or if an object cannot be read.
pub(crate) fn read_run_log(
    stores: &StoreOpener,
    out: &Location,
    limit: usize,
    observer: &dyn Observer,
) -> Result<Vec<RunLogEntry>> {
    let mut runs = Vec::new();
    if let Some(failed) = failed_beside(out) {
        let failed = stores.open_output(&failed)?;
        runs.extend(read_run(failed.as_ref(), None, observer)?);
    }
    match out {
        Location::Local(path) if !path.is_dir() => {
            if runs.is_empty() {
                return Err(missing_folder_error(path));
            }
        }
        Location::Local(_) | Location::S3 { .. } => {
            let store = stores.open_output(out)?;
            runs.extend(read_run(store.as_ref(), None, observer)?);
            runs.extend(read_runs_below(store.as_ref(), limit, observer)?);
        }
    }
    runs.sort_by(|a, b| b.run.cmp(&a.run));
    runs.truncate(limit);
    Ok(runs)
}

fn missing_folder_error(path: &Path) -> Error {
    Error::failed(format!("cannot read the history of {}", path.display()))
        .with_reason("no such folder")
        .with_optional_hint(s3_url_hint(path))
}

/// Reads the newest of the runs that have folders of their own.
fn read_runs_below(
    store: &dyn Store,
    limit: usize,
    observer: &dyn Observer,
) -> Result<Vec<RunLogEntry>> {
    let prefixes = store.list("", ListMode::Delimited)?.common_prefixes;
    let ids = prefixes
        .iter()
        .filter_map(|prefix| prefix.trim_end_matches('/').parse().ok());
    let mut ids: Vec<RunId> = ids.collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.truncate(limit);
    let latest = match store.get(LATEST_FILE)? {
        Some(latest) => parse_published(&latest.bytes).pop(),
        None => None,
    };
    let entry = |id: RunId| {
        let found = read_run(store, Some(&id), observer)?;
        let mut entry = found.unwrap_or_else(|| without_report(Some(&id), RunLogState::Unfinished));
        if entry.state == RunLogState::Complete && latest.as_ref() == Some(&id) {
            entry.state = RunLogState::Latest;
        }
        Ok(entry)
    };
    ids.into_iter().map(entry).collect()
}

/// Reads the report of a run, which is in the store itself or in a folder. Returns `None` if there is none.
fn read_run(
    store: &dyn Store,
    id: Option<&RunId>,
    observer: &dyn Observer,
) -> Result<Option<RunLogEntry>> {
    let key = |object: RunObject, name: &str| match id {
        Some(id) => RunObjectKey {
            run: id.clone(),
            object,
        }
        .to_string(),
        None => name.to_owned(),
    };
    for key in [
        key(RunObject::Report, REPORT_FILE),
        key(RunObject::FailedReport, FAILED_REPORT_FILE),
    ] {
        if let Some(report) = store.get(&key)? {
            return Ok(Some(match serde_json::from_slice(&report.bytes) {
                Ok(extract) => entry(extract, id),
                Err(error) => {
                    observer.warn(&format!("cannot read {}: {error}", store.display(&key)));
                    without_report(id, RunLogState::Unreadable)
                }
            }));
        }
    }
    Ok(None)
}

fn entry(report: ReportExtract, id: Option<&RunId>) -> RunLogEntry {
    let run = id.map(RunId::to_string).or(report.run).unwrap_or_default();
    let rejected = [report.songs.rejected, report.logs.rejected];
    RunLogEntry {
        started_at: report.started_at.or_else(|| started_at(&run.parse().ok()?)),
        run,
        state: match report.status {
            Some(RunOutcome::Failed) => RunLogState::Failed,
            // A run that found nothing new writes no report.
            Some(RunOutcome::Ok | RunOutcome::NothingNew) | None => RunLogState::Complete,
        },
        song_objects: report.songs.objects,
        log_objects: report.logs.objects,
        events: report.logs.kept,
        rejected_records: rejected.into_iter().sum(),
        newest_event: report.logs.newest_event,
        seconds: report.total.seconds,
        executed_by: report.executed_by,
    }
}

/// Returns the entry of a run of which at most the id is known.
fn without_report(id: Option<&RunId>, state: RunLogState) -> RunLogEntry {
    RunLogEntry {
        run: id.map(RunId::to_string).unwrap_or_default(),
        started_at: id.and_then(started_at),
        state,
        song_objects: None,
        log_objects: None,
        events: None,
        rejected_records: None,
        newest_event: None,
        seconds: None,
        executed_by: None,
    }
}

/// Returns the time in the id of a run.
fn started_at(id: &RunId) -> Option<String> {
    let time = id.started_at()?;
    Some(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observer::WarningCollector;
    use crate::storage::{MemoryStore, PutMode, PutResult};

    const RUNS: [&str; 4] = [
        "20261130T051153123Z-0123abcd",
        "20261129T030000000Z-0123abcd",
        "20261128T030000000Z-0123abcd",
        "20261127T030000000Z-0123abcd",
    ];

    fn put(store: &MemoryStore, key: &str, text: &str) {
        let written = store.put(key, text.into(), PutMode::Overwrite);
        assert_eq!(written.unwrap(), PutResult::Written);
    }

    #[test]
    fn runs_have_the_states_of_their_reports() {
        let store = MemoryStore::new();
        put(&store, &format!("{}/songs/part-00000.parquet", RUNS[0]), "");
        // The report of an older version.
        let old = r#"{"report_version":2,"status":"ok","songs":{"objects":60,"rejected":1},
            "logs":{"objects":10,"rejected":2,"kept":1025},"total":{"seconds":0.5}}"#;
        put(&store, &format!("{}/_report.json", RUNS[1]), old);
        let failed = r#"{"status":"failed","started_at":"2026-11-28T03:00:01.000Z","executed_by":"etl@night"}"#;
        put(&store, &format!("{}/_report.failed.json", RUNS[2]), failed);
        put(&store, &format!("{}/_report.json", RUNS[3]), old);
        put(
            &store,
            LATEST_FILE,
            &format!(r#"{{"run":"{}","report":"y"}}"#, RUNS[1]),
        );
        put(&store, "notes/notes.txt", "");
        let runs = read_runs_below(&store, 9, &WarningCollector::default()).unwrap();
        let states: Vec<_> = runs
            .iter()
            .map(|run| (run.run.as_str(), run.state))
            .collect();
        assert_eq!(
            states,
            [
                (RUNS[0], RunLogState::Unfinished),
                (RUNS[1], RunLogState::Latest),
                (RUNS[2], RunLogState::Failed),
                (RUNS[3], RunLogState::Complete),
            ]
        );
        assert_eq!(
            runs[0].started_at.as_deref(),
            Some("2026-11-30T05:11:53.123Z")
        );
        assert_eq!(
            runs[1].started_at.as_deref(),
            Some("2026-11-29T03:00:00.000Z")
        );
        assert_eq!(
            (runs[1].rejected_records, runs[1].events),
            (Some(3), Some(1025))
        );
        assert_eq!(runs[2].executed_by.as_deref(), Some("etl@night"));
        assert_eq!(runs[2].rejected_records, None);
        let newest: Vec<_> = read_runs_below(&store, 2, &WarningCollector::default()).unwrap();
        assert_eq!(newest, runs[..2]);
    }

    #[test]
    fn an_unreadable_report_does_not_hide_the_other_runs() {
        let store = MemoryStore::new();
        put(&store, &format!("{}/_report.json", RUNS[0]), "{");
        put(&store, &format!("{}/_report.json", RUNS[1]), "{}");
        let warnings = WarningCollector::default();
        let runs = read_runs_below(&store, 9, &warnings).unwrap();
        let states: Vec<_> = runs.iter().map(|run| run.state).collect();
        assert_eq!(states, [RunLogState::Unreadable, RunLogState::Complete]);
        let [warning] = warnings.warnings().try_into().unwrap();
        assert!(warning.starts_with("cannot read memory:/2026"), "{warning}");
    }
}
