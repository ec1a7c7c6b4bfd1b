//! Finds the winner among the deliveries of each event.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::star::deliveries::{BatchIndex, DeliveryKernel, StoredDeliveries, StoredDelivery};
use crate::star::string_pool::StringPool;

/// The number of locks that the candidates are divided among, so that workers seldom wait for each other.
const WINNER_SHARDS: usize = 64;

/// The first delivery of each id so far. Equal strings are stored once.
pub(super) struct WinningDeliveries<'a> {
    kernel: &'a DeliveryKernel,
    /// The winner of the id at `index` is in shard `index % WINNER_SHARDS`.
    shards: Vec<Mutex<WinnerShard>>,
    ids: usize,
    strings: Mutex<StringPool>,
}

/// The winners of some ids.
struct WinnerShard {
    /// The batch of each winner; [`NO_BATCH`] if there is none yet.
    batches: Vec<BatchIndex>,
    /// The words of each winner.
    words: Vec<u32>,
}

/// Stands for the batch of a winner that is not known yet. It saves the space of an `Option` for each duplicate id.
const NO_BATCH: BatchIndex = BatchIndex(u32::MAX);

impl<'a> WinningDeliveries<'a> {
    /// Creates the collection for a number of ids, none of which has a winner.
    pub(super) fn new(kernel: &'a DeliveryKernel, ids: usize) -> Self {
        let slots = ids.div_ceil(WINNER_SHARDS);
        let empty_shard = |_| {
            Mutex::new(WinnerShard {
                batches: vec![NO_BATCH; slots],
                words: vec![0; slots * kernel.num_words()],
            })
        };
        Self {
            kernel,
            shards: (0..WINNER_SHARDS).map(empty_shard).collect(),
            ids,
            strings: Mutex::default(),
        }
    }

    /// Adds deliveries of the ids at `indexes`, all of them from one batch.
    pub(super) fn add(&self, indexes: &[usize], deliveries: &StoredDeliveries, batch: BatchIndex) {
        let num_words = self.kernel.num_words();
        let deliveries = deliveries.words.chunks_exact(num_words);
        assert_eq!(indexes.len(), deliveries.len(), "each delivery has an id");
        for (index, words) in indexes.iter().zip(deliveries) {
            let mut shard = lock(&self.shards[index % WINNER_SHARDS]);
            let WinnerShard {
                batches,
                words: winners,
            } = &mut *shard;
            let slot = index / WINNER_SHARDS;
            let winner = &mut winners[slot * num_words..][..num_words];
            let candidate = StoredDelivery { words, batch };
            let kept = StoredDelivery {
                words: winner,
                batch: batches[slot],
            };
            let is_first = batches[slot] == NO_BATCH
                || self
                    .kernel
                    .is_stored_before(candidate, kept, || lock(&self.strings));
            if is_first {
                batches[slot] = batch;
                winner.copy_from_slice(words);
            }
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
        let shards: Vec<WinnerShard> = self.shards.into_iter().map(into_inner).collect();
        let winners =
            (0..self.ids).map(|index| shards[index % WINNER_SHARDS].batches[index / WINNER_SHARDS]);
        let missing_winner = || {
            Error::failed("cannot remove duplicate events")
                .with_reason("one of them was not read back")
                .with_hint("this is a bug in sparkify: please report it")
        };
        winners
            .map(|winner| match winner {
                NO_BATCH => Err(missing_winner()),
                winner => Ok(winner),
            })
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sparkify::SPARKIFY;
    use crate::star::kernels::StarKernels;

    /// If deliveries have the same content, the one in the earliest batch wins, whichever is added first.
    #[test]
    fn order_of_addition_does_not_decide() {
        let kernels = StarKernels::new(&SPARKIFY);
        let kernel = &kernels.deliveries;
        let deliveries = StoredDeliveries {
            words: vec![0; kernel.num_words()],
        };
        for batches in [[4, 2, 3], [2, 3, 4], [3, 4, 2]] {
            let winners = WinningDeliveries::new(kernel, 1);
            for batch in batches {
                winners.add(&[0], &deliveries, BatchIndex(batch));
            }
            assert_eq!(winners.into_winning_batches().unwrap(), [BatchIndex(2)]);
        }
    }

    /// Without a winner all deliveries of the event would be removed.
    #[test]
    fn id_without_winner_fails_loudly() {
        let kernels = StarKernels::new(&SPARKIFY);
        let winners = WinningDeliveries::new(&kernels.deliveries, 1);
        assert!(winners.into_winning_batches().is_err());
    }
}
