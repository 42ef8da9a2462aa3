//! What watchers are told: changes collected for a moment, then as numbered events.
//!
//! Where nobody watches, nothing is collected, only counted: that there was something is all that a
//! later watcher has to know, who reads everything anew then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use web::access::TokenId;
use web::hive::{Finding, Subscription};
use web::model::{Change, Event, EventId, Overview, TaskView};
use wire::ids::{DroneId, Epoch, TaskId};

use crate::core::Time;

/// Changes that are told one by one at a time; when there are more, watchers read anew.
const MAX_CHANGES: usize = 1000;

/// Events kept for watchers that come back, and how long they are waited for.
const KEPT: usize = 4096;
const ABSENCE: Duration = Duration::from_secs(60);

/// How often the whole is told while it moves.
const OVERVIEW: Duration = Duration::from_millis(500);

pub(super) struct Feed {
    tasks: BTreeMap<TaskId, Option<TaskView>>,
    /// Removed tasks, with their owners.
    removed: BTreeMap<TaskId, Option<TokenId>>,
    drones: BTreeSet<DroneId>,
    overflow: bool,
    overview_at: Time,
    /// Something was computed lately when the whole was told last.
    has_moved: bool,
    /// Somebody watched when that was looked at last.
    has_watchers: bool,
    /// When somebody watched last, who may come back.
    watched_at: Option<Time>,
    epoch: Epoch,
    seq: u64,
    kept: VecDeque<Arc<Event>>,
    sender: broadcast::Sender<Arc<Event>>,
}

/// What has changed since it was asked last.
#[derive(Default)]
pub(super) struct News {
    /// Changed tasks, with the last view of those that are no longer in memory.
    pub(super) tasks: BTreeMap<TaskId, Option<TaskView>>,
    /// Removed tasks, with their owners.
    pub(super) removed: BTreeMap<TaskId, Option<TokenId>>,
    pub(super) drones: BTreeSet<DroneId>,
    pub(super) overflow: bool,
}

impl Feed {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            tasks: BTreeMap::new(),
            removed: BTreeMap::new(),
            drones: BTreeSet::new(),
            overflow: false,
            overview_at: Time::ZERO,
            has_moved: false,
            has_watchers: false,
            watched_at: None,
            epoch,
            seq: 0,
            kept: VecDeque::new(),
            sender: broadcast::Sender::new(KEPT),
        }
    }

    pub(super) fn task(&mut self, id: TaskId) {
        if self.collects() {
            self.tasks.insert(id, None);
            self.bound();
        }
    }

    /// The task leaves memory; this is its last view.
    pub(super) fn ended(&mut self, id: TaskId, view: impl FnOnce() -> TaskView) {
        if self.collects() {
            self.tasks.insert(id, Some(view()));
            self.bound();
        }
    }

    pub(super) fn removed(&mut self, id: TaskId, owner: Option<TokenId>) {
        if self.collects() {
            self.tasks.remove(&id);
            self.removed.insert(id, owner);
            self.bound();
        }
    }

    pub(super) fn drone(&mut self, id: DroneId) {
        if self.collects() {
            self.drones.insert(id);
            self.bound();
        }
    }

    /// Whether this change is published by itself. After an overflow watchers read everything anew instead.
    fn collects(&mut self) -> bool {
        self.note() && !self.overflow
    }

    /// Notes that there is a change; whether anybody is told of it.
    fn note(&mut self) -> bool {
        let is_watched = self.watched_at.is_some();
        if !is_watched {
            self.seq += 1;
        }
        is_watched
    }

    fn bound(&mut self) {
        if self.tasks.len() + self.removed.len() + self.drones.len() > MAX_CHANGES {
            (self.tasks, self.removed, self.drones) = Default::default();
            self.overflow = true;
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.overflow || !(self.tasks.is_empty() && self.removed.is_empty() && self.drones.is_empty())
    }

    pub(super) fn drain(&mut self, now: Time) -> News {
        let had_watchers = std::mem::replace(&mut self.has_watchers, self.sender.receiver_count() > 0);
        if had_watchers || self.has_watchers {
            self.watched_at = Some(now);
        } else if self.watched_at.take_if(|at| now >= *at + ABSENCE).is_some() {
            self.kept.clear();
        }
        News {
            tasks: std::mem::take(&mut self.tasks),
            removed: std::mem::take(&mut self.removed),
            drones: std::mem::take(&mut self.drones),
            overflow: std::mem::take(&mut self.overflow),
        }
    }

    /// Whether it is time to tell the whole again.
    pub(super) fn overview_is_due(&mut self, now: Time) -> bool {
        let due = now >= self.overview_at;
        if due {
            self.overview_at = now + OVERVIEW;
        }
        due
    }

    /// A search of this owner has found something.
    pub(super) fn found(&mut self, task: TaskId, owner: Option<TokenId>, finding: Finding) {
        self.publish(Change::Finding { task, finding, owner });
    }

    /// There is more news than can be told one by one: who watches reads everything anew.
    pub(super) fn reset(&mut self) {
        self.overflow |= self.note();
    }

    pub(super) fn publish(&mut self, change: Change) {
        if !self.note() {
            return;
        }
        self.seq += 1;
        let event = Arc::new(Event::new(self.at(), change));
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::clone(&event));
        // Nobody watching is no error.
        let _ = self.sender.send(event);
    }

    /// Publishes the whole; returns whether it had moved when that was done last.
    pub(super) fn publish_overview(&mut self, overview: Overview) -> bool {
        let had_moved = std::mem::replace(&mut self.has_moved, overview.rate > 0.0);
        self.publish(Change::Overview(overview));
        had_moved
    }

    fn at(&self) -> EventId {
        EventId { epoch: self.epoch, seq: self.seq }
    }

    pub(super) fn subscribe(&mut self, last: Option<EventId>, now: Time) -> Subscription {
        (self.has_watchers, self.watched_at) = (true, Some(now));
        let at = self.at();
        let oldest = self.kept.front().map_or(self.seq + 1, |event| event.id.seq);
        let known = |last: EventId| last.epoch == self.epoch && last.seq <= self.seq && last.seq + 1 >= oldest;
        let reset = last.is_some_and(|last| !known(last));
        let after = last.filter(|_| !reset).map_or(self.seq, |last| last.seq);
        let backlog = self.kept.iter().filter(|event| event.id.seq > after).cloned().collect();
        Subscription { reset, backlog, events: self.sender.subscribe(), at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Feed {
        let mut feed = Feed::new(Epoch(7));
        drop(feed.subscribe(None, Time::ZERO));
        feed
    }

    #[test]
    fn who_comes_back_is_told_what_it_missed() {
        let mut feed = watched();
        for id in 1..=5 {
            feed.publish(Change::TaskRemoved { id: TaskId(id), owner: None });
        }
        let mut missed = |last| {
            let subscription = feed.subscribe(last, Time::ZERO);
            (subscription.reset, subscription.backlog.iter().map(|event| event.id.seq).collect::<Vec<_>>())
        };
        let id = |epoch, seq| Some(EventId { epoch: Epoch(epoch), seq });
        assert_eq!(missed(None), (false, vec![]));
        assert_eq!(missed(id(7, 3)), (false, vec![4, 5]));
        assert_eq!(missed(id(7, 5)), (false, vec![]));
        assert_eq!(missed(id(7, 6)), (true, vec![]));
        assert_eq!(missed(id(6, 3)), (true, vec![]));
        for _ in 0..KEPT {
            feed.publish(Change::Reset {});
        }
        assert!(feed.subscribe(id(7, 4), Time::ZERO).reset);
        assert_eq!(feed.subscribe(id(7, 5), Time::ZERO).backlog.len(), KEPT);
    }

    #[test]
    fn too_many_changes_are_told_as_one() {
        let mut feed = watched();
        (0..=MAX_CHANGES as u64).for_each(|id| feed.task(TaskId(id)));
        let news = feed.drain(Time::ZERO);
        assert!(news.overflow && news.tasks.is_empty());
        assert!(!feed.has_news());
    }

    #[test]
    fn nothing_is_collected_for_nobody() {
        let mut feed = watched();
        let last = |feed: &Feed| Some(EventId { epoch: Epoch(7), seq: feed.seq });
        let resets = |feed: &mut Feed, last, now| feed.subscribe(last, now).reset;
        feed.publish(Change::Reset {});
        let before = last(&feed);
        feed.task(TaskId(1));
        assert!(feed.has_news());
        // Nobody has looked for long, but who watched may have gone a moment ago.
        feed.drain(ABSENCE * 2);
        feed.drain(ABSENCE * 5 / 2);
        feed.task(TaskId(1));
        assert!(feed.has_news() && !resets(&mut feed, before, ABSENCE * 5 / 2));
        feed.drain(ABSENCE * 3);
        feed.drain(ABSENCE * 4);
        feed.task(TaskId(1));
        feed.publish(Change::Reset {});
        assert!(!feed.has_news() && feed.kept.is_empty());
        let later = last(&feed);
        assert!(!resets(&mut feed, later, ABSENCE * 4));
        assert!(resets(&mut feed, before, ABSENCE * 4));
        feed.task(TaskId(1));
        assert!(feed.has_news());
    }
}
