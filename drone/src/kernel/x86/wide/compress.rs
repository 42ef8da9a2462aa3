//! One compression of every lane's message (FIPS 180-4, section 6.2.2).

use super::vector::Vector;
use crate::kernel::sha256::K;

/// Sixteen rounds from round `from` on. The working words do not move: the names do.
macro_rules! rounds {
    ($state:ident, $words:ident, $from:expr, $schedule:literal, $($i:literal)+) => { $(
        if $schedule {
            let (old, near) = ($words[($i + 1) & 15].lower_sigma_0(), $words[($i + 14) & 15].lower_sigma_1());
            $words[$i] = $words[$i].add(old).add($words[($i + 9) & 15].add(near));
        }
        let [a, b, c] = [$state[(16 - $i) & 7], $state[(17 - $i) & 7], $state[(18 - $i) & 7]];
        let [e, f, g] = [$state[(20 - $i) & 7], $state[(21 - $i) & 7], $state[(22 - $i) & 7]];
        let h = $state[(23 - $i) & 7].add($words[$i].add(V::splat(K[$from + $i])));
        let first = h.add(e.choose(f, g)).add(e.upper_sigma_1());
        $state[(19 - $i) & 7] = $state[(19 - $i) & 7].add(first);
        $state[(23 - $i) & 7] = first.add(a.majority(b, c)).add(a.upper_sigma_0());
    )+ };
}

/// Compresses a block, whose n-th words are `words[n]`, into each lane's state.
///
/// # Safety
/// For callers that enable the features of `V`.
#[inline(always)]
pub(super) unsafe fn compress<V: Vector<N>, const N: usize>(states: &mut [V; 8], mut words: [V; 16]) {
    let mut state = *states;
    // SAFETY: the caller's features.
    unsafe {
        rounds!(state, words, 0, false, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        for from in [16, 32, 48] {
            rounds!(state, words, from, true, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        }
        for (before, word) in states.iter_mut().zip(state) {
            *before = before.add(word);
        }
    }
}
