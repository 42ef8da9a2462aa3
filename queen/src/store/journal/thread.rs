//! The thread that commits what comes out of the queue.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::commit::Entry;
use super::committer::{Commits, Committer};
use super::follower::Follower;
use super::intake::Intake;
use super::pending::Pending;
use crate::clock::HiveClock;
use crate::store::bulk::Bulk;
use crate::store::error::StoreError;
use crate::store::writer::Writer;

/// How long to wait before the next attempt when the disk does not take writes; twice as long
/// each time, up to a second.
const RETRY: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How often an attempt is repeated before a Queen who stops gives up.
const LAST_ATTEMPTS: u32 = 8;

/// The end of the queue at which changes come out; nothing is written before it is [spawned](Self::spawn).
pub struct Consumer {
    pub(super) intake: Intake,
    pub(super) commits: Commits,
    pub(super) bulk: Arc<Bulk>,
    pub(super) runtime: Handle,
}

/// The thread that writes.
pub struct Writing {
    thread: JoinHandle<Result<(), StoreError>>,
    ended: oneshot::Receiver<()>,
}

impl Consumer {
    /// Begins to commit, until the queue is [told to stop](super::Journal::stop) and empty.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub fn spawn(self, writer: Writer, clock: HiveClock, follower: Box<dyn Follower>) -> std::io::Result<Writing> {
        let Self { intake, commits, bulk, runtime } = self;
        let committer = Committer { writer, clock, follower, commits, bulk, runtime };
        let (end, ended) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || {
            let _end = end;
            run(committer, intake)
        })?;
        Ok(Writing { thread, ended })
    }
}

impl Writing {
    /// Resolves when the thread has ended, which it does not unless it is told to, or panics. Not to be called
    /// again then.
    pub async fn ended(&mut self) {
        // Nothing is sent: the sender goes with the thread.
        let _ = (&mut self.ended).await;
    }

    /// Waits until it has ended; says whether all was written.
    ///
    /// # Errors
    /// If it panicked.
    pub async fn join(mut self) -> std::thread::Result<Result<(), StoreError>> {
        self.ended().await;
        self.thread.join()
    }
}

/// Commits what comes out of the queue, until it is told to stop.
///
/// # Errors
/// If what was still to be written could not be.
fn run(mut committer: Committer, mut intake: Intake) -> Result<(), StoreError> {
    let mut pending = Pending::default();
    while !intake.is_stopping() || !pending.batch.commits.is_empty() || !intake.is_empty() {
        match pending.is_failing {
            false => intake.gather(&mut pending.batch),
            true => intake.gather_all(&mut pending.batch),
        }
        match pending.advance(&mut committer, &intake) {
            Ok(()) => {
                if pending.is_failing {
                    committer.follower.fault(None);
                }
                pending.is_failing = false;
                pending.attempts = 0;
            }
            Err(error) => {
                // Whatever failed first, files that are gone are the reason.
                let error = committer.writer.check_files().err().unwrap_or(error);
                committer.follower.fault(Some(&error));
                if error.is_full() {
                    committer.writer.empty_log();
                    pending.make_room(&mut committer, &mut intake);
                }
                pending.refuse(&committer, &mut intake, &error);
                if error.is_full() {
                    pending.save_smallest(&mut committer, &intake);
                }
                // Who asked is not to wait for the disk.
                pending.batch.then = None;
                pending.is_failing = true;
                pending.attempts += 1;
                pending.last_attempts += u32::from(intake.is_stopping());
                if pending.last_attempts >= LAST_ATTEMPTS {
                    return Err(error);
                }
                std::thread::sleep(RETRY.saturating_mul(1 << pending.attempts.min(8)).min(RETRY_MAX));
            }
        }
        match pending.batch.then.take() {
            Some(Entry::Between(work)) => work(),
            Some(Entry::Tidy(done)) => {
                match committer.writer.tidy(committer.clock.now()) {
                    Ok(tidied) => committer.follower.tidied(tidied),
                    Err(error) => tracing::warn!(%error, "cannot give back space"),
                }
                // Who asked may be gone.
                let _ = done.send(());
            }
            Some(Entry::Commit(_) | Entry::Wake) | None => {}
        }
    }
    committer.writer.close(committer.clock.now());
    Ok(())
}
