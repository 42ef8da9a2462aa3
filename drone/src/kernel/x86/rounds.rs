//! One compression of several messages (FIPS 180-4, section 6.2.2), and the order that the
//! instructions want words in. All functions are for callers that enable the features of a
//! kernel, and become parts of them.

use std::arch::x86_64::*;

use crate::kernel::sha256::State;

/// A block's words, as the instructions take them.
pub(super) type Block = [__m128i; 4];

/// A state's words as the instructions take them: A, B, E, F and C, D, G, H from the top down.
pub(super) type Pair = [__m128i; 2];

/// Constants of the rounds (FIPS 180-4, section 4.2.2), four and four.
static K: [[u32; 4]; 16] = [
    [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
    [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
    [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
    [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
    [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
    [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
    [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
    [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
    [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
    [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
    [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
    [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
    [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
    [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
    [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
    [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
];

/// Four rounds of every message.
#[inline(always)]
unsafe fn rounds<const I: usize, const N: usize>(states: &mut [Pair; N], blocks: &mut [Block; N]) {
    // SAFETY: the caller's features; a row of K is 16 bytes long.
    unsafe {
        let k = _mm_loadu_si128(K[I].as_ptr().cast());
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
