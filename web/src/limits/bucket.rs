//! Token buckets (in the form of the GCRA of ITU-T I.371): all that is kept of one is when it is full again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

const SECOND: u128 = 1_000_000_000;

/// How much there may be of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// In the long run.
    pub per_second: u64,
    /// At once, after a pause.
    pub burst: u64,
}

impl Rate {
    /// How long so much takes in the long run, in nanoseconds.
    fn nanoseconds(self, amount: u64) -> u64 {
        let long = u128::from(amount) * SECOND / u128::from(self.per_second.max(1));
        u64::try_from(long).unwrap_or(u64::MAX)
    }
}

/// A bucket that fills at a [`Rate`]; full at first. Times are since a moment that its owner knows.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    /// In nanoseconds.
    full_at: AtomicU64,
}

impl Bucket {
    /// Takes so much, if it is there.
    ///
    /// # Errors
    /// When it will be.
    pub(super) fn take(&self, rate: Rate, now: Duration, amount: u64) -> Result<(), Duration> {
        let (now, burst) = (nanoseconds(now), rate.nanoseconds(rate.burst));
        let after = |full_at: u64| full_at.max(now).saturating_add(rate.nanoseconds(amount));
        let is_there = |full_at: &u64| full_at - now <= burst;
        let taken = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| Some(after(full_at)).filter(is_there));
        taken.map(drop).map_err(|full_at| Duration::from_nanos(after(full_at) - now - burst))
    }

    /// Takes so much in any case; how far it is [ahead](Self::ahead) then.
    pub(super) fn charge(&self, rate: Rate, now: Duration, amount: u64) -> Duration {
        let after = |full_at: u64| full_at.max(nanoseconds(now)).saturating_add(rate.nanoseconds(amount));
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| Some(after(full_at)));
        self.ahead(rate, now)
    }

    /// How long it takes until it is not less than empty.
    pub(super) fn ahead(&self, rate: Rate, now: Duration) -> Duration {
        let fills = self.full_at.load(Relaxed).saturating_sub(nanoseconds(now));
        Duration::from_nanos(fills.saturating_sub(rate.nanoseconds(rate.burst)))
    }

    /// Whether all of it is there.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.full_at.load(Relaxed) <= nanoseconds(now)
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bucket_holds_a_burst_and_fills_at_its_rate() {
        let (bucket, rate) = (Bucket::default(), Rate { per_second: 4, burst: 2 });
        let take = |now| bucket.take(rate, Duration::from_millis(now), 1);
        assert_eq!([take(0), take(0)], [Ok(()), Ok(())]);
        assert_eq!(take(0), Err(Duration::from_millis(250)));
        assert_eq!(take(100), Err(Duration::from_millis(150)));
        assert_eq!((take(250), take(250).is_err()), (Ok(()), true));
        assert!(!bucket.is_full(Duration::from_millis(700)) && bucket.is_full(Duration::from_millis(750)));
        assert_eq!([take(60_000), take(60_000)], [Ok(()), Ok(())], "it holds no more than a burst");
        assert!(take(60_000).is_err());
    }

    proptest! {
        /// However it is asked: in any time no more is taken than a burst, and what fills it in that time.
        #[test]
        fn no_more_is_taken_than_there_was(
            per_second in 1_u64..1000,
            burst in 1_u64..1000,
            asked in prop::collection::vec((0_u64..2000, 1_u64..50), 1..200),
        ) {
            let (bucket, rate) = (Bucket::default(), Rate { per_second, burst });
            let (mut now, mut taken) = (0, 0);
            for (pause, amount) in asked {
                now += pause;
                match bucket.take(rate, Duration::from_millis(now), amount) {
                    Ok(()) => taken += amount,
                    Err(wait) => prop_assert!(wait > Duration::ZERO),
                }
                // A part of a nanosecond is lost with each.
                let most = burst as f64 + (now + 1) as f64 / 1e3 * per_second as f64;
                prop_assert!(taken as f64 <= most, "{taken} of {most}");
            }
        }
    }
}
