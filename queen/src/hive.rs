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
mod feed;
mod fleet;
mod journal;
mod keys;
mod reading;
mod record;
mod recovery;
mod retention;
mod state;
mod story;
mod upload;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use web::hive::HiveError;
use web::model::Timestamp;
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};
use wire::message::Output;

use crate::core::{Ability, Event, Grant, Patience, Progress, Time};
use crate::kinds::{Job, Rejected};
use crate::store::{Budget, Reader};
use cache::Cache;
use feed::Feed;
use fleet::Seat;
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
    /// The answer to a heartbeat.
    Heartbeat,
    /// The last message.
    Goodbye(&'static str),
}

/// A Drone that said hello.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// As it calls itself.
    pub name: String,
    /// Where it connects from.
    pub address: String,
    /// Program and version.
    pub software: String,
    /// What it can do.
    pub ability: Ability,
}

/// A Drone's place in the Hive, as its connection holds it.
pub struct Joined {
    /// Its number.
    pub id: DroneId,
    /// What is to be sent to it.
    pub outbox: mpsc::Receiver<Outbound>,
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
        let Settings { memory_limit, drone_addr, keep_finished, .. } = settings;
        // What goes to the disk shares the limit with what comes from there.
        let (cached, written) = match disk {
            Some(_) => (memory_limit / CACHE_PART, memory_limit / JOURNAL_PART),
            None => (0, 0),
        };
        let budget = Budget::new(memory_limit - cached - written);
        let cache = Cache::new(cached);
        let state = State::new(Feed::new(epoch), Instance::random()?, Arc::clone(&budget), cache, disk.is_some());
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

    /// A Drone is ready for work; `None` if there are [`MAX_DRONES`] already.
    pub fn join(&self, newcomer: Newcomer) -> Option<Joined> {
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let closed = CancellationToken::new();
        let ability = newcomer.ability.clone();
        let seat = Seat::new(newcomer, sender, closed.clone());
        let id = self.change(|state, now| {
            let id = state.seat(seat)?;
            state.handle(Event::Join { drone: id, ability, trusted: true, offers: Vec::new() }, now);
            Some(id)
        })?;
        self.inner.deadline_moved.notify_one();
        Some(Joined { id, outbox, closed })
    }

    /// A Drone lives and holds these leases.
    pub fn heartbeat(&self, drone: DroneId, progress: Vec<Progress>, computed: u64) {
        self.change(|state, now| {
            state.heard(drone, false);
            state.handle(Event::Heartbeat { drone, progress, computed }, now);
        });
    }

    /// Results came from a Drone, within `frame`. What nobody wants any more is dropped. While
    /// the disk is behind, this waits, and calls `waiting` now and then.
    ///
    /// # Errors
    /// If any of it cannot be the results of its range.
    pub async fn outputs(
        &self,
        drone: DroneId,
        frame: &Bytes,
        outputs: &[Output<'_>],
        waiting: impl Fn(),
    ) -> Result<(), Rejected> {
        let jobs: Vec<_> = {
            let state = self.lock();
            let ours = |output: &Output<'_>| output.epoch == self.inner.epoch;
            outputs.iter().map(|output| state.job_of(drone, output.lease).filter(|_| ours(output))).collect()
        };
        let mut checked = Vec::with_capacity(outputs.len());
        for (output, job) in outputs.iter().zip(jobs) {
            let Some(job) = job else { continue };
            let range = output.from..output.to;
            let results = job.check(&range, &output.output)?;
            let kept = match results.len() >= frame.len() / KEEP_FRAME {
                true => frame.slice_ref(results),
                false => Bytes::copy_from_slice(results),
            };
            checked.push((output.lease, range, Duration::from_nanos(output.spent_ns), kept));
        }
        let bytes = checked.iter().map(|(.., results)| results.len()).sum();
        let Ok(slot) = self.patient_slot(drone, bytes, waiting).await else { return Ok(()) };
        self.change_durably(slot, |state, now| {
            state.heard(drone, true);
            for (lease, range, spent, results) in checked {
                state.output(drone, lease, range, spent, results, now);
            }
        });
        Ok(())
    }

    /// A Drone cannot compute a lease, or cannot be given what it needs for it.
    pub async fn failed(&self, drone: DroneId, lease: LeaseId, reason: String, waiting: impl Fn()) {
        let Ok(slot) = self.patient_slot(drone, 0, waiting).await else { return };
        self.change_durably(slot, |state, now| state.handle(Event::Failed { drone, lease, reason }, now));
    }

    /// A Drone gives leases back.
    pub fn hand_back(&self, drone: DroneId, leases: Vec<LeaseId>) {
        self.change(|state, now| state.handle(Event::HandBack { drone, leases }, now));
    }

    /// A Drone takes no more.
    pub fn leaving(&self, drone: DroneId) {
        self.change(|state, now| {
            state.heard(drone, true);
            state.handle(Event::Leaving { drone }, now);
        });
    }

    /// A Drone's connection has ended.
    pub fn gone(&self, drone: DroneId, parting: Parting) {
        self.change(|state, now| {
            state.unseat(drone, parting, now);
            state.handle(Event::Gone { drone }, now);
        });
    }

    /// Says goodbye to every Drone.
    pub fn dismiss(&self, reason: &'static str) {
        self.lock().dismiss(reason);
    }

    /// Keeps the core's deadlines, until the future is dropped.
    pub async fn keep_time(&self) {
        loop {
            let moved = self.inner.deadline_moved.notified();
            let deadline = self.lock().next_deadline();
            match deadline {
                None => moved.await,
                Some(deadline) => {
                    let deadline = tokio::time::Instant::from_std(self.inner.started + deadline);
                    if timeout_at(deadline, moved).await.is_err() {
                        self.change(|state, now| state.handle(Event::Tick, now));
                    }
                }
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
        drone: DroneId,
        bytes: usize,
        waiting: impl Fn(),
    ) -> Result<Option<Slot>, journal::Closed> {
        let slot = self.slot(bytes);
        tokio::pin!(slot);
        debug_assert!(EXCUSE < Patience::default().silence / 2);
        loop {
            match tokio::time::timeout(EXCUSE, &mut slot).await {
                Ok(slot) => return slot,
                Err(_) => {
                    self.change(|state, now| state.handle(Event::Excuse { drone }, now));
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
        let (result, ack, has_stories, changed) = {
            let mut state = self.lock();
            let result = change(&mut state, self.now());
            let changes = state.take_changes();
            let ack = match slot {
                Some(slot) if !changes.is_empty() => Some(slot.enter(changes)),
                _ => {
                    debug_assert!(changes.is_empty() || self.inner.disk.is_none(), "{changes:?} have no slot");
                    changes.iter().for_each(|change| state.committed(change));
                    None
                }
            };
            (result, ack, state.has_stories(), state.has_news())
        };
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
