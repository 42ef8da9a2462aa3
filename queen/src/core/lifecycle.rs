//! Tasks from their submission to their end, as their users change them.

use std::collections::BTreeSet;
use std::ops::Range;

use wire::ids::TaskId;

use super::effect::{Effect, Outcome};
use super::lease;
use super::scheduler::Core;
use super::task::Task;
use super::time::Time;
use super::trouble::Fault;
use super::work::TaskWork;

impl Core {
    pub(super) fn submit(&mut self, id: TaskId, work: TaskWork, now: Time, effects: &mut Vec<Effect>) {
        let deadline = work.deadline;
        let mut task = Task::new(work);
        self.drones.know(task.class);
        self.items_queued += task.total() - task.done();
        if !task.is_paused {
            self.queue.admit(id, &mut task);
        }
        let is_done = task.is_done();
        self.tasks.insert(id, task);
        self.set_deadline(id, deadline);
        match is_done {
            true => self.end_task(id, Outcome::Done, now, effects),
            false => self.place_task(id, now, effects),
        }
    }

    pub(super) fn set_deadline(&mut self, id: TaskId, deadline: Option<Time>) {
        if let Some(before) = self.task_deadlines.remove(&id) {
            self.by_task_deadline.remove(&(before, id));
        }
        if let Some(deadline) = deadline.filter(|_| self.tasks.get(id).is_some()) {
            self.by_task_deadline.insert((deadline, id));
            self.task_deadlines.insert(id, deadline);
        }
    }

    pub(super) fn pause(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| !task.is_paused) else { return };
        task.is_paused = true;
        self.queue.dismiss(id, task);
        let leases: Vec<_> = lease::in_order(task.leases()).into_iter().map(|lease| (lease, Fault::None)).collect();
        let drones: BTreeSet<_> = leases.iter().filter_map(|(lease, _)| Some(self.leases.get(*lease)?.drone)).collect();
        self.unreserve(id, false);
        self.give_up(&leases, true, now, effects);
        drones.into_iter().for_each(|drone| self.fill(drone, now, effects));
    }

    pub(super) fn resume(&mut self, id: TaskId, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.is_paused) else { return };
        task.is_paused = false;
        self.queue.admit(id, task);
        self.place_task(id, now, effects);
    }

    pub(super) fn set_priority(&mut self, id: TaskId, priority: i8, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.priority != priority) else { return };
        if task.is_paused {
            task.priority = priority;
            return;
        }
        if priority < task.priority {
            // Drones would go on with what they hold of it as the urgent work that it was when it was given to them.
            self.pause(id, now, effects);
            self.set_priority(id, priority, now, effects);
            self.resume(id, now, effects);
            return;
        }
        self.queue.dismiss(id, task);
        task.priority = priority;
        self.queue.admit(id, task);
        self.place_task(id, now, effects);
    }

    pub(super) fn revoke(&mut self, id: TaskId, range: &Range<u64>, now: Time, effects: &mut Vec<Effect>) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let (items, cost) = task.revoke(range);
        if items == 0 {
            return;
        }
        self.items_queued += items;
        if !task.is_paused {
            self.queue.regain(task.priority, task.in_all(cost));
            self.queue.insert(task.priority, task.pass, id);
        }
        effects.push(Effect::Progress(id));
        self.place_task(id, now, effects);
    }

    pub(super) fn end_task(&mut self, id: TaskId, outcome: Outcome, now: Time, effects: &mut Vec<Effect>) {
        self.unreserve(id, true);
        let Some(task) = self.tasks.remove(id) else { return };
        self.items_queued -= task.total() - task.done();
        if !task.is_paused {
            self.queue.dismiss(id, &task);
        }
        self.set_deadline(id, None);
        let mut freed = BTreeSet::new();
        for lease_id in lease::in_order(task.leases()) {
            if let Some(lease) = self.remove_lease(lease_id, effects) {
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
