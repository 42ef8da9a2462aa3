//! What is done to many tasks at once.

use axum::body::Body;
use serde_json::{Value, json};
use web::Site;
use web::hive::{Action, HiveError};
use web::model::TaskState;

use crate::support::*;

const JSON: &str = "application/json";

async fn bulk(router: &Site, query: &str, body: Value) -> Answer {
    post(router, &format!("/tasks/bulk{query}"), JSON, body.to_string()).await
}

/// What was matched, changed and skipped.
fn numbers(answer: &Answer) -> [u64; 3] {
    let view = answer.json();
    ["matched", "changed", "skipped"].map(|name| view[name].as_u64().unwrap())
}

/// Six tasks: one in each state, called `bee-1` and so on.
async fn six() -> (std::sync::Arc<Fake>, Site) {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    for (id, state) in (1..).zip(TaskState::ALL) {
        post_json(&router, json!({"input": "x", "name": format!("bee-{id}")})).await;
        fake.set_state(id, state);
    }
    (fake, router)
}

fn states(fake: &Fake) -> Vec<String> {
    let inner = fake.inner();
    let state = |task: &Option<Task>| task.as_ref().map_or("gone".to_owned(), |task| task.view.state.to_string());
    inner.tasks.iter().map(state).collect()
}

#[tokio::test]
async fn each_action_changes_what_it_can() {
    for (action, changed, ids, expected) in [
        ("pause", 2, "#1 #2", ["paused", "paused", "paused", "done", "failed", "cancelled"]),
        ("resume", 1, "#3", ["pending", "running", "running", "done", "failed", "cancelled"]),
        ("cancel", 3, "#1 #2 #3", ["cancelled", "cancelled", "cancelled", "done", "failed", "cancelled"]),
        ("retry", 2, "#5 #6", ["pending", "running", "paused", "done", "running", "running"]),
        ("delete", 3, "#4 #5 #6", ["pending", "running", "paused", "gone", "gone", "gone"]),
    ] {
        for by_ids in [false, true] {
            let (fake, router) = six().await;
            let asked = match by_ids {
                true => json!({"action": action, "ids": [1, 2, 3, 4, 5, 6]}),
                false => json!({"action": action, "filter": {"name": "bee-"}}),
            };
            let counted = bulk(&router, "?dry_run=1", asked.clone()).await;
            assert_eq!(numbers(&counted), [6, changed, 6 - changed], "{action}");
            assert_eq!(counted.json()["state"], "counted");
            assert!(fake.inner().deeds.is_empty());
            let answer = bulk(&router, "", asked).await;
            assert_eq!((answer.status.as_u16(), numbers(&answer)), (200, [6, changed, 6 - changed]), "{action}");
            let view = answer.json();
            assert_eq!((&view["state"], &view["action"]), (&json!("done"), &json!(action)));
            assert!(view["skipped_because"].as_str().unwrap().contains("only tasks that"), "{view}");
            assert_eq!(states(&fake), expected, "{action} {by_ids}");
            let deeds = fake.inner().deeds.clone();
            assert_eq!(deeds.len(), 1, "the operator is told once");
            let words = if by_ids { ids } else { "name bee-" };
            let s = if changed == 1 { "" } else { "s" };
            assert_eq!(deeds[0].target, format!("{changed} task{s} ({words})"));
        }
    }
}

#[tokio::test]
async fn priorities_are_given() {
    let (fake, router) = six().await;
    let answer = bulk(&router, "", json!({"action": "priority", "priority": -7, "filter": {"state": "running"}})).await;
    assert_eq!(numbers(&answer), [1, 1, 0]);
    assert_eq!(get(&router, "/tasks/2").await.json()["priority"], -7);
    assert_eq!(fake.inner().deeds[0].action, Action::Amend("priority -7".to_owned()));
    bulk(&router, "", json!({"action": "priority", "ids": [1]})).await.problem(422);
}

#[tokio::test]
async fn what_is_meant_is_what_is_listed() {
    let (fake, router) = six().await;
    fake.set(5, |view| view.error = Some("item 3 is too long".to_owned()));
    let filters = [
        json!({}),
        json!({"state": "failed"}),
        json!({"reason": "item"}),
        json!({"name": "bee-3"}),
        json!({"kind": "search"}),
    ];
    for filter in filters {
        let query =
            filter.as_object().unwrap().iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap()));
        let query = query.collect::<Vec<_>>().join("&");
        let listed = get(&router, &format!("/tasks?{query}")).await.json()["tasks"].as_array().unwrap().len() as u64;
        let counted = bulk(&router, "?dry_run=1", json!({"action": "cancel", "filter": filter})).await;
        assert_eq!(counted.json()["matched"], listed, "{query}");
    }
}

#[tokio::test]
async fn more_than_a_page_is_changed() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    for _ in 0..1203 {
        post_json(&router, json!({"input": "x"})).await;
    }
    let answer = bulk(&router, "", json!({"action": "cancel", "filter": {}})).await;
    assert_eq!(numbers(&answer), [1203, 1203, 0]);
    assert!(states(&fake).iter().all(|state| state == "cancelled"));
}

#[tokio::test]
async fn what_is_not_there_is_skipped() {
    let (fake, router) = six().await;
    let answer = bulk(&router, "", json!({"action": "cancel", "ids": [1, 77, 2]})).await;
    assert_eq!(numbers(&answer), [3, 2, 1]);
    assert_eq!(answer.json()["skipped_because"], "there is no task 77");
    assert_eq!(states(&fake)[..3], ["cancelled", "cancelled", "paused"]);
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_goes_on() {
    let (fake, router) = six().await;
    fake.inner().holds = true;
    let answer = bulk(&router, "", json!({"action": "pause", "filter": {}})).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (202, "/tasks/bulk/1"));
    assert_eq!(answer.json()["state"], "running");
    assert_eq!(get(&router, "/tasks/bulk/1").await.json()["state"], "running");
    // Too many are too many.
    for _ in 0..7 {
        assert_eq!(bulk(&router, "", json!({"action": "pause", "ids": [1]})).await.status, 202);
    }
    assert_eq!(bulk(&router, "", json!({"action": "pause", "ids": [1]})).await.problem(503)["detail"], {
        "8 changes of many tasks are under way; ask again when one is over"
    });
    fake.release();
    while get(&router, "/tasks/bulk/1").await.json()["state"] == "running" {
        tokio::task::yield_now().await;
    }
    assert_eq!(numbers(&get(&router, "/tasks/bulk/1").await), [6, 2, 4]);
    get(&router, "/tasks/bulk/99").await.problem(404);
}

#[tokio::test]
async fn what_stops_early_says_so() {
    let (fake, router) = six().await;
    let reason = "the disk is full".to_owned();
    fake.inner().error = Some(HiveError::Unavailable { reason, retry_after: std::time::Duration::from_secs(1) });
    let problem = bulk(&router, "", json!({"action": "cancel", "ids": [1, 2]})).await.problem(503);
    assert_eq!(problem["detail"], "after 0 changed tasks: the disk is full");
    fake.inner().error = None;
    assert_eq!(get(&router, "/tasks/bulk/1").await.json()["state"], "stopped");
}

#[tokio::test]
async fn each_changes_its_own() {
    let (fake, access, site) = guarded_world();
    fake.inner().computed = Some(0);
    let tokens = [access.token("one", "submit"), access.token("two", "read,submit"), access.token("all", "control")];
    let ask = async |token: &str, method: &str, path: &str, body: &str| {
        let headers = [("content-type", JSON), ("authorization", &format!("Bearer {token}"))];
        send(&site, request(method, path, &headers, Body::from(body.to_owned()))).await
    };
    for token in &tokens {
        assert_eq!(ask(token, "POST", "/tasks", r#"{"input":"x"}"#).await.status, 201);
    }
    for (token, id) in tokens[..2].iter().zip([1, 2]) {
        let counted = ask(token, "POST", "/tasks/bulk?dry_run=1", r#"{"action":"pause","filter":{}}"#).await;
        assert_eq!(numbers(&counted), [1, 1, 0]);
        let answer = ask(token, "POST", "/tasks/bulk", r#"{"action":"pause","ids":[1,2,3]}"#).await;
        assert_eq!(numbers(&answer), [3, 1, 2], "task {id}");
    }
    assert_eq!(states(&fake), ["paused", "paused", "running"]);
    // Who sees another's task is told why; who does not, that there is none.
    let why = |answer: Answer| answer.json()["skipped_because"].as_str().unwrap().to_owned();
    assert_eq!(why(ask(&tokens[0], "GET", "/tasks/bulk/1", "").await), "there is no task 2");
    assert!(why(ask(&tokens[1], "GET", "/tasks/bulk/2", "").await).contains("`control`"));
    ask(&tokens[0], "GET", "/tasks/bulk/2", "").await.problem(404);
    assert_eq!(ask(&tokens[2], "GET", "/tasks/bulk/2", "").await.status, 200);
    let answer = ask(&tokens[2], "POST", "/tasks/bulk", r#"{"action":"cancel","filter":{"owner":"t"}}"#).await;
    assert_eq!(
        (numbers(&answer), states(&fake)),
        ([1, 1, 0], ["paused", "cancelled", "running"].map(Into::into).to_vec())
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let (_, router) = six().await;
    for (body, path) in [
        (json!({"action": "explode", "ids": [1]}), "action"),
        (json!({"action": "pause"}), "ids"),
        (json!({"action": "pause", "filter": {"state": "lost"}}), "filter.state"),
        (json!({"action": "pause", "filter": {"since": "yesterday"}}), "filter.since"),
        (json!({"action": "pause", "filter": {"colour": "red"}}), "filter.colour"),
    ] {
        assert_eq!(bulk(&router, "", body).await.problem(422)["path"], path);
    }
    post(&router, "/tasks/bulk", "text/plain", "x").await.problem(415);
    post(&router, "/tasks/bulk", JSON, "{").await.problem(400);
    bulk(&router, "?colour=red", json!({"action": "pause", "ids": [1]})).await.problem(422);
}

#[tokio::test]
async fn many_are_begun_again_with_another_deadline() {
    let (fake, router) = six().await;
    let asked = json!({ "action": "retry", "ids": [5, 6], "deadline_seconds": 3600 });
    assert_eq!(numbers(&bulk(&router, "", asked).await), [2, 2, 0]);
    for id in [5, 6] {
        assert!(get(&router, &format!("/tasks/{id}")).await.json()["deadline_at"].is_string());
    }
    fake.set_state(5, TaskState::Failed);
    let none = json!({ "action": "retry", "ids": [5], "deadline_seconds": null });
    assert_eq!(numbers(&bulk(&router, "", none).await), [1, 1, 0]);
    assert_eq!(get(&router, "/tasks/5").await.json()["deadline_at"], Value::Null);
    let wrong = json!({ "action": "pause", "ids": [1], "deadline_seconds": 60 });
    assert_eq!(bulk(&router, "", wrong).await.problem(422)["path"], "deadline_seconds");
}
