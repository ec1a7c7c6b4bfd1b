//! The report of a run: what was read, what became of it, and where the time went.
//!
//! Written as `_report.json` (of a run that failed as `_report.failed.json`) and printed by `--json`. The README describes it; a change of meaning
//! raises [`REPORT_VERSION`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Compression, Part};
use crate::decode::RecordCounts;
use crate::decode::reject::RejectReason;

/// The name of the report in an output.
pub const REPORT_FILE: &str = "_report.json";

/// The name of the report of a run that failed. It differs from [`REPORT`], whose presence says that a run is
/// complete.
pub const FAILED_REPORT_FILE: &str = "_report.failed.json";

/// The version of the report's layout.
pub const REPORT_VERSION: u32 = 2;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// The star is published.
    Ok,
    /// Nothing is published: what was read is not good enough.
    Failed,
}

/// What was read of songs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputReport {
    /// Objects that count as input.
    pub objects: u64,
    /// Objects that do not.
    pub ignored_objects: u64,
    /// The same by the endings of their names, in lower case: the most frequent 50, `no ending`, `hidden`
    /// (names that begin with `.` or `_`) and `other extensions`.
    #[serde(default)]
    pub ignored_extensions: BTreeMap<String, u64>,
    /// Bytes of the objects, as stored.
    pub bytes: u64,
    /// Records, rejected ones included.
    pub records: u64,
    /// Rejected records.
    pub rejected: u64,
    /// The same by reason; a reason without rejects is absent.
    pub rejected_by_reason: BTreeMap<String, u64>,
    /// Bytes that were read, after decompression.
    #[serde(default)]
    pub decompressed_bytes: u64,
    /// Bytes that the rejects cover, after decompression.
    #[serde(default)]
    pub rejected_bytes: u64,
    /// Objects that hold records of which none is well-formed JSON, or whose compressed stream is broken.
    #[serde(default)]
    pub unreadable_objects: u64,
}

impl InputReport {
    /// Adds what was counted; `reasons` are in the order of [`RejectReason::ALL`].
    pub fn add_counts(&mut self, counts: RecordCounts, reasons: [u64; RejectReason::ALL.len()]) {
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

/// What was read of logs. `records = kept + filtered + rejected + duplicates`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogReport {
    /// What holds for songs too.
    #[serde(flatten)]
    pub input: InputReport,
    /// Events in the star.
    pub kept: u64,
    /// Events that are no `NextSong`.
    pub filtered: u64,
    /// Events that were delivered before.
    pub duplicates: u64,
    /// Objects that were left out because they are in the warehouse already.
    #[serde(default)]
    pub already_loaded_objects: u64,
}

impl LogReport {
    /// Returns true if no event was kept although there was something to read: not all objects are in the
    /// warehouse already.
    pub fn has_no_events(&self) -> bool {
        let is_up_to_date = self.input.objects == 0 && self.already_loaded_objects > 0;
        self.kept == 0 && !is_up_to_date
    }
}

/// What was written of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableReport {
    /// Rows.
    pub rows: u64,
    /// Parquet files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl TableReport {
    /// The report on all parts of a table.
    pub fn from_parts(parts: &[Part]) -> Self {
        Self {
            rows: parts.iter().map(|part| part.rows).sum(),
            files: parts.len() as u64,
            bytes: parts.iter().map(|part| part.bytes).sum(),
        }
    }
}

/// The work of one stage, over all threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StageReport {
    /// Seconds, summed over the threads that worked side by side.
    pub seconds: f64,
    /// Bytes that went through it (decompressed JSON, or Parquet).
    pub bytes: u64,
    /// Records or rows that went through it.
    pub events: u64,
    /// Events a second, of one thread.
    pub events_per_second: f64,
    /// Bytes a second, of one thread.
    pub bytes_per_second: f64,
}

impl StageReport {
    /// The report for so much work.
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

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`REPORT_VERSION`].
    pub report_version: u32,
    /// The version of sparkify.
    pub sparkify_version: String,
    /// How it ended.
    pub status: RunStatus,
    /// Why it failed; absent if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The id of the run.
    pub run: String,
    /// Song records.
    pub songs: InputReport,
    /// Log events.
    pub logs: LogReport,
    /// The codec of the Parquet files.
    pub compression: Compression,
    /// What was written, by table.
    pub tables: BTreeMap<String, TableReport>,
    /// The merge state that was written, by table.
    pub merge_state: BTreeMap<String, TableReport>,
    /// Songplays whose song is known.
    pub matched_songplays: u64,
    /// Where the time went, by stage. Stages run side by side, so their seconds exceed the total.
    pub stages: BTreeMap<String, StageReport>,
    /// The whole run, by the clock.
    pub total: StageReport,
    /// The most memory that the process held, in bytes; absent where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
    /// Worker threads.
    pub threads: usize,
}
