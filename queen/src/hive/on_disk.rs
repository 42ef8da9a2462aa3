//! What is known of the disk.

use std::time::Duration;

/// About what an idempotency key takes on disk, with its place in indexes, in bytes.
pub(super) const STORED_KEY: u64 = 200;

/// What is on disk, and whether it takes more.
#[derive(Debug, Default)]
pub(super) struct OnDisk {
    /// Whether tasks leave memory when their end is on disk.
    pub(super) is_durable: bool,
    /// Why the disk does not take writes.
    pub(super) fault: Option<String>,
    /// What is there, in bytes, as of when that was counted last.
    pub(super) used: u64,
    /// Idempotency keys that are there, or on their way.
    pub(super) keys: u64,
    /// Finished tasks that were removed before their time, to make room.
    pub(super) removed_early: u64,
    /// Tasks taken over at the start, and how long that took.
    pub(super) recovered: (u64, Duration),
    /// The Queen before left suspect results that were to be computed again.
    pub(super) has_suspects: bool,
}

impl OnDisk {
    /// What idempotency keys take there, in bytes.
    pub(super) fn key_bytes(&self) -> u64 {
        self.keys * STORED_KEY
    }
}
