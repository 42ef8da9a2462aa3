//! How tasks end, and how they are counted by their states.

use web::model::{TaskState, Timestamp};

use crate::clock::Moment;

/// What has come of a search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SearchCounts {
    /// Candidates whose digests are sought.
    pub findings: u64,
    /// Candidates that were reported.
    pub marks: u64,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The state in which it ended.
    pub state: TaskState,
    /// When a Drone was first given a part of it.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished: Moment,
    /// Items that are done.
    pub done: u64,
    /// Findings of a search, and marks.
    pub found: SearchCounts,
    /// Why it failed.
    pub error: Option<Box<str>>,
}

/// How many tasks an entry stands for: a task for itself, a batch for those that have not left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// The state of the entry.
    pub state: TaskState,
    /// Those that are in that state.
    pub open: u64,
    /// Those of a batch that are done before it is.
    pub done: u64,
    /// Those of a batch that have failed alone.
    pub failed: u64,
}

impl Default for Tally {
    /// A tally of nothing.
    fn default() -> Self {
        Self { state: TaskState::Pending, open: 0, done: 0, failed: 0 }
    }
}

impl Tally {
    /// The tally of a task that is no batch.
    pub fn one(state: TaskState) -> Self {
        Self { state, open: 1, ..Self::default() }
    }

    /// The numbers, by state.
    pub fn counts(&self) -> [(TaskState, i64); 3] {
        let count = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        [(self.state, count(self.open)), (TaskState::Done, count(self.done)), (TaskState::Failed, count(self.failed))]
    }
}
