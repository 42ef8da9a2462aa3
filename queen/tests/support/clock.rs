//! Clocks that stand still until a test sets them, so that nothing depends on how long anything takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};
use std::time::Duration;

use async_trait::async_trait;
use queen::clock::Clock;
use tokio::sync::watch;
use web::model::Timestamp;

/// What the wall clock shows first: some day in 2026.
pub const WALL: i64 = 1_780_000_000_000;

/// Clones are the same clocks.
#[derive(Debug, Clone)]
pub struct Hands {
    elapsed: watch::Sender<Duration>,
    wall: Arc<AtomicI64>,
}

impl Hands {
    /// No time has passed.
    pub fn new() -> Self {
        Self { elapsed: watch::Sender::new(Duration::ZERO), wall: Arc::new(AtomicI64::new(WALL)) }
    }

    /// Lets so much time pass at once; the wall clock does not notice.
    pub fn advance(&self, time: Duration) {
        self.elapsed.send_modify(|now| *now += time);
    }

    /// Sets the wall clock.
    pub fn set_wall(&self, millis: i64) {
        self.wall.store(millis, SeqCst);
    }
}

#[async_trait]
impl Clock for Hands {
    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    async fn reach(&self, elapsed: Duration) {
        // The sender is here, so that there is no error.
        let _ = self.elapsed.subscribe().wait_for(|now| *now >= elapsed).await;
    }

    fn wall(&self) -> Timestamp {
        Timestamp(self.wall.load(SeqCst))
    }
}
