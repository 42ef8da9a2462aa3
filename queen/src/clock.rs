//! Where a Queen has the time from: the system, or whoever starts her.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use web::model::Timestamp;

/// Time as it passes for a Queen.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// How much of it has passed since this clock was made. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Resolves when so much has passed since this clock was made.
    async fn reach(&self, elapsed: Duration);

    /// What the wall clock shows, which somebody may set at any time.
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Milliseconds on the Hive's own clock, by which retention, idempotency keys and deadlines are
/// reckoned, so that nothing is lost by setting the wall clock. It is kept in the database. While a
/// Queen runs it advances as time passes, and from one Queen to the next by what the wall clock
/// says, which is never taken to be less than nothing or more than a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HiveTime(pub i64);

/// When something happened, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// By the wall clock, for people.
    pub at: Timestamp,
    /// By the Hive's.
    pub on: HiveTime,
}

/// What all clocks of a Queen show at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// How much time has passed since the Queen started, which never goes back.
    pub elapsed: Duration,
    /// What the wall clock shows, for people.
    pub at: Timestamp,
    /// What the Hive's shows.
    pub on: HiveTime,
}

impl Now {
    /// When so much time has passed since a Queen started, who did so in 1970.
    #[cfg(test)]
    pub fn after(elapsed: Duration) -> Self {
        Self { elapsed, at: Timestamp(millis(elapsed)), on: HiveTime(millis(elapsed)) }
    }

    /// How much time has passed since then by the Hive's clock, in whole milliseconds.
    pub fn since(self, then: Moment) -> Duration {
        let millis = self.on.0.saturating_sub(then.on.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }

    /// What the clocks show that outlive a Queen.
    pub fn moment(self) -> Moment {
        Moment { at: self.at, on: self.on }
    }
}

/// How far the Hive's clock goes on at most while no Queen runs, in milliseconds.
const MAX_AWAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The Hive's clock while a Queen runs.
#[derive(Debug, Clone)]
pub struct HiveClock {
    clock: Arc<dyn Clock>,
    /// What it showed when `clock` was made.
    start: HiveTime,
}

impl HiveClock {
    /// Goes on from what it showed when it was last written down.
    pub fn resume(clock: Arc<dyn Clock>, last: Moment) -> Self {
        let away = clock.wall().0.saturating_sub(last.at.0).clamp(0, MAX_AWAY_MS);
        let start = HiveTime(last.on.0 + away - millis(clock.elapsed()));
        Self { clock, start }
    }

    /// One of a Hive that is new.
    pub fn begin(clock: Arc<dyn Clock>) -> Self {
        let at = clock.wall();
        Self::resume(clock, Moment { at, on: HiveTime(at.0) })
    }

    /// What all clocks show now.
    pub fn now(&self) -> Now {
        self.when(self.elapsed())
    }

    /// What they show now that so much time has passed for the Queen.
    fn when(&self, elapsed: Duration) -> Now {
        Now { elapsed, at: self.clock.wall(), on: HiveTime(self.start.0 + millis(elapsed)) }
    }

    /// How much time has passed for the Queen.
    pub fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Resolves when so much has.
    pub async fn reach(&self, elapsed: Duration) {
        self.clock.reach(elapsed).await;
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// The system's, which nobody can set.
#[derive(Debug)]
pub struct System(Instant);

impl System {
    /// It begins now.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for System {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn reach(&self, elapsed: Duration) {
        tokio::time::sleep(elapsed.saturating_sub(self.elapsed())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that stands still: what the wall shows, and how much time has passed.
    #[derive(Debug)]
    struct Still(i64, Duration);

    #[async_trait]
    impl Clock for Still {
        fn elapsed(&self) -> Duration {
            self.1
        }

        async fn reach(&self, _: Duration) {}

        fn wall(&self) -> Timestamp {
            Timestamp(self.0)
        }
    }

    #[test]
    fn from_one_queen_to_the_next_it_goes_on_by_the_wall_within_bounds() {
        let last = Moment { at: Timestamp(5_000_000_000), on: HiveTime(700) };
        let passed = Duration::from_millis(30);
        for (wall, on) in [
            (0, 0),
            (17, 17),
            (-1, 0),
            (-4_000_000_000, 0),
            (MAX_AWAY_MS, MAX_AWAY_MS),
            (30 * MAX_AWAY_MS, MAX_AWAY_MS),
        ] {
            let clock = HiveClock::resume(Arc::new(Still(last.at.0 + wall, passed)), last);
            assert_eq!(clock.now().moment(), Moment { at: Timestamp(last.at.0 + wall), on: HiveTime(700 + on) });
            assert_eq!(clock.when(passed * 3).on, HiveTime(700 + on + 60));
        }
    }
}
