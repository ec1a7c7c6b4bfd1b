//! Duplicates: events with the same songplay_id, wherever they are in the input.
//!
//! Ids are hashes, so any of their bits spread them evenly. Every batch leaves its ids dealt out to
//! ranges: the ranges are looked through side by side, each over all batches of all splits.

use rayon::prelude::*;

/// Ranges of ids.
const RANGES: usize = 256;

/// The ids of one batch, range after range.
#[derive(Debug, Default)]
pub struct PartitionedIds {
    ids: Vec<i64>,
    /// Where each range ends.
    ends: Vec<usize>,
}

impl PartitionedIds {
    /// Deals out the ids of a batch.
    pub fn new(ids: &[i64]) -> Self {
        let mut ends = vec![0; RANGES];
        for &id in ids {
            ends[range(id)] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            // Where the range begins: it ends there when it is filled.
            (sum, *end) = (sum + *end, sum);
        }
        let mut dealt = vec![0; ids.len()];
        for &id in ids {
            let end = &mut ends[range(id)];
            dealt[*end] = id;
            *end += 1;
        }
        Self { ids: dealt, ends }
    }

    fn in_range(&self, range: usize) -> &[i64] {
        let start = match range {
            0 => 0,
            _ => self.ends[range - 1],
        };
        &self.ids[start..self.ends[range]]
    }
}

/// The range of an id: its first byte.
fn range(id: i64) -> usize {
    usize::from(id.to_be_bytes()[0])
}

/// A filter of ids: a bit for each, shared by few. Looking an id up in it costs a nanosecond.
#[derive(Debug)]
struct BloomFilter {
    words: Vec<u64>,
    /// How far a hash of 64 bits is shifted to be the number of a bit.
    shift: u32,
}

/// The least number of bits of a filter for each id.
const FILTER_BITS: usize = 16;

impl BloomFilter {
    /// Returns an empty filter for a number of ids.
    fn new(ids: usize) -> Self {
        let bits = (ids * FILTER_BITS).next_power_of_two().max(64);
        Self {
            words: vec![0; bits / 64],
            shift: u64::BITS - bits.ilog2(),
        }
    }

    fn bit(&self, id: i64) -> (usize, u64) {
        // Multiplied by 2^64 / the golden ratio: ids of one range share their first bits.
        let bit = id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// Sets the bit of an id. Returns true if it was set before.
    fn insert(&mut self, id: i64) -> bool {
        let (word, bit) = self.bit(id);
        let word = &mut self.words[word];
        let was_set = *word & bit != 0;
        *word |= bit;
        was_set
    }

    /// Returns false if an id was not inserted. If it returns true the id probably was.
    fn may_contain(&self, id: i64) -> bool {
        let (word, bit) = self.bit(id);
        self.words[word] & bit != 0
    }
}

/// Returns the ids that occur more than once in `slices`, sorted as unsigned integers, each once.
fn repeated<'a>(slices: impl Iterator<Item = &'a [i64]> + Clone) -> Vec<i64> {
    let mut filter = BloomFilter::new(slices.clone().map(<[i64]>::len).sum());
    // The second and later occurrences, and a few ids that share a bit with another one.
    let mut suspects = Vec::new();
    for ids in slices.clone() {
        suspects.extend(ids.iter().copied().filter(|&id| filter.insert(id)));
    }
    if suspects.is_empty() {
        return suspects;
    }
    filter.words.fill(0);
    for &id in &suspects {
        filter.insert(id);
    }
    let mut found = Vec::new();
    for ids in slices {
        found.extend(ids.iter().copied().filter(|&id| filter.may_contain(id)));
    }
    found.sort_unstable_by_key(|id| id.cast_unsigned());
    let pairs = found.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut repeated: Vec<i64> = pairs.map(|pair| pair[0]).collect();
    repeated.dedup();
    repeated
}

/// A set of ids that few of the ids that it is asked for are in.
#[derive(Debug)]
pub struct IdSet {
    filter: BloomFilter,
    /// Sorted as unsigned integers.
    ids: Vec<i64>,
    /// The number of the first id of each bucket: each one has its share of the integers from the first id on.
    buckets: Vec<usize>,
    /// How far what an id is more than the first one is shifted to be the number of its bucket.
    shift: u32,
}

/// About how many ids are in a bucket.
const BUCKET: usize = 4;

impl IdSet {
    /// Returns a set of ids that are distinct and sorted as unsigned integers.
    fn new(ids: Vec<i64>) -> Self {
        let mut filter = BloomFilter::new(ids.len());
        for &id in &ids {
            filter.insert(id);
        }
        let span = match ids.as_slice() {
            [first, .., last] => last.wrapping_sub(*first),
            _ => 0,
        };
        let bits = (ids.len() / BUCKET).max(2).ilog2();
        let shift = (u64::BITS - bits).saturating_sub(span.leading_zeros());
        let mut buckets = Vec::new();
        for (number, &id) in ids.iter().enumerate() {
            let bucket = bucket(id, ids[0], shift);
            buckets.resize(buckets.len().max(bucket + 1), number);
        }
        buckets.push(ids.len());
        Self {
            filter,
            ids,
            buckets,
            shift,
        }
    }

    /// Returns the ids that occur more than once in a batch; None if there are none.
    pub fn repeated_in(ids: &[i64]) -> Option<Self> {
        let repeated = repeated(std::iter::once(ids));
        (!repeated.is_empty()).then(|| Self::new(repeated))
    }

    /// Returns the number of ids.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the number of an id, below [`len`](Self::len); None if it is not in the set.
    #[inline]
    pub fn number(&self, id: i64) -> Option<usize> {
        match self.filter.may_contain(id) {
            true => self.find(id),
            false => None,
        }
    }

    fn find(&self, id: i64) -> Option<usize> {
        let bucket = bucket(id, *self.ids.first()?, self.shift);
        let start = *self.buckets.get(bucket)?;
        let ids = self.ids.get(start..*self.buckets.get(bucket + 1)?)?;
        let place = ids.binary_search_by_key(&id.cast_unsigned(), |id| id.cast_unsigned());
        Some(start + place.ok()?)
    }
}

/// Returns the number of the bucket of an id.
fn bucket(id: i64, first: i64, shift: u32) -> usize {
    (id.wrapping_sub(first).cast_unsigned() >> shift) as usize
}

/// The ids that several batches have.
#[derive(Debug)]
pub struct DuplicateIds {
    /// The ids.
    pub ids: IdSet,
    /// How many of them each batch of each split has.
    pub counts: Vec<Vec<u64>>,
}

impl DuplicateIds {
    /// Looks through the ids of all splits, batch by batch. No batch may have an id twice. Returns None if no id
    /// is in several batches.
    pub fn find(splits: &[Vec<PartitionedIds>]) -> Option<Self> {
        let found: Vec<_> = (0..RANGES)
            .into_par_iter()
            .map(|range| find_in_range(splits, range))
            .collect();
        let ids: Vec<i64> = found.iter().flat_map(|(ids, _)| ids).copied().collect();
        if ids.is_empty() {
            return None;
        }
        let none = |batches: &Vec<PartitionedIds>| vec![0; batches.len()];
        let mut counts: Vec<Vec<u64>> = splits.iter().map(none).collect();
        for &(split, batch, count) in found.iter().flat_map(|(_, counts)| counts) {
            counts[split][batch] += count;
        }
        Some(Self {
            ids: IdSet::new(ids),
            counts,
        })
    }
}

/// Returns the ids of a range that several batches have, and how many of them each of those batches has, by
/// split and batch.
fn find_in_range(
    splits: &[Vec<PartitionedIds>],
    range: usize,
) -> (Vec<i64>, Vec<(usize, usize, u64)>) {
    let slices = splits.iter().flatten().map(|ids| ids.in_range(range));
    let ids = repeated(slices);
    if ids.is_empty() {
        return (ids, Vec::new());
    }
    let set = IdSet::new(ids.clone());
    let mut counts = Vec::new();
    for (split, batches) in splits.iter().enumerate() {
        for (batch, batch_ids) in batches.iter().enumerate() {
            let copies = batch_ids.in_range(range).iter();
            let copies = copies.filter(|&&id| set.number(id).is_some()).count() as u64;
            if copies > 0 {
                counts.push((split, batch, copies));
            }
        }
    }
    (ids, counts)
}
