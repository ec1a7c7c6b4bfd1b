//! The same stops by the wider registers that most x86-64 processors have: the one place of the crate
//! with `unsafe` in it, two calls of functions that are compiled for more than the build's target.
//! Loads and stores are casts of arrays, checked by their types.

#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{BLOCK, BlockMasks, StructuralIndex};

/// Looks through one window with the widest instructions of this processor; false if it has none.
pub fn window(stops: &mut StructuralIndex, bytes: &[u8]) -> bool {
    avx512(stops, bytes) || avx2(stops, bytes)
}

/// The same 64 bytes at a time, if the processor can.
pub fn avx512(stops: &mut StructuralIndex, bytes: &[u8]) -> bool {
    let can = is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt");
    if can {
        // SAFETY: the processor has every feature that the function is compiled for.
        unsafe { window_avx512(stops, bytes) };
    }
    can
}

/// The same 32 bytes at a time, if the processor can.
pub fn avx2(stops: &mut StructuralIndex, bytes: &[u8]) -> bool {
    let can = is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("popcnt");
    if can {
        // SAFETY: the processor has every feature that the function is compiled for.
        unsafe { window_avx2(stops, bytes) };
    }
    can
}

#[target_feature(enable = "avx512bw,avx512vbmi2,bmi1,popcnt")]
fn window_avx512(stops: &mut StructuralIndex, bytes: &[u8]) {
    let masks = |block: &[u8; BLOCK]| {
        let v: __m512i = bytemuck::cast(*block);
        BlockMasks {
            quote: _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b'"' as i8)),
            backslash: _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(b'\\' as i8)),
            control: _mm512_cmplt_epu8_mask(v, _mm512_set1_epi8(0x20)),
            high: _mm512_movepi8_mask(v),
        }
    };
    let list = |bits: u64, base: u32, out: &mut [u32; BLOCK]| {
        let count = bits.count_ones() as usize;
        let numbers: [u8; BLOCK] = std::array::from_fn(|i| i as u8);
        let base = _mm512_set1_epi32(base as i32);
        let mut set = _mm512_maskz_compress_epi8(bits, bytemuck::cast(numbers));
        // Most blocks hold at most sixteen: what is written past the last is scratch.
        for sixteen in out.chunks_exact_mut(16).take(count.div_ceil(16).max(1)) {
            let places = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(set));
            let places: [u32; 16] = bytemuck::cast(_mm512_add_epi32(places, base));
            sixteen.copy_from_slice(&places);
            set = _mm512_alignr_epi64::<2>(set, set);
        }
        count
    };
    stops.window_by(bytes, masks, list);
}

#[target_feature(enable = "avx2,bmi1,popcnt")]
fn window_avx2(stops: &mut StructuralIndex, bytes: &[u8]) {
    let masks = |block: &[u8; BLOCK]| {
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
            high: join(halves.map(|v| _mm256_movemask_epi8(v))),
        }
    };
    stops.window_by(bytes, masks, super::list);
}
