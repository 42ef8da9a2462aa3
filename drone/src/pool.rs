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

#[cfg(test)]
mod tests;
mod thread;

use std::any::Any;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;
use std::{cmp, io};

use tokio::sync::mpsc;

use crate::kernel::{Job, Kernels, Output};
use crate::nice::stand_back;

/// Reports that may wait; threads wait for room when the Queen takes results too slowly.
const REPORTS: usize = 64;

/// Compressions that take less time than to wake a thread and to be woken by it.
const BRIEF: u64 = 64;

/// What a lease is called within this process: it stays when a Queen gives it another number,
/// and is never given twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The order of computation: the smaller is the more urgent, and no two leases are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Urgency {
    /// The Queen's, larger first.
    pub priority: cmp::Reverse<i8>,
    /// The Queen's, smaller first.
    pub rank: u64,
    /// Whose urgency it is.
    pub ticket: Ticket,
}

/// A lease to compute.
pub struct Assignment {
    /// When.
    pub urgency: Urgency,
    /// The task's index of the job's first item.
    pub from: u64,
    /// What.
    pub job: Box<dyn Job>,
}

/// What became of a lease, or of a part of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Which lease.
    pub ticket: Ticket,
    /// What became of it.
    pub event: Event,
}

/// See [`Report`].
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The next items, in index order and without a gap.
    Output {
        /// The task's index of the first.
        from: u64,
        /// At least one item's results.
        output: Output,
        /// Thread time of this part, in nanoseconds.
        spent_ns: u64,
    },
    /// It cannot be computed.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// What the pool has done since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// SHA-256 compressions, those included that no result has come of yet.
    pub compressions: u64,
    /// For how long all threads together have computed, in nanoseconds.
    pub busy_ns: u64,
}

/// How far the pool is with a lease that has not ended there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Which lease.
    pub ticket: Ticket,
    /// The task's indices below this one are computed, or lie before the lease.
    pub reached: u64,
    /// Whether a thread has begun with it.
    pub begun: bool,
}

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
        let (reports, receiver) = mpsc::channel(REPORTS);
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
        if !(1..=BRIEF).contains(&assignment.job.cost()) {
            return Err(assignment);
        }
        let mut lease = Lease::new(assignment);
        let mut before = Instant::now();
        while !lease.is_computed() {
            match lease.step(&self.shared.kernels, BRIEF, &self.shared.brief, before) {
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
        queue.waiting.insert(urgency, Lease::new(assignment));
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

/// What the threads have in common.
struct Shared {
    queue: Mutex<Queue>,
    added: Condvar,
    slots: Box<[Slot]>,
    /// What was computed outside the threads.
    brief: Tally,
    kernels: Kernels,
}

/// What a thread touches between two steps.
#[derive(Default)]
struct Slot {
    /// Look at the queue: something concerns you.
    attend: AtomicBool,
    /// Indices below this one are computed of the running lease.
    reached: AtomicU64,
    tally: Tally,
}

/// What has been computed since the start; one thread alone writes it.
#[derive(Default)]
struct Tally {
    compressions: AtomicU64,
    /// For how long, in nanoseconds.
    busy_ns: AtomicU64,
}

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<Urgency, Lease>,
    /// What each thread runs.
    running: Box<[Option<Running>]>,
    /// Threads that wait for work.
    sleeping: usize,
    closing: bool,
}

struct Running {
    urgency: Urgency,
    end: u64,
    /// Asked to make room already.
    yielding: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic changes the queue halfway.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the thread with the least urgent lease to look, if `urgency` comes before it.
    fn interrupt_for(&self, queue: &mut Queue, urgency: Urgency) {
        let running = queue.running.iter_mut().zip(&self.slots);
        let least = running
            .filter_map(|(running, slot)| Some((running.as_mut()?, slot)))
            .filter(|(running, _)| !running.yielding)
            .max_by_key(|(running, _)| running.urgency);
        if let Some((running, slot)) = least.filter(|(running, _)| urgency < running.urgency) {
            running.yielding = true;
            slot.attend.store(true, Ordering::Release);
        }
    }

    /// The lease that thread `index` is to go on with: `current`, or a more urgent one, in
    /// which case `current` waits. Blocks while there is none; `None` when the pool closes.
    fn next(&self, index: usize, current: Option<Lease>) -> Option<Lease> {
        let mut queue = self.lock();
        let slot = &self.slots[index];
        slot.attend.store(false, Ordering::Release);
        let ran = queue.running[index].take();
        if let (Some(mut lease), Some(ran)) = (current, ran) {
            lease.shrink(ran.end);
            // What is over but not yet sent goes on to its end here, which takes no time.
            let stays = lease.is_computed() || queue.waiting.keys().next().is_none_or(|first| lease.urgency < *first);
            if stays && !queue.closing {
                queue.running[index] = Some(Running { yielding: false, ..ran });
                return Some(lease);
            }
            queue.waiting.insert(lease.urgency, lease);
        }
        queue.sleeping += 1;
        queue = self
            .added
            .wait_while(queue, |queue| queue.waiting.is_empty() && !queue.closing)
            .unwrap_or_else(PoisonError::into_inner);
        queue.sleeping -= 1;
        if queue.closing {
            return None;
        }
        let (urgency, lease) = queue.waiting.pop_first()?;
        slot.attend.store(false, Ordering::Release);
        slot.reached.store(lease.reached(), Ordering::Relaxed);
        queue.running[index] = Some(Running { urgency, end: lease.end(), yielding: false });
        Some(lease)
    }
}

/// A lease on its way between queue and threads.
struct Lease {
    urgency: Urgency,
    from: u64,
    job: Box<dyn Job>,
    /// Items whose results were reported.
    reported: u64,
    /// Of the part that is not yet reported.
    spent_ns: u64,
}

impl Lease {
    fn new(assignment: Assignment) -> Self {
        let Assignment { urgency, from, job } = assignment;
        Self { urgency, from, job, reported: 0, spent_ns: 0 }
    }

    fn end(&self) -> u64 {
        self.from + self.job.total()
    }

    fn reached(&self) -> u64 {
        self.from + self.job.done()
    }

    fn shrink(&mut self, end: u64) {
        self.job.shrink(end.saturating_sub(self.from));
    }

    fn is_begun(&self) -> bool {
        self.spent_ns > 0 || self.job.done() > 0
    }

    /// One step of about so many compressions, counted with the time since `before`; returns when
    /// it ended.
    ///
    /// # Errors
    /// If the computation broke down: the report of that.
    fn step(
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
                Err(Report { ticket: self.urgency.ticket, event: Event::Failed { reason } })
            }
        }
    }

    /// What was computed and not yet reported.
    fn report(&mut self) -> Report {
        let output = self.job.collect();
        let from = self.from + self.reported;
        self.reported += output.items();
        let event = Event::Output { from, output, spent_ns: std::mem::take(&mut self.spent_ns) };
        Report { ticket: self.urgency.ticket, event }
    }

    /// Nothing is left to compute, but perhaps something to report.
    fn is_computed(&self) -> bool {
        self.job.is_finished()
    }

    fn is_over(&self) -> bool {
        self.is_computed() && self.job.uncollected() == 0
    }
}

/// What a panic said.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given")
}
