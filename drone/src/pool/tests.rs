//! The pool with jobs that say when they go on, so that no test depends on time.

use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::sync::mpsc as sync;

use bytes::Bytes;

use super::*;
use crate::kernel::{Job, Kernel, Output};

/// A job of `total` items; each step computes one, after its test allowed it.
struct Scripted {
    total: u64,
    done: u64,
    collected: u64,
    gate: sync::Receiver<Step>,
    /// The item that somebody waits for in a search, which finds nothing else; none if this is no search.
    sought: Option<u64>,
}

enum Step {
    Compute,
    Panic,
}

impl Job for Scripted {
    fn total(&self) -> u64 {
        self.total
    }

    fn cost(&self) -> u64 {
        self.total
    }

    fn done(&self) -> u64 {
        self.done
    }

    fn uncollected(&self) -> usize {
        match self.sought {
            None => 32 * self.done.saturating_sub(self.collected) as usize,
            Some(sought) => usize::from((self.collected..self.done).contains(&sought)),
        }
    }

    fn is_urgent(&self) -> bool {
        self.sought.is_some() && self.uncollected() > 0
    }

    fn shrink(&mut self, total: u64) {
        self.total = self.total.min(total);
        self.done = self.done.min(total);
    }

    fn step(&mut self, _: &Kernels, _: u64) -> u64 {
        match self.gate.recv() {
            Ok(Step::Compute) => self.done += 1,
            Ok(Step::Panic) => panic!("the script says so"),
            // The test is over.
            Err(_) => self.done = self.total,
        }
        1
    }

    fn collect(&mut self) -> Output {
        let items = self.done - self.collected;
        self.collected = self.done;
        match self.sought {
            None => Output::Digests(vec![0; 32 * items as usize].into()),
            Some(_) => Output::Marks { items, marks: Bytes::new() },
        }
    }
}

fn urgency(priority: i8, rank: u64, lease: u64) -> Urgency {
    Urgency { priority: Reverse(priority), rank, ticket: Ticket(lease) }
}

fn scripted(urgency: Urgency, from: u64, total: u64) -> (Assignment, sync::SyncSender<Step>) {
    scripted_search(urgency, from, total, None)
}

fn scripted_search(
    urgency: Urgency,
    from: u64,
    total: u64,
    sought: Option<u64>,
) -> (Assignment, sync::SyncSender<Step>) {
    // Without room in between: a step that was allowed is a step that was begun.
    let (allow, gate) = sync::sync_channel(0);
    (Assignment { urgency, from, job: Box::new(Scripted { total, done: 0, collected: 0, gate, sought }) }, allow)
}

fn pool(threads: usize) -> (Pool, mpsc::Receiver<Report>) {
    Pool::start(NonZeroUsize::new(threads).unwrap(), Kernels::only(Kernel::PORTABLE), 0).unwrap()
}

/// Lease, first index and number of items of the next output.
fn output(reports: &mut mpsc::Receiver<Report>) -> (u64, u64, u64) {
    match reports.blocking_recv().unwrap() {
        Report { ticket, outcome: Outcome::Output { from, output, .. } } => (ticket.0, from, output.items()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_most_urgent_lease_goes_first() {
    let (pool, mut reports) = pool(1);
    let (blocker, go) = scripted(urgency(100, 0, 0), 0, 1);
    pool.add(blocker);
    let order = [(0, 2, 11), (5, 9, 12), (0, 1, 13), (0, 1, 9), (-5, 0, 14)];
    let mut gates = Vec::new();
    for (priority, rank, lease) in order {
        let (assignment, gate) = scripted(urgency(priority, rank, lease), 0, 1);
        pool.add(assignment);
        gates.push(gate);
    }
    go.send(Step::Compute).unwrap();
    drop(gates);
    let seen: Vec<_> = (0..6).map(|_| output(&mut reports).0).collect();
    assert_eq!(seen, [0, 12, 9, 13, 11, 14]);
}

#[test]
fn a_more_urgent_lease_overtakes_a_running_one_which_goes_on_later() {
    let (pool, mut reports) = pool(1);
    let (long, step) = scripted(urgency(0, 5, 1), 100, 4);
    pool.add(long);
    step.send(Step::Compute).unwrap();
    step.send(Step::Compute).unwrap();
    let (short, go) = scripted(urgency(0, 4, 2), 0, 1);
    pool.add(short);
    // The thread may be at the gate already, in which case one more step comes first.
    drop(go);
    let _ = step.try_send(Step::Compute);
    drop(step);
    assert_eq!(output(&mut reports), (2, 0, 1));
    assert_eq!(output(&mut reports), (1, 100, 4));
}

#[test]
fn the_least_urgent_thread_makes_room() {
    let (pool, mut reports) = pool(2);
    let gates = [1, 2].map(|lease| {
        let (assignment, step) = scripted(urgency(0, lease, lease), 0, 10);
        pool.add(assignment);
        step.send(Step::Compute).unwrap();
        step
    });
    let (urgent, go) = scripted(urgency(0, 0, 3), 0, 1);
    drop(go);
    pool.add(urgent);
    let _ = gates[1].send(Step::Compute);
    assert_eq!(output(&mut reports), (3, 0, 1));
    // The third may not have left its thread yet.
    let standings = pool.standings();
    let slower: Vec<_> = standings.iter().filter(|standing| standing.ticket != Ticket(3)).collect();
    assert!(slower.len() == 2 && slower.iter().all(|standing| standing.reached < 10 && standing.begun));
    drop(gates);
    let mut rest = [output(&mut reports), output(&mut reports)];
    rest.sort_unstable();
    assert_eq!(rest, [(1, 0, 10), (2, 0, 10)]);
}

#[test]
fn a_shrunk_lease_ends_early() {
    let (pool, mut reports) = pool(1);
    let (long, step) = scripted(urgency(0, 0, 1), 100, 10);
    pool.add(long);
    (0..3).for_each(|_| step.send(Step::Compute).unwrap());
    pool.shrink(urgency(0, 0, 1), 102);
    drop(step.try_send(Step::Compute));
    let (next, go) = scripted(urgency(0, 1, 2), 0, 1);
    pool.add(next);
    drop(go);
    drop(step);
    let (lease, from, items) = output(&mut reports);
    assert_eq!((lease, from, items), (1, 100, 2));
    assert_eq!(output(&mut reports), (2, 0, 1));
}

#[test]
fn what_somebody_waits_for_is_reported_at_once_and_nothing_found_at_the_end() {
    let (pool, mut reports) = pool(1);
    let (search, step) = scripted_search(urgency(0, 0, 1), 100, 10, Some(2));
    pool.add(search);
    (0..3).for_each(|_| step.send(Step::Compute).unwrap());
    assert_eq!(output(&mut reports), (1, 100, 3));
    drop(step);
    assert_eq!(output(&mut reports), (1, 103, 7));
    // A search that was shrunk to what it had reported says nothing more.
    let (search, step) = scripted_search(urgency(0, 0, 2), 0, 10, Some(0));
    pool.add(search);
    step.send(Step::Compute).unwrap();
    assert_eq!(output(&mut reports), (2, 0, 1));
    pool.shrink(urgency(0, 0, 2), 1);
    let _ = step.try_send(Step::Compute);
    drop(step);
    let (last, go) = scripted(urgency(0, 0, 3), 0, 1);
    pool.add(last);
    drop(go);
    assert_eq!(output(&mut reports), (3, 0, 1));
}

#[test]
fn a_withdrawn_lease_is_silent_wherever_it_is() {
    let (pool, mut reports) = pool(1);
    let (running, step) = scripted(urgency(0, 0, 1), 0, 10);
    let (waiting, gate) = scripted(urgency(0, 1, 2), 0, 10);
    let (last, go) = scripted(urgency(0, 2, 3), 0, 1);
    pool.add(running);
    step.send(Step::Compute).unwrap();
    [waiting, last].into_iter().for_each(|assignment| pool.add(assignment));
    pool.shrink(urgency(0, 1, 2), 0);
    assert!(gate.send(Step::Compute).is_err(), "a waiting job is dropped at once");
    pool.shrink(urgency(0, 0, 1), 0);
    let _ = step.try_send(Step::Compute);
    drop((step, go));
    assert_eq!(output(&mut reports), (3, 0, 1));
}

#[test]
fn only_what_is_not_begun_is_recalled() {
    let (pool, mut reports) = pool(1);
    let (running, step) = scripted(urgency(0, 0, 1), 0, 2);
    pool.add(running);
    step.send(Step::Compute).unwrap();
    for lease in [2, 3] {
        pool.add(scripted(urgency(0, lease, lease), 0, 1).0);
    }
    assert_eq!(pool.recall(), [Ticket(2), Ticket(3)]);
    drop(step);
    assert_eq!(output(&mut reports), (1, 0, 2));
    assert_eq!(pool.recall(), []);
}

#[test]
fn a_panic_fails_the_lease_but_not_the_thread() {
    let (pool, mut reports) = pool(1);
    let (bad, step) = scripted(urgency(0, 0, 1), 0, 1);
    pool.add(bad);
    step.send(Step::Panic).unwrap();
    let Report { ticket: failed, outcome: Outcome::Failed { reason } } = reports.blocking_recv().unwrap() else {
        panic!("a failure is reported")
    };
    assert_eq!(failed, Ticket(1));
    assert!(reason.contains("the script says so"), "{reason}");
    pool.add(scripted(urgency(0, 1, 2), 0, 1).0);
    assert_eq!(output(&mut reports), (2, 0, 1));
}

#[test]
fn a_brief_lease_is_computed_by_who_asks_and_a_long_one_given_back() {
    let (pool, mut reports) = pool(1);
    let brief = |items| scripted(urgency(0, 1, 1), 5, items).0;
    let Ok(Report { ticket: Ticket(1), outcome: Outcome::Output { from: 5, output, .. } }) =
        pool.compute_brief(brief(3))
    else {
        panic!("it is computed")
    };
    assert_eq!((output.items(), pool.worked().compressions), (3, 1));
    for items in [0, BRIEF_COMPRESSIONS + 1] {
        assert!(pool.compute_brief(brief(items)).is_err());
    }
    let (bad, step) = scripted(urgency(0, 1, 1), 0, 1);
    let script = std::thread::spawn(move || step.send(Step::Panic));
    let failed = pool.compute_brief(bad).map(|report| report.outcome);
    assert!(matches!(failed, Ok(Outcome::Failed { reason }) if reason.contains("the script says so")));
    script.join().unwrap().unwrap();
    assert!(reports.try_recv().is_err());
}

#[test]
fn a_dropped_pool_ends_threads_that_wait_for_room() {
    let (pool, reports) = pool(2);
    for lease in 0..3 * MAX_REPORTS as u64 {
        pool.add(scripted(urgency(0, lease, lease), 0, 1).0);
    }
    while reports.len() < MAX_REPORTS {
        std::thread::yield_now();
    }
    drop(reports);
    drop(pool);
}

#[test]
fn standings_and_compressions_tell_of_work_in_progress() {
    let (pool, mut reports) = pool(1);
    let (running, step) = scripted(urgency(0, 0, 1), 100, 5);
    let (waiting, gate) = scripted(urgency(0, 1, 2), 7, 1);
    pool.add(running);
    pool.add(waiting);
    // A third step was begun, so two are counted.
    (0..3).for_each(|_| step.send(Step::Compute).unwrap());
    assert!((2..=3).contains(&pool.worked().compressions));
    let mut standings = pool.standings();
    standings.sort_by_key(|standing| standing.ticket);
    assert!((102..=103).contains(&standings[0].reached) && standings[0].begun);
    assert_eq!(standings[1], Standing { ticket: Ticket(2), reached: 7, begun: false });
    drop((step, gate));
    assert_eq!((output(&mut reports), output(&mut reports)), ((1, 100, 5), (2, 7, 1)));
}

#[test]
fn many_leases_on_many_threads_all_end() {
    let (pool, mut reports) = pool(4);
    let threads = std::thread::scope(|scope| {
        scope.spawn(|| {
            for lease in 0..2_000 {
                pool.add(scripted(urgency((lease % 7) as i8, lease % 13, lease), 0, 1).0);
            }
        });
        let mut seen: Vec<_> = (0..2_000).map(|_| output(&mut reports).0).collect();
        seen.sort_unstable();
        seen
    });
    assert!(threads.into_iter().eq(0..2_000));
    assert_eq!(pool.recall(), []);
}
