//! All that is said after the handshake: one enum each way.
//!
//! Variants are numbered in their order here; that number is the first byte of a frame's
//! body, so a new variant goes to the end.

use bincode::{BorrowDecode, Encode};

use crate::ids::{Epoch, Instance, LeaseId, TaskId};
use crate::list::List;
use crate::material::{KeptMaterial, MaterialId};
use crate::work::{Chunk, ChunkOutput};

/// The most results of one [`Output`], in bytes.
pub const MAX_PART: usize = 512 << 10;

/// The longest reason of a failure, in bytes: the rest is not kept.
pub const MAX_REASON: usize = 1024;

/// Queen to Drone.
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub enum ToDrone<'a> {
    /// New work: many small leases or one large one.
    Work {
        /// In no particular order; see [`Lease::priority`] and [`Lease::rank`].
        leases: List<Lease<'a>>,
    },
    /// The lease now ends before index `end`; what lies behind it is no longer wanted.
    /// `end` at or below what was reached withdraws all that is left.
    Shrink {
        /// Which lease.
        lease: LeaseId,
        /// Its epoch.
        epoch: Epoch,
        /// The new end, an index of the task.
        end: u64,
    },
    /// Answers each [`ToQueen::Heartbeat`], so that a Drone notices a Queen that is gone.
    Heartbeat,
    /// The Queen is about to close the connection on purpose.
    Goodbye {
        /// For the Drone's operator.
        reason: &'a str,
    },
    /// The answer to [`ToQueen::Offer`]; work follows.
    Adopted {
        /// For each offered lease, in the order of the offer, what becomes of it; nothing if
        /// it is no longer wanted.
        leases: List<Option<Adoption>>,
    },
    /// What was received so far on this connection is safe: it is stored, or not wanted.
    Stored {
        /// How many of the [`Output`]s of this connection, counted from its first one.
        outputs: u64,
    },
    /// The Drone is to finish what it computes, take nothing new, and leave for good.
    Drain,
    /// A piece of material. Pieces come in order, those of one after all of another, and before any lease that names it.
    Material {
        /// Of which material.
        id: MaterialId,
        /// How long all of it is, in bytes.
        total: u64,
        /// Where in it the piece begins, in bytes.
        offset: u64,
        /// At most [`MAX_PIECE`](crate::material::MAX_PIECE).
        bytes: &'a [u8],
    },
    /// No lease to come needs this material, unless it is sent again.
    Forget {
        /// Which material.
        id: MaterialId,
    },
}

/// Drone to Queen.
#[derive(Debug, Clone, PartialEq, Encode, BorrowDecode)]
pub enum ToQueen<'a> {
    /// Results, the only message that carries any.
    Outputs {
        /// Of any leases, in the order in which they were computed.
        outputs: List<Output<'a>>,
    },
    /// These leases cannot be computed; what was output before stays valid.
    Failed {
        /// Which lease.
        lease: LeaseId,
        /// Its epoch.
        epoch: Epoch,
        /// What went wrong, for people; only the first [`MAX_REASON`] bytes count.
        reason: &'a str,
    },
    /// The Drone gives these leases back, apart from what it has output.
    HandBack {
        /// Lease and epoch of each.
        leases: List<(LeaseId, Epoch)>,
    },
    /// Sent at the interval that the welcome names. A lease that stands in it is renewed.
    Heartbeat {
        /// Every lease of which something is still to be computed or said.
        progress: List<Progress>,
        /// SHA-256 compressions that all threads have computed since the process started, those
        /// included that no result has come of yet: it grows while anything is computed.
        compressions: u64,
        /// Nanoseconds that all threads together have computed since the process started.
        busy_ns: u64,
    },
    /// The Drone will leave: it takes no new work, and closes when it has said all it has.
    Leaving,
    /// The first message of each connection: what the Drone holds from connections before, if
    /// anything. No work comes before it is answered by [`ToDrone::Adopted`].
    Offer {
        /// Leases that are unfinished, or whose results are not known to be stored: no more than a
        /// [`List`] may have, so that a Drone must not hold more.
        leases: List<Offered>,
        /// Material that it has, so that it is not sent again; at most [`MAX_KEPT`](crate::material::MAX_KEPT).
        material: List<KeptMaterial>,
    },
}

/// The right to compute one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Encode, BorrowDecode)]
pub struct Lease<'a> {
    /// Its number.
    pub id: LeaseId,
    /// The epoch of the Queen that gave it.
    pub epoch: Epoch,
    /// The task that it is a part of.
    pub task: TaskId,
    /// That task's instance.
    pub instance: Instance,
    /// More urgent is larger; -100..=100.
    pub priority: i8,
    /// Among equal priorities the smaller rank is computed first.
    pub rank: u64,
    /// First index of the task.
    pub from: u64,
    /// Behind the last index.
    pub to: u64,
    /// The material that stands for the chunk's values, key or salt, which is empty in the chunk then.
    pub material: Option<MaterialId>,
    /// What to compute.
    pub chunk: Chunk<'a>,
}

/// The results of a part of a lease, at most [`MAX_PART`] bytes. Parts come in index order and without gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Output<'a> {
    /// Which lease.
    pub lease: LeaseId,
    /// Its epoch.
    pub epoch: Epoch,
    /// First index of this part.
    pub from: u64,
    /// Behind the last index of this part.
    pub to: u64,
    /// Compute time of one thread that went into this part, in nanoseconds.
    pub spent_ns: u64,
    /// The results.
    pub output: ChunkOutput<'a>,
}

/// How far a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Progress {
    /// Which lease.
    pub lease: LeaseId,
    /// Its epoch.
    pub epoch: Epoch,
    /// Indices below this one are computed.
    pub reached: u64,
    /// Whether a thread has begun with it.
    pub begun: bool,
}

/// A lease that a Drone still holds from a connection before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Offered {
    /// Its number.
    pub lease: LeaseId,
    /// Its epoch.
    pub epoch: Epoch,
    /// The task that it is a part of.
    pub task: TaskId,
    /// That task's instance.
    pub instance: Instance,
    /// The first index whose result is not known to be stored. The Drone has the results from
    /// here on, or will have them.
    pub from: u64,
    /// Behind the last index.
    pub to: u64,
}

/// What becomes of a lease that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, BorrowDecode)]
pub struct Adoption {
    /// What it is called from now on, in the epoch of the welcome.
    pub lease: LeaseId,
    /// The first index that is wanted; not below the offered one. Outputs begin here.
    pub from: u64,
    /// Behind the last index that is wanted; not above the offered one.
    pub to: u64,
}
