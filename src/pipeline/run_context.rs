//! Holds what every phase of a run needs, and writes the parts of its tables.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arrow_array::RecordBatch;
use chrono::{DateTime, Utc};

use super::input_source::{InputSource, InputSources};
use super::timings::{PipelineStage, Timings};
use crate::config::{IoSizes, RunConfig};
use crate::error::Result;
use crate::model::TableSchema;
use crate::model::sparkify::SPARKIFY;
use crate::observer::{Observer, WarningRecorder};
use crate::output::{PartInfo, Staging, TableParts};
use crate::star::kernels::StarKernels;

/// The state of a run that every phase needs.
#[derive(Debug)]
pub(super) struct RunContext<'a> {
    /// The configuration.
    pub config: &'a RunConfig,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// Receives progress and warnings.
    pub progress: &'a WarningRecorder<'a>,
    /// The staging area of the dataset.
    pub staging: &'a Staging,
    /// The times of stages and phases.
    pub timings: &'a Timings,
    /// The kernels of the tables.
    pub kernels: StarKernels,
    /// The song objects.
    pub songs: InputSource,
    /// The log objects.
    pub logs: InputSource,
    /// The id of the run whose rejects are tried again, if this is a replay.
    pub replayed_run: Option<String>,
    /// The parts written so far.
    parts: Mutex<TableParts>,
}

/// The part of the state of a run that reading and decoding need.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadContext<'a> {
    /// The sizes in which the input is read.
    pub sizes: IoSizes,
    /// Receives progress and warnings.
    pub progress: &'a dyn Observer,
    /// The times of stages and phases.
    pub timings: &'a Timings,
}

impl<'a> RunContext<'a> {
    /// Returns the state of a run that has written nothing yet.
    pub(super) fn new(
        config: &'a RunConfig,
        started_at: DateTime<Utc>,
        progress: &'a WarningRecorder<'a>,
        staging: &'a Staging,
        timings: &'a Timings,
        sources: InputSources,
    ) -> Self {
        Self {
            config,
            started_at,
            progress,
            staging,
            timings,
            kernels: StarKernels::new(&SPARKIFY),
            songs: sources.songs,
            logs: sources.logs,
            replayed_run: sources.replayed_run,
            parts: Mutex::default(),
        }
    }

    /// Returns the state that reading and decoding need.
    pub(super) fn read_context(&self) -> ReadContext<'_> {
        ReadContext {
            sizes: self.config.sizes,
            progress: self.progress,
            timings: self.timings,
        }
    }

    /// Writes a table as a single part.
    pub(super) fn write_table(
        &self,
        table: &'static TableSchema,
        rows: &RecordBatch,
    ) -> Result<()> {
        self.write_part(table, 0, rows)
    }

    /// Writes one part of a table.
    pub(super) fn write_part(
        &self,
        table: &'static TableSchema,
        part_number: usize,
        rows: &RecordBatch,
    ) -> Result<()> {
        let began = Instant::now();
        let mut writer = self
            .staging
            .create_part(table, part_number, rows.schema())?;
        let row_group_rows = self.config.sizes.row_group_rows.max(1);
        for start in (0..rows.num_rows()).step_by(row_group_rows) {
            writer.write(&rows.slice(start, row_group_rows.min(rows.num_rows() - start)))?;
        }
        let part = writer.close()?;
        self.timings
            .record(PipelineStage::Encode, began, part.bytes, part.rows);
        self.register_part(table, part);
        Ok(())
    }

    /// Registers a written part of a table.
    pub(super) fn register_part(&self, table: &'static TableSchema, part: PartInfo) {
        let mut parts = self.parts();
        let parts = parts.entry(table.name).or_default();
        // Parts are in order of their numbers, not of their completion.
        let insert_at = parts.partition_point(|other| other.number < part.number);
        parts.insert(insert_at, part);
    }

    /// Returns the parts written so far.
    pub(super) fn parts(&self) -> MutexGuard<'_, TableParts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
