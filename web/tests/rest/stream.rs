//! The task stream, and leases of a Drone.

use serde_json::json;
use web::hive::StreamQuery;
use web::model::{DroneState, Gap, LeaseState, LeaseView, StreamDrone, StreamRun, StreamTask, Timestamp, Window};
use wire::ids::{DroneId, TaskId};

use crate::support::*;

#[tokio::test]
async fn a_page_of_the_stream_is_asked_for() {
    let (fake, router) = world();
    let usual = StreamQuery { window: Window::Minute, state: None, name: None, page: 1 };
    let narrow =
        StreamQuery { window: Window::QuarterHour, state: Some(DroneState::Away), name: Some("at".into()), page: 3 };
    for (query, expected) in [
        ("", usual.clone()),
        ("?window=&state=&name=&page=", usual.clone()),
        ("?window=5m", StreamQuery { window: Window::FiveMinutes, ..usual }),
        ("?window=15m&state=away&name=At&page=3", narrow),
    ] {
        assert_eq!(get(&router, &format!("/drones/stream{query}")).await.status, 200);
        assert_eq!(fake.inner().stream_query.take(), Some(expected), "{query}");
    }
    for (query, path, detail) in [
        ("window=2m", "window", "there is no window `2m`; there are: 1m, 5m, 15m"),
        ("page=0", "page", "`page` is a whole number from 1 to 4294967295, not 0"),
        ("sort=name", "sort", "there is no query parameter `sort`; there are: window, state, name, page"),
    ] {
        let problem = get(&router, &format!("/drones/stream?{query}")).await.problem(422);
        assert_eq!((&problem["path"], &problem["detail"]), (&json!(path), &json!(detail)));
    }
}

#[tokio::test]
async fn the_stream_is_told_in_runs() {
    let (fake, router) = world();
    {
        let mut inner = fake.inner();
        let runs = vec![
            StreamRun { columns: 57, task: None, busy: None, gap: None },
            StreamRun { columns: 2, task: Some(TaskId(7)), busy: Some(0.7), gap: Some(Gap::NoWork) },
            StreamRun { columns: 1, task: None, busy: Some(0.0), gap: Some(Gap::Paused) },
        ];
        let drone = StreamDrone { id: DroneId(3), name: "attic".to_owned(), state: DroneState::Idle, runs };
        inner.stream.drones = vec![drone];
        inner.stream.tasks = vec![StreamTask { id: TaskId(7), name: None, share: 2.0 / 3.0 }];
        (inner.stream.other_tasks, inner.stream.next_page) = (4, Some(2));
    }
    let told = get(&router, "/drones/stream").await.json();
    let expected = json!({
        "step_seconds": 1,
        "columns": 60,
        "from": "2023-11-14T22:13:20.000Z",
        "drones": [{
            "id": 3,
            "name": "attic",
            "state": "idle",
            "runs": [
                { "columns": 57, "task": null, "busy": null, "gap": null },
                { "columns": 2, "task": 7, "busy": 0.7, "gap": "no_work" },
                { "columns": 1, "task": null, "busy": 0.0, "gap": "paused" },
            ],
        }],
        "tasks": [{ "id": 7, "name": null, "share": 0.667 }],
        "other_tasks": 4,
        "next_page": 2,
    });
    assert_eq!(told, expected);
}

#[tokio::test]
async fn leases_of_a_drone_are_listed() {
    let (fake, router) = world();
    assert_eq!(get(&router, "/drones/1/leases").await.json(), json!({ "leases": [] }));
    let given = Timestamp(1_700_000_000_000);
    fake.inner().leases = vec![LeaseView {
        task: TaskId(7),
        from: 10,
        to: 20,
        reached: 15,
        state: LeaseState::Failed,
        given_at: given,
        ended_at: Some(Timestamp(given.0 + 250)),
        busy_seconds: 0.125,
    }];
    let expected = json!({
        "task": 7,
        "from": 10,
        "to": 20,
        "reached": 15,
        "state": "failed",
        "given_at": "2023-11-14T22:13:20.000Z",
        "ended_at": "2023-11-14T22:13:20.250Z",
        "busy_seconds": 0.125,
    });
    assert_eq!(get(&router, "/drones/1/leases").await.json(), json!({ "leases": [expected] }));
    get(&router, "/drones/9/leases").await.problem(404);
}
