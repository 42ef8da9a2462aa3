//! Wall clocks that are set while nobody expects it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use queen::Config;
use queen::store::Location;

use super::support::clock::{Hands, WALL};
use super::support::{Hive, config, look_again};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// In milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A Queen who starts when the wall clock shows this.
async fn start(data: &Path, wall: i64) -> (Hive, Hands) {
    let clock = Hands::new();
    clock.set_wall(wall);
    let data = Some(Location::new(data.to_owned()));
    let config = Config { data, keep_finished: HOUR, clock: Arc::new(clock.clone()), ..config() };
    (Hive::start_with(config).await, clock)
}

/// The task that comes of a word with an idempotency key.
async fn keyed(hive: &Hive) -> u64 {
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let answer = hive.send("POST", "/tasks", &headers, r#"{"input":"honey"}"#).await;
    assert!([200, 201].contains(&answer.status), "{}", answer.text());
    answer.json()["id"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keys_are_known_for_a_day_whatever_the_wall_shows() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (hive, clock) = start(&data, WALL).await;
    let task = keyed(&hive).await;
    clock.set_wall(WALL + 2 * DAY);
    assert_eq!(keyed(&hive).await, task);
    hive.stop().await;
    let (hive, clock) = start(&data, WALL - 5 * DAY).await;
    assert_eq!(keyed(&hive).await, task);
    clock.advance(23 * HOUR);
    assert_eq!(keyed(&hive).await, task);
    clock.advance(2 * HOUR);
    assert_ne!(keyed(&hive).await, task);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_comes_when_its_time_has_passed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (hive, clock) = start(&data, WALL).await;
    let task = hive.submit_lines("?deadline_seconds=3600", &["honey".to_owned()]).await;
    let state = async |hive: &Hive| hive.get(&format!("/tasks/{task}")).await.json()["state"].clone();
    clock.set_wall(WALL + 9 * DAY);
    hive.stop().await;
    // She was away for half an hour.
    let (hive, clock) = start(&data, WALL + 9 * DAY + 1_800_000).await;
    assert_eq!(state(&hive).await, "pending");
    clock.set_wall(WALL);
    clock.advance(HOUR / 4);
    hive.stop().await;
    let (hive, clock) = start(&data, WALL - DAY).await;
    assert_eq!(state(&hive).await, "pending");
    clock.advance(HOUR / 4);
    while state(&hive).await != "failed" {
        look_again().await;
    }
    // It would fail again.
    let retried = hive.send("POST", &format!("/tasks/{task}/retry"), &[], "").await;
    assert_eq!(retried.status, 409, "{}", retried.text());
    assert!(retried.text().contains("deadline"), "{}", retried.text());
    hive.stop().await;
}

/// A task that is cancelled at once.
async fn ended(hive: &Hive) -> String {
    let task = hive.submit_lines("", &["honey".to_owned()]).await;
    let path = format!("/tasks/{task}");
    assert_eq!(hive.send("POST", &format!("{path}/cancel"), &[], "").await.status, 200);
    path
}

async fn until_gone(hive: &Hive, path: &str) {
    while hive.get(path).await.status != 410 {
        look_again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_tasks_stay_for_their_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (hive, clock) = start(&data, WALL - 30 * DAY).await;
    let first = ended(&hive).await;
    clock.advance(HOUR * 2 / 3);
    let second = ended(&hive).await;
    clock.set_wall(WALL);
    clock.advance(HOUR / 2);
    until_gone(&hive, &first).await;
    // Whoever removed the first has looked at the second, too.
    assert_eq!(hive.get(&second).await.json()["state"], "cancelled");
    hive.stop().await;
    let (hive, clock) = start(&data, WALL - DAY).await;
    assert_eq!(hive.get(&second).await.json()["state"], "cancelled");
    clock.advance(HOUR * 2 / 3);
    until_gone(&hive, &second).await;
    hive.stop().await;
}
