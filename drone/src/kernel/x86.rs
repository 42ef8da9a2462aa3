//! The SHA instructions of x86-64, several messages at once: one round instruction waits four
//! cycles for the one before it, and in the meantime those of other messages fit in.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::choice::Table;
use super::lanes::{Digest, Feed, LAST, Lane, Slots};
use super::sha256::{BLOCK, Chain, Midstate, State};

/// Messages at once.
pub(super) const LANES: usize = 4;

/// A block's words, as the instructions take them.
type Block = [__m128i; 4];

/// A state's words as the instructions take them: A, B, E, F and C, D, G, H from the top down.
type Pair = [__m128i; 2];

/// How a block gets its bytes.
trait Load {
    /// The bytes of the block at `at` of a message of which `left` bytes are left, with `0x80`
    /// behind the last one and zeros behind that, as big-endian words.
    ///
    /// # Safety
    /// For a caller that enables the features of the kernel; up to `left` bytes, and if that is
    /// more than a block, a block's, lie within `bytes`.
    unsafe fn load(bytes: &[u8], at: usize, left: isize) -> Block;
}

/// The functions of one set of instructions, compiled for it as a whole.
macro_rules! kernel {
    ($(#[$doc:meta])* $module:ident, $name:literal, $load:ty, $($feature:tt)+) => {
        $(#[$doc])*
        pub(super) mod $module {
            use super::*;

            pub(in super::super) static TABLE: Table = Table {
                name: $name,
                needs: concat!($($feature, " "),+).trim_ascii_end(),
                is_supported: || $(is_x86_feature_detected!($feature))&&+,
                lanes: LANES,
                absorb,
                rehash,
                iterate,
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
                unsafe {
                    match lanes.len() {
                        1 => absorb_lanes::<$load, 1>(start, lanes, feed, slots, rounds),
                        2 => absorb_lanes::<$load, 2>(start, lanes, feed, slots, rounds),
                        3 => absorb_lanes::<$load, 3>(start, lanes, feed, slots, rounds),
                        _ => absorb_lanes::<$load, LANES>(start, lanes, feed, slots, rounds),
                    }
                }
            }

            $(#[target_feature(enable = $feature)])+
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

            $(#[target_feature(enable = $feature)])+
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
        }
    };
}

kernel!(
    /// Masked loads take exactly the bytes that are there, and three operands save moves.
    avx512, "avx512", MaskedLoad, "sha" "sse4.1" "ssse3" "avx2" "bmi2" "avx512f" "avx512bw" "avx512vl"
);

kernel!(
    /// Three operands here too.
    avx2, "avx2", WideLoad, "sha" "sse4.1" "ssse3" "avx2"
);

kernel!(
    /// For small CPUs that have SHA instructions but not even AVX.
    sha_ni, "sha-ni", WideLoad, "sha" "sse4.1" "ssse3"
);

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
unsafe fn compress<const N: usize>(states: &mut [Pair; N], mut blocks: [Block; N]) {
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
unsafe fn pair(state: &State) -> Pair {
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
unsafe fn words([abef, cdgh]: Pair) -> [__m128i; 2] {
    // SAFETY: the caller's features.
    unsafe {
        let (feba, dchg) = (_mm_shuffle_epi32::<0x1b>(abef), _mm_shuffle_epi32::<0xb1>(cdgh));
        [_mm_blend_epi16::<0xf0>(feba, dchg), _mm_alignr_epi8::<8>(dchg, feba)]
    }
}

#[inline(always)]
unsafe fn unpair(pair: Pair) -> State {
    // SAFETY: the caller's features; any bits are numbers.
    unsafe { std::mem::transmute::<[__m128i; 2], State>(words(pair)) }
}

/// Big-endian words of little-endian bytes, and the other way round.
#[inline(always)]
unsafe fn swap(words: __m128i) -> __m128i {
    // SAFETY: the caller's features.
    unsafe { _mm_shuffle_epi8(words, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)) }
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

/// The block of a digest's words, padded as what follows `bytes` bytes.
#[inline(always)]
unsafe fn digest_block([abcd, efgh]: [__m128i; 2], bytes: u64) -> Block {
    // SAFETY: the caller's features.
    unsafe {
        let bits = 8 * (bytes + size_of::<Digest>() as u64);
        [abcd, efgh, _mm_set_epi64x(0, 0x8000_0000), _mm_set_epi64x(bits.rotate_left(32) as i64, 0)]
    }
}

#[inline(always)]
unsafe fn absorb_lanes<L: Load, const N: usize>(
    start: &Midstate,
    lanes: &mut [Lane],
    feed: &mut Feed<'_>,
    slots: &mut Slots<'_>,
    rounds: usize,
) -> u64 {
    let Some(lanes) = lanes.first_chunk_mut::<N>() else { return 0 };
    // No bytes at all lie nowhere, and to try to load even none of them there takes long.
    let bytes = if feed.bytes().is_empty() { &[0] } else { feed.bytes() };
    let mut round = 0;
    // SAFETY: the caller's features; a lane's bytes lie within the feed's, as its string does.
    unsafe {
        // Copies, which need not be where others could see them.
        let mut run = Run { lanes: *lanes, states: [pair(&start.state); N], feed: *feed, over: false };
        for (state, lane) in run.states.iter_mut().zip(lanes.iter()) {
            *state = pair(&lane.state);
        }
        while round < rounds && !run.over {
            round += 1;
            let mut blocks = [[_mm_setzero_si128(); 4]; N];
            for (block, lane) in blocks.iter_mut().zip(&run.lanes) {
                *block = L::load(bytes, lane.at, lane.left);
                let bits = if lane.left <= LAST { lane.bits } else { 0 };
                block[3] = _mm_or_si128(block[3], _mm_set_epi64x(bits.rotate_left(32) as i64, 0));
            }
            compress(&mut run.states, blocks);
            run.settle::<0>(start, slots);
            run.settle::<1>(start, slots);
            run.settle::<2>(start, slots);
            run.settle::<3>(start, slots);
        }
        *feed = run.feed;
        for (lane, (ran, state)) in lanes.iter_mut().zip(run.lanes.into_iter().zip(run.states)) {
            *lane = Lane { state: unpair(state), ..ran };
        }
    }
    (round * N) as u64
}

struct Run<'a, const N: usize> {
    lanes: [Lane; N],
    states: [Pair; N],
    feed: Feed<'a>,
    /// Whether a lane is.
    over: bool,
}

impl<const N: usize> Run<'_, N> {
    /// Behind a block of lane number `I`. (The compiler would leave a loop over the lanes one,
    /// and the states in memory for it.)
    #[inline(always)]
    unsafe fn settle<const I: usize>(&mut self, start: &Midstate, slots: &mut Slots<'_>) {
        if I >= N {
            return;
        }
        if self.lanes[I].left > LAST {
            self.lanes[I].advance();
            return;
        }
        // SAFETY: the caller's features.
        unsafe { store(slots.of(&self.lanes[I]), self.states[I]) };
        match self.feed.begin(start) {
            Some(next) => {
                self.lanes[I] = next;
                // SAFETY: likewise.
                self.states[I] = unsafe { pair(&start.state) };
            }
            None => {
                self.lanes[I].end();
                self.over = true;
            }
        }
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

struct MaskedLoad;

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

struct WideLoad;

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
    /// What follows the message in `bytes` is read too, and masked out.
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
