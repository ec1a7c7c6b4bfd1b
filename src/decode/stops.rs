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

use super::scan::block;

/// Bytes that are looked through at a time: few enough to stay in the first-level cache until the
/// scanner comes by.
const WINDOW: usize = 8 * 1024;

/// Stops that are passed before their room is used again.
const PASSED: usize = 4 * 1024;

const BLOCK: usize = 64;

/// The stops of a text, as far as it was looked through.
#[derive(Debug, Default)]
pub struct Stops {
    /// Where the stops are. What stands at and behind `len` is scratch.
    places: Vec<u32>,
    len: usize,
    /// Starts of blocks that hold a byte that is not ASCII.
    high: Vec<u32>,
    /// Entries of `high` that are passed.
    high_passed: usize,
    /// How far the text was looked through.
    reach: usize,
    /// Whether the last byte looked at is a backslash that escapes the next.
    escapes: bool,
}

impl Stops {
    /// Makes ready for the record at `start` of a text of which the stops from `cursor` on are not
    /// passed yet; gives the number of the first stop at or after `start`.
    #[inline(always)]
    pub fn begin(&mut self, cursor: usize, start: usize) -> usize {
        let mut cursor = cursor;
        if cursor >= PASSED {
            self.places.copy_within(cursor..self.len, 0);
            self.len -= cursor;
            cursor = 0;
        }
        while let Some(stop) = self.get(cursor) {
            if stop >= start {
                return cursor;
            }
            cursor += 1;
        }
        if start > self.reach {
            self.reach = start;
            self.escapes = false;
        }
        cursor
    }

    /// Forgets everything: another text follows.
    pub fn clear(&mut self) {
        self.len = 0;
        self.high.clear();
        (self.high_passed, self.reach, self.escapes) = (0, 0, false);
    }

    /// The place of stop `number`, if the text was looked through so far.
    #[inline(always)]
    pub fn get(&self, number: usize) -> Option<usize> {
        let places = self.places.get(..self.len).unwrap_or_default();
        places.get(number).map(|&place| place as usize)
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
        masks: impl Fn(&[u8; BLOCK]) -> Masks,
        list: impl Fn(u64, u32, &mut [u32; BLOCK]) -> usize,
    ) {
        let blocks = WINDOW.min(bytes.len() - self.reach).div_ceil(BLOCK);
        let room = self.len + (blocks + 1) * BLOCK;
        if self.places.len() < room {
            self.places.resize(room, 0);
        }
        let (mut len, mut reach, mut escapes) = (self.len, self.reach, u64::from(self.escapes));
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
struct Masks {
    quote: u64,
    backslash: u64,
    control: u64,
    high: u64,
}

#[inline(always)]
fn masks(bytes: &[u8; BLOCK]) -> Masks {
    let mut masks = Masks {
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
