//! Where a task is, and what there is of it.

use std::ops::Range;

use tokio::sync::oneshot;
use web::hive::{HiveError, ResultsFound};
use web::model::{TaskState, TaskView};
use wire::ids::TaskId;

use super::findings::FindingReader;
use super::record_views::Completion;
use super::refusal::unreadable;
use super::results::ResultReader;
use super::shared::SharedHive;
use super::state::State;
use super::views::{member_of_stored, stored_view};
use crate::clock::Now;
use crate::store::{Stored, StoredMember};
use crate::work::{Job, Piece};

/// What there is of a task that is not in memory for itself.
enum TaskLocation {
    /// It is in a batch that is in memory.
    InBatch(Box<TaskView>, Member),
    /// It is on disk.
    Stored(Stored),
    /// It is in a batch that is on disk.
    InStoredBatch(StoredMember),
}

/// A task of a batch in memory.
pub(super) struct Member {
    pub(super) batch: TaskId,
    pub(super) index: u64,
    /// What is computed of the batch.
    pub(super) job: Job,
}

impl TaskLocation {
    fn view(self, id: TaskId) -> TaskView {
        match self {
            Self::InBatch(view, _) => *view,
            Self::Stored(stored) => stored_view(&stored),
            Self::InStoredBatch(member) => member_of_stored(id, &member),
        }
    }
}

impl State {
    /// A task that is in a batch in memory.
    pub(super) fn member(&self, id: TaskId) -> Option<Member> {
        let (batch, index) = self.tasks.member(id)?;
        Some(Member { batch, index, job: self.tasks.get(batch)?.job(batch) })
    }

    /// Where it is told that the task has ended and that is on disk; `None` if there is nothing to wait for.
    pub(super) fn wait_for_end(&mut self, id: TaskId, now: Now) -> Option<oneshot::Receiver<()>> {
        let has_ended = match self.tasks.get(id) {
            Some(record) => record.state().has_ended(),
            None => self.member_view(id, false, now)?.state.has_ended(),
        };
        (!has_ended).then(|| self.tasks.waiters.for_end(id))
    }

    /// Where it is told what has come of a task, once it is computed or has ended otherwise; `None` if that was
    /// before, or it is not in memory.
    pub(super) fn wait_for_results(&mut self, id: TaskId) -> Option<oneshot::Receiver<Completion>> {
        self.tasks.get(id).filter(|record| !record.is_over())?;
        Some(self.tasks.waiters.for_results(id))
    }
}

impl SharedHive {
    /// Finds a task that is not in memory for itself.
    ///
    /// # Errors
    /// If it is nowhere, or cannot be read.
    async fn locate(&self, id: TaskId) -> Result<TaskLocation, HiveError> {
        let missing = {
            let state = self.lock();
            if let Some((view, member)) = state.member_view(id, true, self.now()).zip(state.member(id)) {
                return Ok(TaskLocation::InBatch(Box::new(view), member));
            }
            state.tasks.missing(id)
        };
        if !matches!(missing, HiveError::TaskGone(_)) {
            return Err(missing);
        }
        let found = self.read(move |reader| match reader.task(id)? {
            Some(stored) => Ok(Some(TaskLocation::Stored(stored))),
            None => Ok(reader.member(id)?.filter(StoredMember::is_inside).map(TaskLocation::InStoredBatch)),
        });
        found.await.map_err(unreadable)?.ok_or(missing)
    }

    /// A task that is not in memory for itself.
    pub(super) async fn elsewhere(&self, id: TaskId) -> Result<TaskView, HiveError> {
        Ok(self.locate(id).await?.view(id))
    }

    /// A task that has ended and is not in memory for itself.
    pub(super) async fn ended_elsewhere(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let view = self.elsewhere(id).await?;
        match view.state.has_ended() {
            true => Ok(view),
            // It left memory when it ended, and that was written before.
            false => Err(self.lock().tasks.missing(id)),
        }
    }

    /// Whether a task that was there has been removed.
    pub(super) async fn is_gone(&self, id: TaskId) -> bool {
        let is_here = self.lock().tasks.get(id).is_some();
        !is_here && matches!(self.elsewhere(id).await, Err(HiveError::TaskGone(_)))
    }

    /// Waits for what comes of a task.
    pub(super) async fn awaited(
        &self,
        id: TaskId,
        waiting: oneshot::Receiver<Completion>,
    ) -> Result<ResultsFound, HiveError> {
        // An error means that the task is gone, which who waits is told now.
        let Ok(Completion { task, job, prefix, kept }) = waiting.await else {
            return self.results_of(id, 0..u64::MAX).await;
        };
        self.found(task, job, 0..prefix, kept).await
    }

    /// The results of a task in `range`, as far as they are there without a gap from the first on.
    pub(super) async fn results_of(&self, id: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError> {
        let in_memory = {
            let state = self.serving()?;
            let running = state.core.task(id, self.now().elapsed);
            let record = state.tasks.get(id);
            record.map(|record| {
                let view = record.view_ahead(id, running);
                let prefix = if view.search.is_some() { view.results() } else { record.status(running).prefix };
                (view, prefix, record.job(id))
            })
        };
        let (task, prefix, job) = match in_memory {
            Some(found) => found,
            None => match self.locate(id).await? {
                TaskLocation::InBatch(view, Member { index, job, .. }) => {
                    return Ok(self.found_in(*view, job, index, &range));
                }
                TaskLocation::InStoredBatch(member) => {
                    let batch = member.batch.id;
                    let job = self.read(move |reader| reader.job(batch)).await.map_err(unreadable)?;
                    let (view, job) = (member_of_stored(id, &member), job.ok_or(HiveError::TaskGone(id))?);
                    return Ok(self.found_in(view, job, member.index, &range));
                }
                TaskLocation::Stored(stored) => {
                    let view = stored_view(&stored);
                    let whole = (view.search.is_some() || view.done == view.total).then(|| view.results());
                    let found = self.read(move |reader| {
                        let prefix = match whole {
                            Some(whole) => whole,
                            None => reader.prefix(id)?,
                        };
                        Ok((prefix, reader.job(id)?))
                    });
                    let (prefix, job) = found.await.map_err(unreadable)?;
                    (view, prefix, job.ok_or(HiveError::TaskGone(id))?)
                }
            },
        };
        let end = range.end.min(prefix);
        self.found(task, job, range.start.min(end)..end, None).await
    }

    /// The results in `range`, which are there.
    async fn found(
        &self,
        task: TaskView,
        job: Job,
        range: Range<u64>,
        kept: Option<Vec<Piece>>,
    ) -> Result<ResultsFound, HiveError> {
        if job.inputs.are_implied() {
            let results = Box::new(FindingReader::new(self, job, range.clone()));
            return Ok(ResultsFound { task, range, is_whole: true, results });
        }
        let is_whole = self.detached(&job, range.clone(), 1).await?.is_empty();
        let results = Box::new(ResultReader::new(self, job, range.clone(), kept));
        Ok(ResultsFound { task, range, is_whole, results })
    }

    /// The result of a task that is in a batch, if that is there.
    fn found_in(&self, task: TaskView, batch: Job, index: u64, asked: &Range<u64>) -> ResultsFound {
        let end = asked.end.min(u64::from(task.state == TaskState::Done));
        let range = asked.start.min(end)..end;
        let rest = index + range.start..index + range.end;
        let results = Box::new(ResultReader::of_member(self, batch, index, rest));
        ResultsFound { task, range, is_whole: true, results }
    }
}
