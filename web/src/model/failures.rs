//! Tasks that failed, by why.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::TaskId;

/// What a failure is blamed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BlamedOn {
    /// The task: several Drones failed on it, or were lost while they computed nothing else.
    Task,
    /// Its deadline, which passed.
    Deadline,
    /// The Queen's disk, which did not give its inputs.
    Disk,
}

impl BlamedOn {
    /// The name in views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Deadline => "deadline",
            Self::Disk => "disk",
        }
    }
}

/// Tasks that failed for reasons that begin alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureGroup {
    /// How their reasons begin; as `reason` it finds them in `GET /tasks`.
    pub reason: String,
    /// What is to blame.
    pub blamed_on: BlamedOn,
    /// How many there are.
    pub count: u64,
    /// The one that was submitted last.
    #[schema(value_type = u64)]
    pub last: TaskId,
}

/// What `GET /tasks/failures` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureList {
    /// The most frequent first.
    pub failures: Vec<FailureGroup>,
}
