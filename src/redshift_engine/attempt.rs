//! Collects what one attempt of a load has found in the raw records.

use std::collections::BTreeMap;
use std::time::Instant;

use super::engine_run::StagedStar;
use super::json_copy::JsonCopy;
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
    /// The views that list the errors of COPY.
    pub error_views: Vec<LoadErrorView>,
    /// The id of the last COPY that succeeded, or 0.
    pub last_copy: u64,
    /// The number of COPYs of records that succeeded.
    pub copies: usize,
    /// The rows that were staged.
    pub star: StagedStar,
    /// The times of the first and of the last event, as in ISO 8601.
    pub event_times: [Option<String>; 2],
    newest_copy: Option<JsonCopy>,
    songs: FoundRecords,
    logs: FoundRecords,
    /// When the last stage ended.
    stage_end: Instant,
}

/// What became of the records of one kind.
#[derive(Debug)]
struct FoundRecords {
    rejects: KindRejects,
    /// The rejects that COPY found.
    load_errors: u64,
    /// The records that were copied so far.
    copied_rows: u64,
    copied: Option<RecordCounts>,
}

impl FoundRecords {
    fn new(kind: RecordKind) -> Self {
        Self {
            rejects: KindRejects::new(kind),
            load_errors: 0,
            copied_rows: 0,
            copied: None,
        }
    }
}

impl Attempt {
    /// Returns an attempt that has found nothing yet. `stages` is the work before it.
    pub(super) fn new(
        error_views: Vec<LoadErrorView>,
        mut stages: BTreeMap<String, StageReport>,
    ) -> Self {
        // The other stages of the engine in this process take no time here.
        stages.retain(|_, stage| stage.seconds > 0.0);
        Self {
            error_views,
            last_copy: 0,
            copies: 0,
            star: StagedStar {
                stages,
                ..StagedStar::default()
            },
            event_times: [None, None],
            newest_copy: None,
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

    /// Adds a COPY of records that succeeded.
    pub(super) fn add_copy(&mut self, kind: RecordKind, copy: JsonCopy) {
        self.last_copy = copy.id;
        self.copies += 1;
        self.newest_copy = Some(copy);
        self.records(kind).copied_rows += copy.rows;
    }

    /// Returns the newest COPY of records.
    ///
    /// # Panics
    /// Panics if there was none.
    #[expect(
        clippy::expect_used,
        reason = "the plan asks for the errors of a COPY after it"
    )]
    pub(super) fn newest_copy(&self) -> JsonCopy {
        self.newest_copy.expect("the errors are those of a COPY")
    }

    /// Returns the rejects of a kind.
    pub(super) fn rejects(&self, kind: RecordKind) -> &KindRejects {
        match kind {
            RecordKind::Song => &self.songs.rejects,
            RecordKind::Log => &self.logs.rejects,
        }
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
        for kind in RecordKind::ALL {
            let record = record_schema(kind).name;
            let counts = RecordCounts::find(rows, record)?;
            let records = self.records(kind);
            let listed = records.rejects.count - records.load_errors;
            let (copied, staged, rejected) = (records.copied_rows, counts.staged, counts.rejected);
            let mismatch = if rejected != listed {
                Some(format!(
                    "the checks rejected {rejected} {record} records, but {listed} were listed"
                ))
            } else if staged != copied {
                Some(format!(
                    "{copied} {record} records were copied, but {staged} are staged"
                ))
            } else {
                None
            };
            if let Some(mismatch) = mismatch {
                return Err(Error::failed(mismatch).with_hint(
                    "the warehouse is unchanged; please report this bug, with the output of -vv",
                ));
            }
            records.copied = Some(counts);
        }
        Ok(())
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
            copied_rows: records.copied_rows,
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
