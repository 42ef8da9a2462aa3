//! What answers have around views.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::drone::DroneView;
use super::leases::LeaseView;
use super::task::TaskView;
use crate::access::{LogEntry, SecretView, TokenView};

/// The most things of a page of a list, and how many there are unless something else is asked for.
pub const PAGE_MAX: u64 = 1000;
pub(crate) const PAGE_DEFAULT: u64 = 50;

/// A page of `GET /tasks`, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// Newest first.
    pub tasks: Vec<TaskView>,
    /// What `cursor` is to be for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What `GET /drones` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DroneList {
    /// Those that are connected, and those that were lately.
    pub drones: Vec<DroneView>,
}

/// What `GET /drones/{id}/leases` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LeaseList {
    /// Those that the Drone has, the most urgent first, and then those that ended in the last minute, the last one
    /// first; at most 64 of each.
    pub leases: Vec<LeaseView>,
}

/// A page of `GET /log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogList {
    /// Newest first.
    pub entries: Vec<LogEntry>,
    /// What `cursor` is to be for the next page; `None` on the last one.
    pub next_cursor: Option<String>,
}

/// What `GET /tokens` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    /// The valid ones, the oldest first.
    pub tokens: Vec<TokenView>,
}

/// What `GET /secrets` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SecretList {
    /// By name.
    pub secrets: Vec<SecretView>,
}

/// What `GET /healthz` and `GET /readyz` answer when all is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, or `ready`.
    #[schema(value_type = String)]
    pub status: Cow<'static, str>,
    /// Unfinished tasks taken over at the start, if anything is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<u64>,
}
