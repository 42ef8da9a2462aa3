//! What is to be written, and what was removed by it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use web::access::{LogEntry, TokenId};
use web::hive::Identity;
use web::model::{Kernels, Timestamp};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use super::access::AccessChange;
use super::bulk::FileResults;
use crate::clock::Moment;
use crate::work::ending::{Ending, Tally};
use crate::work::inputs::{Inputs, Large};
use crate::work::results::Results;
use crate::work::search::{Finding, Searched};
use crate::work::terms::{LongSecret, Terms};

/// How long an idempotency key is known.
pub const KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// One change of what is on disk. Changes are committed in the order in which they happened.
#[derive(Debug)]
pub enum Change {
    /// A Queen has taken over: the first change of each. No lease of the Queen before is left.
    Epoch(Epoch),
    /// A task is new. This change alone may be refused; all others are kept until they are on disk.
    Submit(Box<Submission>),
    /// Results have come.
    Results {
        /// The task.
        task: TaskId,
        /// The results, which are not suspect.
        results: Results,
        /// The task's inputs, if the results belong into their file.
        large: Option<Arc<Large>>,
        /// The task has suspect results, so that some of them may be in the way of these and go.
        /// That they are suspect is on disk already, if they are in a file.
        replaces: bool,
    },
    /// A part of a search has come.
    Searched {
        /// The task.
        task: TaskId,
        /// What was searched. What there is of these candidates yet goes.
        searched: Box<Searched>,
        /// What was found there.
        findings: Vec<Finding>,
    },
    /// Candidates that one Drone has searched were searched by another one, who found the same.
    Confirmed {
        /// The task.
        task: TaskId,
        /// The candidates' indices.
        range: Range<u64>,
        /// The Drone that searched them first.
        drone: DroneId,
    },
    /// A task that has not ended was begun: for those that take long, since each end says it as well.
    Start {
        /// The task.
        task: TaskId,
        /// When a Drone was first given a part of it.
        at: Timestamp,
    },
    /// A task leaves its batch, where it counts as done.
    Detach {
        /// The batch.
        batch: TaskId,
        /// The task's index there.
        index: u64,
        /// What becomes of the task.
        outcome: MemberOutcome,
    },
    /// A task that had not ended is over.
    End(TaskId, Box<Ending>),
    /// A task that has ended is forgotten.
    Remove(TaskId),
    /// A task that failed or was cancelled has not ended any more.
    Reopen(TaskId),
    /// A task has another name, priority or deadline.
    Amend {
        /// The task.
        task: TaskId,
        /// Its priority; more urgent is larger.
        priority: i8,
        /// Its name, for people.
        name: Option<Box<str>>,
        /// Its deadline, in seconds behind its creation.
        deadline: Option<u32>,
    },
    /// A task that has not ended waits until it is let go on, or goes on.
    Pause {
        /// The task.
        task: TaskId,
        /// Whether it waits.
        paused: bool,
    },
    /// A Drone is known from here on, or has another name. This comes before all that names the Drone.
    Drone {
        /// The Drone.
        id: DroneId,
        /// The random name of its process.
        instance: Instance,
        /// Its name, for people.
        name: Box<str>,
    },
    /// A known Drone is given no work, or is again.
    Quarantine {
        /// The Drone.
        drone: DroneId,
        /// Why it is given none; `None` ends the quarantine.
        reason: Option<String>,
    },
    /// A known Drone has connected or gone.
    Visit {
        /// The Drone.
        drone: DroneId,
        /// What people are shown of it while it is away.
        visit: Box<Visit>,
    },
    /// A Drone gave a wrong result, so that all its results that are not checked become suspect.
    Suspect {
        /// The Drone.
        drone: DroneId,
    },
    /// No result of a task is suspect any more.
    Cleared {
        /// The task.
        task: TaskId,
        /// How many of the suspect results had been wrong.
        corrected: u64,
    },
    /// A lease begins, or is of another range.
    Lease {
        /// The lease's number.
        lease: LeaseId,
        /// The task that it is of.
        task: TaskId,
        /// The Drone that has it.
        drone: DroneId,
        /// The indices that the Drone computes.
        range: Range<u64>,
    },
    /// A lease is over. Needed for each, since the end of a task leaves its leases alone.
    Unlease(LeaseId),
    /// A line is added to the audit trail.
    Log(Box<LogEntry>),
    /// Who may do what has changed.
    Access(Box<AccessChange>),
}

/// What becomes of a task that leaves its batch.
#[derive(Debug)]
pub enum MemberOutcome {
    /// The task goes its own way, as if it had been submitted so.
    Own(Box<Submission>),
    /// The task has failed, for this reason.
    Failed(Box<str>),
    /// The task has ended, and is forgotten.
    Forgotten {
        /// Nothing of the batch is in memory, so that whether it was there is known only when it goes.
        on_disk: bool,
    },
}

/// A new task.
#[derive(Debug)]
pub struct Submission {
    /// The task's id.
    pub id: TaskId,
    /// What was asked for.
    pub terms: Arc<Terms>,
    /// The inputs of which it was asked for.
    pub inputs: Inputs,
    /// When the task was created.
    pub created: Moment,
    /// The idempotency key that it was asked for with.
    pub identity: Option<Identity>,
    /// Its key or salt, if that is long and may not be on disk yet.
    pub secret: Option<Arc<LongSecret>>,
}

/// What is remembered of a Drone that is gone, as of when it connected or went. In JSON, where a member that is
/// missing is as in one that says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Visit {
    /// The address that it connected from.
    pub address: String,
    /// Its program and version.
    pub software: String,
    /// Its compute threads.
    pub threads: u16,
    /// What computed each class of work.
    pub kernels: Kernels,
    /// Items that it has done.
    pub items_done: u64,
    /// Results of it that were computed again, and were right.
    pub checked: u64,
    /// Results of it that were computed again, and were wrong.
    pub wrong: u64,
    /// How often it has connected.
    pub connections: u64,
    /// When it connected last, in milliseconds since 1970.
    pub connected_at: i64,
    /// When it was last heard, in milliseconds since 1970.
    pub last_seen_at: i64,
    /// Whether it said goodbye.
    pub has_left: bool,
    /// Why it is gone, if it is and that is known.
    pub left_because: Option<String>,
    /// The number of the secret that it came with, if it needed one.
    pub secret: Option<u64>,
}

/// A task that is no longer on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// The task, or batch.
    pub task: TaskId,
    /// What it was counted as.
    pub tally: Tally,
    /// The number of its file, which nobody needs any more.
    pub file: Option<u64>,
    /// The token that it was submitted with.
    pub owner: Option<TokenId>,
}

impl Submission {
    /// About what it takes where it is stored when all its results are there, in bytes.
    pub fn size(&self) -> u64 {
        let secret = self.secret.as_ref().map_or(0, |secret| secret.bytes.len() as u64);
        self.terms.kind().on_disk(&self.inputs) + self.terms.on_disk() + secret
    }
}

impl Change {
    /// The task that it is about.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Submit(submission) => Some(submission.id),
            Self::Results { task, .. }
            | Self::Searched { task, .. }
            | Self::Confirmed { task, .. }
            | Self::Start { task, .. }
            | Self::End(task, _)
            | Self::Remove(task)
            | Self::Reopen(task)
            | Self::Amend { task, .. }
            | Self::Pause { task, .. }
            | Self::Cleared { task, .. }
            | Self::Lease { task, .. } => Some(*task),
            Self::Detach { batch, .. } => Some(*batch),
            Self::Epoch(_)
            | Self::Drone { .. }
            | Self::Quarantine { .. }
            | Self::Visit { .. }
            | Self::Suspect { .. }
            | Self::Unlease(_)
            | Self::Log(_)
            | Self::Access(_) => None,
        }
    }

    /// How many results it brings.
    pub fn result_items(&self) -> u64 {
        match self {
            Self::Results { results, .. } => results.piece.items(),
            _ => 0,
        }
    }

    /// Bytes of the results that it brings.
    pub fn result_bytes(&self) -> usize {
        match self {
            Self::Results { results, .. } => results.piece.bytes.len(),
            Self::Searched { searched, findings, .. } => {
                searched.marks.bytes().len() + findings.len() * size_of::<Finding>()
            }
            _ => 0,
        }
    }

    /// The results that it brings, if they belong into a file.
    pub fn in_file(&self) -> Option<FileResults> {
        let Self::Results { results, large: Some(large), .. } = self else { return None };
        let file = large.file?;
        Some(FileResults { file, large: Arc::clone(large), piece: results.piece.clone() })
    }
}
