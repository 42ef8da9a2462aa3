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

mod cache;
mod control;
mod explain;
mod feed;
mod fleet;
mod journal;
mod keys;
mod reading;
mod record;
mod recovery;
mod registry;
mod retention;
mod rework;
mod state;
mod story;
mod upload;
mod verify;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::time::{timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use web::hive::HiveError;
use web::model::Timestamp;
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};
use wire::message::{Adoption, Offered, Output};

use crate::core::{Ability, Event, Grant, Patience, Progress, Time};
use crate::kinds::{Job, Rejected};
use crate::store::{Budget, Reader};
use cache::Cache;
use feed::Feed;
use fleet::Ends;
use journal::{Ack, Journal, Slot};
pub use recovery::{Keeper, Lost};
use state::State;
use story::Story;

/// Drones that may be connected at once.
pub const MAX_DRONES: usize = 4096;

/// What waits to be sent to one Drone; the core's credit keeps it far below this.
const OUTBOX: usize = 32_768;

/// A result piece that fills less of its frame than this part is copied, so that it does not
/// keep the whole frame alive.
const KEEP_FRAME: usize = 2;

/// How often changes are told to watchers.
const TELL: Duration = Duration::from_millis(100);

/// Results that are expensive to compute, and are computed again at once.
const CHECKS: usize = 1;

/// How often a Drone is told that the Queen lives, while she waits for her disk.
const EXCUSE: Duration = Duration::from_secs(1);

/// The parts of the memory limit that cached segments, and results on their way to the disk,
/// may take.
const CACHE_PART: u64 = 4;
const JOURNAL_PART: u64 = 8;

/// What the control plane and the Drones' connections share. Clones share the same state.
#[derive(Clone)]
pub struct SharedHive {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    started: Instant,
    started_at: Timestamp,
    epoch: Epoch,
    budget: Arc<Budget>,
    memory_limit: u64,
    drone_addr: String,
    disk: Option<Disk>,
    keep_finished: Duration,
    patience: Patience,
    /// Bounds how many results are computed again at once, which are too expensive to do so at once.
    checks: Arc<Semaphore>,
    /// Held by one at a time who has suspect results computed again.
    rework: tokio::sync::Mutex<()>,
    /// There are fewer tasks now whose results are computed again.
    reworked: Notify,
    /// Held by who tells stories; taken before the state's lock, never after it.
    console: Mutex<()>,
    /// The core's next deadline may have come nearer.
    deadline_moved: Notify,
    /// There is something to tell to watchers.
    changed: Notify,
}

/// What is kept on disk, and the ways there and back.
struct Disk {
    directory: PathBuf,
    limit: Option<u64>,
    journal: Journal,
    reader: Arc<Reader>,
    /// Bounds how many threads read at once.
    reads: Semaphore,
    /// For what the writer's thread need not wait for.
    runtime: Handle,
    /// Tasks taken over at the start, and how long that took.
    recovered: std::sync::OnceLock<(u64, Duration)>,
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
    /// What finished tasks may take on disk besides the others, in bytes.
    pub max_data: Option<u64>,
    /// How long Drones are waited for.
    pub patience: Patience,
}

/// Something to be sent to a Drone.
#[derive(Debug)]
pub enum Outbound {
    /// A lease, and what it is about.
    Lease(Grant, Job),
    /// A lease ends at `end` now.
    Shrink {
        /// Which lease.
        lease: LeaseId,
        /// Its new end.
        end: u64,
    },
    /// The answer to what it offered.
    Adopted(Vec<Option<Adoption>>),
    /// The answer to a heartbeat.
    Heartbeat,
    /// It is to leave for good.
    Drain,
    /// The last message.
    Goodbye(&'static str),
}

/// One connection of one Drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whose.
    pub drone: DroneId,
    number: u64,
}

/// What can be told to a Drone when changes are on disk: the first so many outputs of this
/// connection are safe.
#[derive(Debug, Clone, Copy)]
struct Receipt {
    link: Link,
    outputs: u64,
}

/// A Drone that said hello.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// As it calls itself.
    pub name: String,
    /// Its process.
    pub instance: Instance,
    /// Where it connects from.
    pub address: String,
    /// Program and version.
    pub software: String,
    /// What it can do.
    pub ability: Ability,
}

/// A Drone's place in the Hive, as its connection holds it.
pub struct Joined {
    /// What it is called.
    pub link: Link,
    /// What is to be sent to it.
    pub outbox: mpsc::Receiver<Outbound>,
    /// How many of its outputs are safe.
    pub stored: watch::Receiver<u64>,
    /// The connection is to be closed.
    pub closed: CancellationToken,
}

/// How a Drone's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// It had said that it would leave, or the Queen stops.
    Left,
    /// It broke.
    Lost,
}

impl SharedHive {
    fn build(settings: Settings, epoch: Epoch, disk: Option<Disk>) -> Result<Self, getrandom::Error> {
        let Settings { memory_limit, drone_addr, keep_finished, patience, .. } = settings;
        // What goes to the disk shares the limit with what comes from there.
        let (cached, written) = match disk {
            Some(_) => (memory_limit / CACHE_PART, memory_limit / JOURNAL_PART),
            None => (0, 0),
        };
        let budget = Budget::new(memory_limit - cached - written);
        let cache = Cache::new(cached);
        let base = Instance::random()?;
        let state = State::new(Feed::new(epoch), base, Arc::clone(&budget), cache, disk.is_some(), patience);
        let inner = Inner {
            state: Mutex::new(state),
            started: Instant::now(),
            started_at: Timestamp::now(),
            epoch,
            budget,
            memory_limit,
            drone_addr,
            disk,
            keep_finished,
            patience,
            checks: Arc::new(Semaphore::new(CHECKS)),
            rework: tokio::sync::Mutex::new(()),
            reworked: Notify::new(),
            console: Mutex::new(()),
            deadline_moved: Notify::new(),
            changed: Notify::new(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The epoch of every lease.
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// How long Drones are waited for.
    pub fn patience(&self) -> Patience {
        self.inner.patience
    }

    /// A Drone has connected; `None` if there are [`MAX_DRONES`] already. It is given work when it
    /// has said what it holds ([`offer`](Self::offer)).
    pub async fn connect(&self, newcomer: Newcomer) -> Option<Joined> {
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let (confirm, stored) = watch::channel(0);
        let closed = CancellationToken::new();
        let slot = self.slot(0).await.ok()?;
        let ends = Ends { outbox: sender, closed: closed.clone(), stored: confirm };
        let (link, _) = self.change_durably(slot, |state, now| state.seat(newcomer, ends, now));
        Some(Joined { link: link?, outbox, stored, closed })
    }

    /// A Drone says what it holds from connections before; it is answered with what of that is
    /// still wanted. All that it said before on other connections is on disk by then.
    pub async fn offer(&self, link: Link, offers: Vec<Offered>, waiting: impl Fn()) {
        let Ok(slot) = self.patient_slot(link, 0, &waiting).await else { return };
        if let Some(slot) = slot {
            let mut before = slot.enter(Vec::new(), None);
            loop {
                match timeout(EXCUSE, &mut before).await {
                    Ok(Ok(Ok(()))) => break,
                    Ok(Err(_)) => return,
                    // A disk that does not take it says so at once.
                    Ok(Ok(Err(_))) => {
                        tokio::time::sleep(EXCUSE).await;
                        let Ok(Some(slot)) = self.patient_slot(link, 0, &waiting).await else { return };
                        before = slot.enter(Vec::new(), None);
                    }
                    Err(_) => {}
                }
                waiting();
            }
        }
        let Ok(slot) = self.patient_slot(link, 0, waiting).await else { return };
        self.change_durably(slot, |state, now| {
            if state.is_current(link) {
                let offers = offers.iter().map(|offer| state.offered(offer)).collect();
                state.join(link, offers, now);
            }
        });
    }

    /// A Drone lives and holds these leases.
    pub fn heartbeat(&self, link: Link, progress: Vec<Progress>, computed: u64) {
        self.change(|state, now| {
            if state.is_current(link) {
                state.heard(link.drone, false);
                if state.fault.is_some() {
                    // Its results cannot be stored, so that it has to stop computing at last.
                    state.handle(Event::Excuse { drone: link.drone }, now);
                }
                state.handle(Event::Heartbeat { drone: link.drone, progress, computed }, now);
            }
        });
    }

    /// Results came from a Drone, within `frame`; with them there were `received` on its
    /// connection. What nobody wants any more is dropped. While the disk is behind, this waits,
    /// and calls `waiting` now and then.
    ///
    /// # Errors
    /// If any of it cannot be the results of its range.
    pub async fn outputs(
        &self,
        link: Link,
        frame: &Bytes,
        outputs: &[Output<'_>],
        received: u64,
        waiting: impl Fn(),
    ) -> Result<(), Rejected> {
        let orders: Vec<_> = {
            let state = self.lock();
            let ours = |output: &Output<'_>| output.epoch == self.inner.epoch && state.is_current(link);
            outputs.iter().map(|output| state.order_of(link.drone, output.lease).filter(|_| ours(output))).collect()
        };
        let mut results = Vec::with_capacity(outputs.len());
        for (output, order) in outputs.iter().zip(orders) {
            let Some(order) = order else { continue };
            let bytes = order.job.check(&(output.from..output.to), &output.output)?;
            let kept = match bytes.len() >= frame.len() / KEEP_FRAME {
                true => frame.slice_ref(bytes),
                false => Bytes::copy_from_slice(bytes),
            };
            let spent = Duration::from_nanos(output.spent_ns);
            match self.examine(link.drone, order, output.lease, output.from..output.to, kept, spent).await {
                Ok(result) => results.push(result),
                // It is not heard any more; what it said before stands until it is looked at.
                Err(lie) => {
                    self.caught(lie).await;
                    return Ok(());
                }
            }
        }
        let bytes = results.iter().map(|result| result.bytes.len()).sum();
        let Ok(slot) = self.patient_slot(link, bytes, waiting).await else { return Ok(()) };
        let receipt = Receipt { link, outputs: received };
        let doubts = self.change_with_receipt(slot, receipt, |state, now| {
            if !state.is_current(link) {
                return Vec::new();
            }
            state.heard(link.drone, true);
            results.into_iter().filter_map(|result| state.output(link.drone, result, now)).collect()
        });
        doubts.into_iter().for_each(|doubt| self.look_into(doubt));
        Ok(())
    }

    /// A Drone cannot compute a lease.
    pub async fn failed(&self, link: Link, lease: LeaseId, reason: String, waiting: impl Fn()) {
        let Ok(slot) = self.patient_slot(link, 0, waiting).await else { return };
        self.change_durably(slot, |state, now| {
            if state.is_current(link) && !state.is_audit(link.drone, lease, now) {
                state.handle(Event::Failed { drone: link.drone, lease, reason }, now);
            }
        });
    }

    /// What a Drone needs for a lease cannot be had.
    pub async fn spoiled(&self, link: Link, lease: LeaseId, reason: String) {
        let Ok(slot) = self.slot(0).await else { return };
        self.change_durably(slot, |state, now| {
            if let Some(task) = state.core.lease(link.drone, lease) {
                state.handle(Event::Spoil { task, reason }, now);
            }
        });
    }

    /// A Drone gives leases back.
    pub fn hand_back(&self, link: Link, leases: Vec<LeaseId>) {
        self.change(|state, now| {
            if state.is_current(link) {
                state.handle(Event::HandBack { drone: link.drone, leases }, now);
            }
        });
    }

    /// A Drone takes no more.
    pub fn leaving(&self, link: Link) {
        self.change(|state, now| {
            if state.is_current(link) {
                state.heard(link.drone, true);
                state.handle(Event::Leaving { drone: link.drone }, now);
            }
        });
    }

    /// A Drone's connection has ended.
    pub async fn gone(&self, link: Link, parting: Parting) {
        // A task may fail of it. Without a slot nothing is kept any more: the Queen stops.
        match self.slot(0).await {
            Ok(slot) => drop(self.change_durably(slot, |state, now| state.unseat(link, parting, now))),
            Err(journal::Closed) => self.lock().close(link),
        }
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
            let deadline = tokio::time::Instant::from_std(self.inner.started + deadline);
            // A task may fail of it, and leases are remembered.
            if timeout_at(deadline, moved).await.is_err()
                && let Ok(slot) = self.slot(0).await
            {
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
        self.inner.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug; serving on with what there is beats serving nothing.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once everything is taken over.
    fn serving(&self) -> Result<MutexGuard<'_, State>, HiveError> {
        let state = self.lock();
        match state.recovering {
            None => Ok(state),
            Some((taken, all)) => Err(recovery::recovering(taken, all)),
        }
    }

    /// Room in the journal for changes with so many bytes of results; none is needed where
    /// nothing is kept on disk.
    async fn slot(&self, bytes: usize) -> Result<Option<Slot>, journal::Closed> {
        match &self.inner.disk {
            Some(disk) => disk.journal.slot(bytes).await.map(Some),
            None => Ok(None),
        }
    }

    /// Like [`slot`](Self::slot). A Drone that is not listened to meanwhile is not to blame.
    async fn patient_slot(
        &self,
        link: Link,
        bytes: usize,
        waiting: impl Fn(),
    ) -> Result<Option<Slot>, journal::Closed> {
        let slot = self.slot(bytes);
        tokio::pin!(slot);
        loop {
            match tokio::time::timeout(EXCUSE, &mut slot).await {
                Ok(slot) => return slot,
                Err(_) => {
                    self.change(|state, now| state.handle(Event::Excuse { drone: link.drone }, now));
                    waiting();
                }
            }
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

    /// Changes the state; when all of that is on disk, and all that came before, a Drone is told.
    fn change_with_receipt<T>(
        &self,
        slot: Option<Slot>,
        receipt: Receipt,
        change: impl FnOnce(&mut State, Time) -> T,
    ) -> T {
        self.change_and_tell(slot, Some(receipt), change).0
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
            let changes = state.take_changes(slot.is_some());
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
            stories.iter().for_each(Story::tell);
        }
        (result, ack)
    }
}

/// The id of a task, for the log.
fn label(id: TaskId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("task {id} ({name})"),
        None => format!("task {id}"),
    }
}
