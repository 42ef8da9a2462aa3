//! How much of a task one lease takes.

use std::ops::Range;
use std::time::Duration;

use super::drone::{Drone, Place, RESERVE_CHUNK};
use super::task::Task;

/// What one thread is to do in one chunk, where there is enough to do.
const TARGET: Duration = Duration::from_millis(200);
/// Below this, leasing costs more than an uneven end.
const FLOOR: Duration = Duration::from_millis(10);

/// The first pending indices of `task` that make one chunk for `drone`, when all Drones
/// together have `threads` threads.
///
/// Towards the end of a task chunks shrink, as in guided self-scheduling (Polychronopoulos
/// and Kuck, 1987): a chunk is at most half of what one thread's share of the rest would be.
pub(super) fn chunk(task: &Task, drone: &Drone, place: Place, threads: u64) -> Option<Range<u64>> {
    let run = task.next_run()?;
    let rate = u128::from(drone.rate(task.class));
    let cost_in = |time: Duration| (rate * time.as_nanos() / 1_000_000_000) as u64;
    let target = match place {
        Place::Ahead => TARGET,
        Place::Reserve => RESERVE_CHUNK,
    };
    let share = task.cost_left() / (2 * threads.max(1));
    let wanted = share.clamp(cost_in(FLOOR.min(target)), cost_in(target)).max(1);
    let length = run.end - run.start;
    let pieces = task.cost(&run).div_ceil(wanted).clamp(1, length);
    Some(run.start..run.start + length.div_ceil(pieces))
}
