//! Finds duplicates: events with the same songplay_id, anywhere in the input.
//!
//! Ids are hashes, so any of their bits partition them evenly. Every batch groups its ids by partition.
//! The partitions are searched in parallel, each over all batches of all splits.

use rayon::prelude::*;

/// The number of partitions of ids.
const PARTITIONS: usize = 256;

/// The ids of one batch, grouped by partition.
#[derive(Debug, Default)]
pub(super) struct PartitionedIds {
    ids: Vec<i64>,
    /// The index one past the last id of each partition.
    partition_ends: Vec<usize>,
}

impl PartitionedIds {
    /// Groups the ids of a batch by partition.
    pub(super) fn new(ids: &[i64]) -> Self {
        let mut ends = vec![0; PARTITIONS];
        for &id in ids {
            ends[partition_of(id)] += 1;
        }
        let mut sum = 0;
        for end in &mut ends {
            // The start of the partition. Filling the partition moves it to the end.
            (sum, *end) = (sum + *end, sum);
        }
        let mut partitioned = vec![0; ids.len()];
        for &id in ids {
            let end = &mut ends[partition_of(id)];
            partitioned[*end] = id;
            *end += 1;
        }
        Self {
            ids: partitioned,
            partition_ends: ends,
        }
    }

    fn partition(&self, partition: usize) -> &[i64] {
        let start = match partition {
            0 => 0,
            _ => self.partition_ends[partition - 1],
        };
        &self.ids[start..self.partition_ends[partition]]
    }
}

/// Returns the partition of an id, which is its first byte.
fn partition_of(id: i64) -> usize {
    usize::from(id.to_be_bytes()[0])
}

/// A Bloom filter with one hash function: each id sets one bit, which few ids share. A lookup takes about a
/// nanosecond.
#[derive(Debug)]
struct BloomFilter {
    words: Vec<u64>,
    /// How far a 64-bit hash is shifted right to get the index of a bit.
    shift: u32,
}

/// The minimum number of filter bits for each id.
const FILTER_BITS_PER_ID: usize = 16;

impl BloomFilter {
    /// Returns an empty filter for a number of ids.
    fn new(ids: usize) -> Self {
        let bits = (ids * FILTER_BITS_PER_ID).next_power_of_two().max(64);
        Self {
            words: vec![0; bits / 64],
            shift: u64::BITS - bits.ilog2(),
        }
    }

    fn bit_position(&self, id: i64) -> (usize, u64) {
        // Fibonacci hashing (2^64 / golden ratio), because the ids of one partition share their first bits.
        let bit = id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// Sets the bit of an id. Returns true if it was set before.
    fn insert(&mut self, id: i64) -> bool {
        let (word, bit) = self.bit_position(id);
        let word = &mut self.words[word];
        let was_set = *word & bit != 0;
        *word |= bit;
        was_set
    }

    /// Returns false if an id was not inserted, and true if it probably was.
    fn may_contain(&self, id: i64) -> bool {
        let (word, bit) = self.bit_position(id);
        self.words[word] & bit != 0
    }
}

/// Returns the distinct ids that occur more than once in `slices`, sorted as unsigned integers.
fn find_repeated<'a>(slices: impl Iterator<Item = &'a [i64]> + Clone) -> Vec<i64> {
    let mut filter = BloomFilter::new(slices.clone().map(<[i64]>::len).sum());
    // The second and later occurrences, and a few ids that share a bit with another id.
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
    let mut probable_duplicates = Vec::new();
    for ids in slices {
        probable_duplicates.extend(ids.iter().copied().filter(|&id| filter.may_contain(id)));
    }
    probable_duplicates.sort_unstable_by_key(|id| id.cast_unsigned());
    let pairs = probable_duplicates
        .windows(2)
        .filter(|pair| pair[0] == pair[1]);
    let mut repeated: Vec<i64> = pairs.map(|pair| pair[0]).collect();
    repeated.dedup();
    repeated
}

/// A set of ids, optimized for lookups of ids that are not in it.
#[derive(Debug)]
pub(super) struct IdSet {
    filter: BloomFilter,
    /// Sorted as unsigned integers.
    ids: Vec<i64>,
    /// The index of the first id of each bucket. Buckets divide the integers from the first id on into equal
    /// intervals.
    bucket_starts: Vec<usize>,
    /// How far the difference between an id and the first id is shifted right to get its bucket.
    shift: u32,
}

/// The approximate number of ids in a bucket.
const IDS_PER_BUCKET: usize = 4;

impl IdSet {
    /// Creates a set from ids that are distinct and sorted as unsigned integers.
    fn new(ids: Vec<i64>) -> Self {
        let mut filter = BloomFilter::new(ids.len());
        for &id in &ids {
            filter.insert(id);
        }
        let span = match ids.as_slice() {
            [first, .., last] => last.wrapping_sub(*first),
            _ => 0,
        };
        let bits = (ids.len() / IDS_PER_BUCKET).max(2).ilog2();
        let shift = (u64::BITS - bits).saturating_sub(span.leading_zeros());
        let mut bucket_starts = Vec::new();
        for (index, &id) in ids.iter().enumerate() {
            let bucket = bucket_of(id, ids[0], shift);
            bucket_starts.resize(bucket_starts.len().max(bucket + 1), index);
        }
        bucket_starts.push(ids.len());
        Self {
            filter,
            ids,
            bucket_starts,
            shift,
        }
    }

    /// Returns the ids that occur more than once in a batch, or `None` if there are none.
    pub(super) fn from_repeated(ids: &[i64]) -> Option<Self> {
        let repeated = find_repeated(std::iter::once(ids));
        (!repeated.is_empty()).then(|| Self::new(repeated))
    }

    /// Returns the number of ids.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Returns the index of an id, below [`len`](Self::len), or `None` if the id is not in the set.
    #[inline]
    pub(super) fn index_of(&self, id: i64) -> Option<usize> {
        match self.filter.may_contain(id) {
            true => self.search_bucket(id),
            false => None,
        }
    }

    fn search_bucket(&self, id: i64) -> Option<usize> {
        let bucket = bucket_of(id, *self.ids.first()?, self.shift);
        let start = *self.bucket_starts.get(bucket)?;
        let ids = self.ids.get(start..*self.bucket_starts.get(bucket + 1)?)?;
        let position = ids.binary_search_by_key(&id.cast_unsigned(), |id| id.cast_unsigned());
        Some(start + position.ok()?)
    }
}

/// Returns the bucket of an id.
fn bucket_of(id: i64, first: i64, shift: u32) -> usize {
    (id.wrapping_sub(first).cast_unsigned() >> shift) as usize
}

/// The ids that occur in several batches.
#[derive(Debug)]
pub(super) struct DuplicateIds {
    /// The ids.
    pub ids: IdSet,
    /// How many of these ids occur in each batch of each split.
    pub counts_by_batch: Vec<Vec<u64>>,
}

impl DuplicateIds {
    /// Searches the batches of all splits for ids that occur in several batches. The ids of each batch must be
    /// distinct. Returns `None` if no id occurs in several batches.
    pub(super) fn find(splits: &[Vec<PartitionedIds>]) -> Option<Self> {
        let by_partition: Vec<_> = (0..PARTITIONS)
            .into_par_iter()
            .map(|partition| duplicates_in_partition(splits, partition))
            .collect();
        let ids: Vec<i64> = by_partition
            .iter()
            .flat_map(|(ids, _)| ids)
            .copied()
            .collect();
        if ids.is_empty() {
            return None;
        }
        let zero_counts = |batches: &Vec<PartitionedIds>| vec![0; batches.len()];
        let mut counts: Vec<Vec<u64>> = splits.iter().map(zero_counts).collect();
        for &(split, batch, count) in by_partition.iter().flat_map(|(_, counts)| counts) {
            counts[split][batch] += count;
        }
        Some(Self {
            ids: IdSet::new(ids),
            counts_by_batch: counts,
        })
    }
}

/// Returns the ids of a partition that occur in several batches, and how many of them occur in each of those
/// batches, as (split, batch, count).
fn duplicates_in_partition(
    splits: &[Vec<PartitionedIds>],
    partition: usize,
) -> (Vec<i64>, Vec<(usize, usize, u64)>) {
    let slices = splits.iter().flatten().map(|ids| ids.partition(partition));
    let ids = find_repeated(slices);
    if ids.is_empty() {
        return (ids, Vec::new());
    }
    let set = IdSet::new(ids.clone());
    let mut counts = Vec::new();
    for (split, batches) in splits.iter().enumerate() {
        for (batch, batch_ids) in batches.iter().enumerate() {
            let partition_ids = batch_ids.partition(partition).iter();
            let count = partition_ids
                .filter(|&&id| set.index_of(id).is_some())
                .count() as u64;
            if count > 0 {
                counts.push((split, batch, count));
            }
        }
    }
    (ids, counts)
}
