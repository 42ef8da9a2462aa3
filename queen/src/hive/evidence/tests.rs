use super::*;

/// Random numbers that are the same in each run (SplitMix64; Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Uniform above 0 and below 1.
    fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / 52f64.exp2()
    }

    /// A Poisson number: how many uniform factors keep the product above e^(−mean) (Knuth). Large means are taken
    /// in pieces, as e^(−mean) would underflow.
    fn poisson(&mut self, mut mean: f64) -> u64 {
        let mut count = 0;
        while mean > 0.0 {
            let least = (-mean.min(500.0)).exp();
            let mut product = self.unit();
            while product > least {
                product *= self.unit();
                count += 1;
            }
            mean -= 500.0;
        }
        count
    }

    /// The marks of an honest lease: the gaps between them are geometric.
    fn marks(&mut self, items: u64, share: f64) -> Vec<u64> {
        let (mut marks, mut next) = (Vec::new(), 0);
        loop {
            next += (self.unit().ln() / (-share).ln_1p()) as u64;
            if next >= items {
                return marks;
            }
            marks.push(next);
            next += 1;
        }
    }
}

/// Whole numbers whose sum follows the sum of the means.
#[derive(Default)]
struct Rounded(f64);

impl Rounded {
    fn next(&mut self, mean: f64) -> u64 {
        self.0 += mean;
        let whole = self.0.floor();
        self.0 -= whole;
        whole as u64
    }
}

/// A Drone after a million honest marks in parts of `expected`.
fn after_a_million(expected: f64, mut seen: impl FnMut(f64) -> u64) -> Evidence {
    let mut evidence = Evidence::default();
    for _ in 0..(1e6 / expected) as u64 {
        assert!(!evidence.note(expected, seen(expected)));
    }
    evidence
}

/// How many marks are expected until a Drone is suspect that skips a share from now on.
fn delay(mut evidence: Evidence, expected: f64, skipped: f64, mut seen: impl FnMut(f64) -> u64) -> f64 {
    let parts = 1 + (0..).take_while(|_: &u64| !evidence.note(expected, seen((1.0 - skipped) * expected))).count();
    parts as f64 * expected
}

/// Asserts that two numbers are the same but for rounding.
fn assert_close(found: f64, wanted: f64) {
    assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{found}, not {wanted}");
}

#[test]
fn honest_drones_are_not_suspected() {
    let mut random = Random(1);
    let mut evidence = Evidence::default();
    for part in 0..100_000 {
        let expected = 10f64.powf(random.unit() * 5.0 - 2.0);
        let seen = random.poisson(expected);
        assert!(!evidence.note(expected, seen), "part {part}: {seen} of {expected}, {evidence:?}");
    }
}

#[test]
fn honest_parts_multiply_the_statistics_by_one_on_average() {
    for expected in [0.1, 5.0, 100.0] {
        let (mut probability, mut means) = (f64::exp(-expected), [0.0; 4]);
        for seen in 0..400 {
            let mut evidence = Evidence::default();
            evidence.note(expected, seen);
            for (mean, logarithm) in means.iter_mut().zip(evidence.logarithms) {
                *mean += probability * logarithm.exp();
            }
            probability *= expected / (seen + 1) as f64;
        }
        means.into_iter().for_each(|mean| assert_close(mean, 1.0));
    }
}

#[test]
fn long_honest_runs_do_not_drift() {
    let mut evidence = Evidence::default();
    for _ in 0..100_000 {
        evidence.note(64.0, 64);
    }
    for (logarithm, skipped) in evidence.logarithms.into_iter().zip(SKIPPED) {
        // Where R = (1 + R)·factor.
        let factor = (64.0 * skipped).exp() * (1.0 - skipped).powi(64);
        let fixed = (factor / (1.0 - factor)).ln();
        assert!(logarithm == fixed || (logarithm - fixed).abs() < 1e-9, "{logarithm}, not {fixed}");
    }
}

#[test]
fn skipping_is_noticed_as_soon_as_is_said() {
    let delays = [
        (1.0, [29.0, 173.0, 4_450.0, 367_200.0]),
        (64.0, [64.0, 192.0, 5_312.0, 450_112.0]),
        (1024.0, [1_024.0, 1_024.0, 6_144.0, 505_856.0]),
    ];
    for (expected, delays) in delays {
        let mut rounded = Rounded::default();
        let honest = after_a_million(expected, |mean| rounded.next(mean));
        for (skipped, wanted) in [1.0, 0.5, 0.1, 0.01].into_iter().zip(delays) {
            let mut rounded = Rounded::default();
            let found = delay(honest, expected, skipped, |mean| rounded.next(mean));
            assert_eq!(found, wanted, "{skipped} skipped in parts of {expected}");
        }
    }
}

#[test]
fn skipping_is_noticed_in_random_marks() {
    let mut random = Random(2);
    let honest = after_a_million(64.0, |mean| random.poisson(mean));
    for (skipped, path) in [(1.0, 64.0), (0.5, 192.0), (0.1, 5_312.0), (0.01, 450_112.0)] {
        let mut delays: Vec<_> = (0..20).map(|_| delay(honest, 64.0, skipped, |mean| random.poisson(mean))).collect();
        delays.sort_by(f64::total_cmp);
        let mean = delays.iter().sum::<f64>() / 20.0;
        assert!(mean <= 1.3 * path && delays[19] <= 2.5 * path, "{skipped} skipped: {delays:?}");
    }
}

#[test]
fn shares_between_those_looked_for_are_noticed() {
    let mut random = Random(3);
    let honest = after_a_million(64.0, |mean| random.poisson(mean));
    for (skipped, most) in [(0.03, 150_000.0), (0.25, 2_000.0), (0.9, 128.0)] {
        let found = delay(honest, 64.0, skipped, |mean| random.poisson(mean));
        assert!(found <= most, "{skipped} skipped: {found} marks");
    }
}

#[test]
fn extreme_parts_are_counted() {
    let mut evidence = Evidence::default();
    assert!(!evidence.is_suspect());
    assert!(!evidence.note(0.0, 0), "nothing was expected");
    assert_eq!(evidence.logarithms, [0.0; 4]);
    assert!(!evidence.note(0.0, u64::MAX), "many marks are no sign of skipping");
    assert_eq!(evidence.logarithms[3], f64::NEG_INFINITY);
    assert!(!evidence.note(1e9, 1_000_000_000));
    assert!(!evidence.note(29.0, 0), "e^29 / 4 is below the limit");
    assert!(evidence.note(1e9, 0));
    for _ in 0..1_000 {
        assert!(evidence.note(f64::MAX / 1e4, 0));
    }
    assert!(evidence.logarithms.iter().all(|logarithm| !logarithm.is_nan()));
    evidence = Evidence::default();
    assert!(evidence.note(1e9, 0));
    assert!(!evidence.note(1.0, u64::MAX), "it made up for what it withheld");
    assert!(evidence.note(1e9, 989_000_000), "and is noticed again");
    assert_eq!(size_of::<Evidence>(), 32);
}

#[test]
fn honest_gaps_are_not_suspect() {
    let mut random = Random(4);
    for share in [1.0 / 64.0, 1.0 / 65_536.0, 2f64.powi(-40)] {
        for expected in [256.0, 1_024.0, 4_096.0] {
            let items = (expected / share) as u64;
            for _ in 0..20 {
                assert!(!gap_is_suspect(random.marks(items, share), items, share));
            }
        }
    }
}

#[test]
fn gaps_are_suspect_wherever_they_are() {
    let (items, share) = (1 << 20, 1.0 / 1_024.0);
    let marks = Random(5).marks(items, share);
    let skipping = |gap: std::ops::Range<u64>| {
        gap_is_suspect(marks.iter().copied().filter(|mark| !gap.contains(mark)), items, share)
    };
    let (third, gap) = (items / 3, items / 35);
    assert!(!skipping(0..0));
    assert!(skipping(0..gap) && skipping(third..third + gap) && skipping(items - gap..items));
    assert!(gap_is_suspect([], items, share), "no mark at all");
    assert!(!gap_is_suspect([], items / 32 - 1, share), "below 32 expected marks, gaps say little");
    assert!(!gap_is_suspect(0..1_000, 1_000, 1.0), "all are marks");
}

#[test]
fn the_longest_gap_is_counted_to_the_candidate() {
    let (items, share) = (1u64 << 20, 1.0 / 1_024.0);
    let longest = ((1024f64.ln() + 20.7) * 1_024.0) as u64;
    let all_but = |gap: std::ops::Range<u64>| (0..items).filter(move |index| !gap.contains(index));
    for start in [0, 1_000, items - longest - 1] {
        assert!(!gap_is_suspect(all_but(start..start + longest), items, share));
        assert!(gap_is_suspect(all_but(start..start + longest + 1), items, share));
    }
}
