//! Splits: the input, cut into contiguous pieces of about one size, each the work of one worker.
//!
//! All objects in order of their keys are thought of as one line of bytes, cut every so many bytes.
//! Where the cuts fall depends on the listing alone, never on threads. A cut inside an object is only
//! about where a record begins; the reader looks for the exact place.

use super::InputObject;

/// A stretch of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// The number of the object in the list of all.
    pub object: usize,
    /// Its first byte; records that begin before the first line boundary from here on belong to the
    /// segment before.
    pub start: u64,
    /// One past its last byte; `u64::MAX` for the end of the object.
    pub end: u64,
}

/// The work of one worker at a time, and one Parquet part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Split {
    /// Its place in the input, from 0.
    pub number: usize,
    /// Its segments, in input order. Only the first can begin inside an object.
    pub segments: Vec<Segment>,
    /// Bytes in it, as stored.
    pub bytes: u64,
}

/// What opening one more object costs, in bytes that could be decoded in that time: about 10 µs.
const OBJECT_OPEN_COST_BYTES: u64 = 16 * 1024;

/// About how many bytes come out of one compressed byte.
const ASSUMED_COMPRESSION_RATIO: u64 = 8;

/// The smallest size that splits are planned at, but for the last ones, in bytes. The Parquet part of
/// such a split is 1 to 2 MB.
const MIN_SPLIT_BYTES: u64 = 32 << 20;

/// About how many splits a large input is cut into: enough to feed 64 cores, few enough for a warehouse to load
/// a part each.
const MAX_SPLITS: u64 = 256;

/// Splits become smaller when fewer bytes are left than so many of them hold, down to a half: workers
/// that finish one after the other do not wait long for the last.
const TAPER_SPLITS: u64 = 8;

/// The rest of an object stays in the current split if it is smaller than this fraction of a split: one in
/// `SLIVER`.
const SLOP_DIVISOR: u64 = 4;

/// The splits of an input and the size they were cut to.
#[derive(Debug)]
pub struct SplitSet {
    /// The splits, in input order.
    pub splits: Vec<Split>,
    /// Bytes in all, as stored.
    pub bytes: u64,
    /// The size in bytes up to which an object is never cut.
    pub max_unsplit_bytes: u64,
}

impl SplitSet {
    /// The objects that are cut, in input order.
    pub fn split_objects(&self) -> Vec<usize> {
        let segments = self
            .splits
            .iter()
            .filter_map(|split| split.segments.first());
        let cut = segments.filter(|segment| segment.start > 0);
        let mut objects: Vec<_> = cut.map(|segment| segment.object).collect();
        objects.dedup();
        objects
    }
}

/// Bytes that an object counts for.
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

/// Cuts `objects` into splits of `split_bytes`, or of a size that follows from the whole input.
pub fn plan_splits(objects: &[InputObject], split_bytes: Option<u64>) -> SplitSet {
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
    /// The size of the last splits.
    min_split_bytes: u64,
    /// The size of all splits but the last ones.
    max_split_bytes: u64,
    /// Weight that is not in a finished split.
    remaining: u64,
    /// Weight in the split so far.
    filled: u64,
    segments: Vec<Segment>,
    bytes: u64,
    splits: Vec<Split>,
}

impl SplitPlanner {
    fn add(&mut self, number: usize, object: &InputObject) {
        let mut start = 0;
        if object.is_splittable() {
            // A sliver is not worth a cut.
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

    /// The size that the split at hand should have.
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
                number: self.splits.len(),
                segments,
                bytes,
            });
        }
    }
}
