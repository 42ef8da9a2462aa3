//! What is to be written, and what was removed by it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use web::access::{LogEntry, TokenId};
use web::hive::Identity;
use web::model::Kernels;
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use super::access::AccessChange;
use super::bulk::FileResults;
use crate::clock::Moment;
use crate::work::ending::{Ending, Tally};
use crate::work::inputs::{Inputs, Large, Place};
use crate::work::results::Results;
use crate::work::terms::{LongSecret, Terms};

/// How long an idempotency key is known.
pub const KEY_LIFE: Duration = Duration::from_secs(24 * 60 * 60);

/// One change of the records. Changes are committed in the order in which they happened.
#[derive(Debug)]
pub enum Change {
    /// A Queen has taken over: the first change of each. No lease of the Queen before is left.
    Epoch(Epoch),
    /// A new task. The only change that may be refused; all others are kept until they are on disk.
    Submit(Box<Submission>),
    /// Results that follow each other.
    Results {
        /// Of which task.
        task: TaskId,
        /// What was computed. It is not suspect.
        results: Results,
        /// The task's inputs, if the results belong into their file.
        large: Option<Arc<Large>>,
        /// The task has suspect results, so that some of them may be in the way of these and go.
        /// That they are suspect is on disk already, if they are in a file.
        replaces: bool,
    },
    /// A task leaves its batch, where it counts as done.
    Detach {
        /// The batch.
        batch: TaskId,
        /// Its index there.
        index: u64,
        /// What becomes of it.
        fate: Fate,
    },
    /// A task that had not ended is over.
    End(TaskId, Box<Ending>),
    /// A task that has ended is forgotten.
    Remove(TaskId),
    /// A task that failed or was cancelled has not ended any more.
    Reopen(TaskId),
    /// A task is called otherwise, is more urgent or less, or has another deadline.
    Amend {
        /// Which task.
        task: TaskId,
        /// See [`Terms`], as with the name.
        priority: i8,
        /// For people.
        name: Option<Box<str>>,
        /// In seconds behind its creation.
        deadline: Option<u32>,
    },
    /// A task that has not ended waits, or does not any more.
    Pause {
        /// Which task.
        task: TaskId,
        /// Whether it waits.
        paused: bool,
    },
    /// A Drone is known from here on, or is called otherwise. Comes before all that names it.
    Drone {
        /// Which one.
        id: DroneId,
        /// Its process.
        instance: Instance,
        /// For people.
        name: Box<str>,
    },
    /// A known Drone is given no work, or is again.
    Quarantine {
        /// Which one.
        drone: DroneId,
        /// Why; `None` ends it.
        reason: Option<String>,
    },
    /// What people are shown of a known Drone that is gone.
    Visit {
        /// Which one.
        drone: DroneId,
        /// What is to be remembered.
        visit: Box<Visit>,
    },
    /// A Drone gave a wrong result, so that all its results that are not checked become suspect.
    Suspect {
        /// Which one.
        drone: DroneId,
    },
    /// No result of a task is suspect any more.
    Cleared {
        /// Which task.
        task: TaskId,
        /// How many of those that were had been wrong.
        corrected: u64,
    },
    /// A Drone has a lease, or has it of another range.
    Lease {
        /// Its number.
        lease: LeaseId,
        /// Of which task.
        task: TaskId,
        /// Whose it is.
        drone: DroneId,
        /// What it is about.
        range: Range<u64>,
    },
    /// A lease is over. Needed for each, since the end of a task leaves its leases alone.
    Unlease(LeaseId),
    /// A line of the audit trail.
    Log(Box<LogEntry>),
    /// Who may do what has changed.
    Access(Box<AccessChange>),
}

/// What becomes of a task that leaves its batch.
#[derive(Debug)]
pub enum Fate {
    /// It goes its own way, as if it had been submitted so.
    Own(Box<Submission>),
    /// It has failed, for this reason.
    Failed(Box<str>),
    /// It has ended, and is forgotten.
    Forgotten {
        /// Nothing of the batch is in memory, so that whether it was there is known only when it goes.
        on_disk: bool,
    },
}

/// A new task.
#[derive(Debug)]
pub struct Submission {
    /// Its id.
    pub id: TaskId,
    /// What was asked for.
    pub terms: Arc<Terms>,
    /// With which inputs.
    pub inputs: Inputs,
    /// When.
    pub created: Moment,
    /// The idempotency key that it was asked for with.
    pub identity: Option<Identity>,
    /// Its key or salt, if that is long and may not be on disk yet.
    pub secret: Option<Arc<LongSecret>>,
}

/// What is remembered of a Drone, as of when it connected or went. Members that a row lacks are as in
/// one that says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Visit {
    /// Where it connected from.
    pub address: String,
    /// Program and version.
    pub software: String,
    /// Compute threads.
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
    /// When it was last heard, likewise.
    pub last_seen_at: i64,
    /// It went as it should.
    pub has_left: bool,
    /// The number of the secret that it came with, if it needed one.
    pub secret: Option<u64>,
}

/// A task that is no longer on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Which one.
    pub task: TaskId,
    /// What it was counted as.
    pub tally: Tally,
    /// Its file, which nobody needs any more.
    pub file: Option<u64>,
    /// Whose it was.
    pub owner: Option<TokenId>,
}

impl Change {
    /// Which task it is about.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Submit(submission) => Some(submission.id),
            Self::Results { task, .. }
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

    /// How many results.
    pub fn result_items(&self) -> u64 {
        match self {
            Self::Results { results, .. } => results.piece.items(),
            _ => 0,
        }
    }

    /// Bytes of results.
    pub fn result_bytes(&self) -> usize {
        match self {
            Self::Results { results, .. } => results.piece.bytes.len(),
            _ => 0,
        }
    }

    /// The results, if they belong into a file.
    pub fn in_file(&self) -> Option<FileResults> {
        let Self::Results { results, large: Some(large), .. } = self else { return None };
        let Place::File(file) = large.place else { return None };
        Some(FileResults { file, large: Arc::clone(large), piece: results.piece.clone() })
    }
}
