//! What is known of the store.

use std::sync::Arc;
use std::time::Duration;

use web::budget::{Budget, Reservation};

/// About what an idempotency key takes on disk, with its place in indexes, in bytes.
pub(super) const STORED_KEY: u64 = 200;

/// What is on disk, and whether it takes more.
#[derive(Debug)]
pub(super) struct OnDisk {
    /// Why the disk does not take writes.
    pub(super) fault: Option<String>,
    /// What is there, in bytes, as of when that was counted last.
    pub(super) used: u64,
    /// What new tasks take that are on their way there, and that have come since, in bytes.
    coming: u64,
    come: u64,
    /// All that is taken of the space that there is.
    taken: Reservation,
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
    /// Nothing is there yet; what will be counts against `space`.
    pub(super) fn new(space: &Arc<Budget>) -> Self {
        Self {
            fault: None,
            used: 0,
            coming: 0,
            come: 0,
            taken: space.reserve(),
            keys: 0,
            removed_early: 0,
            recovered: (0, Duration::ZERO),
            has_suspects: false,
        }
    }

    /// Notes that so many bytes are stored, by a new count.
    pub(super) fn count(&mut self, used: u64) {
        (self.used, self.come) = (used, 0);
        self.reserve_all();
    }

    /// Notes that a new task of so many bytes is on its way to the store.
    pub(super) fn comes(&mut self, bytes: u64) {
        self.coming += bytes;
        self.reserve_all();
    }

    /// Notes that the new task is stored.
    pub(super) fn has_come(&mut self, bytes: u64) {
        self.coming -= bytes;
        self.come += bytes;
    }

    /// Notes that the new task was refused, and will never be stored.
    pub(super) fn is_refused(&mut self, bytes: u64) {
        self.coming -= bytes;
        self.reserve_all();
    }

    fn reserve_all(&mut self) {
        self.taken.set(self.used + self.coming + self.come);
    }

    /// What idempotency keys take there, in bytes.
    pub(super) fn key_bytes(&self) -> u64 {
        self.keys * STORED_KEY
    }
}
