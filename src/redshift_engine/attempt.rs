//! Collects what one attempt of a load has found in the raw records.

use std::collections::BTreeMap;
use std::time::Instant;

use super::engine_run::StagedStar;
use super::load_errors::LoadError;
use super::record_counts::RecordCounts;
use super::rejected_records::RejectedRecord;
use super::rejects::KindRejects;
use super::reported_counts::KindCounts;
use crate::error::{Error, Result};
use crate::input::RecordKind;
use crate::output::Staging;
use crate::output::run_report::StageReport;
use crate::pipeline::{RawInput, record_schema};
use crate::warehouse::connect::session::ResultRow;
use crate::warehouse::sql::generator::LoadErrorView;

/// What one attempt has found.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The view that lists the errors of COPY.
    pub error_view: LoadErrorView,
    /// The id of the last COPY that succeeded.
    pub last_copy: u64,
    /// The rows that were staged.
    pub star: StagedStar,
    /// The times of the first and of the last event, as in ISO 8601.
    pub event_times: [Option<String>; 2],
    songs: FoundRecords,
    logs: FoundRecords,
    /// When the last stage ended.
    stage_end: Instant,
}

/// What became of the records of one kind.
#[derive(Debug)]
struct FoundRecords {
    rejects: KindRejects,
    copied: Option<RecordCounts>,
    /// The rejects that COPY found.
    load_errors: u64,
}

impl FoundRecords {
    fn new(kind: RecordKind) -> Self {
        Self {
            rejects: KindRejects::new(kind),
            copied: None,
            load_errors: 0,
        }
    }
}

impl Attempt {
    /// Returns an attempt that has found nothing yet. `stages` is the work before it.
    pub(super) fn new(
        error_view: LoadErrorView,
        mut stages: BTreeMap<String, StageReport>,
    ) -> Self {
        // Only listing is done in this process.
        stages.retain(|_, stage| stage.seconds > 0.0);
        Self {
            error_view,
            last_copy: 0,
            star: StagedStar {
                stages,
                ..StagedStar::default()
            },
            event_times: [None, None],
            songs: FoundRecords::new(RecordKind::Song),
            logs: FoundRecords::new(RecordKind::Log),
            stage_end: Instant::now(),
        }
    }

    fn records(&mut self, kind: RecordKind) -> &mut FoundRecords {
        match kind {
            RecordKind::Song => &mut self.songs,
            RecordKind::Log => &mut self.logs,
        }
    }

    /// Adds the time since the last stage ended to a stage.
    pub(super) fn end_stage(&mut self, stage: &str, bytes: u64, records: u64) {
        let seconds = self.stage_end.elapsed().as_secs_f64();
        self.stage_end = Instant::now();
        let so_far = self.star.stages.entry(stage.to_owned()).or_default();
        *so_far = StageReport::new(
            so_far.seconds + seconds,
            so_far.bytes + bytes,
            so_far.events + records,
        );
    }

    /// Adds the records that a COPY could not read.
    ///
    /// # Errors
    /// Returns an error if the rows cannot be read, or if the rejects cannot be buffered.
    pub(super) fn add_load_errors(
        &mut self,
        staging: &Staging,
        kind: RecordKind,
        rows: Vec<ResultRow>,
    ) -> Result<()> {
        let columns = record_schema(kind).staging_columns();
        let records = self.records(kind);
        for row in rows {
            records.load_errors += 1;
            let error = LoadError::parse(row)?;
            records.rejects.add_load_error(staging, &error, &columns)?;
        }
        Ok(())
    }

    /// Adds a record that a check rejected.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be buffered.
    pub(super) fn add_rejected_record(
        &mut self,
        staging: &Staging,
        kind: RecordKind,
        record: &RejectedRecord,
    ) -> Result<()> {
        self.records(kind)
            .rejects
            .add_rejected_record(staging, record)
    }

    /// Sets the counts of the copied records, after all rejects were added.
    ///
    /// # Errors
    /// Returns an error if the counts cannot be read, or if there are not as many rejects.
    pub(super) fn set_record_counts(&mut self, rows: &[ResultRow]) -> Result<()> {
        for kind in [RecordKind::Song, RecordKind::Log] {
            let record = record_schema(kind).name;
            let counts = RecordCounts::find(rows, record)?;
            let records = self.records(kind);
            let rejected = records.rejects.count - records.load_errors;
            if counts.rejected != rejected {
                return Err(Error::failed(format!(
                    "the checks rejected {} {record} records, but {rejected} were listed",
                    counts.rejected
                ))
                .with_hint("the warehouse is unchanged; this is a bug of sparkify"));
            }
            records.copied = Some(counts);
        }
        Ok(())
    }

    /// Returns the objects with records that COPY could not read: kind, URL and number of records.
    pub(super) fn load_errors_by_object(&self, kind: RecordKind) -> Vec<(&'static str, &str, u64)> {
        match kind {
            RecordKind::Song => self.songs.rejects.rows_by_object(),
            RecordKind::Log => self.logs.rejects.rows_by_object(),
        }
    }

    /// Returns the number of records so far.
    pub(super) fn record_count(&self) -> u64 {
        let records = [&self.songs, &self.logs].into_iter();
        records
            .map(|records| records.copied.map_or(0, |copied| copied.staged))
            .sum()
    }

    /// Returns the counts of the songs and of the logs.
    pub(super) fn counts<'a>(&'a self, input: &'a RawInput) -> [KindCounts<'a>; 2] {
        let counts = [
            (&self.songs, &input.songs.report),
            (&self.logs, &input.logs.report),
        ];
        counts.map(|(records, listed)| KindCounts {
            listed,
            copied: records.copied,
            rejects: &records.rejects,
        })
    }

    /// Writes the reject files.
    ///
    /// # Errors
    /// Returns an error if they cannot be written.
    pub(super) fn write_rejects(&mut self, staging: &Staging) -> Result<()> {
        self.songs.rejects.write(staging)?;
        self.logs.rejects.write(staging)
    }
}
