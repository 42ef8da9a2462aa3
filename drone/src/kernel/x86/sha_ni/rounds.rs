//! One compression of several messages (FIPS 180-4, section 6.2.2), and the order that the
//! instructions want words in. All functions are for callers that enable the features of a
//! kernel, and become parts of them.

use std::arch::x86_64::*;

use crate::kernel::sha256::{K, State};

/// A block's words, as the instructions take them.
pub(super) type Block = [__m128i; 4];

/// A state's words as the instructions take them: A, B, E, F and C, D, G, H from the top down.
pub(super) type Pair = [__m128i; 2];

/// The four rounds from round 4 × `I` on, of every message.
#[inline(always)]
pub(super) unsafe fn rounds<const I: usize, const N: usize>(states: &mut [Pair; N], blocks: &mut [Block; N]) {
    const { assert!(4 * I + 4 <= K.len()) };
    // SAFETY: the caller's features; K has four words more from there on.
    unsafe {
        let k = _mm_loadu_si128(K.as_ptr().add(4 * I).cast());
        for lane in 0..N {
            let (w, [abef, cdgh]) = (&mut blocks[lane], &mut states[lane]);
            if I >= 4 {
                let (old, near) = (_mm_sha256msg1_epu32(w[I % 4], w[(I + 1) % 4]), w[(I + 3) % 4]);
                let between = _mm_alignr_epi8::<4>(near, w[(I + 2) % 4]);
                w[I % 4] = _mm_sha256msg2_epu32(_mm_add_epi32(old, between), near);
            }
            let wk = _mm_add_epi32(w[I % 4], k);
            *cdgh = _mm_sha256rnds2_epu32(*cdgh, *abef, wk);
            *abef = _mm_sha256rnds2_epu32(*abef, *cdgh, _mm_shuffle_epi32::<0x0e>(wk));
        }
    }
}

/// One compression of every message.
#[inline(always)]
pub(super) unsafe fn compress<const N: usize>(states: &mut [Pair; N], mut blocks: [Block; N]) {
    let before = *states;
    // SAFETY: the caller's features.
    unsafe {
        rounds::<0, N>(states, &mut blocks);
        rounds::<1, N>(states, &mut blocks);
        rounds::<2, N>(states, &mut blocks);
        rounds::<3, N>(states, &mut blocks);
        rounds::<4, N>(states, &mut blocks);
        rounds::<5, N>(states, &mut blocks);
        rounds::<6, N>(states, &mut blocks);
        rounds::<7, N>(states, &mut blocks);
        rounds::<8, N>(states, &mut blocks);
        rounds::<9, N>(states, &mut blocks);
        rounds::<10, N>(states, &mut blocks);
        rounds::<11, N>(states, &mut blocks);
        rounds::<12, N>(states, &mut blocks);
        rounds::<13, N>(states, &mut blocks);
        rounds::<14, N>(states, &mut blocks);
        rounds::<15, N>(states, &mut blocks);
        for lane in 0..N {
            for half in 0..2 {
                states[lane][half] = _mm_add_epi32(states[lane][half], before[lane][half]);
            }
        }
    }
}

/// A state as the instructions take it.
#[inline(always)]
pub(super) unsafe fn pair(state: &State) -> Pair {
    // SAFETY: the caller's features; both loads lie within the state.
    unsafe {
        let abcd = _mm_loadu_si128(state.as_ptr().cast());
        let efgh = _mm_loadu_si128(state.as_ptr().add(4).cast());
        let (badc, hgfe) = (_mm_shuffle_epi32::<0xb1>(abcd), _mm_shuffle_epi32::<0x1b>(efgh));
        [_mm_alignr_epi8::<8>(badc, hgfe), _mm_blend_epi16::<0xf0>(hgfe, badc)]
    }
}

/// A state's words in their order.
#[inline(always)]
pub(super) unsafe fn words([abef, cdgh]: Pair) -> [__m128i; 2] {
    // SAFETY: the caller's features.
    unsafe {
        let (feba, dchg) = (_mm_shuffle_epi32::<0x1b>(abef), _mm_shuffle_epi32::<0xb1>(cdgh));
        [_mm_blend_epi16::<0xf0>(feba, dchg), _mm_alignr_epi8::<8>(dchg, feba)]
    }
}

#[inline(always)]
pub(super) unsafe fn unpair(pair: Pair) -> State {
    // SAFETY: the caller's features; any bits are numbers.
    unsafe { std::mem::transmute::<[__m128i; 2], State>(words(pair)) }
}

/// Big-endian words of little-endian bytes, and the other way round.
#[inline(always)]
pub(super) unsafe fn swap(words: __m128i) -> __m128i {
    // SAFETY: the caller's features.
    unsafe { _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)) }
}
