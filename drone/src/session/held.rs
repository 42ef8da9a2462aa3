//! One lease that a Drone is responsible for.

use std::collections::VecDeque;

use wire::ids::{Instance, TaskId};
use wire::message::{Adoption, Lease, Offered};

use super::part::{Key, Part};
use crate::pool::Urgency;

/// What a part takes besides its results, in bytes.
const PART_OVERHEAD_BYTES: usize = 256;

/// A lease that the Drone is responsible for.
pub(super) struct HeldLease {
    /// What the Queen called it last.
    pub(super) key: Key,
    pub(super) task: TaskId,
    instance: Instance,
    pub(super) urgency: Urgency,
    /// The first index that is wanted and not known to be stored.
    pub(super) from: u64,
    /// Results below this index have come from the pool.
    pub(super) reported: u64,
    /// Behind the last index that is wanted.
    pub(super) to: u64,
    pub(super) phase: Phase,
    /// The number of the frame that brought it.
    pub(super) frame: u64,
    /// The number of the material that it needs.
    pub(super) material: Option<u64>,
    /// Results that are wanted and not known to be stored, in index order and without gaps.
    parts: VecDeque<Part>,
    /// What they take, in bytes.
    kept_bytes: usize,
}

/// What is still to be done with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It is computed or waits for it.
    Computing,
    /// Its results are kept until they are stored.
    Computed,
    /// It failed or was given back. What was output before counts as long as the connection lasts.
    Abandoned,
}

/// What keeping a part takes, in bytes.
pub(super) fn size(part: &Part) -> usize {
    PART_OVERHEAD_BYTES + part.output.size()
}

impl HeldLease {
    pub(super) fn new(key: Key, urgency: Urgency, lease: &Lease<'_>, (frame, material): (u64, Option<u64>)) -> Self {
        let Lease { task, instance, from, to, .. } = *lease;
        let (phase, parts) = (Phase::Computing, VecDeque::new());
        Self { key, task, instance, urgency, from, reported: from, to, phase, frame, material, parts, kept_bytes: 0 }
    }

    /// What the Queen is told of it on a new connection.
    pub(super) fn offered(&self) -> Offered {
        let Self { key: Key { lease, epoch }, task, instance, from, to, .. } = *self;
        Offered { lease, epoch, task, instance, from, to }
    }

    /// The results that are kept.
    pub(super) fn parts(&mut self) -> &[Part] {
        self.parts.make_contiguous()
    }

    /// What its parts take, in bytes.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    /// Keeps what is wanted of `part`, and returns it.
    pub(super) fn add(&mut self, part: Part) -> Option<Part> {
        let part = wanted(part, self.from, self.to)?;
        self.kept_bytes += size(&part);
        self.parts.push_back(part.clone());
        Some(part)
    }

    /// The first part is stored: returns how many bytes this sets free.
    pub(super) fn pop_stored(&mut self) -> usize {
        let Some(part) = self.parts.pop_front() else { return 0 };
        self.from = self.from.max(part.to());
        self.kept_bytes -= size(&part);
        size(&part)
    }

    /// Takes its new name, and forgets the results that nobody wants.
    pub(super) fn adopt(&mut self, key: Key, adoption: &Adoption) {
        self.key = key;
        self.from = adoption.from;
        let parts = std::mem::take(&mut self.parts);
        self.parts = parts.into_iter().filter_map(|part| wanted(part, adoption.from, adoption.to)).collect();
        self.kept_bytes = self.parts.iter().map(size).sum();
    }
}

/// What lies within `from..to` of a part, if there is anything.
fn wanted(part: Part, from: u64, to: u64) -> Option<Part> {
    let (from, to) = (from.max(part.from), to.min(part.to()));
    (from < to).then(|| Part { from, output: part.output.slice(from - part.from..to - part.from), ..part })
}
