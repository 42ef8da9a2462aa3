//! Which results are computed again: a few of each task, spread over all of it.

use std::collections::BTreeSet;
use std::collections::btree_set::IntoIter;
use std::iter::Peekable;

/// Results of one task that are computed again.
const MOST: u64 = 64;

/// SHA-256 compressions that one task may take: the dearest input that there can be, of ten
/// million iterations, fits.
const TASK: u64 = 32_000_000;

/// SHA-256 compressions that all may take: some minutes.
const ALL: u64 = 2_000_000_000;

/// Chooses, and minds the cost.
pub(super) struct Sampler {
    random: u64,
    left: u64,
    /// Results that were computed again.
    pub(super) rehashed: u64,
}

/// Numbers of a task's results that were chosen, and what has been met of them. Results are
/// counted from 0, gaps left out.
pub(super) struct Picks {
    chosen: Peekable<IntoIter<u64>>,
    behind: u64,
    /// What was chosen and met.
    pub(super) samples: Vec<Sample>,
    /// Bytes of one result.
    width: usize,
    /// What its task may cost yet.
    budget: u64,
}

/// A result that is to be computed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sample {
    /// Its index in the task.
    pub(super) index: u64,
    /// What is stored.
    pub(super) result: Box<[u8]>,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new(0)
    }
}

impl Sampler {
    /// The same seed makes the same choices.
    pub(super) fn new(seed: u64) -> Self {
        Self { random: seed, left: ALL, rehashed: 0 }
    }

    /// Chooses of `count` results that cost so much each, and have `width` bytes.
    pub(super) fn pick(&mut self, count: u64, cost: u64, width: usize) -> Picks {
        let affordable = (TASK / cost.max(1)).clamp(1, MOST);
        let mut chosen = BTreeSet::new();
        if count <= affordable {
            chosen.extend(0..count);
        } else {
            if affordable > 1 {
                chosen.extend([0, count - 1]);
            }
            let free = affordable - chosen.len() as u64;
            chosen.extend((0..free).map(|_| self.random() % count));
        }
        Picks { chosen: chosen.into_iter().peekable(), behind: 0, samples: Vec::new(), width, budget: TASK }
    }

    /// Whether a result may be computed again that costs so much.
    pub(super) fn affords(&mut self, picks: &mut Picks, cost: u64) -> bool {
        let affords = cost <= picks.budget && cost <= self.left;
        if affords {
            picks.budget -= cost;
            self.left -= cost;
            self.rehashed += 1;
        }
        affords
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Picks {
    /// Meets the next results, from index `first` on.
    pub(super) fn meet(&mut self, first: u64, results: &[u8]) {
        let mut results = results.chunks_exact(self.width);
        let end = self.behind + results.len() as u64;
        let mut passed = 0;
        while let Some(number) = self.chosen.next_if(|number| *number < end) {
            let at = number - self.behind;
            if let Some(result) = results.nth((at - passed) as usize) {
                self.samples.push(Sample { index: first + at, result: result.into() });
            }
            passed = at + 1;
        }
        self.behind = end;
    }

    /// Passes over so many results.
    pub(super) fn skip(&mut self, count: u64) {
        self.behind += count;
        while self.chosen.next_if(|number| *number < self.behind).is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(count: u64, cost: u64) -> Vec<u64> {
        Sampler::new(7).pick(count, cost, 1).chosen.collect()
    }

    #[test]
    fn a_choice_is_spread_and_can_be_afforded() {
        assert!(chosen(0, 1).is_empty());
        assert_eq!(chosen(3, 1), [0, 1, 2]);
        let many = chosen(100_000_000, 1);
        assert!(many.len() as u64 <= MOST && many.len() > 60, "{many:?}");
        assert_eq!((many[0], many[many.len() - 1]), (0, 99_999_999));
        assert!(many.windows(2).all(|pair| pair[1] - pair[0] < 20_000_000), "{many:?}");
        assert_eq!(chosen(1000, TASK / 3).len(), 3);
        assert_eq!(chosen(1000, u64::MAX).len(), 1);
        let mut sampler = Sampler::new(0);
        let mut picks = sampler.pick(3, 1, 1);
        assert!(sampler.affords(&mut picks, TASK) && !sampler.affords(&mut picks, 1));
    }

    #[test]
    fn chosen_results_are_met_across_gaps() {
        let mut picks = Sampler::new(1).pick(4, 1, 2);
        picks.meet(10, &[0, 0, 1, 1]);
        picks.skip(1);
        picks.meet(50, &[1, 1]);
        let sample = |index, byte| Sample { index, result: [byte; 2].into() };
        assert_eq!(picks.samples, [sample(10, 0), sample(11, 1), sample(50, 1)]);
    }
}
