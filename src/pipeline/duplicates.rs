//! Duplicates: events with the same songplay_id, wherever in the input they stand.
//!
//! Every batch leaves its ids dealt out to ranges. Ids are hashes, so a range of them is a fair share:
//! ranges are looked through side by side, each over all splits. Events are rarely delivered twice, so a split is
//! encoded as if none was, and encoded again if one was.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use rayon::prelude::*;

/// Ranges of ids.
const RANGES: usize = 256;

/// The ids of one batch, range after range.
#[derive(Debug, Default)]
pub struct Ids {
    ids: Vec<i64>,
    /// Where each range ends.
    ends: Vec<usize>,
}

impl Ids {
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
            _ => self.ends.get(range - 1).copied().unwrap_or_default(),
        };
        let end = self.ends.get(range).copied().unwrap_or_default();
        self.ids.get(start..end).unwrap_or_default()
    }
}

/// The range of an id: its first byte.
fn range(id: i64) -> usize {
    usize::from(id.to_be_bytes()[0])
}

/// The ids that occur more than once.
#[derive(Debug, Clone, Default)]
pub struct Duplicates {
    /// The first split in input order that has the id. The first event there stays.
    first_split: HashMap<i64, usize, FixedState>,
    /// The splits that have an event too many.
    affected: Vec<usize>,
}

impl Duplicates {
    /// Looks through the ids of all splits, each in batches.
    pub fn find(splits: &[Vec<Ids>]) -> Self {
        let found: Vec<(i64, usize, usize)> = (0..RANGES)
            .into_par_iter()
            .flat_map_iter(|range| spare_in_range(splits, range))
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

/// The events of a range that are one too many: the id, the first split that has it, and the split
/// that has it once more.
fn spare_in_range(splits: &[Vec<Ids>], range: usize) -> Vec<(i64, usize, usize)> {
    let numbered = || {
        let splits = splits.iter().enumerate();
        splits.flat_map(move |(split, batches)| {
            batches.iter().map(move |ids| (split, ids.in_range(range)))
        })
    };
    let mut all: Vec<i64> = numbered().flat_map(|(_, ids)| ids).copied().collect();
    all.sort_unstable();
    let twice = all.windows(2).filter(|pair| pair[0] == pair[1]);
    let mut first_split: HashMap<i64, Option<usize>> = twice.map(|pair| (pair[0], None)).collect();
    if first_split.is_empty() {
        return Vec::new();
    }
    let mut spare = Vec::new();
    for (split, ids) in numbered() {
        for &id in ids {
            match first_split.get_mut(&id) {
                Some(Some(first)) => spare.push((id, *first, split)),
                Some(first) => *first = Some(split),
                None => {}
            }
        }
    }
    spare
}
