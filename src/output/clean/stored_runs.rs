//! Lists the runs below an output location.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, Result};
use crate::output::latest::LatestPointer;
use crate::output::layout::{LATEST_FILE, RunObject, RunObjectKey, UnknownName};
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
    /// Whether there are also objects that no run writes.
    pub has_foreign_objects: bool,
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

    pub(super) fn reject_files(&self) -> u64 {
        let is_reject_file = |object: &&RunObject| matches!(object, RunObject::Rejects { .. });
        self.objects.iter().filter(is_reject_file).count() as u64
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
        let contents = list_run(store, &prefix)?;
        // What others put there after the run was removed is not a run.
        if !contents.objects.is_empty() || !contents.has_foreign_objects {
            runs.insert(id, contents);
        }
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
        match object.key.parse::<RunObjectKey>() {
            Ok(key) => {
                contents.bytes += object.size;
                contents.objects.push(key.object);
            }
            Err(UnknownName) => contents.has_foreign_objects = true,
        }
    }
    Ok(contents)
}

/// Returns the runs that `latest.json` lists, the newest last.
///
/// # Errors
/// Returns an error if the file cannot be read or is invalid: the run that it is meant to name could be removed.
pub(super) fn read_published(store: &dyn Store) -> Result<Vec<RunId>> {
    let Some(latest) = store.get(LATEST_FILE)? else {
        return Ok(Vec::new());
    };
    match LatestPointer::parse(&latest.bytes) {
        Ok(latest) => Ok(latest.into_published_runs()),
        Err(reason) => {
            let name = store.display(LATEST_FILE);
            Err(Error::failed(format!("cannot read {name}"))
                .with_reason(reason)
                .with_hint("correct it, or remove it to go by the ids of the runs"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{MemoryStore, PutMode, PutResult};

    fn put(store: &MemoryStore, key: &str, text: &str) {
        let written = store.put(key, text.into(), PutMode::Overwrite);
        assert_eq!(written.unwrap(), PutResult::Written);
    }

    #[test]
    fn invalid_latest_json_is_an_error() {
        let run = "20261130T051153123Z-0123abcd";
        let store = MemoryStore::new();
        assert_eq!(read_published(&store).unwrap(), []);
        for text in ["", "{", "[]", r#"{"run":5}"#, r#"{"run":"x","report":"y"}"#] {
            put(&store, LATEST_FILE, text);
            let error = read_published(&store).unwrap_err().to_string();
            assert!(
                error.starts_with("cannot read memory:/latest.json: "),
                "{error}"
            );
            assert!(!error.contains("LatestPointer"), "{error}");
        }
        put(
            &store,
            LATEST_FILE,
            &format!(r#"{{"run":"{run}","report":"y"}}"#),
        );
        assert_eq!(read_published(&store).unwrap(), [run.parse().unwrap()]);
    }

    #[test]
    fn a_folder_of_foreign_objects_is_no_run() {
        let (foreign, mixed) = (
            "20261130T051153123Z-0123abcd",
            "20261130T051153123Z-89abcdef",
        );
        let store = MemoryStore::new();
        put(&store, &format!("{foreign}/notes.txt"), "");
        put(&store, &format!("{mixed}/notes.txt"), "");
        put(&store, &format!("{mixed}/_report.json"), "");
        let runs: Vec<_> = list_runs(&store).unwrap().into_keys().collect();
        assert_eq!(runs, [mixed.parse().unwrap()]);
    }
}
