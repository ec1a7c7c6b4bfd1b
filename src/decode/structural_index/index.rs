//! Finds structural characters by their ordinal, in the window of the text that is indexed.

use super::block::{BLOCK_BYTES, classify_block, flatten_bits};
use super::window::IndexedWindow;
#[cfg(target_arch = "x86_64")]
use super::x86;

/// The structural characters of the last window of a text. The scanner has passed all earlier ones by the
/// time it needs a new window.
#[derive(Debug)]
pub(in crate::decode) struct StructuralIndex {
    window: IndexedWindow,
    /// The ordinal of the first position of the window, counted from the start of the text.
    first_ordinal: usize,
    /// The number of entries of `window.non_ascii_blocks` that the scanner has passed.
    non_ascii_passed: usize,
}

impl StructuralIndex {
    /// Returns the empty index of a text.
    pub(in crate::decode) fn new() -> Self {
        Self {
            window: IndexedWindow::new(),
            first_ordinal: 0,
            non_ascii_passed: 0,
        }
    }

    /// Prepares for the record at `start` and returns the ordinal of the first structural character at or
    /// after `start`. The search begins at `ordinal`; earlier entries are not needed any more.
    #[inline(always)]
    pub(in crate::decode) fn seek(&mut self, ordinal: usize, start: usize) -> usize {
        let mut ordinal = ordinal.max(self.first_ordinal);
        if start < self.window.start {
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
        if start > self.window.end {
            self.window.skip_to(start);
        }
        ordinal
    }

    /// Clears the index for another text.
    pub(in crate::decode) fn clear(&mut self) {
        self.window.clear();
        (self.first_ordinal, self.non_ascii_passed) = (0, 0);
    }

    /// Returns the position of structural character `ordinal`; `None` if it is not indexed yet.
    #[inline(always)]
    pub(in crate::decode) fn get(&self, ordinal: usize) -> Option<usize> {
        let in_window = ordinal.wrapping_sub(self.first_ordinal);
        let position = self.window.positions().get(in_window)?;
        Some(*position as usize)
    }

    /// Indexes the text until structural character `ordinal`, the next one, and returns its position.
    /// After the last structural character this is always the end of the text.
    #[cold]
    pub(in crate::decode) fn index_until(&mut self, bytes: &[u8], ordinal: usize) -> usize {
        loop {
            if let Some(position) = self.get(ordinal) {
                return position;
            }
            if self.window.end >= bytes.len() {
                return bytes.len();
            }
            self.index_next_window(bytes);
        }
    }

    /// Returns true if all bytes in `start..end` are ASCII. It indexes the text up to `end`, so that every
    /// structural character that was passed has its ordinal.
    #[inline(always)]
    pub(in crate::decode) fn is_ascii(&mut self, bytes: &[u8], start: usize, end: usize) -> bool {
        while self.window.end < end {
            self.index_next_window(bytes);
        }
        while let Some(&block) = self.window.non_ascii_blocks.get(self.non_ascii_passed) {
            if block as usize + BLOCK_BYTES > start {
                return block as usize >= end;
            }
            self.non_ascii_passed += 1;
        }
        true
    }

    #[cold]
    fn index_next_window(&mut self, bytes: &[u8]) {
        self.first_ordinal += self.window.positions().len();
        #[cfg(target_arch = "x86_64")]
        if x86::try_index_next(&mut self.window, bytes) {
            return;
        }
        self.window.index_next(bytes, classify_block, flatten_bits);
    }
}

/// Returns the name of the instruction set that texts are indexed with on this processor.
pub(crate) fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    return x86::instruction_set();
    #[cfg(target_arch = "aarch64")]
    return "NEON";
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return "portable";
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

    type IndexNextFn = fn(&mut IndexedWindow, &[u8]) -> bool;

    fn index_portable(window: &mut IndexedWindow, bytes: &[u8]) -> bool {
        window.index_next(bytes, classify_block, flatten_bits);
        true
    }

    /// Returns every implementation. Those that this processor does not support do nothing.
    fn implementations() -> Vec<IndexNextFn> {
        let mut implementations: Vec<IndexNextFn> = vec![index_portable];
        #[cfg(target_arch = "x86_64")]
        implementations.extend([x86::try_avx512 as IndexNextFn, x86::try_avx2]);
        implementations
    }

    /// Returns the positions of all structural characters, and whether all bytes are ASCII.
    fn index_all(index_next: IndexNextFn, text: &[u8]) -> Option<(Vec<usize>, bool)> {
        let mut index = StructuralIndex::new();
        let mut positions = Vec::new();
        while index.window.end < text.len() {
            index.first_ordinal += index.window.positions().len();
            if !index_next(&mut index.window, text) {
                return None;
            }
            positions.extend((positions.len()..).map_while(|ordinal| index.get(ordinal)));
        }
        // The zeros after the text are control characters.
        positions.retain(|&at| at < text.len());
        Some((positions, index.is_ascii(text, 0, text.len())))
    }

    fn check_against_naive(text: &[u8]) {
        for index_next in implementations() {
            if let Some(found) = index_all(index_next, text) {
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
