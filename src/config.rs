//! Defines the checked configuration of a run and of a parse benchmark, which commands build from their arguments.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::str::FromStr;

pub use crate::aws::AwsOptions;
use crate::error::{Error, Result};
use crate::input::GlobMatch;
pub use crate::input::{Glob, InputSpec, RecordKind};
use crate::output::LATEST_FILE;
pub use crate::output::{OutputArrangement, ParquetCompression};
pub use crate::storage::Location;
pub use crate::storage::s3::{CustomerKey, Encryption, S3Options};

/// The configuration of a run, which builds a dataset from songs and logs.
#[derive(Debug, Clone)]
pub struct RunConfig {
    /// What the run reads.
    pub input: RunInput,
    /// The folder that the dataset replaces, or the folder or prefix below which each run has its own: see
    /// [`output_arrangement`](Self::output_arrangement).
    pub out: Location,
    /// The connection to S3, if any of these is there.
    pub s3: S3Options,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// The number of rejects that is tolerated, for songs and for logs separately.
    pub max_rejects: MaxRejects,
    /// Whether a dataset without events may replace one that has events, and may be loaded.
    pub allow_empty: bool,
    /// Whether the dataset is loaded into a warehouse after the run. A [`RunJob`](crate::jobs::RunJob) sets it.
    pub load_after_run: bool,
    /// The objects that the warehouse has, if the dataset is for one: the run leaves them out. A
    /// [`RunJob`](crate::jobs::RunJob) that loads sets them.
    pub loaded_objects: Option<LoadedObjects>,
    /// What transforms the records.
    pub engine: Engine,
    /// The codec of the Parquet files.
    pub compression: ParquetCompression,
    /// The sizes in which the input is read. Only tests and benchmarks change them; the tables do not depend on
    /// them.
    pub sizes: IoSizes,
}

/// What transforms the records into the star schema.
#[derive(Debug, Clone, Default)]
pub enum Engine {
    /// This process, which writes a dataset. A load copies it into a warehouse.
    #[default]
    InProcess,
    /// The Redshift warehouse that the run loads, which copies the raw JSON. The run writes no dataset.
    Redshift(RedshiftEngineOptions),
}

/// The options of the engine inside Redshift.
#[derive(Debug, Clone, Default)]
pub struct RedshiftEngineOptions {
    /// The JSONPaths file by which log records are copied. By default the run writes one.
    pub log_jsonpaths: Option<Location>,
    /// Whether the tables of raw records stay in the warehouse.
    pub keep_staging: bool,
    /// The AWS region of the input and the output, if it is not that of the cluster.
    pub copy_region: Option<String>,
}

/// What a run reads.
#[derive(Debug, Clone)]
pub enum RunInput {
    /// Song objects and log objects.
    Objects {
        /// The song objects.
        songs: InputSpec,
        /// The log objects.
        logs: InputSpec,
    },
    /// The rejects of an earlier run, which are tried again: a replay.
    Rejects(ReplayInput),
}

/// The rejects that a replay tries again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayInput {
    /// The output of the run that rejected them, one run below it, or the folder that a failed run left.
    pub from: Location,
    /// Edited copies of its reject files. If there are any, the replay reads them instead of the reject files.
    pub edited: Vec<Location>,
}

impl RunInput {
    /// Describes the input of one kind for messages.
    pub(crate) fn describe(&self, kind: RecordKind) -> String {
        match (self, kind) {
            (Self::Objects { songs, .. }, RecordKind::Song) => songs.to_string(),
            (Self::Objects { logs, .. }, RecordKind::Log) => logs.to_string(),
            (Self::Rejects(rejects), _) => format!("the rejects of {}", rejects.from),
        }
    }
}

/// The objects that a warehouse has loaded, by `kind`, `object` and `etag` of `load_history`.
#[derive(Debug, Clone, Default)]
pub struct LoadedObjects {
    songs: LoadedVersions,
    logs: LoadedVersions,
}

/// The loaded versions of objects, by the name of the object.
type LoadedVersions = HashMap<Box<str>, Vec<Box<str>>>;

/// What a warehouse has of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadState {
    /// Nothing.
    New,
    /// Another version of it, or a version without an ETag, which may have changed.
    Changed,
    /// The same version.
    Loaded,
}

impl LoadedObjects {
    /// Adds a version of an object. Objects of unknown kinds are ignored.
    pub fn insert(&mut self, kind: &str, object: &str, etag: &str) {
        let kinds = [RecordKind::Song, RecordKind::Log];
        if let Some(kind) = kinds.into_iter().find(|known| known.singular() == kind) {
            let versions = match kind {
                RecordKind::Song => &mut self.songs,
                RecordKind::Log => &mut self.logs,
            };
            // Nearly all objects have one version, and there can be a million of them.
            let versions = versions.entry(object.into());
            let versions = versions.or_insert_with(|| Vec::with_capacity(1));
            versions.push(etag.into());
        }
    }

    /// Returns the names of the loaded objects of a kind, in no order.
    pub fn names(&self, kind: RecordKind) -> impl Iterator<Item = &str> {
        self.versions(kind).keys().map(AsRef::as_ref)
    }

    /// Returns whether an object is loaded with this ETag.
    pub fn state(&self, kind: RecordKind, object: &str, etag: &str) -> LoadState {
        match self.versions(kind).get(object) {
            None => LoadState::New,
            // A change of an object without an ETag could not be noticed.
            Some(versions) if !etag.is_empty() && versions.iter().any(|known| **known == *etag) => {
                LoadState::Loaded
            }
            Some(_) => LoadState::Changed,
        }
    }

    fn versions(&self, kind: RecordKind) -> &LoadedVersions {
        match kind {
            RecordKind::Song => &self.songs,
            RecordKind::Log => &self.logs,
        }
    }
}

impl RunConfig {
    /// Returns the configuration of a run with the defaults of the command line: one thread for each core, at most
    /// 1 % rejects, and no load.
    pub fn new(songs: impl Into<InputSpec>, logs: impl Into<InputSpec>, out: Location) -> Self {
        let input = RunInput::Objects {
            songs: songs.into(),
            logs: logs.into(),
        };
        Self::with_input(input, out, MaxRejects::default())
    }

    /// Returns the configuration of a replay with the defaults of the command line, which are those of a
    /// [run](Self::new) except that all records may be rejected again.
    pub fn replay(rejects: ReplayInput, out: Location) -> Self {
        Self::with_input(RunInput::Rejects(rejects), out, MaxRejects::Percent(100.0))
    }

    fn with_input(input: RunInput, out: Location, max_rejects: MaxRejects) -> Self {
        Self {
            input,
            out,
            s3: S3Options::default(),
            threads: available_cores(),
            max_rejects,
            allow_empty: false,
            load_after_run: false,
            loaded_objects: None,
            engine: Engine::default(),
            compression: ParquetCompression::default(),
            sizes: IoSizes::default(),
        }
    }

    /// Returns how the output is arranged. Runs are kept side by side in S3, and in a folder if they are loaded: such a
    /// run has only what is new, and must not replace the dataset of an earlier one.
    pub fn output_arrangement(&self) -> OutputArrangement {
        match self.out {
            Location::Local(_) if !self.load_after_run => OutputArrangement::Replace,
            _ => OutputArrangement::SideBySide,
        }
    }

    /// Checks that the settings are consistent.
    ///
    /// # Errors
    /// Returns an error if the output keeps runs side by side and is below an input, because the next run would read
    /// what this one wrote, or if the encryption does not fit its key.
    pub fn validate(&self) -> Result<()> {
        self.validate_numbers()?;
        if self.s3.kms_key_id.is_some() && self.s3.encryption == Some(Encryption::Aes256) {
            return Err(
                Error::usage("cannot use --sse-kms-key-id with --sse AES256")
                    .with_hint("use --sse aws:kms, or leave out the key"),
            );
        }
        // A replay reads only reject files, which no run takes for input.
        let RunInput::Objects { songs, logs } = &self.input else {
            return Ok(());
        };
        if self.output_arrangement() == OutputArrangement::Replace {
            return Ok(());
        }
        let out = self.out.resolve_links();
        let inputs = [songs, logs];
        let input = inputs.into_iter().find_map(|input| {
            let mut locations = input.locations.iter();
            locations.find(|location| overlaps_input(&out, location, &input.include))
        });
        match input {
            None => Ok(()),
            Some(input) => Err(Error::usage(format!("cannot write to {}", self.out))
                .with_reason(format!(
                    "it is below the input {input} and would be read by the next run"
                ))
                .with_hint("choose another --out")),
        }
    }
}

impl RunConfig {
    /// Checks the numbers, which the command line checks when it parses them.
    fn validate_numbers(&self) -> Result<()> {
        let IoSizes {
            split_bytes,
            chunk_bytes,
            row_group_rows,
        } = self.sizes;
        let is_limit = match self.max_rejects {
            MaxRejects::Count(_) => true,
            MaxRejects::Percent(percent) => (0.0..=100.0).contains(&percent),
        };
        let has_locations = match &self.input {
            RunInput::Objects { songs, logs } => {
                !songs.locations.is_empty() && !logs.locations.is_empty()
            }
            RunInput::Rejects(_) => true,
        };
        let checks = [
            (self.threads > 0, "threads must be at least 1"),
            (
                self.s3.max_concurrent_requests > 0,
                "max_concurrent_requests must be at least 1",
            ),
            (is_limit, "max_rejects must be from 0 to 100 percent"),
            (
                has_locations,
                "songs and logs must have at least one location each",
            ),
            (
                split_bytes != Some(0) && chunk_bytes > 0 && row_group_rows > 0,
                "sizes must be at least 1",
            ),
        ];
        match checks.into_iter().find(|(is_valid, _)| !is_valid) {
            None => Ok(()),
            Some((_, reason)) => Err(Error::usage("invalid configuration").with_reason(reason)),
        }
    }
}

/// Returns the number of threads that the machine can run at the same time.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Returns true if what runs write side by side to `out` is part of the input at `location`.
fn overlaps_input(out: &Location, location: &Location, include: &[Glob]) -> bool {
    let Some((folder, pattern)) = location.split_glob() else {
        return out.is_within(&location.resolve_links());
    };
    let folder = folder.resolve_links();
    // An invalid glob is reported when the input is opened.
    let (Some(key), Ok(glob)) = (out.key_relative_to(&folder), Glob::parse(&pattern)) else {
        return false;
    };
    // A run writes only one object whose name ends as input does: latest.json.
    let key_of = |name: &str| format!("{key}/{name}").trim_start_matches('/').to_owned();
    match glob.match_key(&key_of(LATEST_FILE)) {
        GlobMatch::Match(_) => true,
        _ => !include.is_empty() && glob.match_key(&key_of("")) == GlobMatch::Descend,
    }
}

/// The configuration of a parse benchmark, which decodes JSON to Arrow record batches and writes nothing.
#[derive(Debug, Clone)]
pub struct ParseBenchConfig {
    /// The objects.
    pub locations: InputSpec,
    /// The connection to S3, if they are there.
    pub s3: S3Options,
    /// The kind of the records; detected from the first ones if not set.
    pub kind: Option<RecordKind>,
    /// Worker threads, at least 1.
    pub threads: usize,
    /// The sizes in which the input is read.
    pub sizes: IoSizes,
}

/// The sizes in which the input is read and the output is written.
#[derive(Debug, Clone, Copy)]
pub struct IoSizes {
    /// Bytes of a split; depends on the size of the input if not set.
    pub split_bytes: Option<u64>,
    /// Bytes of a chunk.
    pub chunk_bytes: usize,
    /// Maximum rows of a row group.
    pub row_group_rows: usize,
}

impl Default for IoSizes {
    fn default() -> Self {
        Self {
            split_bytes: None,
            chunk_bytes: crate::input::DEFAULT_CHUNK_BYTES,
            row_group_rows: 256 * 1024,
        }
    }
}

/// The number of rejects that a run tolerates, for songs and for logs separately.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MaxRejects {
    /// A number of records.
    Count(u64),
    /// A percentage of the records, of the bytes and of the objects.
    Percent(f64),
}

impl Default for MaxRejects {
    fn default() -> Self {
        Self::Percent(1.0)
    }
}

impl MaxRejects {
    /// Returns true if more records are rejected than are tolerated.
    pub fn is_exceeded_by_records(self, rejected: u64, records: u64) -> bool {
        match self {
            Self::Count(limit) => rejected > limit,
            Self::Percent(_) => self.is_exceeded_by_share(rejected, records),
        }
    }

    /// Returns true if `part` is a larger share of `whole` than is tolerated. A count does not limit shares.
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
        let invalid = || "expected a count such as 100 or a percentage from 0% to 100%".to_owned();
        match text.strip_suffix('%') {
            None => text.parse().map(Self::Count).map_err(|_| invalid()),
            Some(percent) => match percent.parse::<f64>() {
                Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self::Percent(percent)),
                _ => Err(invalid()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        let location = |path: &str| Location::Local(path.into());
        let valid = RunConfig::new(location("songs"), location("logs"), location("out"));
        valid.validate().unwrap();
        let mut invalid = vec![valid.clone(); 6];
        invalid[0].threads = 0;
        invalid[1].s3.max_concurrent_requests = 0;
        invalid[2].max_rejects = MaxRejects::Percent(f64::NAN);
        invalid[3].max_rejects = MaxRejects::Percent(-5.0);
        let no_songs = RunConfig::new(Vec::new(), location("logs"), location("out"));
        invalid[4].input = no_songs.input;
        invalid[5].sizes.split_bytes = Some(0);
        for config in invalid {
            let error = config.validate().unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
    }
}
