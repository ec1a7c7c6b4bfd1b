//! Finds the winner among the deliveries of each event.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::star::delivery_order::{BatchIndex, CompactDelivery};
use crate::star::string_pool::StringPool;

/// The number of locks that the candidates are divided among, so that workers seldom wait for each other.
const WINNER_SHARDS: usize = 64;

/// The smallest delivery of each id so far. Equal strings are stored once.
pub(super) struct WinningDeliveries {
    /// The winner of the id at `index` is in shard `index % WINNER_SHARDS`.
    shards: Vec<Mutex<Vec<Option<CompactDelivery>>>>,
    ids: usize,
    strings: Mutex<StringPool>,
}

impl WinningDeliveries {
    /// Creates the collection for a number of ids, none of which has a winner.
    pub(super) fn new(ids: usize) -> Self {
        let empty_shard = |_| Mutex::new(vec![None; ids.div_ceil(WINNER_SHARDS)]);
        Self {
            shards: (0..WINNER_SHARDS).map(empty_shard).collect(),
            ids,
            strings: Mutex::default(),
        }
    }

    /// Adds a delivery of the id at `index`.
    pub(super) fn add(&self, index: usize, candidate: CompactDelivery) {
        let mut shard = lock(&self.shards[index % WINNER_SHARDS]);
        let winner = &mut shard[index / WINNER_SHARDS];
        if winner.is_none_or(|winner| candidate.wins_over(&winner, || lock(&self.strings))) {
            *winner = Some(candidate);
        }
    }

    /// Returns the pool of the texts of all deliveries.
    pub(super) fn strings(&self) -> MutexGuard<'_, StringPool> {
        lock(&self.strings)
    }

    /// Returns the batch of the winner of each id, by the index of the id.
    ///
    /// # Errors
    /// Returns an error if an id has no winner: all its deliveries would be removed.
    pub(super) fn into_winning_batches(self) -> Result<Vec<BatchIndex>> {
        let into_inner =
            |shard: Mutex<_>| shard.into_inner().unwrap_or_else(PoisonError::into_inner);
        let shards: Vec<Vec<Option<CompactDelivery>>> =
            self.shards.into_iter().map(into_inner).collect();
        let winners =
            (0..self.ids).map(|index| shards[index % WINNER_SHARDS][index / WINNER_SHARDS]);
        let missing_winner = || {
            Error::failed("cannot remove duplicate events")
                .with_reason("one of them was not read back")
                .with_hint("this is a bug in sparkify: please report it")
        };
        let batches = winners.map(|winner| Ok(winner.ok_or_else(missing_winner)?.batch));
        batches.collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Without a winner all deliveries of the event would be removed.
    #[test]
    fn id_without_winner_fails_loudly() {
        assert!(WinningDeliveries::new(1).into_winning_batches().is_err());
    }
}
