//! Counts what a worker found in a split.

use super::readability::{SegmentReject, SegmentStatuses};
use crate::decode::RecordCounts;
use crate::decode::reject::{Reject, RejectReason};
use crate::decode::unknown_keys::UnknownKey;

/// Where the records of a split's first segment begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SplitStart {
    /// At the first line of the segment that begins with `{`, or at the start of the object. This is a prediction.
    NextLine,
    /// At this byte of the object.
    Byte(u64),
    /// Nowhere, because a record of the previous split extends over the complete segment.
    Skip,
}

/// What became of the records of an object, or of a segment of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ObjectCounts {
    /// Records that became a row, including duplicates.
    pub kept: u64,
    /// Rejected records.
    pub rejected: u64,
    /// Decompressed bytes that the rejects cover.
    pub rejected_bytes: u64,
}

impl std::ops::AddAssign for ObjectCounts {
    fn add_assign(&mut self, other: Self) {
        self.kept += other.kept;
        self.rejected += other.rejected;
        self.rejected_bytes += other.rejected_bytes;
    }
}

/// The statistics of a split.
#[derive(Debug)]
pub(super) struct SplitStats {
    /// The offset where the records of the first segment start, or `None` if no record starts in it.
    pub records_start: Option<u64>,
    /// The offset where the records of the last segment end, or `None` if it has no records.
    pub records_end: Option<u64>,
    /// Newlines in the records of the last segment.
    pub last_segment_newlines: u64,
    /// Decompressed bytes from the start to the end of the records of each segment, summed over the segments.
    pub decoded_bytes: u64,
    /// The record counts of all segments.
    pub counts: RecordCounts,
    /// What became of the records of each segment.
    pub segments: Vec<ObjectCounts>,
    /// Records of the current segment that were rejected, and their bytes.
    current: ObjectCounts,
    /// The number of rejects by reason, in the order of [`RejectReason::ALL`].
    pub rejects_by_reason: [u64; RejectReason::ALL.len()],
    /// The first reject.
    pub first_reject: Option<SegmentReject>,
    /// Rejects of the first segment. Their line numbers count from the start of the records of the segment.
    pub first_segment_rejects: u64,
    /// Decompressed bytes that the rejects cover.
    pub rejected_bytes: u64,
    /// How much of each segment could be read.
    pub statuses: SegmentStatuses,
    /// The first unknown keys, in input order.
    pub unknown_keys: Vec<SegmentKey>,
    /// Whether there are more unknown keys.
    pub has_more_unknown_keys: bool,
}

/// An unknown key of a segment of a split.
#[derive(Debug)]
pub(super) struct SegmentKey {
    /// The index of the segment in the split.
    pub segment: usize,
    /// The key.
    pub key: UnknownKey,
}

impl SplitStats {
    /// Returns the statistics of a split of a number of segments, before anything is read.
    pub(super) fn new(segments: usize) -> Self {
        Self {
            records_start: None,
            records_end: None,
            last_segment_newlines: 0,
            decoded_bytes: 0,
            counts: RecordCounts::default(),
            segments: Vec::with_capacity(segments),
            current: ObjectCounts::default(),
            rejects_by_reason: [0; RejectReason::ALL.len()],
            first_reject: None,
            first_segment_rejects: 0,
            rejected_bytes: 0,
            statuses: SegmentStatuses::with_capacity(segments),
            unknown_keys: Vec::new(),
            has_more_unknown_keys: false,
        }
    }

    /// Counts a reject of a segment.
    pub(super) fn count_reject(&mut self, segment: usize, reject: Reject) {
        self.rejects_by_reason[reject.reason as usize] += 1;
        self.rejected_bytes += reject.bytes;
        self.current.rejected += 1;
        self.current.rejected_bytes += reject.bytes;
        self.statuses.add_reject(&reject);
        self.first_segment_rejects += u64::from(segment == 0);
        self.first_reject
            .get_or_insert(SegmentReject { segment, reject });
    }

    /// Ends the current segment, which had these records, of which some became a row.
    pub(super) fn end_segment(&mut self, records: u64, kept: u64, is_corrupt: bool) {
        self.statuses.end_segment(records, is_corrupt);
        let rejected = std::mem::take(&mut self.current);
        self.segments.push(ObjectCounts { kept, ..rejected });
    }

    /// Returns true if the records began where they were expected to.
    pub(super) fn began_at(&self, start: SplitStart) -> bool {
        match start {
            SplitStart::NextLine => true,
            SplitStart::Byte(at) => self.records_start == Some(at),
            SplitStart::Skip => self.records_start.is_none(),
        }
    }
}
