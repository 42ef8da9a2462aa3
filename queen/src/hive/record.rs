//! What is known of one task besides its scheduling.

use std::sync::Arc;

use bytes::Bytes;
use web::kinds::Specification;
use web::kinds::digest::{self, Algorithm};
use web::model::{TaskState, TaskView, Timestamp};
use wire::ids::TaskId;

use crate::core::{Outcome, RangeSet, Status};
use crate::kinds::Job;
use crate::store::{Outputs, Reservation};

pub(super) struct Record {
    pub(super) job: Arc<Job>,
    pub(super) name: Option<Box<str>>,
    pub(super) priority: i8,
    pub(super) state: TaskState,
    pub(super) created_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) error: Option<Box<str>>,
    pub(super) outputs: Outputs,
    /// What was done when it ended.
    ended: Status,
    /// Held for the inputs and the results.
    _memory: Reservation,
}

impl Record {
    pub(super) fn new(job: Arc<Job>, name: Option<String>, priority: i8, memory: Reservation) -> Self {
        Self {
            job,
            name: name.map(Into::into),
            priority,
            state: TaskState::Pending,
            created_at: Timestamp::now(),
            started_at: None,
            finished_at: None,
            error: None,
            outputs: Outputs::default(),
            ended: Status { done: 0, prefix: 0, rate: 0.0, eta: None },
            _memory: memory,
        }
    }

    /// Sets what is final; returns the state that it is in now.
    pub(super) fn end(&mut self, outcome: Outcome, done: &RangeSet) -> TaskState {
        self.finished_at = Some(Timestamp::now());
        self.ended = Status { done: done.len(), prefix: done.prefix(), rate: 0.0, eta: None };
        let (state, error) = match outcome {
            Outcome::Done => (TaskState::Done, None),
            Outcome::Cancelled => (TaskState::Cancelled, None),
            Outcome::Failed { reason } => (TaskState::Failed, Some(reason.into())),
        };
        self.error = error;
        state
    }

    /// Where it stands, by the core while the core knows it.
    pub(super) fn status(&self, running: Option<Status>) -> Status {
        running.unwrap_or(self.ended)
    }

    pub(super) fn view(&self, id: TaskId, running: Option<Status>) -> TaskView {
        let status = self.status(running);
        let digest = &self.job.work.specification;
        let iterations = match digest.algorithm {
            Algorithm::Pbkdf2HmacSha256 { iterations, .. } => Some(iterations),
            _ => None,
        };
        TaskView {
            id,
            kind: digest::KIND,
            algorithm: digest.algorithm.name(),
            encoding: digest.encoding,
            iterations,
            name: self.name.as_deref().map(Into::into),
            priority: self.priority,
            state: self.state,
            total: self.job.total(),
            done: status.done,
            created_at: self.created_at,
            started_at: self.started_at,
            finished_at: self.finished_at,
            rate: status.rate,
            eta_seconds: status.eta.map(|eta| eta.as_secs_f64()),
            error: self.error.as_deref().map(Into::into),
        }
    }

    /// The digest of a task of one word.
    pub(super) fn only_digest(&self) -> Option<Bytes> {
        let pieces = (self.job.total() == 1).then(|| self.outputs.pieces(&(0..1), crate::kinds::digest::DIGEST, 1))?;
        pieces.into_iter().next()
    }
}

/// What a new task's kind computes.
pub(super) fn specification(specification: Specification) -> digest::Digest {
    let Specification::Digest(digest) = specification;
    digest
}
