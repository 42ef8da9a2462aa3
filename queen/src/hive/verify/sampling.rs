//! Which results are computed a second time, and how many.

/// Results that are computed a second time of a part of a Drone that is new.
const SAMPLE: u64 = 32;

/// How many results of a part are looked at, of a Drone that was right so often.
pub(super) fn sample_of(trust: u64) -> u64 {
    (SAMPLE / (1 + trust / 8)).max(1)
}

/// Numbers that follow from a first one, which is random: SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) struct Chance(u64);

impl Chance {
    /// Those that follow from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next one.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// `count` of the first `items` numbers, in order, at random if it is not all of them.
pub(super) fn choose(items: u64, count: u64, chance: &mut Chance) -> Vec<u64> {
    if count >= items {
        return (0..items).collect();
    }
    let mut chosen = std::collections::BTreeSet::new();
    while (chosen.len() as u64) < count {
        chosen.insert(chance.next() % items);
    }
    chosen.into_iter().collect()
}

/// What a Drone cannot foresee. Without randomness the same results of each part are looked at.
pub(super) fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hive::audit::one_part_in;

    /// With which probability a Drone is found out within so many parts, of which this share of
    /// results is wrong.
    fn found(share: f64, parts: u32) -> f64 {
        let (mut trust, mut unseen) = (0, 1.0);
        for _ in 0..parts {
            unseen *= (1.0 - share).powi(sample_of(trust) as i32);
            trust += sample_of(trust);
        }
        1.0 - unseen
    }

    /// With which probability it is found out where single results are expensive.
    fn found_expensive(share: f64, parts: u32) -> f64 {
        // The probability of each number of times that it was right so far.
        let mut right = vec![1.0];
        for _ in 0..parts {
            let mut next = vec![0.0; right.len() + 1];
            for (trust, probability) in right.iter().enumerate() {
                let looked_at = probability / one_part_in(trust as u64) as f64;
                next[trust] += probability - looked_at;
                next[trust + 1] += looked_at * (1.0 - share);
            }
            right = next;
        }
        1.0 - right.iter().sum::<f64>()
    }

    #[test]
    fn the_odds_are_those_that_operators_are_told() {
        let manual = include_str!("../../../../docs/OPERATIONS.md");
        let percent = |odds: f64| match (odds * 100.0).round() {
            100.0.. => "> 99 %".to_owned(),
            rounded => format!("{rounded} %"),
        };
        for one_in in [10, 50, 1000] {
            let share = 1.0 / f64::from(one_in);
            let cheap = [1, 10, 100, 1000].map(|parts| percent(found(share, parts)));
            let expensive = [10, 100, 1000].map(|parts| percent(found_expensive(share, parts)));
            let line = format!("| one in {one_in} | {} | {} |", cheap.join(" | "), expensive.join(" | "));
            assert!(manual.contains(&line), "{line}");
        }
    }

    #[test]
    fn a_sample_is_of_different_items() {
        for (items, count) in [(1, 0), (1, 1), (5, 9), (1000, 32), (33, 32)] {
            let chosen = choose(items, count, &mut Chance::new(items));
            assert_eq!(chosen.len() as u64, count.min(items));
            assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && chosen.iter().all(|index| *index < items));
        }
    }

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut chance = Chance::new(1_234_567);
        let numbers = [(); 3].map(|()| chance.next());
        assert_eq!(numbers, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }
}
