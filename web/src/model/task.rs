//! Tasks, as users see them.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::TaskId;

use super::rounded::{known_thousandths, thousandths};
use super::search::SearchView;
use crate::access::TokenId;
use crate::kinds::digest::Encoding;
use crate::timestamp::Timestamp;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// No Drone has begun with it.
    Pending,
    /// Drones work on it.
    Running,
    /// A user holds it back: what was leased is withdrawn, and nothing is computed until it is resumed.
    Paused,
    /// Every result is there, and on disk if anything is kept.
    Done,
    /// It cannot be completed; `error` says why.
    Failed,
    /// A user stopped it.
    Cancelled,
}

impl TaskState {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Running, Self::Paused, Self::Done, Self::Failed, Self::Cancelled];

    /// Whether nothing will change any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How many of a task's results are computed a second time, to compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// A sample.
    #[default]
    Sample,
    /// Every one, by another Drone, or by the Queen where there is none, before it counts as done.
    All,
}

/// A task as users see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView {
    /// Sequential, from 1.
    #[schema(value_type = u64)]
    pub id: TaskId,
    /// The batch that it came in, unless it has left it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub batch: Option<TaskId>,
    /// If it is a batch itself: the first of its tasks. There are `total` of them, and their ids follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub first_task: Option<TaskId>,
    /// The kind of work.
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// What turns a string into a digest.
    #[schema(value_type = String)]
    pub algorithm: Cow<'static, str>,
    /// How the inputs of a digest task are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// PBKDF2's iterations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// For people.
    pub name: Option<String>,
    /// The name of the token that it was submitted with.
    pub owner: Option<String>,
    /// That token.
    #[serde(skip)]
    pub owner_id: Option<TokenId>,
    /// The address that it was submitted from.
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// More urgent is larger; -100..=100.
    pub priority: i8,
    /// How many of its results are computed a second time.
    pub verify: Verify,
    /// Where it stands.
    pub state: TaskState,
    /// Why nothing of it is being computed, while it has not ended.
    pub waiting_because: Option<String>,
    /// Items in all: inputs of a digest task, candidates of a search.
    pub total: u64,
    /// Items whose results are there, or which were searched.
    pub done: u64,
    /// Results of a Drone that was found to give wrong ones are being computed again; what is
    /// there can be read, and may change.
    pub suspect: bool,
    /// Results that changed when they were computed again.
    pub corrected: u64,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When a Drone was first given a part of it.
    pub started_at: Option<Timestamp>,
    /// When it fails, unless it is done before.
    pub deadline_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Items per second lately, 0 when nothing is computed.
    #[serde(serialize_with = "thousandths")]
    pub rate: f64,
    /// How long it is expected to take from now, counting the work before it.
    #[serde(serialize_with = "known_thousandths")]
    pub eta_seconds: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
    /// What a search is for, and what there is of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<Box<SearchView>>,
}

impl TaskView {
    /// How many results there will be when all of it is done, as far as that is known: of a search, the findings.
    pub fn results(&self) -> u64 {
        self.search.as_ref().map_or(self.total, |search| search.found)
    }

    /// Done items in percent, 0.0..=100.0.
    pub fn percent(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.done as f64 / total as f64 * 100.0,
        }
    }
}
