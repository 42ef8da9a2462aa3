//! The scheduler: a deterministic state machine over intervals.
//!
//! It knows tasks, ranges, leases, Drones and time; never strings, digests, sockets or files.
//! [`Core::handle`] takes an [`Event`] and the time and appends [`Effect`]s, in the order in
//! which they have to take place; [`Core::next_deadline`] says when it wants an
//! [`Event::Tick`]. There is no clock, no randomness and no hash map in here, so that the
//! same events give the same effects.
//!
//! A task is an interval `0..total`. Each index is pending, leased or done, in
//! [`task::Task`]'s sets, and moves only `pending -> leased -> done` or back to pending when a
//! lease ends early, or when its result turns out to be worth nothing. Of a task of which each
//! item is computed twice it moves back to pending once, for another Drone; where there is none
//! it is with the Queen before it is done.
//! [`queue::Queue`] decides which task is next, [`drone::Drone`] whether a Drone has room,
//! [`sizing`] how much of the task it gets; [`dispatch`] puts the three together, and
//! [`steal`] gives an idle Drone what others have too much of. [`fleet`] is about Drones that
//! come, fall silent, go and come back, [`output`] about results, [`failure`] and [`release`]
//! about leases that end early and whose fault that is, [`isolation`] about ranges that may be
//! what ends Drones, and [`explain`] about why something is not happening.
//!
//! All of these change one state, [`scheduler::Core`]; of that [`tasks`], [`leases`] and
//! [`roster`] each keep their part and the indexes of it.

mod coverage;
mod credit;
mod deadlines;
mod detach;
mod dispatch;
mod drone;
mod effect;
mod event;
mod explain;
mod failure;
mod finish;
mod fleet;
mod history;
mod intervals;
#[cfg(test)]
mod invariants;
mod isolation;
mod lease;
mod leases;
mod ledger;
mod lifecycle;
mod meter;
mod output;
mod queries;
mod queue;
mod release;
mod roster;
mod scheduler;
mod sizing;
mod status;
mod steal;
mod task;
mod tasks;
#[cfg(test)]
mod tests;
mod time;
mod timeouts;
mod work;

pub use effect::{Blame, Distrust, Effect, Grant, Outcome};
pub use event::{Event, LeaseProgress};
pub use failure::ATTEMPTS_OF_ONLY_DRONE;
pub use intervals::RangeSet;
pub use ledger::Ledger;
pub use release::MAX_DEATHS;
pub use scheduler::Core;
pub use status::{
    DroneStatus, Idle, LeaseCounts, LeaseEnd, LeaseStatus, LeaseSummary, Part, Standing, Status, Totals, Waiting,
};
pub use time::Time;
pub use timeouts::Timeouts;
pub use wire::work::Class;
pub use work::{Ability, Segment, Speed, TaskWork};

use history::EndCause;
use output::{Output, Validity};

impl Core {
    /// Takes in what happened; `now` never goes back.
    pub fn handle(&mut self, event: Event, now: Time, effects: &mut Vec<Effect>) {
        match event {
            Event::Submit { task, work } => self.submit(task, work, now, effects),
            Event::Cancel { task } => self.end_task(task, Outcome::Cancelled, now, effects),
            Event::Pause { task } => self.pause(task, now, effects),
            Event::Resume { task } => self.resume(task, now, effects),
            Event::SetPriority { task, priority } => self.set_priority(task, priority, now, effects),
            Event::SetDeadline { task, deadline } => self.tasks.set_deadline(task, deadline),
            Event::Revoke { task, range } => self.revoke(task, &range, now, effects),
            Event::Finish { task, from } => self.finish(task, from, now, effects),
            Event::Detach { task, index } => self.detach(task, index, now, effects),
            Event::Inherit { drone, held } => self.inherit(drone, held, now, effects),
            Event::Join { drone, ability, trusted, offers } => {
                self.join(drone, ability, trusted, &offers, now, effects);
            }
            Event::Heartbeat { drone, progress, computed } => self.heartbeat(drone, &progress, computed, now, effects),
            Event::Output { drone, lease, range, spent } => {
                self.output(Output { drone, lease, range, spent, validity: Validity::Final }, now, effects);
            }
            Event::Claim { drone, lease, range, spent, is_kept } => {
                let validity = Validity::Claim { is_kept };
                self.output(Output { drone, lease, range, spent, validity }, now, effects);
            }
            Event::Second { task, range, agrees } => self.second(task, &range, agrees, now, effects),
            Event::Failed { drone, lease, reason } => self.failed(drone, lease, &reason, now, effects),
            Event::InputsUnavailable { task, reason } => {
                self.end_task(task, Outcome::Failed(Blame::Inputs { reason }), now, effects);
            }
            Event::Excuse { drone, was_heard } => self.excuse(drone, was_heard, now),
            Event::HandBack { drone, leases } => self.hand_back(drone, &leases, now, effects),
            Event::Leaving { drone } => self.leaving(drone),
            Event::Quarantine { drone } => self.quarantine(drone, now, effects),
            Event::Pardon { drone } => self.pardon(drone, now, effects),
            Event::Disconnected { drone } => self.disconnected(drone, now, effects),
            Event::Gone { drone } => self.gone(drone, EndCause::None, now, effects),
            Event::Tick => self.tick(now, effects),
        }
    }

    /// When the next [`Event::Tick`] is due.
    pub fn next_deadline(&self) -> Option<Time> {
        let drone = self.drones.first_deadline().map(|(deadline, _)| deadline);
        let task = self.tasks.first_deadline().map(|(deadline, _)| deadline);
        [drone, task, self.next_recording()].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Time, effects: &mut Vec<Effect>) {
        while let Some((_, task)) = self.tasks.first_deadline().filter(|(deadline, _)| *deadline <= now) {
            self.end_task(task, Outcome::Failed(Blame::Deadline), now, effects);
        }
        self.tick_drones(now, effects);
        self.record_leases(now, effects);
    }
}
