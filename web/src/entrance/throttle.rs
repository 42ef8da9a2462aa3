//! How often somebody may try to log in. This file is pure, without clock and lock.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::places::Origin;

/// So many failures in a row cost nothing.
const FREE: u32 = 5;

/// How long the next one has to be waited for; each further failure doubles it.
const WAIT: Duration = Duration::from_secs(1);

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// After how long without a try failures are forgotten.
const MEMORY: Duration = Duration::from_secs(60 * 60);

/// The most origins whose failures are known; who failed longest ago is forgotten for one more.
const ORIGINS_MAX: usize = 4096;

/// Those who failed to log in.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    origins: HashMap<Origin, Tries>,
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    count: u32,
    last: Instant,
    /// From when on there may be another one.
    next: Instant,
}

impl Throttle {
    /// Counts a try, which is a failure until [`succeed`](Self::succeed) says otherwise: tries at once are counted
    /// one after the other.
    ///
    /// # Errors
    /// It comes too early, by so much.
    pub(super) fn begin(&mut self, origin: Origin, now: Instant) -> Result<(), Duration> {
        if !self.origins.contains_key(&origin) && self.origins.len() >= ORIGINS_MAX {
            self.forget(now);
        }
        let tries = self.origins.entry(origin).or_insert(Tries { count: 0, last: now, next: now });
        if now < tries.next {
            return Err(tries.next - now);
        }
        if now.saturating_duration_since(tries.last) >= MEMORY {
            tries.count = 0;
        }
        tries.count = tries.count.saturating_add(1);
        let doublings = tries.count.checked_sub(FREE);
        let wait = doublings.map_or(Duration::ZERO, |times| WAIT.saturating_mul(2_u32.saturating_pow(times)));
        (tries.last, tries.next) = (now, now + wait.min(WAIT_MAX));
        Ok(())
    }

    /// The try was a success.
    pub(super) fn succeed(&mut self, origin: Origin) {
        self.origins.remove(&origin);
    }

    /// Makes room for one more.
    fn forget(&mut self, now: Instant) {
        self.origins.retain(|_, tries| now.saturating_duration_since(tries.last) < MEMORY);
        if self.origins.len() >= ORIGINS_MAX
            && let Some(oldest) = self.origins.iter().min_by_key(|(_, tries)| tries.last).map(|(origin, _)| *origin)
        {
            self.origins.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn origin(number: u32) -> Origin {
        IpAddr::from(Ipv4Addr::from(number)).into()
    }

    #[test]
    fn each_failure_doubles_the_wait() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        for _ in 0..FREE {
            assert_eq!(throttle.begin(origin(1), now), Ok(()));
        }
        let mut waits = Vec::new();
        for _ in 0..14 {
            let wait = throttle.begin(origin(1), now).unwrap_err();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(throttle.begin(origin(1), now), Ok(()));
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
        assert_eq!(throttle.begin(origin(2), now), Ok(()), "others are not concerned");
        throttle.succeed(origin(1));
        assert_eq!(throttle.begin(origin(1), now), Ok(()));
        for _ in 1..FREE {
            assert_eq!(throttle.begin(origin(1), now), Ok(()));
        }
        assert!(throttle.begin(origin(1), now).is_err());
        now += MEMORY;
        assert_eq!([(); 2].map(|()| throttle.begin(origin(1), now)), [Ok(()); 2], "an hour later it is forgotten");
    }

    #[test]
    fn who_failed_longest_ago_is_forgotten() {
        let (mut throttle, mut now) = (Throttle::default(), Instant::now());
        for number in 0..2 * ORIGINS_MAX as u32 {
            now += Duration::from_millis(1);
            throttle.begin(origin(number), now).unwrap();
        }
        assert_eq!(throttle.origins.len(), ORIGINS_MAX);
        assert!(!throttle.origins.contains_key(&origin(0)));
    }
}
