//! What users have done with tasks and Drones, and what they are told.

use serde_json::{Value, json};

use super::support::scripted::Scripted;
use super::support::{Hive, look_again};
use super::{PBKDF2, Queen, both, config, expected_pbkdf2, lines, start_queen};

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_task_is_taken_from_its_drones_and_goes_on_where_it_was() {
    for (config, directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        let task = queen.submit("", &lines(500)).await;
        let lease = drone.work().await;
        drone.give_with(&lease, 0..200, |_| false).await;
        drone.stored(1).await;
        let paused = queen.post(&format!("/tasks/{task}/pause")).await;
        assert_eq!((paused.status, &paused.json()["state"]), (200, &json!("paused")), "{}", paused.text());
        assert_eq!(drone.shrink(lease.id).await, 200);
        let view = queen.task(task).await;
        assert_eq!((&view["waiting_because"], &view["done"]), (&json!("it is paused"), &json!(200)), "{view}");
        assert_eq!(queen.get("/stats").await["tasks"]["paused"], 1);
        let view = queen.drone(drone.id).await;
        assert_eq!((&view["idle_because"], &view["leases"]), (&json!("all tasks are paused"), &json!(0)), "{view}");
        // It crossed with the withdrawal.
        drone.give_with(&lease, 200..500, |_| false).await;
        drone.stored(2).await;
        assert_eq!(queen.task(task).await["done"], 200);

        let hive = match &directory {
            None => hive,
            Some(directory) => {
                drop(drone);
                hive.stop().await;
                let hive = Hive::start_with(super::config(Some(directory.path()))).await;
                drone = Scripted::start(hive.drones, "next").await;
                hive
            }
        };
        let queen = Queen::from(&hive);
        let view = queen.task(task).await;
        assert_eq!((&view["state"], &view["waiting_because"]), (&json!("paused"), &json!("it is paused")), "{view}");
        let resumed = queen.post(&format!("/tasks/{task}/resume")).await;
        assert_eq!(resumed.status, 200, "{}", resumed.text());
        let lease = drone.work().await;
        assert_eq!(lease.range(), 200..500);
        drone.give(&lease).await;
        queen.until_done(task).await;
        queen.check(task, &lines(500)).await;
        let again = queen.post(&format!("/tasks/{task}/pause")).await;
        assert_eq!(again.status, 409, "{}", again.text());
        drop(drone);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_missing_of_a_cancelled_task_is_computed_when_it_is_retried() {
    for (config, directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        let task = queen.submit("", &lines(500)).await;
        let lease = drone.work().await;
        drone.give_with(&lease, 0..200, |_| false).await;
        drone.stored(1).await;
        let cancelled = queen.post(&format!("/tasks/{task}/cancel")).await.json();
        assert_eq!((&cancelled["state"], &cancelled["done"]), (&json!("cancelled"), &json!(200)));
        assert_eq!(drone.shrink(lease.id).await, 200);
        drop(drone);
        let hive = match &directory {
            None => hive,
            Some(directory) => {
                hive.stop().await;
                Hive::start_with(super::config(Some(directory.path()))).await
            }
        };
        let queen = Queen::from(&hive);
        assert_eq!(queen.task(task).await["state"], "cancelled");
        let honest = Scripted::start(queen.drones, "honest").await.honest();
        let retried = queen.post(&format!("/tasks/{task}/retry")).await;
        assert_eq!(retried.status, 200, "{}", retried.text());
        queen.until_done(task).await;
        queen.check(task, &lines(500)).await;
        assert_eq!(honest.asked.lock().unwrap()[..], [(task, 200..500)]);
        let again = queen.post(&format!("/tasks/{task}/retry")).await;
        assert_eq!(again.status, 409, "{}", again.text());
        let stats = queen.get("/stats").await;
        assert_eq!((&stats["tasks"]["done"], &stats["tasks"]["cancelled"]), (&json!(1), &json!(0)), "{stats}");
        honest.vanish().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_of_a_task_outlive_the_queen() {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let [first, second] = [queen.submit("?name=first", &lines(1)).await, queen.submit("?name=second", &lines(2)).await];
    let view = queen.amend(second, json!({ "priority": 9, "name": "urgent" })).await;
    assert_eq!((&view["priority"], &view["name"]), (&json!(9), &json!("urgent")));
    let view = queen.amend(first, json!({ "name": null })).await;
    assert_eq!((&view["priority"], &view["name"]), (&json!(0), &Value::Null));
    hive.stop().await;
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let view = queen.task(second).await;
    assert_eq!((&view["priority"], &view["name"]), (&json!(9), &json!("urgent")));
    assert_eq!(queen.task(first).await["name"], Value::Null);
    let changes = |log: &Value| {
        let lines = log["entries"].as_array().unwrap().iter().filter(|line| line["action"] == "change");
        lines.map(|line| line["changes"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(changes(&queen.get("/log").await), ["name “first” → none", "priority 0 → 9, name “second” → “urgent”"]);
    let honest = Scripted::start(queen.drones, "honest").await.honest();
    queen.until_done(first).await;
    queen.until_done(second).await;
    assert_eq!(honest.asked.lock().unwrap()[0].0, second, "the urgent one comes first");
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_fails_at_its_deadline_for_good() {
    for (config, directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "slow").await;
        let task = queen.submit("?deadline_seconds=1", &lines(500)).await;
        let lease = drone.work().await;
        drone.give_with(&lease, 0..200, |_| false).await;
        let view = queen.until_task(task, |view| view["state"] == "failed").await;
        assert_eq!(view["error"], "its deadline passed before all of it was computed");
        assert_eq!(view["done"], 200);
        assert_eq!(drone.shrink(lease.id).await, 200);
        let retried = queen.post(&format!("/tasks/{task}/retry")).await;
        assert_eq!(retried.status, 409);
        assert!(retried.text().contains("deadline"), "{}", retried.text());
        drop(drone);
        hive.stop().await;
        let Some(directory) = directory else { continue };
        let (hive, queen) = start_queen(super::config(Some(directory.path()))).await;
        assert_eq!(queen.task(task).await["state"], "failed");
        assert_eq!(queen.post(&format!("/tasks/{task}/retry")).await.status, 409);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_at_its_deadline_is_tried_again_with_another() {
    const JSON: [(&str, &str); 1] = [("content-type", "application/json")];
    for (config, directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let task = queen.submit("?deadline_seconds=1", &lines(2)).await;
        let batch = queen.submit("?deadline_seconds=1&each=task", &lines(2)).await;
        let member = batch + 2;
        for id in [task, batch] {
            queen.until_task(id, |view| view["state"] == "failed").await;
            assert_eq!(queen.post(&format!("/tasks/{id}/retry")).await.status, 409);
        }
        assert_eq!(queen.post(&format!("/tasks/{member}/retry")).await.status, 409);
        for id in [task, member] {
            let retry = hive.send("POST", &format!("/tasks/{id}/retry"), &JSON, r#"{"deadline_seconds":86400}"#).await;
            let view = retry.json();
            assert_eq!((retry.status, &view["state"]), (200, &json!("pending")), "{view}");
            assert!(view["deadline_at"].as_str() > queen.task(batch).await["deadline_at"].as_str(), "{view}");
        }
        let view = queen.amend(task, json!({ "deadline_seconds": null })).await;
        assert_eq!(view["deadline_at"], Value::Null);
        let deadline = queen.task(member).await["deadline_at"].clone();
        let hive = match &directory {
            None => hive,
            Some(directory) => {
                hive.stop().await;
                Hive::start_with(super::config(Some(directory.path()))).await
            }
        };
        let queen = Queen::from(&hive);
        assert_eq!(queen.task(task).await["deadline_at"], Value::Null);
        assert_eq!(queen.task(member).await["deadline_at"], deadline);
        // A deadline that comes earlier is kept, too.
        queen.amend(member, json!({ "deadline_seconds": 1 })).await;
        queen.until_task(member, |view| view["state"] == "failed").await;
        let honest = Scripted::start(queen.drones, "honest").await.honest();
        queen.until_done(task).await;
        honest.vanish().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_is_asked_to_leave_finishes_what_it_has_begun() {
    let (hive, queen) = start_queen(config(None)).await;
    let few = lines(200);
    let drained = hive.worker("drained");
    let endless = hive.submit_endless("").await;
    hive.until_busy("drained").await;
    let task = queen.submit(PBKDF2, &few).await;
    let asked = queen.post("/drones/1/drain").await;
    assert_eq!((asked.status, &asked.json()["state"]), (202, &json!("leaving")), "{}", asked.text());
    // It keeps what it has begun, and gives back the rest.
    queen.until("/drones/1", |view| view["leases"].as_u64() <= Some(1)).await;
    hive.cancel(endless).await;
    drained.end().await;
    let view = queen.until("/drones/1", |view| view["state"] == "left").await;
    assert_eq!((&view["leases"], &view["connections"]), (&json!(0), &json!(1)), "{view}");
    assert_eq!(view["left_because"], "an operator drained it; its work was done or given back");
    let again = queen.post("/drones/1/drain").await;
    assert_eq!(again.status, 409);
    assert!(again.text().contains("drone 1 (drained) is not connected: it is left"), "{}", again.text());
    assert_eq!(queen.post("/drones/99/drain").await.status, 404);
    assert_eq!(queen.post("/drones/99/resume").await.status, 404);
    let worker = hive.worker("worker");
    queen.until_done(task).await;
    assert!(queen.results(task).await == expected_pbkdf2(&few));
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_hangs_is_disconnected_and_the_log_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let mut hung = Scripted::start(queen.drones, "hung").await;
    let task = queen.submit("", &lines(500)).await;
    hung.work().await;
    let view = queen.drone(hung.id).await;
    assert_eq!((&view["tasks"], &view["failures"]), (&json!([task]), &json!(0)), "{view}");
    let answer = queen.post("/drones/1/disconnect").await;
    assert_eq!((answer.status, &answer.json()["state"]), (200, &json!("lost")), "{}", answer.text());
    assert_eq!(hung.closed().await.as_deref(), Some("an operator disconnected it"));
    assert_eq!(queen.post("/drones/1/disconnect").await.status, 409);
    let honest = Scripted::start(queen.drones, "honest").await.honest();
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;
    let entries = |log: &Value| {
        let lines = log["entries"].as_array().unwrap().iter().rev();
        lines.map(|line| format!("{} {}", line["action"], line["target"]).replace('"', "")).collect::<Vec<_>>()
    };
    let expected = [
        "start queen",
        "connect drone 1 (hung)",
        "disconnect drone 1 (hung)",
        "leave drone 1 (hung)",
        "connect drone 2 (honest)",
    ];
    let log = queen.until("/log", |log| entries(log) == expected).await;
    let came = log["entries"][3]["outcome"].as_str().unwrap();
    assert!(came.starts_with("1 compute thread, from 127.0.0.1:"), "{came}");
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_leave_memory_when_their_results_have_come() {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let many = lines(60_000);
    let task = queen.submit("", &many).await;
    let mut drone = Scripted::start(queen.drones, "drone").await;
    let used = async || queen.get("/stats").await["memory_used"].as_u64().unwrap();
    let mut leases = vec![drone.work().await];
    while leases.last().is_some_and(|lease| lease.to < many.len() as u64) {
        leases.push(drone.work().await);
    }
    let mut before = used().await;
    for (lease, number) in leases.iter().zip(1..) {
        let bytes: usize = lease.inputs.iter().map(Vec::len).sum();
        drone.give(lease).await;
        drone.stored(number).await;
        // Connections that have just ended are counted for a moment.
        while used().await + bytes as u64 > before {
            look_again().await;
        }
        before = used().await;
    }
    queen.until_done(task).await;
    queen.check(task, &many).await;
    drop(drone);
    hive.stop().await;
}
