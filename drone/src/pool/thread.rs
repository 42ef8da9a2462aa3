//! What one compute thread does.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::mpsc::Sender;

use super::{Event, Lease, Report, Shared};

/// Compressions between two looks at the flag: some 16 to 50 microseconds where the CPU has
/// instructions for SHA-256, and less than a millisecond where it has none.
const STEP: u64 = 1024;

/// Results are reported when this much compute time went into them, in nanoseconds …
const PART_NS: u64 = 250_000_000;

/// … or when they are this long, in bytes.
const PART_SIZE: usize = 1 << 20;

/// Lets all else on the machine go first, so that connections, and a Queen on the same machine,
/// need not wait for a thread that computes to use up its slice.
pub(super) fn stand_back(nice: u8) {
    // Elsewhere a priority is the whole process's.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, i32::from(nice)) {
        tracing::debug!(%error, "a compute thread keeps its priority");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

/// Computes until the pool closes.
pub(super) fn run(shared: &Shared, index: usize, reports: &Sender<Report>) {
    let mut current = None;
    while let Some(lease) = shared.next(index, current) {
        current = compute(shared, index, lease, reports);
    }
}

/// Computes until the lease has ended, or until the flag says that something else matters.
fn compute(shared: &Shared, index: usize, mut lease: Lease, reports: &Sender<Report>) -> Option<Lease> {
    let slot = &shared.slots[index];
    let mut before = Instant::now();
    while !lease.is_computed() {
        if slot.attend.load(Ordering::Acquire) {
            return Some(lease);
        }
        let step = catch_unwind(AssertUnwindSafe(|| lease.job.step(shared.kernel, STEP)));
        let now = Instant::now();
        let spent = u64::try_from((now - before).as_nanos()).unwrap_or(u64::MAX);
        lease.spent_ns += spent;
        slot.busy_ns.fetch_add(spent, Ordering::Relaxed);
        before = now;
        match step {
            Ok(compressions) => {
                lease.compressions += compressions;
                slot.compressions.fetch_add(compressions, Ordering::Relaxed);
            }
            Err(panic) => {
                let reason = format!("the computation broke down: {}", message(&*panic));
                tracing::error!(chunk = lease.urgency.ticket.0, "{reason}");
                report(&lease, Event::Failed { reason }, reports);
                return None;
            }
        }
        slot.reached.store(lease.reached(), Ordering::Relaxed);
        let waits = lease.job.uncollected();
        if waits >= PART_SIZE || (waits > 0 && lease.spent_ns >= PART_NS) {
            if !report_results(&mut lease, reports) {
                return None;
            }
            before = Instant::now();
        }
    }
    if lease.job.uncollected() > 0 {
        report_results(&mut lease, reports);
    }
    None
}

/// Reports what was computed; false if nobody wants to know any more.
fn report_results(lease: &mut Lease, reports: &Sender<Report>) -> bool {
    let output = lease.job.collect();
    let from = lease.from + lease.reported;
    lease.reported += output.items();
    let event = Event::Output {
        from,
        output,
        kind: lease.job.kind(),
        spent_ns: std::mem::take(&mut lease.spent_ns),
        compressions: std::mem::take(&mut lease.compressions),
    };
    report(lease, event, reports)
}

fn report(lease: &Lease, event: Event, reports: &Sender<Report>) -> bool {
    reports.blocking_send(Report { ticket: lease.urgency.ticket, event }).is_ok()
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}
