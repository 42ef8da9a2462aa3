//! The shared in-memory state: everything that HTTP handlers and Drone connections share.
//!
//! One lock holds the core and what the core does not know of tasks and Drones: names, bytes,
//! times of day, who waits. It is held for moments only, never over an `.await`, and nothing
//! is hashed, copied in bulk, written or logged under it. Effects are carried out under the
//! same lock as the event that caused them, so that every queue sees them in the core's order;
//! lines for the console are collected and told after it.
//!
//! What has to outlive the Queen leaves through the [`journal`]. Where nothing is kept on
//! disk, what would go there is settled at once instead; nothing else differs.

mod access;
mod amend;
mod cache;
mod claims;
mod control;
mod credit;
mod explain;
mod feed;
mod fleet;
mod index;
mod journal;
mod keys;
mod link;
mod members;
mod memory;
mod overview;
mod pace;
mod reading;
mod record;
mod recovery;
mod registry;
mod retention;
mod rework;
mod secrets;
mod state;
mod story;
mod trail;
mod upload;
mod verify;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use web::budget::Budget;
use web::hive::HiveError;
use web::model::Timestamp;
use wire::ids::{Epoch, Instance, TaskId};

use crate::access::Grants;
use crate::clock::{Clock, HiveClock, Moment};
use crate::core::{Event, Time, Timeouts};
use crate::store::{Reader, StoredAccess};
use access::Making;
use cache::Cache;
use feed::Feed;
use journal::{Ack, Journal, Slot};
use link::Receipt;
pub use link::{Breach, Joined, Link, Newcomer, Outbound, Parting};
pub use memory::Memory;
pub use recovery::{Keeper, Lost};
use state::State;

/// Drones that may be connected at once.
pub const MAX_DRONES: usize = 4096;

/// Tasks of one token that may not have ended, unless something else is said.
pub const MAX_QUEUED: usize = 100_000;

/// What waits to be sent to one Drone; the core's credit keeps it far below this.
const OUTBOX: usize = 32_768;

/// A result piece of fewer bytes, or one that fills less of its frame than this part, is copied, so
/// that it does not keep alive what was read with it: the whole frame, or many small ones.
const KEEP: usize = 32 << 10;
const KEEP_FRAME: usize = 2;

/// How often changes are told to watchers.
const TELL: Duration = Duration::from_millis(100);

/// Results that are expensive to compute, and are computed again at once.
const CHECKS: usize = 1;

/// How often a Drone is told that the Queen lives, while she waits for her disk.
const EXCUSE: Duration = Duration::from_secs(1);

/// What the control plane and the Drones' connections share. Clones share the same state.
#[derive(Clone)]
pub struct SharedHive {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    clock: HiveClock,
    started_at: Timestamp,
    epoch: Epoch,
    memory: Memory,
    drone_addr: String,
    disk: Option<Disk>,
    keep_finished: Duration,
    max_queued: usize,
    timeouts: Timeouts,
    show_words: bool,
    /// Bounds how many results are computed again at once, which are too expensive to do so at once.
    checks: Arc<Semaphore>,
    /// Bounds how many ranges the Queen computes a second time at once, for want of another Drone.
    seconds: Arc<Semaphore>,
    /// Held by one at a time who has suspect results computed again.
    rework: tokio::sync::Mutex<()>,
    /// There are fewer tasks now whose results are computed again.
    reworked: Notify,
    /// Who may do what.
    grants: Grants,
    making: tokio::sync::Mutex<Making>,
    /// Held by who tells stories; taken before the state's lock, never after it.
    console: Mutex<()>,
    /// The core's next deadline may have come nearer.
    deadline_moved: Notify,
    /// There is something to tell to watchers.
    changed: Notify,
    /// The audit trail has lines to be written.
    logged: Notify,
}

/// What is kept on disk, and the ways there and back.
struct Disk {
    directory: PathBuf,
    limit: Limit,
    /// What uploads under way will take there.
    uploads: Arc<Budget>,
    journal: Journal,
    reader: Arc<Reader>,
    /// Bounds how many threads read at once.
    reads: Arc<Semaphore>,
    /// For what the writer's thread need not wait for.
    runtime: Handle,
    /// Tasks taken over at the start, and how long that took.
    recovered: std::sync::OnceLock<(u64, Duration)>,
}

/// How many bytes there may be on disk.
#[derive(Debug, Clone, Copy)]
struct Limit {
    bytes: u64,
    /// Finished tasks go before their time, since somebody said how many.
    removes: bool,
}

impl Limit {
    /// The part of what there is that is taken at most unless somebody says how much.
    const PART: (u64, u64) = (9, 10);

    /// What was `said`, or a part of the `room` that there was at the start.
    fn new(said: Option<u64>, room: u64) -> Self {
        let (part, of) = Self::PART;
        Self { bytes: said.unwrap_or(room / of * part), removes: said.is_some() }
    }
}

/// What a Hive has to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What may be held in memory, in bytes.
    pub memory_limit: u64,
    /// Where Drones connect, for people.
    pub drone_addr: String,
    /// How long finished tasks are kept.
    pub keep_finished: Duration,
    /// What all tasks may take on disk, in bytes, so that finished ones go earlier; by default so much that
    /// none has to.
    pub max_data: Option<u64>,
    /// How long Drones are waited for.
    pub timeouts: Timeouts,
    /// Tasks of one token that may not have ended; a batch is one.
    pub max_queued: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The console shows inputs and digests.
    pub show_words: bool,
}

#[cfg(test)]
impl Default for Settings {
    fn default() -> Self {
        Self {
            memory_limit: 1 << 30,
            drone_addr: String::new(),
            keep_finished: Duration::MAX,
            max_data: None,
            timeouts: Timeouts::default(),
            max_queued: MAX_QUEUED,
            clock: Arc::new(crate::clock::System::start()),
            show_words: true,
        }
    }
}

impl SharedHive {
    fn build(
        settings: Settings,
        memory: Memory,
        epoch: Epoch,
        clock: HiveClock,
        disk: Option<Disk>,
        access: StoredAccess,
    ) -> Result<Self, getrandom::Error> {
        let Settings { drone_addr, keep_finished, max_queued, timeouts, show_words, .. } = settings;
        let (budget, cache) = (Arc::clone(&memory.tasks), Cache::new(memory.cache));
        let base = Instance::random()?;
        let is_closed = access.has_token();
        let feed = Feed::new(epoch);
        let state = State::new(feed, base, budget, cache, disk.is_some(), timeouts, clock.clone());
        let inner = Inner {
            state: Mutex::new(state),
            clock,
            started_at: Timestamp::now(),
            epoch,
            memory,
            drone_addr,
            disk,
            keep_finished,
            max_queued,
            timeouts,
            show_words,
            checks: Arc::new(Semaphore::new(CHECKS)),
            seconds: Arc::new(Semaphore::new(seconds())),
            rework: tokio::sync::Mutex::new(()),
            reworked: Notify::new(),
            making: tokio::sync::Mutex::new(Making::new(&access)),
            grants: Grants::new(access.tokens, access.secrets, is_closed),
            console: Mutex::new(()),
            deadline_moved: Notify::new(),
            changed: Notify::new(),
            logged: Notify::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The epoch of every lease.
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// How many bytes there may be on disk, if anything is kept.
    pub fn max_data(&self) -> Option<u64> {
        self.inner.disk.as_ref().map(|disk| disk.limit.bytes)
    }

    /// What may be held in memory.
    pub fn memory(&self) -> &Memory {
        &self.inner.memory
    }

    /// How long Drones are waited for.
    pub fn timeouts(&self) -> Timeouts {
        self.inner.timeouts
    }

    /// Says goodbye to every Drone.
    pub fn dismiss(&self, reason: &'static str) {
        self.lock().dismiss(reason);
    }

    /// Keeps the core's deadlines, until the future is dropped.
    pub async fn keep_time(&self) {
        loop {
            let moved = self.inner.deadline_moved.notified();
            let deadline = self.lock().set_timer();
            let Some(deadline) = deadline else {
                moved.await;
                continue;
            };
            let is_over = tokio::select! {
                () = moved => false,
                () = self.inner.clock.reach(deadline) => true,
            };
            // A task may fail of it, and leases are remembered.
            if is_over && let Ok(slot) = self.slot(0).await {
                self.change_durably(slot, |state, now| state.handle(Event::Tick, now));
            }
        }
    }

    /// Tells watchers what has changed, some times a second, until the future is dropped.
    pub async fn tell_watchers(&self) {
        loop {
            self.inner.changed.notified().await;
            loop {
                let moving = self.tell();
                tokio::time::sleep(TELL).await;
                if !moving {
                    break;
                }
            }
        }
    }

    /// Returns whether there will be more to tell without any further event.
    fn tell(&self) -> bool {
        let mut state = self.lock();
        let now = self.now();
        let overview = self.overview_of(&state, now);
        state.tell(overview, now)
    }

    fn now(&self) -> Time {
        self.inner.clock.elapsed()
    }

    /// What the clocks show that outlive a Queen.
    fn moment(&self) -> Moment {
        self.inner.clock.now()
    }

    /// Waits until so much time has passed.
    async fn pass(&self, time: Duration) {
        self.inner.clock.reach(self.now() + time).await;
    }

    /// What comes of `work`, if it comes before so much time has passed.
    async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.pass(time) => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug; serving on with what there is beats serving nothing.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once everything is taken over.
    fn serving(&self) -> Result<MutexGuard<'_, State>, HiveError> {
        let state = self.lock();
        state.is_serving().map(|()| state)
    }

    /// Room in the journal for changes with so many bytes of results; none is needed where
    /// nothing is kept on disk.
    async fn slot(&self, bytes: usize) -> Result<Option<Slot>, journal::Closed> {
        match &self.inner.disk {
            Some(disk) => disk.journal.slot(bytes).await.map(Some),
            None => Ok(None),
        }
    }

    /// Changes the state, then tells what came of it. Nothing that has to be written may come
    /// of it: that is for [`change_durably`](Self::change_durably).
    fn change<T>(&self, change: impl FnOnce(&mut State, Time) -> T) -> T {
        let (result, ack) = self.change_durably(None, change);
        debug_assert!(ack.is_none() || self.inner.disk.is_none());
        result
    }

    /// Changes the state; what has to be written of it enters the journal under the same lock.
    /// `None` instead of an answer to be waited for if there is nothing, or nowhere, to write.
    fn change_durably<T>(&self, slot: Option<Slot>, change: impl FnOnce(&mut State, Time) -> T) -> (T, Option<Ack>) {
        self.change_and_tell(slot, None, change)
    }

    fn change_and_tell<T>(
        &self,
        slot: Option<Slot>,
        receipt: Option<Receipt>,
        change: impl FnOnce(&mut State, Time) -> T,
    ) -> (T, Option<Ack>) {
        let (result, ack, has_stories, changed, hurries) = {
            let mut state = self.lock();
            let result = change(&mut state, self.now());
            let changes = state.take_changes(slot.as_ref().is_some_and(|slot| !slot.is_for_relief()));
            let ack = match slot {
                Some(slot) if !changes.is_empty() || receipt.is_some() => Some(slot.enter(changes, receipt)),
                _ => {
                    debug_assert!(changes.is_empty() || self.inner.disk.is_none(), "{changes:?} have no slot");
                    changes.iter().for_each(|change| state.committed(change));
                    receipt.into_iter().for_each(|receipt| state.stored(receipt));
                    None
                }
            };
            (result, ack, state.has_stories(), state.has_news(), state.hurries())
        };
        if hurries {
            self.inner.deadline_moved.notify_one();
        }
        if changed {
            self.inner.changed.notify_one();
        }
        if has_stories {
            // Who tells takes all there is, so that the console's order is the state's.
            let _turn = self.inner.console.lock().unwrap_or_else(PoisonError::into_inner);
            let stories = self.lock().take_stories();
            stories.iter().for_each(|story| story.tell(self.inner.show_words));
        }
        (result, ack)
    }
}

/// How many ranges the Queen computes a second time at once: half of the machine is left to others.
fn seconds() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().div_ceil(2))
}

/// The id of a task, for the log.
fn label(id: TaskId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("task {id} ({name})"),
        None => format!("task {id}"),
    }
}
