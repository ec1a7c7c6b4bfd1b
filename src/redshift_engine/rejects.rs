//! Writes the rejects of a load to the reject files of the run, and counts them.

use std::collections::BTreeMap;

use super::load_errors::LoadError;
use super::rejected_records::{RejectPlace, RejectedRecord};
use crate::error::Result;
use crate::input::RecordKind;
use crate::model::StagingColumn;
use crate::output::{LineShift, RejectBuffer, RejectLine, RunObject, Staging};

/// The rejects of one kind of record, in one attempt of the load.
#[derive(Debug)]
pub(super) struct KindRejects {
    kind: RecordKind,
    buffer: RejectBuffer,
    /// The number of rejects.
    pub count: u64,
    /// The number of rejects by reason.
    pub by_reason: BTreeMap<String, u64>,
    /// The number of records of each object that COPY could not read.
    by_object: BTreeMap<String, u64>,
    /// Describes the first reject.
    pub first: Option<String>,
}

impl KindRejects {
    /// Returns no rejects.
    pub(super) fn new(kind: RecordKind) -> Self {
        Self {
            kind,
            buffer: RejectBuffer::default(),
            count: 0,
            by_reason: BTreeMap::new(),
            by_object: BTreeMap::new(),
            first: None,
        }
    }

    /// Adds a record that COPY could not read. `columns` are those of the staging table.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be buffered.
    pub(super) fn add_load_error(
        &mut self,
        staging: &Staging,
        error: &LoadError,
        columns: &[StagingColumn],
    ) -> Result<()> {
        *self.by_object.entry(error.object.clone()).or_default() += 1;
        let line = error.to_reject_line(staging.run_id(), self.kind, columns);
        self.add(staging, &line, || error.describe())
    }

    /// Adds a record that a check rejected.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be buffered.
    pub(super) fn add_rejected_record(
        &mut self,
        staging: &Staging,
        record: &RejectedRecord,
    ) -> Result<()> {
        let file = staging.display(self.file());
        let place = RejectPlace {
            file: &file,
            line: self.count + 1,
        };
        let line = record.to_reject_line(staging.run_id(), self.kind, place);
        self.add(staging, &line, || record.describe())
    }

    fn add(
        &mut self,
        staging: &Staging,
        line: &RejectLine<'_>,
        describe: impl FnOnce() -> String,
    ) -> Result<()> {
        self.count += 1;
        *self.by_reason.entry(line.reason.to_string()).or_default() += 1;
        self.first.get_or_insert_with(describe);
        self.buffer.push(staging.reject_context(), line)
    }

    /// Returns the rows of the table of records that COPY could not read: kind, object and count.
    pub(super) fn rows_by_object(&self) -> Vec<(&'static str, &str, u64)> {
        let counts = self.by_object.iter();
        counts
            .map(|(object, count)| (self.kind.singular(), object.as_str(), *count))
            .collect()
    }

    /// Writes the reject file, if there are rejects. They are not buffered any more.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub(super) fn write(&mut self, staging: &Staging) -> Result<()> {
        let shift = LineShift {
            rejects: 0,
            lines: 0,
        };
        let buffer = std::mem::take(&mut self.buffer);
        staging.write_rejects(self.kind, 0, buffer, shift)
    }

    fn file(&self) -> RunObject {
        RunObject::Rejects {
            kind: self.kind,
            number: 0,
        }
    }
}
