//! Numbers that look random and are the same on every machine: SplitMix64, integers only.

/// A stream of pseudo-random integers. Cheap enough to make one per user or song and throw it away.
pub(super) struct Rng(u64);

impl Rng {
    /// The stream of one thing: the `nth` of its `kind` (any tag) under the run's seed.
    pub(super) fn new(seed: u64, stream: u64, nth: u64) -> Self {
        let mut stream_rng = Self(seed ^ stream.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Self(stream_rng.next_u64() ^ nth.wrapping_mul(0xA076_1D64_78BD_642F))
    }

    pub(super) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly below `bound`; 0 when `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 64 x 64 product is below `bound`, so it fits u64.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True `percent` times of a hundred.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// A rank below `bound` (0 when `bound` is 0), where rank `r` comes about as often as `1 / (r +
    /// 1)`: Zipf's law in steps. Every octave of ranks (1, 2-3, 4-7, …) is equally likely, and even
    /// within: no logarithm is taken.
    pub(super) fn zipf(&mut self, bound: u64) -> u64 {
        let octaves = u64::from(64 - bound.leading_zeros());
        if octaves == 0 {
            return 0;
        }
        loop {
            let octave = 1_u64 << self.below(octaves);
            let rank = octave - 1 + self.below(octave);
            if rank < bound {
                return rank;
            }
        }
    }

    /// One of `words`; the empty string when there is none.
    pub(super) fn choose<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let nth = self.below(words.len() as u64);
        words.get(nth as usize).copied().unwrap_or_default()
    }
}
