//! Many tasks in one request: one entry, and yet each task is one of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::Path;

use queen::Config;
use queen::store::{Location, check};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Answer, Hive, WAIT, config};

const TEXT: [(&str, &str); 1] = [("content-type", "text/plain")];

fn words(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("word-{index}")).collect()
}

fn digest(word: &str) -> String {
    const_hex::encode(Sha256::digest(word))
}

/// A Queen who keeps everything in a folder, or in memory.
async fn start(folder: Option<&Path>) -> Hive {
    let data = folder.map(|folder| Location::new(folder.join("hive-data")));
    Hive::start_with(Config { data, ..config() }).await
}

async fn submit(hive: &Hive, query: &str, words: &[String]) -> Value {
    let answer = hive.send("POST", &format!("/tasks?each=task{query}"), &TEXT, words.join("\n")).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

async fn post(hive: &Hive, path: &str) -> Answer {
    hive.send("POST", path, &[], "").await
}

async fn state(hive: &Hive, task: u64) -> Value {
    hive.get(&format!("/tasks/{task}")).await.json()["state"].clone()
}

async fn counts(hive: &Hive) -> Value {
    hive.get("/stats").await.json()["tasks"].clone()
}

fn of(counts: &Value, states: [&str; 4]) -> [u64; 4] {
    states.map(|state| counts[state].as_u64().unwrap())
}

const STATES: [&str; 4] = ["pending", "done", "failed", "cancelled"];

fn assert_sound(folder: &Path) {
    let mut said = Vec::new();
    let is_sound = check::run(&folder.join("hive-data"), &mut said).unwrap();
    assert!(is_sound, "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_task_of_a_batch_is_one_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [None, Some(folder.path())] {
        for count in [5, 3_000] {
            let _ = folder.map(|folder| std::fs::remove_dir_all(folder.join("hive-data")));
            let hive = start(folder).await;
            let words = words(count);
            let batch = submit(&hive, "&name=many", &words).await;
            assert_eq!((&batch["id"], &batch["first_task"]), (&json!(1), &json!(2)));
            assert_eq!(batch["total"], count);
            assert_eq!(of(&counts(&hive).await, STATES), [count as u64, 0, 0, 0]);
            let task = hive.get("/tasks/3").await.json();
            assert_eq!((&task["batch"], &task["total"], &task["state"]), (&json!(1), &json!(1), &json!("pending")));
            assert_eq!((&task["name"], task["first_task"].is_null()), (&json!("many"), true));
            assert!(task["waiting_because"].is_string(), "{task}");
            let none = hive.get("/tasks/3/results").await.text();
            assert_eq!(none, "{\"end\":true,\"count\":0,\"next_offset\":0,\"complete\":false}\n");
            let past = count as u64 + 2;
            assert_eq!(hive.get(&format!("/tasks/{past}")).await.status, 404);
            let list = hive.get("/tasks").await.json();
            assert_eq!(list["tasks"].as_array().unwrap().len(), 1, "a batch is one entry: {list}");

            let worker = hive.worker("maja");
            let last = past - 1;
            assert_eq!(hive.until_ended(last).await["state"], "done");
            assert_eq!(hive.until_ended(1).await["state"], "done");
            let task = hive.get("/tasks/3").await.json();
            let result = json!([{ "index": 0, "input": "word-1", "digest": digest("word-1") }]);
            assert_eq!((&task["state"], &task["done"], &task["results"]), (&json!("done"), &json!(1), &result));
            let text = hive.get(&format!("/tasks/{last}/results?format=text")).await.text();
            let word = words.last().unwrap();
            assert_eq!(text, format!("{}  {word}\n", digest(word)));
            let all = hive.get("/tasks/1/results?format=text").await.text();
            let expected: String = words.iter().map(|word| format!("{}  {word}\n", digest(word))).collect();
            assert!(all == expected);
            assert_eq!(of(&counts(&hive).await, STATES), [0, count as u64, 0, 0]);

            let next = hive.compute(json!({ "input": "honey" })).await;
            assert_eq!(next["id"], past, "ids go on behind the batch");
            assert_eq!(post(&hive, "/tasks/3/cancel").await.status, 409);
            assert_eq!(post(&hive, "/tasks/3/retry").await.status, 409);
            assert_eq!(hive.send("DELETE", "/tasks/3", &[], "").await.status, 204);
            assert_eq!(hive.get("/tasks/3").await.status, 410);
            assert_eq!(hive.send("DELETE", "/tasks/3", &[], "").await.status, 410);
            assert_eq!(hive.get("/tasks/1/results?format=text").await.status, 409);
            let partial = hive.get("/tasks/1/results?format=text&partial=1").await.text();
            assert_eq!(partial.lines().count(), count - 1);
            assert_eq!(of(&counts(&hive).await, STATES), [0, count as u64, 0, 0]);
            assert_eq!(hive.send("DELETE", "/tasks/1", &[], "").await.status, 204);
            for task in [1, 2, last] {
                assert_eq!(hive.get(&format!("/tasks/{task}")).await.status, 410);
            }
            assert_eq!(of(&counts(&hive).await, STATES), [0, 1, 0, 0]);
            worker.leave().await;
            hive.stop().await;
            folder.into_iter().for_each(assert_sound);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_changed_leaves_its_batch() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [None, Some(folder.path())] {
        let mut hive = start(folder).await;
        let mut words = words(3_000);
        // One of them is too long for a row.
        words[20] = "x".repeat(100_000);
        submit(&hive, "", &words).await;
        // Tasks 2 to 3001: index n is task n + 2.
        let cancelled = post(&hive, "/tasks/12/cancel").await;
        assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &json!("cancelled")), "{}", cancelled.text());
        assert_eq!(post(&hive, "/tasks/12/cancel").await.status, 200);
        let patch = r#"{"priority":7,"name":"urgent"}"#;
        let urgent = hive.send("PATCH", "/tasks/22", &[("content-type", "application/json")], patch).await;
        assert_eq!(urgent.status, 200, "{}", urgent.text());
        assert_eq!((&urgent.json()["priority"], &urgent.json()["batch"]), (&json!(7), &Value::Null));
        assert_eq!(post(&hive, "/tasks/32/pause").await.json()["state"], "paused");
        assert_eq!(of(&counts(&hive).await, STATES), [2_998, 0, 0, 1]);
        assert_eq!(counts(&hive).await["paused"], 1);
        if folder.is_some() {
            hive.stop().await;
            hive = start(folder).await;
            assert_eq!(of(&counts(&hive).await, STATES), [2_998, 0, 0, 1]);
            assert_eq!(state(&hive, 32).await, "paused");
        }

        let worker = hive.worker("maja");
        assert_eq!(hive.until_ended(1).await["state"], "done");
        assert_eq!(hive.until_ended(22).await["state"], "done");
        assert_eq!(of(&counts(&hive).await, STATES), [0, 2_998, 0, 1]);
        assert_eq!(state(&hive, 12).await, "cancelled");
        assert_eq!(state(&hive, 11).await, "done");
        assert_eq!(post(&hive, "/tasks/32/resume").await.status, 200);
        let retried = post(&hive, "/tasks/12/retry").await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        for task in [12, 22, 32] {
            assert_eq!(hive.until_ended(task).await["state"], "done");
            let text = hive.get(&format!("/tasks/{task}/results?format=text")).await.text();
            assert!(text.starts_with(&digest(&words[task as usize - 2])));
        }
        assert_eq!(of(&counts(&hive).await, STATES), [0, 3_000, 0, 0]);
        let rows = hive.get("/tasks/1/results").await.text();
        let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows.len(), 3_001);
        for (index, row) in rows[..3_000].iter().enumerate() {
            match index {
                10 | 20 | 30 => {
                    let line = json!({ "index": index, "task": index + 2, "state": "detached", "error": null });
                    assert_eq!(*row, line);
                }
                _ => assert_eq!(row["digest"], digest(&words[index])),
            }
        }
        assert_eq!(hive.get("/tasks/1/results?format=csv").await.status, 409);
        assert_eq!(hive.get("/admin/tasks/1").await.status, 200);
        assert_eq!(hive.get("/admin/tasks/11").await.status, 200);
        assert_eq!(hive.send("DELETE", "/tasks/1", &[], "").await.status, 204);
        assert_eq!(state(&hive, 12).await, "done", "who has left stays");
        assert_eq!(hive.get("/tasks/13").await.status, 410);
        assert_eq!(of(&counts(&hive).await, STATES), [0, 3, 0, 0]);
        worker.leave().await;
        hive.stop().await;
        folder.into_iter().for_each(assert_sound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_batch_lets_its_tasks_be_retried() {
    let folder = tempfile::tempdir().unwrap();
    for folder in [None, Some(folder.path())] {
        let hive = start(folder).await;
        let words = words(3_000);
        submit(&hive, "", &words).await;
        assert_eq!(post(&hive, "/tasks/1/cancel").await.json()["state"], "cancelled");
        assert_eq!(of(&counts(&hive).await, STATES), [0, 0, 0, 3_000]);
        assert_eq!(state(&hive, 2_000).await, "cancelled");
        let retried = post(&hive, "/tasks/2000/retry").await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        assert_eq!(hive.send("DELETE", "/tasks/1999", &[], "").await.status, 204);
        assert_eq!(of(&counts(&hive).await, STATES), [1, 0, 0, 2_998]);
        let worker = hive.worker("maja");
        assert_eq!(hive.until_ended(2_000).await["state"], "done");
        assert_eq!(state(&hive, 2_001).await, "cancelled");
        let retried = post(&hive, "/tasks/1/retry").await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        assert_eq!(hive.until_ended(1).await["state"], "done");
        assert_eq!(hive.until_ended(2_001).await["state"], "done");
        assert_eq!(hive.get("/tasks/1999").await.status, 410);
        assert_eq!(of(&counts(&hive).await, STATES), [0, 2_999, 0, 0]);
        worker.leave().await;
        hive.stop().await;
        folder.into_iter().for_each(assert_sound);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_submitted_whole_or_not_at_all() {
    let hive = Hive::start().await;
    let json = [("content-type", "application/x-ndjson")];
    let bad = hive.send("POST", "/tasks?each=task", &json, "\"a\"\n{\"input\":\"b\"}\n{\"inptu\":\"c\"}\n").await;
    assert_eq!((bad.status, &bad.json()["line"]), (422, &json!(3)), "{}", bad.text());
    assert_eq!(of(&counts(&hive).await, STATES), [0; 4]);
    assert_eq!(hive.send("POST", "/tasks?each=item", &json, "\"a\"\n").await.status, 422);
    let worker = hive.worker("maja");
    let headers = [("content-type", "application/x-ndjson"), WAIT, ("idempotency-key", "k")];
    let body = "\"a\"\n{\"input\":\"b\"}\n";
    let first = hive.send("POST", "/tasks?each=task", &headers, body).await;
    assert_eq!(first.header("location"), "/tasks/1", "{}", first.text());
    let first = hive.computed(first).await;
    assert_eq!((&first["state"], &first["first_task"]), (&json!("done"), &json!(2)));
    assert_eq!(first["results"][1], json!({ "index": 1, "input": "b", "digest": digest("b") }));
    let again = hive.send("POST", "/tasks?each=task", &headers, body).await.json();
    assert_eq!((&again["id"], &again["first_task"]), (&json!(1), &json!(2)));
    assert_eq!(hive.send("POST", "/tasks", &headers, body).await.status, 422, "one task is another thing");
    worker.leave().await;
    hive.stop().await;
}
