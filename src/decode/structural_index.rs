//! Indexes the structural characters of JSON text: those at which a string can end or needs a closer look.
//!
//! A structural character is a quote that is not escaped, a backslash that begins an escape, or a control
//! character (below U+0020). The index is built 64 bytes at a time, without a branch on the text and ahead
//! of the [scanner](super::scanner), which then jumps from one structural character to the next instead of
//! searching. Whether a quote is escaped depends only on the backslashes directly before it, not on
//! whether it is in a string. So the index is the same wherever the scanner begins.

#[cfg(target_arch = "x86_64")]
mod x86;

use wide::u8x16;

use super::padded_bytes::block_at;

/// The number of bytes that are indexed at a time: few enough to stay in the L1 cache until the scanner
/// reads them.
const WINDOW_BYTES: usize = 8 * 1024;

const BLOCK_BYTES: usize = 64;

/// The structural characters of the last window of a text. The scanner has passed all earlier ones by the
/// time it needs a new window.
#[derive(Debug)]
pub(super) struct StructuralIndex {
    /// The positions of the structural characters. Entries from `len` on are scratch space.
    positions: Vec<u32>,
    len: usize,
    /// The ordinal of the first entry of `positions`, counted from the start of the text.
    first_ordinal: usize,
    /// The starts of the blocks that contain a byte that is not ASCII.
    non_ascii_blocks: Vec<u32>,
    /// The number of entries of `non_ascii_blocks` that the scanner has passed.
    non_ascii_passed: usize,
    /// The start of the last window.
    window_start: usize,
    /// The end of the indexed part of the text.
    indexed_to: usize,
    /// Whether the last indexed byte is a backslash that escapes the next byte.
    next_is_escaped: bool,
}

impl StructuralIndex {
    /// Returns the empty index of a text.
    pub(super) fn new() -> Self {
        Self {
            // One entry for each byte, and the scratch space that a block can write.
            positions: vec![0; WINDOW_BYTES + BLOCK_BYTES],
            len: 0,
            first_ordinal: 0,
            non_ascii_blocks: Vec::new(),
            non_ascii_passed: 0,
            window_start: 0,
            indexed_to: 0,
            next_is_escaped: false,
        }
    }

    /// Prepares for the record at `start` and returns the ordinal of the first structural character at or
    /// after `start`. The search begins at `ordinal`; earlier entries are not needed any more.
    #[inline(always)]
    pub(super) fn seek(&mut self, ordinal: usize, start: usize) -> usize {
        let mut ordinal = ordinal.max(self.first_ordinal);
        if start < self.window_start {
            // A record that failed was indexed far ahead, and the next record begins inside it.
            self.clear();
            ordinal = 0;
        }
        while let Some(position) = self.get(ordinal) {
            if position >= start {
                return ordinal;
            }
            ordinal += 1;
        }
        if start > self.indexed_to {
            self.indexed_to = start;
            self.next_is_escaped = false;
        }
        ordinal
    }

    /// Clears the index for another text.
    pub(super) fn clear(&mut self) {
        self.non_ascii_blocks.clear();
        (self.len, self.first_ordinal, self.non_ascii_passed) = (0, 0, 0);
        (self.window_start, self.indexed_to, self.next_is_escaped) = (0, 0, false);
    }

    /// Returns the position of structural character `ordinal`; `None` if it is not indexed yet.
    #[inline(always)]
    pub(super) fn get(&self, ordinal: usize) -> Option<usize> {
        let positions = self.positions.get(..self.len).unwrap_or_default();
        let position = positions.get(ordinal.wrapping_sub(self.first_ordinal))?;
        Some(*position as usize)
    }

    /// Indexes the text until structural character `ordinal`, the next one, and returns its position.
    /// After the last structural character this is always the end of the text.
    #[cold]
    pub(super) fn index_until(&mut self, bytes: &[u8], ordinal: usize) -> usize {
        loop {
            if let Some(position) = self.get(ordinal) {
                return position;
            }
            if self.indexed_to >= bytes.len() {
                return bytes.len();
            }
            self.index_next_window(bytes);
        }
    }

    /// Returns true if all bytes in `start..end` are ASCII. It indexes the text up to `end`, so that every
    /// structural character that was passed has its ordinal.
    #[inline(always)]
    pub(super) fn is_ascii(&mut self, bytes: &[u8], start: usize, end: usize) -> bool {
        while self.indexed_to < end {
            self.index_next_window(bytes);
        }
        while let Some(&block) = self.non_ascii_blocks.get(self.non_ascii_passed) {
            if block as usize + BLOCK_BYTES > start {
                return block as usize >= end;
            }
            self.non_ascii_passed += 1;
        }
        true
    }

    #[cold]
    fn index_next_window(&mut self, bytes: &[u8]) {
        #[cfg(target_arch = "x86_64")]
        if x86::try_index_window(self, bytes) {
            return;
        }
        self.index_window(bytes, classify_block, flatten_bits);
    }

    /// Indexes one window. `classify_block` returns the masks of a block; `flatten_bits` writes the
    /// positions of the set bits, with a base added, and returns their number.
    #[inline(always)]
    fn index_window(
        &mut self,
        bytes: &[u8],
        classify_block: impl Fn(&[u8; BLOCK_BYTES]) -> BlockMasks,
        flatten_bits: impl Fn(u64, u32, &mut [u32; BLOCK_BYTES]) -> usize,
    ) {
        let blocks = WINDOW_BYTES
            .min(bytes.len() - self.indexed_to)
            .div_ceil(BLOCK_BYTES);
        self.first_ordinal += self.len;
        self.window_start = self.indexed_to;
        let (mut len, mut indexed_to, mut next_is_escaped) =
            (0, self.indexed_to, u64::from(self.next_is_escaped));
        for _ in 0..blocks {
            let masks = classify_block(&block_at(bytes, indexed_to));
            let (escaping, escaped) = find_escaped(masks.backslash, &mut next_is_escaped);
            let structurals = (masks.quote & !escaped) | escaping | masks.control;
            if masks.non_ascii != 0 {
                self.non_ascii_blocks.push(indexed_to as u32);
            }
            let out = self
                .positions
                .get_mut(len..)
                .and_then(<[u32]>::first_chunk_mut);
            if let Some(out) = out {
                len += flatten_bits(structurals, indexed_to as u32, out);
            }
            indexed_to += BLOCK_BYTES;
        }
        (self.len, self.indexed_to, self.next_is_escaped) =
            (len, indexed_to.min(bytes.len()), next_is_escaped == 1);
    }
}

/// Bit masks of the classes of the bytes of a block.
struct BlockMasks {
    quote: u64,
    backslash: u64,
    control: u64,
    non_ascii: u64,
}

#[inline(always)]
fn classify_block(bytes: &[u8; BLOCK_BYTES]) -> BlockMasks {
    let mut masks = BlockMasks {
        quote: 0,
        backslash: 0,
        control: 0,
        non_ascii: 0,
    };
    for i in 0..4 {
        let v = u8x16::new(block_at(bytes, i * 16));
        let bits = |v: u8x16| u64::from(v.to_bitmask()) << (i * 16);
        masks.quote |= bits(v.simd_eq(u8x16::splat(b'"')));
        masks.backslash |= bits(v.simd_eq(u8x16::splat(b'\\')));
        masks.control |= bits(v.simd_lt(u8x16::splat(0x20)));
        masks.non_ascii |= bits(v);
    }
    masks
}

/// Returns masks of the backslashes that begin an escape and of the bytes that they escape. `carry` is 1
/// if the first byte of the block is escaped; it is set for the next block.
///
/// Every other backslash of a run begins an escape. One subtraction, whose borrows propagate through each
/// run, marks all of them at once (after Langdale and Lemire, "Parsing gigabytes of JSON per second", 2019).
#[inline(always)]
fn find_escaped(backslash: u64, carry: &mut u64) -> (u64, u64) {
    const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
    // A backslash that is itself escaped escapes nothing.
    let potential_escape = backslash & !*carry;
    let follows_escape = potential_escape << 1;
    let alternating = (follows_escape | ODD).wrapping_sub(potential_escape) ^ ODD;
    let escaped = alternating ^ (backslash | *carry);
    let escaping = alternating & backslash;
    *carry = escaping >> 63;
    (escaping, escaped)
}

#[inline(always)]
fn flatten_bits(mut bits: u64, base: u32, out: &mut [u32; BLOCK_BYTES]) -> usize {
    let count = bits.count_ones() as usize;
    // Most blocks have at most eight set bits. Entries past the last one are scratch space.
    for eight in out.chunks_exact_mut(8).take(count.div_ceil(8).max(1)) {
        for position in eight {
            *position = base + bits.trailing_zeros();
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

    /// Finds the structural characters by their definition, byte by byte.
    fn naive_index(text: &[u8]) -> Vec<usize> {
        let mut escaped = false;
        let mut positions = Vec::new();
        for (at, &b) in text.iter().enumerate() {
            let escapes = b == b'\\' && !escaped;
            if escapes || b < 0x20 || (b == b'"' && !escaped) {
                positions.push(at);
            }
            escaped = escapes;
        }
        positions
    }

    type IndexWindowFn = fn(&mut StructuralIndex, &[u8]) -> bool;

    fn index_portable(index: &mut StructuralIndex, bytes: &[u8]) -> bool {
        index.index_window(bytes, classify_block, flatten_bits);
        true
    }

    /// Returns every implementation. Those that this processor does not support do nothing.
    fn implementations() -> Vec<IndexWindowFn> {
        let mut implementations: Vec<IndexWindowFn> = vec![index_portable];
        #[cfg(target_arch = "x86_64")]
        implementations.extend([x86::try_avx512 as IndexWindowFn, x86::try_avx2]);
        implementations
    }

    /// Returns the positions of all structural characters, and whether all bytes are ASCII.
    fn index_all(index_window: IndexWindowFn, text: &[u8]) -> Option<(Vec<usize>, bool)> {
        let mut index = StructuralIndex::new();
        let mut positions = Vec::new();
        while index.indexed_to < text.len() {
            if !index_window(&mut index, text) {
                return None;
            }
            positions.extend((positions.len()..).map_while(|ordinal| index.get(ordinal)));
        }
        // The zeros after the text are control characters.
        positions.retain(|&at| at < text.len());
        Some((positions, index.is_ascii(text, 0, text.len())))
    }

    fn check_against_naive(text: &[u8]) {
        for index_window in implementations() {
            if let Some(found) = index_all(index_window, text) {
                assert_eq!(found, (naive_index(text), text.is_ascii()));
            }
        }
    }

    #[test]
    fn runs_of_backslashes_across_blocks() {
        for before in 56..72 {
            // Miri is slow.
            for run in (0..140).step_by(if cfg!(miri) { 29 } else { 1 }) {
                let text = [&vec![b'x'; before][..], &vec![b'\\'; run], b"\"\\\"\n"].concat();
                check_against_naive(&text);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        #[test]
        fn all_implementations_match_naive(
            text in vec(prop_oneof![Just(b'"'), Just(b'\\'), Just(b'a'), 0u8..0x20, any::<u8>()], 0..400),
            copies in 1usize..60,
        ) {
            check_against_naive(&text.repeat(copies));
        }
    }
}
