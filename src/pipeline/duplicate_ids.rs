//! Finds duplicates: events with the same songplay_id, anywhere in the input.
//!
//! Ids are hashes, so any of their bits partition them evenly. Every batch groups its ids by partition.
//! The partitions are searched in parallel, each over all batches of all splits.

use rayon::prelude::*;

use crate::input::SplitNumber;
use crate::star::bloom_filter::BloomFilter;
use crate::star::deliveries::BatchIndex;

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

/// Returns the hash of an id for the filter. It is a Fibonacci hash (2^64 / golden ratio), because the ids of one
/// partition share their first bits.
fn filter_hash(id: i64) -> u64 {
    id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Returns the distinct ids that occur more than once in `slices`, sorted as unsigned integers.
fn find_repeated<'a>(slices: impl Iterator<Item = &'a [i64]> + Clone) -> Vec<i64> {
    let mut filter = BloomFilter::new(slices.clone().map(<[i64]>::len).sum());
    // The second and later occurrences, and a few ids that share a bit with another id.
    let mut suspects = Vec::new();
    for ids in slices.clone() {
        suspects.extend(
            ids.iter()
                .copied()
                .filter(|&id| filter.insert(filter_hash(id))),
        );
    }
    if suspects.is_empty() {
        return suspects;
    }
    filter.clear();
    for &id in &suspects {
        filter.insert(filter_hash(id));
    }
    let mut probable_duplicates = Vec::new();
    for ids in slices {
        let is_probable = |&id: &i64| filter.may_contain(filter_hash(id));
        probable_duplicates.extend(ids.iter().copied().filter(is_probable));
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
            filter.insert(filter_hash(id));
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
        match self.filter.may_contain(filter_hash(id)) {
            true => self.search_bucket(id),
            false => None,
        }
    }

    fn search_bucket(&self, id: i64) -> Option<usize> {
        let bucket = bucket_of(id, *self.ids.first()?, self.shift);
        // An id that is larger than all ids of the set is in a bucket after the last one.
        let start = *self.bucket_starts.get(bucket)?;
        let end = *self.bucket_starts.get(bucket + 1)?;
        let position =
            self.ids[start..end].binary_search_by_key(&id.cast_unsigned(), |id| id.cast_unsigned());
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
    counts_by_batch: Vec<Vec<u64>>,
    /// The index of each split's first batch among the batches of all splits.
    first_batches: Vec<u32>,
}

impl DuplicateIds {
    /// Searches the batches of all splits for ids that occur in several batches. The ids of each batch must be
    /// distinct. Returns `None` if no id occurs in several batches.
    pub(super) fn find(splits: &[Vec<PartitionedIds>]) -> Option<Self> {
        let by_partition: Vec<_> = (0..PARTITIONS)
            .into_par_iter()
            .map(|partition| PartitionDuplicates::find(splits, partition))
            .collect();
        let ids: Vec<i64> = by_partition
            .iter()
            .flat_map(|duplicates| &duplicates.ids)
            .copied()
            .collect();
        if ids.is_empty() {
            return None;
        }
        let zero_counts = |batches: &Vec<PartitionedIds>| vec![0; batches.len()];
        let mut counts_by_batch: Vec<Vec<u64>> = splits.iter().map(zero_counts).collect();
        for found in by_partition.iter().flat_map(|found| &found.counts) {
            counts_by_batch[found.split][found.batch] += found.ids;
        }
        Some(Self::new(IdSet::new(ids), counts_by_batch))
    }

    fn new(ids: IdSet, counts_by_batch: Vec<Vec<u64>>) -> Self {
        let mut first = 0;
        let first_batches = counts_by_batch.iter().map(|counts| {
            let split_first = first;
            first += counts.len() as u32;
            split_first
        });
        Self {
            ids,
            first_batches: first_batches.collect(),
            counts_by_batch,
        }
    }

    /// Returns how many of the ids occur in each batch of a split.
    pub(super) fn counts(&self, split: SplitNumber) -> &[u64] {
        &self.counts_by_batch[split.index()]
    }

    /// Returns the index of a batch of a split among the batches of all splits.
    pub(super) fn batch_index(&self, split: SplitNumber, batch: usize) -> BatchIndex {
        BatchIndex(self.first_batches[split.index()] + batch as u32)
    }

    /// Returns how many deliveries in each batch of each split lose, if the winners of all ids are in these
    /// batches.
    #[expect(
        clippy::expect_used,
        reason = "a wrong count would keep or remove other events"
    )]
    pub(super) fn loser_counts(&self, winners: &[BatchIndex]) -> Vec<Vec<u64>> {
        let batches = self.counts_by_batch.iter().map(Vec::len).sum();
        let mut winner_counts: Vec<u64> = vec![0; batches];
        for &BatchIndex(batch) in winners {
            winner_counts[batch as usize] += 1;
        }
        let mut winner_counts = winner_counts.into_iter();
        let mut losers = |deliveries: &u64| {
            let winners = winner_counts.next();
            winners
                .and_then(|winners| deliveries.checked_sub(winners))
                .expect("each winner is a delivery of its batch")
        };
        self.counts_by_batch
            .iter()
            .map(|counts| counts.iter().map(&mut losers).collect())
            .collect()
    }
}

/// The ids of one partition that occur in several batches.
struct PartitionDuplicates {
    ids: Vec<i64>,
    /// The batches that they occur in.
    counts: Vec<BatchDuplicates>,
}

/// A batch with ids that occur in other batches too.
struct BatchDuplicates {
    /// The index of the split.
    split: usize,
    /// The index of the batch in the split.
    batch: usize,
    /// The number of such ids.
    ids: u64,
}

impl PartitionDuplicates {
    fn find(splits: &[Vec<PartitionedIds>], partition: usize) -> Self {
        let slices = splits.iter().flatten().map(|ids| ids.partition(partition));
        let ids = find_repeated(slices);
        let mut counts = Vec::new();
        if ids.is_empty() {
            return Self { ids, counts };
        }
        let set = IdSet::new(ids.clone());
        for (split, batches) in splits.iter().enumerate() {
            for (batch, batch_ids) in batches.iter().enumerate() {
                let partition_ids = batch_ids.partition(partition).iter();
                let ids = partition_ids
                    .filter(|&&id| set.index_of(id).is_some())
                    .count() as u64;
                if ids > 0 {
                    counts.push(BatchDuplicates { split, batch, ids });
                }
            }
        }
        Self { ids, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the duplicates among three batches in two splits: 1 and 2 occur in several.
    fn duplicates() -> DuplicateIds {
        let batch = PartitionedIds::new;
        let splits = [
            vec![batch(&[1, 2, 3]), batch(&[2, 4])],
            vec![batch(&[1, 2, i64::MIN])],
        ];
        DuplicateIds::find(&splits).unwrap()
    }

    #[test]
    fn duplicates_across_batches_are_found() {
        let duplicates = duplicates();
        assert_eq!(duplicates.ids.len(), 2);
        assert_eq!(duplicates.counts(SplitNumber::new(0)), [2, 1]);
        assert_eq!(duplicates.counts(SplitNumber::new(1)), [2]);
        assert_eq!(
            duplicates.batch_index(SplitNumber::new(1), 0),
            BatchIndex(2)
        );
        let losers = duplicates.loser_counts(&[BatchIndex(0), BatchIndex(2)]);
        assert_eq!(losers, [vec![1, 1], vec![1]]);
    }

    #[test]
    #[should_panic(expected = "each winner is a delivery of its batch")]
    fn more_winners_than_deliveries_fail_loudly() {
        duplicates().loser_counts(&[BatchIndex(1), BatchIndex(1)]);
    }

    /// A missing split must not pass as one without rows.
    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn unknown_split_fails_loudly() {
        duplicates().counts(SplitNumber::new(2));
    }
}
