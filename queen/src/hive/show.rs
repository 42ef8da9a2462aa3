//! What users are shown of tasks and Drones in memory.

use std::time::Duration;

use web::access::TokenId;
use web::model::{DroneView, TaskState, TaskView};
use wire::ids::{DroneId, TaskId};

use super::explain;
use super::record::Record;
use super::state::State;
use super::views::{as_member, failed};
use crate::clock::Now;
use crate::core::Waiting;
use crate::store::Stored;

impl State {
    /// A task in memory, or one of a batch that is.
    pub(super) fn view(&self, id: TaskId, now: Now) -> Option<TaskView> {
        match self.tasks.get(id) {
            Some(record) => Some(self.view_of(id, record, now)),
            None => self.member_view(id, false, now),
        }
    }

    fn view_of(&self, id: TaskId, record: &Record, now: Now) -> TaskView {
        let mut view = record.view(id, self.core.task(id, now.elapsed));
        if !view.state.has_ended() {
            let unwritten = self.disk.fault.as_deref().filter(|_| record.is_over());
            view.waiting_because = match unwritten {
                Some(fault) => Some(format!("its end cannot be written: {fault}")),
                None => self.core.waiting(id).map(|why| self.waiting(why, record.terms.owner_id())),
            };
        }
        view
    }

    /// A task that is in a batch in memory, and has not left it for a row of its own. `is_ahead`: its
    /// result, or failure, need not be on disk.
    pub(super) fn member_view(&self, id: TaskId, is_ahead: bool, now: Now) -> Option<TaskView> {
        let (batch, index) = self.tasks.member(id)?;
        let record = self.tasks.get(batch)?;
        let members = record.members()?;
        let mut view = match members.detached(index) {
            Some(None) => return None,
            Some(Some(error)) if is_ahead || !members.is_failing(index) => {
                failed(id, &stored_batch(batch, record), error)
            }
            _ => {
                let mut view = if is_ahead { record.view_ahead(batch, None) } else { record.view(batch, None) };
                let item = self.core.item(batch, index).filter(|_| !view.state.has_ended() && !record.is_rework());
                view.done = u64::from(members.has_stored(index) || is_ahead && record.has_output(index));
                match view.done {
                    1 => view.state = TaskState::Done,
                    _ if view.state == TaskState::Running && item == Some(false) => view.state = TaskState::Pending,
                    _ => {}
                }
                view
            }
        };
        if !view.state.has_ended() {
            let why = if view.state == TaskState::Running { None } else { self.core.waiting(batch) };
            view.waiting_because = why.map(|why| self.waiting(why, view.owner_id));
            let eta = self.core.task(batch, now.elapsed).and_then(|status| status.eta);
            view.eta_seconds = eta.map(|eta| eta.as_secs_f64());
        }
        Some(as_member(view, id, batch))
    }

    /// Why nothing of a task of this owner is computed, in words, which do not say what tasks of other
    /// owners are called.
    fn waiting(&self, why: Waiting, owner: Option<TokenId>) -> String {
        let owner_of = |id| self.tasks.get(id).and_then(|record| record.terms.owner_id());
        explain::waiting(why, |task| (owner.is_none() || owner_of(task) == owner).then(|| self.tasks.label(task)))
    }

    /// How long ago the oldest task was submitted that is pending.
    pub(super) fn oldest_pending(&self, now: Now) -> Option<Duration> {
        let oldest = self.tasks.get(self.tasks.oldest(TaskState::Pending).next()?)?;
        Some(now.since(oldest.created))
    }

    /// A Drone that is connected, or was lately.
    pub(super) fn drone(&self, id: DroneId, now: Now) -> Option<DroneView> {
        let mut status = self.core.drone(id, now.elapsed);
        if let Some(status) = &mut status {
            // A result that is computed a second time is a task of its own in the core.
            status.tasks.iter_mut().for_each(|id| *id = self.audits.of(*id).map_or(*id, |job| job.task));
            status.tasks.dedup();
        }
        self.fleet.view(id, status)
    }
}

/// A batch that is in memory as its row would say it.
fn stored_batch(batch: TaskId, record: &Record) -> Stored {
    Stored {
        id: batch,
        terms: record.terms.clone(),
        created: record.created,
        total: record.inputs.total(),
        started_at: record.started_at(),
        ending: record.ending().cloned(),
        paused: record.is_paused(),
        suspect: false,
        corrected: 0,
    }
}
