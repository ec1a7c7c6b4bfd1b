//! What became of the records of one source.

use std::sync::{Mutex, PoisonError};

use super::RunContext;
use super::object_status::{MAX_NAMED, ObjectStatus, ObjectStatuses};
use super::source::Source;
use super::split_boundaries::ConfirmedSplit;
use super::split_reader::SplitStats;
use crate::decode::reject::{Reject, RejectReason};
use crate::error::Result;
use crate::input::Split;
use crate::output::report::InputReport;
use crate::output::{REJECTS, RejectBuffer};

/// Collects counts as splits settle.
#[derive(Debug)]
pub struct SourceCounter<'a> {
    run: &'a RunContext<'a>,
    source: &'a Source,
    state: Mutex<SourceCounts>,
}

/// What was tallied.
#[derive(Debug, Clone)]
pub struct SourceCounts {
    /// The counts of records.
    pub report: InputReport,
    /// Records that became a row, duplicates among them.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// The split and the words of the first reject in input order.
    pub first_reject: Option<(usize, String)>,
    /// What could be read of each object.
    pub objects: ObjectStatuses,
}

impl SourceCounts {
    /// Nothing read yet.
    pub fn new(source: &Source) -> Self {
        Self {
            report: source.report(),
            kept: 0,
            filtered: 0,
            first_reject: None,
            objects: ObjectStatuses::new(source.objects.len()),
        }
    }

    /// Counts a settled split.
    pub fn count(&mut self, found: &SplitStats) {
        self.report.add(found.counts, found.reasons);
        self.report.decompressed_bytes += found.bytes;
        self.report.rejected_bytes += found.rejected_bytes;
        self.kept += found.counts.kept;
        self.filtered += found.counts.filtered;
    }
}

impl<'a> SourceCounter<'a> {
    /// Nothing read yet.
    pub fn new(run: &'a RunContext<'a>, source: &'a Source) -> Self {
        Self {
            run,
            source,
            state: Mutex::new(SourceCounts::new(source)),
        }
    }

    /// Counts a settled split and writes its rejects.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn add<T>(
        &self,
        split: &Split,
        settled: &ConfirmedSplit<T>,
        rejects: RejectBuffer,
    ) -> Result<()> {
        let ConfirmedSplit {
            found,
            lines_before,
            ..
        } = settled;
        let lines_before = *lines_before;
        let shift = (found.first_segment_rejects, lines_before);
        let kind = self.source.kind.plural();
        self.run
            .staging
            .rejects(kind, split.number, rejects, shift)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.count(found);
        for (segment, &read) in split.segments.iter().zip(&found.segments.reads) {
            state.objects.merge(segment.object, read);
        }
        for (number, reject) in &found.segments.unreadable {
            if let Some(segment) = split.segments.get(*number) {
                let before = if *number == 0 { lines_before } else { 0 };
                let reason = why_unreadable(before, reject);
                state
                    .objects
                    .add_reason(segment.object, split.number, reason);
            }
        }
        let earlier = |other: &(usize, String)| other.0 < split.number;
        if !state.first_reject.as_ref().is_some_and(earlier)
            && let Some((segment, reject)) = &found.first_reject
        {
            let before = if *segment == 0 { lines_before } else { 0 };
            let object = self.object(split, *segment);
            let what = format!("{object} {}", describe(before, reject));
            state.first_reject = Some((split.number, what));
        }
        Ok(())
    }

    /// How people name the object of a segment.
    fn object(&self, split: &Split, segment: usize) -> String {
        let segment = split.segments.get(segment);
        let object = segment.and_then(|s| self.source.objects.get(s.object));
        object.map(|o| self.source.display(o)).unwrap_or_default()
    }

    /// Returns what was tallied, once all splits have settled, and names the first lost objects in warnings.
    pub fn state(&self) -> SourceCounts {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.report.unreadable_objects = state.objects.lost();
        let state = state.clone();
        for (object, read, reason) in state.objects.first_lost() {
            if let Some(object) = self.source.objects.get(object) {
                self.warn_if_lost(&self.source.display(object), read, reason);
            }
        }
        let more = state
            .report
            .unreadable_objects
            .saturating_sub(MAX_NAMED as u64);
        if more > 0 {
            let kind = self.source.kind.singular();
            self.run.progress.warn(&format!(
                "{more} more {kind} objects could not be read, or not to their end: see {REJECTS}"
            ));
        }
        state
    }

    /// Names an object that counts against the budget in a warning.
    fn warn_if_lost(&self, object: &str, read: ObjectStatus, reason: Option<&str>) {
        if read.is_broken() {
            let lost = match read.is_unreadable() {
                true => "nothing of it could be read",
                false => "what may follow the break is not read",
            };
            self.run.progress.warn(&format!(
                "the compressed stream of {object} is broken: {lost}; fetch the object again"
            ));
        } else if read.is_unreadable() {
            let reason = reason.unwrap_or_default();
            self.run.progress.warn(&format!(
                "nothing of {object} could be read: {reason}, or leave it out"
            ));
        }
    }
}

/// Says why an object is unreadable, by its first reject, and what to do.
fn why_unreadable(before: u64, reject: &Reject) -> String {
    let convert = "store it as JSON in UTF-8, plain or compressed by gzip, bzip2 or zstd";
    match reject.reason {
        RejectReason::NotJson => format!("{}; {convert}", reject.detail),
        RejectReason::Encoding => format!("{}; {convert}", describe(before, reject)),
        _ => format!("{}; correct it", describe(before, reject)),
    }
}

/// Describes a reject by its place in the object and its reason. `before` is the number of newlines in the
/// object before the segment.
fn describe(before: u64, reject: &Reject) -> String {
    let key = reject.key.map(|key| format!("{key}: ")).unwrap_or_default();
    let (line, offset) = (before + reject.line + 1, reject.offset);
    let (reason, detail) = (reject.reason.name(), &reject.detail);
    format!("line {line} byte {offset}: {reason}: {key}{detail}")
}
