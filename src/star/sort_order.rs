//! Orders values for the choice between records: null last, doubles in total order.

use std::cmp::Ordering;

/// A nullable value. Null is ordered last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NullsLast<T> {
    /// A value.
    Value(T),
    /// A null.
    Null,
}

impl<T> From<Option<T>> for NullsLast<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

/// A double that is compared in IEEE total order; JSON has no NaN.
#[derive(Debug, Clone, Copy)]
pub(super) struct TotalOrderF64(pub f64);

impl PartialEq for TotalOrderF64 {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for TotalOrderF64 {}

impl PartialOrd for TotalOrderF64 {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TotalOrderF64 {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_is_last_and_negative_zero_before_zero() {
        let values = [Some(-0.0), Some(0.0), Some(f64::MAX), None];
        let keys = values.map(|value| NullsLast::from(value.map(TotalOrderF64)));
        assert!(keys.is_sorted_by(|a, b| a < b));
    }
}
