//! What goes into the core and what comes out of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId, TaskId};
use wire::work::{Class, Kind};

use super::{RangeSet, Segment, Time};

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
        /// Which one; an unknown one is ignored.
        task: TaskId,
    },
    /// A user wants nothing of a task to be computed for now.
    Pause {
        /// Which one.
        task: TaskId,
    },
    /// A user wants a paused task to be computed again.
    Resume {
        /// Which one.
        task: TaskId,
    },
    /// A user changes what is more urgent.
    SetPriority {
        /// Which task.
        task: TaskId,
        /// Its new priority.
        priority: i8,
    },
    /// A user changes when a task fails if it has not ended.
    SetDeadline {
        /// Which task; an unknown one is ignored.
        task: TaskId,
        /// When; never if `None`.
        deadline: Option<Time>,
    },
    /// Results that were there are wanted again.
    Revoke {
        /// Of which task.
        task: TaskId,
        /// Which indices; those that are not done are ignored.
        range: Range<u64>,
    },
    /// An item of a task is not to be computed any more, and counts as done.
    Detach {
        /// Of which task.
        task: TaskId,
        /// Which one; one that is done stays so.
        index: u64,
    },
    /// A Drone held these ranges when the Queen before ended, and may come back with them.
    Inherit {
        /// Who; it is not connected.
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
        /// Who.
        drone: DroneId,
        /// The leases that it holds; they are renewed.
        progress: Vec<Progress>,
        /// A number that grows while its threads compute anything.
        computed: u64,
    },
    /// Results of a part of a lease came; what [`Core::wanted`](super::Core::wanted) wants of them is stored.
    Output {
        /// By whom.
        drone: DroneId,
        /// Of which lease.
        lease: LeaseId,
        /// Which indices.
        range: Range<u64>,
        /// Thread time that it took.
        spent: Duration,
    },
    /// Results of a part of a lease came that count for nothing until somebody has computed the same: what
    /// [`Core::wanted`](super::Core::wanted) wants of them is pending again, for another Drone if there is one.
    Claim {
        /// By whom.
        drone: DroneId,
        /// Of which lease.
        lease: LeaseId,
        /// Which indices.
        range: Range<u64>,
        /// Thread time that it took.
        spent: Duration,
        /// It is no Drone that computes them again: they wait for [`Second`](Self::Second).
        by_queen: bool,
    },
    /// The Queen has computed again what a Drone claimed; those of the range that wait for that are done, or
    /// pending if the two differ.
    Second {
        /// Of which task.
        task: TaskId,
        /// Which indices.
        range: Range<u64>,
        /// Whether the two are the same; what they are is stored.
        agrees: bool,
    },
    /// A Drone cannot compute the rest of a lease.
    Failed {
        /// Who.
        drone: DroneId,
        /// Which lease.
        lease: LeaseId,
        /// Why, for people.
        reason: String,
    },
    /// What a task needs to be computed cannot be had.
    Spoil {
        /// Which task.
        task: TaskId,
        /// Why, for people.
        reason: String,
    },
    /// The shell has kept a Drone waiting for a while: that it was silent or idle does not count.
    Excuse {
        /// Whom.
        drone: DroneId,
        /// Its heartbeats were: a lease that they leave out is lost to it all the same.
        was_heard: bool,
    },
    /// A Drone gives leases back.
    HandBack {
        /// Who.
        drone: DroneId,
        /// Which ones.
        leases: Vec<LeaseId>,
    },
    /// A Drone takes no more work.
    Leaving {
        /// Who.
        drone: DroneId,
    },
    /// A Drone is not trusted with work any more, and what it holds goes to others.
    Quarantine {
        /// Who.
        drone: DroneId,
    },
    /// A Drone is trusted again.
    Pardon {
        /// Who.
        drone: DroneId,
    },
    /// A Drone's connection broke; it may come back.
    Lost {
        /// Who.
        drone: DroneId,
    },
    /// A Drone has left for good.
    Gone {
        /// Who.
        drone: DroneId,
    },
    /// Time has passed.
    Tick,
}

/// How far a lease is, as its Drone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Which lease.
    pub lease: LeaseId,
    /// Indices below this one are computed.
    pub reached: u64,
    /// Whether a thread has begun with it.
    pub begun: bool,
}

/// What a new task consists of.
#[derive(Debug, Clone)]
pub struct TaskWork {
    /// What it takes to compute it.
    pub class: Class,
    /// More urgent is larger.
    pub priority: i8,
    /// Its parts, in order; none is empty. A chunk never crosses from one into the next, and
    /// the bytes of one fit into a frame.
    pub segments: Box<[Segment]>,
    /// What was done of it before.
    pub done: RangeSet,
    /// Nothing of it is computed until it is resumed.
    pub paused: bool,
    /// When it fails if it has not ended.
    pub deadline: Option<Time>,
    /// A Drone that is not to compute it if there is another one.
    pub avoid: Option<DroneId>,
    /// Its items are tasks of their own: one that cannot be computed fails alone.
    pub batch: bool,
    /// Each item is computed twice, and costs twice as much.
    pub twice: bool,
}

/// What a Drone can do.
#[derive(Debug, Clone)]
pub struct Ability {
    /// Compute threads.
    pub threads: u16,
    /// Kinds of work that it can do.
    pub kinds: BTreeSet<Kind>,
    /// What one thread does of each class that it measured at its start.
    pub speeds: BTreeMap<Class, Speed>,
}

/// What one thread of a Drone does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Compressions per second, with all lanes at work.
    pub rate: u64,
    /// How many items it computes at once, in about the time of one; at least 1.
    pub lanes: u16,
}

/// What the shell has to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send this lease.
    Lease(Grant),
    /// Tell the Drone that this lease now ends at `end`.
    Withdraw {
        /// Whom to tell.
        drone: DroneId,
        /// Which lease.
        lease: LeaseId,
        /// Its new end.
        end: u64,
    },
    /// The answer to a Drone's offers, to be sent before any lease.
    Adopted {
        /// To whom.
        drone: DroneId,
        /// For each offer, its lease from now on and the part of the range that is wanted.
        leases: Vec<Option<(LeaseId, Range<u64>)>>,
    },
    /// Remember that a Drone has this range, in case the Queen ends before it is done.
    Hold {
        /// Under which lease; what was remembered of it before is outdated.
        lease: LeaseId,
        /// Which Drone.
        drone: DroneId,
        /// Which task.
        task: TaskId,
        /// Which indices.
        range: Range<u64>,
    },
    /// The lease that was to be remembered is over.
    Unhold(LeaseId),
    /// The task was leased for the first time.
    Started(TaskId),
    /// More of the task is done.
    Progress(TaskId),
    /// An item of a batch cannot be computed; it counts as done.
    FailedItem {
        /// Of which task.
        task: TaskId,
        /// Which one.
        index: u64,
        /// Why.
        blame: Blame,
    },
    /// The task is over; the core has forgotten it.
    Ended {
        /// Which one.
        task: TaskId,
        /// How it ended.
        outcome: Outcome,
        /// What was done of it.
        done: RangeSet,
    },
    /// A Drone is not trusted with work any more.
    Quarantined {
        /// Which one.
        drone: DroneId,
        /// Why.
        why: Distrust,
    },
    /// Close the Drone's connection. What it held is given to others.
    Disconnect {
        /// Which one.
        drone: DroneId,
        /// Why, for its operator.
        reason: &'static str,
    },
    /// The Drone did not come back in time; the core has forgotten it.
    Forgotten(DroneId),
}

/// Why the core trusts a Drone no longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Distrust {
    /// It failed on these tasks, which others could compute, or nobody else has tried.
    Failures(Vec<TaskId>),
    /// It sends heartbeats, but takes no work in or computes nothing, again and again.
    Idleness,
}

/// A lease as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub drone: DroneId,
    /// Its number.
    pub lease: LeaseId,
    /// Of which task.
    pub task: TaskId,
    /// Which indices.
    pub range: Range<u64>,
    /// More urgent is larger.
    pub priority: i8,
    /// Among equal priorities, smaller is first.
    pub rank: u64,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All of it is done.
    Done,
    /// A user stopped it.
    Cancelled,
    /// It cannot be completed.
    Failed(Blame),
}

/// Why a task failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blame {
    /// A range of it could not be computed by these Drones.
    Failures {
        /// In the order of their attempts; one may have tried several times.
        drones: Vec<DroneId>,
        /// What the last one said.
        reason: String,
    },
    /// These Drones were lost while they computed nothing but this range.
    Deaths {
        /// In the order of their deaths.
        drones: Vec<DroneId>,
        /// Which indices.
        range: Range<u64>,
    },
    /// Its deadline passed.
    Deadline,
    /// Its inputs cannot be had.
    Inputs {
        /// Why, for people.
        reason: String,
    },
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
    /// All that could do it are in quarantine.
    AllQuarantined,
    /// All that could do it are leaving.
    AllLeaving,
    /// Two Drones were lost while they computed a range of it, so that it needs one for itself.
    Alone,
    /// It failed on the only Drone that can compute it, which tries it again after a while.
    Again,
    /// Drones are busy with something more urgent.
    Behind(TaskId),
    /// Drones are busy with tasks of the same priority.
    Turn,
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
    /// What is to be done is of kinds that it cannot do.
    NotAble,
    /// All tasks are paused.
    AllPaused,
    /// What is to be done has been leased to others.
    NothingLeft,
    /// There is nothing to do.
    NothingToDo,
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DroneStatus {
    /// Where it stands.
    pub standing: Standing,
    /// Why it has nothing to do.
    pub idle: Option<Idle>,
    /// Items per second lately.
    pub rate: f64,
    /// Compressions per second lately.
    pub cost_rate: f64,
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
