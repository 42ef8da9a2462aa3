//! Blocks of messages, padded.

use std::arch::x86_64::*;

use super::rounds::{Block, swap};
use crate::kernel::sha256::BLOCK;

/// How a block gets its bytes.
pub(super) trait Load {
    /// The bytes of the block at `at` of a message of which `left` bytes are left, with `0x80`
    /// behind the last one and zeros behind that, as big-endian words.
    ///
    /// # Safety
    /// For a caller that enables the features of the kernel; up to `left` bytes, and if that is
    /// more than a block, a block's, lie within `bytes`.
    unsafe fn load(bytes: &[u8], at: usize, left: isize) -> Block;
}

/// Takes exactly the bytes that are there.
pub(super) struct MaskedLoad;

impl Load for MaskedLoad {
    #[inline(always)]
    unsafe fn load(bytes: &[u8], at: usize, left: isize) -> Block {
        // SAFETY: the caller's features; what is masked out is not read, wherever it is.
        unsafe {
            let mask = _bzhi_u64(u64::MAX, left.clamp(0, BLOCK as isize) as u32);
            let data = _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().wrapping_add(at).cast());
            // The bit above the mask's, which is none if the block is full.
            let end = mask.wrapping_add(u64::from(left >= 0)) & !mask;
            let data = _mm512_mask_mov_epi8(data, end, _mm512_set1_epi8(i8::MIN));
            [
                swap(_mm512_castsi512_si128(data)),
                swap(_mm512_extracti32x4_epi32::<1>(data)),
                swap(_mm512_extracti32x4_epi32::<2>(data)),
                swap(_mm512_extracti32x4_epi32::<3>(data)),
            ]
        }
    }
}

/// Takes whole blocks, and masks out what follows the message.
pub(super) struct WideLoad;

/// The numbers of a block's bytes.
static NUMBERS: [u8; BLOCK] = {
    let mut numbers = [0; BLOCK];
    let mut number = 0;
    while number < BLOCK {
        numbers[number] = number as u8;
        number += 1;
    }
    numbers
};

impl Load for WideLoad {
    #[inline(always)]
    unsafe fn load(bytes: &[u8], at: usize, left: isize) -> Block {
        let mut copy = [0; BLOCK];
        let from = match bytes.get(at..).and_then(<[u8]>::first_chunk::<BLOCK>) {
            Some(block) => block,
            None => {
                copy_end(&mut copy, bytes, at);
                &copy
            }
        };
        // SAFETY: the caller's features; all loads lie within a block and a row of numbers.
        unsafe {
            let mut block = [_mm_setzero_si128(); 4];
            for (part, words) in block.iter_mut().enumerate() {
                *words = _mm_loadu_si128(from.as_ptr().add(16 * part).cast());
            }
            if left < BLOCK as isize {
                let count = _mm_set1_epi8(left as i8);
                for (part, words) in block.iter_mut().enumerate() {
                    let number = _mm_loadu_si128(NUMBERS.as_ptr().add(16 * part).cast());
                    let end = _mm_and_si128(_mm_cmpeq_epi8(number, count), _mm_set1_epi8(i8::MIN));
                    *words = _mm_or_si128(_mm_and_si128(*words, _mm_cmpgt_epi8(count, number)), end);
                }
            }
            block.map(|words| swap(words))
        }
    }
}

/// The last bytes there are.
#[cold]
fn copy_end(copy: &mut [u8; BLOCK], bytes: &[u8], at: usize) {
    let end = bytes.get(at..).unwrap_or_default();
    copy[..end.len()].copy_from_slice(end);
}
