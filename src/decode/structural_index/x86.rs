//! Builds the same index with the wider registers that most x86-64 processors have.
//!
//! Only this module of the crate has `unsafe`: two calls of functions that are compiled for more CPU
//! features than the build's target. Loads and stores are casts of arrays, checked by their types.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::block::{BLOCK_BYTES, BlockMasks, flatten_bits};
use super::window::IndexedWindow;

/// Indexes the next window with the widest instructions of this processor. Returns false if it has none.
pub(super) fn try_index_next(window: &mut IndexedWindow, bytes: &[u8]) -> bool {
    try_avx512(window, bytes) || try_avx2(window, bytes)
}

/// Returns the name of the widest instructions of this processor.
pub(super) fn instruction_set() -> &'static str {
    match (supports_avx512(), supports_avx2()) {
        (true, _) => "AVX-512",
        (false, true) => "AVX2",
        (false, false) => "SSE2",
    }
}

fn supports_avx512() -> bool {
    is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
}

fn supports_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt")
}

/// Indexes the next window with AVX-512, 64 bytes at a time. Returns false if the processor lacks it.
pub(super) fn try_avx512(window: &mut IndexedWindow, bytes: &[u8]) -> bool {
    let is_supported = supports_avx512();
    if is_supported {
        // SAFETY: the processor has every feature that the function is compiled for.
        unsafe { index_next_avx512(window, bytes) };
    }
    is_supported
}

/// Indexes the next window with AVX2, 32 bytes at a time. Returns false if the processor lacks it.
pub(super) fn try_avx2(window: &mut IndexedWindow, bytes: &[u8]) -> bool {
    let is_supported = supports_avx2();
    if is_supported {
        // SAFETY: the processor has every feature that the function is compiled for.
        unsafe { index_next_avx2(window, bytes) };
    }
    is_supported
}

#[target_feature(enable = "avx512bw,avx512vbmi2,bmi1,popcnt")]
fn index_next_avx512(window: &mut IndexedWindow, bytes: &[u8]) {
    let classify_block = |block: &[u8; BLOCK_BYTES]| {
        let v: __m512i = bytemuck::cast(*block);
        BlockMasks {
            quote: _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b'"' as i8)),
            backslash: _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b'\\' as i8)),
            control: _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)),
            non_ascii: _mm512_movepi8_mask(v),
        }
    };
    let flatten_bits = |bits: u64, base: u32, out: &mut [u32; BLOCK_BYTES]| {
        let count = bits.count_ones() as usize;
        let lanes: [u8; BLOCK_BYTES] = std::array::from_fn(|i| i as u8);
        let base = _mm512_set1_epi32(base as i32);
        let mut bit_indices = _mm512_maskz_compress_epi8(bits, bytemuck::cast(lanes));
        // Most blocks have at most sixteen set bits. Entries past the last one are scratch space.
        for sixteen in out.chunks_exact_mut(16).take(count.div_ceil(16).max(1)) {
            let positions = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(bit_indices));
            let positions: [u32; 16] = bytemuck::cast(_mm512_add_epi32(positions, base));
            sixteen.copy_from_slice(&positions);
            bit_indices = _mm512_alignr_epi64::<2>(bit_indices, bit_indices);
        }
        count
    };
    window.index_next(bytes, classify_block, flatten_bits);
}

#[target_feature(enable = "avx2,bmi1,popcnt")]
fn index_next_avx2(window: &mut IndexedWindow, bytes: &[u8]) {
    let classify_block = |block: &[u8; BLOCK_BYTES]| {
        let halves: [__m256i; 2] = bytemuck::cast(*block);
        let join = |bits: [i32; 2]| u64::from(bits[0] as u32) | u64::from(bits[1] as u32) << 32;
        let equal = |byte: u8| {
            let byte = _mm256_set1_epi8(byte as i8);
            join(halves.map(|v| _mm256_movemask_epi8(_mm256_cmpeq_epi8(v, byte))))
        };
        let last = _mm256_set1_epi8(0x1F);
        let control = |v| _mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, last), last));
        BlockMasks {
            quote: equal(b'"'),
            backslash: equal(b'\\'),
            control: join(halves.map(control)),
            non_ascii: join(halves.map(|v| _mm256_movemask_epi8(v))),
        }
    };
    window.index_next(bytes, classify_block, flatten_bits);
}
