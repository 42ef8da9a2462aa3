use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wire::ids::{DroneId, Epoch, TaskId};

use super::*;
use crate::access::{LogEntry, LogKind, Scope, SecretView, TokenId, TokenView};
use crate::error::ProblemView;
use crate::kinds::digest::Encoding;
use crate::kinds::search::Finding;

/// What is served is read as the same; gives what was served.
fn round<T: Serialize + DeserializeOwned + PartialEq + Debug>(view: T) -> Value {
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), view, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn task(state: TaskState) -> TaskView {
    TaskView {
        id: TaskId(7),
        batch: Some(TaskId(3)),
        first_task: None,
        kind: "digest".into(),
        algorithm: "pbkdf2-hmac-sha256".into(),
        encoding: Some(Encoding::Hex),
        iterations: Some(1000),
        name: Some("bees \"and\" hives".to_owned()),
        owner: Some("ci".to_owned()),
        owner_id: None,
        address: Some([127, 0, 0, 1].into()),
        priority: -100,
        verify: Verify::All,
        state,
        waiting_because: Some("no Drone is connected".to_owned()),
        total: u64::MAX,
        done: 1,
        suspect: true,
        corrected: 2,
        created_at: Timestamp(1_764_000_000_123),
        started_at: None,
        deadline_at: Some(Timestamp(-1)),
        finished_at: None,
        rate: 0.125,
        eta_seconds: Some(1e9),
        error: None,
        search: None,
    }
}

fn plain_task() -> TaskView {
    TaskView {
        batch: None,
        first_task: Some(TaskId(8)),
        iterations: None,
        name: None,
        owner: None,
        address: None,
        eta_seconds: None,
        error: Some("its deadline has passed".to_owned()),
        ..task(TaskState::Failed)
    }
}

fn drone(state: DroneState) -> DroneView {
    DroneView {
        id: DroneId(2),
        instance: "00ff".repeat(8),
        name: "meadow".to_owned(),
        address: "[::1]:4711".to_owned(),
        software: "drone/0.1.0".to_owned(),
        state,
        idle_because: None,
        quarantined_because: Some("it gave a wrong result".to_owned()),
        left_because: None,
        threads: 8,
        kernels: Kernels { short: Some("avx2".to_owned()), ..Kernels::default() },
        leases: 3,
        tasks: vec![TaskId(7)],
        benchmark: None,
        failures: 2,
        outdated: false,
        rate: 1.5,
        compressions_per_second: 2e7,
        utilisation: None,
        items_done: 4,
        checked: 5,
        wrong: 6,
        connections: 7,
        connected_at: Timestamp(0),
        last_seen_at: Timestamp(1),
    }
}

fn overview(data: Option<Data>) -> Overview {
    Overview {
        version: "0.1.0".into(),
        epoch: Epoch(4),
        started_at: Timestamp(1),
        uptime_seconds: 0.001,
        tasks: TaskCounts { pending: 1, running: 2, paused: 3, done: 4, failed: 5, cancelled: 6 },
        drones: 7,
        quarantined: 8,
        drone_states: DroneCounts { idle: 1, busy: 2, leaving: 3, quarantined: 4, away: 5 },
        threads: 9,
        items_queued: 10,
        items_done: 11,
        compressions_done: 22,
        leases: LeaseCounts { given: 1, twinned: 2, adopted: 3, expired: 4, failed: 5 },
        verified: VerifiedCounts { right: 6, wrong: 7 },
        oldest_pending_seconds: Some(0.25),
        rate: 12.5,
        compressions_per_second: 13.0,
        eta_seconds: None,
        memory_used: 14,
        memory_limit: 15,
        data,
        drone_addr: "127.0.0.1:8080".to_owned(),
    }
}

fn data() -> Data {
    Data {
        directory: "hive-data".to_owned(),
        used: 1,
        unfinished: 2,
        limit: 3,
        removes_early: true,
        removed_early: 4,
        fault: Some("the disk is full".to_owned()),
        recovered: 5,
        recovery_seconds: 0.25,
    }
}

#[test]
fn what_is_served_is_read() {
    for state in TaskState::ALL {
        assert_eq!(round(task(state))["state"], state.name());
    }
    assert!(round(plain_task()).get("batch").is_none());
    let states = [DroneState::Idle, DroneState::Busy, DroneState::Leaving, DroneState::Quarantined];
    for state in states.into_iter().chain([DroneState::Away, DroneState::Left, DroneState::Lost]) {
        assert_eq!(round(drone(state))["state"], state.name());
    }
    assert_eq!(round(overview(Some(data())))["data"]["recovered"], 5);
    round(overview(None));
    for recovered in [None, Some(3)] {
        round(Health { status: "ready".into(), recovered });
    }
    round(TaskList { tasks: vec![plain_task(), task(TaskState::Done)], next_cursor: Some("abc".to_owned()) });
    round(DroneList { drones: vec![drone(DroneState::Idle)] });
}

#[test]
fn who_may_do_what_is_read() {
    let at = Timestamp(1_764_000_000_999);
    for scopes in [vec![Scope::Read, Scope::Submit], vec![Scope::Admin]] {
        let scopes = scopes.into_iter().collect();
        let token = TokenView {
            id: TokenId(1),
            name: "ci".to_owned(),
            scopes,
            created_at: at,
            expires_at: None,
            last_used_at: Some(at),
        };
        round(TokenList { tokens: vec![token] });
    }
    round(SecretList { secrets: vec![SecretView { name: "lab".to_owned(), created_at: at, drones: 2 }] });
    for (kind, count) in LogKind::ALL.into_iter().zip([1, 2, 3, 1, 1]) {
        let entry = LogEntry {
            at,
            kind,
            who: None,
            address: Some("10.0.0.1".to_owned()),
            action: "cancel".to_owned(),
            target: "task 7 (bees)".to_owned(),
            outcome: "done".to_owned(),
            changes: (count > 2).then(|| "priority 0 → 7".to_owned()),
            request_id: (count > 1).then(|| "trace-7".to_owned()),
            count,
        };
        assert_eq!(round(entry.clone())["kind"], kind.name());
        round(LogList { entries: vec![entry], next_cursor: None });
    }
}

#[test]
fn a_problem_is_read_with_its_members() {
    let served = json!({
        "type": "about:blank", "title": "The request is not valid", "status": 422, "detail": "line 3: no", "line": 3,
    });
    let read: ProblemView<'_> = serde_json::from_value(served.clone()).unwrap();
    assert_eq!((read.status, &read.members["line"]), (422, &json!(3)));
    assert_eq!(round(read), served);
}

#[test]
fn events_are_read_by_their_names() {
    let changes = [
        Change::Task(plain_task()),
        Change::TaskRemoved { id: TaskId(4), owner: None },
        Change::Drone(drone(DroneState::Lost)),
        Change::ResultChanged { task: TaskId(1), from: 2, to: 3, drone: DroneId(4), owner: None },
        Change::Finding {
            task: TaskId(1),
            finding: Finding { index: 2, plain: b"\xff".to_vec(), digest: [7; 32] },
            owner: None,
        },
        Change::Overview(overview(None)),
        Change::Reset {},
    ];
    for change in changes {
        let served = serde_json::to_string(&change).unwrap();
        assert_eq!(Change::read(change.name(), &served).unwrap(), Some(change));
    }
    assert_eq!(Change::read("from-a-newer-queen", "{}").unwrap(), None);
    assert!(Change::read("drone", "{}").is_err());
}

#[test]
fn moments_are_read_with_any_offset() {
    let read = |text: &str| serde_json::from_value::<Timestamp>(json!(text)).ok();
    assert_eq!(read("1970-01-01T00:00:01.5Z"), Some(Timestamp(1500)));
    assert_eq!(read("1970-01-01T01:00:00+01:00"), Some(Timestamp(0)));
    assert_eq!(read("yesterday"), None);
}
