//! The thread that commits what comes out of the queue.

use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::committer::{Commits, Committer};
use super::follower::Follower;
use super::intake::Intake;
use super::pending::Pending;
use crate::clock::HiveClock;
use crate::store::bulk::Bulk;
use crate::store::error::StoreError;
use crate::store::writer::Writer;

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

/// Commits what comes out of the queue, until it is told to stop and the queue is empty.
///
/// # Errors
/// If what was still to be written could not be.
fn run(mut committer: Committer, mut intake: Intake) -> Result<(), StoreError> {
    let mut pending = Pending::default();
    while !intake.is_stopping() || !pending.is_empty() || !intake.is_empty() {
        pending.gather(&mut intake);
        pending.attempt(&mut committer, &mut intake)?;
        if let Some(errand) = pending.take_errand() {
            errand.run(&mut committer);
        }
    }
    committer.close();
    Ok(())
}
