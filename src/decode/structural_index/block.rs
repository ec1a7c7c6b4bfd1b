//! Classifies the bytes of one block, with registers of 16 bytes, which every processor has.

use wide::u8x16;

use crate::decode::padded_bytes::block_at;

/// The number of bytes of a block: one for each bit of a mask.
pub(super) const BLOCK_BYTES: usize = 64;

/// Bit masks of the classes of the bytes of a block.
pub(super) struct BlockMasks {
    /// The quotes.
    pub quote: u64,
    /// The backslashes.
    pub backslash: u64,
    /// The control characters.
    pub control: u64,
    /// The bytes that are not ASCII.
    pub non_ascii: u64,
}

/// Returns the masks of a block.
#[inline(always)]
pub(super) fn classify_block(bytes: &[u8; BLOCK_BYTES]) -> BlockMasks {
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
pub(super) fn find_escaped(backslash: u64, carry: &mut u64) -> (u64, u64) {
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

/// Writes the positions of the set bits, with `base` added, and returns their number.
#[inline(always)]
pub(super) fn flatten_bits(mut bits: u64, base: u32, out: &mut [u32; BLOCK_BYTES]) -> usize {
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
