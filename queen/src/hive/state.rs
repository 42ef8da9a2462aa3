//! What the lock holds: the core, and around it what the core does not know of tasks and Drones.
//!
//! It is deterministic: what time it is and what is random comes from outside. It reads and writes
//! nothing: what has to be written is taken from it ([`State::take_changes`]) and comes back when it is
//! on disk ([`State::committed`]); what takes time is asked for ([`State::take_requests`]).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use web::budget::Budget;
use web::hive::HiveError;
use web::model::{Change as News, Overview};
use wire::ids::{Epoch, Instance, TaskId};

use super::activity::Activities;
use super::audit::Audits;
use super::cache::Cache;
use super::claims::Claims;
use super::feed::Feed;
use super::fleet::Fleet;
use super::keys::Keys;
use super::on_disk::OnDisk;
use super::outgoing::Outgoing;
use super::record::Record;
use super::refusal;
use super::request::Request;
use super::revoking::Revoking;
use super::story::Story;
use super::tasks::Tasks;
use crate::clock::Now;
use crate::core::{Core, Effect, Event, RangeSet, Time, Timeouts};
use crate::history::Timed;
use crate::store::Change;

/// All that HTTP handlers and Drones' connections share and change.
pub(super) struct State {
    /// Which range of which task is whose.
    pub(super) core: Core,
    /// Tasks in memory: what was asked for, what has come of it, who waits for it.
    pub(super) tasks: Tasks,
    /// Who is connected, who was, and what is sent to whom.
    pub(super) fleet: Fleet,
    /// What Drones did lately.
    pub(super) activities: Activities,
    /// Results that somebody computes again, to find out whether they are right.
    pub(super) audits: Audits,
    /// Results that have to be computed twice, and were computed once.
    pub(super) claims: Claims,
    /// Tasks that had ended and are computed again in part.
    pub(super) reworks: usize,
    /// Changes on their way to the journal.
    pub(super) outgoing: Outgoing,
    /// What is known of the disk.
    pub(super) disk: OnDisk,
    /// How many of the tasks that the Queen before left are taken over, and how many there are, while that is
    /// under way.
    pub(super) recovering: Option<(u64, u64)>,
    /// Idempotency keys that requests under way have.
    pub(super) keys: Keys,
    /// Tokens and secrets that were revoked, which is not on disk yet.
    pub(super) revoking: Revoking,
    /// Inputs that were read, or written, lately.
    pub(super) cache: Cache,
    /// The memory that tasks may take.
    pub(super) budget: Arc<Budget>,
    /// What watchers are told.
    pub(super) feed: Feed,
    /// Lines for the console.
    pub(super) stories: Vec<Story>,
    /// How many items of long tasks were done when the console told of them last.
    pub(super) paces: BTreeMap<TaskId, u64>,
    /// How long words took that ended lately: tasks with one input.
    pub(super) words: Timed,
    /// What is to be done outside the lock.
    pub(super) requests: Vec<Request>,
    /// When the core is told that time has passed.
    timer: Option<Time>,
    /// The core's effects: empty but while an event is handled, and kept for its memory.
    pub(super) effects: Vec<Effect>,
    /// What the core was told and what it said, for a test that asks for it.
    #[cfg(test)]
    pub(super) transcript: Option<Vec<(Event, Vec<Effect>)>>,
}

/// What a state begins with.
pub(super) struct StateConfig {
    pub(super) epoch: Epoch,
    /// Random: the tasks of this Queen are named by it.
    pub(super) base: Instance,
    pub(super) budget: Arc<Budget>,
    /// Bytes of inputs that may be cached.
    pub(super) cache: u64,
    /// Ranges that the Queen may compute herself at once.
    pub(super) own_checks: usize,
    /// What is stored counts there.
    pub(super) space: Arc<Budget>,
    /// What users did is kept.
    pub(super) keeps_trail: bool,
    pub(super) timeouts: Timeouts,
}

impl State {
    /// A state without tasks and Drones.
    pub(super) fn new(config: StateConfig) -> Self {
        let StateConfig { epoch, base, budget, cache, own_checks, space, keeps_trail, timeouts } = config;
        Self {
            core: Core::new(timeouts),
            tasks: Tasks::new(base, Arc::clone(&budget)),
            fleet: Fleet::default(),
            activities: Activities::default(),
            audits: Audits::default(),
            claims: Claims::new(Arc::clone(&budget), own_checks),
            reworks: 0,
            outgoing: Outgoing::new(keeps_trail),
            disk: OnDisk::new(&space),
            recovering: None,
            keys: Keys::default(),
            revoking: Revoking::default(),
            cache: Cache::new(cache),
            budget,
            feed: Feed::new(epoch),
            stories: Vec::new(),
            paces: BTreeMap::new(),
            words: Timed::default(),
            requests: Vec::new(),
            timer: None,
            effects: Vec::new(),
            #[cfg(test)]
            transcript: None,
        }
    }

    /// When the core is to be told next that time has passed.
    pub(super) fn set_timer(&mut self) -> Option<Time> {
        self.timer = self.core.next_deadline();
        self.timer
    }

    /// Whether that has come nearer since [`set_timer`](Self::set_timer) said it.
    pub(super) fn is_due_earlier(&mut self) -> bool {
        let next = self.core.next_deadline();
        let is_earlier = next.is_some_and(|next| self.timer.is_none_or(|timer| next < timer));
        if is_earlier {
            self.timer = next;
        }
        is_earlier
    }

    /// A new Queen is at work, and takes new tasks from here on: none comes before her epoch.
    pub(super) fn begin(&mut self, epoch: Epoch) {
        self.recovering = None;
        self.outgoing.push(Change::Epoch(epoch));
    }

    /// Whether everything is taken over.
    pub(super) fn is_serving(&self) -> Result<(), HiveError> {
        self.recovering.map_or(Ok(()), |(taken, all)| Err(refusal::recovering(taken, all)))
    }

    /// What has to be written of what was done since this was asked last; `deferred`: what need not
    /// be waited for as well.
    pub(super) fn take_changes(&mut self, deferred: bool) -> Vec<Change> {
        // Of what is taken over all is on disk already, but that it is over, if that was not written before.
        self.outgoing.drain(deferred && self.recovering.is_none())
    }

    /// Whether there are lines for the console.
    pub(super) fn has_stories(&self) -> bool {
        !self.stories.is_empty()
    }

    /// Lines for the console since this was asked last.
    pub(super) fn take_stories(&mut self) -> Vec<Story> {
        std::mem::take(&mut self.stories)
    }

    /// What is to be done outside the lock, of what came up since this was asked last.
    pub(super) fn take_requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.requests)
    }

    /// Whether there is something to tell to watchers.
    pub(super) fn has_news(&self) -> bool {
        self.feed.has_news() || self.fleet.has_changed()
    }

    /// Publishes what changed; returns whether there will be more without a further event.
    pub(super) fn tell(&mut self, overview: Overview, now: Now) -> bool {
        let news = self.feed.drain(now.elapsed);
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
        self.fleet.untouch(&news.drones);
        let changed = self.fleet.take_changed();
        for id in news.drones.into_iter().chain(changed) {
            let view = self.drone(id, now);
            self.fleet.publish(id, view.as_ref());
            if let Some(view) = view {
                self.feed.publish(News::Drone(view));
            }
        }
        if !self.feed.overview_is_due(now.elapsed) {
            return true;
        }
        let is_moving = overview.rate > 0.0;
        if self.feed.publish_overview(overview) || is_moving {
            // Rates fall without any event, the last time to zero.
            self.fleet.touch_computing();
        }
        is_moving || self.has_news()
    }

    /// What cannot go from the disk, in bytes, apart from uploads under way.
    pub(super) fn bound_bytes(&self) -> u64 {
        self.tasks.unfinished_bytes() + self.disk.key_bytes()
    }

    /// Changes a task, of which watchers are told.
    pub(super) fn change_task(&mut self, id: TaskId, change: impl FnOnce(&mut Record)) {
        if self.tasks.change(id, change).is_some() {
            self.feed.task(id);
        }
    }

    /// Takes a task in of which some ranges may be done.
    pub(super) fn enter(&mut self, id: TaskId, record: Record, done: RangeSet, now: Now) {
        let work = record.work(done, now);
        self.tasks.insert(id, record);
        self.feed.task(id);
        self.handle(Event::Submit { task: id, work }, now);
        self.stop_search(id, now);
    }
}
