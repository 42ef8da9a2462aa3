//! What goes into the core.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};

use super::time::Time;
use super::work::{Ability, TaskWork};

/// What happens to the core.
#[derive(Debug, Clone)]
pub enum Event {
    /// A new task, or one that has to be computed again in part.
    Submit {
        /// Its id; no task of that id is there.
        task: TaskId,
        /// What it consists of.
        work: TaskWork,
    },
    /// A user stops a task.
    Cancel {
        /// The task; one that is unknown is ignored.
        task: TaskId,
    },
    /// A user wants nothing of a task to be computed for now.
    Pause {
        /// The task; one that is paused already stays so.
        task: TaskId,
    },
    /// A user wants a paused task to be computed again.
    Resume {
        /// The task; one that is not paused is left as it is.
        task: TaskId,
    },
    /// A user changes what is more urgent.
    SetPriority {
        /// The task.
        task: TaskId,
        /// Its new priority.
        priority: i8,
    },
    /// A user changes when a task fails if it has not ended.
    SetDeadline {
        /// The task; one that is unknown is ignored.
        task: TaskId,
        /// When it fails; never if `None`.
        deadline: Option<Time>,
    },
    /// Results that were there are wanted again.
    Revoke {
        /// The task whose results they are.
        task: TaskId,
        /// Their indices; those that are not done are ignored.
        range: Range<u64>,
    },
    /// Nothing of a task is wanted any more from an index on: it is done when all before that is.
    Finish {
        /// The task; one that is unknown is ignored.
        task: TaskId,
        /// The first index that is not wanted.
        from: u64,
    },
    /// An item of a task is not to be computed any more, and counts as done.
    Detach {
        /// The task that it leaves.
        task: TaskId,
        /// The item's index; an item that is done stays so.
        index: u64,
    },
    /// A Drone held these ranges when the Queen before ended, and may come back with them.
    Inherit {
        /// The Drone, which is not connected.
        drone: DroneId,
        /// Tasks and ranges of them.
        held: Vec<(TaskId, Range<u64>)>,
    },
    /// A Drone is there and ready: a new one, or one that has a new connection.
    Join {
        /// Its id.
        drone: DroneId,
        /// What it can do.
        ability: Ability,
        /// Whether it is given work.
        trusted: bool,
        /// Tasks and ranges of them that it holds. What the core thinks that it holds beyond
        /// that is lost.
        offers: Vec<(TaskId, Range<u64>)>,
    },
    /// A Drone says that it lives, and how far it is.
    Heartbeat {
        /// The Drone that sent it.
        drone: DroneId,
        /// The leases that it holds; they are renewed.
        progress: Vec<LeaseProgress>,
        /// A number that grows while its threads compute anything.
        computed: u64,
    },
    /// Results of a part of a lease came. What is wanted of them is
    /// [credited](super::effect::Effect::Credit); parts come in index order, so of one that begins elsewhere nothing is.
    Output {
        /// The Drone that computed them.
        drone: DroneId,
        /// The lease that they are of; one of another Drone is ignored.
        lease: LeaseId,
        /// Their indices.
        range: Range<u64>,
        /// Time of one thread that they took.
        spent: Duration,
    },
    /// Results of a part of a lease came that count for nothing until somebody has computed the same. What is
    /// wanted of them is [claimed](super::effect::Effect::Claim): pending again for another Drone, or with the Queen.
    Claim {
        /// The Drone that computed them.
        drone: DroneId,
        /// The lease that they are of; one of another Drone is ignored.
        lease: LeaseId,
        /// Their indices.
        range: Range<u64>,
        /// Time of one thread that they took.
        spent: Duration,
        /// What is claimed is kept, so that the Queen can compare; she computes it if no other Drone can, and they
        /// wait for [`Second`](Self::Second). If it is not kept, it is as if nothing had come.
        is_kept: bool,
    },
    /// The Queen has computed again what a Drone claimed; those of the range that wait for that are credited, or
    /// pending if the two differ.
    Second {
        /// The task whose results they are.
        task: TaskId,
        /// Their indices.
        range: Range<u64>,
        /// Whether the two are the same.
        agrees: bool,
    },
    /// A Drone cannot compute the rest of a lease.
    Failed {
        /// The Drone that says so.
        drone: DroneId,
        /// The lease; one of another Drone is ignored.
        lease: LeaseId,
        /// What went wrong, for people.
        reason: String,
    },
    /// What a task needs to be computed, its inputs or its material, is damaged on disk.
    InputsUnavailable {
        /// The task, which fails.
        task: TaskId,
        /// What is damaged, for people.
        reason: String,
    },
    /// The shell has kept a Drone waiting for a while: that it was silent or idle does not count.
    Excuse {
        /// The Drone that was kept waiting.
        drone: DroneId,
        /// Its heartbeats were: a lease that they leave out is lost to it all the same.
        was_heard: bool,
    },
    /// A Drone gives leases back.
    HandBack {
        /// The Drone that gives them back.
        drone: DroneId,
        /// The leases; those of other Drones are ignored.
        leases: Vec<LeaseId>,
    },
    /// A Drone takes no more work.
    Leaving {
        /// The Drone that takes no more.
        drone: DroneId,
    },
    /// A Drone is not trusted with work any more, and what it holds goes to others.
    Quarantine {
        /// The Drone that is distrusted.
        drone: DroneId,
    },
    /// A Drone is trusted again.
    Pardon {
        /// The Drone that was in quarantine.
        drone: DroneId,
    },
    /// A Drone's connection broke; it may come back.
    Disconnected {
        /// The Drone whose connection it was.
        drone: DroneId,
    },
    /// A Drone has left for good.
    Gone {
        /// The Drone that has left.
        drone: DroneId,
    },
    /// Time has passed.
    Tick,
}

/// How far a lease is, as its Drone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseProgress {
    /// The lease.
    pub lease: LeaseId,
    /// Indices below this one are computed.
    pub reached: u64,
    /// Whether a thread has begun with it.
    pub begun: bool,
}
