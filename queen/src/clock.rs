//! Where a Queen has the time from: the system, or whoever starts her.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use async_trait::async_trait;

/// Time as it passes for a Queen.
#[async_trait]
pub trait Clock: Debug + Send + Sync {
    /// How much of it has passed since this clock was made. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Resolves when so much has passed since this clock was made.
    async fn reach(&self, elapsed: Duration);
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
