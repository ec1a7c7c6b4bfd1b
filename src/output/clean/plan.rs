//! Decides which runs to remove, and removes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde::Serialize;

use super::entry::{RunEntry, RunState};
use super::removal::remove_run;
use super::stored_runs::{RunContents, StoredRun, list_runs, read_published};
use crate::error::{Error, Result};
use crate::output::layout::RunObject;
use crate::output::publish::local::LeftoverRunDir;
use crate::output::run_id::RunId;
use crate::storage::{Location, Store, StoreOpener, s3_url_hint};

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
    /// The store of the output location, if it exists.
    #[serde(skip)]
    store: Option<Box<dyn Store>>,
    /// What killed and failed runs left next to a local output.
    #[serde(skip)]
    leftovers: Vec<Leftover>,
}

/// Finds the runs at `out` and decides which to remove. Kept are the run that `latest.json` names, the `keep`
/// complete runs that were published last, the `keep` runs that failed last, and incomplete runs that were active within `grace`, which is at
/// least a quarter of an hour.
///
/// # Errors
/// Returns an error if `out` does not exist or cannot be listed.
pub(crate) fn find_runs(
    stores: &StoreOpener,
    out: &Location,
    keep: usize,
    grace: Duration,
) -> Result<CleanPlan> {
    let leftovers = find_leftovers(out)?;
    let store = open_runs(stores, out)?;
    if let (None, [], Location::Local(path)) = (&store, leftovers.as_slice(), out) {
        return Err(Error::failed(format!("cannot clean {}", path.display()))
            .with_reason("no such folder")
            .with_optional_hint(s3_url_hint(path)));
    }
    let (runs, published) = match &store {
        Some(store) => (list_runs(store.as_ref())?, read_published(store.as_ref())?),
        None => (BTreeMap::new(), Vec::new()),
    };
    let mut plan = CleanPlan {
        remove: leftovers.iter().map(Leftover::to_entry).collect(),
        keep: Vec::new(),
        store,
        leftovers,
    };
    plan.add_runs(runs, &published, keep, grace);
    Ok(plan)
}

/// Finds what killed and failed runs left next to a local output.
fn find_leftovers(out: &Location) -> Result<Vec<Leftover>> {
    let Location::Local(path) = out else {
        return Ok(Vec::new());
    };
    let found = [
        (RunState::Unfinished, LeftoverRunDir::find(path)?),
        (RunState::Failed, LeftoverRunDir::find_failed(path)?),
    ];
    let leftovers = found.into_iter();
    let leftovers = leftovers.filter_map(|(state, dir)| Some(Leftover { state, dir: dir? }));
    Ok(leftovers.collect())
}

/// Opens the store that contains the runs, unless it is a folder that does not exist.
fn open_runs(stores: &StoreOpener, out: &Location) -> Result<Option<Box<dyn Store>>> {
    match out {
        Location::Local(path) if !path.is_dir() => Ok(None),
        _ => stores.open_output(out).map(Some),
    }
}

/// The folder that a killed or failed run left next to a local output.
#[derive(Debug)]
struct Leftover {
    state: RunState,
    dir: LeftoverRunDir,
}

impl Leftover {
    fn to_entry(&self) -> RunEntry {
        RunEntry {
            name: self.dir.path().display().to_string(),
            state: self.state,
            objects: self.dir.files(),
            reject_files: self.dir.reject_files(),
            bytes: self.dir.bytes(),
            uploads: 0,
            run: None,
        }
    }
}

impl CleanPlan {
    /// Decides which runs to remove.
    fn add_runs(
        &mut self,
        runs: BTreeMap<RunId, RunContents>,
        published: &[RunId],
        keep: usize,
        grace: Duration,
    ) {
        let superseded = superseded_runs(&runs, published, keep);
        let mut failed = 0;
        for (id, contents) in runs.into_iter().rev() {
            let state = if published.last() == Some(&id) {
                RunState::Latest
            } else if contents.is_complete() {
                RunState::Complete
            } else if contents.has(RunObject::FailedReport) {
                RunState::Failed
            } else if contents.is_inactive_for(grace.max(MIN_GRACE), &id) {
                RunState::Unfinished
            } else {
                RunState::Recent
            };
            let is_kept = match state {
                RunState::Complete => !superseded.contains(&id),
                RunState::Latest | RunState::Recent => true,
                // The rejects of a run that has just failed are there for a person to look at.
                RunState::Failed => {
                    failed += 1;
                    failed <= keep
                }
                RunState::Unfinished => false,
            };
            let name = self
                .store
                .as_ref()
                .map(|store| store.display(&id.to_string()));
            let entry = RunEntry {
                name: name.unwrap_or_else(|| id.to_string()),
                state,
                objects: contents.objects.len() as u64,
                reject_files: contents.reject_files(),
                bytes: contents.bytes,
                uploads: contents.uploads.len(),
                run: Some(StoredRun { id, contents }),
            };
            match is_kept {
                true => self.keep.push(entry),
                false => self.remove.push(entry),
            }
        }
    }

    /// Removes the runs in `remove`, and returns how many. Removing the first object of a complete run makes it incomplete.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed. The next `sparkify clean` removes the rest.
    pub fn execute(self) -> Result<usize> {
        let mut removed = 0;
        if let Some(store) = &self.store {
            let removes_complete = self
                .remove
                .iter()
                .any(|entry| entry.state == RunState::Complete);
            // A run may have become the latest since it was listed.
            let published = match removes_complete {
                true => read_published(store.as_ref())?,
                false => Vec::new(),
            };
            for entry in self.remove {
                if let Some(run) = entry.run
                    && published.last() != Some(&run.id)
                {
                    removed += usize::from(remove_run(store.as_ref(), entry.state, run)?);
                }
            }
        }
        if let Some(store) = &self.store {
            store.remove_temporary_files(MIN_GRACE);
        }
        for leftover in self.leftovers {
            leftover.dir.remove()?;
            removed += 1;
        }
        Ok(removed)
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
        .filter(|(_, contents)| contents.is_complete())
        .map(|(id, contents)| (ranks.get(id), id, contents))
        .collect();
    complete.sort_unstable_by_key(|&(rank, id, _)| (rank, id));
    let superseded = complete.into_iter().rev().skip(keep);
    let superseded = superseded
        .filter(|(rank, id, contents)| rank.is_some() || contents.is_inactive_for(MIN_GRACE, id));
    superseded.map(|(_, id, _)| id.clone()).collect()
}
