//! Stops: the places in JSON text where a string can end or needs a closer look.
//!
//! A stop is a quote that no backslash escapes, a backslash that begins an escape, or a control
//! character (below U+0020). They are found 64 bytes at a time without a branch on the text and
//! written down in order, ahead of the [scanner](super::record), which then hops from one to the next
//! instead of searching. Whether a quote is escaped depends on the backslashes right before it alone,
//! not on being in a string, so the stops are the same wherever the scanner begins.

#[cfg(target_arch = "x86_64")]
mod x86;

use wide::u8x16;

use super::bytes::block;

/// Bytes that are looked through at a time: few enough to stay in the first-level cache until the
/// scanner comes by.
const WINDOW: usize = 8 * 1024;

const BLOCK: usize = 64;

/// The stops of a text: those of the last window, for all before it are passed when there is a new one.
#[derive(Debug)]
pub struct StructuralIndex {
    /// Where the stops are. What stands at and behind `len` is scratch.
    places: Vec<u32>,
    len: usize,
    /// The number of the first stop in `places`.
    first: usize,
    /// Starts of blocks that hold a byte that is not ASCII.
    high: Vec<u32>,
    /// Entries of `high` that are passed.
    high_passed: usize,
    /// Where the last window begins.
    window: usize,
    /// How far the text was looked through.
    reach: usize,
    /// Whether the last byte looked at is a backslash that escapes the next.
    escapes: bool,
}

impl StructuralIndex {
    /// Of a text that was not looked at yet.
    pub fn new() -> Self {
        Self {
            // A stop a byte, and as much scratch as a block can write.
            places: vec![0; WINDOW + BLOCK],
            len: 0,
            first: 0,
            high: Vec::new(),
            high_passed: 0,
            window: 0,
            reach: 0,
            escapes: false,
        }
    }

    /// Makes ready for the record at `start`, in front of which no stop from `number` on is needed any
    /// more; gives the number of the first one at or after `start`.
    #[inline(always)]
    pub fn begin(&mut self, number: usize, start: usize) -> usize {
        let mut number = number.max(self.first);
        if start < self.window {
            // A record that failed was looked through far ahead, and the next one begins inside it.
            self.clear();
            number = 0;
        }
        while let Some(stop) = self.get(number) {
            if stop >= start {
                return number;
            }
            number += 1;
        }
        if start > self.reach {
            self.reach = start;
            self.escapes = false;
        }
        number
    }

    /// Forgets everything: another text follows.
    pub fn clear(&mut self) {
        self.high.clear();
        (self.len, self.first, self.high_passed) = (0, 0, 0);
        (self.window, self.reach, self.escapes) = (0, 0, false);
    }

    /// The place of stop `number`, if the text was looked through so far.
    #[inline(always)]
    pub fn get(&self, number: usize) -> Option<usize> {
        let places = self.places.get(..self.len).unwrap_or_default();
        let place = places.get(number.wrapping_sub(self.first))?;
        Some(*place as usize)
    }

    /// Looks on until stop `number`, the next one, is known, and gives its place. The end of the text
    /// is the last stop, again and again.
    #[cold]
    pub fn find(&mut self, bytes: &[u8], number: usize) -> usize {
        loop {
            if let Some(place) = self.get(number) {
                return place;
            }
            if self.reach >= bytes.len() {
                return bytes.len();
            }
            self.window(bytes);
        }
    }

    /// Whether all bytes from `start` on and before `end` are ASCII. The text is looked through up to
    /// there then, so that every stop that was passed has its number.
    #[inline(always)]
    pub fn is_ascii(&mut self, bytes: &[u8], start: usize, end: usize) -> bool {
        while self.reach < end {
            self.window(bytes);
        }
        while let Some(&block) = self.high.get(self.high_passed) {
            if block as usize + BLOCK > start {
                return block as usize >= end;
            }
            self.high_passed += 1;
        }
        true
    }

    #[cold]
    fn window(&mut self, bytes: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if x86::window(self, bytes) {
            return;
        }
        self.window_by(bytes, masks, list);
    }

    /// Looks through one window. `masks` tells what the bytes of a block are, `list` writes the places
    /// of the set bits, with a base added, and gives their number.
    #[inline(always)]
    fn window_by(
        &mut self,
        bytes: &[u8],
        masks: impl Fn(&[u8; BLOCK]) -> BlockMasks,
        list: impl Fn(u64, u32, &mut [u32; BLOCK]) -> usize,
    ) {
        let blocks = WINDOW.min(bytes.len() - self.reach).div_ceil(BLOCK);
        self.first += self.len;
        self.window = self.reach;
        let (mut len, mut reach, mut escapes) = (0, self.reach, u64::from(self.escapes));
        for _ in 0..blocks {
            let masks = masks(&block(bytes, reach));
            let (escaping, escaped) = escapes_of(masks.backslash, &mut escapes);
            let stops = (masks.quote & !escaped) | escaping | masks.control;
            if masks.high != 0 {
                self.high.push(reach as u32);
            }
            let out = self
                .places
                .get_mut(len..)
                .and_then(<[u32]>::first_chunk_mut);
            if let Some(out) = out {
                len += list(stops, reach as u32, out);
            }
            reach += BLOCK;
        }
        (self.len, self.reach, self.escapes) = (len, reach.min(bytes.len()), escapes == 1);
    }
}

/// Which bytes of a block are what, a bit a byte.
struct BlockMasks {
    quote: u64,
    backslash: u64,
    control: u64,
    high: u64,
}

#[inline(always)]
fn masks(bytes: &[u8; BLOCK]) -> BlockMasks {
    let mut masks = BlockMasks {
        quote: 0,
        backslash: 0,
        control: 0,
        high: 0,
    };
    for i in 0..4 {
        let v = u8x16::new(block(bytes, i * 16));
        let bits = |v: u8x16| u64::from(v.to_bitmask()) << (i * 16);
        masks.quote |= bits(v.simd_eq(u8x16::splat(b'"')));
        masks.backslash |= bits(v.simd_eq(u8x16::splat(b'\\')));
        masks.control |= bits(v.simd_lt(u8x16::splat(0x20)));
        masks.high |= bits(v);
    }
    masks
}

/// The backslashes that begin an escape, and the bytes that they escape. `carry` is 1 if the block
/// begins with an escaped byte, and becomes that of the next.
///
/// In a run of backslashes every other one escapes. Adding a carry at the even places of each run's
/// begin marks them all at once (Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
#[inline(always)]
fn escapes_of(backslash: u64, carry: &mut u64) -> (u64, u64) {
    const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    // A backslash that is itself escaped escapes nothing.
    let free = backslash & !*carry;
    let behind = free << 1;
    let alternating = (behind | ODD).wrapping_sub(free) ^ ODD;
    let escaped = alternating ^ (backslash | *carry);
    let escaping = alternating & backslash;
    *carry = escaping >> 63;
    (escaping, escaped)
}

#[inline(always)]
fn list(mut bits: u64, base: u32, out: &mut [u32; BLOCK]) -> usize {
    let count = bits.count_ones() as usize;
    // Most blocks hold at most eight: what is written past the last is scratch.
    for eight in out.chunks_exact_mut(8).take(count.div_ceil(8).max(1)) {
        for place in eight {
            *place = base + bits.trailing_zeros();
            bits &= bits.wrapping_sub(1);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// The definition, byte by byte.
    fn naive(text: &[u8]) -> Vec<usize> {
        let mut escaped = false;
        let mut stops = Vec::new();
        for (at, &b) in text.iter().enumerate() {
            let escapes = b == b'\\' && !escaped;
            if escapes || b < 0x20 || (b == b'"' && !escaped) {
                stops.push(at);
            }
            escaped = escapes;
        }
        stops
    }

    type IndexWindowFn = fn(&mut StructuralIndex, &[u8]) -> bool;

    fn portable(stops: &mut StructuralIndex, bytes: &[u8]) -> bool {
        stops.window_by(bytes, masks, list);
        true
    }

    /// Every way to look through a window that this processor has; those that it has not do nothing.
    fn ways() -> Vec<IndexWindowFn> {
        let mut ways: Vec<IndexWindowFn> = vec![portable];
        #[cfg(target_arch = "x86_64")]
        ways.extend([x86::avx512 as IndexWindowFn, x86::avx2]);
        ways
    }

    /// All stops, and whether there are only ASCII bytes.
    fn all(way: IndexWindowFn, text: &[u8]) -> Option<(Vec<usize>, bool)> {
        let mut stops = StructuralIndex::new();
        let mut found = Vec::new();
        while stops.reach < text.len() {
            if !way(&mut stops, text) {
                return None;
            }
            found.extend((found.len()..).map_while(|number| stops.get(number)));
        }
        // Behind the text stand zeros, which are stops.
        found.retain(|&at| at < text.len());
        Some((found, stops.is_ascii(text, 0, text.len())))
    }

    fn check(text: &[u8]) {
        for way in ways() {
            if let Some(found) = all(way, text) {
                assert_eq!(found, (naive(text), text.is_ascii()));
            }
        }
    }

    #[test]
    fn runs_of_backslashes_across_blocks() {
        for before in 56..72 {
            // Miri takes its time.
            for run in (0..140).step_by(if cfg!(miri) { 29 } else { 1 }) {
                let text = [&vec![b'x'; before][..], &vec![b'\\'; run], b"\"\\\"\n"].concat();
                check(&text);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        #[test]
        fn every_way_finds_what_the_definition_says(
            text in vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'a'), 0u8..0x20, any::<u8>()], 0..400),
            copies in 1usize..60,
        ) {
            check(&text.repeat(copies));
        }
    }
}
