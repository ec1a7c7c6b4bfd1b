//! Runs beside each other in a bucket: each below a prefix of its own, named by its id.
//!
//! The report is written last and so says that a run is whole. Then `latest.json` beside the runs
//! comes to name it, unless it names a newer one by then. What a killed run leaves stays, named by
//! nothing, until it is cleaned away.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::rejects::REJECTS;
use super::report::REPORT;
use crate::error::{Error, Result};
use crate::storage::s3::S3;
use crate::storage::{Depth, Store};

/// What names the newest whole run, beside the runs.
pub const LATEST: &str = "latest.json";

/// How often `latest.json` is looked at again when others write it too.
const TRIES: usize = 20;

/// The id of a run: when it began, to the millisecond in UTC, and eight digits that no other run has. Ids in
/// order of their letters are in order of time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
pub struct Latest {
    /// The id of the newest whole run.
    pub run: String,
    /// Where its report is.
    pub report: String,
}

/// A run that writes to a bucket.
#[derive(Debug)]
pub struct BucketRun {
    /// What is beside the run.
    out: S3,
    id: RunId,
}

impl BucketRun {
    /// A new run below `out`. Nothing is written yet.
    pub fn begin(out: S3) -> Self {
        let id = RunId::new();
        Self { out, id }
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

    /// The URL of the newest whole run.
    ///
    /// # Errors
    /// `latest.json` cannot be read, or is none.
    pub fn latest(&self) -> Result<Option<String>> {
        let found = self.out.get(LATEST)?;
        // What is no such file is replaced by the run.
        let found = found.and_then(|(json, _)| parse(&self.out, &json).ok());
        Ok(found.map(|latest| self.out.display(&latest.run)))
    }

    /// Makes `latest.json` name this run, unless it names a newer one that is whole.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn publish(self) -> Result<()> {
        let latest = Latest {
            run: self.id.to_string(),
            report: self.out.display(&format!("{}/{REPORT}", self.id)),
        };
        let whole = |error: Error| error.also(format!("the run itself is whole in {}", self.url()));
        let cannot = |why: &dyn fmt::Display| {
            let what = format!("cannot write {}", self.out.display(LATEST));
            whole(Error::failed(what).because(why))
        };
        let json = serde_json::to_vec_pretty(&latest).map_err(|e| cannot(&e))?;
        for _ in 0..TRIES {
            let found = self.out.get(LATEST).map_err(whole)?;
            if let Some((json, _)) = &found
                // What is no such file is replaced: the run that it should name is here.
                && let Ok(other) = parse(&self.out, json)
                && other.run > latest.run
                && let Ok(newer) = other.run.parse::<RunId>()
                && self.out.get(&format!("{newer}/{REPORT}")).map_err(whole)?.is_some()
            {
                return Ok(());
            }
            let version = found.as_ref().map(|(_, version)| version);
            let replaced = self.out.replace(LATEST, json.clone(), version);
            if replaced.map_err(whole)? {
                return Ok(());
            }
        }
        Err(cannot(&"other runs write it all the time"))
    }

    /// Returns the report of the run that `latest.json` names, if there is one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn latest_report(&self) -> Result<Option<Vec<u8>>> {
        let Some((json, _)) = self.out.get(LATEST)? else {
            return Ok(None);
        };
        let Ok(latest) = parse(&self.out, &json) else {
            return Ok(None);
        };
        let report = self.out.get(&format!("{}/{REPORT}", latest.run))?;
        Ok(report.map(|(json, _)| json))
    }

    /// Removes what it has written but the rejects.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn remove_tables(&self) -> Result<()> {
        let run = self.store();
        for (key, upload) in run.unfinished().unwrap_or_default() {
            let _ = run.abort(&key, &upload);
        }
        let level = self.out.list(&format!("{}/", self.id), Depth::Whole)?;
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
        for (key, upload) in run.unfinished().unwrap_or_default() {
            let _ = run.abort(&key, &upload);
        }
        let removed = self.out.list(&prefix, Depth::Whole).and_then(|level| {
            let keys: Vec<String> = level.objects.into_iter().map(|o| o.key).collect();
            self.out.remove(&keys)
        });
        removed.err().map(|_| self.url())
    }
}

fn parse(out: &S3, json: &[u8]) -> Result<Latest> {
    serde_json::from_slice(json).map_err(|e| {
        Error::failed(format!("cannot read {}", out.display(LATEST)))
            .because(e)
            .hint("remove it: the next run writes it anew")
    })
}
