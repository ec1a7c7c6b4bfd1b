//! Finds and removes abandoned runs, and complete runs that newer ones have superseded.
//!
//! Below a prefix, and in a local copy of such a prefix, each run has a folder of its own. A killed run with a
//! local output leaves its staging folder next to the output folder. `output::publish::s3` describes how
//! `sparkify clean` and a run that is still alive avoid conflicts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::publish::local::LeftoverRunDir;
use super::publish::s3::{LATEST_FILE, LatestPointer, REMOVAL_MARKER, RunId};
use super::rejects::REJECTS_DIR;
use super::run_report::{FAILED_REPORT_FILE, REPORT_FILE};
use crate::error::{Error, Result};
use crate::star::schema;
use crate::storage::s3::{IncompleteUpload, S3Store};
use crate::storage::{ListMode, LocalStore, Location, Store, StoreOpener, s3_url_hint};

/// A run that has written an object or created an upload within this time is considered alive, whatever the
/// user specifies. This is far longer than any pause between two objects of a run, and tolerates small clock
/// differences.
const MIN_GRACE: Duration = Duration::from_secs(15 * 60);

/// The runs at an output location, and which of them to remove.
#[derive(Debug, Serialize)]
pub struct CleanPlan {
    /// Runs to remove.
    pub remove: Vec<RunEntry>,
    /// Runs to keep.
    pub keep: Vec<RunEntry>,
    #[serde(skip)]
    location: RunsStore,
}

/// The store that contains the runs.
#[derive(Debug)]
enum RunsStore {
    /// The output folder, if it exists, and folders of abandoned or failed runs next to it.
    Local(Option<LocalStore>, Vec<(RunState, LeftoverRunDir)>),
    S3(S3Store),
}

/// A complete run, or the remains of one.
#[derive(Debug, Serialize)]
pub struct RunEntry {
    /// The path or URL of the run.
    pub name: String,
    /// How far the run came.
    pub state: RunState,
    /// Number of objects.
    pub objects: u64,
    /// Size of the objects in bytes.
    pub bytes: u64,
    /// Number of incomplete multipart uploads.
    pub uploads: usize,
    #[serde(skip)]
    id: Option<RunId>,
    #[serde(skip)]
    contents: RunContents,
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// The run is complete.
    Complete,
    /// The run is complete, and `latest.json` names it.
    Latest,
    /// The run is not complete and was inactive for the grace period.
    Unfinished,
    /// The run is not complete, but may still be running.
    Recent,
    /// The run failed because of its input. Only its rejects and a report remain.
    Failed,
}

#[derive(Debug, Default)]
struct RunContents {
    keys: Vec<String>,
    uploads: Vec<IncompleteUpload>,
    bytes: u64,
    /// When the newest object was written or the newest upload created, in seconds since 1970.
    last_activity: Option<i64>,
}

/// Finds the runs at `out` and decides which to remove. Kept are the run that `latest.json` names, the `keep`
/// complete runs that were published last, and incomplete runs that were active within `grace`, which is at
/// least a quarter of an hour.
///
/// # Errors
/// Returns an error if `out` does not exist or cannot be listed.
pub fn find_runs(
    stores: &StoreOpener,
    out: &Location,
    keep: usize,
    grace: Duration,
) -> Result<CleanPlan> {
    let (location, runs, latest) = match out {
        Location::Local(path) => {
            let abandoned = [
                (RunState::Unfinished, LeftoverRunDir::find(path)?),
                (RunState::Failed, LeftoverRunDir::find_failed(path)?),
            ];
            let abandoned = abandoned.into_iter();
            let abandoned: Vec<_> = abandoned
                .filter_map(|(state, found)| Some((state, found?)))
                .collect();
            let folder = path.is_dir().then(|| LocalStore::new(path)).transpose()?;
            let folder = folder.map(LocalStore::without_following_links);
            if folder.is_none() && abandoned.is_empty() {
                return Err(Error::failed(format!("cannot clean {}", path.display()))
                    .with_reason("no such folder")
                    .with_optional_hint(s3_url_hint(path)));
            }
            let runs = folder.as_ref().map(|store| list_runs(store)).transpose()?;
            let latest = std::fs::read(path.join(LATEST_FILE)).ok();
            (
                RunsStore::Local(folder, abandoned),
                runs.unwrap_or_default(),
                latest,
            )
        }
        Location::S3 { bucket, prefix } => {
            let store = stores.open_bucket(bucket, prefix)?;
            let mut runs = list_runs(&store)?;
            for upload in store.list_multipart_uploads()? {
                if let Some((first, _)) = upload.key.split_once('/')
                    && let Ok(id) = first.parse()
                {
                    let run: &mut RunContents = runs.entry(id).or_default();
                    run.last_activity = run.last_activity.max(upload.initiated);
                    run.uploads.push(upload);
                }
            }
            let latest = store.get(LATEST_FILE)?.map(|(json, _)| json);
            (RunsStore::S3(store), runs, latest)
        }
    };
    let latest = latest.and_then(|json| serde_json::from_slice(&json).ok());
    Ok(CleanPlan::new(location, runs, latest, keep, grace))
}

/// Returns true if runs write objects with this name. Other objects are never removed.
fn is_output_object(key: &str) -> bool {
    let Some((_, name)) = key.split_once('/') else {
        return false;
    };
    let is_table = |folder: &str| schema::all_tables().any(|table| table.dir == folder);
    if [REPORT_FILE, FAILED_REPORT_FILE, REMOVAL_MARKER].contains(&name)
        || name.strip_suffix(".manifest").is_some_and(is_table)
    {
        return true;
    }
    match name.rsplit_once('/') {
        None => false,
        Some((REJECTS_DIR, file)) => file.ends_with(".jsonl"),
        Some((folder, file)) => {
            is_table(folder) && file.starts_with("part-") && file.ends_with(".parquet")
        }
    }
}

/// Lists the runs in a store with their objects.
fn list_runs(store: &dyn Store) -> Result<BTreeMap<RunId, RunContents>> {
    let mut runs = BTreeMap::new();
    for prefix in store.list("", ListMode::Delimited)?.common_prefixes {
        let Ok(id) = prefix.trim_end_matches('/').parse::<RunId>() else {
            continue;
        };
        let listing = store.list_all(&prefix)?;
        let mut contents = RunContents {
            last_activity: listing.last_modified,
            ..RunContents::default()
        };
        let own_objects = listing
            .objects
            .into_iter()
            .filter(|o| is_output_object(&o.key));
        for object in own_objects {
            contents.bytes += object.size;
            contents.keys.push(object.key);
        }
        runs.insert(id, contents);
    }
    Ok(runs)
}

impl CleanPlan {
    fn new(
        location: RunsStore,
        runs: BTreeMap<RunId, RunContents>,
        latest: Option<LatestPointer>,
        keep: usize,
        grace: Duration,
    ) -> Self {
        let (mut to_remove, mut to_keep) = (Vec::new(), Vec::new());
        let abandoned = match &location {
            RunsStore::Local(_, abandoned) => abandoned.as_slice(),
            RunsStore::S3(_) => &[],
        };
        for (state, staging) in abandoned {
            to_remove.push(RunEntry {
                name: staging.path().display().to_string(),
                state: *state,
                objects: staging.files(),
                bytes: staging.bytes(),
                uploads: 0,
                id: None,
                contents: RunContents::default(),
            });
        }
        let published = latest.map_or_else(Vec::new, LatestPointer::into_published_runs);
        let latest_run = published.last().cloned();
        let superseded = superseded_runs(&runs, &published, keep);
        for (id, contents) in runs.into_iter().rev() {
            let state = if latest_run.as_ref() == Some(&id) {
                RunState::Latest
            } else if contents.is_complete(&id) {
                RunState::Complete
            } else if contents.has_object(&id, FAILED_REPORT_FILE) {
                RunState::Failed
            } else if contents.is_inactive_for(grace.max(MIN_GRACE), &id) {
                RunState::Unfinished
            } else {
                RunState::Recent
            };
            let is_kept = match state {
                RunState::Complete => !superseded.contains(&id),
                RunState::Latest | RunState::Recent => true,
                RunState::Unfinished | RunState::Failed => false,
            };
            let run = RunEntry {
                name: location.display(&id.to_string()),
                state,
                objects: contents.keys.len() as u64,
                bytes: contents.bytes,
                uploads: contents.uploads.len(),
                id: Some(id),
                contents,
            };
            if is_kept {
                &mut to_keep
            } else {
                &mut to_remove
            }
            .push(run);
        }
        Self {
            remove: to_remove,
            keep: to_keep,
            location,
        }
    }

    /// Removes the runs in `remove`. Removing the first object of a complete run makes it incomplete.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed. The next `sparkify clean` removes the rest.
    pub fn execute(self) -> Result<()> {
        match self.location {
            RunsStore::Local(store, abandoned) => {
                if let Some(store) = store {
                    for run in self.remove {
                        remove_local_run(&store, run)?;
                    }
                }
                for (_, staging) in abandoned {
                    staging.remove()?;
                }
            }
            RunsStore::S3(store) => {
                let has_complete = self
                    .remove
                    .iter()
                    .any(|run| run.state == RunState::Complete);
                let latest_run = match has_complete {
                    true => latest_run(&store)?,
                    false => None,
                };
                for run in self.remove {
                    // The run may have become the latest since it was listed.
                    if run.id != latest_run {
                        remove_s3_run(&store, run)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns the complete runs that are not among the `keep` newest. Runs that `latest.json` does not list count as
/// older than those that it lists: an earlier version wrote them, or they were killed before they were listed.
/// A run that may be about to be listed is kept.
fn superseded_runs(
    runs: &BTreeMap<RunId, RunContents>,
    published: &[RunId],
    keep: usize,
) -> BTreeSet<RunId> {
    let ranks: HashMap<&RunId, usize> = published.iter().zip(0..).collect();
    let mut complete: Vec<_> = runs
        .iter()
        .filter(|(id, contents)| contents.is_complete(id))
        .map(|(id, contents)| (ranks.get(id), id, contents))
        .collect();
    complete.sort_unstable_by_key(|&(rank, id, _)| (rank, id));
    let superseded = complete.into_iter().rev().skip(keep);
    let superseded = superseded
        .filter(|(rank, id, contents)| rank.is_some() || contents.is_inactive_for(MIN_GRACE, id));
    superseded.map(|(_, id, _)| id.clone()).collect()
}

impl RunContents {
    /// Returns true if the run has an object with this name.
    fn has_object(&self, run: &RunId, name: &str) -> bool {
        self.keys.contains(&format!("{run}/{name}"))
    }

    fn is_complete(&self, run: &RunId) -> bool {
        self.has_object(run, REPORT_FILE)
    }

    /// Returns true if the last activity of a run is older than `age`, on the clock of the store. The start time
    /// in the run id, on the clock of the run's machine, is used only if the run has no objects or uploads.
    fn is_inactive_for(&self, age: Duration, run: &RunId) -> bool {
        let last_activity = self
            .last_activity
            .and_then(|at| DateTime::from_timestamp(at, 0));
        let age = TimeDelta::from_std(age).ok();
        let cutoff = age.and_then(|age| Utc::now().checked_sub_signed(age));
        cutoff.is_some_and(|cutoff| last_activity.or_else(|| run.started_at()) < Some(cutoff))
    }
}

/// Returns the run that `latest.json` names.
fn latest_run(store: &S3Store) -> Result<Option<RunId>> {
    let object = store.get(LATEST_FILE)?;
    let latest: Option<LatestPointer> =
        object.and_then(|(json, _)| serde_json::from_slice(&json).ok());
    Ok(latest.and_then(|latest| latest.into_published_runs().pop()))
}

/// Removes a run from a local copy of its prefix, unless copying was completed since the run was listed.
fn remove_local_run(store: &LocalStore, run: RunEntry) -> Result<()> {
    let Some(id) = run.id else {
        return Ok(());
    };
    let report = format!("{id}/{REPORT_FILE}");
    if run.state == RunState::Unfinished {
        let listing = store.list(&format!("{id}/"), ListMode::Delimited)?;
        if listing.objects.iter().any(|object| object.key == report) {
            return Ok(());
        }
    }
    let mut keys = run.contents.keys;
    // The report goes first: without it nothing mistakes the rest for a complete run.
    keys.sort_by_key(|key| *key != report);
    store.delete(&keys)?;
    store.remove_empty_folders(&id.to_string());
    Ok(())
}

/// Removes a run from a bucket, unless the run turns out to be alive.
fn remove_s3_run(store: &S3Store, run: RunEntry) -> Result<()> {
    let Some(id) = run.id else {
        return Ok(());
    };
    let RunContents { keys, uploads, .. } = run.contents;
    let marker = format!("{id}/{REMOVAL_MARKER}");
    let mut keys: BTreeSet<String> = keys.into_iter().collect();
    if run.state == RunState::Unfinished && !keys.is_empty() {
        keys.insert(marker.clone());
        write_removal_marker(store, &marker)?;
        let listing = store.list_all(&format!("{id}/"))?;
        let is_new = |key: &String| is_output_object(key) && !keys.contains(key);
        if listing.objects.iter().any(|object| is_new(&object.key)) {
            return store.delete(&[marker]);
        }
    }
    for upload in &uploads {
        store.abort_multipart_upload(&upload.key, &upload.id)?;
    }
    // The report goes first: without it nothing mistakes the rest for a complete run.
    let report = keys.take(&format!("{id}/{REPORT_FILE}"));
    let marker = keys.take(&marker);
    let others: Vec<String> = keys.into_iter().collect();
    store.delete(report.as_slice())?;
    store.delete(&others)?;
    store.delete(marker.as_slice())
}

/// Marks a run as being removed.
fn write_removal_marker(store: &S3Store, key: &str) -> Result<()> {
    let mut file = store.create(key)?;
    let text = b"sparkify clean removes this run\n";
    let written = file.write_all(text);
    written.map_err(|e| Error::io("cannot write", store.display(key).as_ref(), e))?;
    file.finish().map(drop)
}

impl RunsStore {
    fn display(&self, key: &str) -> String {
        match self {
            Self::Local(Some(store), _) => store.display(key),
            Self::Local(None, _) => key.to_owned(),
            Self::S3(store) => store.display(key),
        }
    }
}
