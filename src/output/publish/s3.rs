//! Publishes to a bucket, where each run writes below a prefix of its own, named by the run id.
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
//! - The run writes its report, then lists its prefix. If a part is missing or [`REMOVAL_MARKER`] exists, it
//!   removes the report again and fails.
//! - The clean writes [`REMOVAL_MARKER`], then lists the prefix. If there is a report, or any other new object,
//!   the run is alive and is kept. Otherwise the clean removes everything, and [`REMOVAL_MARKER`] last.
//!
//! If the clean has not seen the report, it wrote [`REMOVAL_MARKER`] before the report was written. So the run,
//! which lists its prefix after writing the report, finds [`REMOVAL_MARKER`], or, if the clean has already
//! finished, finds parts missing. However long either side pauses, no run is published with parts missing.
//! (Listings of S3 are strongly consistent.) The run also lists its prefix before it writes the report, so that
//! the report of an incomplete run is visible only for the duration of one request, and only if a clean
//! interferes in that time.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::output::rejects::REJECTS_DIR;
use crate::output::run_report::REPORT_FILE;
use crate::storage::s3::S3Store;
use crate::storage::{ListMode, Store};

/// The name of the object that names the newest complete run, next to the runs.
pub const LATEST_FILE: &str = "latest.json";

/// The marker that `sparkify clean` writes below an abandoned run before it removes anything.
pub(crate) const REMOVAL_MARKER: &str = "_removing";

/// Maximum number of runs in `latest.json`. Runs published earlier are ordered by their ids.
const MAX_PUBLISHED_RUNS: usize = 500;

/// Maximum number of attempts to update `latest.json` while other runs update it too.
const MAX_PUBLISH_ATTEMPTS: usize = 20;

/// The id of a run: its start time in UTC, to the millisecond, and eight random hexadecimal digits. Ids sort by
/// time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(String);

const RUN_ID_TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";

impl RunId {
    /// Creates the id of a run that begins now.
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let now = Utc::now();
        // `RandomState` is seeded by the random numbers of the system.
        let random = RandomState::new().hash_one((now, std::process::id()));
        Self(format!(
            "{}-{:08x}",
            now.format(RUN_ID_TIME_FORMAT),
            random as u32
        ))
    }

    /// Returns the start time of the run.
    pub(crate) fn started_at(&self) -> Option<DateTime<Utc>> {
        parse_start_time(&self.0)
    }
}

fn parse_start_time(id: &str) -> Option<DateTime<Utc>> {
    let (text, _) = id.split_once('-')?;
    let time = NaiveDateTime::parse_from_str(text, RUN_ID_TIME_FORMAT)
        .ok()?
        .and_utc();
    // The parser also accepts white space and signs, which no run id contains.
    (time.format(RUN_ID_TIME_FORMAT).to_string() == text).then_some(time)
}

impl FromStr for RunId {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let is_random_suffix =
            |digits: &str| digits.len() == 8 && digits.bytes().all(is_lower_hex_digit);
        let is_valid = text
            .split_once('-')
            .is_some_and(|(_, d)| is_random_suffix(d))
            && parse_start_time(text).is_some();
        is_valid.then(|| Self(text.to_owned())).ok_or(())
    }
}

fn is_lower_hex_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The contents of `latest.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LatestPointer {
    /// The id of the newest complete run.
    pub run: String,
    /// The URL of its report.
    pub report: String,
    /// The ids of the newest [`MAX_PUBLISHED_RUNS`] runs in the order of their publication, the newest last.
    /// Absent if an earlier version wrote the file.
    #[serde(default)]
    published: Vec<String>,
}

impl LatestPointer {
    /// Returns the ids of the published runs in the order of their publication. The run named by `run` comes last,
    /// even if a user wrote it by hand. Invalid ids are skipped.
    pub(crate) fn into_published_runs(self) -> Vec<RunId> {
        let Self { run, published, .. } = self;
        let others = published.into_iter().filter(|id| *id != run);
        let ids = others.chain([run.clone()]);
        ids.filter_map(|id| id.parse().ok()).collect()
    }
}

/// A run that writes to a bucket.
#[derive(Debug)]
pub(crate) struct S3Run {
    /// The store of the output location, which contains all runs.
    output: S3Store,
    id: RunId,
    /// The runs that were published when this one began, in the order of their publication.
    published_at_start: Vec<RunId>,
}

impl S3Run {
    /// Starts a run below `out` without writing anything.
    ///
    /// # Errors
    /// Returns an error if `latest.json` cannot be read.
    pub(crate) fn start(out: S3Store) -> Result<Self> {
        let id = RunId::new();
        let latest = out.get(LATEST_FILE)?;
        let published_at_start = latest.map_or_else(Vec::new, |(json, _)| parse_published(&json));
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
    pub(crate) fn store(&self) -> S3Store {
        self.output.subfolder(&self.id.0)
    }

    /// Returns the URL of the run.
    pub(crate) fn url(&self) -> String {
        self.output.display(&self.id.0)
    }

    /// Returns the URL of the run that `latest.json` named when this one began, if it named one.
    pub(crate) fn latest_url(&self) -> Option<String> {
        let latest = self.published_at_start.last();
        latest.map(|id| self.output.display(&id.0))
    }

    /// Adds this run to the published runs and makes `latest.json` name it. If a newer run was published while
    /// this one was running, `latest.json` keeps naming that run and a warning is returned.
    ///
    /// # Errors
    /// Returns an error if `latest.json` cannot be read or written.
    pub(crate) fn publish(self) -> Result<Option<Error>> {
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
                .map_or_else(Vec::new, |(json, _)| parse_published(json));
            // The run is listed already if the response to an earlier write was lost.
            if !published.contains(&self.id) {
                self.insert_in_order(&mut published).map_err(with_run_url)?;
                let json = self.latest_json(&published).map_err(|e| write_error(&e))?;
                let version = latest.as_ref().map(|(_, version)| version);
                let is_replaced = self.output.put_if_match(LATEST_FILE, json, version);
                if !is_replaced.map_err(with_run_url)? {
                    continue;
                }
            }
            let newer = published.last().filter(|latest| **latest != self.id);
            return Ok(newer.map(|newer| self.superseded_warning(newer)));
        }
        Err(write_error(&"too many concurrent updates"))
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
        Ok(self.output.get(&format!("{run}/{REPORT_FILE}"))?.is_some())
    }

    fn latest_json(&self, published: &[RunId]) -> serde_json::Result<Vec<u8>> {
        let run = published.last().unwrap_or(&self.id);
        let dropped = published.len().saturating_sub(MAX_PUBLISHED_RUNS);
        let kept = published.iter().skip(dropped);
        serde_json::to_vec_pretty(&LatestPointer {
            run: run.to_string(),
            report: self.output.display(&format!("{run}/{REPORT_FILE}")),
            published: kept.map(RunId::to_string).collect(),
        })
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
        let Some((json, _)) = self.output.get(LATEST_FILE)? else {
            return Ok(None);
        };
        let Some(latest) = parse_published(&json).pop() else {
            return Ok(None);
        };
        let report = self.output.get(&format!("{latest}/{REPORT_FILE}"))?;
        Ok(report.map(|(json, _)| json))
    }

    /// Removes everything that the run has written, except the rejects.
    ///
    /// # Errors
    /// Returns an error if an object cannot be removed.
    pub(crate) fn remove_all_but_rejects(&self) -> Result<()> {
        let run = self.store();
        for upload in run.list_multipart_uploads().unwrap_or_default() {
            let _ = run.abort_multipart_upload(&upload.key, &upload.id);
        }
        let listing = self
            .output
            .list(&format!("{}/", self.id), ListMode::Recursive)?;
        let rejects = format!("{}/{REJECTS_DIR}/", self.id);
        let keys = listing.objects.into_iter().map(|object| object.key);
        let keys: Vec<String> = keys.filter(|key| !key.starts_with(&rejects)).collect();
        self.output.delete(&keys)
    }

    /// Removes everything that the run has written. Returns its URL if something could not be removed.
    pub(crate) fn discard(self) -> Option<String> {
        // The run may have failed because of the network. `sparkify clean` removes what cannot be removed now.
        self.output.disable_retries();
        let prefix = format!("{}/", self.id);
        // Includes uploads that were created by a request whose response was lost.
        let run = self.store();
        for upload in run.list_multipart_uploads().unwrap_or_default() {
            let _ = run.abort_multipart_upload(&upload.key, &upload.id);
        }
        let removed = self
            .output
            .list(&prefix, ListMode::Recursive)
            .and_then(|listing| {
                let keys = listing.objects.into_iter().map(|object| object.key);
                let report = format!("{prefix}{REPORT_FILE}");
                let (report, others): (Vec<_>, Vec<_>) = keys.partition(|key| *key == report);
                // The report goes first: without it nothing mistakes the rest for a complete run.
                self.output.delete(&report)?;
                self.output.delete(&others)
            });
        removed.err().map(|_| self.url())
    }
}

/// Returns the published runs that `latest.json` lists. Returns none if the file is invalid, in which case it will
/// be replaced.
fn parse_published(json: &[u8]) -> Vec<RunId> {
    let latest: Option<LatestPointer> = serde_json::from_slice(json).ok();
    latest.map_or_else(Vec::new, LatestPointer::into_published_runs)
}
