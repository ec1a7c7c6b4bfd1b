//! Duplicates: events with the same songplay_id, wherever in the input they stand.
//!
//! Every split leaves its ids sorted. Ids are hashes, so a range of them is a fair share: ranges are
//! looked through side by side, each over all splits. Events are rarely delivered twice, so a split is
//! encoded as if none was, and encoded again if one was.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use rayon::prelude::*;

/// Ranges of ids that are looked through one at a time.
const RANGES: u64 = 256;

/// The ids that occur more than once.
#[derive(Debug, Clone, Default)]
pub struct Duplicates {
    /// The first split in input order that has the id. The first event there stays.
    first_split: HashMap<i64, usize, FixedState>,
    /// The splits that have an event too many.
    affected: Vec<usize>,
}

impl Duplicates {
    /// Looks through the sorted ids of all splits.
    pub fn find(splits: &[Vec<i64>]) -> Self {
        let found: Vec<(i64, usize, usize)> = (0..RANGES)
            .into_par_iter()
            .flat_map_iter(|range| in_range(splits, range))
            .collect();
        let mut affected: Vec<usize> = found.iter().map(|&(.., split)| split).collect();
        affected.sort_unstable();
        affected.dedup();
        let first_split = found
            .into_iter()
            .map(|(id, first, _)| (id, first))
            .collect();
        Self {
            first_split,
            affected,
        }
    }

    /// The splits that must be encoded again, in order.
    pub fn affected(&self) -> &[usize] {
        &self.affected
    }

    /// A filter for the events of one split.
    pub fn filter(&self, split: usize) -> Filter<'_> {
        Filter {
            duplicates: self,
            split,
            seen: HashMap::default(),
        }
    }
}

/// Tells the events of one split that stay from those that were delivered before.
#[derive(Debug)]
pub struct Filter<'a> {
    duplicates: &'a Duplicates,
    split: usize,
    seen: HashMap<i64, (), FixedState>,
}

impl Filter<'_> {
    /// Whether all events stay, wherever they are.
    pub fn keeps_all(&self) -> bool {
        self.duplicates.first_split.is_empty()
    }

    /// Whether the next event of the split stays.
    pub fn keeps(&mut self, id: i64) -> bool {
        match self.duplicates.first_split.get(&id) {
            None => true,
            Some(&first) => first == self.split && self.seen.insert(id, ()).is_none(),
        }
    }
}

/// The part of sorted `ids` that lies in a range. Ranges follow the order of unsigned ids.
fn slice(ids: &[i64], range: u64) -> &[i64] {
    let range_of = |id: i64| (id.cast_unsigned() ^ (1 << 63)) / (u64::MAX / RANGES + 1);
    let start = ids.partition_point(|&id| range_of(id) < range);
    let rest = ids.get(start..).unwrap_or_default();
    let len = rest.partition_point(|&id| range_of(id) == range);
    rest.get(..len).unwrap_or_default()
}

/// The events of a range that are one too many: the id, the first split that has it, and the split
/// that has it once more.
fn in_range(splits: &[Vec<i64>], range: u64) -> Vec<(i64, usize, usize)> {
    let numbered = splits.iter().enumerate();
    let mut all: Vec<(i64, usize)> = numbered
        .flat_map(|(split, ids)| slice(ids, range).iter().map(move |&id| (id, split)))
        .collect();
    // By id, then in input order.
    all.sort_unstable();
    let same = |a: &(i64, usize), b: &(i64, usize)| a.0 == b.0;
    let groups = all.chunk_by(same).filter(|group| group.len() > 1);
    let spare = |group: &[(i64, usize)]| {
        let first = group.first().copied().unwrap_or_default();
        group
            .iter()
            .skip(1)
            .map(|&(id, split)| (id, first.1, split))
            .collect::<Vec<_>>()
    };
    groups.flat_map(spare).collect()
}
