//! The compute threads.
//!
//! One run queue under one lock, most urgent first; a condition variable wakes sleepers, one
//! per added job. A running thread looks at nothing but its own flag between two steps. The
//! flag is raised, under the lock, when its lease was shrunk or when it runs the least urgent
//! lease while a more urgent one waits for which no thread is free; then the thread goes to
//! the lock and sees. A job travels between the queue and at most one thread, so it needs no
//! lock of its own.
//!
//! What takes less time than to wake a thread need not come here: the caller may compute it
//! itself ([`Pool::compute_brief`]).
//!
//! What goes in and comes out ([`Assignment`], [`Report`]) is public, so that somebody else may
//! play the pool before a [`Session`](crate::session::Session); the threads are not.

mod assignment;
mod computation;
mod queue;
mod report;
#[cfg(test)]
mod tests;
mod thread;

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::mpsc;

pub use self::assignment::{Assignment, Ticket, Urgency};
use self::computation::{Computation, Tally};
use self::queue::{Queue, Shared, Slot};
pub use self::report::{Outcome, Report, Standing, Worked};
use crate::kernel::Kernels;
use crate::nice::stand_back;

/// Reports that may wait; threads wait for room when the Queen takes results too slowly.
const MAX_REPORTS: usize = 64;

/// Compressions that take less time than to wake a thread and to be woken by it.
const BRIEF_COMPRESSIONS: u64 = 64;

/// The threads; dropping it ends them. Whoever receives the reports must have gone by then,
/// since a thread may wait until one is taken.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts the threads, so nice; what they find out arrives at the receiver.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub(crate) fn start(
        threads: NonZeroUsize,
        kernels: Kernels,
        nice: u8,
    ) -> io::Result<(Self, mpsc::Receiver<Report>)> {
        let (reports, receiver) = mpsc::channel(MAX_REPORTS);
        let slots = (0..threads.get()).map(|_| Slot::default()).collect::<Box<[_]>>();
        let queue = Queue { running: slots.iter().map(|_| None).collect(), ..Queue::default() };
        let (queue, added, brief) = (Mutex::new(queue), Condvar::new(), Tally::default());
        let shared = Arc::new(Shared { queue, added, slots, brief, kernels });
        let mut pool = Self { shared, threads: Vec::new() };
        for index in 0..threads.get() {
            let (shared, reports) = (pool.shared.clone(), reports.clone());
            let thread = std::thread::Builder::new().name(format!("compute-{index}"));
            let run = move || {
                stand_back(nice);
                thread::run(&shared, index, &reports);
            };
            pool.threads.push(thread.spawn(run)?);
        }
        Ok((pool, receiver))
    }

    /// Computes a brief lease here and now; gives back one that is not brief.
    ///
    /// # Errors
    /// The lease, which is to be [queued](Self::add).
    pub(crate) fn compute_brief(&self, assignment: Assignment) -> Result<Report, Assignment> {
        if !(1..=BRIEF_COMPRESSIONS).contains(&assignment.job.cost()) {
            return Err(assignment);
        }
        let mut lease = Computation::new(assignment);
        let mut before = Instant::now();
        while !lease.is_computed() {
            match lease.step(&self.shared.kernels, BRIEF_COMPRESSIONS, &self.shared.brief, before) {
                Ok(now) => before = now,
                Err(failed) => return Ok(failed),
            }
        }
        Ok(lease.report())
    }

    /// Queues a lease.
    pub(crate) fn add(&self, assignment: Assignment) {
        let urgency = assignment.urgency;
        let mut queue = self.shared.lock();
        queue.waiting.insert(urgency, Computation::new(assignment));
        // Threads that sleep take one waiting lease each; only one more has to push in.
        if queue.waiting.len() <= queue.sleeping {
            self.shared.added.notify_one();
        } else {
            self.shared.interrupt_for(&mut queue, urgency);
        }
    }

    /// Ends a lease before the task's index `end`. Results that are still wanted come.
    pub(crate) fn shrink(&self, urgency: Urgency, end: u64) {
        let mut queue = self.shared.lock();
        if let Some(lease) = queue.waiting.get_mut(&urgency) {
            lease.shrink(end);
            if lease.is_over() {
                queue.waiting.remove(&urgency);
            }
            return;
        }
        for (running, slot) in queue.running.iter_mut().zip(&self.shared.slots) {
            if let Some(running) = running.as_mut().filter(|running| running.urgency == urgency) {
                running.end = running.end.min(end);
                slot.attend.store(true, Ordering::Release);
            }
        }
    }

    /// Takes back the leases that no thread has begun with.
    pub(crate) fn recall(&self) -> Vec<Ticket> {
        let mut queue = self.shared.lock();
        queue.waiting.extract_if(.., |_, lease| !lease.is_begun()).map(|(urgency, _)| urgency.ticket).collect()
    }

    /// How far each lease is that has not ended.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        let queue = self.shared.lock();
        let waiting = queue.waiting.iter().map(|(urgency, lease)| Standing {
            ticket: urgency.ticket,
            reached: lease.reached(),
            begun: lease.is_begun(),
        });
        let running = queue.running.iter().zip(&self.shared.slots).filter_map(|(running, slot)| {
            let ticket = running.as_ref()?.urgency.ticket;
            Some(Standing { ticket, reached: slot.reached.load(Ordering::Relaxed), begun: true })
        });
        waiting.chain(running).collect()
    }

    /// What all threads have done so far.
    pub(crate) fn worked(&self) -> Worked {
        let Shared { slots, brief, .. } = &*self.shared;
        let sum = |of: fn(&Tally) -> &AtomicU64| {
            slots.iter().map(|slot| &slot.tally).chain([brief]).map(|tally| of(tally).load(Ordering::Relaxed)).sum()
        };
        Worked { compressions: sum(|tally| &tally.compressions), busy_ns: sum(|tally| &tally.busy_ns) }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closing = true;
        self.shared.slots.iter().for_each(|slot| slot.attend.store(true, Ordering::Release));
        self.shared.added.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so itself.
            let _ = thread.join();
        }
    }
}
