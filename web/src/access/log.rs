//! The log: the audit trail of what somebody did, and what happened by itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caller::Caller;
use super::scope::Scope;
use crate::timestamp::Timestamp;

/// What a line of the log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogKind {
    /// Somebody did something to a task or a Drone.
    Control,
    /// Somebody changed who may do what.
    Administration,
    /// A session was begun or ended.
    Session,
    /// A token was refused for which a scope lacks.
    Refusal,
    /// Somebody showed what is no token, at the login or with a request.
    Guess,
    /// A Drone came, went, or was put into quarantine.
    Drone,
    /// A task failed, or ended after long work.
    Task,
    /// The Queen started or stopped, or her disk took no writes.
    Queen,
}

impl LogKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Control,
        Self::Administration,
        Self::Session,
        Self::Refusal,
        Self::Guess,
        Self::Drone,
        Self::Task,
        Self::Queen,
    ];

    /// Those that say what happened by itself; the others are the audit trail of what somebody did.
    pub const HAPPENINGS: [Self; 3] = [Self::Drone, Self::Task, Self::Queen];

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Administration => "administration",
            Self::Session => "session",
            Self::Refusal => "refusal",
            Self::Guess => "guess",
            Self::Drone => "drone",
            Self::Task => "task",
            Self::Queen => "queen",
        }
    }

    /// Those that a caller may see: the audit trail is for `admin`.
    pub fn seen_by(caller: &Caller) -> &'static [Self] {
        if caller.may(Scope::Admin) { &Self::ALL } else { &Self::HAPPENINGS }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogEntry {
    /// When; of those that were alike, the last one.
    pub at: Timestamp,
    /// What it is about.
    pub kind: LogKind,
    /// The name of the token; `None` where there was none, and of what happened by itself.
    pub who: Option<String>,
    /// The address that the request came from; `None` on the Queen's own machine.
    pub address: Option<String>,
    /// What was done, such as `cancel`, or happened, such as `quarantine`.
    pub action: String,
    /// To what, such as `task 7 (bees)`.
    pub target: String,
    /// What came of it: `done`, or why not; of what happened by itself, how or why.
    pub outcome: String,
    /// What was changed, from what to what, such as `priority -5 → 7`; `None` of what changes no value.
    #[serde(default)]
    pub changes: Option<String>,
    /// How the request was called that did it; `None` if it was none of HTTP.
    pub request_id: Option<String>,
    /// How many that were alike, within ten minutes.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: u64,
}

fn one() -> u64 {
    1
}

fn is_one(count: &u64) -> bool {
    *count == 1
}

/// Which lines of the log are to be shown, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogFilter {
    /// Only of these kinds; of all if there are none.
    pub kinds: Vec<LogKind>,
    /// Only those of the token with this name.
    pub who: Option<String>,
    /// Only those whose target is this, or begins so and goes on behind a space: `task 7` finds `task 7 (bees)`.
    pub target: Option<String>,
    /// Only those at this moment or later.
    pub since: Option<Timestamp>,
    /// Only those before this moment.
    pub until: Option<Timestamp>,
    /// Only those with a smaller number, which a page gave as [`LogPage::next`].
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

impl LogFilter {
    /// All lines that a caller may see.
    pub fn seen_by(caller: &Caller) -> Self {
        let seen = LogKind::seen_by(caller);
        let kinds = if seen == LogKind::ALL { Vec::new() } else { seen.to_vec() };
        Self { kinds, ..Self::default() }
    }
}

/// A part of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Newest first.
    pub entries: Vec<LogEntry>,
    /// Where the next part begins, if there is more.
    pub next: Option<u64>,
}
