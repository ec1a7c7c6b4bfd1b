//! Generates pseudo-random numbers that are the same on every machine: SplitMix64, with integers only.

/// A stream of pseudo-random integers. It is cheap enough to create one for each user or song.
pub(super) struct Rng(u64);

impl Rng {
    /// Creates the generator for item `nth` of a stream. `stream` is any tag that distinguishes the streams of a seed.
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

    /// Returns a uniform number below `bound`, or 0 if `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // The high half of a 64 x 64 bit product is below `bound`, so it fits into u64.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Returns true with a probability of `percent`.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns a rank below `bound` (0 if `bound` is 0), where the frequency of rank `r` is about proportional to
    /// `1 / (r + 1)`: Zipf's law in steps. Every octave of ranks counted from 1 (1, 2-3, 4-7, …) is equally likely, and
    /// uniform within, which needs no logarithm.
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

    /// Returns one of `words`, of which there must be one at least.
    pub(super) fn choose<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let nth = self.below(words.len() as u64);
        words[nth as usize]
    }
}
