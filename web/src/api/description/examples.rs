//! Examples of what is answered, made of the views themselves.

use serde_json::{Value, json};
use wire::ids::{DroneId, Epoch, TaskId};

use crate::access::{LogEntry, LogKind, Scope, SecretView, TokenId, TokenView};
use crate::kinds::digest::{CSV_HEADER, Encoding, KIND, Row};
use crate::model::{
    Cell, CellDrone, CoverageList, Data, DroneCounts, DroneHistory, DroneState, DroneView, Gap, HistoryView, Honeycomb,
    Kernels, LeaseCounts, LeaseState, LeaseView, Overview, STREAM_COLUMNS, Shift, Span, SpanState, StreamDrone,
    StreamRun, StreamTask, StreamView, TaskCounts, TaskHistory, TaskState, TaskView, Timestamp, Verdict,
    VerifiedCounts, Verify, Window,
};

/// 2026-01-31T12:00:00Z.
const NOON: Timestamp = Timestamp(1_769_860_800_000);
const LATER: Timestamp = Timestamp(NOON.0 + 250);

const INPUT: &[u8] = b"honey";

/// SHA-256 of [`INPUT`].
fn digest() -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(INPUT).into()
}

fn task() -> TaskView {
    TaskView {
        id: TaskId(7),
        batch: None,
        first_task: None,
        kind: KIND.into(),
        algorithm: "sha256".into(),
        encoding: Some(Encoding::Utf8),
        iterations: None,
        name: Some("bees".to_owned()),
        owner: Some("ci".to_owned()),
        owner_id: None,
        address: None,
        priority: 0,
        verify: Verify::Sample,
        state: TaskState::Pending,
        waiting_because: Some("no drone is connected".to_owned()),
        total: 1,
        done: 0,
        suspect: false,
        corrected: 0,
        created_at: NOON,
        started_at: None,
        deadline_at: None,
        finished_at: None,
        rate: 0.0,
        eta_seconds: None,
        error: None,
        search: None,
    }
}

/// A task that was submitted just now.
pub(super) fn pending_task() -> Value {
    json!(task())
}

/// The same when it is done.
pub(super) fn done_task() -> Value {
    let mut shown = json!(TaskView {
        state: TaskState::Done,
        waiting_because: None,
        done: 1,
        started_at: Some(NOON),
        finished_at: Some(LATER),
        ..task()
    });
    shown["results"] = json!([result()]);
    shown
}

/// Its result.
fn result() -> Value {
    serde_json::from_slice(&row(Row::json(INPUT))).unwrap_or_default()
}

fn row(mut row: Row) -> Vec<u8> {
    let mut out = Vec::new();
    row.write(&mut out, usize::MAX, 0, INPUT, &digest());
    out
}

fn as_text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Its results as NDJSON.
pub(super) fn ndjson() -> String {
    let end = json!({ "end": true, "count": 1, "next_offset": 1, "complete": true });
    format!("{}\n{end}\n", as_text(row(Row::json(INPUT))))
}

/// Its results as CSV.
pub(super) fn csv() -> String {
    as_text([CSV_HEADER, &row(Row::csv(INPUT))].concat())
}

/// Its results as text.
pub(super) fn text() -> String {
    as_text(row(Row::text()))
}

/// What was searched of a search.
pub(super) fn coverage() -> Value {
    let span = |from, to, drone: Option<u64>, verdict| Span {
        from,
        to,
        state: if drone.is_some() { SpanState::Done } else { SpanState::Waiting },
        leases: 0,
        attempts: u32::from(drone.is_some()),
        drone: drone.map(DroneId),
        drone_name: drone.map(|_| "attic".to_owned()),
        marks: if drone.is_some() { 1021 } else { 0 },
        expected: if drone.is_some() { 1024.0 } else { 0.0 },
        verdict: Some(verdict),
        rate: drone.map(|_| 62_000_000.0),
        at: drone.map(|_| LATER),
    };
    let end = 1 << 31;
    json!(CoverageList {
        total: 2 * end,
        spans: vec![span(0, end, Some(3), Verdict::Searched), span(end, 2 * end, None, Verdict::Open)],
        next: None,
    })
}

/// A task in cells.
pub(super) fn honeycomb() -> Value {
    let end = 1 << 31;
    let cell = |from, state, done, drones| Cell { from, to: from + end, state, done, leases: 0, attempts: 0, drones };
    let drones = vec![CellDrone { id: DroneId(3), name: "attic".to_owned() }];
    let cells = vec![
        Cell { attempts: 1, ..cell(0, SpanState::Done, end, drones) },
        cell(end, SpanState::Waiting, 0, Vec::new()),
    ];
    json!(Honeycomb { total: 2 * end, cells })
}

/// A Drone.
pub(super) fn drone() -> Value {
    let kernel = |name: &str| Some(name.to_owned());
    json!(DroneView {
        id: DroneId(3),
        instance: "5feceb66ffc86f38d952786c6d696c79".to_owned(),
        name: "attic".to_owned(),
        address: "192.0.2.7:49152".to_owned(),
        software: format!("drone {}", env!("CARGO_PKG_VERSION")),
        state: DroneState::Busy,
        idle_because: None,
        quarantined_because: None,
        left_because: None,
        threads: 8,
        kernels: Kernels {
            short: kernel("avx512"),
            long: kernel("sha-ni"),
            sha256d: kernel("avx512"),
            hmac: kernel("avx512"),
            pbkdf2: kernel("avx512"),
            search: kernel("avx512"),
            search_sha256d: kernel("avx512"),
            search_long: kernel("avx512"),
        },
        leases: 16,
        tasks: vec![TaskId(7)],
        benchmark: Some(128_000_000.0),
        failures: 0,
        outdated: false,
        rate: 125_000_000.0,
        compressions_per_second: 125_000_000.0,
        utilisation: Some(0.98),
        items_done: 1_000_000,
        checked: 120,
        wrong: 0,
        connections: 1,
        connected_at: NOON,
        last_seen_at: LATER,
    })
}

/// What Drones did in a minute.
pub(super) fn stream() -> Value {
    let run = |columns, task: Option<u64>, busy, gap| StreamRun { columns, task: task.map(TaskId), busy, gap };
    let runs = vec![
        run(20, None, None, None),
        run(30, Some(7), Some(1.0), None),
        run(1, Some(7), Some(0.4), Some(Gap::Paused)),
        run(9, None, Some(0.0), Some(Gap::Paused)),
    ];
    let window = Window::Minute;
    json!(StreamView {
        step_seconds: window.step_seconds(),
        columns: STREAM_COLUMNS as u32,
        from: NOON,
        drones: vec![StreamDrone { id: DroneId(3), name: "attic".to_owned(), state: DroneState::Idle, runs }],
        tasks: vec![StreamTask { id: TaskId(7), name: Some("bees".to_owned()), share: 1.0 }],
        other_tasks: 0,
        next_page: None,
    })
}

/// A lease that ended.
pub(super) fn lease() -> Value {
    json!(LeaseView {
        task: TaskId(7),
        from: 0,
        to: 1_000_000,
        reached: 1_000_000,
        state: LeaseState::Done,
        given_at: NOON,
        ended_at: Some(LATER),
        busy_seconds: 0.2,
    })
}

/// The whole.
pub(super) fn overview() -> Value {
    json!(Overview {
        version: env!("CARGO_PKG_VERSION").into(),
        epoch: Epoch(1),
        started_at: NOON,
        uptime_seconds: 0.25,
        tasks: TaskCounts { pending: 1, done: 6, ..TaskCounts::default() },
        drones: 1,
        quarantined: 0,
        drone_states: DroneCounts { busy: 1, ..DroneCounts::default() },
        threads: 8,
        items_queued: 1,
        items_done: 1_000_000,
        compressions_done: 1_000_000,
        leases: LeaseCounts { given: 12, ..LeaseCounts::default() },
        verified: VerifiedCounts { right: 240, wrong: 0 },
        oldest_pending_seconds: Some(0.5),
        rate: 125_000_000.0,
        compressions_per_second: 125_000_000.0,
        eta_seconds: Some(0.1),
        memory_used: 1 << 20,
        memory_limit: 1 << 30,
        data: Some(Data {
            directory: "hive-data".to_owned(),
            used: 5 << 20,
            unfinished: 4096,
            limit: 1 << 36,
            removes_early: false,
            removed_early: 0,
            fault: None,
            recovered: 0,
            recovery_seconds: 0.001,
        }),
        drone_addr: "127.0.0.1:8080".to_owned(),
    })
}

/// What was measured over time.
pub(super) fn history() -> Value {
    let rate = ("rate".into(), vec![Some(124_000_000.0), None, Some(125_000_000.0)]);
    json!(HistoryView { step_seconds: 60, from: NOON, series: [rate].into() })
}

/// The same of a Drone.
pub(super) fn drone_history() -> Value {
    let (rate, utilisation) = (vec![Some(124_000_000.0), None], vec![Some(0.98), None]);
    let compressions_per_second = rate.clone();
    json!(DroneHistory { step_seconds: 10, from: NOON, rate, compressions_per_second, utilisation })
}

/// How a task went.
pub(super) fn task_history() -> Value {
    let shifts = vec![Shift { at: NOON, state: TaskState::Running }];
    json!(TaskHistory { step_seconds: 1, from: Some(NOON), rate: vec![Some(124_000_000.0), None], shifts })
}

/// A token.
pub(super) fn token() -> Value {
    json!(TokenView {
        id: TokenId(2),
        name: "ci".to_owned(),
        scopes: [Scope::Submit].into_iter().collect(),
        created_at: NOON,
        expires_at: Some(Timestamp(NOON.0 + 86_400_000)),
        last_used_at: None,
    })
}

/// The same when it is made.
pub(super) fn created_token() -> Value {
    let mut created = token();
    created["token"] = "hive_2_…".into();
    created
}

/// A secret.
pub(super) fn secret() -> Value {
    json!(SecretView { name: "lab".to_owned(), created_at: NOON, drones: 3 })
}

/// The same when it is made.
pub(super) fn created_secret() -> Value {
    let mut created = secret();
    created["join_file"] = "…\n".into();
    created
}

/// A line of the audit trail.
pub(super) fn log_entry() -> Value {
    json!(LogEntry {
        at: NOON,
        kind: LogKind::Control,
        who: Some("ci".to_owned()),
        address: Some("192.0.2.9".to_owned()),
        action: "change".to_owned(),
        target: "task 7 (bees)".to_owned(),
        outcome: "done".to_owned(),
        changes: Some("priority -5 → 7".to_owned()),
        request_id: Some("0d5c3a8e6f1b2794000000000000002a".to_owned()),
        count: 1,
    })
}
