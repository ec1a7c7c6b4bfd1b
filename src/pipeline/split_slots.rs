//! Collects one result of each split, which workers deliver in any order.

use std::sync::{Mutex, PoisonError};

use crate::input::{SplitNumber, SplitSet};

/// One slot for the result of each split. A missing or a second result is a bug, which would lose or repeat the
/// rows of the split.
#[derive(Debug)]
pub(super) struct SplitSlots<T>(Vec<Mutex<Option<T>>>);

impl<T> SplitSlots<T> {
    /// Returns an empty slot for each split.
    pub(super) fn new(plan: &SplitSet) -> Self {
        Self(plan.splits.iter().map(|_| Mutex::default()).collect())
    }

    /// Fills the slot of a split, which must be empty.
    pub(super) fn fill(&self, number: SplitNumber, result: T) {
        let slot = self.0[number.index()].lock();
        let earlier = slot.unwrap_or_else(PoisonError::into_inner).replace(result);
        assert!(earlier.is_none(), "{number:?} has two results");
    }

    /// Returns the results in the order of the splits. Every slot must be full.
    #[expect(
        clippy::expect_used,
        reason = "a missing result would lose the rows of a split"
    )]
    pub(super) fn into_results(self) -> Vec<T> {
        let slots = self.0.into_iter();
        slots
            .map(|slot| {
                slot.into_inner()
                    .unwrap_or_else(PoisonError::into_inner)
                    .expect("every split has a result")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Split;

    fn plan(splits: usize) -> SplitSet {
        let split = |index| Split {
            number: SplitNumber::new(index),
            segments: Vec::new(),
            bytes: 0,
        };
        SplitSet {
            splits: (0..splits).map(split).collect(),
            bytes: 0,
            max_unsplit_bytes: 0,
        }
    }

    #[test]
    fn results_are_in_the_order_of_the_splits() {
        let slots = SplitSlots::new(&plan(3));
        for index in [2, 0, 1] {
            slots.fill(SplitNumber::new(index), index);
        }
        assert_eq!(slots.into_results(), [0, 1, 2]);
    }

    #[test]
    #[should_panic(expected = "every split has a result")]
    fn missing_result_fails_loudly() {
        let slots = SplitSlots::new(&plan(2));
        slots.fill(SplitNumber::new(1), ());
        slots.into_results();
    }

    #[test]
    #[should_panic(expected = "SplitNumber(1) has two results")]
    fn second_result_fails_loudly() {
        let slots = SplitSlots::new(&plan(2));
        slots.fill(SplitNumber::new(1), ());
        slots.fill(SplitNumber::new(1), ());
    }

    #[test]
    #[should_panic(expected = "index out of bounds")]
    fn unknown_split_fails_loudly() {
        SplitSlots::new(&plan(2)).fill(SplitNumber::new(2), ());
    }
}
