//! A disk that is full.

use std::path::Path;
use std::sync::Arc;

use queen::Config;
use queen::store::Location;

use super::support::programs::{output, queen, start_drone, with_file_size_limit};
use super::support::quota::Quota;
use super::support::{Hive, config, look_again, request};
use super::{command, lines, listening, status, stop};

const BALLAST: u64 = 256 << 10;

/// A Queen whose disk has room for so many bytes in plain files.
async fn serving(data: &Path, bytes: u64) -> Hive {
    let disk = Arc::new(Quota::of(bytes));
    let location = Location { disk, ballast: BALLAST, ..Location::new(data.to_owned()) };
    Hive::start_with(Config { data: Some(location), ..config() }).await
}

/// Waits until the disk does not take what there is to write.
async fn until_full(hive: &Hive) {
    while hive.get("/stats").await.json()["data"]["fault"].is_null() {
        look_again().await;
    }
}

#[test]
fn a_limit_on_file_sizes_is_a_full_disk() {
    const BLOCKS: u64 = 2048;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let (queen, drones, http) = listening(&mut with_file_size_limit(&command(&data), BLOCKS));
    let drone = start_drone(drones, "maja");
    let text = [("content-type", "text/plain"), ("prefer", "wait=60")];
    let too_large = request(http, "POST", "/tasks", &text, &lines(20_000).join("\n"));
    assert_eq!(too_large.status, 413, "{}", too_large.text());
    assert!(too_large.text().contains("limit on file sizes"), "{}", too_large.text());
    // In the database, until that has reached the limit.
    let small = lines(500).join("\n");
    let mut done = Vec::new();
    let refused = loop {
        let answer = request(http, "POST", "/tasks", &text, &small);
        match answer.status {
            200 => done.push(answer.json()["id"].as_u64().unwrap()),
            _ => break answer,
        }
        assert!(done.len() < 100);
    };
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert!(refused.text().contains("limit on file sizes"), "{}", refused.text());
    assert_eq!(status(http, "/readyz"), 503);
    assert!(done.len() > 8, "{done:?}");
    for id in done {
        let removed = request(http, "DELETE", &format!("/tasks/{id}"), &[], "");
        assert_eq!(removed.status, 204, "{}", removed.text());
    }
    while status(http, "/readyz") != 200 {}
    assert_eq!(request(http, "POST", "/tasks", &text, &small).status, 200);
    drop(drone);
    stop(queen);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_leave_the_room_that_is_for_removals() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let hive = serving(&data, 2_700_000).await;
    let worker = hive.worker("maja");
    let first = hive.submit_lines("", &lines(10_000)).await;
    hive.until_done(first).await;
    // Its results find no room.
    let second = hive.submit_lines("", &lines(20_000)).await;
    until_full(&hive).await;
    for _ in 0..100 {
        assert!(std::fs::metadata(data.join("ballast")).is_ok_and(|ballast| ballast.len() == BALLAST));
        assert_eq!(hive.get("/readyz").await.status, 503);
    }
    assert_eq!(hive.send("DELETE", &format!("/tasks/{first}"), &[], "").await.status, 204);
    hive.until_done(second).await;
    hive.until_ready().await;
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_cancelled_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    // With the inputs there is room for the ballast twice, but not for all results.
    let hive = serving(&data, 2_100_000).await;
    let large = hive.submit_lines("", &lines(20_000)).await;
    let small = hive.submit_lines("?priority=-1", &lines(3)).await;
    let worker = hive.worker("maja");
    until_full(&hive).await;
    // Little has room before the rest has.
    hive.until_done(small).await;
    assert_eq!(hive.get("/readyz").await.status, 503);
    let path = format!("/tasks/{large}");
    let why = loop {
        let view = hive.get(&path).await.json();
        assert_eq!(view["state"], "running", "{view}");
        if let Some(why) = view["waiting_because"].as_str().filter(|why| why.contains("written")) {
            break why.to_owned();
        }
        look_again().await;
    };
    assert!(why.starts_with("its end cannot be written: "), "{why}");
    assert_eq!(hive.send("DELETE", &path, &[], "").await.status, 409);
    let cancelled = hive.send("POST", &format!("{path}/cancel"), &[], "").await;
    assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &"cancelled".into()), "{}", cancelled.text());
    assert_eq!(hive.send("POST", &format!("{path}/cancel"), &[], "").await.status, 200, "it is already");
    assert!(cancelled.json()["done"].as_u64() < Some(20_000), "{}", cancelled.text());
    assert_eq!(hive.get("/stats").await.json()["tasks"]["cancelled"], 1);
    let removed = hive.send("DELETE", &path, &[], "").await;
    assert_eq!(removed.status, 204, "{}", removed.text());
    hive.until_ready().await;
    let next = hive.submit_lines("", &lines(1_000)).await;
    hive.until_done(next).await;
    let stats = hive.get("/stats").await.json();
    assert_eq!((&stats["tasks"]["done"], &stats["tasks"]["cancelled"]), (&2.into(), &0.into()), "{stats}");
    worker.leave().await;
    hive.stop().await;
    let (code, said, error) = output(queen().arg("check").arg("--data-dir").arg(&data));
    assert_eq!(code, Some(0), "{said}{error}");
}
