//! What one compute thread does.

use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc::Sender;

use super::computation::Computation;
use super::queue::Shared;
use super::report::Report;

/// Compressions between two looks at the flag: some 16 to 50 microseconds where the CPU has
/// instructions for SHA-256, and less than a millisecond where it has none.
const STEP_COMPRESSIONS: u64 = 1024;

/// Results are reported when they are this long, in bytes, however soon that is.
const PART_BYTES: usize = 256 << 10;

/// Computes until the pool closes.
pub(super) fn run(shared: &Shared, index: usize, reports: &Sender<Report>) {
    let mut current = None;
    while let Some(lease) = shared.next(index, current) {
        current = compute(shared, index, lease, reports);
    }
}

/// Computes until the lease has ended, or until the flag says that something else matters.
fn compute(shared: &Shared, index: usize, mut lease: Computation, reports: &Sender<Report>) -> Option<Computation> {
    let slot = &shared.slots[index];
    // An error means that nobody wants to know any more.
    let send = |report: Report| reports.blocking_send(report);
    let mut before = Instant::now();
    while !lease.is_computed() {
        if slot.attend.load(Ordering::Acquire) {
            return Some(lease);
        }
        match lease.step(&shared.kernels, STEP_COMPRESSIONS, &slot.tally, before) {
            Ok(now) => before = now,
            Err(failed) => {
                let _ = send(failed);
                return None;
            }
        }
        slot.reached.store(lease.reached(), Ordering::Relaxed);
        let is_due = lease.spent_ns >= lease.job.part_ns() || lease.job.is_urgent();
        if lease.job.uncollected() >= PART_BYTES || is_due && lease.has_unreported() {
            send(lease.report()).ok()?;
            before = Instant::now();
        }
    }
    if lease.has_unreported() {
        let _ = send(lease.report());
    }
    None
}
