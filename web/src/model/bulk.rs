//! What is done to many tasks at once, as users see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::task::TaskState;

/// What is done to each of many tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkAction {
    /// Hold them back.
    Pause,
    /// Go on with those that are held back.
    Resume,
    /// Stop those that have not ended.
    Cancel,
    /// Begin those again that failed or were cancelled.
    Retry,
    /// Remove those that have ended.
    Delete,
    /// Give those another priority that have not ended.
    Priority,
}

impl BulkAction {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Pause, Self::Resume, Self::Cancel, Self::Retry, Self::Delete, Self::Priority];

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Delete => "delete",
            Self::Priority => "priority",
        }
    }

    /// Whether it changes tasks in this state.
    pub fn concerns(self, state: TaskState) -> bool {
        match self {
            Self::Pause => matches!(state, TaskState::Pending | TaskState::Running),
            Self::Resume => state == TaskState::Paused,
            Self::Cancel | Self::Priority => !state.has_ended(),
            Self::Retry => matches!(state, TaskState::Failed | TaskState::Cancelled),
            Self::Delete => state.has_ended(),
        }
    }

    /// Why others are skipped.
    pub fn condition(self) -> &'static str {
        match self {
            Self::Pause => "only tasks that are pending or running are paused",
            Self::Resume => "only tasks that are paused are resumed",
            Self::Cancel => "only tasks that have not ended are cancelled",
            Self::Retry => "only tasks that failed or were cancelled are begun again",
            Self::Delete => "only tasks that have ended are deleted",
            Self::Priority => "only tasks that have not ended get another priority",
        }
    }
}

/// How far something is that is done to many tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BulkState {
    /// It was only counted: `changed` would be changed.
    Counted,
    /// It is under way.
    Running,
    /// It is over.
    Done,
    /// It ended early, and `error` says why; what was changed stays so.
    Stopped,
}

/// Something that is done to many tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Bulk)]
pub struct BulkView {
    /// By which it is asked for; none of what was only counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// What is done.
    pub action: BulkAction,
    /// How far it is.
    pub state: BulkState,
    /// Tasks that were asked for; a batch is one.
    pub matched: u64,
    /// Those that were changed, by now.
    pub changed: u64,
    /// Those that were not, since their state forbids it, or they are gone or another's.
    pub skipped: u64,
    /// Why the first of these was not.
    pub skipped_because: Option<String>,
    /// Why it stopped.
    pub error: Option<String>,
}

impl BulkView {
    /// Nothing was looked at yet.
    pub fn new(action: BulkAction, state: BulkState) -> Self {
        Self { id: None, action, state, matched: 0, changed: 0, skipped: 0, skipped_because: None, error: None }
    }

    /// So many were skipped.
    pub fn skip(&mut self, tasks: u64, why: impl FnOnce() -> String) {
        if tasks > 0 {
            self.skipped += tasks;
            self.skipped_because.get_or_insert_with(why);
        }
    }
}
