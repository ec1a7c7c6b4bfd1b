//! Indexes a text window by window, so that what the scanner needs next is still in the L1 cache.

use super::block::{BLOCK_BYTES, BlockMasks, find_escaped};
use crate::decode::padded_bytes::block_at;

/// The number of bytes that are indexed at a time: few enough to stay in the L1 cache until the scanner
/// reads them.
const WINDOW_BYTES: usize = 8 * 1024;

/// The structural characters of the last window of a text.
#[derive(Debug)]
pub(super) struct IndexedWindow {
    /// The positions of the structural characters. Entries from `len` on are scratch space.
    positions: Vec<u32>,
    len: usize,
    /// The starts of the blocks of this window and of earlier ones that contain a byte that is not ASCII.
    pub non_ascii_blocks: Vec<u32>,
    /// The start of the window.
    pub start: usize,
    /// The end of the window, and of the indexed part of the text.
    pub end: usize,
    /// Whether the last indexed byte is a backslash that escapes the next byte.
    next_is_escaped: bool,
}

impl IndexedWindow {
    /// Returns the empty window at the start of a text.
    pub(super) fn new() -> Self {
        Self {
            // One entry for each byte, and the scratch space that a block can write.
            positions: vec![0; WINDOW_BYTES + BLOCK_BYTES],
            len: 0,
            non_ascii_blocks: Vec::new(),
            start: 0,
            end: 0,
            next_is_escaped: false,
        }
    }

    /// Moves to the start of another text.
    pub(super) fn clear(&mut self) {
        self.non_ascii_blocks.clear();
        (self.len, self.start, self.end) = (0, 0, 0);
        self.next_is_escaped = false;
    }

    /// Begins the next window at `start`, after the end of this one. The byte at `start` is not escaped.
    pub(super) fn skip_to(&mut self, start: usize) {
        self.end = start;
        self.next_is_escaped = false;
    }

    /// Returns the positions of the structural characters, in rising order.
    #[inline(always)]
    pub(super) fn positions(&self) -> &[u32] {
        &self.positions[..self.len]
    }

    /// Indexes the next window. `classify_block` returns the masks of a block; `flatten_bits` writes the
    /// positions of the set bits, with a base added, and returns their number.
    #[inline(always)]
    pub(super) fn index_next(
        &mut self,
        bytes: &[u8],
        classify_block: impl Fn(&[u8; BLOCK_BYTES]) -> BlockMasks,
        flatten_bits: impl Fn(u64, u32, &mut [u32; BLOCK_BYTES]) -> usize,
    ) {
        let blocks = WINDOW_BYTES
            .min(bytes.len() - self.end)
            .div_ceil(BLOCK_BYTES);
        self.start = self.end;
        let (mut len, mut end, mut next_is_escaped) =
            (0, self.end, u64::from(self.next_is_escaped));
        for _ in 0..blocks {
            let masks = classify_block(&block_at(bytes, end));
            let (escaping, escaped) = find_escaped(masks.backslash, &mut next_is_escaped);
            let structurals = (masks.quote & !escaped) | escaping | masks.control;
            if masks.non_ascii != 0 {
                self.non_ascii_blocks.push(end as u32);
            }
            #[expect(
                clippy::expect_used,
                reason = "a dropped position would move every later string"
            )]
            let out = self.positions[len..]
                .first_chunk_mut()
                .expect("the window has room for the positions of a block");
            len += flatten_bits(structurals, end as u32, out);
            end += BLOCK_BYTES;
        }
        (self.len, self.end, self.next_is_escaped) =
            (len, end.min(bytes.len()), next_is_escaped == 1);
    }
}
