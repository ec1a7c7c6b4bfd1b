//! Finds the reject files of a run, complete or failed.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::latest::LatestPointer;
use super::layout::{
    FAILED_REPORT_FILE, LATEST_FILE, REJECTS_DIR, REPORT_FILE, RunObject, SiblingDir,
};
use super::published_dataset::{find_object, open, read_json};
use super::reject_file::RejectFile;
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
    /// the folder that a failed run left.
    ///
    /// # Errors
    /// Returns an error if there is no run, or if it cannot be read.
    pub(crate) fn open(stores: &StoreOpener, location: &Location) -> Result<Self> {
        let (location, store, report) = find_run(stores, location)?;
        let is_failed = report.key == FAILED_REPORT_FILE;
        let later_failure = match &location {
            Location::Local(path) if !is_failed => failed_sibling(path),
            _ => None,
        };
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

    /// Returns the folder of a later run to the same local output, if that failed. A successful run removes it.
    pub(crate) fn later_failure(&self) -> Option<&Location> {
        self.later_failure.as_ref()
    }

    /// Returns the reject files: those of songs and then those of logs, in input order.
    pub(crate) fn files(&self) -> &[RejectFile] {
        &self.files
    }
}

/// Finds the run at a location. Returns where it is, its store and its report.
fn find_run(
    stores: &StoreOpener,
    location: &Location,
) -> Result<(Location, Box<dyn Store>, ObjectMeta)> {
    let failed = match location {
        Location::Local(path) => failed_sibling(path),
        Location::S3 { .. } => None,
    };
    let find_report = |store: &dyn Store| -> Result<Option<ObjectMeta>> {
        match find_object(store, REPORT_FILE)? {
            None => find_object(store, FAILED_REPORT_FILE),
            report => Ok(report),
        }
    };
    let is_absent = matches!(location, Location::Local(path) if !path.exists());
    let mut location = match failed.as_ref().filter(|_| is_absent) {
        // The first run to this output failed.
        Some(failed) => failed.clone(),
        None => location.clone(),
    };
    let mut store = open(stores, &location)?;
    let mut report = find_report(store.as_ref())?;
    if report.is_none() {
        if let Some(latest) = find_object(store.as_ref(), LATEST_FILE)? {
            let latest: LatestPointer = read_json(store.as_ref(), latest)?;
            location = location.join(&latest.run);
        } else if let Some(failed) = failed {
            location = failed;
        }
        store = open(stores, &location)?;
        report = find_report(store.as_ref())?;
    }
    match report {
        Some(report) => Ok((location, store, report)),
        None => Err(Error::failed(format!("no run in {location}"))
            .with_reason(format!(
                "it contains neither {REPORT_FILE}, {FAILED_REPORT_FILE} nor {LATEST_FILE}"
            ))
            .with_hint("use the --out of an earlier run")),
    }
}

/// Returns the folder that a failed run left beside a local output, if there is one.
fn failed_sibling(out: &Path) -> Option<Location> {
    let absolute = std::path::absolute(out).ok()?;
    absolute.file_name()?;
    let failed = SiblingDir::Failed.path_beside(&absolute);
    // The name that the user chose is shorter, and works as well.
    let shown = SiblingDir::Failed.path_beside(out);
    failed
        .join(FAILED_REPORT_FILE)
        .exists()
        .then(|| Location::Local(if shown.exists() { shown } else { failed }))
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
