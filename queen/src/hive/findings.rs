//! Reading what searches have found.

use std::ops::Range;

use async_trait::async_trait;
use web::hive::{Finding as FindingView, HiveError, ResultBatch, Results};
use web::model::TaskView;
use wire::blob::SharedBlob;
use wire::ids::TaskId;

use super::refusal::{no_search, unreadable};
use super::shared::SharedHive;
use crate::kinds::search::Looker;
use crate::work::{Finding, Inputs, Job};

/// Findings of one batch.
const BATCH: usize = 2048;

/// A reader of what a search has found, in the order of its candidates.
pub(super) struct FindingReader {
    hive: SharedHive,
    job: Job,
    /// Which findings are still to be read, by their number in that order.
    rest: Range<u64>,
    /// How many were passed over or read, and the candidate of the last of them.
    passed: u64,
    after: Option<u64>,
}

impl FindingReader {
    pub(super) fn new(hive: &SharedHive, job: Job, rest: Range<u64>) -> Self {
        Self { hive: hive.clone(), job, rest, passed: 0, after: None }
    }

    /// The next findings in the order of their candidates.
    pub(super) async fn page(&mut self, limit: usize) -> Result<Vec<Finding>, HiveError> {
        let (task, after) = (self.job.task, self.after);
        let in_memory = self
            .hive
            .lock()
            .tasks
            .get(task)
            .and_then(|record| record.search_state().map(|search_state| search_state.findings(after, limit)));
        let page = match in_memory {
            Some(page) => page,
            None => self.hive.read(move |reader| reader.findings(task, after, limit)).await.map_err(unreadable)?,
        };
        if let Some(last) = page.last() {
            (self.passed, self.after) = (self.passed + page.len() as u64, Some(last.index));
        }
        Ok(page)
    }
}

#[async_trait]
impl Results for FindingReader {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        while self.passed < self.rest.start {
            let limit = usize::try_from(self.rest.start - self.passed).unwrap_or(BATCH).min(BATCH);
            if self.page(limit).await?.is_empty() {
                return Ok(None);
            }
        }
        let limit = usize::try_from(self.rest.end.saturating_sub(self.rest.start)).unwrap_or(BATCH).min(BATCH);
        if limit == 0 {
            return Ok(None);
        }
        let first = self.rest.start;
        let page = self.page(limit).await?;
        if page.is_empty() {
            return Ok(None);
        }
        self.rest.start += page.len() as u64;
        Ok(Some(ResultBatch::Findings { first, findings: shown(&self.job, &page) }))
    }

    fn pause(&mut self, next: u64) -> bool {
        let keeps = self.hive.inner.memory.readers.is_ample();
        if !keeps {
            (self.rest.start, self.passed, self.after) = (next, 0, None);
        }
        keeps
    }
}

/// Findings with their candidates.
pub(super) fn shown(job: &Job, findings: &[Finding]) -> Vec<FindingView> {
    let (Some(search), Inputs::Large(large)) = (job.kind().search(), &job.inputs) else { return Vec::new() };
    let nothing = SharedBlob::default();
    let mut looker = Looker::new(search, large, nothing.as_blob());
    let show = |finding: &Finding| {
        let Finding { index, digest } = *finding;
        FindingView { index, plain: looker.plain(index), digest }
    };
    findings.iter().map(show).collect()
}

impl SharedHive {
    /// A search: the task at this moment, and what it is to find, without digests that are a long secret.
    ///
    /// # Errors
    /// If it is nowhere, cannot be read, or is no search.
    pub(super) async fn search(&self, id: TaskId) -> Result<(TaskView, Job), HiveError> {
        let task = web::hive::Hive::task(self, id).await?;
        if task.search.is_none() {
            return Err(no_search(id, task.name.as_deref()));
        }
        let in_memory = self.lock().tasks.get(id).map(|record| record.job(id));
        let job = match in_memory {
            Some(job) => Some(job),
            None => self.read(move |reader| reader.job(id)).await.map_err(unreadable)?,
        };
        Ok((task, job.ok_or(HiveError::TaskGone(id))?))
    }
}
