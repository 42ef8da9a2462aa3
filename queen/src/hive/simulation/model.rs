//! What must be true of all that the core says, by what it was told and what it said before.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::blame::Book;
use super::computing::times;
use super::context::{Context, Fault};
use crate::core::{Ability, Core, Distrust, Effect, Event, Outcome, RangeSet, Segment, TaskWork};
use crate::work::TASKS_END;

/// A lease as it was given.
#[derive(Debug, Clone)]
pub struct Lent {
    pub drone: DroneId,
    pub task: TaskId,
    /// What is not done of it.
    pub range: Range<u64>,
    /// Where its next output begins.
    pub next: u64,
    pub priority: i8,
    /// It was not leased here, but taken back from a Drone that may have computed most of it.
    pub is_adopted: bool,
}

#[derive(Debug, Clone)]
struct Peer {
    threads: u64,
    /// Compressions per second of one thread, as it says.
    claim: u64,
    /// Items that a thread computes at once, at most.
    lanes: u64,
    is_leaving: bool,
    is_trusted: bool,
}

/// A task that the core has, as it was told of it.
#[derive(Debug)]
pub struct Live {
    /// Their costs are what takes a thread as long as a compression of a string.
    segments: Box<[Segment]>,
    priority: i8,
    is_paused: bool,
    is_batch: bool,
    pub done: RangeSet,
    /// Nothing is wanted from here on.
    end: u64,
}

#[derive(Debug, Default)]
pub struct Model {
    /// Who failed at what, and who was heard when.
    pub book: Book,
    /// After how long a silence a Drone is lost.
    silence: Duration,
    /// Leases that Drones have who are connected.
    pub leases: BTreeMap<LeaseId, Lent>,
    peers: BTreeMap<DroneId, Peer>,
    /// The most compressions per second that a thread was seen to do.
    fastest: BTreeMap<DroneId, u64>,
    /// Who was lost lately.
    pub lost: BTreeSet<DroneId>,
    /// Who is not trusted since this was looked at last; why, if the core says so.
    pub distrusted: Vec<(DroneId, Option<Distrust>)>,
    /// How tasks ended since this was looked at last.
    pub ended: Vec<(TaskId, Outcome)>,
    /// What was credited of tasks since this was looked at last.
    pub credited: Vec<(TaskId, Range<u64>)>,
    /// Whose results are computed, or searched, again by others.
    pub audited: BTreeSet<DroneId>,
    /// Tasks that the core has.
    pub live: BTreeMap<TaskId, Live>,
    /// Tasks of which something failed or was lost, or is kept for somebody.
    troubled: BTreeSet<TaskId>,
    priorities: BTreeMap<LeaseId, i8>,
    /// What a Drone offers that has not been answered.
    offers: BTreeMap<DroneId, Vec<TaskId>>,
    /// Whether what is dealt out now is dealt out in order: not while several tasks get something back.
    is_ordered: bool,
    /// What was computed of others while nothing of this task was.
    waited: BTreeMap<TaskId, u64>,
}

impl Live {
    fn new(work: &TaskWork) -> Self {
        let TaskWork { class, segments, priority, done, paused, batch, .. } = work;
        let end = segments.iter().map(|segment| segment.items).sum();
        let scaled = |segment: &Segment| Segment { cost: segment.cost.div_ceil(times(*class)), ..*segment };
        let segments = segments.iter().map(scaled).collect();
        Self { segments, priority: *priority, is_paused: *paused, is_batch: *batch, done: done.clone(), end }
    }

    pub fn total(&self) -> u64 {
        self.segments.iter().map(|segment| segment.items).sum()
    }

    /// What is wanted and not done.
    fn left(&self) -> u64 {
        let done = self.done.iter().map(|range| range.end.min(self.end).saturating_sub(range.start)).sum::<u64>();
        self.end - done
    }

    /// The largest cost of one item.
    fn item_cost(&self) -> u64 {
        self.segments.iter().map(|segment| segment.cost.div_ceil(segment.items)).max().unwrap_or(1)
    }

    /// What a range costs, and how many bytes it has.
    fn weigh(&self, range: &Range<u64>) -> (u64, u64) {
        let (mut start, mut sum) = (0, (0, 0));
        for Segment { items, cost, bytes } in &self.segments {
            let end = start + items;
            let inside = end.min(range.end).saturating_sub(start.max(range.start));
            sum = (sum.0 + cost * inside / items, sum.1 + bytes * inside / items);
            start = end;
        }
        sum
    }

    fn crosses(&self, range: &Range<u64>) -> bool {
        let mut begin = 0;
        self.segments.iter().any(|segment| {
            begin += segment.items;
            range.start < begin && begin < range.end
        })
    }

    fn is_any_done(&self, range: &Range<u64>) -> bool {
        self.done.iter().any(|done| done.start < range.end && range.start < done.end)
    }
}

impl Model {
    pub fn new(silence: Duration) -> Self {
        Self { silence, ..Self::default() }
    }

    fn joins(&mut self, drone: DroneId, ability: &Ability, is_trusted: bool) {
        let claim = ability.speeds.iter().map(|(class, speed)| speed.rate / times(*class)).max().unwrap_or(1);
        let lanes = ability.speeds.values().map(|speed| speed.lanes.into()).max().unwrap_or(1);
        self.peers.insert(drone, Peer { threads: ability.threads.into(), claim, lanes, is_leaving: false, is_trusted });
    }

    fn peer(&mut self, drone: DroneId, change: impl FnOnce(&mut Peer)) {
        self.peers.get_mut(&drone).map(change);
    }

    /// A Drone is not connected any more: what becomes of its leases is the core's business.
    fn leaves(&mut self, drone: DroneId) {
        self.peers.remove(&drone);
        self.lost.insert(drone);
        for (_, lent) in self.leases.extract_if(.., |_, lent| lent.drone == drone) {
            self.troubled.insert(lent.task);
        }
    }

    /// The core is told this.
    pub fn before(&mut self, ctx: &mut Context, event: &Event) {
        self.is_ordered = matches!(event, Event::Output { .. } | Event::Submit { .. });
        match event {
            Event::Submit { task, work } => self.submit(ctx, *task, work),
            Event::Pause { task } => self.change(*task, |live| live.is_paused = true),
            Event::Resume { task } => self.change(*task, |live| live.is_paused = false),
            Event::SetPriority { task, priority } => self.change(*task, |live| live.priority = *priority),
            Event::Finish { task, from } => self.change(*task, |live| live.end = live.end.min(*from)),
            Event::Revoke { task, range } => {
                // What is not wanted any more stays as it was.
                self.change(*task, |live| {
                    let wanted = range.start..range.end.min(live.end);
                    while live.done.take_within(&wanted).is_some() {}
                });
            }
            Event::Join { drone, ability, trusted, offers } => {
                self.joins(*drone, ability, *trusted);
                self.book.hears(*drone, ctx.now);
                self.offers.insert(*drone, offers.iter().map(|(task, _)| *task).collect());
            }
            Event::Inherit { drone, held } => {
                let mut ranges: Vec<_> = held.iter().map(|(task, range)| (*task, range.start, range.end)).collect();
                ranges.sort_unstable();
                let is_apart =
                    |(task, _, end): &(TaskId, u64, u64), next: &(TaskId, u64, u64)| *task != next.0 || *end <= next.1;
                assert!(ranges.is_sorted_by(is_apart), "what Drone {drone} had is taken over once: {held:?}");
                held.iter().for_each(|_| ctx.fault(Fault::Inherited));
                self.troubled.extend(held.iter().map(|(task, _)| *task));
            }
            Event::Leaving { drone } => self.peer(*drone, |peer| peer.is_leaving = true),
            Event::Pardon { drone } => self.peer(*drone, |peer| peer.is_trusted = true),
            Event::Quarantine { drone } => {
                self.distrusted.push((*drone, None));
                self.peer(*drone, |peer| peer.is_trusted = false);
            }
            Event::Disconnected { drone } | Event::Gone { drone } => self.leaves(*drone),
            Event::Output { drone, lease, range, spent } | Event::Claim { drone, lease, range, spent, .. } => {
                self.output(ctx.now, (*drone, *lease), range, *spent);
            }
            Event::Failed { drone, lease, .. } => {
                if let Some(lent) = self.leases.get(lease).filter(|lent| lent.drone == *drone) {
                    self.troubled.insert(lent.task);
                    let is_batch = self.live.get(&lent.task).is_some_and(|live| live.is_batch);
                    // Which one of several tasks of a batch it is that cannot be computed is yet to be found out.
                    let is_known = !is_batch || lent.range.end - lent.range.start == 1;
                    self.book.fails(*drone, lent.task, is_known.then_some(&lent.range));
                }
                self.end(*drone, *lease);
            }
            Event::HandBack { drone, leases } => leases.iter().for_each(|lease| self.end(*drone, *lease)),
            Event::Cancel { .. }
            | Event::SetDeadline { .. }
            | Event::Detach { .. }
            | Event::Heartbeat { .. }
            | Event::Second { .. }
            | Event::InputsUnavailable { .. }
            | Event::Excuse { .. }
            | Event::Tick => {}
        }
    }

    fn submit(&mut self, ctx: &mut Context, task: TaskId, work: &TaskWork) {
        if task.0 >= TASKS_END {
            ctx.fault(if times(work.class) > 1 { Fault::SearchedAgain } else { Fault::Audited });
            self.audited.extend(work.avoid);
        }
        // What is computed again is not for everybody, and who computed a part of what is computed twice has room that
        // is for others.
        if work.avoid.is_some() || work.twice {
            self.troubled.insert(task);
        }
        assert!(self.live.insert(task, Live::new(work)).is_none(), "the core has task {task} already");
    }

    fn change(&mut self, task: TaskId, change: impl FnOnce(&mut Live)) {
        self.live.get_mut(&task).map(change);
    }

    fn end(&mut self, drone: DroneId, lease: LeaseId) {
        if self.leases.get(&lease).is_some_and(|lent| lent.drone == drone) {
            self.leases.remove(&lease);
        }
    }

    /// This part of a task was computed.
    fn came(&mut self, task: TaskId, range: &Range<u64>) {
        let covers =
            |lent: &&mut Lent| lent.task == task && lent.range.start <= range.start && range.end <= lent.range.end;
        self.leases.values_mut().filter(covers).for_each(|lent| lent.range.start = range.end);
        self.book.came(task, range);
    }

    /// This part of a task was computed, and counts.
    fn credit(&mut self, task: TaskId, range: &Range<u64>) {
        self.came(task, range);
        let live = self.live.get_mut(&task).unwrap_or_else(|| panic!("the core has task {task}"));
        assert!(!live.is_any_done(range), "{range:?} of task {task} is credited twice");
        live.done.insert(range.clone());
        let ((cost, _), priority) = (live.weigh(range), live.priority);
        if task.0 < TASKS_END {
            self.credited.push((task, range.clone()));
        }
        self.waited.remove(&task);
        let is_calm = self.is_calm();
        for (other, waiting) in &self.live {
            let is_served = *other == task || self.leases.values().any(|lent| lent.task == *other);
            let is_behind = waiting.priority < priority || waiting.is_paused;
            match is_served || is_behind || !is_calm {
                true => drop(self.waited.remove(other)),
                false => *self.waited.entry(*other).or_default() += cost,
            }
        }
        let largest = self.live.values().map(Live::item_cost).max().unwrap_or(0);
        let ahead: u64 = self.peers.values().map(|peer| peer.threads * (2 * peer.claim + peer.lanes * largest)).sum();
        let limit = 4 * ahead + self.live.len() as u64 * ahead;
        assert!(self.waited.values().all(|waited| *waited <= limit), "a task starves: {:?}, {limit}", self.waited);
    }

    /// Whether nothing of any task was lost, failed or is kept for somebody.
    fn is_calm(&self) -> bool {
        self.troubled.iter().all(|task| !self.live.contains_key(task))
    }

    /// A Drone gives the results of this range.
    fn output(&mut self, now: Duration, (drone, lease): (DroneId, LeaseId), range: &Range<u64>, spent: Duration) {
        let Some(lent) = self.leases.get_mut(&lease) else { return };
        let (cost, _) = self.live.get(&lent.task).map_or((0, 0), |live| live.weigh(range));
        let fastest = self.fastest.entry(drone).or_default();
        *fastest = (*fastest).max((cost as f64 / spent.as_secs_f64()) as u64 + 1);
        if lent.drone == drone && lent.next == range.start {
            self.book.hears(drone, now);
            lent.next = range.end.min(lent.range.end).max(lent.next);
            if lent.next >= lent.range.end || lent.range.is_empty() {
                self.leases.remove(&lease);
            }
        }
    }

    /// The core says this.
    pub fn see(&mut self, ctx: &mut Context, effect: &Effect) {
        match effect {
            Effect::Lease(grant) => {
                let (drone, task, range, priority) = (grant.drone, grant.task, grant.range.clone(), grant.priority);
                self.check_grant(ctx, drone, task, &range);
                let usable = self.peers.iter().filter(|(_, peer)| !peer.is_leaving && peer.is_trusted);
                self.book.check_grant(drone, task, &range, &usable.map(|(drone, _)| *drone).collect());
                if self.is_ordered && self.is_calm() {
                    self.check_urgency(drone, task);
                }
                self.priorities.insert(grant.lease, priority);
                self.waited.remove(&task);
                let lent = Lent { drone, task, next: range.start, range, priority, is_adopted: false };
                assert!(self.leases.insert(grant.lease, lent).is_none(), "a lease id is used once");
                self.check_credit(drone);
            }
            Effect::Withdraw { drone, lease, end } => {
                let Some(lent) = self.leases.get_mut(lease) else { return };
                assert_eq!(lent.drone, *drone, "it is its own lease");
                match *end <= lent.next {
                    true => drop(self.leases.remove(lease)),
                    false => {
                        ctx.fault(Fault::Stolen);
                        lent.range.end = *end;
                    }
                }
            }
            Effect::Adopted { drone, leases } => {
                self.leases.retain(|_, lent| lent.drone != *drone);
                let offers = self.offers.remove(drone).unwrap_or_default();
                assert_eq!(offers.len(), leases.len(), "each offer is answered");
                for (task, adopted) in offers.into_iter().zip(leases) {
                    if let Some((id, range)) = adopted {
                        self.adopt(*drone, task, *id, range);
                    }
                }
            }
            Effect::Disconnect { drone, reason } => {
                if reason.starts_with("nothing was heard") {
                    ctx.fault(Fault::Silence);
                    self.book.check_silence(*drone, ctx.now, self.silence);
                }
                self.leaves(*drone);
            }
            Effect::Quarantined { drone, why } => {
                ctx.fault(Fault::Quarantined);
                if let Distrust::Failures(_) = why {
                    self.book.is_at_fault(*drone);
                }
                self.distrusted.push((*drone, Some(why.clone())));
                self.peer(*drone, |peer| peer.is_trusted = false);
            }
            Effect::Credit { task, range } => self.credit(*task, range),
            Effect::Claim { task, range, by_queen } => {
                ctx.fault(if *by_queen { Fault::ClaimedAlone } else { Fault::Claimed });
                self.came(*task, range);
            }
            Effect::FailedItem { task, index, blame } => {
                ctx.fault(Fault::FailedInBatch);
                self.book.blames(*task, blame);
                self.book.came(*task, &(*index..index + 1));
                self.change(*task, |live| live.done.insert(*index..index + 1));
            }
            Effect::Ended { task, outcome, done } => self.ends(ctx, *task, outcome, done),
            Effect::Hold { .. }
            | Effect::Unhold(_)
            | Effect::Over { .. }
            | Effect::Started(_)
            | Effect::Advanced(_)
            | Effect::Forgotten(_) => {}
        }
    }

    fn ends(&mut self, ctx: &mut Context, task: TaskId, outcome: &Outcome, done: &RangeSet) {
        if let Outcome::Failed(crate::core::Blame::Deadline) = outcome {
            ctx.fault(Fault::Deadline);
        }
        self.book.ends(task, outcome);
        assert!(self.leases.values().all(|lent| lent.task != task), "nothing of an ended task is leased");
        let live = self.live.remove(&task).unwrap_or_else(|| panic!("task {task} ends once"));
        assert_eq!(*done, live.done, "what was done of task {task}");
        if *outcome == Outcome::Done {
            assert_eq!(live.left(), 0, "all of task {task} that is wanted is done");
            if live.end < live.total() {
                ctx.fault(Fault::FoundEnough);
            }
        }
        self.ended.push((task, outcome.clone()));
        self.troubled.remove(&task);
        self.waited.remove(&task);
    }

    fn adopt(&mut self, drone: DroneId, task: TaskId, lease: LeaseId, range: &Range<u64>) {
        let overlaps = |lent: &&Lent| lent.task == task && lent.range.start < range.end && range.start < lent.range.end;
        let twins = self.leases.values().filter(overlaps).inspect(|other| assert_eq!(&other.range, range)).count();
        assert!(twins <= 1, "{range:?} of task {task} is leased to two others");
        let live = &self.live[&task];
        assert!(!live.is_any_done(range), "it is not done");
        let priority = *self.priorities.entry(lease).or_insert(live.priority);
        let lent = Lent { drone, task, next: range.start, range: range.clone(), priority, is_adopted: true };
        assert!(self.leases.insert(lease, lent).is_none(), "lease {lease} is live on one connection");
    }

    /// Nobody else has it, except one who has all of it.
    fn check_grant(&self, ctx: &mut Context, drone: DroneId, task: TaskId, range: &Range<u64>) {
        let live = self.live.get(&task).unwrap_or_else(|| panic!("task {task} is wanted"));
        assert!(!range.is_empty() && range.end <= live.end, "{range:?} of task {task} is wanted");
        assert!(!live.is_paused, "task {task} is wanted");
        assert!(!live.is_any_done(range), "{range:?} of task {task} is done");
        assert!(!live.crosses(range), "{range:?} of task {task} crosses segments");
        let overlaps = |lent: &&Lent| lent.task == task && lent.range.start < range.end && range.start < lent.range.end;
        let mut others = self.leases.values().filter(overlaps);
        if let Some(other) = others.next() {
            ctx.fault(Fault::Twin);
            assert_eq!(&other.range, range, "twins have the same range");
            assert_ne!(other.drone, drone, "twins are on different Drones");
        }
        assert_eq!(others.count(), 0, "{range:?} of task {task} is leased to two others");
        let peer = self.peers.get(&drone);
        assert!(peer.is_some_and(|peer| !peer.is_leaving && peer.is_trusted), "Drone {drone} is there for work");
    }

    fn held(&self, drone: DroneId) -> impl Iterator<Item = &Lent> {
        self.leases.values().filter(move |lent| lent.drone == drone)
    }

    fn check_credit(&self, drone: DroneId) {
        let Some(peer) = self.peers.get(&drone) else { return };
        let weighed = self.held(drone).filter(|lent| !lent.is_adopted).map(|lent| {
            let rest = lent.next.min(lent.range.end)..lent.range.end;
            let (cost, bytes) = self.live.get(&lent.task).map_or((0, 0), |live| live.weigh(&rest));
            (lent.priority, cost, bytes)
        });
        let weighed: Vec<_> = weighed.collect();
        let bytes: u64 = weighed.iter().map(|(.., bytes)| bytes).sum();
        let largest = weighed.iter().map(|(.., bytes)| *bytes).max().unwrap_or(0);
        assert!(bytes <= (32 << 20) + peer.threads * (8 << 20) + largest, "Drone {drone} holds {bytes} bytes");
        for (priority, ..) in &weighed {
            let costs = || weighed.iter().filter(|(other, ..)| other == priority).map(|(_, cost, _)| *cost);
            let rate = peer.claim.max(self.fastest.get(&drone).copied().unwrap_or(0));
            let limit = rate * peer.threads * 4 / 5 + (peer.threads + 1) * costs().max().unwrap_or(0);
            assert!(costs().sum::<u64>() <= limit, "Drone {drone} holds more than {limit} of priority {priority}");
        }
        assert!(weighed.len() <= 12_288);
    }

    /// Between two calls.
    pub fn check(&self, core: &Core, now: Duration) {
        let mut left = 0;
        for (task, live) in &self.live {
            let status = core.task(*task, now).unwrap_or_else(|| panic!("the core has task {task}"));
            assert_eq!(status.done, live.done.len(), "done of task {task}");
            left += live.left();
        }
        assert_eq!(core.totals(now).items_queued, left);
        for drone in self.peers.keys() {
            let leases = core.standing(*drone).map(|standing| standing.leases);
            assert_eq!(leases, Some(self.held(*drone).count() as u64), "what Drone {drone} holds");
        }
        if self.is_calm() {
            self.check_conservation(core);
        }
    }

    /// Nobody has room for work, or has room only for what is less urgent, while there is some.
    fn check_conservation(&self, core: &Core) {
        for (task, live) in self.live.iter().filter(|(task, live)| self.has_pending(**task, live)) {
            for drone in self.peers.keys() {
                let explain = || format!("Drone {drone} has room for task {task}: {:?}", core.waiting(*task));
                assert!(!self.has_room(*drone, live.priority), "{}", explain());
            }
        }
    }

    /// Nothing more urgent is there to be given to this Drone.
    fn check_urgency(&self, drone: DroneId, task: TaskId) {
        let priority = self.live[&task].priority;
        let above = self.live.iter().filter(|(_, live)| live.priority > priority);
        for (other, live) in above.filter(|(other, live)| self.has_pending(**other, live)) {
            assert!(!self.has_room(drone, live.priority), "task {other} is more urgent than task {task}");
        }
    }

    fn has_pending(&self, task: TaskId, live: &Live) -> bool {
        let leased = self.leases.values().filter(|lent| lent.task == task);
        let leased: u64 = leased.map(|lent| lent.range.end - lent.range.start).sum();
        !live.is_paused && leased < live.left()
    }

    /// Whether a Drone certainly has room for work of this priority.
    fn has_room(&self, drone: DroneId, priority: i8) -> bool {
        let Some(peer) = self.peers.get(&drone).filter(|peer| peer.is_trusted && !peer.is_leaving) else {
            return false;
        };
        let urgent = self.held(drone).filter(|lent| lent.priority >= priority).count() as u64;
        urgent < peer.threads
    }
}
