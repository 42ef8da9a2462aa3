//! One lease while it is computed.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::assignment::{Assignment, Urgency};
use super::report::{Outcome, Report};
use crate::kernel::{Job, Kernels};

/// What has been computed since the start; one thread alone writes it.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) compressions: AtomicU64,
    /// For how long, in nanoseconds.
    pub(super) busy_ns: AtomicU64,
}

/// A lease that is computed, on its way between the queue and the threads.
pub(super) struct Computation {
    pub(super) urgency: Urgency,
    from: u64,
    pub(super) job: Box<dyn Job>,
    /// Items whose results were reported.
    reported: u64,
    /// Thread time that went into what is not yet reported, in nanoseconds.
    pub(super) spent_ns: u64,
}

impl Computation {
    pub(super) fn new(assignment: Assignment) -> Self {
        let Assignment { urgency, from, job } = assignment;
        Self { urgency, from, job, reported: 0, spent_ns: 0 }
    }

    pub(super) fn end(&self) -> u64 {
        self.from + self.job.total()
    }

    pub(super) fn reached(&self) -> u64 {
        self.from + self.job.done()
    }

    pub(super) fn shrink(&mut self, end: u64) {
        self.job.shrink(end.saturating_sub(self.from));
    }

    pub(super) fn is_begun(&self) -> bool {
        self.spent_ns > 0 || self.job.done() > 0
    }

    /// One step of about so many compressions, counted with the time since `before`; returns when
    /// it ended.
    ///
    /// # Errors
    /// If the computation broke down: the report of that.
    pub(super) fn step(
        &mut self,
        kernels: &Kernels,
        compressions: u64,
        tally: &Tally,
        before: Instant,
    ) -> Result<Instant, Report> {
        let step = catch_unwind(AssertUnwindSafe(|| self.job.step(kernels, compressions)));
        let now = Instant::now();
        let spent = u64::try_from((now - before).as_nanos()).unwrap_or(u64::MAX);
        self.spent_ns += spent;
        tally.busy_ns.fetch_add(spent, Ordering::Relaxed);
        match step {
            Ok(compressions) => {
                tally.compressions.fetch_add(compressions, Ordering::Relaxed);
                Ok(now)
            }
            Err(panic) => {
                let reason = format!("the computation broke down: {}", message(&*panic));
                tracing::error!(chunk = self.urgency.ticket.0, "{reason}");
                Err(Report { ticket: self.urgency.ticket, outcome: Outcome::Failed { reason } })
            }
        }
    }

    /// What was computed and not yet reported.
    pub(super) fn report(&mut self) -> Report {
        let output = self.job.collect();
        let from = self.from + self.reported;
        self.reported += output.items();
        let outcome = Outcome::Output { from, output, spent_ns: std::mem::take(&mut self.spent_ns) };
        Report { ticket: self.urgency.ticket, outcome }
    }

    /// Nothing is left to compute, but perhaps something to report.
    pub(super) fn is_computed(&self) -> bool {
        self.job.is_finished()
    }

    /// Whether items were computed that were not reported.
    pub(super) fn has_unreported(&self) -> bool {
        self.job.done() > self.reported
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_computed() && !self.has_unreported()
    }
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}
