//! What there is to be computed, and what Drones can.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wire::ids::DroneId;
use wire::work::{Class, Kind};

use super::intervals::RangeSet;
use super::time::Time;

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
    /// What one thread is to do of it in one chunk, where there is enough to do: whole hundredths of a second, at
    /// most some minutes.
    pub target: Duration,
    /// Where there is enough to do, no chunk is smaller than one part in 65,536 of it, since what each chunk leaves
    /// behind is kept.
    pub has_ledger: bool,
    /// Bytes on the wire that each chunk has besides its items' and its material.
    pub chunk_bytes: u32,
    /// What all its chunks need and a Drone is sent once, in bytes.
    pub material: u32,
    /// When it fails if it has not ended.
    pub deadline: Option<Time>,
    /// A Drone that is not to compute it if there is another one.
    pub avoid: Option<DroneId>,
    /// Its items are tasks of their own: one that cannot be computed fails alone.
    pub batch: bool,
    /// Each item is computed twice, and costs twice as much.
    pub twice: bool,
}

/// A part of a task whose items are alike enough to count with their mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Segment {
    /// How many items; at least 1.
    pub items: u64,
    /// SHA-256 compressions of all of them; at least 1.
    pub cost: u64,
    /// Bytes of all of them on the wire.
    pub bytes: u64,
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
    /// How much material it keeps, in bytes.
    pub material: u64,
}

impl Ability {
    /// Of a Drone that has not said what it can do.
    pub(super) fn unknown() -> Self {
        Self { threads: 1, kinds: BTreeSet::new(), speeds: BTreeMap::new(), material: 0 }
    }
}

/// What one thread of a Drone does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Compressions per second, with all lanes at work.
    pub rate: u64,
    /// How many items it computes at once, in about the time of one; at least 1.
    pub lanes: u16,
}
