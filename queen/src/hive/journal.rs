//! The way of changes to the disk: a bounded queue, and one thread that commits what is in it.
//!
//! Room in the queue is taken before the state's lock, so that changes enter it under the
//! lock, in the order in which they happened, without ever waiting there. While one commit is
//! under way the next batch gathers; that is all there is to group commit.
//!
//! When a commit fails, new tasks in it are refused: nobody was told that they exist. All else
//! is kept and tried again until the disk takes it; meanwhile nothing new is let in, and the
//! queue's bound holds up the Drones' results.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use web::model::Timestamp;
use wire::ids::TaskId;

use super::SharedHive;
use crate::store::{Change, StoreError, Writer};

/// Entries that may wait.
const ENTRIES: usize = 4096;

/// Entries, and bytes of results, that are committed together at most.
const BATCH: usize = 1024;
const BATCH_BYTES: usize = 32 << 20;

/// How long to wait before the next attempt when the disk does not take writes; twice as long
/// each time, up to a second.
const RETRY: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How often an attempt is repeated before a Queen who stops gives up.
const LAST_ATTEMPTS: u32 = 8;

/// The queue's entrance.
pub(super) struct Journal {
    queue: mpsc::Sender<Entry>,
    /// Bytes of results that may wait.
    room: Arc<Semaphore>,
    capacity: u32,
}

/// A place in the queue that is taken already.
pub(super) struct Slot {
    place: mpsc::OwnedPermit<Entry>,
    room: OwnedSemaphorePermit,
}

/// Whether changes became durable; if not, why not.
pub(super) type Ack = oneshot::Receiver<Result<(), String>>;

/// Something for the writer to do.
pub(super) enum Entry {
    Commit(Commit),
    /// Forget what has expired, give back space, count what is left.
    Tidy(oneshot::Sender<()>),
    /// There will be no more.
    Stop,
}

/// Changes that belong together.
pub(super) struct Commit {
    changes: Vec<Change>,
    ack: Option<oneshot::Sender<Result<(), String>>>,
    /// Given back when they are durable.
    _room: OwnedSemaphorePermit,
}

/// The queue has ended, because the Queen stops.
#[derive(Debug)]
pub(super) struct Closed;

impl Journal {
    /// A queue in which so many bytes of results may wait, and its exit.
    pub(super) fn new(bytes: u64) -> (Self, mpsc::Receiver<Entry>) {
        let (queue, entries) = mpsc::channel(ENTRIES);
        let capacity = u32::try_from(bytes).unwrap_or(u32::MAX);
        (Self { queue, room: Arc::new(Semaphore::new(capacity as usize)), capacity }, entries)
    }

    /// Waits for room for changes with so many bytes of results.
    pub(super) async fn slot(&self, bytes: usize) -> Result<Slot, Closed> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| Closed)?;
        let place = self.queue.clone().reserve_owned().await.map_err(|_| Closed)?;
        Ok(Slot { place, room })
    }

    /// Has the writer tidy up; waits until she has.
    pub(super) async fn tidy(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Entry::Tidy(done)).await.is_ok() {
            // An error means that she has stopped.
            let _ = waiting.await;
        }
    }

    /// Lets the writer stop behind all that waits.
    pub(super) async fn stop(&self) {
        // An error means that she has stopped already.
        let _ = self.queue.send(Entry::Stop).await;
    }
}

impl Slot {
    /// Puts changes into the place.
    pub(super) fn enter(self, changes: Vec<Change>) -> Ack {
        let (ack, acked) = oneshot::channel();
        self.place.send(Entry::Commit(Commit { changes, ack: Some(ack), _room: self.room }));
        acked
    }
}

/// Commits what comes out of the queue, until it is told to stop; on a thread of its own.
///
/// # Errors
/// If what was still to be written could not be.
pub(super) fn run(hive: &SharedHive, mut writer: Writer, mut entries: mpsc::Receiver<Entry>) -> Result<(), StoreError> {
    let mut pending = Pending::default();
    while !pending.is_stopping || !pending.commits.is_empty() {
        pending.gather(&mut entries);
        match pending.advance(hive, &mut writer) {
            Ok(()) => {
                hive.set_fault(None);
                pending.is_failing = false;
                pending.attempts = 0;
            }
            Err(error) => {
                hive.set_fault(Some(&error));
                if error.is_full() {
                    pending.make_room(hive, &mut writer);
                }
                pending.refuse(hive, &error);
                // Who asked is not to wait for the disk.
                pending.tidy = None;
                pending.is_failing = true;
                pending.attempts += 1;
                if pending.is_stopping && pending.attempts >= LAST_ATTEMPTS {
                    return Err(error);
                }
                std::thread::sleep(RETRY.saturating_mul(1 << pending.attempts.min(8)).min(RETRY_MAX));
            }
        }
        if let Some(done) = pending.tidy.take() {
            match writer.tidy(Timestamp::now()) {
                Ok(used) => hive.set_used(used),
                Err(error) => tracing::warn!(%error, "cannot give back space"),
            }
            // Who asked may be gone.
            let _ = done.send(());
        }
    }
    writer.close()
}

/// What has come out of the queue and is not done yet.
#[derive(Default)]
struct Pending {
    commits: Vec<Commit>,
    tidy: Option<oneshot::Sender<()>>,
    is_stopping: bool,
    is_failing: bool,
    /// The writer's reserve is whole.
    is_reserved: bool,
    attempts: u32,
    /// Tasks that were refused while changes of theirs may still be in the queue.
    refused: HashSet<TaskId>,
}

impl Pending {
    /// Takes what there is, within the bounds of a batch; waits only if there is nothing to do.
    fn gather(&mut self, entries: &mut mpsc::Receiver<Entry>) {
        let bytes = |commit: &Commit| commit.changes.iter().map(result_bytes).sum::<usize>();
        let mut held: usize = self.commits.iter().map(bytes).sum();
        let mut is_idle = self.commits.is_empty() && !self.is_failing && !self.is_stopping;
        while self.commits.len() < BATCH && held < BATCH_BYTES {
            let next = if is_idle { entries.blocking_recv() } else { entries.try_recv().ok() };
            is_idle = false;
            match next {
                Some(Entry::Commit(mut commit)) => {
                    commit.changes.retain(|change| change.task().is_none_or(|task| !self.refused.contains(&task)));
                    held += bytes(&commit);
                    self.commits.push(commit);
                }
                Some(Entry::Tidy(done)) => {
                    self.tidy = Some(done);
                    return;
                }
                Some(Entry::Stop) => {
                    self.is_stopping = true;
                    return;
                }
                None => {
                    // Whatever was refused has no more changes on their way.
                    self.refused.clear();
                    return;
                }
            }
        }
    }

    /// Commits what there is. Once that failed, the disk is trusted again when it has room for
    /// the reserve as well.
    fn advance(&mut self, hive: &SharedHive, writer: &mut Writer) -> Result<(), StoreError> {
        let commits = std::mem::take(&mut self.commits);
        let has_commits = !commits.is_empty();
        commit(hive, writer, commits).map_err(|(error, commits)| {
            self.commits = commits;
            error
        })?;
        if self.is_failing || has_commits && !self.is_reserved {
            writer.probe()?;
            self.is_reserved = true;
        }
        Ok(())
    }

    /// On a full disk, removals go first, and the reserve is theirs. They are of tasks that ended
    /// before, so that their order with what is kept does not matter.
    fn make_room(&mut self, hive: &SharedHive, writer: &mut Writer) {
        let is_removal = |commit: &mut Commit| commit.changes.iter().all(|change| matches!(change, Change::Remove(_)));
        let removals: Vec<Commit> = self.commits.extract_if(.., is_removal).collect();
        self.is_reserved = false;
        let released = writer.release_reserve();
        let removed = commit(hive, writer, removals).map_err(|(error, removals)| {
            self.commits.extend(removals);
            error
        });
        if let Err(error) = released.and(removed) {
            tracing::warn!(%error, "no room could be made");
        }
    }

    /// Refuses new tasks; what else there is of them is in vain, and all other changes stay.
    /// Nobody is left waiting for the disk.
    fn refuse(&mut self, hive: &SharedHive, error: &StoreError) {
        for commit in &mut self.commits {
            commit.answer(Err(super::recovery::reason(error)));
            for change in &commit.changes {
                if let Change::Submit(submission) = change {
                    self.refused.insert(submission.id);
                    hive.refuse(submission);
                }
            }
        }
        for commit in &mut self.commits {
            commit.changes.retain(|change| change.task().is_none_or(|task| !self.refused.contains(&task)));
        }
        self.commits.retain(|commit| !commit.changes.is_empty());
    }
}

/// Makes these durable together, and does what follows from that; or gives them back.
fn commit(hive: &SharedHive, writer: &mut Writer, mut commits: Vec<Commit>) -> Result<(), (StoreError, Vec<Commit>)> {
    if commits.is_empty() {
        return Ok(());
    }
    let changes: Vec<&Change> = commits.iter().flat_map(|commit| &commit.changes).collect();
    match writer.commit(&changes) {
        Ok(unnamed) => hive.remove_files(unnamed),
        Err(error) => return Err((error, commits)),
    }
    let changes: Vec<Change> = commits.iter_mut().flat_map(|commit| std::mem::take(&mut commit.changes)).collect();
    hive.committed(&changes);
    commits.iter_mut().for_each(|commit| commit.answer(Ok(())));
    Ok(())
}

impl Commit {
    fn answer(&mut self, answer: Result<(), String>) {
        if let Some(ack) = self.ack.take() {
            // Who waited may be gone.
            let _ = ack.send(answer);
        }
    }
}

fn result_bytes(change: &Change) -> usize {
    match change {
        Change::Results { bytes, .. } => bytes.len(),
        _ => 0,
    }
}
