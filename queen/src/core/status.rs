//! What there is to know of work at one moment.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, TaskId};

use super::time::Time;

/// A task at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Status {
    /// Items done.
    pub done: u64,
    /// Items done without a gap from the first on.
    pub prefix: u64,
    /// Items per second lately.
    pub rate: f64,
    /// When it is expected to be done, counting the work before it.
    pub eta: Option<Duration>,
}

/// Why nothing of a task is computed at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A user paused it.
    Paused,
    /// No Drone is connected.
    NoDrones,
    /// No connected Drone can do this kind of work.
    NoneAble,
    /// No connected Drone that does this kind of work keeps as much material as it needs.
    Material,
    /// All that could do it are in quarantine.
    AllQuarantined,
    /// All that could do it are leaving.
    AllLeaving,
    /// Two Drones were lost while they computed a range of it, which is to be computed in isolation.
    Isolation,
    /// It failed on the only Drone that can compute it, which tries it again after a while.
    Again,
    /// Drones are busy with something more urgent.
    Behind(TaskId),
    /// Drones are busy with tasks of the same priority.
    Turn,
}

/// A lease that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseStatus {
    /// The task that it is of.
    pub task: TaskId,
    /// The index that its next output has to begin with.
    pub next: u64,
}

/// What there is to know of one lease, in some state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseSummary<S> {
    /// Of which task.
    pub task: TaskId,
    /// Which indices, but for those that others took over.
    pub range: Range<u64>,
    /// Behind the last index that was output.
    pub reached: u64,
    /// When it was given.
    pub granted: Time,
    /// Thread time of what was output.
    pub spent: Duration,
    /// Whether a thread has begun with it, as far as is known; or how it ended.
    pub state: S,
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEnd {
    /// All of it was output.
    Done,
    /// The Drone gave it back.
    Returned,
    /// The Drone could not compute it.
    Failed,
    /// It is not wanted any more, or given to another Drone.
    Withdrawn,
    /// The Drone was lost, silent, or did not know of it.
    Expired,
}

/// What has become of indices of a task that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// They are to be computed.
    Pending {
        /// How often they were tried in vain.
        attempts: u32,
    },
    /// They are leased.
    Leased {
        /// To this Drone.
        drone: DroneId,
        /// By so many leases.
        leases: u32,
        /// How often they were tried, these leases among it.
        attempts: u32,
    },
    /// A Drone has computed them, and the Queen is to compute them again.
    WithQueen,
    /// They are done.
    Done,
}

/// Where a Drone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Leases that it holds.
    pub leases: u64,
    /// Whether it takes no more.
    pub leaving: bool,
    /// Whether its connection broke and it is waited for.
    pub away: bool,
}

/// What there is to know of a Drone's work.
#[derive(Debug, Clone, PartialEq)]
pub struct DroneStatus {
    /// Where it stands.
    pub standing: Standing,
    /// Why it has nothing to do.
    pub idle: Option<Idle>,
    /// Items per second lately.
    pub rate: f64,
    /// Compressions per second lately.
    pub cost_rate: f64,
    /// Tasks of which it holds leases, the most urgent first; the first few.
    pub tasks: Vec<TaskId>,
    /// Compressions per second of work like the first of them that all its threads reached when it measured itself.
    pub benchmark: Option<u64>,
}

/// Why a Drone computes nothing at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// It is in quarantine.
    Quarantined,
    /// It takes no more work.
    Leaving,
    /// Its connection broke.
    Away,
    /// What is to be done is of kinds that it cannot do, or needs more material than it keeps.
    NotAble,
    /// All tasks are paused.
    AllPaused,
    /// What is to be done has been leased to others.
    NothingLeft,
    /// There is nothing to do.
    NothingToDo,
}

/// What there is to know of all work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    /// Items that are not done.
    pub items_queued: u64,
    /// Items done since the start.
    pub items_done: u64,
    /// Compressions that Drones computed since the start, and that counted.
    pub cost_done: u64,
    /// What became of leases since the start.
    pub leases: LeaseCounts,
    /// Items per second lately.
    pub rate: f64,
    /// Compressions per second lately.
    pub cost_rate: f64,
    /// When all of it is expected to be done.
    pub eta: Option<Duration>,
}

/// How many leases there were since the start, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeaseCounts {
    /// That were sent to Drones; twins are among them.
    pub given: u64,
    /// Of ranges that another Drone had too.
    pub twinned: u64,
    /// Of ranges that Drones which came back still had: nothing was sent.
    pub adopted: u64,
    /// Taken back because their Drone was lost, silent, or did not know of them.
    pub expired: u64,
    /// That their Drones could not compute.
    pub failed: u64,
}
