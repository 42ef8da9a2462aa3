//! Searches: what is sought is found once, and who does not search is found out.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::support::look_again;
use super::support::scripted::Scripted;
use super::{Queen, both, config, start_queen};

/// The digest of a number in decimal.
fn target(number: u64) -> String {
    const_hex::encode(Sha256::digest(number.to_string()))
}

/// Numbers below `to`, among which these are sought.
fn numbers(to: u64, sought: &[u64], stop: &str) -> Value {
    let targets: Vec<_> = sought.iter().map(|number| target(*number)).collect();
    json!({"kind": "search", "space": {"counter": {"from": 0, "to": to, "format": "decimal"}},
           "targets": targets, "stop": stop})
}

async fn submit(queen: Queen, task: &Value) -> u64 {
    let answer = queen.ask("POST", "/tasks", "application/json", task.to_string().into()).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_u64().unwrap()
}

/// The indices that were found, in the order in which they are served.
async fn found(queen: Queen, task: u64) -> Vec<u64> {
    let text = queen.ask("GET", &format!("/tasks/{task}/results"), "", Bytes::new()).await.text();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let rows: Vec<_> = rows.filter(|row| row["end"] != true).collect();
    for row in &rows {
        assert_eq!(row["plain"], row["index"].to_string());
        assert_eq!(row["digest"], target(row["index"].as_u64().unwrap()));
    }
    rows.iter().map(|row| row["index"].as_u64().unwrap()).collect()
}

/// How many candidates have which verdict; all of them have one.
async fn coverage(queen: Queen, task: u64) -> BTreeMap<String, u64> {
    let (mut from, mut verdicts) = (0, BTreeMap::new());
    loop {
        let page = queen.get(&format!("/tasks/{task}/coverage?from={from}&limit=3")).await;
        for span in page["spans"].as_array().unwrap() {
            assert_eq!(span["from"], from, "{page}");
            let to = span["to"].as_u64().unwrap();
            *verdicts.entry(span["verdict"].as_str().unwrap().to_owned()).or_default() += to - from;
            from = to;
        }
        match page["next"].as_u64() {
            Some(next) => assert_eq!(next, from),
            None => break,
        }
    }
    assert_eq!(from, queen.task(task).await["total"], "all candidates have a verdict");
    verdicts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sought_is_found_once() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let honest = Scripted::start(queen.drones, "honest").await.searching(|_, _, _| {});
        let task = submit(queen, &numbers(50_000, &[0, 17, 49_999], "all")).await;
        let view = queen.until_done(task).await;
        assert_eq!(view["search"]["found"], 3, "{view}");
        assert_eq!(found(queen, task).await, [0, 17, 49_999]);
        assert_eq!(coverage(queen, task).await.into_values().sum::<u64>(), 50_000);
        let marks = &view["search"]["marks"];
        let (seen, expected) = (marks["seen"].as_f64().unwrap(), marks["expected"].as_f64().unwrap());
        assert!((seen - expected).abs() < 10.0 * expected.sqrt() + 10.0, "{marks}");
        honest.vanish().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_drone_finds_what_the_queen_finds() {
    let (hive, queen) = start_queen(config(None)).await;
    let drone = hive.worker("real");
    let task = submit(queen, &numbers(3_000_000, &[0, 1_234_567, 2_999_999], "never")).await;
    let view = queen.until_done(task).await;
    assert_eq!((&view["search"]["found"], &view["done"]), (&json!(3), &json!(3_000_000)), "{view}");
    assert_eq!(found(queen, task).await, [0, 1_234_567, 2_999_999]);
    assert_eq!(queen.get("/stats").await["quarantined"], 0);
    drone.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_over_when_enough_is_found() {
    let (hive, queen) = start_queen(config(None)).await;
    let honest = Scripted::start(queen.drones, "honest").await.searching(|_, _, _| {});
    let first = submit(queen, &numbers(100_000, &[70_000, 3], "first")).await;
    let view = queen.until_done(first).await;
    assert!(view["search"]["found"].as_u64() >= Some(1), "{view}");
    assert!(view["done"].as_u64() < Some(100_000), "{view}");
    assert!(coverage(queen, first).await["not-searched"] > 0);

    let lowest = submit(queen, &numbers(100_000, &[70_000, 30_000, 20_000], "lowest")).await;
    let view = queen.until_done(lowest).await;
    assert_eq!(found(queen, lowest).await[0], 20_000, "{view}");
    assert!(coverage(queen, lowest).await["not-searched"] > 0);

    let all = submit(queen, &numbers(100_000, &[20_000, 5], "all")).await;
    let view = queen.until_done(all).await;
    assert_eq!(found(queen, all).await, [5, 20_000]);
    assert!(view["done"].as_u64() < Some(100_000), "{view}");
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_mark_is_a_lie() {
    let (hive, queen) = start_queen(config(None)).await;
    let liar = Scripted::start(queen.drones, "liar").await.searching(|_, part, marks| {
        let false_mark = part.clone().find(|index| !marks.contains(index)).unwrap();
        marks.push(false_mark);
        marks.sort_unstable();
    });
    let task = submit(queen, &numbers(100_000, &[99_999], "all")).await;
    let view = queen.until_drone(liar.id, "quarantined").await;
    let reason = view["quarantined_because"].as_str().unwrap();
    assert!(reason.contains("is a mark, which it is not"), "{reason}");
    assert_eq!(queen.task(task).await["done"], 0);
    let honest = Scripted::start(queen.drones, "honest").await.searching(|_, _, _| {});
    queen.until_done(task).await;
    assert_eq!(found(queen, task).await, [99_999]);
    honest.vanish().await;
    liar.vanish().await;
    hive.stop().await;
}

/// Who tells only some marks is found out, and what it says that it searched is searched again.
async fn skipper(keeps: impl Fn(u64) -> bool + Send + Copy + 'static, has_company: bool, stop: &str) {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let liar = Scripted::start(queen.drones, "liar").await;
    let liar = liar.searching(move |_, _, marks| marks.retain(|mark| keeps(*mark)));
    let start = || async { Scripted::start(queen.drones, "honest").await.searching(|_, _, _| {}) };
    let early = if has_company { Some(start().await) } else { None };
    let task = submit(queen, &numbers(400_000, &[399_999, 123_456, 7], stop)).await;
    let view = queen.until_drone(liar.id, "quarantined").await;
    let reason = view["quarantined_because"].as_str().unwrap();
    assert!(reason.contains("did not tell"), "{reason}");
    let late = if has_company { None } else { Some(start().await) };
    // What is in doubt is said to be so when that is on disk, and then searched again.
    let found = loop {
        let (view, verdicts) = (queen.task(task).await, coverage(queen, task).await);
        let is_open = |verdict: &String| ["doubtful", "open"].contains(&verdict.as_str());
        let found = found(queen, task).await;
        let is_over = view["state"] == "done" && view["suspect"] == false && !verdicts.keys().any(is_open);
        if is_over && found.first() == Some(&7) {
            break found;
        }
        look_again().await;
    };
    assert!(stop == "lowest" || found == [7, 123_456, 399_999], "{found:?}");
    for honest in early.into_iter().chain(late) {
        assert_eq!(queen.drone(honest.id).await["wrong"], 0);
        honest.vanish().await;
    }
    liar.vanish().await;
    hive.stop().await;
    let mut said = Vec::new();
    assert!(queen::store::check::run(directory.path(), &mut said).unwrap(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_skips_all_is_found_out_by_another() {
    skipper(|_| false, true, "never").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_skips_all_is_found_out_by_the_queen() {
    skipper(|_| false, false, "all").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_skips_a_lane_in_two_is_found_out() {
    skipper(|mark| mark % 2 == 0, true, "never").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_doubt_is_searched_again_though_enough_was_found() {
    skipper(|_| false, true, "lowest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_much_is_not_suspect() {
    let (hive, queen) = start_queen(config(None)).await;
    let drones = ["one", "other"].map(|name| Scripted::start(queen.drones, name));
    let mut honest = Vec::new();
    for drone in drones {
        honest.push(drone.await.searching(|_, _, _| {}));
    }
    let sought: Vec<_> = (0..3000).collect();
    let task = submit(queen, &numbers(100_000, &sought, "never")).await;
    let view = queen.until_done(task).await;
    assert_eq!(view["search"]["found"], 3000);
    assert_eq!(found(queen, task).await, sought);
    let page = queen.ask("GET", &format!("/tasks/{task}/results?offset=2990&limit=5"), "", Bytes::new()).await.text();
    assert!(page.starts_with("{\"index\":2990,") && page.lines().count() == 6, "{page}");
    assert_eq!(queen.get("/stats").await["quarantined"], 0);
    for drone in honest {
        drone.vanish().await;
    }
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_found_than_was_asked_for() {
    let (hive, queen) = start_queen(config(None)).await;
    let honest = Scripted::start(queen.drones, "honest").await.searching(|_, _, _| {});
    let sought: Vec<_> = (0..100).map(|n| n * 10).collect();
    let mut task = numbers(200_000, &sought, "never");
    task["max_findings"] = json!(7);
    let task = submit(queen, &task).await;
    let view = queen.until_done(task).await;
    assert_eq!(view["search"]["found"], 7);
    assert!(view["done"].as_u64() < Some(200_000));
    assert_eq!(found(queen, task).await.len(), 7);
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_outlives_the_queen() {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let (total, sought) = (200_000, [3, 150_000]);
    let mut drone = Scripted::start(queen.drones, "first").await;
    let task = submit(queen, &numbers(total, &sought, "never")).await;
    let lease = drone.work().await;
    let half = lease.from..lease.from + (lease.to - lease.from) / 2;
    drone.give_marks(&lease, half.clone()).await;
    drone.stored(1).await;
    drop(drone);
    hive.stop().await;

    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    assert_eq!(queen.task(task).await["done"], half.end - half.start);
    let honest = Scripted::start(queen.drones, "second").await.searching(|_, _, _| {});
    let view = queen.until_done(task).await;
    assert_eq!(view["search"]["found"], 2);
    assert_eq!(found(queen, task).await, sought);
    let asked = honest.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|(_, range)| range.end <= half.start || range.start >= half.end), "{asked:?}");
    assert_eq!(coverage(queen, task).await.into_values().sum::<u64>(), total);
    honest.vanish().await;
    hive.stop().await;
    let mut said = Vec::new();
    assert!(queen::store::check::run(directory.path(), &mut said).unwrap(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_can_be_held_and_taken_up_again() {
    let (hive, queen) = start_queen(config(None)).await;
    let mut drone = Scripted::start(queen.drones, "drone").await;
    let task = submit(queen, &numbers(100_000, &[99_000], "never")).await;
    let lease = drone.work().await;
    drone.give_marks(&lease, lease.from..lease.from + 1000).await;
    drone.stored(1).await;
    assert_eq!(queen.post(&format!("/tasks/{task}/pause")).await.status, 200);
    assert_eq!(queen.task(task).await["done"], 1000);
    assert_eq!(queen.post(&format!("/tasks/{task}/cancel")).await.status, 200);
    let verdicts = coverage(queen, task).await;
    assert_eq!((verdicts["searched"], verdicts["not-searched"]), (1000, 99_000));
    assert_eq!(queen.post(&format!("/tasks/{task}/retry")).await.status, 200);
    drop(drone);
    let honest = Scripted::start(queen.drones, "honest").await.searching(|_, _, _| {});
    let view = queen.until_done(task).await;
    assert_eq!((&view["done"], &view["search"]["found"]), (&json!(100_000), &json!(1)));
    honest.vanish().await;
    hive.stop().await;
}
