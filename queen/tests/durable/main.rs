//! What outlives the Queen, who may use her directory, and what goes from it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod clocks;
mod full;
mod history;
mod lists;
mod owners;
#[path = "../support/mod.rs"]
mod support;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use queen::Config;
use queen::clock::System;
use queen::hive::{Settings, SharedHive};
use queen::store::Location;
use queen::store::disk::{self, Disk, DiskFile};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::programs::{Program, address, output, queen, start_drone};
use support::{Hive, config, request, until_done};
use tokio_util::sync::CancellationToken;
use web::hive::{Hive as _, HiveError};
use wire::ids::TaskId;

/// What starts a Queen on a data directory.
fn command(data: &Path) -> Command {
    let mut command = queen();
    command.args(["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--data-dir"]).arg(data);
    command
}

/// A Queen on a data directory, and her addresses for Drones and for HTTP.
fn start(data: &Path) -> (Program, SocketAddr, SocketAddr) {
    listening(&mut command(data))
}

fn listening(command: &mut Command) -> (Program, SocketAddr, SocketAddr) {
    let mut queen = Program::start(command);
    let drones = address(&queen.line("listening for drones"));
    let http = address(&queen.line("admin page"));
    (queen, drones, http)
}

fn stop(queen: Program) -> String {
    queen.signal("-TERM");
    let (code, said) = queen.end();
    assert_eq!(code, Some(0), "{said}");
    said
}

fn kill(queen: Program) {
    queen.signal("-KILL");
    assert_eq!(queen.end().0, None);
}

fn submit(http: SocketAddr, headers: &[(&str, &str)], body: &str) -> support::Answer {
    request(http, "POST", "/tasks", headers, body)
}

fn status(http: SocketAddr, path: &str) -> u16 {
    request(http, "GET", path, &[], "").status
}

/// Enough for a bulk file.
fn lines(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index}-{}", "x".repeat(60))).collect()
}

fn expected(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}  {line}\n", const_hex::encode(Sha256::digest(line)))).collect()
}

#[test]
fn who_stops_gracefully_leaves_nothing_to_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let (queen, drones, http) = start(&data);
    let drone = start_drone(drones, "maja");
    assert_eq!(submit(http, &[], r#"{"input":"honey"}"#).status, 201);
    until_done(http, 1);
    stop(queen);
    drop(drone);
    let log = std::fs::metadata(data.join("hive.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0);

    let (queen, _, http) = start(&data);
    let task = request(http, "GET", "/tasks/1", &[], "").json();
    assert_eq!(task["state"], "done");
    assert_eq!(task["results"][0]["digest"], const_hex::encode(Sha256::digest("honey")));
    assert_eq!(request(http, "GET", "/stats", &[], "").json()["data"]["recovered"], 0);
    let ready = request(http, "GET", "/readyz", &[], "");
    assert_eq!((ready.status, ready.json()), (200, json!({ "status": "ready", "recovered": 0 })));
    let said = stop(queen);
    assert!(!said.contains("Took over"), "{said}");
}

#[test]
fn a_directory_has_one_queen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let (first, _, http) = start(&data);
    let (code, _, error) = output(&mut command(&data));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("in use by another Queen (process ") && error.contains("--data-dir"), "{error}");
    // The file only says who it is.
    std::fs::remove_file(data.join("lock")).unwrap();
    let mut check = queen();
    check.arg("check").arg("--data-dir").arg(&data);
    for command in [&mut command(&data), &mut check] {
        let (code, said, error) = output(command);
        assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
        assert!(error.contains("in use by another Queen"), "{error}");
    }
    assert_eq!(submit(http, &[], r#"{"input":"honey"}"#).status, 201);
    // The lock dies with its Queen.
    kill(first);
    stop(start(&data).0);
}

#[test]
fn nothing_is_acknowledged_into_files_that_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (data, aside) = (folder.path().join("hive-data"), folder.path().join("aside"));
    let (queen, _, http) = start(&data);
    let word = r#"{"input":"honey"}"#;
    let mut acknowledged = 0;
    for what in ["", "hive.db", "hive.db-wal", "hive.db-shm", "bulk"] {
        let path = if what.is_empty() { data.clone() } else { data.join(what) };
        std::fs::rename(&path, &aside).unwrap();
        let refused = submit(http, &[], word);
        assert_eq!(refused.status, 503, "{what}: {}", refused.text());
        assert!(refused.text().contains("deleted, moved or replaced"), "{what}: {}", refused.text());
        let ready = request(http, "GET", "/readyz", &[], "");
        assert!(ready.status == 503 && ready.text().contains(path.to_str().unwrap()), "{what}: {}", ready.text());
        // Another one in its place is not it.
        std::fs::create_dir(&path).unwrap();
        assert_eq!(submit(http, &[], word).status, 503, "{what}");
        std::fs::remove_dir(&path).unwrap();
        std::fs::rename(&aside, &path).unwrap();
        while status(http, "/readyz") != 200 {}
        assert_eq!(submit(http, &[], word).status, 201, "{what}");
        acknowledged += 1;
    }
    // She notices it by herself, too.
    std::fs::rename(&data, &aside).unwrap();
    while status(http, "/readyz") != 503 {}
    std::fs::rename(&aside, &data).unwrap();
    while status(http, "/readyz") != 200 {}
    kill(queen);
    let (queen, _, http) = start(&data);
    assert_eq!(request(http, "GET", "/stats", &[], "").json()["data"]["recovered"], acknowledged);
    stop(queen);
}

/// The records, byte by byte.
fn records(data: &Path) -> [Vec<u8>; 2] {
    ["hive.db", "hive.db-wal"].map(|name| std::fs::read(data.join(name)).unwrap_or_default())
}

#[test]
fn what_is_damaged_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let (queen, _, http) = start(&data);
    let answer = submit(http, &[("content-type", "text/plain")], &lines(2000).join("\n"));
    assert_eq!(answer.status, 201);
    kill(queen);
    let bulk = std::fs::read_dir(data.join("bulk")).unwrap().next().unwrap().unwrap().path();
    let inputs = std::fs::read(&bulk).unwrap();
    std::fs::write(&bulk, &inputs[..1000]).unwrap();
    let before = records(&data);
    let (code, _, error) = output(&mut command(&data));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains(bulk.to_str().unwrap()) && error.contains("queen check"), "{error}");
    assert!(records(&data) == before, "the records were changed");
    std::fs::write(&bulk, &inputs).unwrap();
    let (queen, drones, http) = start(&data);
    let drone = start_drone(drones, "maja");
    until_done(http, 1);
    drop(drone);
    stop(queen);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_twice_is_counted_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(Location::new(folder.path().join("hive-data")));
    let hive = Hive::start_with(Config { data, ..config() }).await;
    let worker = hive.worker("maja");
    hive.until_drones(1).await;
    for _ in 0..20 {
        let id = hive.compute(json!({ "input": "honey" })).await["id"].as_u64().unwrap();
        hive.until_done(id).await;
    }
    for id in 2..=20 {
        let path = format!("/tasks/{id}");
        let remove = || hive.send("DELETE", &path, &[], "");
        let answers = tokio::join!(remove(), remove(), remove(), remove());
        for answer in [answers.0, answers.1, answers.2, answers.3] {
            assert!(matches!(answer.status, 204 | 410), "{}", answer.text());
        }
        assert_eq!(hive.get(&path).await.status, 410);
    }
    assert_eq!(hive.get("/stats").await.json()["tasks"]["done"], 1);
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn drones_that_left_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || {
        let data = Some(Location::new(folder.path().join("hive-data")));
        Hive::start_with(Config { data, ..config() }).await
    };
    let hive = start().await;
    for name in ["maja", "willi"] {
        let worker = hive.worker(name);
        hive.until_drones(1).await;
        let task = hive.compute(json!({ "input": name })).await["id"].as_u64().unwrap();
        hive.until_done(task).await;
        worker.leave().await;
        hive.until_drones(0).await;
    }
    let drones = hive.get("/drones").await.json();
    hive.stop().await;
    let hive = start().await;
    let remembered = hive.get("/drones").await.json();
    assert_eq!(remembered, drones);
    let states: Vec<_> = remembered["drones"].as_array().unwrap().iter().map(|drone| &drone["state"]).collect();
    assert_eq!(states, ["left", "left"]);
    assert!(!hive.get("/admin").await.text().contains("No drones yet"));
    hive.stop().await;
}

#[test]
fn what_belongs_to_others_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.txt"), "years of work").unwrap();
    let (code, _, error) = output(&mut command(folder.path()));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("not a Hive's data directory") && error.contains("thesis.txt"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(std::fs::read_to_string(folder.path().join("thesis.txt")).unwrap(), "years of work");
}

#[test]
fn unfinished_tasks_are_taken_over_from_a_queen_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let (queen, _, http) = start(&data);
    let lines = lines(5_000);
    let bulk =
        request(http, "POST", "/tasks?name=bulk&priority=3", &[("content-type", "text/plain")], &lines.join("\n"));
    assert_eq!(bulk.status, 201, "{}", bulk.text());
    assert_eq!(submit(http, &[], r#"{"input":"honey"}"#).status, 201);
    kill(queen);

    let (mut queen, drones, http) = {
        let mut queen = Program::start(&mut command(&data));
        queen.line("Taking over");
        assert!(queen.line("Took over").contains("2 unfinished tasks"));
        let drones = address(&queen.line("listening for drones"));
        let http = address(&queen.line("admin page"));
        (queen, drones, http)
    };
    assert_eq!(request(http, "GET", "/stats", &[], "").json()["data"]["recovered"], 2);
    let ready = request(http, "GET", "/readyz", &[], "");
    assert_eq!((ready.status, ready.json()), (200, json!({ "status": "ready", "recovered": 2 })));
    let waiting = request(http, "GET", "/tasks/1", &[], "").json();
    assert_eq!((&waiting["state"], &waiting["name"]), (&json!("pending"), &json!("bulk")));
    assert_eq!((&waiting["priority"], &waiting["total"]), (&json!(3), &json!(5_000)));

    let drone = start_drone(drones, "late");
    queen.line("drone connected");
    for task in [1, 2] {
        until_done(http, task);
    }
    let results = request(http, "GET", "/tasks/1/results?format=text", &[], "");
    assert!(results.text() == expected(&lines), "every digest is right and in order");
    stop(queen);
    drop(drone);
}

#[test]
fn keys_outlive_the_queen() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let key = [("idempotency-key", "8e03978e")];
    let (queen, _, http) = start(&data);
    let first = submit(http, &key, r#"{"input":"honey"}"#);
    assert_eq!((first.status, first.header("location")), (201, "/tasks/1"));
    kill(queen);

    let (queen, _, http) = start(&data);
    let again = submit(http, &key, r#"{"input":"honey"}"#);
    assert_eq!((again.status, again.header("location")), (201, "/tasks/1"), "{}", again.text());
    assert_eq!(submit(http, &key, r#"{"input":"wax"}"#).status, 422);
    let tasks = request(http, "GET", "/tasks", &[], "").json();
    assert_eq!(tasks["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(request(http, "POST", "/tasks/1/cancel", &[], "").status, 200);
    assert_eq!(request(http, "DELETE", "/tasks/1", &[], "").status, 204);
    kill(queen);

    let (queen, _, http) = start(&data);
    assert_eq!(submit(http, &key, r#"{"input":"honey"}"#).status, 410);
    stop(queen);
}

#[test]
fn ids_are_never_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let (queen, _, http) = start(&data);
    for id in 1..=3 {
        assert_eq!(submit(http, &[], r#"{"input":"honey"}"#).header("location"), format!("/tasks/{id}"));
    }
    for id in [2, 3] {
        assert_eq!(request(http, "POST", &format!("/tasks/{id}/cancel"), &[], "").status, 200);
        assert_eq!(request(http, "DELETE", &format!("/tasks/{id}"), &[], "").status, 204);
    }
    kill(queen);
    // A Queen that does nothing changes nothing of it.
    stop(start(&data).0);
    let (queen, _, http) = start(&data);
    assert_eq!([1, 2, 3, 4].map(|id| status(http, &format!("/tasks/{id}"))), [200, 410, 410, 404]);
    assert_eq!(submit(http, &[], r#"{"input":"honey"}"#).header("location"), "/tasks/4");
    stop(queen);
}

/// A Queen in this process that serves already.
async fn serving(data: &Path, keep_finished: Duration, max_data: Option<u64>) -> Hive {
    let data = Some(Location::new(data.to_owned()));
    Hive::start_with(Config { data, keep_finished, max_data, ..config() }).await
}

/// Of a Hive without a Queen around it.
fn settings() -> Settings {
    Settings {
        memory_limit: 1 << 30,
        drone_addr: String::new(),
        keep_finished: Duration::MAX,
        max_data: None,
        max_queued: queen::hive::MAX_QUEUED,
        timeouts: Default::default(),
        clock: Arc::new(System::start()),
        show_words: true,
    }
}

/// Bytes of all bulk files.
fn bulk_bytes(data: &Path) -> u64 {
    std::fs::read_dir(data.join("bulk"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len()))
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn finished_tasks_go_when_their_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let hive = serving(folder.path(), Duration::ZERO, None).await;
    let waiting = hive.submit_lines("?priority=-1", &lines(5_000)).await;
    assert!(bulk_bytes(folder.path()) > 0);
    assert_eq!(hive.get(&format!("/tasks/{waiting}")).await.json()["state"], "pending");
    let worker = hive.worker("maja");
    while hive.get(&format!("/tasks/{waiting}")).await.status != 410 {
        support::look_again().await;
    }
    // The file goes behind its record.
    while bulk_bytes(folder.path()) > 0 {
        support::look_again().await;
    }
    while hive.get("/stats").await.json()["tasks"]["done"] != 0 {
        support::look_again().await;
    }
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_are_removed_while_they_are_read_are_gone() {
    let folder = tempfile::tempdir().unwrap();
    let first = serving(folder.path(), Duration::MAX, None).await;
    let worker = first.worker("maja");
    first.compute(json!({ "input": "honey" })).await;
    let large = first.submit_lines("", &lines(5_000)).await;
    first.until_done(large).await;
    worker.leave().await;
    first.stop().await;

    // Without HTTP, so that the removal comes just when it is to.
    let store = Location::new(folder.path().to_owned()).open().unwrap();
    let (hive, driver) = SharedHive::over(settings(), store).unwrap();
    hive.take_over(&CancellationToken::new()).unwrap();
    let reading = async {
        hive.begin_epoch().await;
        for id in [TaskId(1), TaskId(large)] {
            let mut found = hive.results(id, 0..1).await.unwrap();
            hive.remove(id).await.unwrap();
            // Its file goes behind that.
            while id == TaskId(large) && bulk_bytes(folder.path()) > 0 {
                support::look_again().await;
            }
            let error = found.results.next().await.err();
            assert!(matches!(error, Some(HiveError::TaskGone(gone)) if gone == id), "{error:?}");
        }
    };
    driver.run(&hive, reading).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_stop_takes_over_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let first = serving(folder.path(), Duration::MAX, None).await;
    let task = first.submit_lines("", &lines(10)).await;
    first.stop().await;
    let store = Location::new(folder.path().to_owned()).open().unwrap();
    let (hive, driver) = SharedHive::over(settings(), store).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    hive.take_over(&stop).unwrap();
    let refused = hive.task(TaskId(task)).await.unwrap_err().to_string();
    assert!(refused.contains("taking over 1 unfinished task"), "{refused}");
    driver.run(&hive, async {}).await.unwrap();
    // It is there for the next one.
    let next = serving(folder.path(), Duration::MAX, None).await;
    assert_eq!(next.get(&format!("/tasks/{task}")).await.json()["state"], "pending");
    next.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_refused_that_finished_tasks_cannot_make_room_for() {
    const LIMIT: u64 = 2 << 20;
    let folder = tempfile::tempdir().unwrap();
    let hive = serving(folder.path(), Duration::MAX, Some(LIMIT)).await;
    let upload = async |count| {
        let text = lines(count).join("\n");
        hive.send("POST", "/tasks", &[("content-type", "text/plain")], text).await
    };
    // Each in the middle of it, since nobody knows its length before.
    let too_much = upload(40_000).await;
    assert_eq!(too_much.status, 413, "{}", too_much.text());
    assert!(too_much.text().contains("--max-data"), "{}", too_much.text());
    let waiting = hive.submit_lines("", &lines(12_000)).await;
    let unfinished = hive.get("/stats").await.json()["data"]["unfinished"].as_u64().unwrap();
    assert!((LIMIT / 3..LIMIT).contains(&unfinished), "{unfinished}");
    let too_much_now = upload(15_000).await;
    assert_eq!(too_much_now.status, 503, "{}", too_much_now.text());
    assert!(too_much_now.text().contains("that have not ended") && !too_much_now.header("retry-after").is_empty());
    // Nothing stays of either.
    while std::fs::read_dir(folder.path().join("bulk")).unwrap().count() > 1 {
        support::look_again().await;
    }
    assert_eq!(hive.get("/stats").await.json()["tasks"]["pending"], 1);
    let worker = hive.worker("maja");
    hive.until_done(waiting).await;
    let accepted = upload(15_000).await;
    assert_eq!(accepted.status, 201, "{}", accepted.text());
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_tasks_make_room() {
    const LIMIT: u64 = 4 << 20;
    let folder = tempfile::tempdir().unwrap();
    let hive = serving(folder.path(), Duration::MAX, Some(LIMIT)).await;
    let worker = hive.worker("maja");
    let lines = lines(10_000);
    let mut newest = 0;
    for _ in 0..8 {
        newest = hive.submit_lines("", &lines).await;
        hive.until_done(newest).await;
    }
    let used = || async { hive.get("/stats").await.json()["data"]["used"].as_u64().unwrap() };
    // It is looked after now and then, so that there may be more for a moment.
    while hive.get("/tasks/1").await.status != 410 || used().await > LIMIT || bulk_bytes(folder.path()) > LIMIT {
        support::look_again().await;
    }
    // No more goes than has to.
    let results = hive.get(&format!("/tasks/{newest}/results?format=text")).await;
    assert_eq!(results.status, 200, "{}", results.text());
    assert!(results.text() == expected(&lines), "the newest is whole");
    let data = &hive.get("/stats").await.json()["data"];
    assert!(data["removes_early"] == true && data["removed_early"].as_u64() >= Some(1), "{data}");
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_count_against_what_may_be_on_disk() {
    const LIMIT: u64 = 2 << 20;
    let folder = tempfile::tempdir().unwrap();
    let hive = serving(folder.path(), Duration::MAX, Some(LIMIT)).await;
    let submit = async |number: u64| {
        let key = format!("{number:0>16}").repeat(8192);
        let task = json!({ "input": "honey", "algorithm": "hmac-sha256", "key_hex": key, "priority": -1 });
        hive.send("POST", "/tasks", &[("content-type", "application/json")], task.to_string()).await
    };
    let mut accepted = 0;
    let refused = loop {
        let answer = submit(accepted).await;
        if answer.status != 201 {
            break answer;
        }
        accepted += 1;
        assert!(accepted <= LIMIT >> 16, "{accepted} keys of 64 KiB are accepted");
    };
    assert!(refused.status == 503 && refused.text().contains("--max-data"), "{}", refused.text());
    assert!(accepted > LIMIT >> 17, "{accepted}");
    // An identical one takes hardly more.
    assert_eq!(submit(0).await.status, 201);
    let used = hive.get("/stats").await.json()["data"]["used"].as_u64().unwrap();
    assert!(used < LIMIT + LIMIT / 2, "{used} bytes");
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idempotency_keys_and_uploads_count_against_what_may_be_on_disk() {
    use tokio::io::AsyncWriteExt as _;
    let folder = tempfile::tempdir().unwrap();
    let hive = serving(folder.path(), Duration::MAX, Some(64 << 20)).await;
    let bound = async |hive: &Hive| hive.get("/stats").await.json()["data"]["unfinished"].as_u64().unwrap();
    let worker = hive.worker("maja");
    for key in 0..5 {
        let key = format!("\"{key}\"");
        let headers = [("idempotency-key", key.as_str()), support::WAIT];
        assert_eq!(hive.send("POST", "/tasks", &headers, r#"{"input":"honey"}"#).await.status, 200);
    }
    while bound(&hive).await != 5 * 200 {
        support::look_again().await;
    }
    let mut upload = tokio::net::TcpStream::connect(hive.http).await.unwrap();
    let text = lines(100_000).join("\n");
    let head = format!(
        "POST /tasks HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        hive.http,
        text.len() + 1
    );
    upload.write_all(head.as_bytes()).await.unwrap();
    upload.write_all(text.as_bytes()).await.unwrap();
    while bound(&hive).await < 3 << 20 {
        support::look_again().await;
    }
    drop(upload);
    while bound(&hive).await != 5 * 200 {
        support::look_again().await;
    }
    worker.leave().await;
    hive.stop().await;
    let next = serving(folder.path(), Duration::MAX, Some(64 << 20)).await;
    assert_eq!(bound(&next).await, 5 * 200);
    next.stop().await;
}

/// A file system with little room.
#[derive(Debug)]
struct Narrow(u64);

impl Disk for Narrow {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        disk::System.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        disk::System.open(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        disk::System.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        disk::System.sync_dir(path)
    }

    fn free(&self, _: &Path) -> u64 {
        self.0
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unless_somebody_says_so_no_finished_task_goes_for_a_new_one() {
    const FREE: u64 = 2 << 20;
    let folder = tempfile::tempdir().unwrap();
    let location = Location { disk: Arc::new(Narrow(FREE)), ..Location::new(folder.path().to_owned()) };
    let hive = Hive::start_with(Config { data: Some(location), ..config() }).await;
    let limit = hive.get("/stats").await.json()["data"]["limit"].as_u64().unwrap();
    assert!((FREE / 10 * 9..FREE).contains(&limit), "{limit}");
    let worker = hive.worker("maja");
    let text = lines(3_000).join("\n");
    let mut done = Vec::new();
    let refused = loop {
        let answer = hive.send("POST", "/tasks", &[("content-type", "text/plain")], text.clone()).await;
        if answer.status != 201 {
            break answer;
        }
        done.push(answer.json()["id"].as_u64().unwrap());
        hive.until_done(*done.last().unwrap()).await;
        // What is on disk is counted now and then.
        let used = |count: usize| count as u64 * text.len() as u64;
        while hive.get("/stats").await.json()["data"]["used"].as_u64().unwrap() < used(done.len()) {
            support::look_again().await;
        }
    };
    assert!(refused.status == 503 && refused.text().contains("--max-data"), "{}", refused.text());
    assert!(done.len() > 2, "{done:?}");
    for task in &done {
        assert_eq!(hive.get(&format!("/tasks/{task}")).await.json()["state"], "done");
    }
    let data = &hive.get("/stats").await.json()["data"];
    assert_eq!((&data["removes_early"], &data["removed_early"]), (&json!(false), &json!(0)));
    for task in &done[..2] {
        assert_eq!(hive.send("DELETE", &format!("/tasks/{task}"), &[], "").await.status, 204);
    }
    while hive.send("POST", "/tasks", &[("content-type", "text/plain")], text.clone()).await.status != 201 {
        support::look_again().await;
    }
    worker.leave().await;
    hive.stop().await;
}
