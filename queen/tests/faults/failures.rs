//! Drones that cannot compute what they are given, and Drones that die of it.

use std::time::Duration;

use bytes::Bytes;
use queen::core::Timeouts;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::support::LONG;
use super::support::scripted::{Heard, Scripted};
use super::{both, config, lines, start_queen};

/// What a Drone held that is gone is not kept for long.
const BRIEF: Timeouts = Timeouts { silence: LONG, grace: Duration::from_millis(100), retry: Duration::ZERO };

/// It can compute nothing.
fn failing(mut drone: Scripted) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(heard) = drone.hear().await {
            if let Heard::Work(lease) = heard {
                drone.fail(&lease, "it makes no sense").await;
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_fails_that_two_drones_cannot_compute() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drones = Vec::new();
        for name in ["one", "two", "three"] {
            let drone = Scripted::start(queen.drones, name).await;
            drones.push((name, drone.id, failing(drone)));
        }
        // Time and again: that is no fault of theirs.
        for _ in 0..4 {
            let task = queen.submit("", &lines(3)).await;
            let view = queen.until_task(task, |view| view["state"] == "failed").await;
            let error = view["error"].as_str().unwrap();
            assert!(error.starts_with("2 attempts to compute it failed ("), "{error}");
            assert!(error.ends_with("), the last one: it makes no sense"), "{error}");
            assert_eq!(drones.iter().filter(|(name, ..)| error.contains(name)).count(), 2, "{error}");
        }
        let overview = queen.ask("GET", "/admin", "", Bytes::new()).await.text();
        assert!(overview.contains("4 tasks failed</a> in the last day"), "{overview}");
        for (_, id, running) in drones {
            let view = queen.drone(id).await;
            assert_eq!((&view["state"], &view["quarantined_because"]), (&json!("idle"), &Value::Null), "{view}");
            running.abort();
        }
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_fails_everything_fails_no_task() {
    for (config, _directory) in both() {
        let timeouts = Timeouts { retry: LONG, ..config.timeouts };
        let (hive, queen) = start_queen(queen::Config { timeouts, ..config }).await;
        let bad = Scripted::start(queen.drones, "bad").await;
        let (id, failing) = (bad.id, failing(bad));
        let mut tasks = Vec::new();
        for _ in 0..3 {
            tasks.push(queen.submit("", &lines(3)).await);
        }
        queen.until_drone(id, "quarantined").await;
        for task in &tasks {
            let view = queen.task(*task).await;
            let waits = (&json!("running"), &json!("every connected drone is in quarantine"));
            assert_eq!((&view["state"], &view["waiting_because"]), waits, "{view}");
        }
        let honest = hive.worker("honest");
        for task in tasks {
            queen.until_done(task).await;
            queen.check(task, &lines(3)).await;
        }
        failing.abort();
        honest.leave().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_a_batch_fails_alone() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let batch = queen.submit("?each=task", &lines(500)).await;
        let poison = 77;
        let mut drone = Scripted::start(queen.drones, "one").await;
        let working = tokio::spawn(async move {
            while let Some(heard) = drone.hear().await {
                match heard {
                    Heard::Work(lease) if lease.range().contains(&poison) => drone.fail(&lease, "smoke").await,
                    Heard::Work(lease) => drone.give(&lease).await,
                    _ => {}
                }
            }
        });
        let view = queen.until_done(batch).await;
        let failed = batch + 1 + poison;
        let error = view["error"].as_str().unwrap();
        assert!(error.starts_with("1 task of it failed, the first at index 77: "), "{error}");
        let task = queen.task(failed).await;
        assert_eq!((&task["state"], &task["batch"]), (&json!("failed"), &json!(batch)), "{task}");
        assert!(task["error"].as_str().unwrap().ends_with("the last one: smoke"), "{task}");
        for (task, state) in [(failed - 1, "done"), (failed + 1, "done"), (failed, "failed")] {
            assert_eq!(queen.task(task).await["state"], state);
        }
        let counts = hive.get("/stats").await.json()["tasks"].clone();
        assert_eq!((&counts["done"], &counts["failed"]), (&json!(499), &json!(1)));
        let rows = hive.get(&format!("/tasks/{batch}/results?offset={}&limit=3", poison - 1)).await.text();
        let rows: Vec<Value> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
        assert_eq!((&rows[1]["state"], &rows[1]["task"]), (&json!("failed"), &json!(failed)), "{rows:?}");
        assert_eq!((&rows[2]["index"], &rows[3]["count"]), (&json!(poison + 1), &json!(3)), "{rows:?}");
        working.abort();

        let honest = hive.worker("honest");
        let retried = hive.send("POST", &format!("/tasks/{failed}/retry"), &[], "").await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        queen.until_done(failed).await;
        queen.check(failed, &lines(500)[poison as usize..=poison as usize]).await;
        let counts = hive.get("/stats").await.json()["tasks"].clone();
        assert_eq!((&counts["done"], &counts["failed"]), (&json!(500), &json!(0)));
        honest.leave().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_fails_that_ends_drones() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(queen::Config { timeouts: BRIEF, ..config }).await;
        let task = queen.submit("", &lines(3)).await;
        let mut dead = Vec::new();
        let view = loop {
            let mut drone = Scripted::start(queen.drones, &format!("dying-{}", dead.len())).await;
            tokio::select! {
                lease = drone.work() => assert_eq!((lease.task.0, lease.range()), (task, 0..3)),
                view = queen.until_task(task, |view| view["state"] == "failed") => break view,
            }
            dead.push(drone.id);
            assert!(dead.len() < 9, "it has to end some time");
        };
        let names: Vec<_> = (dead.len() - 3..dead.len()).map(|number| format!("dying-{number}")).collect();
        let names = names.join(", ");
        let error = format!("3 drones were lost while they computed nothing but its items 0 to 2: {names}");
        assert_eq!(view["error"], error);
        for id in dead {
            queen.until_drone(id, "lost").await;
        }
        let honest = hive.worker("honest");
        let task = queen.submit("", &lines(4)).await;
        queen.until_done(task).await;
        queen.check(task, &lines(4)).await;
        honest.leave().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_may_end_drones_waits_for_one_of_its_own() {
    let (hive, queen) = start_queen(queen::Config { timeouts: BRIEF, ..config(None) }).await;
    let task = queen.submit("?name=grim", &lines(3)).await;
    for number in 0..2 {
        let mut drone = Scripted::start(queen.drones, &format!("dying-{number}")).await;
        drone.work().await;
        let id = drone.id;
        drop(drone);
        queen.until_drone(id, "lost").await;
    }
    let mut busy = Scripted::start(queen.drones, "busy").await;
    let lease = busy.work().await;
    assert_eq!(lease.task.0, task, "it has nothing else to do");
    // What comes meanwhile is not at risk.
    let other = queen.submit("", &lines(5)).await;
    let view = queen.task(other).await;
    assert_eq!((&view["state"], &view["done"]), (&json!("pending"), &json!(0)), "{view}");
    busy.give(&lease).await;
    queen.until_done(task).await;
    let lease = busy.work().await;
    assert_eq!(lease.task.0, other);
    busy.give(&lease).await;
    queen.until_done(other).await;
    drop(busy);
    hive.stop().await;
}
