//! What takes time and the state asks for, what users want of it, and messages that must change nothing.

use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::context::{Context, Fault};
use super::journal::{Entry, Then};
use super::queen::Queen;
use crate::core::{Distrust, Event};
use crate::hive::arrival::{Arrival, Sighting};
use crate::hive::audit::{Recheck, SecondSearch};
use crate::hive::claims::OwnCheck;
use crate::hive::search::marks_in;
use crate::hive::twice::first_wrong;
use crate::work::{Marks, Piece, Searched};

/// What the state asked for.
pub enum Errand {
    Recheck(Box<Recheck>),
    SearchAgain(Box<SecondSearch>),
    NextClaim,
    Claim(Box<OwnCheck>),
}

impl Queen {
    /// What the state asked for is done.
    pub fn carry_out(&mut self, ctx: &mut Context, number: u64) {
        match self.requests.remove(&number) {
            None => {}
            Some(Errand::Recheck(recheck)) => {
                let Recheck { job, result, .. } = &*recheck;
                let inputs = self.inputs(job, &(result.index..result.index + 1));
                let right = job.kind().reference(inputs.as_blob().iter().next().unwrap());
                let is_wrong = recheck.given.iter().any(|(_, given)| right.as_deref() != Some(given));
                if is_wrong && job.terms.is_twice() {
                    ctx.fault(Fault::ClaimedWrong);
                }
                self.durably(ctx, None, None, |state, now| state.rechecked(&recheck, right.as_deref(), now));
            }
            Some(Errand::SearchAgain(second)) => {
                let range = second.first.range.clone();
                let marks = marks_in(&second.job, &self.inputs(&second.job, &range), range).unwrap();
                self.state.audits.end_own_search();
                self.durably(ctx, None, None, |state, now| state.searched_again(&second, &marks, now));
            }
            Some(Errand::NextClaim) => self.next_claim(ctx),
            Some(Errand::Claim(check)) => {
                let piece = &check.part.piece;
                let right = first_wrong(&check.job.terms, &self.inputs(&check.job, &piece.range), piece);
                if right < piece.range.end {
                    ctx.fault(Fault::ClaimedWrong);
                }
                self.durably(ctx, None, None, |state, now| state.computed_claim(*check, Some(right), now));
                self.next_claim(ctx);
            }
        }
    }

    fn next_claim(&mut self, ctx: &mut Context) {
        if let Some(check) = self.state.next_own_check() {
            self.begin_errand(ctx, Errand::Claim(Box::new(check)));
        }
    }

    /// Has what is suspect on the disk computed again. What was on its way there is found the second time.
    pub fn take_up(&mut self, ctx: &mut Context, is_first: bool) {
        for suspects in self.reader.suspects(TaskId(0), usize::MAX >> 1).unwrap() {
            let marks = self.reader.trusted_marks(suspects.task).unwrap();
            if self.change(ctx, |state, now| state.take_up(&suspects, marks, now)) {
                let live = self.reader.revive(suspects.task).unwrap().unwrap();
                self.change(ctx, |state, now| state.reopen(live, suspects.drone.unwrap_or(DroneId(0)), now));
            }
        }
        if is_first {
            self.journal.enter(Entry { then: Some(Then::TakeUp { is_first: false }), ..Entry::default() });
        }
    }

    /// Compares marks of two Drones, or more.
    pub fn compare(&mut self, ctx: &mut Context, task: TaskId, second: &Searched) {
        let first = self.reader.marks(task, &second.range).unwrap();
        self.durably(ctx, None, None, |state, now| state.compare_marks(task, &first, second, now));
        self.state.audits.end_comparison();
    }

    /// Any task that has not ended.
    pub fn any_task(&self, ctx: &mut Context) -> Option<TaskId> {
        let live = self.book.tasks.iter().filter(|(_, kept)| kept.ended.is_none());
        let live: Vec<_> = live.map(|(task, _)| *task).collect();
        (!live.is_empty()).then(|| ctx.random.pick(&live))
    }

    pub fn cancel(&mut self, ctx: &mut Context, task: TaskId) {
        // One that ends is not cancelled any more.
        let _ = self.durably(ctx, None, None, |state, now| state.cancel(task, now));
    }

    pub fn spoil(&mut self, ctx: &mut Context, task: TaskId) {
        let reason = "its inputs are gone".to_owned();
        self.durably(ctx, None, None, |state, now| state.handle(Event::InputsUnavailable { task, reason }, now));
    }

    pub fn pause(&mut self, ctx: &mut Context, task: TaskId, is_paused: bool) {
        if self.model.live.contains_key(&task) && self.book.tasks.get(&task).is_some_and(|kept| kept.ended.is_none()) {
            self.durably(ctx, None, None, |state, now| state.pause(task, is_paused, now));
        }
    }

    pub fn set_priority(&mut self, ctx: &mut Context, task: TaskId, priority: i8) {
        if self.model.live.contains_key(&task) {
            let amendment = web::hive::Amendment { priority: Some(priority), ..Default::default() };
            self.durably(ctx, None, None, |state, now| state.amend(task, amendment, now));
        }
    }

    /// Trusts again one of those who were not caught lying.
    pub fn pardon(&mut self, ctx: &mut Context, failed: &[(DroneId, Option<Distrust>)]) {
        let failed = failed.iter().filter(|(_, why)| why.is_some()).map(|(drone, _)| *drone);
        let Some(drone) = failed.rev().find(|drone| self.state.fleet.is_quarantined(*drone)) else { return };
        ctx.fault(Fault::Pardon);
        self.durably(ctx, None, None, |state, now| state.pardon(drone, now));
    }

    pub fn drain_one(&mut self, ctx: &mut Context) {
        let drones = self.drones();
        if !drones.is_empty() {
            ctx.fault(Fault::Drain);
            let drone = ctx.random.pick(&drones);
            self.change(ctx, |state, now| state.drain(drone, now));
        }
    }

    /// Lets a Drone say what is out of date, out of order or about somebody else's lease.
    pub fn hear_stale(&mut self, ctx: &mut Context) {
        let drones = self.drones();
        let leases: Vec<_> = self.model.leases.iter().map(|(id, lent)| (*id, lent.clone())).collect();
        if drones.is_empty() || leases.is_empty() {
            return;
        }
        ctx.fault(Fault::Stale);
        let before = format!("{:?}", self.state.core);
        let (id, lent) = leases[ctx.random.index(leases.len())].clone();
        let others: Vec<_> = drones.iter().copied().filter(|drone| *drone != lent.drone).collect();
        let is_search = self.state.expected(lent.drone, id).is_some_and(|expected| expected.job.inputs.are_implied());
        let arrival = |lease: LeaseId, from: u64| {
            let bytes = if is_search { Vec::new() } else { vec![0x77; 32] };
            let piece = Piece { range: from..from + 1, bytes: bytes.into() };
            let marks = Marks::default();
            let sighting = Sighting { marks, findings: Vec::new(), share: 1.0, chance: 0 };
            let arrival = Arrival::new(lease, piece, Duration::from_millis(1));
            Arrival { is_search, sighting: is_search.then_some(sighting), ..arrival }
        };
        let mut stale =
            vec![(lent.drone, arrival(id, lent.next + 1)), (lent.drone, arrival(LeaseId(id.0 + 1_000_000), lent.next))];
        stale.extend(lent.next.checked_sub(1).map(|before| (lent.drone, arrival(id, before))));
        stale.extend(others.first().map(|other| (*other, arrival(id, lent.next))));
        for (drone, arrival) in stale {
            self.change(ctx, |state, now| state.output(drone, arrival, now));
        }
        if let Some(link) = others.first().and_then(|other| self.link_of(*other)) {
            let reason = "nothing of its own".to_owned();
            self.change(ctx, |state, now| state.failed(link, id, reason, now));
        }
        assert!(before == format!("{:?}", self.state.core), "what is stale changes nothing");
    }
}
