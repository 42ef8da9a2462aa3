//! What was asked for with a task, so that the same can be asked for again.

use std::ops::Range;

use web::hive::{HiveError, Original};
use web::kinds::search::Sought;
use wire::blob::{BlobBuf, SharedBlob};
use wire::ids::TaskId;

use super::refusal::unreadable;
use super::shared::SharedHive;
use crate::work::{Inputs, Job};

/// A search that takes more memory is not given as a whole, in bytes.
const SEARCH_MAX: usize = 1 << 20;

/// Characters of a digest on a line of its own.
const LINE: u64 = 65;

impl SharedHive {
    /// What was asked for with a task, with inputs or digests of at most so many bytes.
    ///
    /// # Errors
    /// If it is nowhere, or cannot be read.
    pub(super) async fn original_of(&self, id: TaskId, most: usize) -> Result<Original, HiveError> {
        let task = web::hive::Hive::task(self, id).await?;
        // Each input takes a byte at least, as a line of its own.
        if task.search.is_none() && task.total > most as u64 {
            return Ok(Original { task, search: None, inputs: None });
        }
        // A task of a batch is one index of that.
        let (whole, range) = match task.batch {
            Some(batch) => (batch, id.0 - batch.0 - 1..id.0 - batch.0),
            None => (id, 0..task.total),
        };
        let in_memory = self.lock().tasks.get(whole).map(|record| record.job(whole));
        let job = match in_memory {
            Some(job) => Some(job),
            None => self.read(move |reader| reader.job(whole)).await.map_err(unreadable)?,
        };
        let job = job.ok_or(HiveError::TaskGone(id))?;
        if job.kind().search().is_none() {
            let inputs = self.few_inputs(&job.inputs, range, most).await?;
            return Ok(Original { task, search: None, inputs });
        }
        if job.terms.specification.resident() > SEARCH_MAX {
            return Ok(Original { task, search: None, inputs: None });
        }
        let count = job.kind().search().map_or(0, |search| match search.sought {
            Sought::Targets { count, .. } => count,
            Sought::Interval { .. } => 0,
        });
        let job: Job = match count.saturating_mul(LINE) <= most as u64 {
            true => self.whole(&job).await.map_err(unreadable)?,
            false => job,
        };
        Ok(Original { task, search: job.kind().search().cloned().map(Box::new), inputs: None })
    }

    /// The inputs of a range, if they have at most so many bytes.
    async fn few_inputs(
        &self,
        inputs: &Inputs,
        range: Range<u64>,
        most: usize,
    ) -> Result<Option<SharedBlob>, HiveError> {
        let (mut all, mut bytes, mut at) = (BlobBuf::default(), 0, range.start);
        while at < range.end {
            let part = at..range.end.min(inputs.segment_end(at));
            if part.is_empty() {
                break;
            }
            let found = self.inputs_once(inputs, &part).await.map_err(unreadable)?;
            bytes += found.as_blob().bytes().len();
            if bytes > most {
                return Ok(None);
            }
            for input in found.as_blob().iter() {
                all.push(input);
            }
            at = part.end;
        }
        Ok(Some(all.freeze()))
    }
}
