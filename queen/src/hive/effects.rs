//! What the core is told, and how what it says is carried out.

use std::ops::Range;

use web::model::{Gap, TaskState};
use wire::ids::{DroneId, LeaseId, TaskId};
use wire::message::Adoption;

use super::explain;
use super::run_state::TaskOutcome;
use super::seat::{Departure, Outbound};
use super::state::State;
use super::story::{EndOfTask, Story, label};
use super::trail::QUARANTINE;
use crate::clock::Now;
use crate::core::{Distrust, Effect, Event, Grant, Outcome, RangeSet};
use crate::crash;
use crate::store::{Change, MemberOutcome};
use crate::work::Job;

impl State {
    /// Tells the core, and does what it says.
    pub(super) fn handle(&mut self, event: Event, now: Now) {
        self.handle_results(event, now, |_, _| {});
    }

    /// Tells the core of results, and does what it says: `take` is given what it credits of them ([`Effect::Credit`],
    /// [`Effect::Claim`]), before what follows from that is done.
    pub(super) fn handle_results(&mut self, event: Event, now: Now, mut take: impl FnMut(&mut Self, Effect)) {
        let from = match event {
            Event::Output { drone, .. } | Event::Failed { drone, .. } => Some(drone),
            _ => None,
        };
        let mut effects = std::mem::take(&mut self.effects);
        #[cfg(test)]
        let recorded = self.transcript.is_some().then(|| event.clone());
        self.core.handle(event, now.elapsed, &mut effects);
        #[cfg(test)]
        if let Some((transcript, recorded)) = self.transcript.as_mut().zip(recorded) {
            transcript.push((recorded, effects.clone()));
        }
        for effect in effects.drain(..) {
            match effect {
                Effect::Lease(grant) => self.lease(grant),
                Effect::Withdraw { drone, lease, end } => self.fleet.send(drone, Outbound::Shrink { lease, end }),
                Effect::Adopted { drone, leases } => self.adopted(drone, leases),
                // An audit ends with its Queen, so that nobody takes over its lease.
                Effect::Hold { task, .. } if self.audits.of(task).is_some() => {}
                Effect::Hold { lease, drone, task, range } => self.outgoing.hold(lease, drone, task, range),
                Effect::Unhold(lease) => self.outgoing.unhold(lease),
                Effect::Over { drone, lease } => self.note_end(drone, lease, now),
                Effect::Started(task) => self.change_task(task, |record| record.start(now)),
                Effect::Credit { .. } | Effect::Claim { .. } => take(self, effect),
                Effect::Advanced(task) => self.feed.task(task),
                Effect::FailedItem { task, index, blame } => {
                    let error = explain::blame(blame, |drone| self.fleet.name_of(drone));
                    self.member_failed(task, index, error);
                }
                Effect::Ended { task, outcome, done } => self.end(task, outcome, &done, from, now),
                Effect::Quarantined { drone, why } => self.distrusted(drone, &why, now),
                Effect::Disconnect { drone, reason } => {
                    self.fleet.send(drone, Outbound::Goodbye(reason));
                    self.fleet.vacate(drone, Departure::Lost);
                    self.depart(drone, now);
                }
                // The departure of a Drone that is not waited for was told when its connection ended.
                Effect::Forgotten(drone) if self.fleet.is_awaited(drone) => self.depart(drone, now),
                Effect::Forgotten(_) => {}
            }
        }
        self.effects = effects;
    }

    fn lease(&mut self, grant: Grant) {
        let Some((grant, job)) = self.job_of_grant(grant) else { return };
        if grant.range.start == 0 {
            let drone = self.fleet.name_of(grant.drone);
            let task = label(grant.task, job.terms.name.as_deref());
            self.stories.push(Story::Sent { task, drone, job: job.clone() });
        }
        crash::point("dispatch");
        self.fleet.touch(grant.drone);
        self.fleet.send(grant.drone, Outbound::Lease(grant, job));
    }

    /// What is sent of a lease, which may be about a result that is computed a second time.
    fn job_of_grant(&self, grant: Grant) -> Option<(Grant, Job)> {
        if let Some(job) = self.audits.of(grant.task) {
            return Some((Grant { task: job.task, ..grant }, job.clone()));
        }
        let job = self.tasks.get(grant.task)?.job(grant.task);
        Some((grant, job))
    }

    fn adopted(&mut self, drone: DroneId, leases: Vec<Option<(LeaseId, Range<u64>)>>) {
        let taken = leases.iter().flatten().count();
        if !leases.is_empty() {
            let (drone, offered) = (self.fleet.name_of(drone), leases.len());
            self.stories.push(Story::Adopted { drone, taken, offered });
        }
        let adoption = |(lease, range): (_, Range<u64>)| Adoption { lease, from: range.start, to: range.end };
        let leases = leases.into_iter().map(|lease| lease.map(adoption)).collect();
        self.fleet.send(drone, Outbound::Adopted(leases));
    }

    /// Tells that a Drone is gone, or away.
    pub(super) fn depart(&mut self, id: DroneId, now: Now) {
        let is_awaited = self.core.standing(id).is_some_and(|standing| standing.away && standing.leases > 0);
        let Some(departed) = self.fleet.depart(id, is_awaited) else { return };
        let (drone, connected) = (departed.name, departed.connected);
        let (action, how) = match is_awaited {
            true => ("away", "its connection broke; what it computes is kept for it for a while"),
            false => explain::departure(departed.departure, departed.was_awaited),
        };
        self.log_drone(id, action, how.to_owned(), now);
        self.stories.push(match is_awaited {
            true => Story::Away { drone, connected },
            false => {
                Story::Departed { drone, departure: departed.departure, was_awaited: departed.was_awaited, connected }
            }
        });
        self.outgoing.defer(departed.visit);
        self.activities.part(id, if is_awaited { Gap::Away } else { Gap::Gone }, now.elapsed);
        self.feed.drone(id);
    }

    /// The core gives a Drone no more work.
    fn distrusted(&mut self, drone: DroneId, why: &Distrust, now: Now) {
        let reason = explain::distrust(why, |task| self.tasks.label(task));
        self.quarantined(drone, reason, now);
    }

    /// A Drone is in quarantine, which the core knows already or is about to be told.
    pub(super) fn quarantined(&mut self, id: DroneId, reason: String, now: Now) {
        let drone = self.fleet.name_of(id);
        self.log_drone(id, QUARANTINE, reason.clone(), now);
        self.stories.push(Story::Quarantined { drone, reason: reason.clone() });
        self.fleet.quarantine(id, reason.as_str().into());
        self.outgoing.defer(Change::Quarantine { drone: id, reason: Some(reason) });
        self.feed.drone(id);
    }

    /// A task of a batch cannot be computed.
    fn member_failed(&mut self, batch: TaskId, index: u64, error: String) {
        let is_there = self.tasks.get(batch).is_some_and(|record| !record.is_rework());
        // In a rework the result from before stays, and stays suspect.
        if is_there {
            self.note_detached(batch, index, MemberOutcome::Failed(error.into()));
        }
    }

    /// Ends a task of which nothing more is computed; `by`: the Drone that gave its last result, or failed.
    fn end(&mut self, id: TaskId, outcome: Outcome, done: &RangeSet, by: Option<DroneId>, now: Now) {
        let outcome = match outcome {
            Outcome::Failed(blame) => TaskOutcome::Failed(explain::blame(blame, |drone| self.fleet.name_of(drone))),
            Outcome::Done => TaskOutcome::Done,
            Outcome::Cancelled => TaskOutcome::Cancelled,
        };
        self.audits.end(id);
        self.claims.forget(id);
        let Some(record) = self.tasks.get(id) else { return };
        if record.is_rework() {
            return self.end_rework(id, &outcome, now);
        }
        let drone = by.map(|drone| self.fleet.name_of(drone));
        let Some(ending) = self.tasks.change(id, |record| record.end_with(outcome, done, now.moment())) else { return };
        let Some(record) = self.tasks.get(id) else { return };
        if ending.state == TaskState::Done && record.inputs.total() == 1 && !record.inputs.are_implied() {
            self.words.add(now.since(record.created));
        }
        let since = ending.started_at.unwrap_or(record.created.at);
        let end = EndOfTask {
            state: ending.state,
            error: ending.error.clone(),
            digest: record.only_digest(),
            done: ending.done,
            new: ending.done.saturating_sub(record.taken_over()),
            found: record.inputs.are_implied().then_some(ending.found.findings),
            seconds: (ending.finished.at.0 - since.0) as f64 / 1000.0,
            drone,
        };
        if let Some((action, how)) = end.of_note() {
            self.log_task(id, action, how, now);
        }
        self.stories.push(Story::Ended { task: self.tasks.label(id), record: end });
        self.outgoing.push(Change::End(id, Box::new(ending)));
        self.tasks.tell_results(id);
    }

    /// What was suspect of a task that had ended is computed again, or is given up.
    fn end_rework(&mut self, id: TaskId, outcome: &TaskOutcome, now: Now) {
        match outcome {
            TaskOutcome::Done => {
                let Some(corrected) = self.tasks.change(id, |record| record.clear()).flatten() else { return };
                self.reworks -= 1;
                self.log_task(id, "clear", format!("computed again what was suspect: {corrected} were wrong"), now);
                self.stories.push(Story::Cleared { task: self.tasks.label(id), corrected });
                self.outgoing.push(Change::Cleared { task: id, corrected });
                self.feed.task(id);
            }
            // The results stay suspect on disk, and are computed again after the next start of a Queen.
            _ => {
                self.tasks.change(id, |record| record.clear());
                self.reworks -= 1;
                self.leave_memory(id);
            }
        }
    }
}
