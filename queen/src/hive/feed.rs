//! What watchers are told: changes collected for a moment, then as numbered events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use web::hive::Subscription;
use web::model::{Change, Event, EventId, TaskView};
use wire::ids::{DroneId, Epoch, TaskId};

use crate::core::Time;

/// Changes that are told one by one at a time; when there are more, watchers read anew.
const MAX_CHANGES: usize = 1000;

/// Events kept for watchers that come back.
const KEPT: usize = 4096;

/// How often the whole is told while it moves.
const OVERVIEW: Duration = Duration::from_millis(500);

pub(super) struct Feed {
    tasks: BTreeMap<TaskId, Option<TaskView>>,
    removed: BTreeSet<TaskId>,
    drones: BTreeSet<DroneId>,
    overflow: bool,
    overview_at: Time,
    epoch: Epoch,
    seq: u64,
    kept: VecDeque<Arc<Event>>,
    sender: broadcast::Sender<Arc<Event>>,
}

/// What has changed since it was asked last.
#[derive(Default)]
pub(super) struct News {
    /// With what is known of those that are no longer in memory.
    pub(super) tasks: BTreeMap<TaskId, Option<TaskView>>,
    pub(super) removed: BTreeSet<TaskId>,
    pub(super) drones: BTreeSet<DroneId>,
    pub(super) overflow: bool,
}

impl Feed {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            tasks: BTreeMap::new(),
            removed: BTreeSet::new(),
            drones: BTreeSet::new(),
            overflow: false,
            overview_at: Time::ZERO,
            epoch,
            seq: 0,
            kept: VecDeque::new(),
            sender: broadcast::Sender::new(KEPT),
        }
    }

    pub(super) fn task(&mut self, id: TaskId) {
        self.tasks.insert(id, None);
        self.bound();
    }

    /// The task leaves memory; this is its last view.
    pub(super) fn ended(&mut self, id: TaskId, view: impl FnOnce() -> TaskView) {
        // Behind an overflow nobody is told of single tasks.
        if !self.overflow {
            self.tasks.insert(id, Some(view()));
            self.bound();
        }
    }

    pub(super) fn removed(&mut self, id: TaskId) {
        self.tasks.remove(&id);
        self.removed.insert(id);
        self.bound();
    }

    pub(super) fn drone(&mut self, id: DroneId) {
        self.drones.insert(id);
        self.bound();
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

    pub(super) fn take(&mut self) -> News {
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

    pub(super) fn publish(&mut self, change: Change) {
        self.seq += 1;
        let event = Arc::new(Event { id: self.at(), change });
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(Arc::clone(&event));
        // Nobody watching is no error.
        let _ = self.sender.send(event);
    }

    fn at(&self) -> EventId {
        EventId { epoch: self.epoch, seq: self.seq }
    }

    pub(super) fn subscribe(&self, last: Option<EventId>) -> Subscription {
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

    #[test]
    fn who_comes_back_is_told_what_it_missed() {
        let mut feed = Feed::new(Epoch(7));
        for id in 1..=5 {
            feed.publish(Change::TaskRemoved { id: TaskId(id) });
        }
        let missed = |last| {
            let subscription = feed.subscribe(last);
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
        assert!(feed.subscribe(id(7, 4)).reset);
        assert_eq!(feed.subscribe(id(7, 5)).backlog.len(), KEPT);
    }

    #[test]
    fn too_many_changes_are_told_as_one() {
        let mut feed = Feed::new(Epoch(1));
        (0..=MAX_CHANGES as u64).for_each(|id| feed.task(TaskId(id)));
        let news = feed.take();
        assert!(news.overflow && news.tasks.is_empty());
        assert!(!feed.has_news());
    }
}
