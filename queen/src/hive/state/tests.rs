//! What follows in the state from what users and Drones do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::hive::Amendment;
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::DroneState;
use wire::work::Kind;

use super::*;
use crate::core::{Ability, Grant};
use crate::hive::arrival::Arrival;
use crate::hive::drone_record::Ends;
use crate::hive::record::weight;
use crate::hive::seat::{Departure, Link, Newcomer, Outbound};
use crate::hive::submit::New;
use crate::store::Receipt;
use crate::store::testing::{DIGEST, layout, piece, right, terms};
use crate::work::{Inputs, Terms};

const NOW: Now = Now { elapsed: Duration::ZERO, at: web::model::Timestamp(0), on: crate::clock::HiveTime(0) };

/// A state without tasks and Drones.
fn empty() -> State {
    State::new(StateConfig {
        epoch: Epoch(1),
        base: Instance([1; 16]),
        budget: Budget::new(1 << 30),
        cache: 1 << 20,
        own_checks: 1,
        space: Budget::new(u64::MAX),
        keeps_trail: false,
        timeouts: Timeouts::default(),
    })
}

/// Submits a task with so many inputs.
fn submit(state: &mut State, terms: Terms, inputs: u64) -> TaskId {
    let inputs = Inputs::Small(layout(inputs).into());
    state.budget.charge(weight(&inputs, DIGEST));
    state.submit(New { terms, inputs, identity: None, secret: None }, NOW)
}

/// A task of which each item takes a thread about a second.
fn expensive(name: Option<&str>, priority: i8) -> Terms {
    let algorithm = Algorithm::Pbkdf2HmacSha256 { salt: vec![7], iterations: 1_000_000 };
    let specification = Specification::Digest(Digest { algorithm, encoding: Encoding::Utf8 });
    Terms { specification, name: name.map(Into::into), priority, ..terms() }
}

/// A Drone with one thread.
struct Peer {
    link: Link,
    outbox: mpsc::Receiver<Outbound>,
    /// How many outputs it has sent.
    outputs: u64,
}

impl Peer {
    fn join(state: &mut State, number: u8) -> Self {
        let kinds = BTreeSet::from([Kind::DIGEST]);
        let newcomer = Newcomer {
            name: format!("drone-{number}"),
            instance: Instance([number; 16]),
            address: String::new(),
            software: String::new(),
            ability: Ability { threads: 1, kinds, speeds: BTreeMap::new(), material: 0 },
            kernels: Default::default(),
            secret: None,
        };
        let (sender, outbox) = mpsc::channel(64);
        let ends = Ends { outbox: sender, closed: CancellationToken::new(), stored: watch::channel(0).0 };
        let link = state.seat(newcomer, ends, NOW).unwrap();
        state.join(link, &[], NOW);
        Self { link, outbox, outputs: 0 }
    }

    /// The next lease that it is sent.
    fn lease(&mut self) -> Option<Grant> {
        std::iter::from_fn(|| self.outbox.try_recv().ok()).find_map(|message| match message {
            Outbound::Lease(grant, _) => Some(grant),
            _ => None,
        })
    }

    /// Gives all results of a lease of a task of strings.
    fn give(&mut self, state: &mut State, grant: &Grant) {
        self.outputs += 1;
        let results = piece(grant.range.start, right(grant.range.start, grant.range.end));
        let arrival = Arrival::new(grant.lease, results, Duration::from_millis(1));
        let Link { drone, number } = self.link;
        state.outputs(Receipt { drone, connection: number, outputs: self.outputs }, vec![arrival], NOW);
    }
}

fn why(state: &State, task: TaskId) -> Option<String> {
    state.view(task, NOW).unwrap().waiting_because
}

#[test]
fn it_is_said_why_a_drone_is_gone() {
    let mut state = empty();
    let drones: Vec<_> = (1..=4).map(|number| Peer::join(&mut state, number).link).collect();
    let because = |state: &State, nth: usize| state.drone(drones[nth].drone, NOW).unwrap().left_because;
    assert!(state.drain(drones[0].drone, NOW));
    assert_eq!(because(&state, 0), None, "it is here still");
    drones[..2].iter().for_each(|drone| {
        state.leaving(*drone, NOW);
        state.unseat(*drone, Departure::Left, NOW);
    });
    state.disconnect(drones[2].drone, NOW);
    state.unseat(drones[3], Departure::Lost, NOW);
    let expected = [
        "an operator drained it; its work was done or given back",
        "its program was stopped; its work was done or given back",
        "an operator disconnected it; others take over its work",
        "its connection broke, or it fell silent; others take over its work",
    ];
    for (nth, why) in expected.into_iter().enumerate() {
        assert_eq!(because(&state, nth).as_deref(), Some(why));
    }
    let states = [DroneState::Left, DroneState::Left, DroneState::Lost, DroneState::Lost];
    assert_eq!(drones.iter().map(|link| state.drone(link.drone, NOW).unwrap().state).collect::<Vec<_>>(), states);
    Peer::join(&mut state, 4);
    assert_eq!(because(&state, 3), None, "it came back");
}

#[test]
fn it_is_said_why_nothing_of_a_task_is_computed() {
    let mut state = empty();
    let task = submit(&mut state, expensive(Some("urgent"), 5), 100);
    assert_eq!(why(&state, task).as_deref(), Some("no drone is connected"));
    let mut drone = Peer::join(&mut state, 1);
    assert!(drone.lease().is_some_and(|lease| lease.task == task));
    assert_eq!(why(&state, task), None);
    let behind = submit(&mut state, expensive(None, 0), 100);
    let busy = "the drones are busy with task 1 (urgent), which has a higher priority";
    assert_eq!(why(&state, behind).as_deref(), Some(busy));
    let equal = submit(&mut state, expensive(None, 5), 100);
    let turn = "the drones are busy with other tasks of its priority; its turn comes";
    assert_eq!(why(&state, equal).as_deref(), Some(turn));
    [task, behind, equal].into_iter().for_each(|task| state.pause(task, true, NOW));
    assert_eq!(why(&state, behind).as_deref(), Some("it is paused"));
    let shown = |state: &State| state.drone(drone.link.drone, NOW).unwrap();
    assert_eq!(shown(&state).idle_because.as_deref(), Some("all tasks are paused"));
    for task in [task, behind, equal] {
        assert!(state.cancel(task, NOW).unwrap());
        assert_eq!(why(&state, task), None);
    }
    assert_eq!(
        (shown(&state).idle_because.as_deref(), shown(&state).state),
        (Some("there is nothing to do"), DroneState::Idle)
    );
    state.leaving(drone.link, NOW);
    assert_eq!(
        (shown(&state).idle_because.as_deref(), shown(&state).state),
        (Some("it is about to leave"), DroneState::Leaving)
    );
    let task = submit(&mut state, terms(), 1);
    assert_eq!(why(&state, task).as_deref(), Some("every connected drone is about to leave"));
    state.unseat(drone.link, Departure::Lost, NOW);
    assert_eq!(why(&state, task).as_deref(), Some("no drone is connected"));
}

#[test]
fn a_task_that_is_made_less_urgent_lets_others_go_first() {
    let mut state = empty();
    let mut drone = Peer::join(&mut state, 1);
    let long = submit(&mut state, expensive(None, 5), 100);
    let lease = drone.lease().unwrap();
    let other = submit(&mut state, expensive(None, 0), 1);
    let busy = "the drones are busy with task 1, which has a higher priority";
    assert_eq!((lease.task, why(&state, other).as_deref()), (long, Some(busy)));
    state.amend(long, Amendment { priority: Some(-5), name: None, deadline_seconds: None }, NOW);
    let Ok(Outbound::Shrink { lease: shrunk, end }) = drone.outbox.try_recv() else { panic!("the lease ends") };
    assert_eq!((shrunk, end), (lease.lease, lease.range.start));
    assert_eq!(drone.lease().map(|lease| lease.task), Some(other));
    assert_eq!(why(&state, other), None);
}

#[test]
fn a_drone_is_quarantined_that_fails_where_another_does_not() {
    let mut state = empty();
    let mut broken = Peer::join(&mut state, 1);
    let tasks = [(); 3].map(|()| submit(&mut state, terms(), 3));
    let leases: Vec<_> = std::iter::from_fn(|| broken.lease()).collect();
    assert!(leases.iter().map(|lease| lease.task).eq(tasks));
    let mut honest = Peer::join(&mut state, 2);
    for lease in leases {
        assert_eq!(state.drone(broken.link.drone, NOW).unwrap().quarantined_because, None, "before {}", lease.task);
        state.failed(broken.link, lease.lease, "out of order".into(), NOW);
        let again = honest.lease().unwrap();
        assert_eq!((again.task, &again.range), (lease.task, &lease.range));
        honest.give(&mut state, &again);
    }
    let view = state.drone(broken.link.drone, NOW).unwrap();
    let reason = "it failed on several tasks: task 1, task 2, task 3";
    assert_eq!((view.quarantined_because.as_deref(), view.failures, view.wrong), (Some(reason), 3, 0));
    assert_eq!(state.drone(honest.link.drone, NOW).unwrap().items_done, 9);
    assert!(tasks.into_iter().all(|task| state.tasks.get(task).unwrap().is_over()));
}

#[test]
fn it_is_written_when_a_task_was_started_that_takes_long() {
    let mut state = empty();
    let mut drone = Peer::join(&mut state, 1);
    let starts = |state: &mut State, second: u64| -> Vec<_> {
        state.measure(Timed::default(), &[], Now::after(Duration::from_secs(second)));
        let changes = state.take_changes(true).into_iter();
        let starts = changes.filter_map(|change| match change {
            Change::Start { task, at } => Some((task, at)),
            _ => None,
        });
        starts.collect()
    };
    // One of which all comes at once is over before anybody asks.
    let brief = submit(&mut state, terms(), 3);
    let lease = drone.lease().unwrap();
    drone.give(&mut state, &lease);
    assert!(state.tasks.get(brief).unwrap().is_over());
    assert_eq!(starts(&mut state, 2), []);
    let begun = (submit(&mut state, expensive(None, 0), 2), NOW.at);
    assert_eq!(starts(&mut state, 0), []);
    assert_eq!(starts(&mut state, 1), [begun]);
    assert_eq!(starts(&mut state, 2), [], "once is enough");
    state.cancel(begun.0, NOW).unwrap();
    // A part of this one is done, which is written with when it was started.
    let parts = submit(&mut state, terms(), 1000);
    let grant = std::iter::from_fn(|| drone.lease()).find(|lease| lease.task == parts).unwrap();
    drone.give(&mut state, &Grant { range: 0..1, ..grant });
    assert_eq!(starts(&mut state, 0), [(parts, NOW.at)]);
}

#[test]
fn what_tasks_take_on_disk_is_counted_for_each() {
    let mut state = empty();
    submit(&mut state, terms(), 1000);
    let one = state.tasks.unfinished_bytes();
    assert!(one >= 32 * 1000, "results of 32 bytes, beside what else is kept of it: {one}");
    submit(&mut state, terms(), 1000);
    assert_eq!(state.tasks.unfinished_bytes(), 2 * one);
}
