//! Keeps the first row of each key.

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
#[derive(Debug)]
pub(super) struct FirstRows<R> {
    /// The indexes of the rows, by the hashes of their keys.
    index: HashTable<u32>,
    /// The rows, in the order in which their keys occurred first.
    rows: Vec<R>,
}

impl<R: Copy> FirstRows<R> {
    /// Returns the first row of each key among `rows`. `is_before` returns true if the first of two rows comes before the
    /// second.
    #[inline]
    pub(super) fn pick(
        rows: impl Iterator<Item = R>,
        key_hash: impl Fn(R) -> u64,
        has_same_key: impl Fn(R, R) -> bool,
        is_before: impl Fn(R, R) -> bool,
    ) -> Self {
        // Keys repeat a few times.
        let expected_keys = rows.size_hint().0 / 4;
        let mut first: Vec<R> = Vec::with_capacity(expected_keys);
        let mut index: HashTable<u32> = HashTable::with_capacity(expected_keys);
        for row in rows {
            let hash = key_hash(row);
            match index.find(hash, |&other| has_same_key(row, first[other as usize])) {
                Some(&other) => {
                    let other = &mut first[other as usize];
                    if is_before(row, *other) {
                        *other = row;
                    }
                }
                None => {
                    let rehash = |&other: &u32| key_hash(first[other as usize]);
                    index.insert_unique(hash, first.len() as u32, rehash);
                    first.push(row);
                }
            }
        }
        Self { index, rows: first }
    }

    /// Returns the rows, in the order in which their keys occurred first.
    pub(super) fn rows(&self) -> &[R] {
        &self.rows
    }

    /// Returns the indexes of the rows, by the hashes of their keys, and the rows.
    pub(super) fn into_parts(self) -> (HashTable<u32>, Vec<R>) {
        (self.index, self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_row_of_each_key_is_kept() {
        // The key of a row is its tens, and its order the ones.
        // All keys have the same hash.
        let first = FirstRows::pick(
            [25, 13, 21, 19, 11, 28].into_iter(),
            |_| 7,
            |a, b| a / 10 == b / 10,
            |a, b| a < b,
        );
        assert_eq!(first.rows(), [21, 11]);
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
