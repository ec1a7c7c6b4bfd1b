//! Defines the report of a run: record counts, output sizes and timings.
//!
//! The report is written as `_report.json` (`_report.failed.json` for a failed run) and printed by `--json`. A
//! change of its meaning raises [`REPORT_VERSION`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parquet::{ParquetCompression, PartInfo};
use crate::decode::RecordCounts;
use crate::decode::reject::RejectReason;

/// The version of the report format.
pub const REPORT_VERSION: u32 = 3;

/// The outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// The dataset is published.
    Ok,
    /// Nothing is published: there were too many rejects or no usable records.
    Failed,
    /// All objects are in the warehouse already. Nothing is written.
    NothingNew,
}

/// The engine that transforms the records of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineName {
    /// The process of sparkify, which writes a dataset.
    #[default]
    InProcess,
    /// Redshift, which writes only the tables of the warehouse.
    Redshift,
}

/// A key that the model does not know, and where it occurs first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownKeyReport {
    /// The key, with its escapes decoded. A key of more than 256 bytes is cut.
    pub key: String,
    /// The path or URL of the object.
    pub object: String,
    /// The line in the decompressed object, from 1.
    pub line: u64,
}

/// Counts of one input: the songs, or the logs as part of [`LogReport`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    /// The locations of the input, as they were given.
    pub locations: Vec<String>,
    /// Input objects that were read, which are the new and the changed ones.
    pub objects: u64,
    /// Objects of which the warehouse had nothing. Without a warehouse, all objects.
    pub new_objects: u64,
    /// Objects of which the warehouse had another version.
    pub changed_objects: u64,
    /// Objects that were left out because the warehouse had them.
    pub already_loaded_objects: u64,
    /// Objects that do not count as input.
    pub ignored_objects: u64,
    /// Ignored objects by extension, in lower case: the 50 most frequent extensions, `no extension`, `hidden`
    /// (names that begin with `.` or `_`) and `other extensions`.
    #[serde(default)]
    pub ignored_extensions: BTreeMap<String, u64>,
    /// Bytes of the input objects, as stored.
    pub bytes: u64,
    /// Records, including rejected ones.
    pub records: u64,
    /// Rejected records.
    pub rejected: u64,
    /// Rejected records by reason. A reason without rejects is absent.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Bytes that were read, after decompression.
    #[serde(default)]
    pub decompressed_bytes: u64,
    /// Bytes of the rejected records, after decompression.
    #[serde(default)]
    pub rejected_bytes: u64,
    /// Objects in which no record is well-formed JSON, or whose compressed stream is broken.
    #[serde(default)]
    pub unreadable_objects: u64,
    /// The keys that the model does not know, in the order of their first occurrences: the first 100.
    #[serde(default)]
    pub unknown_keys: Vec<UnknownKeyReport>,
    /// Whether there are more unknown keys.
    #[serde(default)]
    pub more_unknown_keys: bool,
}

impl InputReport {
    /// Adds counts. `reasons` has the rejects by reason, in the order of [`RejectReason::ALL`].
    pub(crate) fn add_counts(
        &mut self,
        counts: RecordCounts,
        reasons: [u64; RejectReason::ALL.len()],
    ) {
        self.records += counts.records;
        self.rejected += counts.rejected;
        for (reason, count) in RejectReason::ALL
            .iter()
            .zip(reasons)
            .filter(|&(_, n)| n > 0)
        {
            *self
                .rejected_by_reason
                .entry(reason.name().to_owned())
                .or_default() += count;
        }
    }
}

/// Counts of the log input. `records = kept + filtered + rejected + duplicates`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReport {
    /// The fields that songs and logs share.
    #[serde(flatten)]
    pub input: InputReport,
    /// Events in the dataset.
    pub kept: u64,
    /// Events that are not `NextSong`.
    pub filtered: u64,
    /// Duplicate deliveries of kept events.
    pub duplicates: u64,
    /// The time of the earliest event that is valid and a `NextSong`, in UTC as in ISO 8601. Absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_event: Option<String>,
    /// The time of the latest such event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest_event: Option<String>,
}

impl LogReport {
    /// Returns true if no event was kept, unless there was nothing to read because all objects were already
    /// loaded.
    pub fn has_no_events(&self) -> bool {
        let is_up_to_date = self.input.objects == 0 && self.input.already_loaded_objects > 0;
        self.kept == 0 && !is_up_to_date
    }
}

/// The output size of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Number of rows.
    pub rows: u64,
    /// Number of Parquet files.
    pub files: u64,
    /// Size of the files in bytes.
    pub bytes: u64,
}

impl TableReport {
    /// Sums up all parts of a table.
    pub fn from_parts(parts: &[PartInfo]) -> Self {
        Self {
            rows: parts.iter().map(|part| part.rows).sum(),
            files: parts.len() as u64,
            bytes: parts.iter().map(|part| part.bytes).sum(),
        }
    }
}

/// The work of one stage, summed over all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Thread-seconds: the time summed over all threads that worked concurrently.
    pub seconds: f64,
    /// Bytes that the stage processed (decompressed JSON or Parquet).
    pub bytes: u64,
    /// Records or rows that the stage processed.
    pub events: u64,
    /// Records or rows per thread-second.
    pub events_per_second: f64,
    /// Bytes per thread-second.
    pub bytes_per_second: f64,
}

impl StageReport {
    /// Creates a report and computes its rates.
    pub fn new(seconds: f64, bytes: u64, events: u64) -> Self {
        let rate = |n: u64| {
            if seconds > 0.0 {
                n as f64 / seconds
            } else {
                0.0
            }
        };
        Self {
            seconds,
            bytes,
            events,
            events_per_second: rate(events),
            bytes_per_second: rate(bytes),
        }
    }
}

/// The report of a run, as `_report.json` contains it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The version of the report format, [`REPORT_VERSION`].
    pub report_version: u32,
    /// The version of sparkify.
    pub sparkify_version: String,
    /// The outcome of the run.
    pub status: RunOutcome,
    /// Why the run failed. Absent if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The id of the run. If it found nothing new, no dataset has this id.
    pub run: String,
    /// The engine that transformed the records.
    #[serde(default)]
    pub engine: EngineName,
    /// The id of the run whose rejects were tried again. Absent unless this is the report of a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_run: Option<String>,
    /// When the run began, in UTC as in ISO 8601.
    pub started_at: String,
    /// When the dataset was complete, before it was published.
    pub finished_at: String,
    /// Who ran it: `user@host`.
    pub executed_by: String,
    /// The warnings so far, each once.
    pub warnings: Vec<String>,
    /// Counts of the song input.
    pub songs: InputReport,
    /// Counts of the log input.
    pub logs: LogReport,
    /// The codec of the Parquet files.
    pub compression: ParquetCompression,
    /// Output sizes by table.
    pub tables: BTreeMap<String, TableReport>,
    /// Output sizes of the merge state, by table.
    pub merge_state: BTreeMap<String, TableReport>,
    /// Songplays that match a song.
    pub matched_songplays: u64,
    /// Timings by stage. Stages run concurrently, so that their seconds may exceed the total.
    pub stages: BTreeMap<String, StageReport>,
    /// The complete run, in wall-clock time.
    pub total: StageReport,
    /// Peak resident memory of the process in bytes. Absent if the system does not provide it.
    pub peak_memory_bytes: Option<u64>,
    /// Number of worker threads.
    pub threads: usize,
}

impl RunReport {
    /// Returns true if the dataset has no events although it should. A replay may have rejects of songs alone.
    pub fn lacks_events(&self) -> bool {
        self.replayed_run.is_none() && self.logs.has_no_events()
    }

    /// Returns true if the dataset was built from all objects of the input, and not only from those that a warehouse
    /// did not have.
    pub(crate) fn is_complete(&self) -> bool {
        let inputs = [&self.songs, &self.logs.input];
        let has_all_objects = inputs.iter().all(|input| input.already_loaded_objects == 0);
        has_all_objects && self.replayed_run.is_none()
    }
}
