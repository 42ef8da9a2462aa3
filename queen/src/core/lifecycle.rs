//! Tasks from their submission to their end, as their users change them.

use std::collections::BTreeSet;
use std::ops::Range;

use wire::ids::TaskId;

use super::effect::{Effect, Outcome};
use super::history::EndCause;
use super::lease;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::task::Task;
use super::time::Time;
use super::work::TaskWork;

impl Core {
    pub(super) fn submit(&mut self, id: TaskId, work: TaskWork, now: Time, effects: &mut Vec<Effect>) {
        let deadline = work.deadline;
        let task = Task::new(work);
        self.drones.add_class(task.class);
        let is_done = task.is_done();
        self.tasks.insert(id, task);
        self.tasks.set_deadline(id, deadline);
        match is_done {
            true => self.end_task(id, Outcome::Done, now, effects),
            false => self.place_task(id, now, effects),
        }
    }

    pub(super) fn pause(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(id).filter(|task| !task.is_paused) else { return };
        let leases: Vec<_> = lease::in_order(task.leases()).into_iter().map(|lease| (lease, EndCause::None)).collect();
        let mut drones: BTreeSet<_> =
            leases.iter().filter_map(|(lease, _)| Some(self.leases.get(*lease)?.drone)).collect();
        self.tasks.change(id, |task| task.is_paused = true);
        let waiting = self.end_isolation_of_task(id);
        drones.extend(waiting.iter().filter_map(|(_, emptied)| *emptied));
        self.isolated.extend(waiting.into_iter().map(|(key, _)| (key, None)));
        self.give_up(&leases, true, LeaseEnd::Withdrawn, now, effects);
        drones.into_iter().for_each(|drone| self.fill(drone, now, effects));
    }

    pub(super) fn resume(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        if self.tasks.change(id, |task| std::mem::replace(&mut task.is_paused, false)) == Some(true) {
            self.place_task(id, now, effects);
        }
    }

    pub(super) fn set_priority(&mut self, id: TaskId, priority: i8, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get(id).filter(|task| task.priority != priority) else { return };
        let is_paused = task.is_paused;
        if priority < task.priority && !is_paused {
            // Drones would go on with what they hold of it as the urgent work that it was when it was given to them.
            self.pause(id, now, effects);
            self.set_priority(id, priority, now, effects);
            self.resume(id, now, effects);
            return;
        }
        self.tasks.change(id, |task| task.priority = priority);
        if !is_paused {
            self.place_task(id, now, effects);
        }
    }

    pub(super) fn revoke(&mut self, id: TaskId, range: &Range<u64>, now: Time, effects: &mut Vec<Effect>) {
        if self.tasks.change(id, |task| task.revoke(range)) == Some(true) {
            effects.push(Effect::Advanced(id));
            self.place_task(id, now, effects);
        }
    }

    pub(super) fn end_task(&mut self, id: TaskId, outcome: Outcome, now: Time, effects: &mut Vec<Effect>) {
        let waiting = self.end_isolation_of_task(id);
        let Some(task) = self.tasks.remove(id) else { return };
        let mut freed: BTreeSet<_> = waiting.into_iter().filter_map(|(_, emptied)| emptied).collect();
        for lease_id in lease::in_order(task.leases()) {
            if let Some(lease) = self.remove_lease(lease_id, LeaseEnd::Withdrawn, effects) {
                effects.push(Effect::Withdraw { drone: lease.drone, lease: lease_id, end: lease.next });
                freed.insert(lease.drone);
            }
        }
        effects.push(Effect::Ended { task: id, outcome, done: task.into_done() });
        for drone in freed {
            self.fill(drone, now, effects);
        }
    }
}
