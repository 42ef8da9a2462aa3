//! The shared in-memory state: everything that HTTP handlers and Drone connections share.
//!
//! One lock holds the core and what the core does not know of tasks and Drones: names, bytes,
//! times of day, who waits. It is held for moments only, never over an `.await`, and nothing
//! is hashed, copied in bulk, written or logged under it. Effects are carried out under the
//! same lock as the event that caused them, so that every queue sees them in the core's order;
//! lines for the console are collected and told after it.

mod control;
mod feed;
mod record;
mod results;
mod state;
mod story;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout_at;
use tokio_util::sync::CancellationToken;
use web::model::Timestamp;
use wire::ids::{DroneId, Epoch, LeaseId, TaskId};
use wire::message::Output;

use crate::core::{Ability, Event, Grant, Time};
use crate::kinds::{Job, Rejected};
use crate::store::Budget;
use feed::Feed;
use state::{Seat, State};
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
    drone_addr: String,
    /// Held by who tells stories; taken before the state's lock, never after it.
    console: Mutex<()>,
    /// The core's next deadline may have come nearer.
    deadline_moved: Notify,
    /// There is something to tell to watchers.
    changed: Notify,
}

/// Something to be sent to a Drone.
#[derive(Debug)]
pub enum Outbound {
    /// A lease, and what it is about.
    Lease(Grant, Arc<Job>),
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
    /// An empty Hive in which tasks may take what `budget` allows.
    pub fn new(epoch: Epoch, budget: Arc<Budget>, drone_addr: String) -> Self {
        let inner = Inner {
            state: Mutex::new(State::new(Feed::new(epoch))),
            started: Instant::now(),
            started_at: Timestamp::now(),
            epoch,
            budget,
            drone_addr,
            console: Mutex::new(()),
            deadline_moved: Notify::new(),
            changed: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
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
            state.handle(Event::Join { drone: id, ability }, now);
            Some(id)
        })?;
        self.inner.deadline_moved.notify_one();
        Some(Joined { id, outbox, closed })
    }

    /// A Drone lives and holds these leases.
    pub fn heartbeat(&self, drone: DroneId, leases: Vec<LeaseId>) {
        self.change(|state, now| {
            state.heard(drone, false);
            state.handle(Event::Heartbeat { drone, leases }, now);
        });
    }

    /// Results came from a Drone, within `frame`. What nobody wants any more is dropped.
    ///
    /// # Errors
    /// If any of it cannot be the results of its range.
    pub fn outputs(&self, drone: DroneId, frame: &Bytes, outputs: &[Output<'_>]) -> Result<(), Rejected> {
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
        self.change(|state, now| {
            state.heard(drone, true);
            for (lease, range, spent, results) in checked {
                state.output(drone, lease, range, spent, results, now);
            }
        });
        Ok(())
    }

    /// A Drone cannot compute a lease.
    pub fn failed(&self, drone: DroneId, lease: LeaseId, reason: String) {
        self.change(|state, now| state.handle(Event::Failed { drone, lease, reason }, now));
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

    /// Changes the state, then tells what came of it.
    fn change<T>(&self, change: impl FnOnce(&mut State, Time) -> T) -> T {
        let (result, has_stories, changed) = {
            let mut state = self.lock();
            let result = change(&mut state, self.now());
            (result, state.has_stories(), state.has_news())
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
        result
    }
}

/// The id of a task, for the log.
fn label(id: TaskId, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("task {id} ({name})"),
        None => format!("task {id}"),
    }
}
