//! Reads bytes and blocks of bytes from a slice without bounds checks at every step.
//!
//! Positions past the end of a slice read as zero bytes, which are valid nowhere in JSON: every scan
//! stops there at the latest, so no scan compares its position with the end. A slice that ends in
//! [`PADDING`] zeros never takes the slow path for its last bytes.

use wide::u8x16;

/// The number of zero bytes that should follow the data, for speed.
pub const PADDING: usize = 64;

/// Returns the byte at `at`; zero past the end.
#[inline(always)]
pub(crate) fn byte_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// Returns true if a byte is JSON whitespace. Unlike in ASCII, a form feed is not.
#[inline(always)]
pub(crate) fn is_json_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Returns the `N` bytes from `at` on; zeros past the end.
#[inline(always)]
pub(crate) fn block_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk() {
        Some(block) => *block,
        None => partial_block(rest),
    }
}

#[cold]
fn partial_block<const N: usize>(rest: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    for (to, from) in block.iter_mut().zip(rest) {
        *to = *from;
    }
    block
}

/// Returns a bit mask of the bytes that are ASCII digits.
#[inline(always)]
pub(crate) fn digit_mask(block: [u8; 16]) -> u32 {
    (u8x16::new(block) - u8x16::splat(b'0'))
        .simd_lt(u8x16::splat(10))
        .to_bitmask()
}

/// Returns the end of the run of ASCII digits that begins at `at`.
pub(crate) fn skip_digits(bytes: &[u8], mut at: usize) -> usize {
    loop {
        let digits = digit_mask(block_at(bytes, at));
        if digits != 0xFFFF {
            return at + digits.trailing_ones() as usize;
        }
        at += 16;
    }
}

/// Returns the number of newlines in `bytes`.
pub(crate) fn count_newlines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Returns the first position in `range` of a `{` that directly follows a newline: probably the start
/// of a record. The newline itself may be before the range.
pub(crate) fn find_line_start(bytes: &[u8], range: std::ops::Range<usize>) -> Option<usize> {
    let mut at = range.start;
    while let Some(found) = memchr::memchr(b'{', bytes.get(at..range.end)?) {
        let brace = at + found;
        if brace > 0 && byte_at(bytes, brace - 1) == b'\n' {
            return Some(brace);
        }
        at = brace + 1;
    }
    None
}
