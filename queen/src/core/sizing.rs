//! How much of a task one lease takes.
//!
//! A thread computes as many items at once as it has lanes, and fewer take as long. So a lease is
//! of whole groups of that size while there is enough for everybody; towards the end of a task
//! each thread gets its share of what is left, down to single items.

use std::ops::Range;
use std::time::Duration;

use super::credit::CreditPool;
use super::drone::{Drone, RESERVE_CHUNK};
use super::task::Task;

/// A chunk is at most this part of what one thread's share of the rest would be.
const SHARE_DIVISOR: u64 = 2;
/// Where there is enough to do, a chunk of a task with a ledger is at least this part of the whole task, so that
/// the ledger does not grow without a bound.
const MOST_CHUNKS: u64 = 1 << 16;
/// Below this, leasing costs more than an uneven end.
const FLOOR: Duration = Duration::from_millis(10);

/// How much all Drones together can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capacity {
    /// Compute threads.
    pub(super) threads: u64,
    /// Compressions per second of them all at the task's class.
    pub(super) speed: u128,
}

/// The first pending indices of `task` that make one chunk for `drone`.
///
/// Towards the end of a task chunks shrink, as in guided self-scheduling (Polychronopoulos
/// and Kuck, 1987): see [`SHARE_DIVISOR`].
pub(super) fn chunk(task: &Task, drone: &Drone, pool: CreditPool, capacity: Capacity) -> Option<Range<u64>> {
    let run = task.next_run()?;
    let rate = u128::from(drone.rate(task.class));
    let cost_in = |time: Duration| (rate * time.as_nanos() / 1_000_000_000) as u64;
    let least = if task.has_ledger { task.whole_cost() / MOST_CHUNKS } else { 0 };
    let most = match pool {
        CreditPool::Ahead => cost_in(task.target()).max(least),
        CreditPool::Reserve => cost_in(RESERVE_CHUNK).max(least),
    };
    let share = task.cost_left() / (SHARE_DIVISOR * capacity.threads.max(1));
    let wanted = share.clamp(cost_in(FLOOR).min(most), most).max(1);
    let length = run.end - run.start;
    let pieces = task.cost(&run).div_ceil(wanted).clamp(1, length);
    let items = length.div_ceil(pieces);
    let lanes = drone.lanes(task.class);
    let items = match items / lanes {
        0 => items.max(fair_share(task, drone, capacity).min(lanes)).min(length),
        groups => groups * lanes,
    };
    Some(run.start..run.start + items)
}

/// How many of the items that are not done one thread would compute if all ended together.
fn fair_share(task: &Task, drone: &Drone, capacity: Capacity) -> u64 {
    let items = u128::from(task.items_left());
    let share = (items * u128::from(drone.rate(task.class))).div_ceil(capacity.speed.max(1));
    u64::try_from(share).unwrap_or(u64::MAX)
}
