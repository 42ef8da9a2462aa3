//! Why a Queen does not do what was asked.

use std::time::Duration;

use wire::ids::{DroneId, TaskId};

use crate::access::TokenId;

/// Why a Queen does not do what was asked. The text is for the user who asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HiveError {
    /// There never was such a task.
    #[error("there is no task {0}")]
    NoTask(TaskId),
    /// There was such a task, and it was removed.
    #[error("task {0} was removed")]
    TaskGone(TaskId),
    /// There is no such Drone.
    #[error("there is no drone {0}")]
    NoDrone(DroneId),
    /// There is no such token, or none that is valid.
    #[error("there is no token {0}")]
    NoToken(TokenId),
    /// There is no such secret.
    #[error("there is no secret {0:?}")]
    NoSecret(String),
    /// A value is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// A token has as much as it may have.
    #[error("{reason}")]
    TooMany {
        /// Of what, and what would help.
        reason: String,
        /// When trying again may help.
        retry_after: Duration,
    },
    /// The state of the task or Drone forbids it.
    #[error("{0}")]
    Conflict(String),
    /// It is more than there may ever be.
    #[error("{0}")]
    TooLarge(String),
    /// A task needs at least one item.
    #[error("the task has no inputs: send at least one")]
    Empty,
    /// The Queen cannot take it now.
    #[error("{reason}")]
    Unavailable {
        /// What is short, and what would help.
        reason: String,
        /// When trying again may help.
        retry_after: Duration,
    },
    /// Something is wrong on this side; details are in the log.
    #[error("{0}")]
    Internal(String),
}
