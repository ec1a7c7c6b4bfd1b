//! What a command was asked to do, checked: the second type after the arguments themselves.

use std::collections::HashSet;
use std::str::FromStr;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::input::{Glob, GlobMatch, InputSpec};
use crate::output::Compression;
use crate::output::LATEST_FILE;
use crate::storage::{Location, s3};

/// A run: songs and logs in, a star out.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// Where the song objects are.
    pub songs: InputSpec,
    /// Where the log objects are.
    pub logs: InputSpec,
    /// The folder that the star replaces, or the prefix below which each run has one of its own.
    pub out: Location,
    /// How S3 is reached, if any of these is there.
    pub s3: s3::S3Options,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// How many rejects are tolerated, of songs and of logs each.
    pub max_rejects: MaxRejects,
    /// Whether a star without any event may replace one that has some, and may be loaded.
    pub allow_empty: bool,
    /// Whether the star is loaded into a warehouse next.
    pub load_after_run: bool,
    /// The log objects that are in the warehouse already, and so left out.
    pub loaded_objects: LoadedObjects,
    /// The codec of the Parquet files.
    pub compression: Compression,
    /// How input is cut up. Only tests and benches change it; the tables do not depend on it.
    pub sizes: Sizes,
}

/// Log objects by what the ledger calls `object` and `etag`.
#[derive(Debug, Clone, Default)]
pub struct LoadedObjects(HashSet<(String, String)>);

impl LoadedObjects {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds one. One whose contents nothing tells from others is left out: nobody knows whether they changed.
    pub fn insert(&mut self, object: String, etag: String) {
        if !etag.is_empty() {
            self.0.insert((object, etag));
        }
    }

    /// Whether an object with these contents is among them.
    pub fn contains(&self, object: String, etag: String) -> bool {
        self.0.contains(&(object, etag))
    }
}

impl RunConfig {
    /// An error if the output is below an input in a bucket (the next run would read what this one wrote),
    /// or its encryption cannot be.
    ///
    /// # Errors
    /// That.
    pub fn validate(&self) -> Result<()> {
        if self.s3.kms_key_id.is_some() && self.s3.encryption == Some(s3::Encryption::Aes256) {
            return Err(Error::usage("cannot encrypt by AES256 with a key of KMS")
                .with_hint("--sse aws:kms, or no --sse-kms-key-id"));
        }
        let inputs = [&self.songs, &self.logs];
        let input = inputs.into_iter().find_map(|input| {
            let mut locations = input.locations.iter();
            locations.find(|location| overlaps_input(&self.out, location, &input.include))
        });
        match input {
            None => Ok(()),
            Some(input) => Err(Error::usage(format!("cannot write to {}", self.out))
                .with_reason(format!(
                    "it is below the input {input}, and would be read by the next run"
                ))
                .with_hint("choose another --out")),
        }
    }
}

/// Whether what runs write to `out` in a bucket is input that `place` names.
fn overlaps_input(out: &Location, location: &Location, include: &[Glob]) -> bool {
    if !matches!(out, Location::S3 { .. }) {
        return false;
    }
    let Some((folder, pattern)) = location.split_glob() else {
        return out.is_within(location);
    };
    // A pattern that is wrong is an error when it is opened.
    let (Some(key), Ok(glob)) = (out.key_relative_to(&folder), Glob::parse(&pattern)) else {
        return false;
    };
    // A run writes only one object whose name makes it input: latest.json.
    let key_of = |name: &str| format!("{key}/{name}").trim_start_matches('/').to_owned();
    match glob.match_key(&key_of(LATEST_FILE)) {
        GlobMatch::Match(_) => true,
        _ => !include.is_empty() && glob.match_key(&key_of("")) == GlobMatch::Descend,
    }
}

/// A measured pass over one input: JSON in, Arrow record batches out, and nothing else.
#[derive(Debug, Clone)]
pub struct ParseConfig {
    /// Where the objects are.
    pub locations: InputSpec,
    /// How S3 is reached, if they are there.
    pub s3: s3::S3Options,
    /// What the records are; by a look at the first ones if not set.
    pub kind: Option<RecordKind>,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// How input is cut up.
    pub sizes: Sizes,
}

/// What the records of an input are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordKind {
    /// Metadata of songs.
    Song,
    /// Events of the activity log.
    Log,
}

impl RecordKind {
    /// Returns the word for one of them.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Song => "song",
            Self::Log => "log",
        }
    }

    /// The word for several of them.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Song => "songs",
            Self::Log => "logs",
        }
    }
}

/// How input is cut up.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Bytes of a split; by the size of the input if not set.
    pub split_bytes: Option<u64>,
    /// Bytes of a chunk.
    pub chunk_bytes: usize,
    /// Rows of a row group at most.
    pub row_group_rows: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            split_bytes: None,
            chunk_bytes: crate::input::DEFAULT_CHUNK_BYTES,
            row_group_rows: 256 * 1024,
        }
    }
}

/// How many rejects a run tolerates, of songs and of logs each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejects {
    /// This number of records.
    Count(u64),
    /// This percentage of the records, of the bytes and of the objects.
    Percent(f64),
}

impl Default for MaxRejects {
    fn default() -> Self {
        Self::Percent(1.0)
    }
}

impl MaxRejects {
    /// Returns true if there are more rejected records than are tolerated.
    pub fn is_exceeded_by_records(self, rejected: u64, records: u64) -> bool {
        match self {
            Self::Count(limit) => rejected > limit,
            Self::Percent(_) => self.is_exceeded_by_share(rejected, records),
        }
    }

    /// Returns true if `part` is too large a part of `whole`. A count has no say in that.
    pub fn is_exceeded_by_share(self, part: u64, whole: u64) -> bool {
        match self {
            Self::Count(_) => false,
            Self::Percent(limit) => part as f64 * 100.0 > limit * whole as f64,
        }
    }
}

impl std::fmt::Display for MaxRejects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(limit) => write!(f, "{limit}"),
            Self::Percent(limit) => write!(f, "{limit}%"),
        }
    }
}

impl FromStr for MaxRejects {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let invalid =
            || format!("'{text}' is neither a count such as 100 nor a percentage from 0% to 100%");
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| invalid()),
            Some(percent) => match percent.parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(invalid()),
            },
        }
    }
}
