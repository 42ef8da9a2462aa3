//! What users see of a task in memory, and what who waits for it is given.

use bytes::Bytes;
use web::model::TaskView;
use wire::ids::TaskId;

use super::record::Record;
use super::run_state::EndState;
use super::views::{finish, set_progress, view};
use crate::core::Status;
use crate::work::{Inputs, Job, Piece};

/// What has come of a task, for who need not look it up then.
pub(super) struct Completion {
    pub(super) task: TaskView,
    pub(super) job: Job,
    /// Where the results end that can be read without a gap.
    pub(super) prefix: u64,
    /// The results themselves, if they are few.
    pub(super) kept: Option<Vec<Piece>>,
}

impl Record {
    /// Where it stands, by the core while the core knows it.
    pub(super) fn status(&self, running: Option<Status>) -> Status {
        let ended = || self.end().map(|end| Status { done: end.ending.done, prefix: end.prefix, ..Status::default() });
        match self.is_rework() {
            // The results from before can be read while some of them are computed again.
            true => ended().unwrap_or_default(),
            false => running.or_else(ended).unwrap_or_default(),
        }
    }

    /// The task as users see it.
    pub(super) fn view(&self, id: TaskId, running: Option<Status>) -> TaskView {
        let mut view = view(id, &self.terms, self.inputs.total(), self.created);
        let status = self.status(running);
        view.state = self.state();
        view.started_at = self.started_at();
        (view.done, view.rate) = (status.done, status.rate);
        view.eta_seconds = status.eta.map(|eta| eta.as_secs_f64());
        if let Some(EndState { ending, is_settled: true, .. }) = self.end() {
            finish(&mut view, ending);
        }
        let doubtful =
            if self.is_rework() { view.total - running.map_or(view.total, |running| running.done) } else { 0 };
        set_progress(&mut view, &self.terms, self.found(), doubtful);
        view.suspect = self.is_rework();
        view.corrected = self.corrected();
        view
    }

    /// The task as users see it, ended already if only the store has yet to take its end.
    pub(super) fn view_ahead(&self, id: TaskId, running: Option<Status>) -> TaskView {
        let mut view = self.view(id, running);
        if let Some(EndState { ending, .. }) = self.end() {
            finish(&mut view, ending);
        }
        view
    }

    /// What has come of it, now that it is over.
    pub(super) fn completion(&self, id: TaskId) -> Completion {
        let task = self.view_ahead(id, None);
        let prefix = if task.search.is_some() { task.results() } else { self.status(None).prefix };
        let is_small = matches!(self.inputs, Inputs::Small(_));
        let kept = self.outputs().filter(|_| is_small).map(|outputs| outputs.pieces(&(0..prefix), usize::MAX).0);
        Completion { task, job: self.job(id), prefix, kept }
    }

    /// The digest of a task with one input.
    pub(super) fn only_digest(&self) -> Option<Bytes> {
        let (pieces, _) = self.outputs().filter(|_| self.inputs.total() == 1)?.pieces(&(0..1), 1);
        pieces.into_iter().next().map(|piece| piece.bytes)
    }
}
