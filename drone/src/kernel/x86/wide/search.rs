//! Candidates of a search, as many at once as a register has lanes, and no more of a compression than tells whether
//! they may be marks.

use std::hint::black_box;

use super::common::{Common, Differs};
use super::vector::Vector;
use crate::kernel::filter::Filter;
use crate::kernel::probe::{Probe, Test, TestedWord};
use crate::kernel::run::{PADDING_WORDS, Run};
use crate::kernel::sha256::{Midstate, State};

/// Every word of a block.
pub(in super::super) const ALL: u16 = u16::MAX;

/// The words of a block that a digest is.
pub(in super::super) const DIGEST: u16 = 0xff;

/// Hashes digests again, and returns the word of each that is tested.
type Again<V> = unsafe fn(&[V; 8], TestedWord) -> V;

/// Writes the word of each candidate that is tested behind `tested`, and perhaps some more. Of the block's words those
/// differ whose bits are set in `WORDS`, or some of them.
///
/// # Safety
/// For callers that enable the features of `V`, which `again` has been compiled for.
#[inline(always)]
pub(in super::super) unsafe fn compute<V: Vector<N>, const N: usize, const WORDS: u16>(
    run: &Run<'_>,
    tested: &mut Vec<[u32; N]>,
    again: Again<V>,
) {
    let common = Common::new::<WORDS>(run.start, &run.block);
    let again = run.is_twice.then_some(again);
    let mut columns = [Words { bits: &[0; PADDING_WORDS], stride: 0 }; 16];
    for column in run.columns {
        columns[column.word] = Words { bits: &column.bits, stride: 1 };
    }
    for first in run.range.clone().step_by(N) {
        // SAFETY: the caller's features.
        unsafe {
            let words = words::<V, N, WORDS>(&run.block, &columns, first);
            // A compiler that knew these to be the same as before would keep them in registers that there are not,
            // which is in memory, and as wide as a register.
            let common = black_box(&common);
            let mut word = [0; N];
            self::word::<V, N, WORDS>(common, words, run.start, run.probe.place, again).store(&mut word);
            tested.push(word);
        }
    }
}

/// Appends those candidates of a run whose words pass its probe.
///
/// # Safety
/// For callers that enable the features of `V`.
#[inline(always)]
pub(in super::super) unsafe fn sift<V: Vector<N>, const N: usize>(
    run: &Run<'_>,
    tested: &[[u32; N]],
    found: &mut Vec<usize>,
) {
    for (first, words) in run.range.clone().step_by(N).zip(tested) {
        let lanes = (run.range.end - first).min(N);
        // SAFETY: the caller's features.
        let passing = unsafe { passing(V::load(words), run.probe) };
        let mut passing = passing & (u32::MAX >> (u32::BITS as usize - lanes));
        while passing != 0 {
            found.push(first + passing.trailing_zeros() as usize);
            passing &= passing - 1;
        }
    }
}

/// What candidates have at a word of the block.
#[derive(Clone, Copy)]
struct Words<'a> {
    bits: &'a [u32],
    /// 0 if all have the same.
    stride: usize,
}

/// The blocks of the candidates from `first` on.
#[inline(always)]
unsafe fn words<V: Vector<N>, const N: usize, const WORDS: u16>(
    block: &[u32; 16],
    columns: &[Words<'_>; 16],
    first: usize,
) -> [V; 16] {
    // SAFETY: the caller's features.
    unsafe {
        let mut words = [V::splat(0); 16];
        for word in 0..16 {
            words[word] = V::splat(block[word]);
            if WORDS >> word & 1 == 1 {
                let Words { bits, stride } = columns[word];
                // There are so many words more than candidates that all lanes have one.
                if let Some(bits) = bits[first * stride..].first_chunk::<N>() {
                    words[word] = words[word].or(V::load(bits));
                }
            }
        }
        words
    }
}

/// See [`Again`].
#[inline(always)]
pub(in super::super) unsafe fn again<V: Vector<N>, const N: usize>(digest: &[V; 8], place: TestedWord) -> V {
    let mut block = [0; 16];
    (block[8], block[15]) = (0x8000_0000, u8::MAX as u32 + 1);
    let start = &Midstate::START.state;
    let common = Common::new::<DIGEST>(start, &block);
    // SAFETY: the caller's features.
    unsafe {
        let mut words = [V::splat(0); 16];
        words[..8].copy_from_slice(digest);
        word::<V, N, DIGEST>(&common, words, start, place, None)
    }
}

/// The lanes whose words pass the probe.
#[inline(always)]
unsafe fn passing<V: Vector<N>, const N: usize>(word: V, probe: &Probe) -> u32 {
    // SAFETY: the caller's features.
    unsafe {
        match &probe.test {
            Test::Few { mask, words } => {
                let compared = word.and(V::splat(*mask));
                let mut passing = 0;
                for own in words {
                    passing |= compared.equal(V::splat(*own));
                }
                passing
            }
            Test::Many(filters) => {
                let passing = may_be_among(word, &filters[0]);
                if passing == 0 { 0 } else { passing & may_be_among(word, &filters[1]) }
            }
            Test::Range { is_swapped, first, span } => {
                let word = if *is_swapped { word.swap_bytes() } else { word };
                word.add(V::splat(first.wrapping_neg())).at_most(V::splat(*span))
            }
        }
    }
}

/// The lanes whose words pass a filter.
#[inline(always)]
unsafe fn may_be_among<V: Vector<N>, const N: usize>(word: V, filter: &Filter) -> u32 {
    // SAFETY: the caller's features; behind the mask of their count there is an entry of any number.
    unsafe {
        let word = word.and(V::splat(filter.mask));
        let index = word.shift_right(filter.index_shift).and(V::splat(filter.entries.len() as u32 - 1));
        let [one, other] = filter.bit_shifts;
        let bits = word.shift_right(one).bit().or(word.shift_right(other).bit());
        index.entries(&filter.entries).and(bits).equal(bits)
    }
}

/// A compression under way.
struct Rounds<V> {
    /// The working words do not move: the names do. After t rounds `a` is at 64 - t, `b` behind it, and so on, modulo 8.
    state: [V; 8],
    /// Of the schedule the last sixteen words, of which those count that differ.
    words: [V; 16],
}

/// Rounds by their numbers.
macro_rules! rounds {
    ($rounds:ident, $common:ident, $($t:literal)+) => { $( $rounds.round::<N, WORDS, $t>($common); )+ };
}

impl<V> Rounds<V> {
    /// Before the first round of which not all is the same.
    #[inline(always)]
    unsafe fn new<const N: usize, const WORDS: u16>(common: &Common, words: [V; 16]) -> Self
    where
        V: Vector<N>,
    {
        // SAFETY: the caller's features.
        unsafe {
            let mut state = [V::splat(0); 8];
            for (name, word) in common.state.iter().enumerate() {
                state[(64 + name - Differs::<WORDS>::FIRST) % 8] = V::splat(*word);
            }
            Self { state, words }
        }
    }

    /// Round `T`, unless all of it is the same for all.
    #[inline(always)]
    unsafe fn round<const N: usize, const WORDS: u16, const T: usize>(&mut self, common: &Common)
    where
        V: Vector<N>,
    {
        let first = Differs::<WORDS>::FIRST;
        if T < first {
            return;
        }
        // SAFETY: the caller's features.
        unsafe {
            let differs = Differs::<WORDS>::SCHEDULE[T];
            if T >= 16 && differs {
                self.words[T % 16] = self.scheduled::<N, WORDS>(common, T);
            }
            let word = self.words[T % 16];
            let state = &mut self.state;
            let (a, b, c, d) = ((64 - T) % 8, (65 - T) % 8, (66 - T) % 8, (67 - T) % 8);
            let (e, f, g, h) = ((68 - T) % 8, (69 - T) % 8, (70 - T) % 8, (71 - T) % 8);
            if T == first {
                (state[d], state[h]) = (word.add(V::splat(common.behind[1])), word.add(V::splat(common.behind[0])));
                return;
            }
            let key = V::splat(common.keys[T]);
            let mut sum = if T < first + 4 { key } else { state[h].add(key) };
            if differs {
                sum = sum.add(word);
            }
            let sum = sum.add(state[e].choose(state[f], state[g])).add(state[e].upper_sigma_1());
            state[d] = state[d].add(sum);
            state[h] = sum.add(state[a].majority(state[b], state[c])).add(state[a].upper_sigma_0());
        }
    }

    /// Word `t` of the schedule, one of those that differ.
    #[inline(always)]
    unsafe fn scheduled<const N: usize, const WORDS: u16>(&self, common: &Common, t: usize) -> V
    where
        V: Vector<N>,
    {
        let differs = &Differs::<WORDS>::SCHEDULE;
        let is_all = differs[t - 16] && differs[t - 15] && differs[t - 7] && differs[t - 2];
        // SAFETY: the caller's features.
        unsafe {
            let mut sum = if is_all { self.words[t % 16] } else { V::splat(common.schedule[t]) };
            if differs[t - 16] && !is_all {
                sum = sum.add(self.words[t % 16]);
            }
            if differs[t - 7] {
                sum = sum.add(self.words[(t - 7) % 16]);
            }
            if differs[t - 15] {
                sum = sum.add(self.words[(t - 15) % 16].lower_sigma_0());
            }
            if differs[t - 2] {
                sum = sum.add(self.words[(t - 2) % 16].lower_sigma_1());
            }
            sum
        }
    }
}

/// Where the variable `a` is after 57 rounds, and where `e` is after 61; see [`Rounds::state`].
const A_AFTER_57: usize = 64 - 57;
const E_AFTER_61: usize = 68 - 61;

/// The word that is tested, of the digest or of that of the digest: no more rounds than lead to it.
#[inline(always)]
unsafe fn word<V: Vector<N>, const N: usize, const WORDS: u16>(
    common: &Common,
    words: [V; 16],
    start: &State,
    place: TestedWord,
    again: Option<Again<V>>,
) -> V {
    // SAFETY: the caller's features.
    unsafe {
        let mut rounds = Rounds::new::<N, WORDS>(common, words);
        rounds!(rounds, common, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28);
        rounds!(rounds, common, 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56);
        if place == TestedWord::Inner && again.is_none() {
            return rounds.state[A_AFTER_57];
        }
        rounds!(rounds, common, 57 58 59 60);
        if place == TestedWord::Last && again.is_none() {
            // What is `e` now is `h` after three rounds more.
            return rounds.state[E_AFTER_61].add(V::splat(start[7]));
        }
        rounds!(rounds, common, 61 62 63);
        let digest = &mut rounds.state;
        for (word, start) in digest.iter_mut().zip(start) {
            *word = word.add(V::splat(*start));
        }
        again.map_or(digest[0], |again| again(digest, place))
    }
}
