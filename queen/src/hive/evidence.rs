//! Whether a Drone searches what it says that it searched, as far as its marks tell.
//!
//! Among candidates that were all searched, marks are as good as random: each candidate is one with the same
//! probability. Their number is Poisson with a known mean, and the gaps between them are short. Who skips
//! candidates reports too few marks, or leaves a gap. Neither proves anything: it says where to search again.

#[cfg(test)]
mod tests;

/// The shares of candidates that a Drone is suspected to skip: one that skips another share is noticed by those
/// nearest to it.
const SKIPPED: [f64; 4] = [0.01, 0.1, 0.5, 1.0];

/// A mean of the statistics above this is suspicion.
const LIMIT: f64 = 1e12;

/// A part with fewer expected marks is not judged by its gaps: an honest one may be all gap.
const LEAST_MARKS: f64 = 32.0;

/// The negative logarithm of the probability, 10⁻⁹, that an honest part has a gap which is suspect.
const GAP_MARGIN: f64 = 20.7;

/// What is known of one Drone's marks in one task: a test that notices when the Drone begins to skip candidates,
/// however long it was honest before.
///
/// For each share s of [`SKIPPED`] it keeps the Shiryaev–Roberts statistic R, the sum over all parts of how many
/// times likelier the marks are if the Drone began at that part to skip a share s than if it never did. R begins
/// at 0; a part with λ expected and D seen marks makes it (1 + R)·e^(sλ)·(1 − s)^D, where 0⁰ = 1. (Shiryaev, "On optimum methods in quickest
/// detection problems", 1963; Roberts, "A comparison of some control chart procedures", 1966.)
///
/// An honest Drone's factor e^(sλ)·(1 − s)^D has expectation 1, as D is Poisson with mean λ, and below 1 as D is
/// binomial, which it is exactly. So each R, and the mean of the four, has expectation at most n after n parts,
/// and exceeds 10¹² then with probability at most n·10⁻¹² (Markov's inequality); as the mean is a submartingale,
/// this bounds the probability that it does so within any of the n parts (Doob's inequality). The parts may
/// differ in size, and their sizes may follow from earlier ones; but no candidate may be noted twice, as the same
/// marks would count as independent ones.
///
/// How soon it notices depends on the size of parts, as suspicion begins with a part. In expected marks, after a
/// million honest ones, where the numbers seen are the expected ones:
///
/// | skipped | parts of 1 mark | of 64 | of 1,024 |
/// | --- | --- | --- | --- |
/// | all | 29 | 64 | 1,024 |
/// | a half | 173 | 192 | 1,024 |
/// | a tenth | 4,450 | 5,312 | 6,144 |
/// | a hundredth | 367,200 | 450,112 | 505,856 |
///
/// With random numbers the mean is about that; one time in a hundred it takes twice as long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evidence {
    /// The natural logarithm of R for each share of [`SKIPPED`].
    logarithms: [f64; SKIPPED.len()],
}

impl Default for Evidence {
    /// Nothing is known yet; also for a Drone of which searching again has found that it was honest.
    fn default() -> Self {
        Self { logarithms: [f64::NEG_INFINITY; SKIPPED.len()] }
    }
}

impl Evidence {
    /// Notes a part: `seen` marks of `expected`, which is finite and not negative. Returns whether the Drone is
    /// suspect now.
    pub fn note(&mut self, expected: f64, seen: u64) -> bool {
        debug_assert!(expected.is_finite() && expected >= 0.0, "{expected} expected marks");
        for (logarithm, skipped) in self.logarithms.iter_mut().zip(SKIPPED) {
            // Zero is told apart, as the logarithm of 1 − s is −∞ where all is skipped.
            let seen = if seen == 0 { 0.0 } else { seen as f64 * (-skipped).ln_1p() };
            *logarithm = ln_1p_exp(*logarithm) + skipped * expected + seen;
        }
        self.is_suspect()
    }

    /// Whether the mean of the statistics exceeds 10¹²: what the Drone says is to be searched again in samples.
    pub fn is_suspect(&self) -> bool {
        let largest = self.logarithms.into_iter().fold(f64::NEG_INFINITY, f64::max);
        if largest.is_infinite() {
            return largest > 0.0;
        }
        // Terms are taken relative to the largest, so that none overflows.
        let mean =
            self.logarithms.iter().map(|logarithm| (logarithm - largest).exp()).sum::<f64>() / SKIPPED.len() as f64;
        largest + mean.ln() > LIMIT.ln()
    }
}

/// ln(1 + eˣ) without overflow, and without loss where eˣ is small.
fn ln_1p_exp(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Whether the longest run of candidates without a mark, also before the first and behind the last, is too long
/// to be chance: above (ln λ + 20.7) / `share` in a part of λ = `items`·`share` expected marks. False where λ is
/// below 32.
///
/// `marks` are ascending indices of the part, below `items`; `share` is the probability that a candidate is a
/// mark. A run of g / `share` candidates has no mark with probability at most e^(−g), and begins behind one of λ
/// marks or in front: an honest part is suspect with probability at most λ·e^(−g) = e^(−20.7), about 10⁻⁹. At
/// λ = 32 the run is three quarters of the part, at 256 a tenth.
pub fn gap_is_suspect(marks: impl IntoIterator<Item = u64>, items: u64, share: f64) -> bool {
    let expected = items as f64 * share;
    if expected < LEAST_MARKS {
        return false;
    }
    let longest = (expected.ln() + GAP_MARGIN) / share;
    let mut next = 0;
    marks.into_iter().chain([items]).any(|mark| {
        let gap = mark.saturating_sub(next);
        next = mark.saturating_add(1);
        gap as f64 > longest
    })
}
