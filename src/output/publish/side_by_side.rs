//! Publishes to a location that keeps runs side by side: each run writes below a prefix or to a folder of its own,
//! named by the run id. Runs to S3 do this, and local runs with a warehouse.
//!
//! The report is written last and marks a run as complete. Then `latest.json`, next to the runs, is updated to
//! name the run. The objects of a killed run remain, and nothing refers to them, until `sparkify clean` removes
//! them.
//!
//! **Order of runs.** `latest.json` lists the runs in the order in which they were published, and a run that is
//! published becomes the newest, whatever the clocks of the machines say. There is one exception: if two runs
//! worked at the same time and the one that began later was published first, then the earlier one, which read
//! older input, is inserted before it. Only this exception needs the times in the run ids. `latest.json` is
//! replaced on the condition that it has not changed since it was read, so that no publication is lost.
//!
//! **Concurrent clean.** `sparkify clean` considers a run abandoned if it was inactive for some time, which may be
//! wrong (its machine may have been suspended). Neither side can lock the prefix, but each announces what it does
//! before it checks what the other does:
//!
//! - The run writes its report, then lists its prefix. If a part is missing or `_removing` exists, it
//!   removes the report again and fails.
//! - The clean writes `_removing`, then lists the prefix. If there is a report, or any other new object,
//!   the run is alive and is kept. Otherwise the clean removes everything, and `_removing` last.
//!
//! If the clean has not seen the report, it wrote `_removing` before the report was written. So the run,
//! which lists its prefix after writing the report, finds `_removing`, or, if the clean has already
//! finished, finds parts missing. However long either side pauses, no run is published with parts missing.
//! (Listings of S3 are strongly consistent, and so are those of folders for files that exist before and after
//! the listing.) The run also lists its prefix before it writes the report, so that
//! the report of an incomplete run is visible only for the duration of one request, and only if a clean
//! interferes in that time.

use std::fmt;

use super::unknown_publication::UNKNOWN_PUBLICATION;
use crate::error::{Error, Result};
use crate::interrupt;
use crate::output::latest::{LatestPointer, parse_published};
use crate::output::layout::{LATEST_FILE, RunObject, RunObjectKey};
use crate::output::run_id::RunId;
use crate::storage::{ObjectContents, PutMode, PutResult, Store};

/// Maximum number of attempts to update `latest.json` while other runs update it too.
const MAX_PUBLISH_ATTEMPTS: usize = 20;

/// A run that writes below an output location, beside other runs.
#[derive(Debug)]
pub(crate) struct SideBySideRun {
    /// The store of the output location, which contains all runs.
    output: Box<dyn Store>,
    id: RunId,
    /// The runs that were published when this one began, in the order of their publication.
    published_at_start: Vec<RunId>,
}

impl SideBySideRun {
    /// Starts a run below `out` without writing anything.
    ///
    /// # Errors
    /// Returns an error if `latest.json` cannot be read.
    pub(crate) fn start(out: Box<dyn Store>) -> Result<Self> {
        let id = RunId::new();
        let latest = out.get(LATEST_FILE)?;
        let published_at_start =
            latest.map_or_else(Vec::new, |latest| parse_published(&latest.bytes));
        Ok(Self {
            output: out,
            id,
            published_at_start,
        })
    }

    /// Returns the id of the run.
    pub(crate) fn id(&self) -> &RunId {
        &self.id
    }

    /// Returns the store that the run writes to.
    pub(crate) fn store(&self) -> Box<dyn Store> {
        self.output.subfolder(&self.id.to_string())
    }

    /// Returns the path or URL of the run.
    pub(crate) fn url(&self) -> String {
        self.output.display(&self.id.to_string())
    }

    /// Returns the path or URL of the run that `latest.json` named when this one began, if it named one.
    pub(crate) fn latest_url(&self) -> Option<String> {
        let latest = self.published_at_start.last();
        latest.map(|id| self.output.display(&id.to_string()))
    }

    /// Adds this run to the published runs and makes `latest.json` name it. If a newer run was published while
    /// this one was running, `latest.json` keeps naming that run and a warning is returned.
    ///
    /// # Errors
    /// Returns an error if `latest.json` cannot be read or written.
    pub(crate) fn publish(self) -> Result<Option<Error>> {
        interrupt::protect(UNKNOWN_PUBLICATION, || self.add_to_published())
    }

    fn add_to_published(&self) -> Result<Option<Error>> {
        let with_run_url =
            |error: Error| error.add_hint(format!("the run itself is complete in {}", self.url()));
        let write_error = |reason: &dyn fmt::Display| {
            let message = format!("cannot write {}", self.output.display(LATEST_FILE));
            with_run_url(Error::failed(message).with_reason(reason))
        };
        for _ in 0..MAX_PUBLISH_ATTEMPTS {
            let latest = self.output.get(LATEST_FILE).map_err(with_run_url)?;
            let mut published = latest
                .as_ref()
                .map_or_else(Vec::new, |latest| parse_published(&latest.bytes));
            // The run is listed already if the response to an earlier write was lost.
            if !published.contains(&self.id) {
                self.insert_in_order(&mut published).map_err(with_run_url)?;
                let json = self.latest_json(&published).map_err(|e| write_error(&e))?;
                let mode = match latest {
                    Some(ObjectContents { version, .. }) => PutMode::Update(version),
                    None => PutMode::Create,
                };
                let written = self.output.put(LATEST_FILE, json, mode);
                if written.map_err(with_run_url)? == PutResult::ConditionFailed {
                    continue;
                }
            }
            let newer = published.last().filter(|latest| **latest != self.id);
            return Ok(newer.map(|newer| self.superseded_warning(newer)));
        }
        Err(write_error(&"too many concurrent updates").temporary())
    }

    /// Inserts this run into the published runs: after those that were already published when it began, whatever
    /// the clocks say, and before the first that was published since then and began later.
    fn insert_in_order(&self, published: &mut Vec<RunId>) -> Result<()> {
        loop {
            let was_published_at_start = |id: &RunId| self.published_at_start.contains(id);
            let first_concurrent = published
                .iter()
                .rposition(was_published_at_start)
                .map_or(0, |index| index + 1);
            let mut others = published.iter().enumerate().skip(first_concurrent);
            let newer = others.find(|(_, id)| **id > self.id);
            let Some((index, _)) = newer else {
                published.push(self.id.clone());
                return Ok(());
            };
            if let Some(latest) = published.last()
                && !self.is_run_complete(latest)?
            {
                // That run was removed. `latest.json` must name a run that exists.
                published.pop();
                continue;
            }
            published.insert(index, self.id.clone());
            return Ok(());
        }
    }

    /// Returns true if another run in the same location exists and is complete.
    fn is_run_complete(&self, run: &RunId) -> Result<bool> {
        Ok(self.read_report(run)?.is_some())
    }

    fn latest_json(&self, published: &[RunId]) -> serde_json::Result<Vec<u8>> {
        let newest = published.last().unwrap_or(&self.id);
        let name = |key: &str| self.output.absolute_name(key);
        serde_json::to_vec_pretty(&LatestPointer::new(published, newest, name))
    }

    /// Returns the report of a run in the same location, if it is complete.
    fn read_report(&self, run: &RunId) -> Result<Option<Vec<u8>>> {
        let key = RunObjectKey {
            run: run.clone(),
            object: RunObject::Report,
        };
        let report = self.output.get(&key.to_string())?;
        Ok(report.map(|report| report.bytes))
    }

    fn superseded_warning(&self, newer: &RunId) -> Error {
        let latest = self.output.display(LATEST_FILE);
        Error::failed(format!("{latest} names run {newer}, not this one"))
            .with_reason("that run began later and was published while this one was running")
            .with_hint(format!("this one is complete in {}", self.url()))
    }

    /// Returns the report of the run that `latest.json` names, if there is one.
    ///
    /// # Errors
    /// Returns an error if `latest.json` or the report cannot be read.
    pub(crate) fn latest_report(&self) -> Result<Option<Vec<u8>>> {
        let Some(latest) = self.output.get(LATEST_FILE)? else {
            return Ok(None);
        };
        match parse_published(&latest.bytes).last() {
            Some(latest) => self.read_report(latest),
            None => Ok(None),
        }
    }

    /// Removes everything that the run has written, except the rejects.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed.
    pub(crate) fn remove_all_but_rejects(&self) -> Result<()> {
        let run = self.store();
        abort_uploads(run.as_ref());
        let mut keys = list_keys(run.as_ref())?;
        keys.retain(|key| !matches!(key.parse(), Ok(RunObject::Rejects { .. })));
        run.delete(&keys)?;
        self.output.remove_empty_folders(&self.id.to_string());
        Ok(())
    }

    /// Removes everything that the run has written. Returns its path or URL if something could not be removed.
    pub(crate) fn discard(self) -> Option<String> {
        // The run may have failed because of the network. `sparkify clean` removes what cannot be removed now.
        self.output.disable_retries();
        let run = self.store();
        abort_uploads(run.as_ref());
        let removed = list_keys(run.as_ref()).and_then(|keys| {
            let is_report = |key: &String| key.parse() == Ok(RunObject::Report);
            let (report, others): (Vec<_>, Vec<_>) = keys.into_iter().partition(is_report);
            // The report goes first: without it nothing mistakes the rest for a complete run.
            run.delete(&report)?;
            run.delete(&others)
        });
        self.output.remove_empty_folders(&self.id.to_string());
        removed.err().map(|_| self.url())
    }
}

/// Aborts the uploads of a run, those included that were created by a request whose response was lost.
fn abort_uploads(run: &dyn Store) {
    // `sparkify clean` finds what cannot be listed or aborted now.
    for upload in run.list_incomplete_uploads().unwrap_or_default() {
        let _ = run.abort_upload(&upload);
    }
}

fn list_keys(run: &dyn Store) -> Result<Vec<String>> {
    let objects = run.list_all("")?.objects.into_iter();
    Ok(objects.map(|object| object.key).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::thread;

    use super::*;
    use crate::storage::{LocalStore, MemoryStore};

    fn start(bucket: &MemoryStore) -> SideBySideRun {
        SideBySideRun::start(Box::new(bucket.clone())).unwrap()
    }

    fn write_report(run: &SideBySideRun) {
        let report = RunObject::Report.to_string();
        let written = run.store().put(&report, b"{}".to_vec(), PutMode::Create);
        assert_eq!(written.unwrap(), PutResult::Written);
    }

    fn published(bucket: &MemoryStore) -> Vec<RunId> {
        parse_published(&bucket.get(LATEST_FILE).unwrap().unwrap().bytes)
    }

    #[test]
    fn concurrent_publications_are_all_listed() {
        let folder = tempfile::TempDir::new().unwrap();
        let bucket = MemoryStore::new();
        let open_bucket = || Box::new(bucket.clone()) as Box<dyn Store>;
        let open_folder = || Box::new(LocalStore::new(folder.path()).unwrap()) as Box<dyn Store>;
        for open in [&open_bucket as &dyn Fn() -> Box<dyn Store>, &open_folder] {
            let mut ids = BTreeSet::new();
            // `latest.json` is created in the first round, and updated in the others.
            for _ in 0..5 {
                let runs: Vec<SideBySideRun> = (0..8)
                    .map(|_| SideBySideRun::start(open()).unwrap())
                    .collect();
                ids.extend(runs.iter().map(|run| run.id().clone()));
                thread::scope(|scope| {
                    for run in runs {
                        scope.spawn(|| {
                            write_report(&run);
                            run.publish().unwrap();
                        });
                    }
                });
            }
            let latest = open().get(LATEST_FILE).unwrap().unwrap();
            let listed = parse_published(&latest.bytes);
            assert_eq!(listed.len(), ids.len());
            assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), ids);
        }
    }

    #[test]
    fn a_run_that_began_earlier_comes_before_one_that_was_published_meanwhile() {
        let bucket = MemoryStore::new();
        let earlier = start(&bucket);
        thread::sleep(std::time::Duration::from_millis(2));
        let later = start(&bucket);
        let ids = vec![earlier.id().clone(), later.id().clone()];
        for run in [later, earlier] {
            write_report(&run);
            run.publish().unwrap();
        }
        assert_eq!(published(&bucket), ids);
    }

    #[test]
    fn a_discarded_run_leaves_nothing() {
        let bucket = MemoryStore::new();
        let run = start(&bucket);
        write_report(&run);
        assert_eq!(run.discard(), None);
        assert_eq!(bucket.list_all("").unwrap().objects, []);
    }
}
