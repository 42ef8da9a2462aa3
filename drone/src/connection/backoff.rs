//! Exponential backoff with full jitter: many Drones that lost the same Queen must not all
//! come back at the same moment.

use std::time::Duration;

/// The longest wait after the first failure; twice as long after each further one.
const FIRST_CEILING: Duration = Duration::from_millis(100);

/// The longest wait at all.
const MAX_WAIT: Duration = Duration::from_secs(5);

/// How long to wait before the next try.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// How long to wait after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let ceiling = FIRST_CEILING.saturating_mul(1 << self.tries.min(16)).min(MAX_WAIT);
        self.tries = self.tries.saturating_add(1);
        ceiling.mul_f64(fraction())
    }

    /// How long to wait when the next try will hardly help: half of [`MAX_WAIT`] or more.
    pub(super) fn longest(&self) -> Duration {
        MAX_WAIT.mul_f64(0.5 + 0.5 * fraction())
    }
}

/// A random number in 0.0..=1.0; the jitter is lost where there is no randomness.
fn fraction() -> f64 {
    getrandom::u32().map_or(1.0, |random| f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_the_cap() {
        let mut backoff = Backoff::default();
        assert!(backoff.next() <= FIRST_CEILING);
        assert!(backoff.next() <= 2 * FIRST_CEILING);
        for _ in 0..100 {
            assert!(backoff.next() <= MAX_WAIT);
        }
        assert!((MAX_WAIT / 2..=MAX_WAIT).contains(&backoff.longest()));
    }
}
