//! Runs beside each other in a bucket: each below a prefix of its own, named by its id.
//!
//! The report is written last and so says that a run is complete. Then `latest.json` beside the runs
//! comes to name it. What a killed run leaves stays, named by nothing, until it is cleaned away.
//!
//! **Which run is the newest** is decided by publication: `latest.json` lists the runs in the order in which they
//! were published, and a run that is published becomes the newest, whatever the clocks of the machines
//! say. There is one exception. Of two runs that worked at the same time the one that began later may be
//! published first; the earlier one, which saw older input, then takes its place before it in the list. Only
//! that needs the times in the ids. `latest.json` is replaced on the condition that it did not change
//! meanwhile, so no publication is lost.
//!
//! **A cleaning beside a run.** A run that has shown no sign of life for a while is taken for dead by a cleaning,
//! which may be wrong (the machine was suspended). Neither can lock the prefix, but each says what it
//! does before it looks at what the other does:
//!
//! - The run writes its report, then lists its prefix. If a part is missing or [`REMOVING`] is there, it removes
//!   the report again and fails.
//! - The cleaning writes [`REMOVING`], then lists the prefix. If there is a report, or anything else that was
//!   not there before, the run is alive and the cleaning leaves it. Otherwise it removes all, and
//!   [`REMOVING`] last.
//!
//! If the cleaning has not seen the report, it wrote [`REMOVING`] before the report was there. So the run, which
//! lists after that, finds [`REMOVING`], or the cleaning is through by then, and it finds parts missing.
//! Whatever pauses lie between, no run is published with parts missing. (Listings of S3 show all that was
//! written before.) The run also lists its prefix before it writes the report, so that a report of an
//! incomplete run is only seen in the time of one request, and only if a cleaning interferes then.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::output::rejects::REJECTS_DIR;
use crate::output::report::REPORT_FILE;
use crate::storage::s3::S3Store;
use crate::storage::{ListMode, Store};

/// What names the newest complete run, beside the runs.
pub const LATEST_FILE: &str = "latest.json";

/// What a cleaning writes below a run that it takes for dead, before it removes anything.
pub(crate) const REMOVAL_MARKER: &str = "_removing";

/// The most published runs that `latest.json` lists. Runs published before them are in the order of their ids.
const MAX_PUBLISHED_RUNS: usize = 500;

/// How often `latest.json` is looked at again when others write it too.
const MAX_PUBLISH_ATTEMPTS: usize = 20;

/// The id of a run: when it began, to the millisecond in UTC, and eight digits that no other run has. Ids in
/// order of their letters are in order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(String);

const RUN_ID_TIME_FORMAT: &str = "%Y%m%dT%H%M%S%3fZ";

impl RunId {
    /// The id of a run that begins now.
    pub(crate) fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let now = Utc::now();
        // Keyed by the system's random numbers.
        let random = RandomState::new().hash_one((now, std::process::id()));
        Self(format!(
            "{}-{:08x}",
            now.format(RUN_ID_TIME_FORMAT),
            random as u32
        ))
    }

    /// When the run began.
    pub(crate) fn started_at(&self) -> Option<DateTime<Utc>> {
        parse_start_time(&self.0)
    }
}

fn parse_start_time(id: &str) -> Option<DateTime<Utc>> {
    let (text, _) = id.split_once('-')?;
    let time = NaiveDateTime::parse_from_str(text, RUN_ID_TIME_FORMAT)
        .ok()?
        .and_utc();
    // White space and signs are read too, and no run writes them.
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

/// What `latest.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LatestPointer {
    /// The id of the newest complete run.
    pub run: String,
    /// Where its report is.
    pub report: String,
    /// The ids of the runs in the order of their publication, the newest last: at most the newest
    /// [`MAX_PUBLISHED`]. Earlier versions did not write it.
    #[serde(default)]
    published: Vec<String>,
}

impl LatestPointer {
    /// Returns the ids of the published runs in the order of their publication. The one that is named comes last,
    /// also if a user named it by hand. What is not the id of a run is left out.
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
    /// What is beside the run.
    output: S3Store,
    id: RunId,
    /// The runs that were published when this one began, in the order of their publication.
    published_at_start: Vec<RunId>,
}

impl S3Run {
    /// Begins a run below `out`. Nothing is written yet.
    ///
    /// # Errors
    /// `latest.json` cannot be read.
    pub(crate) fn start(out: S3Store) -> Result<Self> {
        let id = RunId::new();
        let latest = out.get(LATEST_FILE)?;
        let published_before = latest.map_or_else(Vec::new, |(json, _)| parse_published(&json));
        Ok(Self {
            output: out,
            id,
            published_at_start: published_before,
        })
    }

    /// Its id.
    pub(crate) fn id(&self) -> &RunId {
        &self.id
    }

    /// The store that it writes to.
    pub(crate) fn store(&self) -> S3Store {
        self.output.subfolder(&self.id.0)
    }

    /// Where people find it.
    pub(crate) fn url(&self) -> String {
        self.output.display(&self.id.0)
    }

    /// Returns the URL of the run that `latest.json` named when this one began, if it named one.
    pub(crate) fn latest_url(&self) -> Option<String> {
        let latest = self.published_at_start.last();
        latest.map(|id| self.output.display(&id.0))
    }

    /// Adds this run to the published ones and makes `latest.json` name it, unless a newer one was published
    /// while it worked. Returns a warning in that case.
    ///
    /// # Errors
    /// `latest.json` cannot be read or written.
    pub(crate) fn publish(self) -> Result<Option<Error>> {
        let with_run_url =
            |error: Error| error.add_hint(format!("the run itself is complete in {}", self.url()));
        let write_error = |why: &dyn fmt::Display| {
            let what = format!("cannot write {}", self.output.display(LATEST_FILE));
            with_run_url(Error::failed(what).with_reason(why))
        };
        for _ in 0..MAX_PUBLISH_ATTEMPTS {
            let latest = self.output.get(LATEST_FILE).map_err(with_run_url)?;
            let mut published = latest
                .as_ref()
                .map_or_else(Vec::new, |(json, _)| parse_published(json));
            // It is there already if the answer to a request that wrote it was lost.
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
        Err(write_error(&"other runs write it all the time"))
    }

    /// Inserts this run among the published ones: after those that were published when it began, whatever
    /// the clocks say, and before the first that was published since and began later.
    fn insert_in_order(&self, published: &mut Vec<RunId>) -> Result<()> {
        loop {
            let was_published_at_start = |id: &RunId| self.published_at_start.contains(id);
            let first_concurrent = published
                .iter()
                .rposition(was_published_at_start)
                .map_or(0, |at| at + 1);
            let mut others = published.iter().enumerate().skip(first_concurrent);
            let newer = others.find(|(_, id)| **id > self.id);
            let Some((at, _)) = newer else {
                published.push(self.id.clone());
                return Ok(());
            };
            if let Some(latest) = published.last()
                && !self.is_run_complete(latest)?
            {
                // It was removed. What `latest.json` names must be there.
                published.pop();
                continue;
            }
            published.insert(at, self.id.clone());
            return Ok(());
        }
    }

    /// Whether a run beside this one is there and complete.
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
        Error::failed(format!("{latest} names run {newer} and not this one"))
            .with_reason("that run began later and was published while this one worked")
            .with_hint(format!("this one is complete in {}", self.url()))
    }

    /// Returns the report of the run that `latest.json` names, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
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

    /// Removes what it has written but the rejects.
    ///
    /// # Errors
    /// Something cannot be removed.
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

    /// Removes what it has written. Gives where something is left, if so.
    pub(crate) fn discard(self) -> Option<String> {
        // The run has failed, perhaps for want of a network: what cannot be removed now goes with a
        // cleaning.
        self.output.disable_retries();
        let prefix = format!("{}/", self.id);
        // Of an upload that was begun by a request whose answer was lost nobody else knows.
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
                // Without its report nothing takes the rest for a complete run.
                self.output.delete(&report)?;
                self.output.delete(&others)
            });
        removed.err().map(|_| self.url())
    }
}

/// Returns the published runs that `latest.json` lists; none if it is something else, which the next run
/// replaces.
fn parse_published(json: &[u8]) -> Vec<RunId> {
    let latest: Option<LatestPointer> = serde_json::from_slice(json).ok();
    latest.map_or_else(Vec::new, LatestPointer::into_published_runs)
}
