//! Tasks, Drones and the whole, as they are shown.

use axum::body::Body;
use serde_json::json;
use web::hive::HiveError;
use web::model::{Data, TaskState, Timestamp};

use crate::support::*;

#[tokio::test]
async fn a_task_shows_few_results_itself() {
    let (fake, router) = world();
    fake.inner().batch = 2;
    for (inputs, are_shown) in [
        (vec!["x".to_owned(); 100], true),
        (vec!["x".to_owned(); 101], false),
        (vec!["x".repeat(40_000); 2], false),
        (vec!["x".repeat(40_000)], true),
    ] {
        let task = post_json(&router, json!({ "inputs": inputs })).await.json();
        let shown = get(&router, &format!("/tasks/{}", task["id"])).await.json();
        assert_eq!(task, shown);
        let rows: Vec<_> = inputs
            .iter()
            .enumerate()
            .map(|(index, input)| json!({"index": index, "input": input, "digest": sha256(input)}))
            .collect();
        assert_eq!(shown.get("results"), are_shown.then_some(&json!(rows)));
    }
    post(&router, "/tasks", "text/plain", "\u{fff}\n\"\\\n").await;
    post(&router, "/tasks", "text/plain", &b"\xff\0\n"[..]).await;
    assert_eq!(get(&router, "/tasks/5").await.json()["results"][1]["input"], "\"\\");
    let task = get(&router, "/tasks/6").await.json();
    assert_eq!(task["results"], json!([{"index": 0, "input_base64": "/wA=", "digest": sha256(b"\xff\0")}]));
}

#[tokio::test]
async fn a_view_has_the_promised_members() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    let task = post_json(&router, json!({"input": "x"})).await.json();
    let expected = json!({
        "id": 1, "kind": "digest", "algorithm": "sha256", "encoding": "utf8", "name": null, "owner": null,
        "address": null, "priority": 0,
        "verify": "sample", "state": "running", "waiting_because": null, "total": 1, "done": 0, "suspect": false, "corrected": 0,
        "created_at": "2023-11-14T22:13:20.000Z", "started_at": null, "deadline_at": null, "finished_at": null,
        "rate": 0.0, "eta_seconds": null, "error": null,
    });
    assert_eq!(task, expected);
}

#[tokio::test]
async fn a_client_may_wait() {
    let (fake, router) = world();
    let submit = |wait: &'static str| {
        send(&router, request("POST", "/tasks", &[("prefer", wait), ("content-type", "text/plain")], "a"))
    };
    let answer = submit("wait=10").await;
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (200, "wait=10"));
    assert_eq!(answer.header("location"), "/tasks/1");
    assert_eq!(answer.json()["results"][0]["digest"], sha256("a"));
    fake.inner().computed = Some(0);
    let answer = submit("wait=0").await;
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (201, "wait=0"));
    assert_eq!(answer.json()["state"], "running");
    // It is answered as soon as it ends, on creation and later.
    let waiting = async {
        let get = get_with(&router, "/tasks/2", &[("prefer", "wait=60")]);
        tokio::join!(submit("wait=999"), get)
    };
    let ending = async {
        while fake.tasks() < 3 {
            tokio::task::yield_now().await;
        }
        fake.complete();
    };
    let ((created, shown), ()) = tokio::join!(waiting, ending);
    assert_eq!((created.status.as_u16(), created.header("preference-applied")), (200, "wait=60"));
    assert_eq!(created.json()["state"], "done");
    assert_eq!(shown.json()["results"][0]["digest"], sha256("a"));
    assert_eq!(shown.header("preference-applied"), "wait=60");
}

#[tokio::test]
async fn only_a_new_tasks_results_come_before_the_disk_has_them() {
    let (fake, router) = world();
    fake.inner().is_slow_disk = true;
    let headers = [("prefer", "wait=60"), ("content-type", "text/plain")];
    let answer = send(&router, request("POST", "/tasks", &headers, "a")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("done")));
    assert_eq!(answer.json()["results"][0]["digest"], sha256("a"));
    assert_eq!(get(&router, "/tasks/1").await.json()["state"], "running");
    assert_eq!(get_with(&router, "/tasks/1", &[("prefer", "wait=0")]).await.json()["state"], "running");
    let complete = async { fake.complete() };
    let (shown, ()) = tokio::join!(get_with(&router, "/tasks/1", &[("prefer", "wait=60")]), complete);
    assert_eq!(shown.json()["state"], "done");
}

#[tokio::test]
async fn a_shutdown_ends_a_wait() {
    let fake = fake(1);
    fake.inner().computed = Some(0);
    let config = config();
    config.shutdown.cancel();
    let router = web::site(fake, std::sync::Arc::new(web::hive::Open), config);
    let headers = [("prefer", "wait=60"), ("content-type", "text/plain")];
    let answer = send(&router, request("POST", "/tasks", &headers, "a")).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn lists_are_newest_first_and_go_on() {
    let (fake, router) = world();
    for _ in 0..5 {
        post_json(&router, json!({"input": "x"})).await;
    }
    let ids = |list: &serde_json::Value| -> Vec<u64> {
        list["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()).collect()
    };
    let list = get(&router, "/tasks").await.json();
    assert_eq!((ids(&list), &list["next_cursor"]), (vec![5, 4, 3, 2, 1], &json!(null)));
    let mut seen = Vec::new();
    let mut path = "/tasks?limit=2".to_owned();
    loop {
        let list = get(&router, &path).await.json();
        seen.push(ids(&list));
        let Some(cursor) = list["next_cursor"].as_str() else { break };
        path = format!("/tasks?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, [vec![5, 4], vec![3, 2], vec![1]]);
    fake.set_state(2, TaskState::Failed);
    assert_eq!(ids(&get(&router, "/tasks?state=failed&limit=1000").await.json()), [2]);
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=x", "cursor=YQ", "state=odd", "colour=red"] {
        let problem = get(&router, &format!("/tasks?{query}")).await.problem(422);
        assert_eq!(problem["path"], query.split('=').next().unwrap(), "{problem}");
    }
    assert_eq!(ids(&get(&router, "/tasks?state=&limit=&cursor=").await.json()), [5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn tasks_are_found_and_sorted() {
    let (fake, router) = world();
    fake.inner().computed = Some(1);
    for (name, algorithm, priority) in
        [("nightly-1", "sha256", 0), ("nightly-2", "sha256d", 5), ("import", "sha256", -3), ("näht", "sha256", 5)]
    {
        let task = json!({"inputs": ["x", "y", "z"], "name": name, "algorithm": algorithm, "priority": priority});
        post_json(&router, task).await;
    }
    fake.set(1, |view| {
        (view.state, view.finished_at) = (TaskState::Failed, Some(Timestamp(1_700_000_009_000)));
        view.error = Some("item 3 is too long".to_owned());
    });
    fake.set(2, |view| {
        (view.state, view.finished_at) = (TaskState::Done, Some(Timestamp(1_700_000_007_000)));
        view.created_at = Timestamp(1_600_000_000_000);
    });
    fake.set(4, |view| view.done = 2);
    for (query, expected) in [
        ("name=nightly", vec![2, 1]),
        ("name=n%C3%A4", vec![4]),
        ("name=ightly", vec![]),
        ("algorithm=sha256", vec![4, 3, 1]),
        ("kind=digest&state=failed", vec![1]),
        ("kind=search", vec![]),
        ("owner=ci", vec![]),
        ("reason=item%203", vec![1]),
        ("since=2023-01-01", vec![4, 3, 1]),
        ("until=2023-01-01T00:00:00Z", vec![2]),
        ("sort=-id", vec![1, 2, 3, 4]),
        ("sort=ended", vec![1, 2]),
        ("sort=-ended", vec![2, 1]),
        ("sort=progress", vec![4, 3]),
        ("sort=priority&name=", vec![4, 3]),
        ("sort=-priority", vec![3, 4]),
    ] {
        // By parts of one, which begin where the one before ended.
        let (mut found, mut cursor) = (Vec::new(), String::new());
        loop {
            let list = get(&router, &format!("/tasks?{query}&limit=1{cursor}")).await.json();
            found.extend(list["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()));
            let Some(next) = list["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(found, expected, "{query}");
    }
    let cursor = get(&router, "/tasks?limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    for query in [
        "sort=name",
        "sort=ended&state=running",
        "sort=priority&state=done",
        "kind=odd",
        "algorithm=md5",
        "since=yesterday",
        "until=x",
        &format!("cursor={cursor}&sort=-id"),
    ] {
        let problem = get(&router, &format!("/tasks?{query}")).await.problem(422);
        assert_eq!(problem["path"], query.split('=').next().unwrap(), "{problem}");
    }
}

#[tokio::test]
async fn tasks_are_cancelled_and_forgotten() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x"})).await;
    let delete = || send(&router, request("DELETE", "/tasks/1", &[], Body::empty()));
    delete().await.problem(409);
    let answer = post(&router, "/tasks/1/cancel", "", "").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &json!("cancelled")));
    assert_eq!(post(&router, "/tasks/1/cancel", FORM, "").await.status, 200);
    let answer = delete().await;
    assert_eq!((answer.status.as_u16(), answer.text()), (204, ""));
    for path in ["/tasks/1", "/tasks/1/results"] {
        get(&router, path).await.problem(410);
    }
    delete().await.problem(410);
    for id in ["2", "0", "x", "-1", "+1", "01", "99999999999999999999"] {
        for path in ["/tasks/{}", "/tasks/{}/results"] {
            get(&router, &path.replace("{}", id)).await.problem(404);
        }
    }
    post(&router, "/tasks/7/cancel", "", "").await.problem(404);
}

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn drones_and_the_whole_are_shown() {
    let (fake, router) = world();
    let drones = get(&router, "/drones").await.json();
    assert_eq!(drones["drones"][0]["state"], "busy");
    assert_eq!(drones["drones"][0], get(&router, "/drones/1").await.json());
    for path in ["/drones/2", "/drones/+1", "/drones/01"] {
        get(&router, path).await.problem(404);
    }
    assert_eq!(get(&router, "/stats").await.json()["threads"], 4);
    assert_eq!(get(&router, "/healthz").await.json(), json!({"status": "ok"}));
    assert_eq!(get(&router, "/readyz").await.json(), json!({"status": "ready"}));
    let reason = "the disk is full".to_owned();
    fake.inner().error = Some(HiveError::Unavailable { reason, retry_after: std::time::Duration::from_millis(2500) });
    assert_eq!(get(&router, "/healthz").await.status, 200);
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.problem(503)["detail"], "the disk is full");
    assert_eq!(answer.header("retry-after"), "3");
}

#[tokio::test]
async fn what_is_on_disk_is_shown() {
    let (fake, router) = world();
    assert_eq!(get(&router, "/stats").await.json()["data"], json!(null));
    fake.inner().data = Some(Data { recovered: 7, recovery_seconds: 0.5, ..data() });
    let expected = json!({
        "directory": "/var/lib/<hive>", "used": 3 << 20, "unfinished": 1 << 20, "limit": 1_u64 << 40,
        "removes_early": false, "removed_early": 0, "fault": null, "recovered": 7, "recovery_seconds": 0.5,
    });
    assert_eq!(get(&router, "/stats").await.json()["data"], expected);
    assert_eq!(get(&router, "/readyz").await.json(), json!({"status": "ready", "recovered": 7}));
    fake.inner().data = Some(Data { fault: Some("no space left on device".to_owned()), ..data() });
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.problem(503)["detail"], "no space left on device");
    assert_eq!(answer.header("retry-after"), "5");
    fake.inner().data = Some(Data { limit: 1 << 20, ..data() });
    assert!(get(&router, "/readyz").await.problem(503)["detail"].as_str().unwrap().contains("--max-data"));
    assert_eq!(get(&router, "/healthz").await.json(), json!({"status": "ok"}));
    assert_eq!(get(&router, "/stats").await.status, 200);
}

#[tokio::test]
async fn head_works_wherever_get_does() {
    let (_, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    for path in ["/tasks", "/tasks/1", "/tasks/1/results", "/drones", "/drones/1", "/stats", "/events", "/healthz", "/"]
    {
        let head = send(&router, request("HEAD", path, &[], Body::empty())).await;
        assert!(head.status.is_success() || path == "/", "{path}");
        assert!(head.body.is_empty());
    }
}
