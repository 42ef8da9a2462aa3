//! Whether something can be written at present, and the way into the journal for who asks over HTTP.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use web::hive::HiveError;

use super::refusal::{RETRY_AFTER, behind, stopping};
use super::shared::{Limit, SharedHive};
use super::state::State;
use crate::store::{Ack, Slot, StoreError};

/// How long a request waits for room in the journal.
const SLOT_TIMEOUT: Duration = Duration::from_secs(5);

impl SharedHive {
    /// Whether a new task can be written at present.
    pub(super) fn admit(&self) -> Result<(), HiveError> {
        self.admit_task(&self.lock(), 0)
    }

    /// Whether a new task of so many `bytes` on disk can be written at present; for callers that hold the lock.
    pub(super) fn admit_task(&self, state: &State, bytes: u64) -> Result<(), HiveError> {
        state.is_serving()?;
        state.admit()?;
        self.admit_in(state, bytes, bytes)
    }

    /// Whether a change of what there is can be written at present.
    pub(super) fn admit_change(&self) -> Result<(), HiveError> {
        self.lock().admit()
    }

    /// Whether an upload may go on that has grown to so many bytes, which are counted already.
    pub(super) fn admit_bytes(&self, bytes: u64) -> Result<(), HiveError> {
        let largest = self.inner.disk.reader.bulk().largest_file();
        if bytes > largest {
            let reason = format!(
                "with its results it takes more than the {largest} bytes that a file may have: submit it in parts, \
                 or raise the limit on file sizes (ulimit -f, or LimitFSIZE= of systemd)"
            );
            return Err(HiveError::TooLarge(reason));
        }
        self.admit_in(&self.lock(), bytes, 0)
    }

    /// Whether a task of so many `bytes` may come, of which `more` are not counted yet.
    fn admit_in(&self, state: &State, bytes: u64, more: u64) -> Result<(), HiveError> {
        let disk = &self.inner.disk;
        let Limit { bytes: limit, removes } = disk.limit;
        if removes && bytes > limit {
            let reason = format!("it takes more than the {limit} bytes of --max-data, all other tasks apart");
            return Err(HiveError::TooLarge(reason));
        }
        let coming = more.saturating_add(disk.uploads.used());
        let bound = state.bound_bytes().saturating_add(coming);
        // More than finished tasks make room for is refused; by default they make none.
        let (taken, what) = match removes {
            true => (bound, "what cannot go"),
            false => (bound.max(state.disk.used.saturating_add(coming)), "everything"),
        };
        if taken <= limit {
            return Ok(());
        }
        let reason = format!(
            "with it, {what} would take {taken} of {limit} bytes on disk (tasks that have not ended, idempotency keys, \
             uploads{}): wait until some have ended, delete finished ones, or start the Queen with a larger --max-data",
            if removes { "" } else { ", finished tasks" }
        );
        Err(HiveError::Unavailable { reason, retry_after: RETRY_AFTER })
    }

    /// What to answer when the disk did not take an upload, of which nobody has been told yet.
    pub(super) fn not_written(&self, error: &StoreError) -> HiveError {
        tracing::warn!(%error, "an upload could not be written");
        HiveError::Unavailable { reason: error.refusal(), retry_after: RETRY_AFTER }
    }

    /// Room in the journal for who is not to wait long for it, and not at all for a disk that takes
    /// no writes.
    pub(super) async fn prompt_slot(&self) -> Result<Slot, HiveError> {
        let impatience = async {
            self.admit_change()?;
            sleep(SLOT_TIMEOUT).await;
            self.admit_change()?;
            Err(behind())
        };
        tokio::select! {
            biased;
            slot = self.slot(0) => slot.map_err(|_| stopping()),
            refused = impatience => refused,
        }
    }

    /// Room in the journal for what makes room on the disk, which there is on a full disk as well.
    pub(super) async fn relief_slot(&self) -> Result<Slot, HiveError> {
        let slot = timeout(SLOT_TIMEOUT, self.inner.disk.journal.relief_slot()).await.map_err(|_| behind())?;
        slot.map_err(|_| stopping())
    }

    /// Waits until a change is on disk.
    pub(super) async fn durable(&self, ack: Option<Ack>) -> Result<(), HiveError> {
        let Some(ack) = ack else { return Ok(()) };
        match ack.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(reason)) => Err(HiveError::Unavailable { reason, retry_after: RETRY_AFTER }),
            Err(_) => Err(stopping()),
        }
    }
}
