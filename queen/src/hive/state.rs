//! What the lock holds: tasks here, Drones in `fleet`; and how the core's effects are carried out.
//!
//! In memory are the tasks that have not ended, and those whose end is not on disk yet. The
//! others are on disk alone, or, where nothing is kept on disk, in memory too.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use web::hive::{HiveError, TaskFilter};
use web::model::{Change as News, DroneView, Overview, TaskCounts, TaskState, TaskView, Timestamp};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use super::cache::Cache;
use super::feed::Feed;
use super::fleet::Seat;
use super::keys::Keys;
use super::label;
use super::record::Record;
use super::story::{EndOfTask, Story};
use crate::core::{Core, Effect, Event, Ledger, Outcome, RangeSet, TaskWork, Time};
use crate::kinds::digest::DIGEST;
use crate::kinds::{self, Job, Terms};
use crate::store::{Budget, Change, Computed, Inputs, Large, Place, Removed, Submission, Trust};

pub(super) struct State {
    pub(super) core: Core,
    pub(super) tasks: Ledger<Record>,
    by_state: BTreeMap<TaskState, BTreeSet<TaskId>>,
    pub(super) counts: TaskCounts,
    pub(super) next_task: u64,
    /// Every task of this Queen is named by this and its id.
    pub(super) base: Instance,
    /// Those of the newest task, which the next one is likely to share.
    terms: Option<Arc<Terms>>,
    pub(super) seats: BTreeMap<DroneId, Seat>,
    pub(super) departed: VecDeque<DroneView>,
    pub(super) next_drone: u64,
    waiters: HashMap<TaskId, Vec<Waiter>>,
    /// Tasks that are in memory because nothing is kept on disk, by when they ended.
    pub(super) ended: BTreeSet<(Timestamp, TaskId)>,
    pub(super) keys: Keys,
    pub(super) cache: Cache,
    budget: Arc<Budget>,
    /// Whether tasks leave memory when their end is on disk.
    is_durable: bool,
    /// Tasks taken over so far and to be taken over, while that is under way.
    pub(super) recovering: Option<(u64, u64)>,
    /// Why the disk does not take writes.
    pub(super) fault: Option<String>,
    /// Bytes on disk.
    pub(super) used: u64,
    /// What has to be written of the event that is being handled.
    changes: Vec<Change>,
    pub(super) feed: Feed,
    /// Something was computed lately when watchers were told last.
    was_moving: bool,
    pub(super) stories: Vec<Story>,
    effects: Vec<Effect>,
}

/// Who waits for a task's end.
struct Waiter {
    /// It need not be on disk.
    is_hasty: bool,
    told: oneshot::Sender<()>,
}

/// A new task, apart from its id.
pub(super) struct New {
    pub(super) terms: Terms,
    pub(super) inputs: Inputs,
    pub(super) created_at: Timestamp,
    pub(super) identity: Option<web::hive::Identity>,
}

impl State {
    pub(super) fn new(feed: Feed, base: Instance, budget: Arc<Budget>, cache: Cache, is_durable: bool) -> Self {
        Self {
            core: Core::default(),
            tasks: Ledger::default(),
            by_state: BTreeMap::new(),
            counts: TaskCounts::default(),
            next_task: 1,
            base,
            terms: None,
            seats: BTreeMap::new(),
            departed: VecDeque::new(),
            next_drone: 1,
            waiters: HashMap::new(),
            ended: BTreeSet::new(),
            keys: Keys::new(Arc::clone(&budget)),
            cache,
            budget,
            is_durable,
            recovering: None,
            fault: None,
            used: 0,
            changes: Vec::new(),
            feed,
            was_moving: false,
            stories: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Tells the core, and does what it says.
    pub(super) fn handle(&mut self, event: Event, now: Time) {
        let from = event_source(&event);
        let mut effects = std::mem::take(&mut self.effects);
        self.core.handle(event, now, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Lease(grant) => self.lease(grant),
                Effect::Withdraw { drone, lease, end } => {
                    self.send(drone, super::Outbound::Shrink { lease, end });
                }
                Effect::Adopted { .. }
                | Effect::Hold { .. }
                | Effect::Unhold(_)
                | Effect::Quarantined { .. }
                | Effect::Forgotten(_) => {}
                Effect::Started(task) => self.started(task),
                Effect::Progress(task) => self.feed.task(task),
                Effect::Ended { task, outcome, done } => self.end(task, outcome, &done, from),
                Effect::Disconnect { drone, reason } => self.disconnect(drone, reason, now),
            }
        }
        self.effects = effects;
    }

    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.core.next_deadline()
    }

    pub(super) fn has_stories(&self) -> bool {
        !self.stories.is_empty()
    }

    pub(super) fn take_stories(&mut self) -> Vec<Story> {
        std::mem::take(&mut self.stories)
    }

    pub(super) fn has_news(&self) -> bool {
        self.feed.has_news()
    }

    /// A new Queen is at work.
    pub(super) fn begin(&mut self, epoch: Epoch) {
        self.changes.push(Change::Epoch(epoch));
    }

    /// What has to be written of what was done since this was asked last.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    /// Publishes what changed; returns whether there will be more without a further event.
    pub(super) fn tell(&mut self, overview: Overview, now: Time) -> bool {
        let news = self.feed.take();
        if news.overflow {
            self.feed.publish(News::Reset {});
        }
        for id in news.removed {
            self.feed.publish(News::TaskRemoved { id });
        }
        for (id, ended) in news.tasks {
            if let Some(view) = ended.or_else(|| self.view(id, now)) {
                self.feed.publish(News::Task(view));
            }
        }
        for id in news.drones {
            if let Some(view) = self.drone(id, now) {
                self.feed.publish(News::Drone(view));
            }
        }
        let moving = overview.rate > 0.0;
        if self.feed.overview_is_due(now) {
            if moving || self.was_moving {
                // Rates fall without any event, the last time to zero.
                self.seats.keys().for_each(|drone| self.feed.drone(*drone));
            }
            self.feed.publish(News::Overview(overview));
            self.was_moving = moving;
            return moving || self.feed.has_news();
        }
        true
    }

    // Tasks.

    /// Creates a task, for whose memory the budget has been asked already.
    pub(super) fn submit(&mut self, new: New, now: Time) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        let New { terms, inputs, created_at, identity } = new;
        let terms = match &self.terms {
            Some(last) if **last == terms => Arc::clone(last),
            _ => Arc::clone(self.terms.insert(Arc::new(terms))),
        };
        if let Some(identity) = &identity {
            self.keys.used(identity, id, created_at);
        }
        let submission = Submission { id, terms: Arc::clone(&terms), inputs: inputs.clone(), created_at, identity };
        self.changes.push(Change::Submit(Box::new(submission)));
        self.enter(id, Record::new(terms, inputs, created_at), RangeSet::default(), now);
        id
    }

    /// Takes a task in of which some ranges may be done.
    pub(super) fn enter(&mut self, id: TaskId, record: Record, done: RangeSet, now: Time) {
        let specification = &record.terms.specification;
        let segments = record.inputs.segments(|inputs| kinds::weigh(specification, inputs));
        let work = TaskWork {
            class: kinds::class(specification),
            priority: record.terms.priority,
            segments,
            done,
            paused: false,
            deadline: None,
            avoid: None,
        };
        self.by_state.entry(record.state()).or_default().insert(id);
        self.count(record.state(), 1);
        self.tasks.insert(id, record);
        self.feed.task(id);
        self.handle(Event::Submit { task: id, work }, now);
    }

    /// Forgets a task that nobody was told of.
    pub(super) fn refuse(&mut self, submission: &Submission, now: Time) {
        if let Some(identity) = &submission.identity {
            self.keys.release(&identity.key);
        }
        // Without its record, its end is no news.
        self.forget(submission.id);
        self.feed.removed(submission.id);
        self.handle(Event::Cancel { task: submission.id }, now);
    }

    pub(super) fn view(&self, id: TaskId, now: Time) -> Option<TaskView> {
        self.tasks.get(id).map(|record| record.view(id, self.core.task(id, now)))
    }

    /// Why there is nothing of a task that is neither here nor on disk.
    pub(super) fn missing(&self, id: TaskId) -> HiveError {
        match id.0 >= 1 && id.0 < self.next_task {
            true => HiveError::TaskGone(id),
            false => HiveError::NoTask(id),
        }
    }

    /// Tasks in memory, newest first.
    pub(super) fn list(&self, filter: TaskFilter, now: Time) -> Vec<TaskView> {
        let before = filter.before.unwrap_or(TaskId(u64::MAX));
        match filter.state {
            None => {
                let tasks = self.tasks.newest_before(before).take(filter.limit);
                tasks.map(|(id, record)| record.view(id, self.core.task(id, now))).collect()
            }
            Some(state) => {
                let ids = self.by_state.get(&state).into_iter().flat_map(|ids| ids.range(..before).rev());
                ids.filter_map(|id| self.view(*id, now)).take(filter.limit).collect()
            }
        }
    }

    /// Removes a task that has ended in memory.
    pub(super) fn remove(&mut self, id: TaskId) -> Option<Record> {
        let record = self.forget(id)?;
        self.feed.removed(id);
        self.changes.push(Change::Remove(id));
        Some(record)
    }

    /// Removes a task that has ended on disk; [`removed`](Self::removed) follows if it was there.
    pub(super) fn remove_stored(&mut self, id: TaskId) {
        self.changes.push(Change::Remove(id));
    }

    /// A task is no longer on disk.
    pub(super) fn removed(&mut self, removed: &Removed) {
        if let Some(state) = removed.state {
            self.count(state, -1);
        }
        self.feed.removed(removed.task);
    }

    /// Is told when the task has ended; `None` if there is nothing to wait for. `is_hasty`:
    /// that need not be on disk.
    pub(super) fn wait(&mut self, id: TaskId, is_hasty: bool) -> Option<oneshot::Receiver<()>> {
        let record = self.tasks.get(id)?;
        if record.state().has_ended() || is_hasty && record.is_over() {
            return None;
        }
        let (told, waiting) = oneshot::channel();
        let waiters = self.waiters.entry(id).or_default();
        waiters.retain(|waiter| !waiter.told.is_closed());
        waiters.push(Waiter { is_hasty, told });
        Some(waiting)
    }

    /// What an open lease of this Drone is about.
    pub(super) fn job_of(&self, drone: DroneId, lease: LeaseId) -> Option<Job> {
        let task = self.core.lease(drone, lease)?;
        self.tasks.get(task).map(|record| record.job(task))
    }

    /// Keeps the wanted part of results that were checked, and credits it. A frame may bring
    /// several parts of one lease, so what is wanted of one is known only behind the one before.
    pub(super) fn output(
        &mut self,
        drone: DroneId,
        lease: LeaseId,
        range: Range<u64>,
        spent: Duration,
        mut results: Bytes,
        now: Time,
    ) {
        let Some((task, wanted)) = self.core.wanted(drone, lease, &range) else { return };
        let Some(record) = self.tasks.get_mut(task) else { return };
        let width = results.len() / (range.end - range.start) as usize;
        results.truncate((wanted.end - wanted.start) as usize * width);
        let (first, trust) = (wanted.start, Trust::Sampled);
        record.outputs_mut().insert(Computed { first, bytes: results.clone(), drone: None, trust }, width);
        let large = in_file(&record.inputs).cloned();
        self.changes.push(Change::Results {
            task,
            first: wanted.start,
            bytes: results,
            large,
            drone: None,
            checked: false,
            replaces: false,
        });
        if let Some(seat) = self.seats.get_mut(&drone) {
            seat.items_done += wanted.end - wanted.start;
        }
        self.handle(Event::Output { drone, lease, range: wanted, spent }, now);
    }

    /// A change is on disk, or as good as that where nothing is.
    pub(super) fn committed(&mut self, change: &Change) {
        match change {
            Change::Submit(submission) => {
                // What is on disk is looked up there.
                if let Some(identity) = submission.identity.as_ref().filter(|_| self.is_durable) {
                    self.keys.release(&identity.key);
                }
            }
            Change::Results { task, first, bytes, large: Some(_), .. } => {
                if let Some(record) = self.tasks.get_mut(*task) {
                    record.outputs_mut().remove(*first, bytes, DIGEST);
                }
            }
            Change::End(id, ending) => self.settle(*id, ending.finished_at),
            _ => {}
        }
    }

    fn started(&mut self, id: TaskId) {
        self.change_state(id, Record::start);
    }

    fn end(&mut self, id: TaskId, outcome: Outcome, done: &RangeSet, by: Option<DroneId>) {
        let Some(record) = self.tasks.get_mut(id) else { return };
        let ending = record.end_with(outcome, done);
        let since = ending.started_at.unwrap_or(record.created_at);
        let end = EndOfTask {
            state: ending.state,
            error: ending.error.clone(),
            digest: record.only_digest(),
            done: ending.done,
            seconds: (ending.finished_at.0 - since.0) as f64 / 1000.0,
            drone: by.and_then(|drone| self.seats.get(&drone)).map(|seat| seat.newcomer.name.clone()),
        };
        self.stories.push(Story::Ended { task: label(id, record.terms.name.as_deref()), record: end });
        self.changes.push(Change::End(id, Box::new(ending)));
        if let Some(waiters) = self.waiters.get_mut(&id) {
            for waiter in waiters.extract_if(.., |waiter| waiter.is_hasty) {
                // Who waited may have gone.
                let _ = waiter.told.send(());
            }
        }
    }

    /// The task's end is on disk: nobody needs it in memory any more, except where there is no disk.
    fn settle(&mut self, id: TaskId, finished_at: Timestamp) {
        self.change_state(id, Record::settle);
        for waiter in self.waiters.remove(&id).into_iter().flatten() {
            let _ = waiter.told.send(());
        }
        if !self.is_durable {
            self.ended.insert((finished_at, id));
            return;
        }
        let Some(record) = self.tasks.get(id) else { return };
        let state = record.state();
        self.feed.ended(id, || record.view(id, None));
        self.forget(id);
        // It is still there, on disk.
        self.count(state, 1);
    }

    /// Takes a task out of memory.
    fn forget(&mut self, id: TaskId) -> Option<Record> {
        let record = self.tasks.remove(id)?;
        self.by_state.entry(record.state()).or_default().remove(&id);
        self.count(record.state(), -1);
        self.budget.free(record.weight());
        self.waiters.remove(&id);
        if let Some(finished_at) = record.finished_at() {
            self.ended.remove(&(finished_at, id));
        }
        if let Some(large) = in_file(&record.inputs)
            && let Place::File(file) = large.place
        {
            // Shared with whoever reads them still; freeing the whole cache takes some milliseconds.
            drop(self.cache.forget(file, large.segments.len()));
        }
        Some(record)
    }

    fn change_state(&mut self, id: TaskId, change: impl FnOnce(&mut Record)) {
        let Some(record) = self.tasks.get_mut(id) else { return };
        let before = record.state();
        change(record);
        let after = record.state();
        self.by_state.entry(before).or_default().remove(&id);
        self.by_state.entry(after).or_default().insert(id);
        self.count(before, -1);
        self.count(after, 1);
        self.feed.task(id);
    }

    fn count(&mut self, state: TaskState, change: i64) {
        let count = match state {
            TaskState::Pending => &mut self.counts.pending,
            TaskState::Running => &mut self.counts.running,
            TaskState::Paused => &mut self.counts.paused,
            TaskState::Done => &mut self.counts.done,
            TaskState::Failed => &mut self.counts.failed,
            TaskState::Cancelled => &mut self.counts.cancelled,
        };
        *count = count.saturating_add_signed(change);
    }
}

/// Inputs that lie in a file.
pub(super) fn in_file(inputs: &Inputs) -> Option<&Arc<Large>> {
    match inputs {
        Inputs::Large(large) if matches!(large.place, Place::File(_)) => Some(large),
        _ => None,
    }
}

/// The Drone that an event comes from.
fn event_source(event: &Event) -> Option<DroneId> {
    match event {
        Event::Output { drone, .. } | Event::Failed { drone, .. } => Some(*drone),
        _ => None,
    }
}
