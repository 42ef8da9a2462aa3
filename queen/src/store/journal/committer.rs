//! Makes changes durable, and tells who follows them.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use web::metrics::Histogram;

use super::commit::Commit;
use super::follower::{Follower, Receipt};
use crate::clock::HiveClock;
use crate::crash;
use crate::store::bulk::Bulk;
use crate::store::change::{Change, Submission};
use crate::store::error::StoreError;
use crate::store::writer::Writer;

/// Bounds of what commits take, in seconds: from a fast disk that syncs nothing to one that is stuck.
const SECONDS: [f64; 8] = [0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0, 10.0];

/// Bounds of how many changes are committed together.
const CHANGES: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 16_384.0];

/// What commits took, in seconds, and how many changes were in each; clones count together.
#[derive(Clone)]
pub(super) struct Commits {
    pub(super) seconds: Histogram,
    pub(super) changes: Histogram,
}

/// The writer, and all that follows from what it writes.
pub(super) struct Committer {
    pub(super) writer: Writer,
    pub(super) clock: HiveClock,
    pub(super) follower: Box<dyn Follower>,
    pub(super) commits: Commits,
    pub(super) bulk: Arc<Bulk>,
    /// For threads that remove files.
    pub(super) runtime: Handle,
}

impl Default for Commits {
    fn default() -> Self {
        Self { seconds: Histogram::new(SECONDS), changes: Histogram::new(CHANGES) }
    }
}

impl Commits {
    /// So many changes were committed, or were to be and the disk did not take them.
    fn count(&self, changes: usize, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        self.changes.observe(changes as f64);
    }
}

impl Committer {
    /// Makes these durable together, and does what follows from that; or gives them back.
    pub(super) fn commit(&mut self, mut commits: Vec<Commit>) -> Result<(), (StoreError, Vec<Commit>)> {
        if commits.is_empty() {
            return Ok(());
        }
        let changes: Vec<&Change> = commits.iter().flat_map(|commit| &commit.changes).collect();
        let removed = if changes.is_empty() {
            Vec::new()
        } else {
            let began = self.clock.elapsed();
            let written = self.writer.commit(&changes, self.clock.now().moment());
            self.commits.count(changes.len(), self.clock.elapsed().saturating_sub(began));
            match written {
                Ok(removed) => removed,
                Err(error) => return Err((error, commits)),
            }
        };
        let changes: Vec<Change> = commits.iter_mut().flat_map(|commit| std::mem::take(&mut commit.changes)).collect();
        let receipts: Vec<Receipt> = commits.iter().filter_map(|commit| commit.receipt).collect();
        self.follower.committed(&changes, &receipts, &removed);
        self.remove_files(removed.iter().filter_map(|removed| removed.file).collect());
        commits.iter_mut().for_each(|commit| commit.answer(Ok(())));
        Ok(())
    }

    /// Forgets what has expired, gives back space, and counts what is left.
    pub(super) fn tidy(&mut self) {
        match self.writer.tidy(self.clock.now().moment()) {
            Ok(tidied) => self.follower.tidied(tidied),
            Err(error) => tracing::warn!(%error, "cannot give back space"),
        }
    }

    /// Leaves the database in order.
    pub(super) fn close(self) {
        self.writer.close(self.clock.now().moment());
    }

    /// This new task will never be on disk.
    pub(super) fn refuse(&self, submission: &Submission) {
        self.follower.refused(submission);
        self.remove_files(submission.inputs.in_file().map(|(_, file)| file).into_iter().collect());
    }

    /// Removes bulk files on a thread of their own: a large one takes seconds, and commits
    /// need not wait for it.
    fn remove_files(&self, files: Vec<u64>) {
        if files.is_empty() {
            return;
        }
        let bulk = Arc::clone(&self.bulk);
        self.runtime.spawn_blocking(move || {
            for file in files {
                if let Err(error) = bulk.remove(file) {
                    tracing::warn!(%error, "a file that no task needs will be removed at the next start");
                }
                crash::point("remove-unlinked");
            }
        });
    }
}
