//! What a Hive has to know from outside.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::core::Timeouts;

/// Drones that may be connected at once.
pub const MAX_DRONES: usize = 10_240;

/// Tasks of one token that may not have ended, unless something else is said.
pub const MAX_QUEUED: usize = 100_000;

/// What a Hive has to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What may be held in memory, in bytes.
    pub memory_limit: u64,
    /// Where Drones connect, for people.
    pub drone_addr: String,
    /// How long finished tasks are kept.
    pub keep_finished: Duration,
    /// What all tasks may take on disk, in bytes, so that finished ones go earlier; by default so much that
    /// none has to.
    pub max_data: Option<u64>,
    /// How long Drones are waited for.
    pub timeouts: Timeouts,
    /// Tasks of one token that may not have ended; a batch is one.
    pub max_queued: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The console shows inputs and digests.
    pub show_words: bool,
}

#[cfg(test)]
impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_limit: 1 << 30,
            drone_addr: String::new(),
            keep_finished: Duration::MAX,
            max_data: None,
            timeouts: Timeouts::default(),
            max_queued: MAX_QUEUED,
            clock: Arc::new(crate::clock::System::start()),
            show_words: true,
        }
    }
}
