//! Counts what became of the records of one source, and writes its rejects.

use std::sync::{Mutex, PoisonError};

use super::boundary_tracker::ConfirmedSplit;
use super::input_source::InputSource;
use super::readability::{MAX_LISTED_OBJECTS, ObjectReadabilities, Readability, SegmentReject};
use super::run_context::RunContext;
use super::source_unknown_keys::SourceUnknownKeys;
use super::split_stats::ObjectCounts;
use crate::decode::reject::{Reject, RejectReason};
use crate::error::Result;
use crate::input::SplitNumber;
use crate::observer::Observer;
use crate::output::run_report::InputReport;
use crate::output::{LineShift, REJECTS_DIR, RejectBuffer};

/// Collects the counts of confirmed splits.
#[derive(Debug)]
pub(super) struct SourceCounter<'a> {
    run: &'a RunContext<'a>,
    source: &'a InputSource,
    counts: Mutex<SourceCounts>,
}

/// The counts of all confirmed splits.
#[derive(Debug, Clone)]
pub(super) struct SourceCounts {
    /// The counts for the report.
    pub report: InputReport,
    /// Records that became a row, including duplicates.
    pub kept: u64,
    /// Records that the filter dropped.
    pub filtered: u64,
    /// The first reject in input order.
    pub first_reject: Option<FirstReject>,
    /// How much of each object could be read.
    pub statuses: ObjectReadabilities,
    /// What became of the records of each object.
    pub objects: Vec<ObjectCounts>,
    /// The keys that the schema does not know.
    unknown_keys: SourceUnknownKeys,
}

/// The first reject of a source.
#[derive(Debug, Clone)]
pub(super) struct FirstReject {
    /// The split that it is in.
    split: SplitNumber,
    /// The object, the position and the reason.
    pub description: String,
}

impl SourceCounts {
    /// Returns the counts before anything is read.
    pub(super) fn new(source: &InputSource) -> Self {
        Self {
            report: source.initial_report(),
            kept: 0,
            filtered: 0,
            first_reject: None,
            statuses: ObjectReadabilities::new(source.objects.len()),
            objects: vec![ObjectCounts::default(); source.objects.len()],
            unknown_keys: SourceUnknownKeys::default(),
        }
    }

    /// Adds the counts of a confirmed split.
    pub(super) fn add_split(&mut self, confirmed: &ConfirmedSplit<'_>) {
        let stats = &confirmed.stats;
        self.report
            .add_counts(stats.counts, stats.rejects_by_reason);
        self.report.decompressed_bytes += stats.decoded_bytes;
        self.report.rejected_bytes += stats.rejected_bytes;
        self.kept += stats.counts.kept;
        self.filtered += stats.counts.filtered;
        self.unknown_keys.add_split(confirmed);
    }

    /// Describes the first reject, if there is one.
    pub(super) fn first_reject_description(&self) -> Option<&str> {
        let first = self.first_reject.as_ref();
        first.map(|first| first.description.as_str())
    }

    /// Lists the unknown keys in the report, after all splits were added.
    pub(super) fn report_unknown_keys(&mut self, source: &InputSource) {
        self.report.unknown_keys = self.unknown_keys.report(source);
        self.report.more_unknown_keys = self.unknown_keys.has_more();
    }
}

impl<'a> SourceCounter<'a> {
    pub(super) fn new(run: &'a RunContext<'a>, source: &'a InputSource) -> Self {
        Self {
            run,
            source,
            counts: Mutex::new(SourceCounts::new(source)),
        }
    }

    /// Adds the counts of a confirmed split and writes its rejects.
    ///
    /// # Errors
    /// Returns an error if the rejects cannot be written.
    pub(super) fn add_split(
        &self,
        confirmed: &ConfirmedSplit<'_>,
        rejects: RejectBuffer,
    ) -> Result<()> {
        let ConfirmedSplit { split, stats, .. } = confirmed;
        let line_shift = LineShift {
            rejects: stats.first_segment_rejects,
            lines: confirmed.lines_before,
        };
        self.run.staging.write_rejects(
            self.source.kind,
            split.number.index(),
            rejects,
            line_shift,
        )?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.add_split(confirmed);
        for (segment, &status) in split.zip_segments(&stats.statuses.statuses) {
            counts.statuses.merge(segment.object, status);
        }
        for (segment, &found) in split.zip_segments(&stats.segments) {
            counts.objects[segment.object] += found;
        }
        for SegmentReject { segment, reject } in &stats.statuses.unreadable_segments {
            let reason = unreadable_reason(confirmed.newlines_before(*segment), reject);
            let object = split.segments[*segment].object;
            counts.statuses.add_reason(object, split.number, reason);
        }
        let earlier = counts.first_reject.as_ref();
        if earlier.is_none_or(|earlier| split.number < earlier.split)
            && let Some(SegmentReject { segment, reject }) = &stats.first_reject
        {
            let object = self
                .source
                .display(self.source.object(&split.segments[*segment]));
            let reject = describe_reject(confirmed.newlines_before(*segment), reject);
            counts.first_reject = Some(FirstReject {
                split: split.number,
                description: format!("{object} {reject}"),
            });
        }
        Ok(())
    }

    /// Returns the counts after all splits are confirmed. Warns about the first objects that could not be read
    /// completely.
    pub(super) fn finish(&self) -> SourceCounts {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.report_unknown_keys(self.source);
        if self.run.replayed_run.is_some() {
            // The objects of a replay are texts of rejects, and their records are counted.
            return counts.clone();
        }
        counts.report.unreadable_objects = counts.statuses.failed_count();
        let counts = counts.clone();
        for (object, status, reason) in counts.statuses.first_failed() {
            let object = self.source.display(&self.source.objects[object]);
            self.warn_if_failed(&object, status, reason);
        }
        let unlisted = counts
            .report
            .unreadable_objects
            .saturating_sub(MAX_LISTED_OBJECTS as u64);
        if unlisted > 0 {
            let kind = self.source.kind.singular();
            self.run.progress.warn(&format!(
                "{unlisted} more {kind} objects could not be read completely: see {REJECTS_DIR}"
            ));
        }
        counts
    }

    /// Warns about an object that counts against the reject limit.
    #[expect(
        clippy::expect_used,
        reason = "the first unreadable segments keep their reject"
    )]
    fn warn_if_failed(&self, object: &str, status: Readability, reason: Option<&str>) {
        if status.is_corrupt() {
            let consequence = match status.is_unreadable() {
                true => "none of it could be read",
                false => "data after the corruption was not read",
            };
            self.run.progress.warn(&format!(
                "the compressed stream of {object} is corrupt: {consequence}; fetch the object again"
            ));
        } else if status.is_unreadable() {
            let reason = reason.expect("the first rejects of listed objects are kept");
            self.run.progress.warn(&format!(
                "no record in {object} could be read: {reason}, or remove it from the input"
            ));
        }
    }
}

/// Describes why an object is unreadable, by its first reject, and how to fix it.
fn unreadable_reason(newlines_before: u64, reject: &Reject) -> String {
    let advice = "store it as JSON in UTF-8, uncompressed or compressed with gzip, bzip2 or zstd";
    match reject.reason {
        RejectReason::NotJson => format!("{}; {advice}", reject.detail),
        RejectReason::Encoding => format!("{}; {advice}", describe_reject(newlines_before, reject)),
        _ => format!("{}; fix it", describe_reject(newlines_before, reject)),
    }
}

/// Describes a reject by its position in the object and its reason. `newlines_before` is the number of newlines
/// in the object before the segment.
fn describe_reject(newlines_before: u64, reject: &Reject) -> String {
    let key = reject.key.map(|key| format!("{key}: ")).unwrap_or_default();
    let (line, offset) = (newlines_before + reject.line + 1, reject.offset);
    let (reason, detail) = (reject.reason.name(), &reject.detail);
    format!("line {line} byte {offset}: {reason}: {key}{detail}")
}
