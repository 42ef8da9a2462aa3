//! Candidates of a search, several at once. All functions are for callers that enable the features of the kernel, and
//! become parts of them.

use std::arch::x86_64::*;

use super::load::digest_block;
use super::rounds::{Block, Pair, compress, pair, rounds, unpair, words};
use crate::kernel::probe::TestedWord;
use crate::kernel::run::Run;
use crate::kernel::sha256::{K, Midstate};

/// See [`Kernel::search`](crate::kernel::Kernel::search).
#[inline(always)]
pub(super) unsafe fn search_lanes<const N: usize>(run: &Run<'_>, found: &mut Vec<usize>) {
    // SAFETY: the caller's features; the load lies within the block.
    unsafe {
        let block = load_words(&run.block);
        // Rounds that are the same for all.
        let same = run.columns.first().map_or(0, |column| column.word / 4);
        let mut fresh = [pair(run.start)];
        first_rounds::<1>(&mut fresh, &mut [block], 0, same);
        for first in run.range.clone().step_by(N) {
            let mut blocks = [block; N];
            for column in run.columns {
                for (lane, block) in blocks.iter_mut().enumerate() {
                    let word = _mm_set1_epi32(column.bits[first + lane] as i32);
                    let quad = &mut block[column.word / 4];
                    *quad = _mm_or_si128(*quad, _mm_and_si128(word, only(column.word % 4)));
                }
            }
            let tested = tested([fresh[0]; N], blocks, same, run);
            for (lane, word) in tested.into_iter().enumerate() {
                if run.probe.test.passes(word) && first + lane < run.range.end {
                    found.push(first + lane);
                }
            }
        }
    }
}

/// The words of a block, as the instructions take them.
#[inline(always)]
unsafe fn load_words(words: &[u32; 16]) -> Block {
    let mut block = unsafe { [_mm_setzero_si128(); 4] };
    for (quad, words) in block.iter_mut().zip(words.as_chunks::<4>().0) {
        // SAFETY: the caller's features; the load lies within four words.
        *quad = unsafe { _mm_loadu_si128(words.as_ptr().cast()) };
    }
    block
}

/// All bits of one of four words.
#[inline(always)]
unsafe fn only(word: usize) -> __m128i {
    // SAFETY: the caller's features.
    unsafe { _mm_cmpeq_epi32(_mm_set1_epi32(word as i32), _mm_set_epi32(3, 2, 1, 0)) }
}

/// Of the first four times four rounds those from number `from` on, and before `to`.
#[inline(always)]
unsafe fn first_rounds<const N: usize>(states: &mut [Pair; N], blocks: &mut [Block; N], from: usize, to: usize) {
    // SAFETY: the caller's features.
    unsafe {
        if from == 0 && to > 0 {
            rounds::<0, N>(states, blocks);
        }
        if from <= 1 && to > 1 {
            rounds::<1, N>(states, blocks);
        }
        if from <= 2 && to > 2 {
            rounds::<2, N>(states, blocks);
        }
        if from <= 3 && to > 3 {
            rounds::<3, N>(states, blocks);
        }
    }
}

/// The first 56 rounds, but not those before number 4 × `from`.
#[inline(always)]
unsafe fn rounds_56<const N: usize>(states: &mut [Pair; N], blocks: &mut [Block; N], from: usize) {
    // SAFETY: the caller's features.
    unsafe {
        first_rounds(states, blocks, from, 4);
        rounds::<4, N>(states, blocks);
        rounds::<5, N>(states, blocks);
        rounds::<6, N>(states, blocks);
        rounds::<7, N>(states, blocks);
        rounds::<8, N>(states, blocks);
        rounds::<9, N>(states, blocks);
        rounds::<10, N>(states, blocks);
        rounds::<11, N>(states, blocks);
        rounds::<12, N>(states, blocks);
        rounds::<13, N>(states, blocks);
    }
}

/// The word of each block that is tested; `states` are behind so many times four rounds.
#[inline(always)]
unsafe fn tested<const N: usize>(
    mut states: [Pair; N],
    mut blocks: [Block; N],
    same: usize,
    run: &Run<'_>,
) -> [u32; N] {
    // SAFETY: the caller's features.
    unsafe {
        rounds_56(&mut states, &mut blocks, same);
        if run.probe.place == TestedWord::Inner && !run.is_twice {
            return inner(&states, &blocks);
        }
        rounds::<14, N>(&mut states, &mut blocks);
        rounds::<15, N>(&mut states, &mut blocks);
        let before = pair(run.start);
        for state in &mut states {
            *state = [_mm_add_epi32(state[0], before[0]), _mm_add_epi32(state[1], before[1])];
        }
        if run.is_twice {
            return again(&states, run.probe.place);
        }
        of_digests(&states, run.probe.place)
    }
}

/// The variable `a` after 57 rounds, from what there is after 56.
#[inline(always)]
unsafe fn inner<const N: usize>(states: &[Pair; N], blocks: &[Block; N]) -> [u32; N] {
    let mut tested = [0; N];
    // SAFETY: the caller's features; K has four words from its 56th on.
    unsafe {
        let k = _mm_loadu_si128(K.as_ptr().add(56).cast());
        for (tested, ([abef, cdgh], w)) in tested.iter_mut().zip(states.iter().zip(blocks)) {
            let (old, near) = (_mm_sha256msg1_epu32(w[2], w[3]), w[1]);
            let scheduled = _mm_sha256msg2_epu32(_mm_add_epi32(old, _mm_alignr_epi8::<4>(near, w[0])), near);
            // After 58 rounds, `b` is what `a` was before.
            let abef = _mm_sha256rnds2_epu32(*cdgh, *abef, _mm_add_epi32(scheduled, k));
            *tested = _mm_extract_epi32::<2>(abef) as u32;
        }
    }
    tested
}

/// The words that are tested of the digests of digests.
#[inline(always)]
unsafe fn again<const N: usize>(digests: &[Pair; N], place: TestedWord) -> [u32; N] {
    // SAFETY: the caller's features.
    unsafe {
        let mut states = [pair(&Midstate::START.state); N];
        let mut blocks = [[_mm_setzero_si128(); 4]; N];
        for (block, digest) in blocks.iter_mut().zip(digests) {
            *block = digest_block(words(*digest), 0);
        }
        if place != TestedWord::Inner {
            compress(&mut states, blocks);
            return of_digests(&states, place);
        }
        rounds_56(&mut states, &mut blocks, 0);
        inner(&states, &blocks)
    }
}

/// The words of digests that are tested.
#[inline(always)]
unsafe fn of_digests<const N: usize>(digests: &[Pair; N], place: TestedWord) -> [u32; N] {
    let mut tested = [0; N];
    for (tested, digest) in tested.iter_mut().zip(digests) {
        // SAFETY: the caller's features.
        let words = unsafe { unpair(*digest) };
        *tested = if place == TestedWord::First { words[0] } else { words[7] };
    }
    tested
}
