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
use crate::output::rejects::REJECTS;
use crate::output::report::REPORT;
use crate::storage::s3::S3;
use crate::storage::{ListMode, Store};

/// What names the newest complete run, beside the runs.
pub const LATEST: &str = "latest.json";

/// What a cleaning writes below a run that it takes for dead, before it removes anything.
pub const REMOVING: &str = "_removing";

/// The most published runs that `latest.json` lists. Runs published before them are in the order of their ids.
const MAX_PUBLISHED: usize = 500;

/// How often `latest.json` is looked at again when others write it too.
const TRIES: usize = 20;

/// The id of a run: when it began, to the millisecond in UTC, and eight digits that no other run has. Ids in
/// order of their letters are in order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

const TIME: &str = "%Y%m%dT%H%M%S%3fZ";

impl RunId {
    /// The id of a run that begins now.
    pub fn new() -> Self {
        use std::hash::{BuildHasher, RandomState};
        let now = Utc::now();
        // Keyed by the system's random numbers.
        let random = RandomState::new().hash_one((now, std::process::id()));
        Self(format!("{}-{:08x}", now.format(TIME), random as u32))
    }

    /// When the run began.
    pub fn began(&self) -> Option<DateTime<Utc>> {
        began(&self.0)
    }
}

fn began(id: &str) -> Option<DateTime<Utc>> {
    let (text, _) = id.split_once('-')?;
    let time = NaiveDateTime::parse_from_str(text, TIME).ok()?.and_utc();
    // White space and signs are read too, and no run writes them.
    (time.format(TIME).to_string() == text).then_some(time)
}

impl FromStr for RunId {
    type Err = ();

    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let digits = |digits: &str| digits.len() == 8 && digits.bytes().all(is_digit);
        let known = text.split_once('-').is_some_and(|(_, d)| digits(d)) && began(text).is_some();
        known.then(|| Self(text.to_owned())).ok_or(())
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What `latest.json` holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct LatestPointer {
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
    pub fn into_published(self) -> Vec<RunId> {
        let Self { run, published, .. } = self;
        let others = published.into_iter().filter(|id| *id != run);
        let ids = others.chain([run.clone()]);
        ids.filter_map(|id| id.parse().ok()).collect()
    }
}

/// A run that writes to a bucket.
#[derive(Debug)]
pub struct S3Run {
    /// What is beside the run.
    out: S3,
    id: RunId,
    /// The runs that were published when this one began, in the order of their publication.
    published_before: Vec<RunId>,
}

impl S3Run {
    /// Begins a run below `out`. Nothing is written yet.
    ///
    /// # Errors
    /// `latest.json` cannot be read.
    pub fn begin(out: S3) -> Result<Self> {
        let id = RunId::new();
        let found = out.get(LATEST)?;
        let published_before = found.map_or_else(Vec::new, |(json, _)| published(&json));
        Ok(Self {
            out,
            id,
            published_before,
        })
    }

    /// Its id.
    pub fn id(&self) -> &RunId {
        &self.id
    }

    /// The store that it writes to.
    pub fn store(&self) -> S3 {
        self.out.folder(&self.id.0)
    }

    /// Where people find it.
    pub fn url(&self) -> String {
        self.out.display(&self.id.0)
    }

    /// Returns the URL of the run that `latest.json` named when this one began, if it named one.
    pub fn latest(&self) -> Option<String> {
        let latest = self.published_before.last();
        latest.map(|id| self.out.display(&id.0))
    }

    /// Adds this run to the published ones and makes `latest.json` name it, unless a newer one was published
    /// while it worked. Returns a warning in that case.
    ///
    /// # Errors
    /// `latest.json` cannot be read or written.
    pub fn publish(self) -> Result<Option<Error>> {
        let complete =
            |error: Error| error.also(format!("the run itself is complete in {}", self.url()));
        let cannot = |why: &dyn fmt::Display| {
            let what = format!("cannot write {}", self.out.display(LATEST));
            complete(Error::failed(what).because(why))
        };
        for _ in 0..TRIES {
            let found = self.out.get(LATEST).map_err(complete)?;
            let mut published = found
                .as_ref()
                .map_or_else(Vec::new, |(json, _)| published(json));
            // It is there already if the answer to a request that wrote it was lost.
            if !published.contains(&self.id) {
                self.insert_into(&mut published).map_err(complete)?;
                let json = self.latest_json(&published).map_err(|e| cannot(&e))?;
                let version = found.as_ref().map(|(_, version)| version);
                let is_replaced = self.out.replace(LATEST, json, version);
                if !is_replaced.map_err(complete)? {
                    continue;
                }
            }
            let newer = published.last().filter(|latest| **latest != self.id);
            return Ok(newer.map(|newer| self.superseded(newer)));
        }
        Err(cannot(&"other runs write it all the time"))
    }

    /// Inserts this run among the published ones: after those that were published when it began, whatever
    /// the clocks say, and before the first that was published since and began later.
    fn insert_into(&self, published: &mut Vec<RunId>) -> Result<()> {
        loop {
            let is_before = |id: &RunId| self.published_before.contains(id);
            let since = published.iter().rposition(is_before).map_or(0, |at| at + 1);
            let mut others = published.iter().enumerate().skip(since);
            let newer = others.find(|(_, id)| **id > self.id);
            let Some((at, _)) = newer else {
                published.push(self.id.clone());
                return Ok(());
            };
            if let Some(latest) = published.last()
                && !self.is_complete(latest)?
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
    fn is_complete(&self, run: &RunId) -> Result<bool> {
        Ok(self.out.get(&format!("{run}/{REPORT}"))?.is_some())
    }

    fn latest_json(&self, published: &[RunId]) -> serde_json::Result<Vec<u8>> {
        let run = published.last().unwrap_or(&self.id);
        let forgotten = published.len().saturating_sub(MAX_PUBLISHED);
        let remembered = published.iter().skip(forgotten);
        serde_json::to_vec_pretty(&LatestPointer {
            run: run.to_string(),
            report: self.out.display(&format!("{run}/{REPORT}")),
            published: remembered.map(RunId::to_string).collect(),
        })
    }

    fn superseded(&self, newer: &RunId) -> Error {
        let latest = self.out.display(LATEST);
        Error::failed(format!("{latest} names run {newer} and not this one"))
            .because("that run began later and was published while this one worked")
            .hint(format!("this one is complete in {}", self.url()))
    }

    /// Returns the report of the run that `latest.json` names, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn latest_report(&self) -> Result<Option<Vec<u8>>> {
        let Some((json, _)) = self.out.get(LATEST)? else {
            return Ok(None);
        };
        let Some(latest) = published(&json).pop() else {
            return Ok(None);
        };
        let report = self.out.get(&format!("{latest}/{REPORT}"))?;
        Ok(report.map(|(json, _)| json))
    }

    /// Removes what it has written but the rejects.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn remove_tables(&self) -> Result<()> {
        let run = self.store();
        for upload in run.unfinished().unwrap_or_default() {
            let _ = run.abort(&upload.key, &upload.id);
        }
        let level = self
            .out
            .list(&format!("{}/", self.id), ListMode::Recursive)?;
        let rejects = format!("{}/{REJECTS}/", self.id);
        let keys = level.objects.into_iter().map(|object| object.key);
        let keys: Vec<String> = keys.filter(|key| !key.starts_with(&rejects)).collect();
        self.out.remove(&keys)
    }

    /// Removes what it has written. Gives where something is left, if so.
    pub fn discard(self) -> Option<String> {
        // The run has failed, perhaps for want of a network: what cannot be removed now goes with a
        // cleaning.
        self.out.hurry();
        let prefix = format!("{}/", self.id);
        // Of an upload that was begun by a request whose answer was lost nobody else knows.
        let run = self.store();
        for upload in run.unfinished().unwrap_or_default() {
            let _ = run.abort(&upload.key, &upload.id);
        }
        let removed = self
            .out
            .list(&prefix, ListMode::Recursive)
            .and_then(|level| {
                let keys = level.objects.into_iter().map(|object| object.key);
                let report = format!("{prefix}{REPORT}");
                let (report, others): (Vec<_>, Vec<_>) = keys.partition(|key| *key == report);
                // Without its report nothing takes the rest for a complete run.
                self.out.remove(&report)?;
                self.out.remove(&others)
            });
        removed.err().map(|_| self.url())
    }
}

/// Returns the published runs that `latest.json` lists; none if it is something else, which the next run
/// replaces.
fn published(json: &[u8]) -> Vec<RunId> {
    let latest: Option<LatestPointer> = serde_json::from_slice(json).ok();
    latest.map_or_else(Vec::new, LatestPointer::into_published)
}
