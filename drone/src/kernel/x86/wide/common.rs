//! What candidates of a search have in common of a compression (FIPS 180-4, section 6.2.2), computed once for all.

use crate::kernel::sha256::{K, State};

/// Which of the 64 words of a schedule differ, if of the block's words those differ whose bits are set in `WORDS`.
pub(super) struct Differs<const WORDS: u16>;

impl<const WORDS: u16> Differs<WORDS> {
    /// For each word of the schedule.
    pub(super) const SCHEDULE: [bool; 64] = {
        let mut differs = [false; 64];
        let mut t = 0;
        while t < 64 {
            differs[t] = match t < 16 {
                true => WORDS >> t & 1 == 1,
                false => differs[t - 16] || differs[t - 15] || differs[t - 7] || differs[t - 2],
            };
            t += 1;
        }
        differs
    };

    /// The first word of the block that differs: the rounds before it are the same for all.
    pub(super) const FIRST: usize = WORDS.trailing_zeros() as usize;
}

/// What is the same for all candidates.
pub(super) struct Common {
    /// Before the round of the first word that differs.
    pub(super) state: State,
    /// The variables `a` and `e` behind that round, without the word.
    pub(super) behind: [u32; 2],
    /// For each round what is added besides what differs: its constant, a word of the schedule that is the same
    /// for all, and `h`, as long as that is.
    pub(super) keys: [u32; 64],
    /// For each word of the schedule that differs, the sum of those parts that do not; else the word.
    pub(super) schedule: [u32; 64],
}

impl Common {
    /// Of blocks that have `block` in common, behind `start`.
    #[inline(never)]
    pub(super) fn new<const WORDS: u16>(start: &State, block: &[u32; 16]) -> Self {
        let differs = &Differs::<WORDS>::SCHEDULE;
        let mut schedule = [0u32; 64];
        for t in 0..64 {
            let of = |at: usize| if differs[at] { 0 } else { schedule[at] };
            schedule[t] = match t < 16 {
                true if differs[t] => 0,
                true => block[t],
                false => {
                    let parts = [of(t - 16), lower_sigma_0(of(t - 15)), of(t - 7), lower_sigma_1(of(t - 2))];
                    parts.into_iter().fold(0, u32::wrapping_add)
                }
            };
        }
        let mut keys: [u32; 64] =
            std::array::from_fn(|t| if differs[t] { K[t] } else { K[t].wrapping_add(schedule[t]) });
        let mut state = *start;
        for key in &keys[..Differs::<WORDS>::FIRST] {
            state = round(&state, *key);
        }
        let [a, _, _, _, e, f, g, _] = state;
        let behind = round(&state, keys[Differs::<WORDS>::FIRST]);
        // They move to the end of the state one after the other, and are what they were when they are there.
        for (later, h) in [g, f, e].into_iter().enumerate() {
            if let Some(key) = keys.get_mut(Differs::<WORDS>::FIRST + 1 + later) {
                *key = key.wrapping_add(h);
            }
        }
        debug_assert!(behind[1] == a && behind[5] == e);
        Self { state, behind: [behind[0], behind[4]], keys, schedule }
    }
}

fn lower_sigma_0(word: u32) -> u32 {
    word.rotate_right(7) ^ word.rotate_right(18) ^ (word >> 3)
}

fn lower_sigma_1(word: u32) -> u32 {
    word.rotate_right(17) ^ word.rotate_right(19) ^ (word >> 10)
}

/// The state behind a round whose constant and word of the schedule add up to `key`.
fn round(&[a, b, c, d, e, f, g, h]: &State, key: u32) -> State {
    let upper_sigma_1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
    let first = [upper_sigma_1, (e & f) ^ (!e & g), key].into_iter().fold(h, u32::wrapping_add);
    let upper_sigma_0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
    let second = upper_sigma_0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
    [first.wrapping_add(second), a, b, c, d.wrapping_add(first), e, f, g]
}
