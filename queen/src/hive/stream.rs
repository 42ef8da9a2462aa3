//! The task stream: what Drones say of their work becomes columns, and a page of them is read.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use web::hive::{HiveError, StreamQuery};
use web::model::{
    Doing, Gap, LEASES_SHOWN, LeaseState, LeaseView, STREAM_COLUMNS, STREAM_PAGE, STREAM_TASKS, StreamDrone,
    StreamTask, StreamView, Timestamp,
};
use wire::ids::{DroneId, TaskId};

use super::activity::EndedLease;
use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::core::{Idle, LeaseEnd, LeaseSummary, Time};

impl SharedHive {
    /// A page of the task stream. Tasks that have ended are read from the disk for their names.
    pub(super) async fn stream_page(&self, query: &StreamQuery) -> Result<StreamView, HiveError> {
        let (mut page, ended) = {
            let state = self.serving()?;
            let page = state.stream_page(query, self.now());
            let has_ended = |task: &StreamTask| state.tasks.get(task.id).is_none();
            let ended: BTreeSet<_> = page.tasks.iter().filter(|task| has_ended(task)).map(|task| task.id).collect();
            (page, ended)
        };
        for task in page.tasks.iter_mut().filter(|task| ended.contains(&task.id)) {
            // One that was removed has no name any more.
            task.name = self.elsewhere(task.id).await.ok().and_then(|view| view.name);
        }
        Ok(page)
    }
}

impl State {
    /// A Drone says for how long its threads have computed, which is told together with what it has to do.
    pub(super) fn note_beat(&mut self, drone: DroneId, busy_ns: u64, now: Now) {
        let begun = self.core.computes(drone).map(|task| self.seen_as(task));
        let gap = self.gap(drone);
        self.activities.beat(drone, busy_ns, begun, gap, now.elapsed);
    }

    /// Results came of a Drone, which took so much thread time.
    pub(super) fn note_output(&mut self, drone: DroneId, task: TaskId, spent: Time, now: Now) {
        let task = self.seen_as(task);
        self.activities.compute(drone, task, spent, now.elapsed);
    }

    /// A lease has ended.
    pub(super) fn note_end(&mut self, drone: DroneId, lease: LeaseSummary<LeaseEnd>, now: Now) {
        let lease = LeaseSummary { task: self.seen_as(lease.task), ..lease };
        self.activities.end_lease(drone, lease, now.elapsed);
    }

    /// What users see of a task of the core: a result that is computed a second time is a task of its own there.
    fn seen_as(&self, task: TaskId) -> TaskId {
        self.audits.of(task).map_or(task, |job| job.task)
    }

    /// Why a Drone's threads do nothing, if they do nothing.
    fn gap(&self, drone: DroneId) -> Option<Gap> {
        Some(match self.core.idle(drone) {
            Some(Idle::NothingToDo | Idle::NothingLeft) => Gap::NoWork,
            Some(Idle::AllPaused) => Gap::Paused,
            Some(Idle::NotAble) => Gap::Unable,
            Some(Idle::Leaving) => Gap::Leaving,
            Some(Idle::Quarantined) => Gap::Quarantined,
            Some(Idle::Away) => Gap::Away,
            None if self.core.standing(drone).is_none() => return None,
            None if self.disk.fault.is_some() || self.fleet.has_unstored(drone) => Gap::Disk,
            None => Gap::Starting,
        })
    }

    /// A page of the task stream, in which the names of some tasks may lack.
    fn stream_page(&self, query: &StreamQuery, now: Now) -> StreamView {
        let window = query.window;
        let was_here = |id: &DroneId| self.activities.was_here(*id, window.seconds(), now.elapsed);
        let meant = self.fleet.all().filter(was_here).filter(|id| self.is_meant(*id, query));
        let behind = query.page.saturating_sub(1).saturating_mul(STREAM_PAGE as u64);
        let mut page = meant.skip(usize::try_from(behind).unwrap_or(usize::MAX));
        let drones: Vec<_> = page.by_ref().take(STREAM_PAGE).filter_map(|id| self.stream_of(id, query, now)).collect();
        let next_page = page.next().map(|_| query.page + 1);
        let (tasks, other_tasks) = self.stream_tasks(&drones);
        let end = now.elapsed.as_secs().next_multiple_of(window.step_seconds().into());
        let from = end as i64 - i64::from(window.seconds());
        StreamView {
            step_seconds: window.step_seconds(),
            columns: STREAM_COLUMNS as u32,
            from: Timestamp(started_at(now).0 + from * 1000),
            drones,
            tasks,
            other_tasks,
            next_page,
        }
    }

    /// Whether a Drone is among those that are asked for.
    fn is_meant(&self, id: DroneId, query: &StreamQuery) -> bool {
        self.fleet.is_called_so(id, query.name.as_deref())
            && query.state.is_none_or(|state| self.drone_state(id) == Some(state))
    }

    fn stream_of(&self, id: DroneId, query: &StreamQuery, now: Now) -> Option<StreamDrone> {
        let state = self.drone_state(id)?;
        let runs = self.activities.read(id, query.window, now.elapsed);
        Some(StreamDrone { id, name: self.fleet.name_of(id), state, runs })
    }

    /// The tasks of which these Drones computed most, and how many others there are.
    fn stream_tasks(&self, drones: &[StreamDrone]) -> (Vec<StreamTask>, u64) {
        let mut sums: BTreeMap<TaskId, f64> = BTreeMap::new();
        for (doing, share) in drones.iter().flat_map(StreamDrone::shares) {
            if let Doing::Task(task) = doing {
                *sums.entry(task).or_default() += share;
            }
        }
        let all: f64 = sums.values().sum();
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        let others = sums.len().saturating_sub(STREAM_TASKS) as u64;
        let name = |id| self.tasks.get(id)?.terms.name.as_deref().map(Into::into);
        let task = |(id, sum): (TaskId, f64)| StreamTask { id, name: name(id), share: sum / all };
        (sums.into_iter().take(STREAM_TASKS).map(task).collect(), others)
    }

    /// The leases that a Drone has, the most urgent first, and those that ended in the last minute, the last one first.
    pub(super) fn leases_of(&self, id: DroneId, now: Now) -> Vec<LeaseView> {
        let held = self.core.leases(id).take(LEASES_SHOWN).map(|lease| {
            let state = if lease.state { LeaseState::Running } else { LeaseState::Waiting };
            let task = self.seen_as(lease.task);
            view(&LeaseSummary { task, ..lease }, state, None, now)
        });
        let ended = self.activities.ended_leases(id, now.elapsed).map(|EndedLease { lease, at }| {
            let state = match lease.state {
                LeaseEnd::Done => LeaseState::Done,
                LeaseEnd::Returned => LeaseState::Returned,
                LeaseEnd::Failed => LeaseState::Failed,
                LeaseEnd::Withdrawn => LeaseState::Withdrawn,
                LeaseEnd::Expired => LeaseState::Expired,
            };
            view(lease, state, Some(*at), now)
        });
        held.chain(ended).collect()
    }
}

fn view<S>(lease: &LeaseSummary<S>, state: LeaseState, ended: Option<Time>, now: Now) -> LeaseView {
    let at = |time: Time| Timestamp(started_at(now).0 + i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
    LeaseView {
        task: lease.task,
        from: lease.range.start,
        to: lease.range.end,
        reached: lease.reached,
        state,
        given_at: at(lease.granted),
        ended_at: ended.map(at),
        busy_seconds: lease.spent.as_secs_f64(),
    }
}

/// When the Queen started, by the wall clock as it stands now.
fn started_at(now: Now) -> Timestamp {
    Timestamp(now.at.0.saturating_sub(i64::try_from(now.elapsed.as_millis()).unwrap_or(i64::MAX)))
}
