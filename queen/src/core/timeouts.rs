//! How long is waited for Drones.

use std::time::Duration;

/// How long the Queen waits for Drones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// After how long a silence a Drone, or a lease that its heartbeats leave out, is given up.
    pub silence: Duration,
    /// How long at most a range is kept for a Drone whose connection broke.
    pub grace: Duration,
    /// After how long a Drone that failed on a range tries it again, where no other one can.
    pub retry: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { silence: Duration::from_secs(10), grace: Duration::from_secs(15), retry: Duration::from_secs(30) }
    }
}
