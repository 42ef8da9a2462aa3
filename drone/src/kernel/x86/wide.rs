//! Many messages at once: the n-th message in the n-th 32-bit lane of every register. It needs no
//! SHA instructions, and no function here may use any: on Intel's CPUs each of them takes 15 to
//! 45 ns while the upper half of a wide register is dirty.
//!
//! All lanes are computed, whether they have a message or not. All functions are for callers that
//! enable the features of their [`Vector`], and become parts of them.
#![allow(unsafe_code)]

mod common;
mod compress;
mod search;
mod vector;

use self::compress::compress;
pub(super) use self::search::{ALL, again, compute, sift};
pub(super) use self::vector::Vector;
use crate::kernel::lanes::{Digest, Feed, LAST, Lane, Message, Slots};
use crate::kernel::sha256::{BLOCK, Chain, Midstate, State};

/// See [`Kernel::absorb`](crate::kernel::Kernel::absorb).
#[inline(always)]
pub(super) unsafe fn absorb<V: Vector<N>, const N: usize>(
    start: &Midstate,
    lanes: &mut [Lane],
    feed: &mut Feed<'_>,
    slots: &mut Slots<'_>,
    rounds: usize,
) -> u64 {
    let count = lanes.len().min(N);
    let lanes = &mut lanes[..count];
    let mut messages = [Message::OVER; N];
    messages.iter_mut().zip(&*lanes).for_each(|(message, lane)| *message = lane.message);
    let live = u32::MAX >> (u32::BITS - count.max(1) as u32);
    let (mut digests, mut round, mut is_over) = ([[0; 32]; N], 0, count == 0);
    // SAFETY: the caller's features; a message's bytes lie within the feed's, as its string does.
    unsafe {
        let fresh = start.state.map(|word| V::splat(word));
        let mut states = gather::<V, N>(|lane| lanes.get(lane).map_or(&start.state, |lane| &lane.state));
        while round < rounds && !is_over {
            round += 1;
            compress(&mut states, padded::<V, N>(feed.bytes(), &messages));
            let mut ended = 0;
            for (number, message) in messages.iter_mut().enumerate() {
                match message.left > LAST {
                    true => message.advance(),
                    false => ended |= 1 << number,
                }
            }
            ended &= live;
            if ended == 0 {
                continue;
            }
            V::into_digests(states, &mut digests);
            for (word, fresh) in states.iter_mut().zip(fresh) {
                *word = word.replace(ended, fresh);
            }
            while ended != 0 {
                let number = ended.trailing_zeros() as usize;
                ended &= ended - 1;
                *slots.of(&messages[number]) = digests[number];
                messages[number] = feed.begin(start).unwrap_or(Message::OVER);
                is_over |= messages[number].is_over();
            }
        }
        scatter(states, |lane, state| {
            if let Some(lane) = lanes.get_mut(lane) {
                lane.state = state;
            }
        });
    }
    lanes.iter_mut().zip(messages).for_each(|(lane, message)| lane.message = message);
    (round * count) as u64
}

/// See [`Kernel::rehash`](crate::kernel::Kernel::rehash).
#[inline(always)]
pub(super) unsafe fn rehash<V: Vector<N>, const N: usize>(start: &Midstate, digests: &mut [Digest]) {
    for group in digests.chunks_mut(N) {
        let mut full = [[0; 32]; N];
        // SAFETY: the caller's features.
        unsafe {
            let own = match group.as_array::<N>() {
                Some(own) => own,
                None => {
                    full[..group.len()].copy_from_slice(group);
                    &full
                }
            };
            let mut states = start.state.map(|word| V::splat(word));
            compress(&mut states, digest_block::<V, N>(V::of_digests(own), start.bytes));
            match group.as_mut_array::<N>() {
                Some(own) => V::into_digests(states, own),
                None => {
                    V::into_digests(states, &mut full);
                    group.copy_from_slice(&full[..group.len()]);
                }
            }
        }
    }
}

/// See [`Kernel::iterate`](crate::kernel::Kernel::iterate).
#[inline(always)]
pub(super) unsafe fn iterate<V: Vector<N>, const N: usize>(chains: &mut [Chain], times: u32) {
    for group in chains.chunks_mut(N) {
        // SAFETY: the caller's features.
        unsafe {
            let words = |part: fn(&Chain) -> &State| gather::<V, N>(|lane| part(group.get(lane).unwrap_or(&group[0])));
            let (inner, outer) = (words(|chain| &chain.inner), words(|chain| &chain.outer));
            let (mut u, mut t) = (words(|chain| &chain.u), words(|chain| &chain.t));
            for _ in 0..times {
                for key in [&inner, &outer] {
                    let block = digest_block::<V, N>(u, BLOCK as u64);
                    u = *key;
                    compress(&mut u, block);
                }
                for (t, u) in t.iter_mut().zip(u) {
                    *t = t.xor(u);
                }
            }
            let mut chain = |lane: usize, part: fn(&mut Chain) -> &mut State, state| {
                if let Some(chain) = group.get_mut(lane) {
                    *part(chain) = state;
                }
            };
            scatter(u, |lane, state| chain(lane, |chain| &mut chain.u, state));
            scatter(t, |lane, state| chain(lane, |chain| &mut chain.t, state));
        }
    }
}

/// The next block of each message, with its length if it is the last.
#[inline(always)]
unsafe fn padded<V: Vector<N>, const N: usize>(bytes: &[u8], messages: &[Message; N]) -> [V; 16] {
    let mut bits = [[0; N]; 2];
    for (lane, message) in messages.iter().enumerate() {
        let own = if message.left <= LAST { message.bits } else { 0 };
        (bits[0][lane], bits[1][lane]) = ((own >> 32) as u32, own as u32);
    }
    // SAFETY: the caller's features and promise.
    unsafe {
        let mut block = V::blocks(bytes, messages);
        block[14] = block[14].or(V::load(&bits[0]));
        block[15] = block[15].or(V::load(&bits[1]));
        block
    }
}

/// The block of a digest, padded as what follows `bytes` bytes.
#[inline(always)]
unsafe fn digest_block<V: Vector<N>, const N: usize>(digest: [V; 8], bytes: u64) -> [V; 16] {
    let bits = 8 * (bytes + size_of::<Digest>() as u64);
    // SAFETY: the caller's features.
    unsafe {
        let mut block = [V::splat(0); 16];
        block[..8].copy_from_slice(&digest);
        block[8] = V::splat(0x8000_0000);
        block[14] = V::splat((bits >> 32) as u32);
        block[15] = V::splat(bits as u32);
        block
    }
}

/// The states of all lanes, the n-th words together.
#[inline(always)]
unsafe fn gather<'a, V: Vector<N>, const N: usize>(state: impl Fn(usize) -> &'a State) -> [V; 8] {
    let mut words = [[0; N]; 8];
    for lane in 0..N {
        let state = state(lane);
        for (words, word) in words.iter_mut().zip(state) {
            words[lane] = *word;
        }
    }
    // SAFETY: the caller's features.
    words.map(|words| unsafe { V::load(&words) })
}

/// Gives `take` the state of each lane: the opposite of [`gather`].
#[inline(always)]
unsafe fn scatter<V: Vector<N>, const N: usize>(states: [V; 8], mut take: impl FnMut(usize, State)) {
    let mut words = [[0; N]; 8];
    for (words, state) in words.iter_mut().zip(states) {
        // SAFETY: the caller's features.
        unsafe { state.store(words) };
    }
    for lane in 0..N {
        take(lane, words.map(|words| words[lane]));
    }
}

/// The functions of one set of instructions, compiled for it as a whole. A search is compiled besides for runs in which
/// nothing differs but the words of a pattern, at each of these places.
macro_rules! wide_kernel {
    ($name:literal, $vector:ty, $lanes:literal, [$($feature:tt)+] $(, $pattern:literal << $($word:literal)+)*) => {
        pub(in super::super) static TABLE: Table = Table {
            name: $name,
            needs: concat!($($feature, " "),+).trim_ascii_end(),
            is_supported: || $(is_x86_feature_detected!($feature))&&+,
            lanes: $lanes,
            computes_idle_lanes: true,
            absorb,
            rehash,
            iterate,
            search,
        };

        $(#[target_feature(enable = $feature)])+
        fn absorb(
            start: &Midstate,
            lanes: &mut [Lane],
            feed: &mut Feed<'_>,
            slots: &mut Slots<'_>,
            rounds: usize,
        ) -> u64 {
            // SAFETY: the features are enabled here.
            unsafe { wide::absorb::<$vector, $lanes>(start, lanes, feed, slots, rounds) }
        }

        $(#[target_feature(enable = $feature)])+
        fn rehash(start: &Midstate, digests: &mut [Digest]) {
            // SAFETY: likewise.
            unsafe { wide::rehash::<$vector, $lanes>(start, digests) }
        }

        $(#[target_feature(enable = $feature)])+
        fn iterate(chains: &mut [Chain], times: u32) {
            // SAFETY: likewise.
            unsafe { wide::iterate::<$vector, $lanes>(chains, times) }
        }

        $(#[target_feature(enable = $feature)])+
        fn search(run: &Run<'_>, found: &mut Vec<usize>) {
            let mut tested = Vec::with_capacity(run.range.len().div_ceil($lanes));
            match run.columns.iter().fold(0, |words, column| words | 1 << column.word) {
                $($(words if words & !($pattern << $word) == 0 => {
                    compute_words::<{ $pattern << $word }>(run, &mut tested);
                })+)*
                _ => compute_words::<{ wide::ALL }>(run, &mut tested),
            }
            // SAFETY: likewise.
            unsafe { wide::sift::<$vector, $lanes>(run, &tested, found) }
        }

        $(#[target_feature(enable = $feature)])+
        fn compute_words<const WORDS: u16>(run: &Run<'_>, tested: &mut Vec<[u32; $lanes]>) {
            // SAFETY: likewise; what is called back is compiled for the same features.
            unsafe { wide::compute::<$vector, $lanes, WORDS>(run, tested, again) }
        }

        $(#[target_feature(enable = $feature)])+
        #[inline(never)]
        fn again(digest: &[$vector; 8], place: TestedWord) -> $vector {
            // SAFETY: likewise.
            unsafe { wide::again::<$vector, $lanes>(digest, place) }
        }
    };
}

pub(super) use wide_kernel;
