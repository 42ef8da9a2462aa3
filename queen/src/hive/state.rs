//! What the lock holds, and how the core's effects are carried out.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use web::hive::{HiveError, TaskFilter};
use web::model::{Change, DroneState, DroneView, Overview, TaskCounts, TaskState, TaskView, Timestamp};
use wire::ids::{DroneId, LeaseId, TaskId};

use super::feed::Feed;
use super::record::Record;
use super::story::{EndOfTask, Story};
use super::{MAX_DRONES, Newcomer, Outbound, Parting, label};
use crate::core::{Core, Effect, Event, Grant, Outcome, RangeSet, TaskWork, Time};
use crate::kinds::Job;

/// Drones that are still shown after they went.
const DEPARTED: usize = 50;

pub(super) struct State {
    pub(super) core: Core,
    pub(super) tasks: BTreeMap<TaskId, Record>,
    by_state: BTreeSet<(TaskState, TaskId)>,
    pub(super) counts: TaskCounts,
    next_task: u64,
    seats: BTreeMap<DroneId, Seat>,
    departed: VecDeque<DroneView>,
    next_drone: u64,
    waiters: HashMap<TaskId, Vec<oneshot::Sender<()>>>,
    pub(super) feed: Feed,
    /// Something was computed lately when watchers were told last.
    was_moving: bool,
    stories: Vec<Story>,
    effects: Vec<Effect>,
}

/// A connected Drone.
pub(super) struct Seat {
    newcomer: Newcomer,
    outbox: mpsc::Sender<Outbound>,
    closed: CancellationToken,
    connected_at: Timestamp,
    last_seen_at: Timestamp,
    items_done: u64,
}

impl Seat {
    pub(super) fn new(newcomer: Newcomer, outbox: mpsc::Sender<Outbound>, closed: CancellationToken) -> Self {
        let now = Timestamp::now();
        Self { newcomer, outbox, closed, connected_at: now, last_seen_at: now, items_done: 0 }
    }
}

impl State {
    pub(super) fn new(feed: Feed) -> Self {
        Self {
            core: Core::default(),
            tasks: BTreeMap::new(),
            by_state: BTreeSet::new(),
            counts: TaskCounts::default(),
            next_task: 1,
            seats: BTreeMap::new(),
            departed: VecDeque::new(),
            next_drone: 1,
            waiters: HashMap::new(),
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
                Effect::Withdraw { drone, lease, end } => self.send(drone, Outbound::Shrink { lease, end }),
                Effect::Started(task) => self.started(task),
                Effect::Progress(task) => self.feed.task(task),
                Effect::Ended { task, outcome, done } => self.ended(task, outcome, &done, from),
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

    /// Publishes what changed; returns whether there will be more without a further event.
    pub(super) fn tell(&mut self, overview: Overview, now: Time) -> bool {
        let news = self.feed.take();
        if news.overflow {
            self.feed.publish(Change::Reset {});
        }
        for id in news.removed {
            self.feed.publish(Change::TaskRemoved { id });
        }
        for id in news.tasks {
            if let Some(view) = self.view(id, now) {
                self.feed.publish(Change::Task(view));
            }
        }
        for id in news.drones {
            if let Some(view) = self.drone(id, now) {
                self.feed.publish(Change::Drone(view));
            }
        }
        let moving = overview.rate > 0.0;
        if self.feed.overview_is_due(now) {
            if moving || self.was_moving {
                // Rates fall without any event, the last time to zero.
                self.seats.keys().for_each(|drone| self.feed.drone(*drone));
            }
            self.feed.publish(Change::Overview(overview));
            self.was_moving = moving;
            return moving || self.feed.has_news();
        }
        true
    }

    // Tasks.

    pub(super) fn submit(&mut self, record: Record, now: Time) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        let (job, priority) = (Arc::clone(&record.job), record.priority);
        let work = TaskWork { class: job.class(), priority, segments: job.segments(), done: RangeSet::default() };
        self.by_state.insert((record.state, id));
        self.count(record.state, 1);
        self.tasks.insert(id, record);
        self.feed.task(id);
        self.handle(Event::Submit { task: id, work }, now);
        id
    }

    pub(super) fn record(&self, id: TaskId) -> Result<&Record, HiveError> {
        self.tasks.get(&id).ok_or(match id.0 >= 1 && id.0 < self.next_task {
            true => HiveError::TaskGone(id),
            false => HiveError::NoTask(id),
        })
    }

    pub(super) fn view(&self, id: TaskId, now: Time) -> Option<TaskView> {
        self.tasks.get(&id).map(|record| record.view(id, self.core.task(id, now)))
    }

    pub(super) fn list(&self, filter: TaskFilter, now: Time) -> Vec<TaskView> {
        let before = filter.before.unwrap_or(TaskId(u64::MAX));
        let view = |id: TaskId| self.view(id, now);
        match filter.state {
            None => self.tasks.range(..before).rev().filter_map(|(id, _)| view(*id)).take(filter.limit).collect(),
            Some(state) => {
                let ids = self.by_state.range((state, TaskId(0))..(state, before)).rev();
                ids.filter_map(|(_, id)| view(*id)).take(filter.limit).collect()
            }
        }
    }

    /// Forgets a task that has ended.
    pub(super) fn remove(&mut self, id: TaskId) -> Result<Record, HiveError> {
        let record = self.record(id)?;
        if !record.state.has_ended() {
            return Err(HiveError::Conflict(format!(
                "task {id} is {}: only a task that has ended can be removed, so cancel it first",
                record.state
            )));
        }
        let record = self.tasks.remove(&id).ok_or(HiveError::TaskGone(id))?;
        self.by_state.remove(&(record.state, id));
        self.count(record.state, -1);
        self.feed.removed(id);
        Ok(record)
    }

    /// Is told when the task has ended; `None` if it has already.
    pub(super) fn wait(&mut self, id: TaskId) -> Result<Option<oneshot::Receiver<()>>, HiveError> {
        if self.record(id)?.state.has_ended() {
            return Ok(None);
        }
        let (sender, receiver) = oneshot::channel();
        let waiters = self.waiters.entry(id).or_default();
        waiters.retain(|waiter| !waiter.is_closed());
        waiters.push(sender);
        Ok(Some(receiver))
    }

    /// What an open lease of this Drone is about.
    pub(super) fn job_of(&self, drone: DroneId, lease: LeaseId) -> Option<Arc<Job>> {
        let task = self.core.lease(drone, lease)?;
        self.tasks.get(&task).map(|record| Arc::clone(&record.job))
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
        let Some(record) = self.tasks.get_mut(&task) else { return };
        let width = results.len() / (range.end - range.start) as usize;
        results.truncate((wanted.end - wanted.start) as usize * width);
        record.outputs.insert(wanted.start, results);
        if let Some(seat) = self.seats.get_mut(&drone) {
            seat.items_done += wanted.end - wanted.start;
        }
        self.handle(Event::Output { drone, lease, range: wanted, spent }, now);
    }

    fn started(&mut self, id: TaskId) {
        self.set_state(id, TaskState::Running);
        if let Some(record) = self.tasks.get_mut(&id) {
            record.started_at = Some(Timestamp::now());
        }
    }

    fn ended(&mut self, id: TaskId, outcome: Outcome, done: &RangeSet, by: Option<DroneId>) {
        let Some(record) = self.tasks.get_mut(&id) else { return };
        let state = record.end(outcome, done);
        let end = EndOfTask {
            state,
            error: record.error.clone(),
            digest: record.only_digest(),
            done: done.len(),
            seconds: (Timestamp::now().0 - record.started_at.unwrap_or(record.created_at).0) as f64 / 1000.0,
            drone: by.and_then(|drone| self.seats.get(&drone)).map(|seat| seat.newcomer.name.clone()),
        };
        self.stories.push(Story::Ended { task: label(id, record.name.as_deref()), record: end });
        self.set_state(id, state);
        for waiter in self.waiters.remove(&id).into_iter().flatten() {
            // Who waited may have gone.
            let _ = waiter.send(());
        }
    }

    fn set_state(&mut self, id: TaskId, state: TaskState) {
        let Some(record) = self.tasks.get_mut(&id) else { return };
        let before = std::mem::replace(&mut record.state, state);
        self.by_state.remove(&(before, id));
        self.by_state.insert((state, id));
        self.count(before, -1);
        self.count(state, 1);
        self.feed.task(id);
    }

    fn count(&mut self, state: TaskState, change: i64) {
        let count = match state {
            TaskState::Pending => &mut self.counts.pending,
            TaskState::Running => &mut self.counts.running,
            TaskState::Done => &mut self.counts.done,
            TaskState::Failed => &mut self.counts.failed,
            TaskState::Cancelled => &mut self.counts.cancelled,
        };
        *count = count.saturating_add_signed(change);
    }

    // Drones.

    pub(super) fn seat(&mut self, seat: Seat) -> Option<DroneId> {
        if self.seats.len() >= MAX_DRONES {
            return None;
        }
        let id = DroneId(self.next_drone);
        self.next_drone += 1;
        let (drone, threads) = (seat.newcomer.name.clone(), seat.newcomer.ability.threads);
        self.seats.insert(id, seat);
        self.stories.push(Story::Joined { drone, threads });
        self.feed.drone(id);
        Some(id)
    }

    /// A Drone said something; `news` if it is worth telling to watchers.
    pub(super) fn heard(&mut self, id: DroneId, news: bool) {
        if let Some(seat) = self.seats.get_mut(&id) {
            seat.last_seen_at = Timestamp::now();
            if news {
                self.feed.drone(id);
            }
        }
    }

    pub(super) fn unseat(&mut self, id: DroneId, parting: Parting, now: Time) {
        let Some(mut view) = self.drone(id, now).filter(|view| view.state.is_connected()) else { return };
        view.state = match parting {
            Parting::Left => DroneState::Left,
            Parting::Lost => DroneState::Lost,
        };
        (view.leases, view.rate, view.compressions_per_second) = (0, 0.0, 0.0);
        self.seats.remove(&id);
        self.stories.push(Story::Parted { drone: view.name.clone(), parting, connected: self.seats.len() });
        if self.departed.len() == DEPARTED {
            self.departed.pop_front();
        }
        self.departed.push_back(view);
        self.feed.drone(id);
    }

    fn disconnect(&mut self, id: DroneId, reason: &'static str, now: Time) {
        self.send(id, Outbound::Goodbye(reason));
        if let Some(seat) = self.seats.get(&id) {
            seat.closed.cancel();
        }
        self.unseat(id, Parting::Lost, now);
    }

    pub(super) fn dismiss(&mut self, reason: &'static str) {
        let drones: Vec<_> = self.seats.keys().copied().collect();
        drones.into_iter().for_each(|drone| self.send(drone, Outbound::Goodbye(reason)));
    }

    fn lease(&mut self, grant: Grant) {
        let Some(record) = self.tasks.get(&grant.task) else { return };
        if grant.range.start == 0 {
            let drone = self.seats.get(&grant.drone).map(|seat| seat.newcomer.name.clone()).unwrap_or_default();
            let task = label(grant.task, record.name.as_deref());
            self.stories.push(Story::Sent { task, drone, job: Arc::clone(&record.job) });
        }
        let job = Arc::clone(&record.job);
        self.feed.drone(grant.drone);
        self.send(grant.drone, Outbound::Lease(grant, job));
    }

    /// A Drone whose queue is full does not read; its connection ends.
    fn send(&self, drone: DroneId, message: Outbound) {
        if let Some(seat) = self.seats.get(&drone)
            && seat.outbox.try_send(message).is_err()
        {
            seat.closed.cancel();
        }
    }

    pub(super) fn drone(&self, id: DroneId, now: Time) -> Option<DroneView> {
        let Some(seat) = self.seats.get(&id) else {
            return self.departed.iter().find(|view| view.id == id).cloned();
        };
        let status = self.core.drone(id, now);
        let leases = status.map_or(0, |status| status.leases);
        let state = match status {
            Some(status) if status.leaving => DroneState::Leaving,
            _ if leases > 0 => DroneState::Busy,
            _ => DroneState::Idle,
        };
        Some(DroneView {
            id,
            name: seat.newcomer.name.clone(),
            address: seat.newcomer.address.clone(),
            software: seat.newcomer.software.clone(),
            state,
            threads: seat.newcomer.ability.threads,
            leases,
            rate: status.map_or(0.0, |status| status.rate),
            compressions_per_second: status.map_or(0.0, |status| status.cost_rate),
            items_done: seat.items_done,
            connected_at: seat.connected_at,
            last_seen_at: seat.last_seen_at,
        })
    }

    pub(super) fn drones(&self, now: Time) -> Vec<DroneView> {
        let connected = self.seats.keys().filter_map(|id| self.drone(*id, now));
        connected.chain(self.departed.iter().rev().cloned()).collect()
    }

    /// Connected Drones and their threads.
    pub(super) fn fleet(&self) -> (u64, u64) {
        let threads = self.seats.values().map(|seat| u64::from(seat.newcomer.ability.threads)).sum();
        (self.seats.len() as u64, threads)
    }
}

/// The Drone that an event comes from.
fn event_source(event: &Event) -> Option<DroneId> {
    match event {
        Event::Output { drone, .. } | Event::Failed { drone, .. } => Some(*drone),
        _ => None,
    }
}
