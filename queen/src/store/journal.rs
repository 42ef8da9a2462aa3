//! The way of changes to the disk: a bounded queue, and one thread that commits what is in it, when
//! the bytes of results that belong into files have been written.
//!
//! Room in the queue is taken before the state's lock, so that changes enter it under the
//! lock, in the order in which they happened, without ever waiting there. While one commit is
//! under way the next batch gathers. New tasks come first ([`intake`]), all else in its order.
//!
//! When a commit fails, new tasks in it are refused: nobody was told that they exist. All else
//! is kept and tried again until the disk takes it; meanwhile nothing new is let in, and the
//! queue's bound holds up the Drones' results.

mod commit;
mod committer;
mod entry;
mod follower;
mod intake;
mod pending;
mod thread;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use web::metrics::JournalMeasures;

use self::commit::Commit;
use self::committer::Commits;
use self::entry::{Entry, Errand};
pub use self::follower::{Follower, Receipt};
use self::intake::Intake;
pub use self::thread::{Consumer, Writing};
use crate::store::bulk::Bulk;
use crate::store::change::Change;

/// Entries that may wait, and those besides that make room on a full disk.
const ENTRIES: usize = 4096;
const RELIEF: usize = 64;

/// The end of the queue at which changes go in.
pub struct Journal {
    queue: mpsc::Sender<Entry>,
    /// Commits that may wait, those included that are out of the queue and not yet durable.
    places: Arc<Semaphore>,
    /// The same, of what makes room, for which there has to be a place when nothing else is taken.
    relief: Arc<Semaphore>,
    /// Bytes of results that may wait.
    room: Arc<Semaphore>,
    capacity: u32,
    stopping: CancellationToken,
    commits: Commits,
}

/// A place in the queue that is taken already.
pub struct Slot {
    queue: mpsc::OwnedPermit<Entry>,
    held: [OwnedSemaphorePermit; 2],
    is_for_relief: bool,
}

/// Whether changes became durable; if not, why not.
pub type Ack = oneshot::Receiver<Result<(), String>>;

/// Nothing is written any more, because the Queen stops.
#[derive(Debug)]
pub struct Closed;

impl Journal {
    /// A queue in which so many bytes of results may wait, and its other end.
    pub fn new(bytes: u64, runtime: Handle, bulk: Arc<Bulk>) -> (Self, Consumer) {
        let (queue, entries) = mpsc::channel(ENTRIES + RELIEF);
        let capacity = u32::try_from(bytes).unwrap_or(u32::MAX);
        let stopping = CancellationToken::new();
        let intake = Intake::new(entries, stopping.clone(), runtime.clone(), Arc::clone(&bulk));
        let (places, room) = (Arc::new(Semaphore::new(ENTRIES)), Arc::new(Semaphore::new(capacity as usize)));
        let relief = Arc::new(Semaphore::new(RELIEF));
        let commits = Commits::default();
        let consumer = Consumer { intake, commits: commits.clone(), bulk, runtime };
        (Self { queue, places, relief, room, capacity, stopping, commits }, consumer)
    }

    /// Bytes of results that wait.
    pub fn used(&self) -> u64 {
        u64::from(self.capacity).saturating_sub(self.room.available_permits() as u64)
    }

    /// What there is to measure.
    pub fn measures(&self) -> JournalMeasures {
        let waiting =
            (ENTRIES + RELIEF).saturating_sub(self.places.available_permits() + self.relief.available_permits());
        let Commits { seconds, changes } = self.commits.clone();
        JournalMeasures { waiting: waiting as u64, waiting_bytes: self.used(), seconds, changes }
    }

    /// Waits for room for changes with so many bytes of results.
    ///
    /// # Errors
    /// If the Queen stops, as with all that follow.
    pub async fn slot(&self, bytes: usize) -> Result<Slot, Closed> {
        self.slot_among(&self.places, bytes, false).await
    }

    /// Waits for room for what makes room on a full disk: removals, and cancellations before them.
    pub async fn relief_slot(&self) -> Result<Slot, Closed> {
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
    pub async fn tidy(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Entry::Errand(Errand::Tidy(done))).await.is_ok() {
            // An error means that she has stopped.
            let _ = waiting.await;
        }
    }

    /// Does something while nothing is being committed, behind all that waits; `None` if the
    /// disk does not take that, or the Queen stops.
    pub async fn between<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, waiting) = oneshot::channel();
        let work = Box::new(move || {
            // Who asked may be gone.
            let _ = done.send(work());
        });
        self.queue.send(Entry::Errand(Errand::Call(work))).await.ok()?;
        waiting.await.ok()
    }

    /// Lets the writer stop behind all that waits.
    pub fn stop(&self) {
        self.stopping.cancel();
        // It need not be woken if the queue is full.
        let _ = self.queue.try_send(Entry::Wake);
    }
}

impl Slot {
    /// Whether nothing may go in but what makes room, so that a full disk takes it.
    pub fn is_for_relief(&self) -> bool {
        self.is_for_relief
    }

    /// Puts changes into the place, perhaps none: whoever waits for the answer knows then that
    /// all that came before is durable, unless the changes are new tasks.
    pub fn enter(self, changes: Vec<Change>, receipt: Option<Receipt>) -> Ack {
        let (ack, acked) = oneshot::channel();
        self.queue.send(Entry::Commit(Commit { changes, receipt, ack: Some(ack), _held: Some(self.held) }));
        acked
    }
}
