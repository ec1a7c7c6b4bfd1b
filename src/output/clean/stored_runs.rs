//! Lists the runs below an output location.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::Result;
use crate::output::latest::parse_published;
use crate::output::layout::{LATEST_FILE, RunObject, RunObjectKey};
use crate::output::run_id::RunId;
use crate::storage::{IncompleteUpload, ListMode, Store};

/// A run below an output location.
#[derive(Debug)]
pub(super) struct StoredRun {
    pub id: RunId,
    pub contents: RunContents,
}

/// The objects and uploads of a run. Objects that no run writes are not among them, and are never removed.
#[derive(Debug, Default)]
pub(super) struct RunContents {
    pub objects: Vec<RunObject>,
    pub uploads: Vec<IncompleteUpload>,
    /// The size of the objects in bytes.
    pub bytes: u64,
    /// When the newest object was written or the newest upload created, in seconds since 1970.
    last_activity: Option<i64>,
}

impl RunContents {
    pub(super) fn has(&self, object: RunObject) -> bool {
        self.objects.contains(&object)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.has(RunObject::Report)
    }

    /// Returns true if the last activity of a run is older than `age`, on the clock of the store. The start time
    /// in the run id, on the clock of the run's machine, is used only if the run has no objects or uploads.
    pub(super) fn is_inactive_for(&self, age: Duration, run: &RunId) -> bool {
        let last_activity = self
            .last_activity
            .and_then(|at| DateTime::from_timestamp(at, 0));
        let age = TimeDelta::from_std(age).ok();
        let cutoff = age.and_then(|age| Utc::now().checked_sub_signed(age));
        cutoff.is_some_and(|cutoff| last_activity.or_else(|| run.started_at()) < Some(cutoff))
    }
}

/// Lists the runs in a store with their objects and uploads.
pub(super) fn list_runs(store: &dyn Store) -> Result<BTreeMap<RunId, RunContents>> {
    let mut runs: BTreeMap<RunId, RunContents> = BTreeMap::new();
    for prefix in store.list("", ListMode::Delimited)?.common_prefixes {
        let Ok(id) = prefix.trim_end_matches('/').parse() else {
            continue;
        };
        runs.insert(id, list_run(store, &prefix)?);
    }
    for upload in store.list_incomplete_uploads()? {
        if let Some((first, _)) = upload.key.split_once('/')
            && let Ok(id) = first.parse()
        {
            let run = runs.entry(id).or_default();
            run.last_activity = run.last_activity.max(upload.initiated);
            run.uploads.push(upload);
        }
    }
    Ok(runs)
}

/// Lists the objects of a run, whose keys begin with `prefix`.
pub(super) fn list_run(store: &dyn Store, prefix: &str) -> Result<RunContents> {
    let listing = store.list_all(prefix)?;
    let mut contents = RunContents {
        last_activity: listing.last_modified,
        ..RunContents::default()
    };
    for object in listing.objects {
        if let Ok(key) = object.key.parse::<RunObjectKey>() {
            contents.bytes += object.size;
            contents.objects.push(key.object);
        }
    }
    Ok(contents)
}

/// Returns the runs that `latest.json` lists, the newest last.
pub(super) fn read_published(store: &dyn Store) -> Result<Vec<RunId>> {
    let latest = store.get(LATEST_FILE)?;
    Ok(latest.map_or_else(Vec::new, |latest| parse_published(&latest.bytes)))
}
