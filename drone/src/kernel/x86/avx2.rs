//! Eight messages in registers of 256 bits, for the many CPUs that have no SHA instructions.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::wide::{self, Vector, wide_kernel};
use crate::kernel::lanes::{Digest, Feed, Lane, Message, Slots};
use crate::kernel::probe::TestedWord;
use crate::kernel::run::Run;
use crate::kernel::sha256::{BLOCK, Chain, Midstate, block_at};
use crate::kernel::table::Table;

wide_kernel!("avx2", Eight, 8, ["avx2"]);

/// Eight lanes.
#[derive(Clone, Copy)]
struct Eight(__m256i);

/// `$word` turned right by the first number of bits, the second of which is what is left of 32.
macro_rules! turn {
    ($word:expr, $right:literal, $left:literal) => {
        _mm256_or_si256(_mm256_srli_epi32::<$right>($word), _mm256_slli_epi32::<$left>($word))
    };
}

macro_rules! xor {
    ($first:expr, $second:expr, $third:expr) => {
        Self(_mm256_xor_si256(_mm256_xor_si256($first, $second), $third))
    };
}

// SAFETY of all blocks: the caller's features; every load and store lies within what it is given.
impl Vector<8> for Eight {
    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        unsafe { Self(_mm256_set1_epi32(word as i32)) }
    }

    #[inline(always)]
    unsafe fn load(words: &[u32; 8]) -> Self {
        unsafe { Self(_mm256_loadu_si256(words.as_ptr().cast())) }
    }

    #[inline(always)]
    unsafe fn store(self, words: &mut [u32; 8]) {
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        unsafe { Self(_mm256_xor_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn and(self, other: Self) -> Self {
        unsafe { Self(_mm256_and_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        unsafe { Self(_mm256_or_si256(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn upper_sigma_0(self) -> Self {
        unsafe { xor!(turn!(self.0, 2, 30), turn!(self.0, 13, 19), turn!(self.0, 22, 10)) }
    }

    #[inline(always)]
    unsafe fn upper_sigma_1(self) -> Self {
        unsafe { xor!(turn!(self.0, 6, 26), turn!(self.0, 11, 21), turn!(self.0, 25, 7)) }
    }

    #[inline(always)]
    unsafe fn lower_sigma_0(self) -> Self {
        unsafe { xor!(turn!(self.0, 7, 25), turn!(self.0, 18, 14), _mm256_srli_epi32::<3>(self.0)) }
    }

    #[inline(always)]
    unsafe fn lower_sigma_1(self) -> Self {
        unsafe { xor!(turn!(self.0, 17, 15), turn!(self.0, 19, 13), _mm256_srli_epi32::<10>(self.0)) }
    }

    #[inline(always)]
    unsafe fn choose(self, yes: Self, no: Self) -> Self {
        unsafe { Self(_mm256_xor_si256(no.0, _mm256_and_si256(self.0, _mm256_xor_si256(yes.0, no.0)))) }
    }

    #[inline(always)]
    unsafe fn majority(self, second: Self, third: Self) -> Self {
        unsafe {
            let any = _mm256_and_si256(third.0, _mm256_or_si256(self.0, second.0));
            Self(_mm256_or_si256(_mm256_and_si256(self.0, second.0), any))
        }
    }

    #[inline(always)]
    unsafe fn replace(self, lanes: u32, other: Self) -> Self {
        unsafe {
            let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let mask = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(lanes as i32), bits), bits);
            Self(_mm256_blendv_epi8(self.0, other.0, mask))
        }
    }

    #[inline(always)]
    unsafe fn equal(self, other: Self) -> u32 {
        unsafe { highest_bits(_mm256_cmpeq_epi32(self.0, other.0)) }
    }

    #[inline(always)]
    unsafe fn at_most(self, other: Self) -> u32 {
        unsafe { highest_bits(_mm256_cmpeq_epi32(_mm256_max_epu32(self.0, other.0), other.0)) }
    }

    #[inline(always)]
    unsafe fn swap_bytes(self) -> Self {
        unsafe { Self(swap(self.0)) }
    }

    #[inline(always)]
    unsafe fn shift_right(self, bits: u32) -> Self {
        unsafe { Self(_mm256_srl_epi32(self.0, _mm_cvtsi32_si128(bits as i32))) }
    }

    #[inline(always)]
    unsafe fn bit(self) -> Self {
        unsafe { Self(_mm256_sllv_epi32(_mm256_set1_epi32(1), _mm256_and_si256(self.0, _mm256_set1_epi32(31)))) }
    }

    #[inline(always)]
    unsafe fn entries(self, entries: &[u32]) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Self(_mm256_i32gather_epi32::<4>(entries.as_ptr().cast(), self.0)) }
    }

    #[inline(always)]
    unsafe fn blocks(bytes: &[u8], messages: &[Message; 8]) -> [Self; 16] {
        unsafe {
            let mut rows = [[_mm256_setzero_si256(); 8]; 2];
            for (lane, message) in messages.iter().enumerate() {
                let mut copy = [0; BLOCK];
                let block = block_at(bytes, message.at, &mut copy);
                let mut parts = [0, 32].map(|from| _mm256_loadu_si256(block.as_ptr().add(from).cast()));
                if message.left < BLOCK as isize {
                    let count = _mm256_set1_epi8(message.left as i8);
                    let end_bit = _mm256_set1_epi8(i8::MIN);
                    let mut number = numbers();
                    for part in &mut parts {
                        let end = _mm256_and_si256(_mm256_cmpeq_epi8(number, count), end_bit);
                        let kept = _mm256_and_si256(*part, _mm256_cmpgt_epi8(count, number));
                        *part = _mm256_or_si256(kept, end);
                        number = _mm256_add_epi8(number, _mm256_set1_epi8(32));
                    }
                }
                for (rows, part) in rows.iter_mut().zip(parts) {
                    rows[lane] = swap(part);
                }
            }
            let mut words = [Self::splat(0); 16];
            for (half, rows) in rows.into_iter().enumerate() {
                words[8 * half..][..8].copy_from_slice(&transpose(rows).map(Self));
            }
            words
        }
    }

    #[inline(always)]
    unsafe fn of_digests(digests: &[Digest; 8]) -> [Self; 8] {
        unsafe { transpose(digests.map(|digest| swap(_mm256_loadu_si256(digest.as_ptr().cast())))).map(Self) }
    }

    #[inline(always)]
    unsafe fn into_digests(state: [Self; 8], digests: &mut [Digest; 8]) {
        unsafe {
            for (digest, row) in digests.iter_mut().zip(transpose(state.map(|words| words.0))) {
                _mm256_storeu_si256(digest.as_mut_ptr().cast(), swap(row));
            }
        }
    }
}

/// The highest bit of each lane.
#[inline(always)]
unsafe fn highest_bits(words: __m256i) -> u32 {
    // SAFETY: the caller's features.
    unsafe { _mm256_movemask_ps(_mm256_castsi256_ps(words)) as u32 }
}

/// The numbers from 0 to 31.
#[inline(always)]
unsafe fn numbers() -> __m256i {
    // SAFETY: the caller's features.
    unsafe {
        _mm256_setr_epi64x(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908, 0x1716_1514_1312_1110, 0x1f1e_1d1c_1b1a_1918)
    }
}

/// Big-endian words of little-endian bytes, and the other way round.
#[inline(always)]
unsafe fn swap(words: __m256i) -> __m256i {
    // SAFETY: the caller's features.
    unsafe {
        let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        _mm256_shuffle_epi8(words, _mm256_broadcastsi128_si256(order))
    }
}

/// The n-th words of all rows together, in the order of the rows.
#[inline(always)]
unsafe fn transpose(rows: [__m256i; 8]) -> [__m256i; 8] {
    // SAFETY: the caller's features.
    unsafe {
        let mut pairs = rows;
        for i in 0..4 {
            pairs[2 * i] = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
            pairs[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
        }
        let mut fours = pairs;
        for i in 0..2 {
            for half in 0..2 {
                let (first, second) = (pairs[4 * i + half], pairs[4 * i + 2 + half]);
                fours[4 * i + 2 * half] = _mm256_unpacklo_epi64(first, second);
                fours[4 * i + 2 * half + 1] = _mm256_unpackhi_epi64(first, second);
            }
        }
        let mut words = fours;
        for i in 0..4 {
            words[i] = _mm256_permute2x128_si256::<0x20>(fours[i], fours[4 + i]);
            words[4 + i] = _mm256_permute2x128_si256::<0x31>(fours[i], fours[4 + i]);
        }
        words
    }
}
