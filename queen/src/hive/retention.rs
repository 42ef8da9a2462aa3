//! Finished tasks are kept for a time, and as long as there is room; the oldest go first.

use std::time::Duration;

use drone::story;

use super::shared::SharedHive;
use crate::clock::HiveTime;
use crate::store::StoreError;

/// How often it is looked whether something has to go.
const LOOK: Duration = Duration::from_secs(1);

/// Tasks that are removed together at most.
const AT_ONCE: usize = 256;

impl SharedHive {
    /// Removes what has to go, now and then, until the future is dropped.
    pub async fn run_retention(&self) {
        loop {
            if let Err(error) = self.remove_what_is_over().await {
                tracing::warn!(%error, "finished tasks could not be removed");
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn remove_what_is_over(&self) -> Result<(), StoreError> {
        loop {
            let kept = i64::try_from(self.inner.keep_finished.as_millis()).unwrap_or(i64::MAX);
            let before = HiveTime(self.now().on.0.saturating_sub(kept));
            if self.remove_ended(before, u64::MAX).await? < AT_ONCE {
                break;
            }
        }
        let disk = &self.inner.disk;
        disk.journal.tidy().await;
        while disk.limit.removes
            && let Some(excess) = self.excess(disk.limit.bytes, disk.uploads.used())
            && let count = self.remove_ended(HiveTime(i64::MAX), excess).await?
            && count > 0
        {
            self.lock().disk.removed_early += count as u64;
            disk.journal.tidy().await;
        }
        Ok(())
    }

    /// By how many bytes there is too much on disk, with so many of uploads.
    fn excess(&self, limit: u64, uploads: u64) -> Option<u64> {
        let state = self.lock();
        let excess = state.disk.used.saturating_add(uploads).saturating_sub(limit);
        (excess > 0).then_some(excess)
    }

    /// Removes the tasks that ended longest ago, and before `before`, until about so many
    /// `bytes` are free; says how many.
    async fn remove_ended(&self, before: HiveTime, bytes: u64) -> Result<usize, StoreError> {
        let mut oldest = self.read(move |reader| reader.oldest(before, AT_ONCE)).await?;
        let mut free = 0;
        oldest.retain(|(_, size)| {
            let is_wanted = free < bytes;
            free += size;
            is_wanted
        });
        if oldest.is_empty() {
            return Ok(0);
        }
        let Ok(slot) = self.relief_slot().await else { return Ok(0) };
        // Large tasks' bytes are freed after the lock is released.
        let (records, ack) = self.change_durably(slot, |state, now| {
            // Those whose removal waits for the disk already are not removed once more.
            oldest.retain(|(id, _)| !state.tasks.is_leaving(*id));
            oldest.into_iter().filter_map(|(id, _)| state.remove_ended(id, now)).collect::<Vec<_>>()
        });
        let count = records.len();
        drop(records);
        if count == 0 {
            return Ok(0);
        }
        // An error says that it is tried again.
        if self.durable(ack).await.is_err() {
            return Ok(0);
        }
        let s = if count == 1 { "" } else { "s" };
        story!("🧹", "Removed {} finished task{s} that had to go", drone::console::count(count as u64));
        Ok(count)
    }
}
