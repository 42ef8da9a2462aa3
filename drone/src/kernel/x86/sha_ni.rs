//! The SHA instructions, several messages at once: one round instruction waits four cycles for the
//! one before it, and in the meantime those of other messages fit in. No feature of AVX is enabled
//! here: with one, the compiler may use wide registers, behind which Intel's CPUs take 15 to 45 ns
//! for a SHA instruction.
#![allow(unsafe_code)]

mod load;
mod rounds;
mod search;

use std::arch::x86_64::*;

use self::load::{digest_block, load};
use self::rounds::{Pair, compress, pair, swap, unpair, words};
use self::search::search_lanes;
use crate::kernel::lanes::{Digest, Feed, LAST, Lane, Message, Slots};
use crate::kernel::run::Run as SearchRun;
use crate::kernel::sha256::{BLOCK, Chain, Midstate};
use crate::kernel::table::Table;

/// Messages at once.
const LANES: usize = 4;

pub(in super::super) static TABLE: Table = Table {
    name: "sha-ni",
    needs: "sha sse4.1 ssse3",
    is_supported: || {
        is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1") && is_x86_feature_detected!("ssse3")
    },
    lanes: LANES,
    computes_idle_lanes: false,
    absorb,
    rehash,
    iterate,
    search,
};

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn absorb(start: &Midstate, lanes: &mut [Lane], feed: &mut Feed<'_>, slots: &mut Slots<'_>, rounds: usize) -> u64 {
    // SAFETY: the features are enabled here.
    unsafe {
        match lanes.len() {
            1 => absorb_lanes::<1>(start, lanes, feed, slots, rounds),
            2 => absorb_lanes::<2>(start, lanes, feed, slots, rounds),
            3 => absorb_lanes::<3>(start, lanes, feed, slots, rounds),
            _ => absorb_lanes::<LANES>(start, lanes, feed, slots, rounds),
        }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn rehash(start: &Midstate, digests: &mut [Digest]) {
    let (groups, rest) = digests.as_chunks_mut::<LANES>();
    // SAFETY: the features are enabled here.
    unsafe {
        for group in groups {
            rehash_lanes(start, group);
        }
        for one in rest.as_chunks_mut::<1>().0 {
            rehash_lanes(start, one);
        }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn iterate(chains: &mut [Chain], times: u32) {
    for group in chains.chunks_mut(LANES) {
        // SAFETY: the features are enabled here.
        unsafe {
            match group.len() {
                1 => iterate_lanes::<1>(group, times),
                2 => iterate_lanes::<2>(group, times),
                3 => iterate_lanes::<3>(group, times),
                _ => iterate_lanes::<LANES>(group, times),
            }
        }
    }
}

#[target_feature(enable = "sha,sse4.1,ssse3")]
fn search(run: &SearchRun<'_>, found: &mut Vec<usize>) {
    // SAFETY: the features are enabled here.
    unsafe { search_lanes::<LANES>(run, found) }
}

#[inline(always)]
unsafe fn store(digest: &mut Digest, pair: Pair) {
    // SAFETY: the caller's features; both stores lie within the digest.
    unsafe {
        let [abcd, efgh] = words(pair);
        let at: *mut __m128i = digest.as_mut_ptr().cast();
        _mm_storeu_si128(at, swap(abcd));
        _mm_storeu_si128(at.add(1), swap(efgh));
    }
}

#[inline(always)]
unsafe fn absorb_lanes<const N: usize>(
    start: &Midstate,
    lanes: &mut [Lane],
    feed: &mut Feed<'_>,
    slots: &mut Slots<'_>,
    rounds: usize,
) -> u64 {
    let Some(lanes) = lanes.first_chunk_mut::<N>() else { return 0 };
    let mut round = 0;
    // SAFETY: the caller's features.
    unsafe {
        // Copies, which need not be where others could see them.
        let (messages, states) = (lanes.map(|lane| lane.message), lanes.map(|lane| pair(&lane.state)));
        let mut run = Run { messages, states, feed: *feed, is_over: false };
        while round < rounds && !run.is_over {
            round += 1;
            let mut blocks = [[_mm_setzero_si128(); 4]; N];
            for (block, message) in blocks.iter_mut().zip(&run.messages) {
                *block = load(run.feed.bytes(), message);
            }
            compress(&mut run.states, blocks);
            run.settle::<0>(start, slots);
            run.settle::<1>(start, slots);
            run.settle::<2>(start, slots);
            run.settle::<3>(start, slots);
        }
        *feed = run.feed;
        for (lane, (message, state)) in lanes.iter_mut().zip(run.messages.into_iter().zip(run.states)) {
            *lane = Lane { message, state: unpair(state) };
        }
    }
    (round * N) as u64
}

struct Run<'a, const N: usize> {
    messages: [Message; N],
    states: [Pair; N],
    feed: Feed<'a>,
    /// Whether a lane has neither a message nor another one to begin.
    is_over: bool,
}

impl<const N: usize> Run<'_, N> {
    /// Goes on behind a block of lane number `I`, and of those after it. A recursion, since the compiler would not
    /// unroll a loop over the lanes, and keep the states in memory for it.
    #[inline(always)]
    unsafe fn settle<const I: usize>(&mut self, start: &Midstate, slots: &mut Slots<'_>) {
        if I >= N {
            return;
        }
        if self.messages[I].left > LAST {
            self.messages[I].advance();
            return;
        }
        // SAFETY: the caller's features.
        unsafe {
            store(slots.of(&self.messages[I]), self.states[I]);
            self.states[I] = pair(&start.state);
        }
        self.messages[I] = self.feed.begin(start).unwrap_or(Message::OVER);
        self.is_over |= self.messages[I].is_over();
    }
}

#[inline(always)]
unsafe fn rehash_lanes<const N: usize>(start: &Midstate, digests: &mut [Digest; N]) {
    // SAFETY: the caller's features; both loads lie within the digest.
    unsafe {
        let mut states = [pair(&start.state); N];
        let mut blocks = [[_mm_setzero_si128(); 4]; N];
        for (block, digest) in blocks.iter_mut().zip(digests.iter()) {
            let at: *const __m128i = digest.as_ptr().cast();
            *block = digest_block([swap(_mm_loadu_si128(at)), swap(_mm_loadu_si128(at.add(1)))], start.bytes);
        }
        compress(&mut states, blocks);
        for (digest, state) in digests.iter_mut().zip(states) {
            store(digest, state);
        }
    }
}

#[inline(always)]
unsafe fn iterate_lanes<const N: usize>(chains: &mut [Chain], times: u32) {
    let Some(chains) = chains.first_chunk_mut::<N>() else { return };
    // SAFETY: the caller's features.
    unsafe {
        let zero = [_mm_setzero_si128(); 2];
        let (mut inner, mut outer, mut u, mut t) = ([zero; N], [zero; N], [zero; N], [zero; N]);
        for lane in 0..N {
            let chain = &chains[lane];
            (inner[lane], outer[lane]) = (pair(&chain.inner), pair(&chain.outer));
            (u[lane], t[lane]) = (pair(&chain.u), pair(&chain.t));
        }
        for _ in 0..times {
            for key in [&inner, &outer] {
                let mut blocks = [[_mm_setzero_si128(); 4]; N];
                for lane in 0..N {
                    blocks[lane] = digest_block(words(u[lane]), BLOCK as u64);
                }
                u = *key;
                compress(&mut u, blocks);
            }
            for lane in 0..N {
                for half in 0..2 {
                    t[lane][half] = _mm_xor_si128(t[lane][half], u[lane][half]);
                }
            }
        }
        for lane in 0..N {
            (chains[lane].u, chains[lane].t) = (unpair(u[lane]), unpair(t[lane]));
        }
    }
}
