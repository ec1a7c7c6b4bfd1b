//! Finds the reject files of a run, complete or failed.

use std::sync::Arc;

use serde::Deserialize;

use super::layout::{
    FAILED_REPORT_FILE, LATEST_FILE, REJECTS_DIR, REPORT_FILE, RunObject, SiblingDir,
};
use super::published_dataset::{find_object, open, read_json, read_latest};
use super::reject_file::RejectFile;
use super::run_id::RunId;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::storage::{ListMode, Location, ObjectMeta, Store, StoreOpener};

/// A run with its reject files. Any number of its records, also none, may be rejected.
#[derive(Debug)]
pub(crate) struct RejectedRun {
    location: Location,
    run: String,
    is_failed: bool,
    later_failure: Option<Location>,
    files: Vec<RejectFile>,
}

/// The parts of a report, of any version, that name its run.
#[derive(Deserialize)]
#[serde(expecting = "expected the report of a run")]
struct ReportedRun {
    run: String,
}

impl RejectedRun {
    /// Opens the run at `location`: an output folder, a run below a prefix, the newest complete run of a prefix, or
    /// the folder that a failed run left. If no run is complete, that is the newest failed one.
    ///
    /// # Errors
    /// Returns an error if there is no run, or if it cannot be read.
    pub(crate) fn open(stores: &StoreOpener, location: &Location) -> Result<Self> {
        let FoundRun {
            location,
            store,
            report,
            later_failure,
        } = find_run(stores, location)?;
        let is_failed = report.key == FAILED_REPORT_FILE;
        let name = store.display(&report.key);
        let ReportedRun { run } = read_json(store.as_ref(), report)?;
        if run.is_empty() {
            return Err(Error::failed(format!("cannot read {name}"))
                .with_reason("it has no run id")
                .with_hint("run again"));
        }
        let files = list_reject_files(&Arc::from(store))?;
        Ok(Self {
            location,
            run,
            is_failed,
            later_failure,
            files,
        })
    }

    /// Returns the location of the run.
    pub(crate) fn location(&self) -> &Location {
        &self.location
    }

    /// Returns the id of the run.
    pub(crate) fn id(&self) -> &str {
        &self.run
    }

    /// Returns true if the run failed and published nothing.
    pub(crate) fn is_failed(&self) -> bool {
        self.is_failed
    }

    /// Returns the location of a later run to the same output, if one failed.
    pub(crate) fn later_failure(&self) -> Option<&Location> {
        self.later_failure.as_ref()
    }

    /// Returns the reject files: those of songs and then those of logs, in input order.
    pub(crate) fn files(&self) -> &[RejectFile] {
        &self.files
    }
}

/// A run at an output location.
struct FoundRun {
    location: Location,
    store: Box<dyn Store>,
    report: ObjectMeta,
    later_failure: Option<Location>,
}

/// Finds the run at a location.
fn find_run(stores: &StoreOpener, location: &Location) -> Result<FoundRun> {
    let failed_beside = failed_beside(location);
    if matches!(location, Location::Local(path) if !path.exists())
        && let Some(failed) = &failed_beside
        && let Some(found) = open_run(stores, failed)?
    {
        // The first run to this output failed.
        return Ok(found);
    }
    if let Some(found) = open_run(stores, location)? {
        let is_complete = found.report.key == REPORT_FILE;
        return Ok(FoundRun {
            // A successful run removes it.
            later_failure: failed_beside.filter(|_| is_complete),
            ..found
        });
    }
    let store = open(stores, location)?;
    let latest = read_latest(store.as_ref())?.map(|latest| latest.run);
    let failed_below = newest_failed_run(store.as_ref(), latest.as_deref())?;
    let failed_below = failed_below.map(|id| location.join(&id));
    let found = match (latest, &failed_below, failed_beside) {
        (Some(latest), ..) => open_run(stores, &location.join(&latest))?,
        (None, Some(failed), _) => return found_or_error(open_run(stores, failed)?, location),
        (None, None, Some(failed)) => open_run(stores, &failed)?,
        (None, None, None) => None,
    };
    let found = found.map(|found| FoundRun {
        later_failure: failed_below,
        ..found
    });
    found_or_error(found, location)
}

fn found_or_error(found: Option<FoundRun>, location: &Location) -> Result<FoundRun> {
    found.ok_or_else(|| {
        Error::failed(format!("no run in {location}"))
            .with_reason(format!(
                "it contains neither {REPORT_FILE}, {FAILED_REPORT_FILE} nor {LATEST_FILE}"
            ))
            .with_hint("use the --out of an earlier run")
    })
}

/// Opens the run whose report is directly below a location. Returns `None` if there is no report.
fn open_run(stores: &StoreOpener, location: &Location) -> Result<Option<FoundRun>> {
    let store = open(stores, location)?;
    let report = match find_object(store.as_ref(), REPORT_FILE)? {
        None => find_object(store.as_ref(), FAILED_REPORT_FILE)?,
        report => report,
    };
    Ok(report.map(|report| FoundRun {
        location: location.clone(),
        store,
        report,
        later_failure: None,
    }))
}

/// Returns the id of the newest failed run of those that are kept side by side, if it began after the run `since`.
fn newest_failed_run(store: &dyn Store, since: Option<&str>) -> Result<Option<String>> {
    let prefixes = store.list("", ListMode::Delimited)?.common_prefixes;
    let ids = prefixes
        .iter()
        .filter_map(|prefix| prefix.trim_end_matches('/').parse().ok());
    let mut ids: Vec<String> = ids.map(|id: RunId| id.to_string()).collect();
    ids.retain(|id| since.is_none_or(|since| id.as_str() > since));
    ids.sort_unstable_by(|a, b| b.cmp(a));
    for id in ids {
        let failed_report = format!("{id}/{FAILED_REPORT_FILE}");
        let objects = store.list(&format!("{id}/"), ListMode::Delimited)?.objects;
        if objects.iter().any(|object| object.key == failed_report) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Returns the folder that a failed run left beside a local output, if there is one. If the output is a symbolic link,
/// that is beside its target.
pub(super) fn failed_beside(out: &Location) -> Option<Location> {
    let Location::Local(out) = out else {
        return None;
    };
    let resolved = std::fs::canonicalize(out).or_else(|_| std::path::absolute(out));
    let resolved = resolved.ok()?;
    resolved.file_name()?;
    let failed = SiblingDir::Failed.path_beside(&resolved);
    if !failed.join(FAILED_REPORT_FILE).is_file() {
        return None;
    }
    // The name that the user chose is shorter, if it works as well.
    let named = SiblingDir::Failed.path_beside(out);
    let is_same = std::fs::canonicalize(&named).ok() == std::fs::canonicalize(&failed).ok();
    Some(Location::Local(if is_same { named } else { failed }))
}

/// Lists the reject files of a run: those of songs and then those of logs, in input order.
fn list_reject_files(store: &Arc<dyn Store>) -> Result<Vec<RejectFile>> {
    let folder = format!("{REJECTS_DIR}/");
    let folders = store.list("", ListMode::Delimited)?.common_prefixes;
    if !folders.contains(&folder) {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for object in store.list(&folder, ListMode::Delimited)?.objects {
        if let Ok(RunObject::Rejects { kind, number }) = object.key.parse() {
            let is_log = kind == RecordKind::Log;
            files.push((is_log, number, kind, object));
        }
    }
    files.sort_unstable_by_key(|&(is_log, number, ..)| (is_log, number));
    let file = |(_, _, kind, object)| RejectFile {
        store: Arc::clone(store),
        kind: Some(kind),
        object,
    };
    Ok(files.into_iter().map(file).collect())
}
