//! The lock over the state, and what happens around it: what has to be written enters the journal under
//! it, lines for the console and news for watchers are told when it is released. Nothing is decided here.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use web::budget::Budget;
use web::hive::HiveError;
use web::model::Timestamp;
use wire::ids::{Epoch, Instance};

use super::making::Making;
use super::memory::Memory;
use super::recorder::Recorder;
use super::settings::Settings;
use super::state::{State, StateConfig};
use crate::access::Grants;
use crate::clock::{HiveClock, Now};
use crate::core::{Event, Timeouts};
use crate::store::{Ack, Closed, Journal, Reader, Receipt, Slot, StoredAccess, WholeFile};

/// How often changes are told to watchers.
const TELL: Duration = Duration::from_millis(100);

/// What the control plane and the Drones' connections share. Clones share the same state.
#[derive(Clone)]
pub struct SharedHive {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    state: Mutex<State>,
    pub(super) clock: HiveClock,
    pub(super) started_at: Timestamp,
    pub(super) epoch: Epoch,
    pub(super) memory: Memory,
    pub(super) drone_addr: String,
    pub(super) disk: Disk,
    pub(super) recorder: Arc<Recorder>,
    pub(super) keep_finished: Duration,
    pub(super) max_queued: usize,
    timeouts: Timeouts,
    show_words: bool,
    /// Bounds how many ranges the Queen computes a second time at once, for want of another Drone.
    pub(super) own_checks: Arc<Semaphore>,
    /// Held by one at a time who has suspect results computed again.
    pub(super) rework: tokio::sync::Mutex<()>,
    /// Notified when there are fewer tasks whose results are computed again.
    pub(super) reworked: Notify,
    /// Who may do what.
    pub(super) grants: Grants,
    pub(super) making: tokio::sync::Mutex<Making>,
    /// Held by who tells stories; taken before the state's lock, never after it.
    console: Mutex<()>,
    /// Notified when the core's next deadline has come nearer.
    deadline_moved: Notify,
    /// Notified when there is something to tell to watchers.
    pub(super) changed: Notify,
    /// Notified when the audit trail has lines to be written.
    pub(super) logged: Notify,
}

/// What is kept, on disk or in memory, and the ways there and back.
pub(super) struct Disk {
    /// The data directory; `None` if nothing outlives the Queen.
    pub(super) directory: Option<PathBuf>,
    pub(super) limit: Limit,
    /// What is stored counts here: against the share of memory that tasks have, if it is in memory.
    pub(super) space: Arc<Budget>,
    /// What uploads under way will take there; in memory, of the same share.
    pub(super) uploads: Arc<Budget>,
    pub(super) journal: Journal,
    pub(super) reader: Arc<Reader>,
    /// Bounds how many threads read at once.
    pub(super) reads: Arc<Semaphore>,
    /// Runs what the writer's thread, which is not one of the runtime's, need not wait for.
    pub(super) runtime: Handle,
}

/// How many bytes there may be on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    /// Finished tasks go before their time to keep within it, since the operator said how many bytes.
    pub(super) removes: bool,
}

impl Limit {
    /// The part of what there is that is taken at most unless somebody says how much.
    const PART: (u64, u64) = (9, 10);

    /// What was `said`, or a part of the `room` that there was at the start.
    pub(super) fn new(said: Option<u64>, room: u64) -> Self {
        let (part, of) = Self::PART;
        Self { bytes: said.unwrap_or(room / of * part), removes: said.is_some() }
    }
}

impl SharedHive {
    /// A Hive whose state is empty.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub(super) fn build(
        settings: Settings,
        memory: Memory,
        epoch: Epoch,
        clock: HiveClock,
        disk: Disk,
        access: StoredAccess,
        history: WholeFile,
    ) -> Result<Self, getrandom::Error> {
        let Settings { drone_addr, keep_finished, max_queued, timeouts, show_words, .. } = settings;
        let is_closed = access.has_token();
        let state = State::new(StateConfig {
            epoch,
            base: Instance::random()?,
            budget: Arc::clone(&memory.tasks),
            cache: memory.cache,
            own_checks: own_checks(),
            space: Arc::clone(&disk.space),
            keeps_trail: disk.directory.is_some(),
            timeouts,
        });
        let recorder = Arc::new(Recorder::open(history, clock.now().on));
        let inner = Inner {
            state: Mutex::new(state),
            clock,
            started_at: Timestamp::now(),
            epoch,
            memory,
            drone_addr,
            disk,
            recorder,
            keep_finished,
            max_queued,
            timeouts,
            show_words,
            own_checks: Arc::new(Semaphore::new(own_checks())),
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
        self.inner.disk.directory.as_ref().map(|_| self.inner.disk.limit.bytes)
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
        self.lock().fleet.dismiss(reason);
    }

    /// Keeps the core's deadlines, until the future is dropped.
    pub async fn run_timer(&self) {
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

    /// What all clocks show.
    pub(super) fn now(&self) -> Now {
        self.inner.clock.now()
    }

    /// Waits until so much time has passed.
    pub(super) async fn pass(&self, time: Duration) {
        self.inner.clock.reach(self.inner.clock.elapsed() + time).await;
    }

    /// What comes of `work`, if it comes before so much time has passed.
    pub(super) async fn within<T>(&self, time: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            done = work => Some(done),
            () = self.pass(time) => None,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug; serving on with what there is beats serving nothing.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, once everything is taken over.
    pub(super) fn serving(&self) -> Result<MutexGuard<'_, State>, HiveError> {
        let state = self.lock();
        state.is_serving().map(|()| state)
    }

    /// Room in the journal for changes with so many bytes of results.
    pub(super) async fn slot(&self, bytes: usize) -> Result<Slot, Closed> {
        self.inner.disk.journal.slot(bytes).await
    }

    /// Changes the state, then tells what came of it. Nothing that has to be written may come
    /// of it: that is for [`change_durably`](Self::change_durably).
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State, Now) -> T) -> T {
        self.change_and_tell(None, None, change).0
    }

    /// Changes the state; what has to be written of it enters the journal under the same lock.
    /// `None` instead of an answer to be waited for if there is nothing to write.
    pub(super) fn change_durably<T>(&self, slot: Slot, change: impl FnOnce(&mut State, Now) -> T) -> (T, Option<Ack>) {
        self.change_and_tell(Some(slot), None, change)
    }

    pub(super) fn change_and_tell<T>(
        &self,
        slot: Option<Slot>,
        receipt: Option<Receipt>,
        change: impl FnOnce(&mut State, Now) -> T,
    ) -> (T, Option<Ack>) {
        let (result, ack, outcome) = {
            let mut state = self.lock();
            let had_lines = state.outgoing.trail.has_lines();
            let result = change(&mut state, self.now());
            let ack = match slot {
                Some(slot) => {
                    let changes = state.take_changes(!slot.is_for_relief());
                    (!changes.is_empty() || receipt.is_some()).then(|| slot.enter(changes, receipt))
                }
                // What has to be written waits for whoever has a slot next: at the start for the epoch.
                None => {
                    debug_assert!(state.recovering.is_some() || state.outgoing.is_empty(), "a change has no slot");
                    None
                }
            };
            let (has_stories, has_news) = (state.has_stories(), state.has_news());
            let has_new_lines = !had_lines && state.outgoing.trail.has_lines();
            (result, ack, (has_stories, has_news, has_new_lines, state.is_due_earlier(), state.take_requests()))
        };
        let (has_stories, has_news, has_new_lines, is_due_earlier, requests) = outcome;
        if has_new_lines {
            self.inner.logged.notify_one();
        }
        if is_due_earlier {
            self.inner.deadline_moved.notify_one();
        }
        if has_news {
            self.inner.changed.notify_one();
        }
        if has_stories {
            // Who tells takes all there is, so that the console's order is the state's.
            let _turn = self.inner.console.lock().unwrap_or_else(PoisonError::into_inner);
            let stories = self.lock().take_stories();
            stories.iter().for_each(|story| story.tell(self.inner.show_words));
        }
        requests.into_iter().for_each(|request| self.carry_out(request));
        (result, ack)
    }
}

/// How many ranges the Queen computes a second time at once: half of the machine is left to others.
fn own_checks() -> usize {
    std::thread::available_parallelism().map_or(1, |threads| threads.get().div_ceil(2))
}
