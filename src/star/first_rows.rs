//! Keeps the first row of each key: the one kernel behind users, songs, artists, the song lookup, and the deliveries of
//! an event.

use hashbrown::HashTable;

/// Keeps the row in `first` or replaces it by `row`, if that comes before it. Returns the other one of the two, if
/// there was one.
#[inline]
pub(crate) fn keep_first<R: Copy>(
    first: &mut Option<R>,
    row: R,
    is_before: impl FnOnce(R) -> bool,
) -> Option<R> {
    match first {
        None => {
            *first = Some(row);
            None
        }
        Some(kept) if is_before(*kept) => Some(std::mem::replace(kept, row)),
        Some(_) => Some(row),
    }
}

/// The first row of each key among the rows so far.
#[derive(Debug, Clone)]
pub(super) struct FirstRows<R> {
    /// The indexes of the rows, by the hashes of their keys.
    index: HashTable<u32>,
    /// The rows, in the order in which their keys occurred first.
    rows: Vec<HashedRow<R>>,
}

#[derive(Debug, Clone, Copy)]
struct HashedRow<R> {
    hash: u64,
    row: R,
}

impl<R> Default for FirstRows<R> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            rows: Vec::new(),
        }
    }
}

impl<R: Copy> FirstRows<R> {
    /// Returns the number of keys.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns the rows.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = R> {
        self.rows.iter().map(|hashed| hashed.row)
    }

    /// Returns the hashes of their keys.
    pub(super) fn key_hashes(&self) -> impl ExactSizeIterator<Item = u64> {
        self.rows.iter().map(|hashed| hashed.hash)
    }

    /// Adds a row whose key no other row has.
    #[inline]
    fn insert(&mut self, hash: u64, row: R) {
        let Self { index, rows } = self;
        index.insert_unique(hash, rows.len() as u32, |&index| rows[index as usize].hash);
        rows.push(HashedRow { hash, row });
    }

    /// Adds a row. Of two rows with the same key the one that comes first is kept: `is_before` returns true if `row`
    /// comes before another one.
    #[inline]
    pub(super) fn offer(
        &mut self,
        hash: u64,
        row: R,
        has_same_key: impl Fn(R) -> bool,
        is_before: impl FnOnce(R) -> bool,
    ) {
        let Self { index, rows } = self;
        let found = index.find(hash, |&index| has_same_key(rows[index as usize].row));
        match found {
            Some(&index) => {
                let kept = &mut rows[index as usize].row;
                if is_before(*kept) {
                    *kept = row;
                }
            }
            None => self.insert(hash, row),
        }
    }

    /// Returns the indexes of the rows, in the order in which their keys occurred first, by the hashes of the keys.
    pub(super) fn into_index(self) -> HashTable<u32> {
        self.index
    }
}

impl FirstRows<u32> {
    /// Returns the first row of each key among numbered rows. `is_before` returns true if the first of two rows comes
    /// before the second.
    #[inline]
    pub(super) fn pick(
        num_rows: u32,
        key_hash: impl Fn(u32) -> u64,
        has_same_key: impl Fn(u32, u32) -> bool,
        is_before: impl Fn(u32, u32) -> bool,
    ) -> Self {
        let mut first = Self::default();
        for row in 0..num_rows {
            first.offer(
                key_hash(row),
                row,
                |other| has_same_key(row, other),
                |other| is_before(row, other),
            );
        }
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_row_of_each_key_is_kept() {
        // The key of a row is its tens, and its order the ones.
        let mut first = FirstRows::default();
        for row in [25, 13, 21, 19, 11, 28] {
            // All keys have the same hash.
            first.offer(7, row, |other| other / 10 == row / 10, |other| row < other);
        }
        assert_eq!(first.rows().collect::<Vec<u32>>(), [21, 11]);
    }

    #[test]
    fn the_other_row_is_returned() {
        let mut first = None;
        let mut keep = |row: u32| keep_first(&mut first, row, |kept| row < kept);
        assert_eq!(
            [keep(2), keep(3), keep(1), keep(1)],
            [None, Some(3), Some(2), Some(1)]
        );
    }
}
