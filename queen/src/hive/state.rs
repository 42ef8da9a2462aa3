//! What the lock holds: tasks here, Drones in `fleet`; and how the core's effects are carried out.
//!
//! In memory are the tasks that have not ended, and those whose end is not on disk yet. The
//! others are on disk alone, or, where nothing is kept on disk, in memory too.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Weak};

use tokio::sync::oneshot;
use web::access::TokenId;
use web::budget::Budget;
use web::hive::{HiveError, TaskFilter};
use web::model::{Change as News, Overview, TaskCounts, TaskState, TaskView};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use super::access::Revoking;
use super::cache::Cache;
use super::claims::Claims;
use super::control::RETRY;
use super::explain;
use super::feed::Feed;
use super::fleet::Presence;
use super::index::Index;
use super::keys::Keys;
use super::label;
use super::pace::Paces;
use super::record::{Ended, Record};
use super::recovery;
use super::registry::Registry;
use super::secrets::Secrets;
use super::story::{EndOfTask, Story};
use super::trail::Trail;
use super::verify::Audits;
use crate::clock::{HiveClock, HiveTime};
use crate::core::{Core, Effect, Event, Ledger, Outcome, RangeSet, TaskWork, Time, Timeouts, Waiting};
use crate::kinds::digest::DIGEST;
use crate::kinds::{self, Job, LongSecret, Terms, member_id};
use crate::store::{Change, Ending, Inputs, Pieces, Submission, Tally};

pub(super) struct State {
    clock: HiveClock,
    pub(super) core: Core,
    pub(super) tasks: Ledger<Record>,
    index: Index,
    /// Those that are batches.
    pub(super) batches: BTreeSet<TaskId>,
    pub(super) counts: TaskCounts,
    pub(super) next_task: u64,
    /// Every task of this Queen is named by this and its id.
    pub(super) base: Instance,
    /// Those of the newest task, which the next one is likely to share.
    terms: Weak<Terms>,
    pub(super) secrets: Secrets,
    pub(super) registry: Registry,
    pub(super) presences: BTreeMap<DroneId, Presence>,
    /// Those that have gone, the last one last.
    pub(super) departed: VecDeque<DroneId>,
    pub(super) next_link: u64,
    /// Goodbye was said to all.
    pub(super) is_dismissed: bool,
    pub(super) audits: Audits,
    pub(super) claims: Claims,
    /// Tasks that had ended and are computed again in part.
    pub(super) reworks: usize,
    /// The Queen before left some that were to be.
    pub(super) has_suspects: bool,
    waiters: BTreeMap<TaskId, Vec<Waiter>>,
    /// Tasks that are in memory because nothing is kept on disk, by when they ended.
    pub(super) ended: BTreeSet<(HiveTime, TaskId)>,
    /// Tasks that go from the disk, or leave a batch there, where that is not committed yet.
    pub(super) leaving: BTreeSet<TaskId>,
    pub(super) keys: Keys,
    pub(super) cache: Cache,
    pub(super) budget: Arc<Budget>,
    /// Whether tasks leave memory when their end is on disk.
    pub(super) is_durable: bool,
    /// Tasks taken over so far and to be taken over, while that is under way.
    pub(super) recovering: Option<(u64, u64)>,
    /// Why the disk does not take writes.
    pub(super) fault: Option<String>,
    /// Bytes on disk.
    pub(super) used: u64,
    /// What tasks in memory take there when all their results are there.
    pub(super) unfinished: u64,
    /// Idempotency keys on disk, or on their way there.
    pub(super) stored_keys: u64,
    /// Finished tasks that went before their time.
    pub(super) removed_early: u64,
    /// What has to be written of the event that is being handled.
    pub(super) changes: Vec<Change>,
    /// What is to be written as well, but need not be waited for.
    pub(super) deferred: Vec<Change>,
    /// The same of leases: only the last word on each.
    leases: BTreeMap<LeaseId, Change>,
    /// When the core is told that time has passed.
    timer: Option<Time>,
    pub(super) feed: Feed,
    /// Drones whose figures have changed, and the one of which watchers were told last.
    pub(super) restless: BTreeSet<DroneId>,
    pub(super) told: DroneId,
    /// Something was computed lately when watchers were told last.
    was_moving: bool,
    pub(super) stories: Vec<Story>,
    /// What users did, on its way to the disk.
    pub(super) trail: Trail,
    pub(super) revoking: Revoking,
    pub(super) paces: Paces,
    effects: Vec<Effect>,
}

/// About what an idempotency key takes on disk, with its place in indexes, in bytes.
pub(super) const STORED_KEY: u64 = 200;

/// Who waits for a task's end.
enum Waiter {
    /// Until it is on disk.
    Patient(oneshot::Sender<()>),
    /// Until all is computed.
    Hasty(oneshot::Sender<Computed>),
}

/// What has come of a task, for who need not look it up then.
pub(super) struct Computed {
    pub(super) task: TaskView,
    pub(super) job: Job,
    /// Where the results end that can be read without a gap.
    pub(super) prefix: u64,
    /// They themselves, if they are few.
    pub(super) kept: Option<Pieces>,
}

/// A new task, apart from its id.
pub(super) struct New {
    pub(super) terms: Terms,
    pub(super) inputs: Inputs,
    pub(super) identity: Option<web::hive::Identity>,
    /// The key or salt that is kept apart.
    pub(super) secret: Option<LongSecret>,
}

impl State {
    pub(super) fn new(
        feed: Feed,
        base: Instance,
        budget: Arc<Budget>,
        cache: Cache,
        is_durable: bool,
        timeouts: Timeouts,
        clock: HiveClock,
    ) -> Self {
        Self {
            clock,
            core: Core::new(timeouts),
            tasks: Ledger::default(),
            index: Index::default(),
            batches: BTreeSet::new(),
            counts: TaskCounts::default(),
            next_task: 1,
            base,
            terms: Weak::new(),
            secrets: Secrets::default(),
            registry: Registry::default(),
            presences: BTreeMap::new(),
            departed: VecDeque::new(),
            next_link: 1,
            is_dismissed: false,
            audits: Audits::default(),
            claims: Claims::new(Arc::clone(&budget), super::seconds()),
            reworks: 0,
            has_suspects: false,
            waiters: BTreeMap::new(),
            ended: BTreeSet::new(),
            leaving: BTreeSet::new(),
            keys: Keys::new(Arc::clone(&budget)),
            cache,
            budget,
            is_durable,
            recovering: None,
            fault: None,
            used: 0,
            unfinished: 0,
            stored_keys: 0,
            removed_early: 0,
            changes: Vec::new(),
            deferred: Vec::new(),
            leases: BTreeMap::new(),
            timer: None,
            feed,
            restless: BTreeSet::new(),
            told: DroneId(0),
            was_moving: false,
            stories: Vec::new(),
            trail: Trail::default(),
            revoking: Revoking::default(),
            paces: Paces::default(),
            effects: Vec::new(),
        }
    }

    /// Tells the core, and does what it says.
    pub(super) fn handle(&mut self, event: Event, now: Time) {
        self.handle_results(event, now, |_, _| {});
    }

    /// The same for results that came: `take` is given what the core credits of them ([`Effect::Credit`],
    /// [`Effect::Claim`]), before what follows from that is done.
    pub(super) fn handle_results(&mut self, event: Event, now: Time, mut take: impl FnMut(&mut Self, Effect)) {
        let from = event_source(&event);
        let mut effects = std::mem::take(&mut self.effects);
        self.core.handle(event, now, &mut effects);
        for effect in effects.drain(..) {
            match effect {
                Effect::Lease(grant) => self.lease(grant),
                Effect::Withdraw { drone, lease, end } => {
                    self.send(drone, super::Outbound::Shrink { lease, end });
                }
                Effect::Adopted { drone, leases } => self.adopted(drone, leases),
                // An audit ends with its Queen, so that nobody takes over its lease.
                Effect::Hold { task, .. } if self.audited(task).is_some() => {}
                Effect::Hold { lease, drone, task, range } => {
                    self.leases.insert(lease, Change::Lease { lease, task, drone, range });
                }
                Effect::Unhold(lease) => drop(self.leases.insert(lease, Change::Unlease(lease))),
                Effect::Started(task) => self.started(task),
                Effect::Credit { .. } | Effect::Claim { .. } => take(self, effect),
                Effect::Advanced(task) => self.feed.task(task),
                Effect::FailedItem { task, index, blame } => {
                    let error = explain::blame(blame, |drone| self.name_of(drone));
                    self.member_failed(task, index, error);
                }
                Effect::Ended { task, outcome, done } => self.end(task, outcome, &done, from, now),
                Effect::Quarantined { drone, why } => self.distrusted(drone, &why),
                Effect::Disconnect { drone, reason } => self.disconnect(drone, reason),
                Effect::Forgotten(drone) => self.forgotten(drone),
            }
        }
        self.effects = effects;
    }

    /// When the core is to be told next that time has passed.
    pub(super) fn set_timer(&mut self) -> Option<Time> {
        self.timer = self.core.next_deadline();
        self.timer
    }

    /// Whether that has come nearer.
    pub(super) fn hurries(&mut self) -> bool {
        let next = self.core.next_deadline();
        let hurries = next.is_some_and(|next| self.timer.is_none_or(|timer| next < timer));
        if hurries {
            self.timer = next;
        }
        hurries
    }

    pub(super) fn has_stories(&self) -> bool {
        !self.stories.is_empty()
    }

    pub(super) fn take_stories(&mut self) -> Vec<Story> {
        std::mem::take(&mut self.stories)
    }

    pub(super) fn has_news(&self) -> bool {
        self.feed.has_news() || !self.restless.is_empty()
    }

    /// A new Queen is at work, and takes new tasks from here on: none comes before her epoch.
    pub(super) fn begin(&mut self, epoch: Epoch) {
        self.recovering = None;
        self.changes.push(Change::Epoch(epoch));
    }

    /// What has to be written of what was done since this was asked last; `all`: what need not
    /// be waited for as well.
    pub(super) fn take_changes(&mut self, all: bool) -> Vec<Change> {
        if !self.is_durable {
            self.deferred.clear();
            self.leases.clear();
            self.trail.take();
        }
        let mut changes = std::mem::take(&mut self.changes);
        // What is taken over is on disk already, and nothing comes before the epoch.
        if all && self.recovering.is_none() {
            changes.splice(0..0, self.deferred.drain(..));
            changes.extend(std::mem::take(&mut self.leases).into_values());
            changes.extend(self.trail.take().into_iter().map(|entry| Change::Log(Box::new(entry))));
        }
        changes
    }

    /// Publishes what changed; returns whether there will be more without a further event.
    pub(super) fn tell(&mut self, overview: Overview, now: Time) -> bool {
        let news = self.feed.take(now);
        if news.overflow {
            self.feed.publish(News::Reset {});
        }
        for (id, owner) in news.removed {
            self.feed.publish(News::TaskRemoved { id, owner });
        }
        for (id, ended) in news.tasks {
            if let Some(view) = ended.or_else(|| self.view(id, now)) {
                self.feed.publish(News::Task(view));
            }
        }
        self.restless.retain(|id| !news.drones.contains(id));
        let restless = self.take_restless();
        for id in news.drones.into_iter().chain(restless) {
            if let Some(view) = self.drone(id, now) {
                self.feed.publish(News::Drone(view));
            }
        }
        let moving = overview.rate > 0.0;
        if self.feed.overview_is_due(now) {
            if moving || self.was_moving {
                // Rates fall without any event, the last time to zero.
                let drones: Vec<_> = self.connected().collect();
                self.restless.extend(drones);
            }
            self.feed.publish(News::Overview(overview));
            self.was_moving = moving;
            return moving || self.has_news();
        }
        true
    }

    /// What the Hive's clock shows.
    pub(super) fn on(&self, now: Time) -> HiveTime {
        self.clock.on(now)
    }

    // Tasks.

    /// Creates a task, for whose memory the budget has been asked already.
    pub(super) fn submit(&mut self, new: New, now: Time) -> TaskId {
        let id = TaskId(self.next_task);
        let New { terms, inputs, identity, secret } = new;
        let created = self.clock.when(now);
        self.next_task += 1 + terms.members(inputs.total());
        let terms = self.share(terms);
        let secret = secret.map(|secret| self.secrets.comes(secret));
        if let Some(identity) = &identity {
            self.keys.used(identity, id, created.on);
            self.stored_keys += u64::from(self.is_durable);
        }
        let submission =
            Submission { id, terms: Arc::clone(&terms), inputs: inputs.clone(), created, identity, secret };
        self.changes.push(Change::Submit(Box::new(submission)));
        self.enter(id, Record::new(terms, inputs, created), RangeSet::default(), now);
        id
    }

    /// Terms, which may be those of the newest task.
    fn share(&mut self, terms: Terms) -> Arc<Terms> {
        if let Some(last) = self.terms.upgrade().filter(|last| **last == terms) {
            return last;
        }
        let terms = Arc::new(terms);
        self.terms = Arc::downgrade(&terms);
        terms
    }

    /// The same of a task that is there in any case, whose terms count from here on.
    pub(super) fn share_counted(&mut self, terms: &Arc<Terms>) -> Arc<Terms> {
        if let Some(last) = self.terms.upgrade().filter(|last| *last == *terms) {
            return last;
        }
        let room = self.budget.hold(terms.bytes()).into();
        self.share(Terms { room, ..Terms::clone(terms) })
    }

    /// Takes a task in of which some ranges may be done.
    pub(super) fn enter(&mut self, id: TaskId, record: Record, done: RangeSet, now: Time) {
        let specification = &record.terms.specification;
        let segments = record.inputs.segments(|inputs| kinds::weigh(specification, inputs));
        let work = TaskWork {
            class: kinds::class(specification, &segments),
            priority: record.terms.priority,
            segments,
            done,
            paused: record.is_paused(),
            deadline: record.deadline_in_core(self.on(now), now),
            avoid: None,
            batch: record.terms.batch,
            twice: record.terms.is_twice(),
        };
        self.index.insert(id, record.terms.owner_id(), record.state());
        if record.terms.batch {
            self.batches.insert(id);
        }
        self.recount(Tally::default(), record.tally());
        self.unfinished += record.on_disk();
        self.secrets.take(record.terms.secret);
        self.tasks.insert(id, record);
        self.feed.task(id);
        self.handle(Event::Submit { task: id, work }, now);
    }

    /// What cannot go from the disk, in bytes, apart from uploads under way.
    pub(super) fn bound(&self) -> u64 {
        self.unfinished + self.secrets.bytes() + self.stored_keys * STORED_KEY
    }

    /// Forgets a task that nobody was told of.
    pub(super) fn refuse(&mut self, submission: &Submission, now: Time) {
        if let Some(identity) = &submission.identity {
            self.keys.release(&identity.key);
            self.stored_keys -= u64::from(self.is_durable);
        }
        self.brought(submission);
        // Without its record, its end is no news.
        self.forget(submission.id);
        self.feed.removed(submission.id, submission.terms.owner_id());
        self.handle(Event::Cancel { task: submission.id }, now);
    }

    /// A submission is on disk, or will never be: its long key or salt need not be in memory.
    fn brought(&mut self, submission: &Submission) {
        if let Some(secret) = &submission.secret {
            self.secrets.has_come(secret.hash);
        }
    }

    pub(super) fn view(&self, id: TaskId, now: Time) -> Option<TaskView> {
        match self.tasks.get(id) {
            Some(record) => Some(self.view_of(id, record, now)),
            None => self.member_view(id, false, now),
        }
    }

    /// A new task, as its creator sees it.
    pub(super) fn seen(&mut self, id: TaskId, now: Time) -> Result<TaskView, HiveError> {
        self.view(id, now).ok_or(HiveError::NoTask(id))
    }

    fn view_of(&self, id: TaskId, record: &Record, now: Time) -> TaskView {
        let mut view = record.view(id, self.core.task(id, now));
        if !view.state.has_ended() {
            let unwritten = self.fault.as_deref().filter(|_| record.is_over());
            view.waiting_because = match unwritten {
                Some(fault) => Some(format!("its end cannot be written: {fault}")),
                None => self.core.waiting(id).map(|why| self.waiting(why, record.terms.owner_id())),
            };
        }
        view
    }

    /// Why nothing of a task of this owner is computed, in words, which do not say what tasks of other
    /// owners are called.
    pub(super) fn waiting(&self, why: Waiting, owner: Option<TokenId>) -> String {
        let owner_of = |id| self.tasks.get(id).and_then(|record| record.terms.owner_id());
        explain::waiting(why, |task| (owner.is_none() || owner_of(task) == owner).then(|| self.label(task)))
    }

    /// A task, for people.
    pub(super) fn label(&self, id: TaskId) -> String {
        label(id, self.tasks.get(id).and_then(|record| record.terms.name.as_deref()))
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
        self.index.newest(&filter).into_iter().filter_map(|id| self.view(id, now)).collect()
    }

    /// Tasks in memory that are in this state, the oldest first.
    pub(super) fn oldest(&self, state: TaskState) -> impl Iterator<Item = TaskId> {
        self.index.oldest(state)
    }

    /// Whether everything is taken over.
    pub(super) fn is_serving(&self) -> Result<(), HiveError> {
        self.recovering.map_or(Ok(()), |(taken, all)| Err(recovery::recovering(taken, all)))
    }

    /// Whether an owner may have one more task that has not ended.
    pub(super) fn admit_owner(&self, owner: Option<TokenId>, most: usize) -> Result<(), HiveError> {
        match owner.map_or(0, |owner| self.index.unfinished_of(owner)) {
            unfinished if unfinished < most || owner.is_none() => Ok(()),
            unfinished => {
                let reason = format!(
                    "this token has {unfinished} tasks that have not ended, and may have {most}: wait until some have, \
                     submit several inputs in one request, or start the Queen with a larger --max-queued-tasks"
                );
                Err(HiveError::TooMany { reason, retry_after: RETRY })
            }
        }
    }

    /// Whether a change can be written at present.
    pub(super) fn admit(&self) -> Result<(), HiveError> {
        match &self.fault {
            Some(fault) => Err(HiveError::Unavailable { reason: fault.clone(), retry_after: RETRY }),
            None => Ok(()),
        }
    }

    /// Is told when the task has ended and that is on disk; `None` if there is nothing to wait for.
    pub(super) fn wait(&mut self, id: TaskId, now: Time) -> Option<oneshot::Receiver<()>> {
        let has_ended = match self.tasks.get(id) {
            Some(record) => record.state().has_ended(),
            None => self.member_view(id, false, now)?.state.has_ended(),
        };
        if has_ended {
            return None;
        }
        let (told, waiting) = oneshot::channel();
        self.add_waiter(id, Waiter::Patient(told));
        Some(waiting)
    }

    /// The same, when it is computed or has ended otherwise.
    pub(super) fn wait_hastily(&mut self, id: TaskId) -> Option<oneshot::Receiver<Computed>> {
        self.tasks.get(id).filter(|record| !record.is_over())?;
        let (told, waiting) = oneshot::channel();
        self.add_waiter(id, Waiter::Hasty(told));
        Some(waiting)
    }

    fn add_waiter(&mut self, id: TaskId, waiter: Waiter) {
        let waiters = self.waiters.entry(id).or_default();
        waiters.retain(|waiter| match waiter {
            Waiter::Patient(told) => !told.is_closed(),
            Waiter::Hasty(told) => !told.is_closed(),
        });
        waiters.push(waiter);
    }

    /// A change is on disk, or as good as that where nothing is.
    pub(super) fn committed(&mut self, change: &Change) {
        match change {
            Change::Submit(submission) => {
                // What is on disk is looked up there.
                if let Some(identity) = submission.identity.as_ref().filter(|_| self.is_durable) {
                    self.keys.release(&identity.key);
                }
                self.brought(submission);
                if submission.terms.batch {
                    self.batch_is_there(submission.id);
                }
            }
            Change::Results { task, first, bytes, large, .. } => {
                if let Some(record) = self.tasks.get_mut(*task).filter(|_| large.is_some()) {
                    record.outputs_mut().remove(*first, bytes, DIGEST);
                }
                self.members_stored(*task, *first..first + (bytes.len() / DIGEST) as u64);
            }
            Change::End(id, ending) => self.settle(*id, ending),
            Change::Remove(id) => drop(self.leaving.remove(id)),
            Change::Detach { batch, index, .. } => drop(self.leaving.remove(&member_id(*batch, *index))),
            Change::Cleared { task, .. } => {
                self.leave_memory(*task);
                self.keep_as_ended(*task);
            }
            _ => {}
        }
    }

    fn started(&mut self, id: TaskId) {
        self.change_state(id, Record::start);
    }

    fn end(&mut self, id: TaskId, outcome: Outcome, done: &RangeSet, by: Option<DroneId>, now: Time) {
        let outcome = match outcome {
            Outcome::Failed(blame) => Ended::Failed(explain::blame(blame, |drone| self.name_of(drone))),
            Outcome::Done => Ended::Done,
            Outcome::Cancelled => Ended::Cancelled,
        };
        self.end_audit(id);
        self.claims.forget(id);
        let Some(record) = self.tasks.get_mut(id) else { return };
        if record.is_rework() {
            match outcome {
                Ended::Done => self.cleared(id),
                // It stays suspect, and is tried again when the Queen starts anew.
                _ => {
                    record.clear();
                    self.reworks -= 1;
                    self.leave_memory(id);
                    self.keep_as_ended(id);
                }
            }
            return;
        }
        let drone = by.map(|drone| self.name_of(drone));
        let finished = self.clock.when(now);
        let Some(record) = self.tasks.get_mut(id) else { return };
        let ending = record.end_with(outcome, done, finished);
        let since = ending.started_at.unwrap_or(record.created.at);
        let end = EndOfTask {
            state: ending.state,
            error: ending.error.clone(),
            digest: record.only_digest(),
            done: ending.done,
            seconds: (ending.finished.at.0 - since.0) as f64 / 1000.0,
            drone,
        };
        self.stories.push(Story::Ended { task: label(id, record.terms.name.as_deref()), record: end });
        self.changes.push(Change::End(id, Box::new(ending)));
        if let Some(waiters) = self.waiters.get_mut(&id) {
            for waiter in waiters.extract_if(.., |waiter| matches!(waiter, Waiter::Hasty(_))) {
                if let Waiter::Hasty(told) = waiter {
                    // Who waited may have gone.
                    let _ = told.send(record.computed(id));
                }
            }
            if waiters.is_empty() {
                self.waiters.remove(&id);
            }
        }
    }

    /// The task's end is on disk: nobody needs it in memory any more, except where there is no disk.
    fn settle(&mut self, id: TaskId, ending: &Ending) {
        self.change_state(id, |record| record.settle(ending));
        let members = self.tasks.get(id).map_or(0, |record| record.terms.members(record.inputs.total()));
        self.wake(id..TaskId(id.0 + members + 1));
        if !self.is_durable {
            self.ended.insert((ending.finished.on, id));
            return;
        }
        self.leave_memory(id);
    }

    /// Something has come of these tasks.
    pub(super) fn wake(&mut self, tasks: Range<TaskId>) {
        let waiting: Vec<_> = self.waiters.range(tasks).map(|(id, _)| *id).collect();
        for waiter in waiting.into_iter().filter_map(|id| self.waiters.remove(&id)).flatten() {
            // Who waited may have gone. Others find that there will be no answer.
            if let Waiter::Patient(told) = waiter {
                let _ = told.send(());
            }
        }
    }

    /// A task that has ended is on disk as it is here.
    fn leave_memory(&mut self, id: TaskId) {
        let Some(record) = self.tasks.get(id).filter(|_| self.is_durable) else { return };
        let tally = record.tally();
        self.feed.ended(id, || record.view(id, None));
        self.forget(id);
        // It is still there, on disk.
        self.recount(Tally::default(), tally);
    }

    /// A task that was computed again is kept as long as any other, where nothing is on disk.
    fn keep_as_ended(&mut self, id: TaskId) {
        if let Some(finished_on) = self.tasks.get(id).and_then(Record::finished_on) {
            self.ended.insert((finished_on, id));
        }
    }

    /// Takes a task out, perhaps to enter it anew; nobody is told.
    pub(super) fn take_out(&mut self, id: TaskId) -> Option<Record> {
        let record = self.tasks.remove(id)?;
        self.index.remove(id, record.terms.owner_id(), record.state());
        self.batches.remove(&id);
        self.unfinished -= record.on_disk();
        self.secrets.release(record.terms.secret);
        self.recount(record.tally(), Tally::default());
        if let Some(finished_on) = record.finished_on() {
            self.ended.remove(&(finished_on, id));
        }
        Some(record)
    }

    /// Takes a task out of memory.
    pub(super) fn forget(&mut self, id: TaskId) -> Option<Record> {
        let record = self.take_out(id)?;
        self.budget.free(record.weight());
        // Who waits finds that it is gone.
        self.wake(id..TaskId(id.0 + record.terms.members(record.inputs.total()) + 1));
        if let Some((large, file)) = record.inputs.in_file() {
            // Shared with whoever reads them still; freeing the whole cache takes some milliseconds.
            drop(self.cache.forget(file, large.segments.len()));
        }
        Some(record)
    }

    pub(super) fn change_state(&mut self, id: TaskId, change: impl FnOnce(&mut Record)) {
        let Some(record) = self.tasks.get_mut(id) else { return };
        let before = record.tally();
        change(record);
        let after = record.tally();
        let owner = record.terms.owner_id();
        self.index.remove(id, owner, before.state);
        self.index.insert(id, owner, after.state);
        self.recount(before, after);
        self.feed.task(id);
    }
}

/// The Drone that an event comes from.
fn event_source(event: &Event) -> Option<DroneId> {
    match event {
        Event::Output { drone, .. } | Event::Failed { drone, .. } => Some(*drone),
        _ => None,
    }
}
