//! Why something is not happening.

use wire::ids::{DroneId, TaskId};

use super::dispatch::LOOK;
use super::drone::Drone;
use super::history::History;
use super::scheduler::Core;
use super::status::{Idle, Waiting};
use super::task::Task;

impl Core {
    /// Why nothing of a task is computed; `None` if something is, or if there is no such task.
    pub fn waiting(&self, id: TaskId) -> Option<Waiting> {
        let task = self.tasks.get(id)?;
        if task.is_paused {
            return Some(Waiting::Paused);
        }
        if task.has_leases() || task.with_queen(&(0..task.total())).next().is_some() {
            return None;
        }
        let connected = || self.drones.values().filter(|drone| drone.away_until.is_none());
        let doing = || connected().filter(|drone| drone.does(task.class));
        let able = || connected().filter(|drone| drone.is_able(task));
        Some(match () {
            () if connected().next().is_none() => Waiting::NoDrones,
            () if doing().next().is_none() => Waiting::NoneAble,
            () if able().next().is_none() => Waiting::Material,
            () if able().all(|drone| drone.quarantined) => Waiting::AllQuarantined,
            () if !able().any(Drone::is_usable) => Waiting::AllLeaving,
            () if task.next_run().is_none()
                && task.retries().all(|(_, history)| History::must_be_isolated(history)) =>
            {
                Waiting::Isolation
            }
            () if task.next_run().is_none()
                && task.retries().all(|(_, history)| history.has_failed() && self.has_no_other(task, history)) =>
            {
                Waiting::Again
            }
            () => self.ahead_of(task).map_or(Waiting::Turn, Waiting::Behind),
        })
    }

    /// A task of a higher priority.
    fn ahead_of(&self, task: &Task) -> Option<TaskId> {
        let is_above = |id: &TaskId| self.tasks.get(*id).is_some_and(|other| other.priority > task.priority);
        let waiting = self.tasks.queue().ready().next().filter(is_above);
        // If anybody computes something more urgent, then who has least room.
        let running = || Some(self.leases.get(self.drones.most_urgent()?.most_urgent()?)?.task);
        waiting.or_else(|| running().filter(is_above))
    }

    /// Why a Drone has nothing to do; `None` if it has, or if there is no such Drone.
    pub fn idle(&self, id: DroneId) -> Option<Idle> {
        let drone = self.drones.get(id)?;
        Some(match () {
            () if drone.away_until.is_some() => Idle::Away,
            () if drone.quarantined => Idle::Quarantined,
            () if !drone.is_empty() => return None,
            () if drone.leaving => Idle::Leaving,
            () if self.tasks.is_empty() => Idle::NothingToDo,
            () if self.tasks.queue().tasks() == 0 => Idle::AllPaused,
            () if self.tasks.queue().ready().next().is_none() => Idle::NothingLeft,
            () => {
                let is_able = |task: TaskId| self.tasks.get(task).is_some_and(|task| drone.is_able(task));
                if self.tasks.queue().ready().take(LOOK).any(is_able) { Idle::NothingLeft } else { Idle::NotAble }
            }
        })
    }
}
