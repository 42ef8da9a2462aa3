//! Reads the results of a task piece by piece, while it may still run.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use web::hive::{HiveError, ResultBatch, Results, SEGMENT};
use wire::ids::TaskId;

use super::SharedHive;
use crate::kinds::Job;
use crate::kinds::digest::DIGEST;
use crate::store;

/// Pieces that are collected under the lock at a time.
const PIECES: usize = 1024;

/// A reader of results that are all there.
pub(super) struct Reader {
    pub(super) hive: SharedHive,
    pub(super) task: TaskId,
    pub(super) job: Arc<Job>,
    pub(super) rest: Range<u64>,
}

#[async_trait]
impl Results for Reader {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let first = self.rest.start;
        let inputs = &self.job.work.inputs;
        let most = (SEGMENT / DIGEST) as u64;
        let end = self.rest.end.min(inputs.segment_end(first)).min(first + most);
        let pieces = self.hive.lock().record(self.task)?.outputs.pieces(&(first..end), DIGEST, PIECES);
        let digests = store::join(pieces);
        let range = first..first + (digests.len() / DIGEST) as u64;
        if range.is_empty() {
            tracing::error!(task = %self.task, index = first, "a result that was done is not in the store");
            return Err(HiveError::Internal(format!("result {first} of task {} is missing", self.task)));
        }
        self.rest.start = range.end;
        Ok(Some(ResultBatch::Digest { first, inputs: inputs.part(&range), digests }))
    }
}
