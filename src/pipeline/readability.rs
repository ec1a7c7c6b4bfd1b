//! Tracks how much of each object could be read, in one byte for each object, merged over the splits of the
//! object.

use std::collections::BTreeMap;

use crate::decode::reject::{Reject, RejectReason};
use crate::input::SplitNumber;

/// The maximum number of objects named in warnings, for each kind of input. Further objects are only counted.
pub(super) const MAX_LISTED_OBJECTS: usize = 100;

/// The maximum number of unreadable segments of a split whose first reject is kept. Only the first and the last
/// segment of a split can belong to an object that is readable in another split, so these segments include the
/// first [`MAX_LISTED_OBJECTS`] unreadable objects.
const MAX_UNREADABLE_SEGMENTS: usize = MAX_LISTED_OBJECTS + 2;

/// The state of an object or of one segment of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Readability {
    bits: u8,
}

impl Readability {
    const HAS_RECORDS: u8 = 1;
    const IS_READABLE: u8 = 2;
    const IS_CORRUPT: u8 = 4;

    /// Creates the status from the number of records, the number of malformed records among them, and whether
    /// the compressed stream is corrupt.
    pub(super) fn new(records: u64, malformed: u64, is_corrupt: bool) -> Self {
        let bit = |condition: bool, bit: u8| if condition { bit } else { 0 };
        Self {
            bits: bit(records > 0, Self::HAS_RECORDS)
                | bit(records > malformed, Self::IS_READABLE)
                | bit(is_corrupt, Self::IS_CORRUPT),
        }
    }

    /// Merges the status of another segment of the same object.
    pub(super) fn merge(&mut self, other: Self) {
        self.bits |= other.bits;
    }

    /// Returns true if a record is well-formed JSON.
    pub(super) fn is_readable(self) -> bool {
        self.bits & Self::IS_READABLE != 0
    }

    /// Returns true if the compressed stream is corrupt.
    pub(super) fn is_corrupt(self) -> bool {
        self.bits & Self::IS_CORRUPT != 0
    }

    /// Returns true if there are records but none is well-formed JSON.
    pub(super) fn is_unreadable(self) -> bool {
        self.bits & Self::HAS_RECORDS != 0 && !self.is_readable()
    }

    /// Returns true if the object counts against the reject limit: it is unreadable, or its compressed stream is
    /// corrupt.
    pub(super) fn is_failed(self) -> bool {
        self.is_unreadable() || self.is_corrupt()
    }
}

/// Returns true if the rejected record is not well-formed JSON in UTF-8.
pub(super) fn is_malformed(reject: &Reject) -> bool {
    // A record with a lone surrogate is well-formed, and its reject has a key.
    reject.key.is_none()
        && matches!(
            reject.reason,
            RejectReason::NotJson | RejectReason::Syntax | RejectReason::Encoding
        )
}

/// A reject of a segment of a split.
#[derive(Debug)]
pub(super) struct SegmentReject {
    /// The index of the segment in the split.
    pub segment: usize,
    /// The reject.
    pub reject: Reject,
}

/// The statuses of the segments of one split.
#[derive(Debug, Default)]
pub(super) struct SegmentStatuses {
    /// The status of each segment.
    pub statuses: Vec<Readability>,
    /// The first reject of each of the first unreadable segments, without the text.
    pub unreadable_segments: Vec<SegmentReject>,
    /// Malformed records of the current segment.
    malformed_records: u64,
    /// The first reject of the current segment.
    first_reject: Option<Reject>,
}

impl SegmentStatuses {
    /// Creates an empty collection with room for the given number of segments.
    pub(super) fn with_capacity(segments: usize) -> Self {
        Self {
            statuses: Vec::with_capacity(segments),
            ..Self::default()
        }
    }

    /// Counts a reject of the current segment.
    pub(super) fn add_reject(&mut self, reject: &Reject) {
        self.malformed_records += u64::from(is_malformed(reject));
        if self.first_reject.is_none() && self.unreadable_segments.len() < MAX_UNREADABLE_SEGMENTS {
            self.first_reject = Some(Reject {
                detail: reject.detail.clone(),
                text: Vec::new(),
                ..*reject
            });
        }
    }

    /// Ends the current segment, which had the given number of records.
    pub(super) fn end_segment(&mut self, records: u64, is_corrupt: bool) {
        let status = Readability::new(records, self.malformed_records, is_corrupt);
        self.malformed_records = 0;
        if let Some(first) = self.first_reject.take()
            && status.is_unreadable()
            && self.unreadable_segments.len() < MAX_UNREADABLE_SEGMENTS
        {
            self.unreadable_segments.push(SegmentReject {
                segment: self.statuses.len(),
                reject: first,
            });
        }
        self.statuses.push(status);
    }
}

/// The statuses of all objects of an input.
#[derive(Debug, Clone)]
pub(super) struct ObjectReadabilities {
    statuses: Vec<Readability>,
    /// The reason of each unreadable object by its number.
    reasons: BTreeMap<usize, UnreadableReason>,
}

/// Why an object is unreadable.
#[derive(Debug, Clone)]
struct UnreadableReason {
    /// The first split that has an unreadable segment of the object.
    split: SplitNumber,
    text: String,
}

impl ObjectReadabilities {
    /// Creates the statuses of the given number of objects, none of which has been read.
    pub(super) fn new(objects: usize) -> Self {
        Self {
            statuses: vec![Readability::default(); objects],
            reasons: BTreeMap::new(),
        }
    }

    /// Merges the status of a segment of an object.
    pub(super) fn merge(&mut self, object: usize, status: Readability) {
        self.statuses[object].merge(status);
    }

    /// Records why a segment of an object in a split is unreadable.
    pub(super) fn add_reason(&mut self, object: usize, split: SplitNumber, text: String) {
        let earlier = self.reasons.get(&object);
        if earlier.is_none_or(|earlier| split < earlier.split) {
            self.reasons
                .insert(object, UnreadableReason { split, text });
        }
    }

    /// Returns true if any record of any object is well-formed JSON.
    pub(super) fn has_any_readable(&self) -> bool {
        self.statuses.iter().any(|read| read.is_readable())
    }

    /// Returns the number of objects that count against the reject limit.
    pub(super) fn failed_count(&self) -> u64 {
        self.statuses.iter().filter(|read| read.is_failed()).count() as u64
    }

    /// Returns the first objects that count against the reject limit: the number, the status and the reason of
    /// each.
    pub(super) fn first_failed(&self) -> impl Iterator<Item = (usize, Readability, Option<&str>)> {
        let statuses = self.statuses.iter().copied().enumerate();
        let failed = statuses.filter(|(_, read)| read.is_failed());
        failed.take(MAX_LISTED_OBJECTS).map(|(object, status)| {
            let reason = self.reasons.get(&object);
            (object, status, reason.map(|reason| reason.text.as_str()))
        })
    }
}
