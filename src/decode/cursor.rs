//! Tracks the progress of a scan.

use super::padded_bytes::byte_at;

/// The progress of a scan. Functions pass it by value: as a field of the scanner it would be loaded and
/// stored at every step, and each step would wait for the previous one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor {
    /// The position of the next byte.
    pub pos: usize,
    /// The ordinal of the next structural character.
    pub structural: usize,
    /// The bytes of whitespace other than spaces between tokens. It is one word wide, as [`ValueKind`](super::value_span::ValueKind) is.
    pub control_whitespace: usize,
}

/// Skips whitespace. Every control character is a structural character.
#[inline(always)]
pub(super) fn skip_whitespace(bytes: &[u8], mut cursor: Cursor) -> Cursor {
    loop {
        match byte_at(bytes, cursor.pos) {
            b' ' => {}
            b'\n' | b'\r' | b'\t' => {
                cursor.control_whitespace += 1;
                cursor.structural += 1;
            }
            _ => return cursor,
        }
        cursor.pos += 1;
    }
}
