//! What must be true of all that the core says, by what it said before.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use queen::core::{Ability, Core, Distrust, Effect, Event};
use wire::ids::{DroneId, LeaseId, TaskId};

use crate::blame::Book;
use crate::context::{Context, Fault};
use crate::state::State;

/// A lease as the shell knows it.
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
    /// Tasks that the core has.
    live: BTreeSet<TaskId>,
    /// Tasks of which something failed or was lost, or is kept for somebody.
    troubled: BTreeSet<TaskId>,
    priorities: BTreeMap<LeaseId, i8>,
    /// Whether what is dealt out now is dealt out in order: not while several tasks get something back.
    is_ordered: bool,
    /// What was computed of others while nothing of this task was.
    waited: BTreeMap<TaskId, u64>,
}

impl Model {
    pub fn new(silence: Duration) -> Self {
        Self { silence, ..Self::default() }
    }

    pub fn submitted(&mut self, task: TaskId) {
        self.live.insert(task);
    }

    pub fn has_trouble(&mut self, task: TaskId) {
        self.troubled.insert(task);
    }

    pub fn joins(&mut self, drone: DroneId, ability: &Ability, is_trusted: bool) {
        let claim = ability.speeds.values().map(|speed| speed.rate).max().unwrap_or(1);
        let lanes = ability.speeds.values().map(|speed| speed.lanes.into()).max().unwrap_or(1);
        self.peers.insert(drone, Peer { threads: ability.threads.into(), claim, lanes, is_leaving: false, is_trusted });
    }

    pub fn is_leaving(&mut self, drone: DroneId) {
        self.peers.get_mut(&drone).into_iter().for_each(|peer| peer.is_leaving = true);
    }

    pub fn is_trusted(&mut self, drone: DroneId) {
        self.peers.get_mut(&drone).into_iter().for_each(|peer| peer.is_trusted = true);
    }

    /// A Drone is not connected any more: what becomes of its leases is the core's business.
    fn leaves(&mut self, drone: DroneId) {
        self.peers.remove(&drone);
        self.lost.insert(drone);
        for (_, lent) in self.leases.extract_if(.., |_, lent| lent.drone == drone) {
            self.troubled.insert(lent.task);
        }
    }

    pub fn before(&mut self, event: &Event) {
        self.is_ordered = matches!(event, Event::Output { .. } | Event::Submit { .. });
        match event {
            Event::Disconnected { drone } | Event::Gone { drone } => self.leaves(*drone),
            Event::Failed { drone, lease, .. } => {
                if let Some(lent) = self.leases.get(lease).filter(|lent| lent.drone == *drone) {
                    self.book.fails(*drone, lent.task, &lent.range);
                }
                self.end(*drone, *lease);
            }
            Event::HandBack { drone, leases } => leases.iter().for_each(|lease| self.end(*drone, *lease)),
            Event::Quarantine { drone } => {
                self.peers.get_mut(drone).into_iter().for_each(|peer| peer.is_trusted = false);
            }
            _ => {}
        }
    }

    fn end(&mut self, drone: DroneId, lease: LeaseId) {
        if self.leases.get(&lease).is_some_and(|lent| lent.drone == drone) {
            self.leases.remove(&lease);
        }
    }

    /// This part of a task was computed.
    pub fn came(&mut self, task: TaskId, range: &Range<u64>) {
        let covers =
            |lent: &&mut Lent| lent.task == task && lent.range.start <= range.start && range.end <= lent.range.end;
        self.leases.values_mut().filter(covers).for_each(|lent| lent.range.start = range.end);
        self.book.came(task, range);
    }

    /// This part of a task was computed, and counts.
    pub fn credited(&mut self, task: TaskId, range: &Range<u64>, state: &State) {
        self.came(task, range);
        let kept = &state.tasks[&task];
        let cost = (range.end - range.start) * kept.spec.item_cost();
        self.waited.remove(&task);
        for other in self.live.clone() {
            let is_served = other == task || self.leases.values().any(|lent| lent.task == other);
            let waiting = &state.tasks[&other];
            let is_behind = waiting.priority < kept.priority || waiting.is_paused;
            match is_served || is_behind || !self.troubled.is_disjoint(&self.live) {
                true => drop(self.waited.remove(&other)),
                false => *self.waited.entry(other).or_default() += cost,
            }
        }
        let largest = state.tasks.values().map(|kept| kept.spec.item_cost()).max().unwrap_or(0);
        let ahead: u64 = self.peers.values().map(|peer| peer.threads * (2 * peer.claim + peer.lanes * largest)).sum();
        let limit = 4 * ahead + self.live.len() as u64 * ahead;
        assert!(self.waited.values().all(|waited| *waited <= limit), "a task starves: {:?}, {limit}", self.waited);
    }

    /// A Drone gave the results of this range.
    pub fn output(
        &mut self,
        now: Duration,
        drone: DroneId,
        lease: LeaseId,
        range: &Range<u64>,
        spent: Duration,
        state: &State,
    ) {
        let Some(lent) = self.leases.get_mut(&lease) else { return };
        let cost = (range.end - range.start) * state.tasks[&lent.task].spec.item_cost();
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

    pub fn see(&mut self, ctx: &mut Context, effect: &Effect, core: &Core, state: &State) {
        match effect {
            Effect::Lease(grant) => {
                let (drone, task, range, priority) = (grant.drone, grant.task, grant.range.clone(), grant.priority);
                self.check_grant(ctx, drone, task, &range, state);
                let usable = self.peers.iter().filter(|(_, peer)| !peer.is_leaving && peer.is_trusted);
                self.book.check_grant(drone, task, &range, &usable.map(|(drone, _)| *drone).collect());
                if self.is_ordered && self.troubled.is_disjoint(&self.live) {
                    self.check_urgency(drone, task, state);
                }
                self.priorities.insert(grant.lease, priority);
                self.waited.remove(&task);
                let lent = Lent { drone, task, next: range.start, range, priority, is_adopted: false };
                assert!(self.leases.insert(grant.lease, lent).is_none(), "a lease id is used once");
                self.check_credit(drone, state);
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
                for (id, range) in leases.iter().flatten() {
                    self.adopt(*drone, *id, range, core, state);
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
                if let Distrust::Failures(_) = why {
                    self.book.is_at_fault(*drone);
                }
                self.peers.get_mut(drone).into_iter().for_each(|peer| peer.is_trusted = false);
            }
            Effect::Ended { task, outcome, .. } => {
                self.book.ends(*task, outcome);
                assert!(self.leases.values().all(|lent| lent.task != *task), "nothing of an ended task is leased");
                assert!(self.live.remove(task), "a task ends once");
                self.troubled.remove(task);
                self.waited.remove(task);
            }
            Effect::Credit { .. }
            | Effect::Claim { .. }
            | Effect::Hold { .. }
            | Effect::Unhold(_)
            | Effect::Started(_)
            | Effect::Advanced(_)
            | Effect::FailedItem { .. }
            | Effect::Forgotten(_) => {}
        }
    }

    fn adopt(&mut self, drone: DroneId, lease: LeaseId, range: &Range<u64>, core: &Core, state: &State) {
        let task = core.lease(drone, lease).unwrap_or_else(|| panic!("Drone {drone} has lease {lease}")).task;
        let overlaps = |lent: &&Lent| lent.task == task && lent.range.start < range.end && range.start < lent.range.end;
        let twins = self.leases.values().filter(overlaps).inspect(|other| assert_eq!(&other.range, range)).count();
        assert!(twins <= 1, "{range:?} of task {task} is leased to two others");
        assert!(state.tasks[&task].results.range(range.clone()).next().is_none(), "it is not done");
        let priority = *self.priorities.entry(lease).or_insert(state.tasks[&task].priority);
        let lent = Lent { drone, task, next: range.start, range: range.clone(), priority, is_adopted: true };
        assert!(self.leases.insert(lease, lent).is_none(), "lease {lease} is live on one connection");
    }

    /// Nobody else has it, except one who has all of it.
    fn check_grant(&self, ctx: &mut Context, drone: DroneId, task: TaskId, range: &Range<u64>, state: &State) {
        let kept = &state.tasks[&task];
        assert!(!range.is_empty() && range.end <= kept.spec.total());
        assert!(!kept.is_paused && kept.ended.is_none() && self.live.contains(&task), "task {task} is wanted");
        assert!(kept.results.range(range.clone()).next().is_none(), "{range:?} of task {task} is done");
        let mut begin = 0;
        let crosses = kept.spec.segments.iter().any(|items| {
            begin += items;
            range.start < begin && begin < range.end
        });
        assert!(!crosses, "{range:?} of task {task} crosses segments");
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

    fn check_credit(&self, drone: DroneId, state: &State) {
        let Some(peer) = self.peers.get(&drone) else { return };
        let weighed = self.held(drone).filter(|lent| !lent.is_adopted).map(|lent| {
            let spec = &state.tasks[&lent.task].spec;
            let items = lent.range.end - lent.next.min(lent.range.end);
            (lent.priority, items * spec.item_cost(), items * spec.weight)
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

    /// Between two events.
    pub fn check(&self, core: &Core, now: Duration, state: &State) {
        let mut left = 0;
        for task in &self.live {
            let kept = &state.tasks[task];
            let status = core.task(*task, now).unwrap_or_else(|| panic!("the core has task {task}"));
            assert_eq!(status.done, kept.results.len() as u64, "done of task {task}");
            left += kept.spec.total() - status.done;
        }
        assert_eq!(core.totals(now).items_queued, left);
        for drone in self.peers.keys() {
            let leases = core.standing(*drone).map(|standing| standing.leases);
            assert_eq!(leases, Some(self.held(*drone).count() as u64), "what Drone {drone} holds");
        }
        if self.troubled.is_disjoint(&self.live) {
            self.check_conservation(core, state);
        }
    }

    /// Nobody has room for work, or has room only for what is less urgent, while there is some.
    fn check_conservation(&self, core: &Core, state: &State) {
        for task in self.live.iter().filter(|task| self.has_pending(**task, state)) {
            for drone in self.peers.keys() {
                let explain = || format!("Drone {drone} has room for task {task}: {:?}", core.waiting(*task));
                assert!(!self.has_room(*drone, *task, state), "{}", explain());
            }
        }
    }

    /// Nothing more urgent is there to be given to this Drone.
    fn check_urgency(&self, drone: DroneId, task: TaskId, state: &State) {
        let priority = state.tasks[&task].priority;
        let is_above = |other: &&TaskId| state.tasks[*other].priority > priority && self.has_pending(**other, state);
        for other in self.live.iter().filter(is_above) {
            assert!(!self.has_room(drone, *other, state), "task {other} is more urgent than task {task}");
        }
    }

    fn has_pending(&self, task: TaskId, state: &State) -> bool {
        let kept = &state.tasks[&task];
        let leased = self.leases.values().filter(|lent| lent.task == task);
        let leased: u64 = leased.map(|lent| lent.range.end - lent.range.start).sum();
        !kept.is_paused && kept.results.len() as u64 + leased < kept.spec.total()
    }

    /// Whether a Drone certainly has room for a task.
    fn has_room(&self, drone: DroneId, task: TaskId, state: &State) -> bool {
        let priority = state.tasks[&task].priority;
        let Some(peer) = self.peers.get(&drone).filter(|peer| peer.is_trusted && !peer.is_leaving) else {
            return false;
        };
        let urgent = self.held(drone).filter(|lent| lent.priority >= priority).count() as u64;
        let is_heavy = self.held(drone).any(|lent| state.tasks[&lent.task].spec.weight > 1000);
        urgent < peer.threads && !is_heavy
    }
}
