//! Tracks which splits are done, and verifies where their records begin.
//!
//! A split that begins inside an object predicts where its first record begins. The prediction is verified when
//! the previous split is done: a split is *confirmed* if it began where the records of the previous split ended.
//! Otherwise it is read again from there.

use super::split_stats::{SplitStart, SplitStats};
use crate::input::{InputObject, Split};

/// The result of a worker for one split, whose start is not verified yet.
#[derive(Debug)]
pub(super) struct DecodedSplit<T> {
    /// The statistics of the split.
    pub stats: SplitStats,
    /// The output of the worker.
    pub output: T,
}

/// A split whose start offset is verified.
#[derive(Debug)]
pub(super) struct ConfirmedSplit<'a, T = ()> {
    /// The split.
    pub split: &'a Split,
    /// The statistics of the split.
    pub stats: SplitStats,
    /// Newlines in its first object before the start of its records.
    pub lines_before: u64,
    /// The output of the worker.
    pub output: T,
}

impl<'a, T> ConfirmedSplit<'a, T> {
    /// Separates the output of the worker from what is known about the split.
    pub(super) fn into_output(self) -> (ConfirmedSplit<'a>, T) {
        let confirmed = ConfirmedSplit {
            split: self.split,
            stats: self.stats,
            lines_before: self.lines_before,
            output: (),
        };
        (confirmed, self.output)
    }

    /// Returns the number of newlines in the object of a segment before the start of the records of the segment.
    pub(super) fn newlines_before(&self, segment: usize) -> u64 {
        match segment {
            0 => self.lines_before,
            _ => 0,
        }
    }
}

/// A split to process, and where its records begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SplitTask<'a> {
    /// The split.
    pub split: &'a Split,
    /// Where its records begin.
    pub start: SplitStart,
}

/// What follows from the result of a split.
#[derive(Debug)]
pub(super) struct SplitVerdict<'a, T> {
    /// The splits that are confirmed now, in order.
    pub confirmed: Vec<ConfirmedSplit<'a, T>>,
    /// The split to process again, if any.
    pub retry: Option<SplitTask<'a>>,
}

/// The end of the records of a split in its last object.
#[derive(Debug, Clone, Copy)]
struct SplitRecordsEnd {
    /// The byte offset in the object.
    offset: u64,
    /// Newlines in the object before the offset.
    newlines: u64,
}

/// The splits that wait for a previous one, and the ends of those that are confirmed.
#[derive(Debug)]
pub(super) struct BoundaryTracker<'a, T> {
    objects: &'a [InputObject],
    splits: &'a [Split],
    /// The results that wait for the previous split.
    pending: Vec<Option<DecodedSplit<T>>>,
    /// The ends of the confirmed splits.
    record_ends: Vec<Option<SplitRecordsEnd>>,
}

impl<'a, T> BoundaryTracker<'a, T> {
    /// Returns the tracker of `splits`, all the splits of `objects`, none of which is done.
    pub(super) fn new(objects: &'a [InputObject], splits: &'a [Split]) -> Self {
        Self {
            objects,
            splits,
            pending: splits.iter().map(|_| None).collect(),
            record_ends: vec![None; splits.len()],
        }
    }

    /// Adds the result of a split.
    pub(super) fn complete(
        &mut self,
        split: &Split,
        decoded: DecodedSplit<T>,
    ) -> SplitVerdict<'a, T> {
        let first = split.number.index();
        let earlier = self.pending[first].replace(decoded);
        assert!(
            earlier.is_none() && self.record_ends[first].is_none(),
            "{:?} has two results",
            split.number
        );
        let mut verdict = SplitVerdict {
            confirmed: Vec::new(),
            retry: None,
        };
        let splits = self.splits;
        for split in &splits[first..] {
            let Some(start) = self.expected_start(split) else {
                break;
            };
            let Some(decoded) = self.pending[split.number.index()].take() else {
                break;
            };
            if !decoded.stats.began_at(start) {
                verdict.retry = Some(SplitTask { split, start });
                break;
            }
            verdict.confirmed.push(self.confirm(split, decoded));
        }
        verdict
    }

    /// Confirms a split and records where its records end.
    #[expect(
        clippy::expect_used,
        reason = "a wrong end would lose or repeat records"
    )]
    fn confirm(&mut self, split: &'a Split, decoded: DecodedSplit<T>) -> ConfirmedSplit<'a, T> {
        let DecodedSplit { stats, output } = decoded;
        let previous = self.previous_record_end(split);
        let lines_before = previous.map_or(0, |previous| previous.newlines);
        let is_single_segment = split.segments.len() == 1;
        let record_end = match stats.records_end {
            Some(offset) => SplitRecordsEnd {
                offset,
                newlines: stats.last_segment_newlines
                    + if is_single_segment { lines_before } else { 0 },
            },
            None => previous.expect("a split without records continues an object"),
        };
        self.record_ends[split.number.index()] = Some(record_end);
        ConfirmedSplit {
            split,
            stats,
            lines_before,
            output,
        }
    }

    /// Returns where the records of a split begin. Returns `None` if that is not known yet.
    fn expected_start(&self, split: &Split) -> Option<SplitStart> {
        let first = split.first_segment();
        if first.start == 0 {
            return Some(SplitStart::NextLine);
        }
        let previous = self.previous_record_end(split)?;
        let size = self.objects[first.object].meta.size;
        let is_inside = previous.offset < first.end.min(size);
        Some(if is_inside {
            SplitStart::Byte(previous.offset)
        } else {
            SplitStart::Skip
        })
    }

    /// Returns the end of the records of the previous split, if the split begins inside an object and the
    /// previous split is confirmed.
    fn previous_record_end(&self, split: &Split) -> Option<SplitRecordsEnd> {
        if split.first_segment().start == 0 {
            return None;
        }
        self.record_ends[split.number.index() - 1]
    }

    /// Checks that every split is confirmed.
    pub(super) fn finish(self) {
        for (split, record_end) in self.splits.iter().zip(&self.record_ends) {
            assert!(record_end.is_some(), "{:?} is not confirmed", split.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Segment, SplitNumber};
    use crate::storage::{ObjectMeta, ObjectVersion};

    const SPLIT_BYTES: u64 = 10;

    /// Returns an object that is divided into a number of splits.
    fn divided_object(splits: u64) -> (Vec<InputObject>, Vec<Split>) {
        let object = InputObject {
            meta: ObjectMeta {
                key: "log.json".to_owned(),
                size: splits * SPLIT_BYTES,
                version: ObjectVersion::Mtime {
                    nanoseconds: 0,
                    inode: 0,
                },
            },
            location_index: 0,
            compression: None,
            layout: Default::default(),
            is_sniffed: true,
            rejected_at: None,
        };
        let split = |index: u64| Split {
            number: SplitNumber::new(index as usize),
            segments: vec![Segment {
                object: 0,
                start: index * SPLIT_BYTES,
                end: (index + 1) * SPLIT_BYTES,
            }],
            bytes: SPLIT_BYTES,
        };
        (vec![object], (0..splits).map(split).collect())
    }

    /// Returns the result of a split whose records are in a range of the object.
    fn decoded(records: Option<std::ops::Range<u64>>) -> DecodedSplit<()> {
        let mut stats = SplitStats::new(1);
        stats.records_start = records.as_ref().map(|records| records.start);
        stats.records_end = records.map(|records| records.end);
        stats.last_segment_newlines = 1;
        DecodedSplit { stats, output: () }
    }

    fn numbers(verdict: &SplitVerdict<'_, ()>) -> Vec<usize> {
        let numbers = verdict.confirmed.iter().map(|c| c.split.number.index());
        numbers.collect()
    }

    #[test]
    fn split_waits_for_the_previous_one() {
        let (objects, splits) = divided_object(3);
        let mut tracker = BoundaryTracker::new(&objects, &splits);
        let verdict = tracker.complete(&splits[2], decoded(Some(23..30)));
        assert!(verdict.confirmed.is_empty() && verdict.retry.is_none());
        let verdict = tracker.complete(&splits[1], decoded(Some(12..23)));
        assert!(verdict.confirmed.is_empty() && verdict.retry.is_none());
        let verdict = tracker.complete(&splits[0], decoded(Some(0..12)));
        assert_eq!(numbers(&verdict), [0, 1, 2]);
        let lines = verdict.confirmed.iter().map(|split| split.lines_before);
        assert_eq!(lines.collect::<Vec<_>>(), [0, 1, 2]);
        tracker.finish();
    }

    #[test]
    fn split_with_a_wrong_prediction_is_processed_again() {
        let (objects, splits) = divided_object(2);
        let mut tracker = BoundaryTracker::new(&objects, &splits);
        tracker.complete(&splits[1], decoded(Some(14..20)));
        let verdict = tracker.complete(&splits[0], decoded(Some(0..12)));
        assert_eq!(numbers(&verdict), [0]);
        let retry = SplitTask {
            split: &splits[1],
            start: SplitStart::Byte(12),
        };
        assert_eq!(verdict.retry, Some(retry));
        let verdict = tracker.complete(&splits[1], decoded(Some(12..20)));
        assert_eq!(numbers(&verdict), [1]);
        tracker.finish();
    }

    #[test]
    fn split_inside_a_record_has_no_records() {
        let (objects, splits) = divided_object(3);
        let mut tracker = BoundaryTracker::new(&objects, &splits);
        tracker.complete(&splits[0], decoded(Some(0..21)));
        assert_eq!(numbers(&tracker.complete(&splits[1], decoded(None))), [1]);
        let verdict = tracker.complete(&splits[2], decoded(Some(21..30)));
        assert_eq!(numbers(&verdict), [2]);
    }

    #[test]
    #[should_panic(expected = "SplitNumber(1) is not confirmed")]
    fn unconfirmed_split_fails_loudly() {
        let (objects, splits) = divided_object(2);
        let mut tracker = BoundaryTracker::new(&objects, &splits);
        tracker.complete(&splits[0], decoded(Some(0..12)));
        tracker.finish();
    }

    #[test]
    #[should_panic(expected = "SplitNumber(0) has two results")]
    fn second_result_fails_loudly() {
        let (objects, splits) = divided_object(1);
        let mut tracker = BoundaryTracker::new(&objects, &splits);
        for _ in 0..2 {
            tracker.complete(&splits[0], decoded(Some(0..10)));
        }
    }
}
