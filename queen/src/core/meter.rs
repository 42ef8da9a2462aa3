//! How fast something went lately.

use std::time::Duration;

use super::time::Time;

const SLOT: Duration = Duration::from_millis(500);
const SLOTS: usize = 10;
/// A shorter time says nothing about a rate.
const MIN_SPAN: Duration = Duration::from_millis(100);

/// How long something was computed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    /// Time of one thread.
    pub all: Duration,
    /// What of it can have passed since the Drone's connection began. The rest was computed before and comes late, all
    /// at once, so that it says nothing about how fast anything is now.
    pub lately: Duration,
}

impl Spent {
    /// The part of what was computed that was computed lately.
    fn lately_of(self, amount: u64) -> u64 {
        if self.lately >= self.all {
            return amount;
        }
        (u128::from(amount) * self.lately.as_nanos() / self.all.as_nanos()) as u64
    }
}

/// Items and cost over the last five seconds, in slots of half a second.
#[derive(Debug, Clone)]
pub struct Meter {
    started: Time,
    /// The number of the newest slot, counted from time zero.
    newest: u64,
    slots: [(u64, u64); SLOTS],
}

impl Meter {
    /// Nothing yet.
    pub fn new(now: Time) -> Self {
        Self { started: now, newest: slot(now), slots: [(0, 0); SLOTS] }
    }

    /// Nothing yet, but what is about to be counted has taken so much time.
    pub fn since(spent: Spent, now: Time) -> Self {
        Self::new(begin(spent.lately, now))
    }

    /// Counts what was done in so much time, up to now.
    pub fn add(&mut self, items: u64, cost: u64, spent: Spent, now: Time) {
        let current = slot(now);
        for passed in self.newest + 1..=current.min(self.newest + SLOTS as u64) {
            self.slots[passed as usize % SLOTS] = (0, 0);
        }
        if self.newest + (SLOTS as u64) < current && self.is_empty() {
            // After a rest the rate is measured from where this was begun, not from the rest's begin.
            self.started = begin(spent.lately, now);
        }
        self.newest = current;
        let slot = &mut self.slots[current as usize % SLOTS];
        *slot = (slot.0 + spent.lately_of(items), slot.1 + spent.lately_of(cost));
    }

    /// Items and cost per second.
    pub fn rates(&self, now: Time) -> (f64, f64) {
        let current = slot(now);
        let oldest = current.saturating_sub(SLOTS as u64 - 1);
        let (mut items, mut cost) = (0, 0);
        for number in oldest..=self.newest {
            let slot = self.slots[number as usize % SLOTS];
            items += slot.0;
            cost += slot.1;
        }
        let since = (SLOT * u32::try_from(oldest).unwrap_or(u32::MAX)).max(self.started);
        let seconds = now.saturating_sub(since).max(MIN_SPAN).as_secs_f64();
        (items as f64 / seconds, cost as f64 / seconds)
    }

    /// Cost per second, if something was done in each slot: else the mean says more about the rest.
    pub fn steady_cost_rate(&self, now: Time) -> Option<f64> {
        let current = slot(now);
        let is_steady = self.newest + 1 >= current && self.slots.iter().all(|slot| *slot != (0, 0));
        is_steady.then(|| self.rates(now).1)
    }

    fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| *slot == (0, 0))
    }
}

/// When something was begun that has taken so much time of one thread; no more is remembered than is shown.
fn begin(spent: Duration, now: Time) -> Time {
    now.saturating_sub(spent.min(SLOT * SLOTS as u32))
}

fn slot(now: Time) -> u64 {
    now.as_millis() as u64 / SLOT.as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_rate_is_shown_and_forgotten() {
        let at = |ms| Duration::from_millis(ms);
        let spent = |ms| Spent { all: at(ms), lately: at(ms) };
        let mut meter = Meter::new(at(0));
        for step in 1..=200 {
            meter.add(10, 20, spent(100), at(step * 100));
            let (items, cost) = meter.rates(at(step * 100));
            assert!((85.0..=115.0).contains(&items), "{items} at step {step}");
            assert!((cost - 2.0 * items).abs() < 1e-9);
        }
        assert!(meter.steady_cost_rate(at(20_000)).is_some() && meter.steady_cost_rate(at(21_500)).is_none());
        assert_eq!(meter.rates(at(26_000)), (0.0, 0.0));
        meter.add(100, 100, spent(0), at(60_000));
        assert!(meter.rates(at(61_000)).0 >= 99.0, "a rest does not count");
        assert_eq!(meter.steady_cost_rate(at(61_000)), None);
        meter.add(100, 100, spent(2_000), at(80_000));
        assert!((45.0..=55.0).contains(&meter.rates(at(80_000)).0), "what comes after a rest has taken its time");
    }

    #[test]
    fn what_comes_first_has_taken_its_time() {
        let at = |ms| Duration::from_millis(ms);
        let spent = Spent { all: at(2_000), lately: at(2_000) };
        let mut meter = Meter::since(spent, at(10_000));
        meter.add(200, 200, spent, at(10_000));
        assert_eq!(meter.rates(at(10_000)).0, 100.0);
        let spent = Spent { all: Duration::MAX, lately: Duration::MAX };
        assert_eq!(Meter::since(spent, at(1_000)).started, at(0));
    }

    #[test]
    fn what_comes_late_is_no_peak() {
        let at = |ms| Duration::from_millis(ms);
        let mut meter = Meter::new(at(0));
        meter.add(200, 2_000, Spent { all: at(8_000), lately: at(2_000) }, at(2_000));
        assert_eq!(meter.rates(at(2_000)), (25.0, 250.0));
        meter.add(200, 2_000, Spent { all: at(8_000), lately: at(0) }, at(2_000));
        assert_eq!(meter.rates(at(2_000)), (25.0, 250.0));
    }
}
