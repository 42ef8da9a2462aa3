//! A clock that stands still until a test sets it forward, so that nothing depends on how long
//! anything takes.

use std::time::Duration;

use async_trait::async_trait;
use queen::clock::Clock;
use tokio::sync::watch;

/// Clones are the same clock.
#[derive(Debug, Clone)]
pub struct Hands(watch::Sender<Duration>);

impl Hands {
    /// It shows zero.
    pub fn new() -> Self {
        Self(watch::Sender::new(Duration::ZERO))
    }

    /// Lets so much time pass at once.
    pub fn advance(&self, time: Duration) {
        self.0.send_modify(|now| *now += time);
    }
}

#[async_trait]
impl Clock for Hands {
    fn elapsed(&self) -> Duration {
        *self.0.borrow()
    }

    async fn reach(&self, elapsed: Duration) {
        // The sender is here, so that there is no error.
        let _ = self.0.subscribe().wait_for(|now| *now >= elapsed).await;
    }
}
