//! What a Drone was given lately, piece by piece.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::TaskId;

use super::rounded::thousandths;
use crate::timestamp::Timestamp;

/// The most leases of a Drone that are remembered after they ended, and the most that are shown of those that it has.
pub const LEASES_SHOWN: usize = 64;

/// What has become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// The Drone has it, and as far as is known has not begun with it.
    Waiting,
    /// The Drone computes it.
    Running,
    /// All of it was computed.
    Done,
    /// The Drone gave it back.
    Returned,
    /// The Drone could not compute it.
    Failed,
    /// It was taken back: its task ended or was paused, or others computed it sooner.
    Withdrawn,
    /// The Drone was lost, fell silent, or did not know of it any more.
    Expired,
}

impl LeaseState {
    /// The name in views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Returned => "returned",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// Whether something went wrong.
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Expired)
    }
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A range of a task that a Drone was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Lease)]
pub struct LeaseView {
    /// Of which task; a batch is one.
    #[schema(value_type = u64)]
    pub task: TaskId,
    /// The first index.
    pub from: u64,
    /// Behind the last index. What was taken away of it meanwhile does not count.
    pub to: u64,
    /// Behind the last index of which the result has come.
    pub reached: u64,
    /// What has become of it.
    pub state: LeaseState,
    /// When it was given.
    pub given_at: Timestamp,
    /// When it ended: the last result came, or whatever else ended it; `None` if it has not.
    pub ended_at: Option<Timestamp>,
    /// Thread time that its results took, in seconds.
    #[serde(serialize_with = "thousandths")]
    pub busy_seconds: f64,
}
