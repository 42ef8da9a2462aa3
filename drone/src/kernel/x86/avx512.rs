//! Sixteen messages in registers of 512 bits: masked loads take exactly the bytes that are there,
//! one instruction turns a word, and one computes any function of three.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::wide::{self, Vector, wide_kernel};
use crate::kernel::lanes::{Digest, Feed, Lane, Message, Slots};
use crate::kernel::probe::TestedWord;
use crate::kernel::run::Run;
use crate::kernel::sha256::{BLOCK, Chain, Midstate};
use crate::kernel::table::Table;

wide_kernel!(
    "avx512", Sixteen, 16, ["avx2" "bmi2" "avx512f" "avx512bw"],
    3 << 0 1 2 3 4 5 6 7 8 9 10 11 12
);

/// Sixteen lanes.
#[derive(Clone, Copy)]
struct Sixteen(__m512i);

/// Truth tables of functions of three bits.
const XOR: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

macro_rules! xor {
    ($first:expr, $second:expr, $third:expr) => {
        Self(_mm512_ternarylogic_epi32::<XOR>($first, $second, $third))
    };
}

macro_rules! turn {
    ($word:expr, $right:literal) => {
        _mm512_ror_epi32::<$right>($word)
    };
}

// SAFETY of all blocks: the caller's features; every load and store lies within what it is given.
impl Vector<16> for Sixteen {
    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        unsafe { Self(_mm512_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    unsafe fn load(words: &[u32; 16]) -> Self {
        unsafe { Self(_mm512_loadu_si512(words.as_ptr().cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, words: &mut [u32; 16]) {
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm512_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { Self(_mm512_xor_si512(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        unsafe { Self(_mm512_and_si512(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        unsafe { Self(_mm512_or_si512(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn upper_sigma_0(self) -> Self {
        unsafe { xor!(turn!(self.0, 2), turn!(self.0, 13), turn!(self.0, 22)) }
    }

    #[inline(always)]
    unsafe fn upper_sigma_1(self) -> Self {
        unsafe { xor!(turn!(self.0, 6), turn!(self.0, 11), turn!(self.0, 25)) }
    }

    #[inline(always)]
    unsafe fn lower_sigma_0(self) -> Self {
        unsafe { xor!(turn!(self.0, 7), turn!(self.0, 18), _mm512_srli_epi32::<3>(self.0)) }
    }

    #[inline(always)]
    unsafe fn lower_sigma_1(self) -> Self {
        unsafe { xor!(turn!(self.0, 17), turn!(self.0, 19), _mm512_srli_epi32::<10>(self.0)) }
    }

    #[inline(always)]
    unsafe fn choose(self, yes: Self, no: Self) -> Self {
        unsafe { Self(_mm512_ternarylogic_epi32::<CHOOSE>(self.0, yes.0, no.0)) }
    }

    #[inline(always)]
    unsafe fn majority(self, second: Self, third: Self) -> Self {
        unsafe { Self(_mm512_ternarylogic_epi32::<MAJORITY>(self.0, second.0, third.0)) }
    }

    #[inline(always)]
    unsafe fn replace(self, lanes: u32, other: Self) -> Self {
        unsafe { Self(_mm512_mask_mov_epi32(self.0, lanes as u16, other.0)) }
    }

    #[inline(always)]
    unsafe fn equal(self, other: Self) -> u32 {
        unsafe { _mm512_cmpeq_epi32_mask(self.0, other.0).into() }
    }

    #[inline(always)]
    unsafe fn at_most(self, other: Self) -> u32 {
        unsafe { _mm512_cmple_epu32_mask(self.0, other.0).into() }
    }

    #[inline(always)]
    unsafe fn swap_bytes(self) -> Self {
        unsafe { Self(swap(self.0)) }
    }

    #[inline(always)]
    unsafe fn shift_right(self, bits: u32) -> Self {
        unsafe { Self(_mm512_srl_epi32(self.0, _mm_cvtsi32_si128(bits as i32))) }
    }

    #[inline(always)]
    unsafe fn bit(self) -> Self {
        unsafe { Self(_mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_and_si512(self.0, _mm512_set1_epi32(31)))) }
    }

    #[inline(always)]
    unsafe fn entries(self, entries: &[u32]) -> Self {
        // SAFETY: the caller's promise.
        unsafe {
            let mut numbers = [0; 16];
            self.store(&mut numbers);
            let entry = |lane: usize| *entries.get_unchecked(numbers[lane] as usize) as i32;
            Self(_mm512_set_epi32(
                entry(15),
                entry(14),
                entry(13),
                entry(12),
                entry(11),
                entry(10),
                entry(9),
                entry(8),
                entry(7),
                entry(6),
                entry(5),
                entry(4),
                entry(3),
                entry(2),
                entry(1),
                entry(0),
            ))
        }
    }

    #[inline(always)]
    unsafe fn blocks(bytes: &[u8], messages: &[Message; 16]) -> [Self; 16] {
        // No bytes at all lie nowhere, and to try to load even none of them there takes long.
        let bytes = if bytes.is_empty() { &[0] } else { bytes };
        // SAFETY: what is masked out is not read, wherever it is.
        unsafe {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (row, message) in rows.iter_mut().zip(messages) {
                let mask = _bzhi_u64(u64::MAX, message.left.clamp(0, BLOCK as isize) as u32);
                let data = _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().wrapping_add(message.at).cast());
                // The bit above the mask's, which is none if the block is full.
                let end = mask.wrapping_add(u64::from(message.left >= 0)) & !mask;
                *row = swap(_mm512_mask_mov_epi8(data, end, _mm512_set1_epi8(i8::MIN)));
            }
            transpose(rows).map(Self)
        }
    }

    #[inline(always)]
    unsafe fn of_digests(digests: &[Digest; 16]) -> [Self; 8] {
        unsafe {
            let rows = digests.map(|digest| {
                let words = _mm256_loadu_si256(digest.as_ptr().cast());
                swap(_mm512_zextsi256_si512(words))
            });
            let words = transpose(rows).map(Self);
            let [a, b, c, d, e, f, g, h, ..] = words;
            [a, b, c, d, e, f, g, h]
        }
    }

    #[inline(always)]
    unsafe fn into_digests(state: [Self; 8], digests: &mut [Digest; 16]) {
        unsafe {
            let mut rows = [_mm512_setzero_si512(); 16];
            for (row, words) in rows.iter_mut().zip(state) {
                *row = swap(words.0);
            }
            for (digest, row) in digests.iter_mut().zip(transpose(rows)) {
                _mm256_storeu_si256(digest.as_mut_ptr().cast(), _mm512_castsi512_si256(row));
            }
        }
    }
}

/// Big-endian words of little-endian bytes, and the other way round.
#[inline(always)]
unsafe fn swap(words: __m512i) -> __m512i {
    // SAFETY: the caller's features.
    unsafe {
        let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm512_shuffle_epi8(words, _mm512_broadcast_i32x4(order))
    }
}

/// The n-th words of all rows together, in the order of the rows.
#[inline(always)]
unsafe fn transpose(rows: [__m512i; 16]) -> [__m512i; 16] {
    // SAFETY: the caller's features.
    unsafe {
        let mut pairs = rows;
        for i in 0..8 {
            pairs[2 * i] = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
        }
        let mut fours = pairs;
        for i in 0..4 {
            for half in 0..2 {
                let (first, second) = (pairs[4 * i + half], pairs[4 * i + 2 + half]);
                fours[4 * i + 2 * half] = _mm512_unpacklo_epi64(first, second);
                fours[4 * i + 2 * half + 1] = _mm512_unpackhi_epi64(first, second);
            }
        }
        // Quarter q of `fours[4 * g + k]` has word 4 * q + k of the rows from 4 * g on.
        let mut words = fours;
        for k in 0..4 {
            let [low, high] = [fours[k], fours[8 + k]];
            let [low_next, high_next] = [fours[4 + k], fours[12 + k]];
            let (low_even, low_odd) =
                (_mm512_shuffle_i32x4::<0x88>(low, low_next), _mm512_shuffle_i32x4::<0xdd>(low, low_next));
            let (high_even, high_odd) =
                (_mm512_shuffle_i32x4::<0x88>(high, high_next), _mm512_shuffle_i32x4::<0xdd>(high, high_next));
            words[k] = _mm512_shuffle_i32x4::<0x88>(low_even, high_even);
            words[4 + k] = _mm512_shuffle_i32x4::<0x88>(low_odd, high_odd);
            words[8 + k] = _mm512_shuffle_i32x4::<0xdd>(low_even, high_even);
            words[12 + k] = _mm512_shuffle_i32x4::<0xdd>(low_odd, high_odd);
        }
        words
    }
}
