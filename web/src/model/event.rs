//! What changes, as watchers are told.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use wire::ids::{DroneId, Epoch, TaskId};

use super::drone::DroneView;
use super::overview::Overview;
use super::task::TaskView;
use crate::access::TokenId;
use crate::kinds::search::Finding;

/// The name of an event: `epoch-seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// Of the Queen that told it.
    pub epoch: Epoch,
    /// Sequential within the epoch.
    pub seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for EventId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, seq) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { epoch: Epoch(epoch.parse()?), seq: seq.parse()? })
    }
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// What changed.
    pub change: Change,
    /// The same as JSON, when somebody was told.
    data: OnceLock<String>,
}

impl Event {
    /// An event of this name.
    pub fn new(id: EventId, change: Change) -> Self {
        Self { id, change, data: OnceLock::new() }
    }

    /// What changed, as JSON; made once for all who are told.
    pub fn data(&self) -> &str {
        self.data.get_or_init(|| serde_json::to_string(&self.change).unwrap_or_default())
    }
}

/// What changed; a thing is told at most some times a second, always with its newest view.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Change {
    /// SSE event `task`: it is new or has moved.
    Task(TaskView),
    /// SSE event `task-removed`.
    TaskRemoved {
        /// Which one.
        id: TaskId,
        /// Whose it was.
        #[serde(skip)]
        owner: Option<TokenId>,
    },
    /// SSE event `drone`: it came, worked, left or was lost.
    Drone(DroneView),
    /// SSE event `result-changed`: results in `from..to` are others than before, because the
    /// Drone had given wrong ones.
    ResultChanged {
        /// Whose results.
        task: TaskId,
        /// The first index.
        from: u64,
        /// Behind the last index.
        to: u64,
        /// Who had given the wrong ones.
        drone: DroneId,
        /// Whose the task is.
        #[serde(skip)]
        owner: Option<TokenId>,
    },
    /// SSE event `finding`: a search found something.
    Finding {
        /// Which search.
        task: TaskId,
        /// What it found.
        #[serde(flatten)]
        finding: Finding,
        /// Whose the task is.
        #[serde(skip)]
        owner: Option<TokenId>,
    },
    /// SSE event `overview`.
    Overview(Overview),
    /// SSE event `reset`: more changed at once than is told one by one; read everything anew.
    Reset {},
}

impl Change {
    /// What an SSE event tells that has this name and this data; `None` if no event has the name.
    ///
    /// # Errors
    /// If the data is not what belongs to the name.
    pub fn read(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        #[derive(Deserialize)]
        struct TaskRemoved {
            id: TaskId,
        }
        #[derive(Deserialize)]
        struct ResultChanged {
            task: TaskId,
            from: u64,
            to: u64,
            drone: DroneId,
        }
        #[derive(Deserialize)]
        struct Found {
            task: TaskId,
            #[serde(flatten)]
            finding: Finding,
        }
        Ok(Some(match name {
            "task" => Self::Task(serde_json::from_str(data)?),
            "task-removed" => {
                let TaskRemoved { id } = serde_json::from_str(data)?;
                Self::TaskRemoved { id, owner: None }
            }
            "drone" => Self::Drone(serde_json::from_str(data)?),
            "result-changed" => {
                let ResultChanged { task, from, to, drone } = serde_json::from_str(data)?;
                Self::ResultChanged { task, from, to, drone, owner: None }
            }
            "finding" => {
                let Found { task, finding } = serde_json::from_str(data)?;
                Self::Finding { task, finding, owner: None }
            }
            "overview" => Self::Overview(serde_json::from_str(data)?),
            "reset" => Self::Reset {},
            _ => return Ok(None),
        }))
    }

    /// The SSE event name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::TaskRemoved { .. } => "task-removed",
            Self::Drone(_) => "drone",
            Self::ResultChanged { .. } => "result-changed",
            Self::Finding { .. } => "finding",
            Self::Overview(_) => "overview",
            Self::Reset {} => "reset",
        }
    }
}
