//! What was measured over time, and the file that keeps it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::HiveTime;
use crate::history::{History, Timed};
use crate::store::{StoreError, WholeFile};

/// Not a part of the state, whose lock is never waited for with one of these.
pub(super) struct Recorder {
    history: Mutex<History>,
    /// How long submissions took lately.
    submissions: Mutex<Timed>,
    file: Mutex<WholeFile>,
}

impl Recorder {
    /// Goes on where the Queen before was; what cannot be read is told and left out.
    pub(super) fn open(mut file: WholeFile, on: HiveTime) -> Self {
        let found = file.read();
        for fault in found.faults {
            tracing::warn!("a file of what was measured over time is left out: {fault}");
        }
        let history = found.bytes.map(|bytes| History::resume(&bytes, on)).transpose();
        let history = history.unwrap_or_else(|error| {
            tracing::warn!("what was measured over time begins anew, since its file cannot be read: {error}");
            None
        });
        let history = Mutex::new(history.unwrap_or_default());
        Self { history, submissions: Mutex::default(), file: Mutex::new(file) }
    }

    /// What was measured.
    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// A submission took so long until it was on disk.
    pub(super) fn submitted(&self, took: Duration) {
        lock(&self.submissions).add(took);
    }

    /// How long submissions took since this was asked last.
    pub(super) fn take_submissions(&self) -> Timed {
        std::mem::take(&mut *lock(&self.submissions))
    }

    /// Writes all of it. Blocks.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn write(&self) -> Result<(), StoreError> {
        let mut file = lock(&self.file);
        let bytes = self.history().encode();
        file.write(&bytes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
