//! A task as it is computed.

use std::sync::Arc;

use wire::ids::{Instance, TaskId};

use super::inputs::Inputs;
use super::terms::Terms;

/// No task has this id or a larger one: what is computed a second time has, and is not kept.
pub const TASKS_END: u64 = 1 << 62;

/// The id of a task of a batch; see [`Terms::members`].
pub fn member_id(batch: TaskId, index: u64) -> TaskId {
    TaskId(batch.0 + 1 + index)
}

/// Everything that is to be computed for one task.
#[derive(Debug, Clone)]
pub struct Job {
    /// The task.
    pub task: TaskId,
    /// What is to be done.
    pub terms: Arc<Terms>,
    /// The inputs that it is to be done with.
    pub inputs: Inputs,
}

impl Job {
    /// Whether all of it is in memory.
    pub fn is_at_hand(&self) -> bool {
        self.inputs.is_small() && self.terms.secret.is_none()
    }

    /// The task's random name.
    pub fn instance(&self) -> Instance {
        self.terms.instance(self.task)
    }
}
