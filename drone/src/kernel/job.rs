//! A resumable computation, and what comes out of it.

use super::kernels::Kernels;
use super::output::Output;

/// The work of one lease. Items are numbered from 0, whatever the lease's first index is.
pub trait Job: Send {
    /// Items wanted.
    fn total(&self) -> u64;

    /// SHA-256 compressions that all of it takes, estimated at once and from above; 0 if there are
    /// no items.
    fn cost(&self) -> u64;

    /// Items computed.
    fn done(&self) -> u64;

    /// Bytes of results that wait for [`collect`](Self::collect).
    fn uncollected(&self) -> usize;

    /// After how much computing of one thread results are given away that are not many, in nanoseconds.
    fn part_ns(&self) -> u64 {
        250_000_000
    }

    /// Whether somebody waits for a result that waits for [`collect`](Self::collect).
    fn is_urgent(&self) -> bool {
        false
    }

    /// Takes away all items from `total` on, computed or not; a larger total changes nothing.
    fn shrink(&mut self, total: u64);

    /// Computes for about `compressions` SHA-256 compressions, at most a few more for each lane.
    /// Returns how many it took. Each step may be given other kernels.
    fn step(&mut self, kernels: &Kernels, compressions: u64) -> u64;

    /// Gives away the results of the items that were computed since the last time.
    fn collect(&mut self) -> Output;

    /// Whether no item is left to compute.
    fn is_finished(&self) -> bool {
        self.done() >= self.total()
    }
}
