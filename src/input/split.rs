//! Plans splits: contiguous parts of the input of similar size, each processed by one worker.
//!
//! The objects, in order of their keys, form one sequence of bytes that is cut at regular intervals. The
//! cuts depend only on the listing, never on the number of threads. A cut inside an object only
//! approximates a record boundary; the reader finds the exact position.

use super::input_object::InputObject;

/// A range of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// The index of the object in the list of all objects.
    pub object: usize,
    /// The offset of the first byte. Records that begin before the first line boundary from here on belong
    /// to the previous segment.
    pub start: u64,
    /// The offset after the last byte; `u64::MAX` for the end of the object.
    pub end: u64,
}

/// The number of a split in its input, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SplitNumber(usize);

impl SplitNumber {
    /// Returns the number of the split at an index of the list of all splits.
    pub(crate) fn new(index: usize) -> Self {
        Self(index)
    }

    /// Returns the index of the split in the list of all splits, which is also the number of its Parquet parts.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

/// A unit of work of one worker, which becomes one Parquet part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// The number in the input.
    pub number: SplitNumber,
    /// The segments, at least one, in input order. Only the first can begin inside an object.
    pub segments: Vec<Segment>,
    /// The size in bytes, as stored.
    pub bytes: u64,
}

impl Split {
    /// Returns the first segment.
    pub(crate) fn first_segment(&self) -> &Segment {
        &self.segments[0]
    }

    /// Returns the last segment.
    pub(crate) fn last_segment(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    /// Returns each segment with its value. There must be one value for each segment.
    pub(crate) fn zip_segments<'a, T>(
        &'a self,
        values: &'a [T],
    ) -> impl Iterator<Item = (&'a Segment, &'a T)> {
        assert_eq!(
            self.segments.len(),
            values.len(),
            "each segment of {:?} has a value",
            self.number
        );
        self.segments.iter().zip(values)
    }
}

/// The cost of opening one more object (about 10 µs), as the number of bytes decoded in that time.
const OBJECT_OPEN_COST_BYTES: u64 = 16 * 1024;

/// The assumed number of decompressed bytes for each compressed byte.
const ASSUMED_COMPRESSION_RATIO: u64 = 8;

/// The minimum size of a planned split, in bytes, except for the last splits. The Parquet part of such a
/// split has 1 to 2 MB.
const MIN_SPLIT_BYTES: u64 = 32 << 20;

/// The approximate number of splits of a large input: enough for 64 cores, and few enough for a warehouse
/// that loads one part for each split.
const MAX_SPLITS: u64 = 256;

/// When the rest of the input is smaller than this number of splits, splits become smaller, down to half
/// the size, so that workers that finish early do not wait long for the last one.
const TAPER_SPLITS: u64 = 8;

/// The rest of an object stays in the current split if it is smaller than a split divided by this number.
const SLOP_DIVISOR: u64 = 4;

/// The splits of an input and their limits.
#[derive(Debug)]
pub(crate) struct SplitSet {
    /// The splits, in input order.
    pub splits: Vec<Split>,
    /// The total size in bytes, as stored.
    pub bytes: u64,
    /// The size in bytes up to which an object is never split.
    pub max_unsplit_bytes: u64,
}

impl SplitSet {
    /// Returns the indexes of the objects that are split, in input order.
    pub(crate) fn split_objects(&self) -> Vec<usize> {
        let segments = self.splits.iter().map(Split::first_segment);
        let continued = segments.filter(|segment| segment.start > 0);
        let mut objects: Vec<_> = continued.map(|segment| segment.object).collect();
        objects.dedup();
        objects
    }
}

/// Returns the weight of an object: the estimated work to read it, in bytes.
fn weight(object: &InputObject) -> u64 {
    let factor = if object.compression.is_some() {
        ASSUMED_COMPRESSION_RATIO
    } else {
        1
    };
    object
        .meta
        .size
        .saturating_mul(factor)
        .saturating_add(OBJECT_OPEN_COST_BYTES)
}

/// Plans splits of `split_bytes`, or of a size that follows from the total input.
pub(crate) fn plan_splits(objects: &[InputObject], split_bytes: Option<u64>) -> SplitSet {
    let total_weight = objects.iter().map(weight).fold(0, u64::saturating_add);
    let max_split_bytes = split_bytes
        .unwrap_or((total_weight / MAX_SPLITS).max(MIN_SPLIT_BYTES))
        .max(1);
    let min_split_bytes = (max_split_bytes / 2).max(1);
    let mut planner = SplitPlanner {
        min_split_bytes,
        max_split_bytes,
        remaining: total_weight,
        filled: 0,
        segments: Vec::new(),
        bytes: 0,
        splits: Vec::new(),
    };
    for (number, object) in objects.iter().enumerate() {
        if object.meta.size > 0 {
            planner.add(number, object);
        }
    }
    planner.finish_split();
    SplitSet {
        splits: planner.splits,
        bytes: objects.iter().map(|o| o.meta.size).sum(),
        max_unsplit_bytes: min_split_bytes / SLOP_DIVISOR,
    }
}

struct SplitPlanner {
    /// The minimum size of the last splits.
    min_split_bytes: u64,
    /// The size of all splits except the last ones.
    max_split_bytes: u64,
    /// The weight that is not in a finished split.
    remaining: u64,
    /// The weight of the current split so far.
    filled: u64,
    segments: Vec<Segment>,
    bytes: u64,
    splits: Vec<Split>,
}

impl SplitPlanner {
    fn add(&mut self, number: usize, object: &InputObject) {
        let mut start = 0;
        if object.is_splittable() {
            // A small rest is not worth a split.
            while object.meta.size - start > self.available() + self.target() / SLOP_DIVISOR {
                let end = start + self.available();
                self.push(
                    Segment {
                        object: number,
                        start,
                        end,
                    },
                    end - start,
                );
                self.filled = self.filled.saturating_add(end - start);
                self.finish_split();
                start = end;
            }
        }
        self.push(
            Segment {
                object: number,
                start,
                end: u64::MAX,
            },
            object.meta.size - start,
        );
        self.filled = self.filled.saturating_add(weight(object) - start);
        if self.available() == 0 {
            self.finish_split();
        }
    }

    /// Returns the target size of the current split.
    fn target(&self) -> u64 {
        (self.remaining / TAPER_SPLITS).clamp(self.min_split_bytes, self.max_split_bytes)
    }

    fn available(&self) -> u64 {
        self.target().saturating_sub(self.filled)
    }

    fn push(&mut self, segment: Segment, bytes: u64) {
        self.segments.push(segment);
        self.bytes += bytes;
    }

    fn finish_split(&mut self) {
        self.remaining = self.remaining.saturating_sub(self.filled);
        self.filled = 0;
        let bytes = std::mem::take(&mut self.bytes);
        let segments = std::mem::take(&mut self.segments);
        if !segments.is_empty() {
            self.splits.push(Split {
                number: SplitNumber::new(self.splits.len()),
                segments,
                bytes,
            });
        }
    }
}
