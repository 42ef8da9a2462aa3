//! Blocks of messages, padded.

use std::arch::x86_64::*;

use super::rounds::{Block, swap};
use crate::kernel::lanes::{Digest, LAST, Message};
use crate::kernel::sha256::{BLOCK, block_at};

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

/// The next block of a message, with `0x80` behind the last byte, zeros behind that, and the
/// length if it is the last, as big-endian words.
///
/// # Safety
/// For a caller that enables the features of the kernel.
#[inline(always)]
pub(super) unsafe fn load(bytes: &[u8], message: &Message) -> Block {
    let mut copy = [0; BLOCK];
    let from = block_at(bytes, message.at, &mut copy);
    // SAFETY: the caller's features; all loads lie within a block and a row of numbers.
    unsafe {
        let mut block = [_mm_setzero_si128(); 4];
        for (part, words) in block.iter_mut().enumerate() {
            *words = _mm_loadu_si128(from.as_ptr().add(16 * part).cast());
        }
        if message.left < BLOCK as isize {
            let count = _mm_set1_epi8(message.left as i8);
            for (part, words) in block.iter_mut().enumerate() {
                let number = _mm_loadu_si128(NUMBERS.as_ptr().add(16 * part).cast());
                let end = _mm_and_si128(_mm_cmpeq_epi8(number, count), _mm_set1_epi8(i8::MIN));
                *words = _mm_or_si128(_mm_and_si128(*words, _mm_cmpgt_epi8(count, number)), end);
            }
        }
        let mut block = block.map(|words| swap(words));
        let bits = if message.left <= LAST { message.bits } else { 0 };
        block[3] = _mm_or_si128(block[3], _mm_set_epi64x(bits.rotate_left(32) as i64, 0));
        block
    }
}

/// The block of a digest's words, padded as what follows `bytes` bytes.
///
/// # Safety
/// For a caller that enables the features of the kernel.
#[inline(always)]
pub(super) unsafe fn digest_block([abcd, efgh]: [__m128i; 2], bytes: u64) -> Block {
    // SAFETY: the caller's features.
    unsafe {
        let bits = 8 * (bytes + size_of::<Digest>() as u64);
        [abcd, efgh, _mm_set_epi64x(0, 0x8000_0000), _mm_set_epi64x(bits.rotate_left(32) as i64, 0)]
    }
}
