//! What a user does to tasks and Drones that are there.

use std::net::SocketAddr;

use axum::body::Body;
use serde_json::{Value, json};
use web::Site;
use web::hive::{Action, By, Deed, HiveError};
use web::model::{DroneState, TaskState, Timestamp};

use crate::support::*;

const PATCH: &str = "application/merge-patch+json";

async fn patch(router: &Site, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
    let headers = [("content-type", content_type)];
    let headers = if content_type.is_empty() { &[] } else { &headers[..] };
    send(router, request("PATCH", path, headers, body)).await
}

/// Posts to `/tasks/1/…`; the state that the answer shows.
async fn act(router: &Site, action: &str) -> Value {
    let answer = post(router, &format!("/tasks/1/{action}"), "", "").await;
    assert_eq!(answer.status, 200, "{action}: {:?}", answer.body);
    answer.json()["state"].clone()
}

#[tokio::test]
async fn tasks_are_paused_and_resumed() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x"})).await;
    for (action, state) in [("resume", "running"), ("pause", "paused"), ("pause", "paused"), ("resume", "running")] {
        assert_eq!(act(&router, action).await, state);
    }
    act(&router, "pause").await;
    let task = get(&router, "/tasks/1").await.json();
    assert_eq!((&task["state"], &task["waiting_because"]), (&json!("paused"), &json!("it is <paused>")));
    let ids = |list: Value| list["tasks"].as_array().unwrap().len();
    assert_eq!(ids(get(&router, "/tasks?state=paused").await.json()), 1);
    assert_eq!(ids(get(&router, "/tasks?state=running").await.json()), 0);
    // It has not ended.
    get(&router, "/tasks/1/results?format=csv").await.problem(409);
    send(&router, request("DELETE", "/tasks/1", &[], Body::empty())).await.problem(409);
    assert_eq!(act(&router, "cancel").await, "cancelled");
}

#[tokio::test]
async fn what_has_ended_is_not_paused() {
    let (fake, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    for state in [TaskState::Done, TaskState::Failed, TaskState::Cancelled] {
        fake.set_state(1, state);
        for action in ["pause", "resume"] {
            let problem = post(&router, &format!("/tasks/1/{action}"), "", "").await.problem(409);
            assert_eq!(problem["detail"], "task 1 has ended");
        }
        patch(&router, "/tasks/1", PATCH, r#"{"priority": 1}"#).await.problem(409);
    }
}

#[tokio::test]
async fn what_failed_is_tried_again() {
    let (fake, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    for state in [TaskState::Failed, TaskState::Cancelled] {
        fake.set_state(1, state);
        assert_eq!(act(&router, "retry").await, "running");
    }
    for state in [TaskState::Pending, TaskState::Running, TaskState::Paused, TaskState::Done] {
        fake.set_state(1, state);
        let problem = post(&router, "/tasks/1/retry", "", "").await.problem(409);
        assert_eq!(problem["detail"], format!("task 1 is {state}"));
    }
}

#[tokio::test]
async fn name_and_priority_are_changed() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x", "name": "old"})).await;
    for (content_type, body, name, priority) in [
        ("application/json", r#"{"priority": 7}"#, json!("old"), 7),
        (PATCH, r#"{"name": "new"}"#, json!("new"), 7),
        (PATCH, r#" {"name": null, "priority": -100}"#, json!(null), -100),
        ("Application/JSON; charset=utf-8", r#"{"priority": null, "name": "n"}"#, json!("n"), 0),
        ("application/x-www-form-urlencoded", r#"{"priority": 3}"#, json!("n"), 3),
        ("", r#"{"priority": 4}"#, json!("n"), 4),
    ] {
        let answer = patch(&router, "/tasks/1", content_type, body).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
        let task = answer.json();
        assert_eq!((&task["name"], &task["priority"]), (&name, &json!(priority)), "{body}");
        assert_eq!(task, get(&router, "/tasks/1").await.json());
    }
}

#[tokio::test]
async fn a_change_that_makes_no_sense_is_refused() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    let task = post_json(&router, json!({"input": "x", "name": "old"})).await.json();
    let long = format!(r#"{{"name": "{}"}}"#, "é".repeat(201));
    for (body, status, path) in [
        ("{}", 422, json!(null)),
        (r#"{"colour": 1}"#, 422, json!("colour")),
        (r#"{"priority": 1, "state": "done"}"#, 422, json!("state")),
        (r#"{"algorithm": "sha256d"}"#, 422, json!("algorithm")),
        (r#"{"priority": 101}"#, 422, json!("priority")),
        (r#"{"priority": 1.5}"#, 422, json!("priority")),
        (r#"{"priority": 1, "priority": 2}"#, 422, json!("priority")),
        (r#"{"name": null, "name": null}"#, 422, json!("name")),
        (r#"{"name": 5}"#, 422, json!("name")),
        (r#"{"name": "a\nb"}"#, 422, json!("name")),
        (&long, 422, json!("name")),
        ("[]", 422, json!(null)),
        ("null", 422, json!(null)),
        (r#"{"priority": 1"#, 400, json!(null)),
        (r#"{"priority": 1} x"#, 400, json!(null)),
        ("", 400, json!(null)),
    ] {
        let problem = patch(&router, "/tasks/1", PATCH, body.to_owned()).await.problem(status);
        assert_eq!(problem.get("path").unwrap_or(&json!(null)), &path, "{body}");
    }
    for (content_type, body) in
        [("text/plain", "{}"), ("application/x-www-form-urlencoded", "priority=1"), ("", "priority=1")]
    {
        patch(&router, "/tasks/1", content_type, body).await.problem(415);
    }
    let packed = [("content-type", PATCH), ("content-encoding", "gzip")];
    send(&router, request("PATCH", "/tasks/1", &packed, "{}")).await.problem(415);
    patch(&router, "/tasks/1", PATCH, " ".repeat(65_537)).await.problem(413);
    // As a submission says it.
    let amended = patch(&router, "/tasks/1", PATCH, r#"{"priority": 101}"#).await.problem(422);
    let submitted = post_json(&router, json!({"input": "x", "priority": 101})).await.problem(422);
    assert_eq!(amended["detail"], submitted["detail"]);
    assert_eq!(task, get(&router, "/tasks/1").await.json());
}

#[tokio::test]
async fn what_is_not_there_is_not_changed() {
    let (fake, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    send(&router, request("DELETE", "/tasks/1", &[], Body::empty())).await;
    for (id, status) in [("1", 410), ("2", 404), ("0", 404), ("x", 404)] {
        for action in ["pause", "resume", "retry"] {
            post(&router, &format!("/tasks/{id}/{action}"), "", "").await.problem(status);
        }
        patch(&router, &format!("/tasks/{id}"), PATCH, r#"{"priority": 1}"#).await.problem(status);
    }
    for path in ["/drones/2/drain", "/drones/2/disconnect", "/drones/2/resume", "/drones/x/drain"] {
        post(&router, path, "", "").await.problem(404);
    }
    let reason = "the disk is full".to_owned();
    let retry_after = std::time::Duration::from_secs(5);
    fake.inner().error = Some(HiveError::Unavailable { reason, retry_after });
    for path in ["/tasks/1/pause", "/tasks/1/resume", "/tasks/1/retry", "/drones/1/drain", "/drones/1/resume"] {
        let answer = post(&router, path, "", "").await;
        assert_eq!(
            (answer.problem(503)["detail"].as_str(), answer.header("retry-after")),
            (Some("the disk is full"), "5")
        );
    }
    patch(&router, "/tasks/1", PATCH, r#"{"priority": 1}"#).await.problem(503);
}

#[tokio::test]
async fn drones_are_drained() {
    let (fake, router) = world();
    for _ in 0..2 {
        let answer = post(&router, "/drones/1/drain", "", "").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (202, &json!("leaving")));
    }
    for state in [DroneState::Away, DroneState::Left, DroneState::Lost] {
        fake.inner().drone.state = state;
        assert_eq!(get(&router, "/drones/1").await.json()["state"], state.name());
        let problem = post(&router, "/drones/1/drain", "", "").await.problem(409);
        assert_eq!(problem["detail"], "drone 1 is not connected");
    }
}

#[tokio::test]
async fn drones_are_disconnected() {
    let (_, router) = world();
    let answer = post(&router, "/drones/1/disconnect", "", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("lost")));
    let problem = post(&router, "/drones/1/disconnect", "", "").await.problem(409);
    assert_eq!(problem["detail"], "drone 1 is not connected");
}

#[tokio::test]
async fn drones_are_found() {
    let (_, router) = world();
    let ids = async |query: &str| {
        let answer = get(&router, &format!("/drones?{query}")).await.json();
        answer["drones"].as_array().unwrap().iter().map(|drone| drone["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    for found in ["", "state=busy", "name=%3Cb%3Ew", "name=127.0.0.1", "sort=-last_seen_at", "sort=name&state=busy"] {
        assert_eq!(ids(found).await, [1], "{found}");
    }
    for not_found in ["state=idle", "name=worker", "name=28"] {
        assert_eq!(ids(not_found).await, [0; 0], "{not_found}");
    }
    for (query, path) in [("state=here", "state"), ("sort=size", "sort"), ("limit=1", "limit")] {
        assert_eq!(get(&router, &format!("/drones?{query}")).await.problem(422)["path"], path);
    }
}

#[tokio::test]
async fn a_quarantine_is_lifted() {
    let (fake, router) = world();
    fake.inner().drone.state = DroneState::Quarantined;
    fake.inner().drone.quarantined_because = Some("it gave 2 wrong results".to_owned());
    fake.inner().quarantined = 1;
    let drone = get(&router, "/drones/1").await.json();
    assert_eq!(
        (&drone["state"], &drone["quarantined_because"]),
        (&json!("quarantined"), &json!("it gave 2 wrong results"))
    );
    assert_eq!(get(&router, "/stats").await.json()["quarantined"], 1);
    for _ in 0..2 {
        let answer = post(&router, "/drones/1/resume", "", "").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("idle")));
        assert_eq!(answer.json()["quarantined_because"], json!(null));
    }
}

#[tokio::test]
async fn a_drone_has_the_promised_members() {
    let (_, router) = world();
    let expected = json!({
        "id": 1, "instance": "00112233445566778899aabbccddeeff", "name": "<b>worker</b>",
        "address": "127.0.0.1:50000", "software": "drone 0.1.0", "state": "busy", "idle_because": null,
        "quarantined_because": null, "left_because": null, "threads": 4,
        "kernels": {"short": "avx512", "long": "sha-ni", "sha256d": "avx512", "hmac": "avx512", "pbkdf2": null,
                    "search": "avx512", "search_sha256d": "avx512", "search_long": null},
        "leases": 4, "rate": 1e6, "compressions_per_second": 2e6,
        "utilisation": 0.984, "items_done": 12_345, "checked": 0, "wrong": 0, "connections": 1,
        "tasks": [7], "benchmark": 2.5e6, "failures": 0, "outdated": false,
        "connected_at": "2023-11-14T22:13:20.000Z", "last_seen_at": "2023-11-14T22:13:21.000Z",
    });
    assert_eq!(get(&router, "/drones/1").await.json(), expected);
}

#[tokio::test]
async fn suspect_results_can_be_read() {
    let (fake, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    fake.set(1, |view| (view.suspect, view.corrected) = (true, 3));
    let task = get(&router, "/tasks/1").await.json();
    assert_eq!((&task["suspect"], &task["corrected"]), (&json!(true), &json!(3)));
    assert_eq!(task["results"][0]["digest"], sha256("x"));
    assert_eq!(get(&router, "/tasks/1/results?format=csv").await.status, 200);
}

#[tokio::test]
async fn what_is_measured_is_rounded() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x"})).await;
    fake.set(1, |view| (view.rate, view.eta_seconds) = (1_234_567.891_234_5, Some(5.2e-8)));
    let text = get(&router, "/tasks/1").await.text().to_owned();
    assert!(text.contains("\"rate\":1234567.891,\"eta_seconds\":0.0,"), "{text}");
    fake.inner().drone.rate = 1.0 / 3.0;
    fake.inner().drone.utilisation = Some(2.0 / 3.0);
    let text = get(&router, "/drones/1").await.text().to_owned();
    assert!(text.contains("\"rate\":0.333,") && text.contains("\"utilisation\":0.667,"), "{text}");
}

#[tokio::test]
async fn the_operator_is_told_who_did_what() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x", "name": "bees"})).await;
    let peer: SocketAddr = "192.0.2.7:4711".parse().unwrap();
    let site = router.for_connection(peer, web::places::Place::default());
    for (method, path, action) in [
        ("POST", "/tasks/1/pause", Some(Action::Pause)),
        ("POST", "/tasks/1/resume", Some(Action::Resume)),
        ("POST", "/tasks/1/retry", None),
        ("PATCH", "/tasks/1", Some(Action::Amend("priority 0 → 7".to_owned()))),
        ("POST", "/tasks/1/cancel", Some(Action::Cancel)),
        ("POST", "/tasks/1/retry", Some(Action::Retry)),
        ("POST", "/admin/tasks/1/pause", Some(Action::Pause)),
        ("POST", "/admin/tasks/1/cancel", Some(Action::Cancel)),
        ("POST", "/drones/1/drain", Some(Action::Drain)),
        ("POST", "/admin/drones/1/resume", Some(Action::Pardon)),
        ("POST", "/drones/1/disconnect", Some(Action::Disconnect)),
        ("DELETE", "/tasks/1", Some(Action::Remove)),
    ] {
        let body = if method == "PATCH" { r#"{"priority": 7}"# } else { "" };
        send(&site, request(method, path, &[("content-type", "application/json"), ("x-request-id", "one")], body))
            .await;
        let target = match &action {
            Some(Action::Remove) => "task 1",
            Some(Action::Drain | Action::Pardon | Action::Disconnect) => "drone 1 (<b>worker</b>)",
            _ => "task 1 (bees)",
        };
        let expected = action.map(|action| Deed {
            by: By { address: Some(peer.ip()), request: Some("one".into()), ..By::default() },
            action,
            target: target.to_owned(),
            refused: None,
        });
        assert_eq!(fake.inner().deeds.pop(), expected, "{method} {path}");
        assert!(fake.inner().deeds.is_empty());
    }
}

#[tokio::test]
async fn a_retry_takes_a_new_deadline() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    // Its deadline has passed long ago.
    post_json(&router, json!({"input": "x", "deadline_seconds": 1})).await;
    fake.set_state(1, TaskState::Failed);
    let retry = async |content_type: &str, body: &str| {
        fake.set_state(1, TaskState::Failed);
        fake.set(1, |view| view.deadline_at = Some(Timestamp(1)));
        post(&router, "/tasks/1/retry", content_type, body.to_owned()).await
    };
    for content_type in ["", "application/json", "application/x-www-form-urlencoded"] {
        retry(content_type, "").await.problem(409);
        retry(content_type, "{}").await.problem(409);
        let later = retry(content_type, r#" {"deadline_seconds": 3600}"#).await.json();
        assert!(later["state"] == "running" && later["deadline_at"].as_str() > Some("2026"), "{later}");
        assert_eq!(retry(content_type, r#"{"deadline_seconds": null}"#).await.json()["deadline_at"], json!(null));
    }
    for (body, status, path) in [
        (r#"{"deadline_seconds": 0}"#, 422, json!("deadline_seconds")),
        (r#"{"priority": 1}"#, 422, json!("priority")),
        ("{", 400, json!(null)),
    ] {
        let problem = retry("application/json", body).await.problem(status);
        assert_eq!(problem.get("path").unwrap_or(&json!(null)), &path, "{body}");
    }
    retry("text/plain", "{}").await.problem(415);
    patch(&router, "/tasks/1", PATCH, r#"{"deadline_seconds": 0}"#).await.problem(422);
    fake.set_state(1, TaskState::Running);
    let task = patch(&router, "/tasks/1", PATCH, r#"{"deadline_seconds": 60}"#).await.json();
    assert!(task["deadline_at"].as_str() > Some("2026"), "{task}");
    assert_eq!(
        patch(&router, "/tasks/1", PATCH, r#"{"deadline_seconds": null}"#).await.json()["deadline_at"],
        json!(null)
    );
}
