//! A set that answers quickly that a value is not in it.

/// The minimum number of bits for each value.
const BITS_PER_VALUE: usize = 16;

/// A Bloom filter with one hash function: each value sets one bit, which few values share. A lookup takes about
/// a nanosecond. The caller hashes the values; the first bits of the hashes must be evenly distributed.
#[derive(Debug)]
pub(crate) struct BloomFilter {
    words: Vec<u64>,
    /// How far a 64-bit hash is shifted right to get the index of a bit.
    shift: u32,
}

impl BloomFilter {
    /// Returns an empty filter for a number of values.
    pub(crate) fn new(values: usize) -> Self {
        let bits = (values * BITS_PER_VALUE)
            .next_power_of_two()
            .max(u64::BITS as usize);
        Self {
            words: vec![0; bits / u64::BITS as usize],
            shift: u64::BITS - bits.ilog2(),
        }
    }

    #[inline(always)]
    fn bit_position(&self, hash: u64) -> (usize, u64) {
        let bit = hash >> self.shift;
        ((bit / 64) as usize, 1 << (bit % 64))
    }

    /// Sets the bit of a hash. Returns true if it was set before.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u64) -> bool {
        let (word, bit) = self.bit_position(hash);
        let word = &mut self.words[word];
        let was_set = *word & bit != 0;
        *word |= bit;
        was_set
    }

    /// Returns false if a hash was not inserted, and true if it probably was.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let (word, bit) = self.bit_position(hash);
        self.words[word] & bit != 0
    }

    /// Removes all values.
    pub(crate) fn clear(&mut self) {
        self.words.fill(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inserted_hashes_are_found_in_filters_of_any_size() {
        for values in [0, 1, 4, 5, 1000] {
            let mut filter = BloomFilter::new(values);
            let hashes = [0, 1, u64::MAX / 3, u64::MAX];
            assert!(!hashes.iter().any(|&hash| filter.may_contain(hash)));
            for hash in hashes {
                filter.insert(hash);
                assert!(filter.may_contain(hash));
                assert!(filter.insert(hash));
            }
            filter.clear();
            assert!(!hashes.iter().any(|&hash| filter.may_contain(hash)));
        }
    }
}
