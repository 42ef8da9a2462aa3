//! The way of changes to the disk: a bounded queue, and one thread that commits what is in it, when
//! the bytes of results that belong into files have been written.
//!
//! Room in the queue is taken before the state's lock, so that changes enter it under the
//! lock, in the order in which they happened, without ever waiting there. While one commit is
//! under way the next batch gathers. New tasks come first ([`exit`]), all else in its order.
//!
//! When a commit fails, new tasks in it are refused: nobody was told that they exist. All else
//! is kept and tried again until the disk takes it; meanwhile nothing new is let in, and the
//! queue's bound holds up the Drones' results.

mod exit;
mod pending;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use web::metrics::{Histogram, JournalMeasures};
use web::model::TaskState;
use wire::ids::TaskId;

pub(super) use self::exit::Exit;
use self::pending::Pending;
use super::{Receipt, SharedHive};
use crate::store::{Bulk, Change, Fate, FileResults, StoreError, Writer};

/// Entries that may wait, and those besides that make room on a full disk.
const ENTRIES: usize = 4096;
const RELIEF: usize = 64;

/// How long to wait before the next attempt when the disk does not take writes; twice as long
/// each time, up to a second.
const RETRY: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How often an attempt is repeated before a Queen who stops gives up.
const LAST_ATTEMPTS: u32 = 8;

/// The queue's entrance.
pub(super) struct Journal {
    queue: mpsc::Sender<Entry>,
    /// Commits that may wait, those included that are out of the queue and not yet durable.
    places: Arc<Semaphore>,
    /// The same, of what makes room, for which there has to be a place when nothing else is taken.
    relief: Arc<Semaphore>,
    /// Bytes of results that may wait.
    room: Arc<Semaphore>,
    capacity: u32,
    stopping: CancellationToken,
    /// What commits took, in seconds, and how many changes were in each.
    seconds: Histogram,
    changes: Histogram,
}

/// Bounds of what commits take, in seconds: from a fast disk that syncs nothing to one that is stuck.
const SECONDS: [f64; 8] = [0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 1.0, 10.0];

/// Bounds of how many changes are committed together.
const CHANGES: [f64; 7] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 16_384.0];

/// A place in the queue that is taken already.
pub(super) struct Slot {
    queue: mpsc::OwnedPermit<Entry>,
    held: [OwnedSemaphorePermit; 2],
    is_for_relief: bool,
}

/// Whether changes became durable; if not, why not.
pub(super) type Ack = oneshot::Receiver<Result<(), String>>;

/// Something for the writer to do.
pub(super) enum Entry {
    Commit(Commit),
    /// Forget what has expired, give back space, count what is left.
    Tidy(oneshot::Sender<()>),
    /// Do this while nothing is being committed.
    Between(Box<dyn FnOnce() + Send>),
    /// Look whether there will be more.
    Wake,
}

/// Changes that belong together.
pub(super) struct Commit {
    changes: Vec<Change>,
    receipt: Option<Receipt>,
    ack: Option<oneshot::Sender<Result<(), String>>>,
    /// Given back when they are durable.
    _held: Option<[OwnedSemaphorePermit; 2]>,
}

/// The queue has ended, because the Queen stops.
#[derive(Debug)]
pub(super) struct Closed;

impl Journal {
    /// A queue in which so many bytes of results may wait, and its exit.
    pub(super) fn new(bytes: u64, runtime: Handle, bulk: Arc<Bulk>) -> (Self, Exit) {
        let (queue, entries) = mpsc::channel(ENTRIES + RELIEF);
        let capacity = u32::try_from(bytes).unwrap_or(u32::MAX);
        let stopping = CancellationToken::new();
        let exit = Exit::new(entries, stopping.clone(), runtime, bulk);
        let (places, room) = (Arc::new(Semaphore::new(ENTRIES)), Arc::new(Semaphore::new(capacity as usize)));
        let relief = Arc::new(Semaphore::new(RELIEF));
        let (seconds, changes) = (Histogram::new(SECONDS), Histogram::new(CHANGES));
        (Self { queue, places, relief, room, capacity, stopping, seconds, changes }, exit)
    }

    /// Bytes of results that wait.
    pub(super) fn used(&self) -> u64 {
        u64::from(self.capacity).saturating_sub(self.room.available_permits() as u64)
    }

    /// What there is to measure.
    pub(super) fn measures(&self) -> JournalMeasures {
        let waiting =
            (ENTRIES + RELIEF).saturating_sub(self.places.available_permits() + self.relief.available_permits());
        let (seconds, changes) = (self.seconds.clone(), self.changes.clone());
        JournalMeasures { waiting: waiting as u64, waiting_bytes: self.used(), seconds, changes }
    }

    /// So many changes were committed, or were to be and the disk did not take them.
    pub(super) fn count_commit(&self, changes: usize, took: Duration) {
        self.seconds.observe(took.as_secs_f64());
        self.changes.observe(changes as f64);
    }

    /// Waits for room for changes with so many bytes of results.
    pub(super) async fn slot(&self, bytes: usize) -> Result<Slot, Closed> {
        self.slot_among(&self.places, bytes, false).await
    }

    /// Waits for room for what makes room on a full disk: removals, and cancellations before them.
    pub(super) async fn relief_slot(&self) -> Result<Slot, Closed> {
        self.slot_among(&self.relief, 0, true).await
    }

    async fn slot_among(&self, places: &Arc<Semaphore>, bytes: usize, is_for_relief: bool) -> Result<Slot, Closed> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| Closed)?;
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| Closed)?;
        let queue = self.queue.clone().reserve_owned().await.map_err(|_| Closed)?;
        Ok(Slot { queue, held: [room, place], is_for_relief })
    }

    /// Has the writer tidy up; waits until she has.
    pub(super) async fn tidy(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Entry::Tidy(done)).await.is_ok() {
            // An error means that she has stopped.
            let _ = waiting.await;
        }
    }

    /// Does something while nothing is being committed, behind all that waits; `None` if the
    /// disk does not take that, or the Queen stops.
    pub(super) async fn between<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, waiting) = oneshot::channel();
        let work = Box::new(move || {
            // Who asked may be gone.
            let _ = done.send(work());
        });
        self.queue.send(Entry::Between(work)).await.ok()?;
        waiting.await.ok()
    }

    /// Lets the writer stop behind all that waits.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
        // It need not be woken if the queue is full.
        let _ = self.queue.try_send(Entry::Wake);
    }
}

impl Slot {
    /// Whether nothing may go in but what makes room, so that a full disk takes it.
    pub(super) fn is_for_relief(&self) -> bool {
        self.is_for_relief
    }

    /// Puts changes into the place, perhaps none: whoever waits for the answer knows then that
    /// all that came before is durable, unless the changes are new tasks.
    pub(super) fn enter(self, changes: Vec<Change>, receipt: Option<Receipt>) -> Ack {
        let (ack, acked) = oneshot::channel();
        self.queue.send(Entry::Commit(Commit { changes, receipt, ack: Some(ack), _held: Some(self.held) }));
        acked
    }
}

/// Commits what comes out of the queue, until it is told to stop; on a thread of its own.
///
/// # Errors
/// If what was still to be written could not be.
pub(super) fn run(hive: &SharedHive, mut writer: Writer, mut exit: Exit) -> Result<(), StoreError> {
    let mut pending = Pending::default();
    while !exit.is_stopping() || !pending.batch.commits.is_empty() || !exit.is_empty() {
        match pending.is_failing {
            false => exit.gather(&mut pending.batch),
            true => exit.gather_all(&mut pending.batch),
        }
        match pending.advance(hive, &mut writer, &exit) {
            Ok(()) => {
                hive.set_fault(None);
                pending.is_failing = false;
                pending.attempts = 0;
            }
            Err(error) => {
                // Whatever failed first, files that are gone are the reason.
                let error = writer.check_files().err().unwrap_or(error);
                hive.set_fault(Some(&error));
                if error.is_full() {
                    writer.empty_log();
                    pending.make_room(hive, &mut writer, &mut exit);
                }
                pending.refuse(hive, &mut exit, &error);
                if error.is_full() {
                    pending.save_smallest(hive, &mut writer, &exit);
                }
                // Who asked is not to wait for the disk.
                pending.batch.then = None;
                pending.is_failing = true;
                pending.attempts += 1;
                pending.last_attempts += u32::from(exit.is_stopping());
                if pending.last_attempts >= LAST_ATTEMPTS {
                    return Err(error);
                }
                std::thread::sleep(RETRY.saturating_mul(1 << pending.attempts.min(8)).min(RETRY_MAX));
            }
        }
        match pending.batch.then.take() {
            Some(Entry::Between(work)) => work(),
            Some(Entry::Tidy(done)) => {
                match writer.tidy(hive.moment()) {
                    Ok(tidied) => hive.tidied(tidied),
                    Err(error) => tracing::warn!(%error, "cannot give back space"),
                }
                // Who asked may be gone.
                let _ = done.send(());
            }
            Some(Entry::Commit(_) | Entry::Wake) | None => {}
        }
    }
    writer.close(hive.moment());
    Ok(())
}

impl Commit {
    /// The new tasks in it, which others need not wait behind, and the rest. The epoch is before them.
    fn split(mut self) -> (Option<Self>, Option<Self>) {
        let is_new = |change: &Change| matches!(change, Change::Submit(_) | Change::Epoch(_));
        match self.changes.iter().filter(|change| is_new(change)).count() {
            0 => (None, Some(self)),
            count if count == self.changes.len() && self.receipt.is_none() => (Some(self), None),
            _ => {
                let fresh = self.changes.extract_if(.., |change| is_new(change)).collect();
                let rest = Self { changes: self.changes, receipt: self.receipt.take(), ack: None, _held: None };
                (Some(Self { changes: fresh, ..self }), Some(rest))
            }
        }
    }

    /// Takes out what concerns these tasks; returns how many items were done by that. A task
    /// that has left its batch goes its own way.
    fn forget(&mut self, tasks: &HashSet<TaskId>) -> u64 {
        if tasks.is_empty() {
            return 0;
        }
        let is_own = |change: &Change| matches!(change, Change::Detach { fate: Fate::Own(_), .. });
        let concerns = |change: &Change| change.task().is_some_and(|task| tasks.contains(&task));
        let forgotten = self.changes.extract_if(.., |change| concerns(change) && !is_own(change));
        let items = |change: Change| match change {
            Change::Detach { fate: Fate::Failed(_), .. } => 1,
            change => change.result_items(),
        };
        forgotten.map(items).sum()
    }

    /// What it has of these tasks, for a commit that nobody waits for.
    fn part(&mut self, tasks: &HashSet<TaskId>) -> Option<Self> {
        let concerns = |change: &mut Change| change.task().is_some_and(|task| tasks.contains(&task));
        let changes: Vec<_> = self.changes.extract_if(.., concerns).collect();
        (!changes.is_empty()).then_some(Self { changes, receipt: None, ack: None, _held: None })
    }

    /// Whether a full disk takes it, from the ballast: it removes tasks, or ends them so that they
    /// can be removed, or begins the epoch in which that can be asked for; or it revokes what may be
    /// in the wrong hands.
    fn is_relief(&self) -> bool {
        let is_relief = |change: &Change| match change {
            Change::Remove(_) | Change::Epoch(_) => true,
            Change::End(_, ending) => ending.state == TaskState::Cancelled,
            Change::Access(change) => change.is_revocation(),
            _ => false,
        };
        !self.changes.is_empty() && self.changes.iter().all(is_relief)
    }

    /// Bytes of results.
    fn bytes(&self) -> usize {
        self.changes.iter().map(Change::result_bytes).sum()
    }

    /// Those that belong into files.
    fn file_results(&self) -> impl Iterator<Item = FileResults> {
        self.changes.iter().filter_map(Change::in_file)
    }

    /// Whether somebody waits for it.
    fn is_awaited(&self) -> bool {
        self.ack.as_ref().is_some_and(|ack| !ack.is_closed())
    }

    fn answer(&mut self, answer: Result<(), String>) {
        if let Some(ack) = self.ack.take() {
            // Who waited may be gone.
            let _ = ack.send(answer);
        }
    }
}
