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
    /// Records of each segment that became a row.
    pub kept_by_segment: Vec<u64>,
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
            kept_by_segment: Vec::with_capacity(segments),
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
        self.statuses.add_reject(&reject);
        self.first_segment_rejects += u64::from(segment == 0);
        self.first_reject
            .get_or_insert(SegmentReject { segment, reject });
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
