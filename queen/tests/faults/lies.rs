//! Drones that give wrong results.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use queen::Config;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::support::scripted::{Alone, Scripted};
use super::support::{Hive, look_again};
use super::{PBKDF2, Queen, both, config, expected_pbkdf2, lines, start_queen};

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_of_a_word_is_refused() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut liar = Scripted::start(queen.drones, "liar").await;
        let task = queen.submit("?name=word", &lines(1)).await;
        let lease = liar.work().await;
        liar.give_with(&lease, lease.range(), |_| true).await;
        let view = queen.until_drone(liar.id, "quarantined").await;
        assert_eq!(view["quarantined_because"], "it gave a wrong result for item 0 of task 1 (word)");
        assert_eq!(view["idle_because"], "it is in quarantine");
        assert_eq!((&view["wrong"], &view["checked"], &view["items_done"]), (&json!(1), &json!(0), &json!(0)));
        assert_eq!(queen.get("/stats").await["quarantined"], 1);
        let view = queen.task(task).await;
        assert_eq!(view["waiting_because"], "every connected drone is in quarantine", "{view}");
        assert_eq!(view["done"], 0);
        let honest = hive.worker("honest");
        let view = queen.until_done(task).await;
        assert_eq!((&view["suspect"], &view["corrected"]), (&json!(false), &json!(0)));
        queen.check(task, &lines(1)).await;
        honest.leave().await;

        let pardoned = queen.post(&format!("/drones/{}/resume", liar.id)).await;
        assert_eq!((pardoned.status, &pardoned.json()["state"]), (200, &json!("idle")), "{}", pardoned.text());
        assert_eq!(pardoned.json()["quarantined_because"], Value::Null);
        let task = queen.submit("", &lines(2)).await;
        let lease = liar.work().await;
        assert_eq!(lease.task.0, task);
        liar.give(&lease).await;
        queen.until_done(task).await;
        queen.check(task, &lines(2)).await;
        drop(liar);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_outlives_the_queen() {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let mut liar = Scripted::start(queen.drones, "liar").await;
    queen.submit("", &lines(1)).await;
    let lease = liar.work().await;
    liar.give_with(&lease, lease.range(), |_| true).await;
    let before = queen.until_drone(liar.id, "quarantined").await;
    let (id, seat) = (liar.id, liar.seat);
    drop(liar);
    hive.stop().await;

    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let liar = Scripted::connect(queen.drones, "liar", seat).await;
    assert_eq!(liar.id, id);
    let after = queen.drone(id).await;
    assert_eq!(after["state"], "quarantined");
    assert_eq!(after["quarantined_because"], before["quarantined_because"]);
    let liar = liar.honest();
    let honest = Scripted::start(queen.drones, "honest").await.honest();
    queen.until_done(1).await;
    queen.check(1, &lines(1)).await;
    assert_eq!(liar.asked_of(1), 0, "it got nothing");
    honest.vanish().await;
    queen.until_drone(id, "quarantined").await;
    assert_eq!(queen.post(&format!("/drones/{id}/resume")).await.status, 200);
    let task = queen.submit("", &lines(3)).await;
    queen.until_done(task).await;
    liar.vanish().await;
    hive.stop().await;
}

/// What is told of results that changed: task, first index, index behind the last one, Drone.
struct Watcher {
    reading: JoinHandle<Vec<Value>>,
}

impl Watcher {
    async fn start(queen: Queen) -> Self {
        let mut socket = TcpStream::connect(queen.http).await.unwrap();
        let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", queen.http);
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut seen = String::new();
        let mut buffer = vec![0; 65_536];
        let mut read = socket.read(&mut buffer).await.unwrap();
        let reading = tokio::spawn(async move {
            while read > 0 {
                seen += &String::from_utf8_lossy(&buffer[..read]);
                read = socket.read(&mut buffer).await.unwrap_or(0);
            }
            let mut lines = seen.lines();
            let mut changes = Vec::new();
            while let Some(line) = lines.next() {
                if line == "event: result-changed" {
                    let data = lines.find_map(|line| line.strip_prefix("data: ")).unwrap();
                    changes.push(serde_json::from_str(data).unwrap());
                }
            }
            changes
        });
        Self { reading }
    }

    /// All that was told; the Queen has stopped.
    async fn events(self) -> Vec<Value> {
        self.reading.await.unwrap()
    }
}

/// So many lines that most results are not looked at.
const MANY: usize = 40_000;

/// Where it lies once, in a task that is done before it lies openly.
const WHERE: u64 = 12_345;

/// Worlds that are tried at most. A single lie is looked at by chance in one of some hundred, and
/// then there is nothing to see in it.
const WORLDS: usize = 10;

/// Tries worlds in memory, and in directories, until what was to be seen there has been seen.
async fn until_seen(world: impl AsyncFn(Config) -> bool) {
    for place in 0..both().len() {
        let mut seen = false;
        for _ in 0..WORLDS {
            let (config, _directory) = both().into_iter().nth(place).unwrap();
            seen = world(config).await;
            if seen {
                break;
            }
        }
        assert!(seen, "{WORLDS} lies were looked at by chance");
    }
}

/// A Drone that has earned trust, then slipped one wrong result into a task that is done; nothing
/// if that was looked at by chance.
async fn trusted(queen: Queen) -> Option<(Alone, Arc<AtomicBool>, u64)> {
    let lies_openly = Arc::new(AtomicBool::new(false));
    let openly = Arc::clone(&lies_openly);
    let liar = Scripted::start(queen.drones, "liar").await;
    let liar = liar.alone(move |lease, index| {
        let is_large = lease.task.0 > SMALL;
        openly.load(SeqCst) || is_large && index == WHERE
    });
    for _ in 0..SMALL {
        let task = queen.submit("", &lines(3)).await;
        queen.until_done(task).await;
    }
    let task = queen.submit("?name=large", &lines(MANY)).await;
    is_unseen(queen, task).await.then_some((liar, lies_openly, task))
}

/// Waits for the task's end, or until a lie in it was looked at; whether none was.
async fn is_unseen(queen: Queen, task: u64) -> bool {
    while queen.task(task).await["state"] != "done" {
        if queen.get("/stats").await["quarantined"] != 0 {
            return false;
        }
        look_again().await;
    }
    true
}

/// Small tasks of which every result is looked at.
const SMALL: u64 = 60;

/// Everything is found out and put right.
async fn corrected(queen: Queen, task: u64, last: u64) {
    let view = queen.until_task(task, |view| view["suspect"] == false && view["corrected"] == 1).await;
    assert_eq!((&view["state"], &view["done"]), (&json!("done"), &json!(MANY)));
    queen.check(task, &lines(MANY)).await;
    queen.until_done(last).await;
    queen.check(last, &lines(1000)).await;
    for small in [1, SMALL] {
        let view = queen.task(small).await;
        assert_eq!((&view["suspect"], &view["corrected"]), (&json!(false), &json!(0)), "{view}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_liar_did_before_is_computed_again() {
    until_seen(async |config| {
        let (hive, queen) = start_queen(config).await;
        let watcher = Watcher::start(queen).await;
        let Some((liar, lies_openly, task)) = trusted(queen).await else {
            hive.stop().await;
            return false;
        };
        lies_openly.store(true, SeqCst);
        let last = queen.submit("", &lines(1000)).await;
        queen.until_drone(liar.id, "quarantined").await;
        let view = queen.until_task(task, |view| view["suspect"] == true).await;
        assert_eq!((&view["state"], &view["done"], &view["corrected"]), (&json!("done"), &json!(MANY), &json!(0)));
        assert_eq!(queen.results(task).await.lines().count(), MANY, "what is there can be read");
        let list = queen.get("/tasks?state=done").await;
        assert_eq!(list["tasks"][0]["id"], task, "it is still counted with those that are done");
        let honest = hive.worker("honest");
        corrected(queen, task, last).await;
        let stats = queen.get("/stats").await;
        assert_eq!(stats["tasks"]["done"], SMALL + 2, "{stats}");
        let id = liar.id;
        liar.vanish().await;
        honest.leave().await;
        hive.stop().await;
        let changes = watcher.events().await;
        assert_eq!(changes, [json!({ "task": task, "from": WHERE, "to": WHERE + 1, "drone": id })]);
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_liars_did_before_is_computed_again() {
    until_seen(async |config| {
        let (hive, queen) = start_queen(config).await;
        let lies_openly = Arc::new(AtomicBool::new(false));
        let mut liars = Vec::new();
        for name in ["liar", "other"] {
            let openly = Arc::clone(&lies_openly);
            let mut lied = false;
            let liar = Scripted::start(queen.drones, name).await;
            liars.push(liar.alone(move |lease, index| {
                // Once in a large lease.
                let lies = !lied && lease.to - lease.from > 10_000 && index == lease.from + 7777;
                lied |= lies;
                lies || openly.load(SeqCst)
            }));
        }
        for _ in 0..2 * SMALL {
            let task = queen.submit("", &lines(3)).await;
            queen.until_done(task).await;
        }
        let many = lines(200_000);
        let task = queen.submit("", &many).await;
        if !is_unseen(queen, task).await {
            hive.stop().await;
            return false;
        }
        lies_openly.store(true, SeqCst);
        let honest = hive.worker("honest");
        // While what the one gave is computed again, the other one is found out.
        let mut last = Vec::new();
        while queen.get("/stats").await["quarantined"] != 2 {
            last.push(queen.submit("", &lines(50)).await);
            look_again().await;
        }
        let view = queen.until_task(task, |view| view["suspect"] == false && view["corrected"] == 2).await;
        assert_eq!((&view["state"], &view["done"]), (&json!("done"), &json!(200_000)), "{view}");
        queen.check(task, &many).await;
        for task in last {
            queen.until_done(task).await;
            queen.check(task, &lines(50)).await;
        }
        for liar in liars {
            liar.vanish().await;
        }
        honest.leave().await;
        hive.stop().await;
        true
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_tasks_of_a_liar_end_right() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut liar = Scripted::start(queen.drones, "liar").await;
        // So that few results are looked at.
        for _ in 0..SMALL {
            let task = queen.submit("", &lines(3)).await;
            let lease = liar.work().await;
            liar.give(&lease).await;
            queen.until_done(task).await;
        }
        let many = lines(100_000);
        let task = queen.submit("", &many).await;
        let lease = liar.work().await;
        assert!(lease.to - lease.from > 10_000, "{:?}", lease.range());
        let where_ = lease.from + 4321;
        liar.give_with(&lease, lease.range(), |index| index == where_).await;
        let given = lease.to - lease.from;
        queen.until_task(task, |view| view["done"] == given).await;
        let next = liar.work().await;
        liar.give_with(&next, next.range(), |_| true).await;
        queen.until_drone(liar.id, "quarantined").await;
        let view = queen.until_task(task, |view| view["done"] == 0).await;
        assert_eq!(view["suspect"], false, "{view}");
        let honest = hive.worker("honest");
        let view = queen.until_done(task).await;
        assert_eq!((&view["suspect"], &view["corrected"]), (&json!(false), &json!(0)), "{view}");
        queen.check(task, &many).await;
        honest.leave().await;
        drop(liar);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn suspicion_outlives_a_queen_that_is_killed() {
    let (directory, program, queen, (liar, lies_openly, task)) = 'unseen: {
        for _ in 0..WORLDS {
            let directory = tempfile::tempdir().unwrap();
            let (program, queen) = Queen::start(directory.path());
            if let Some(trusted) = trusted(queen).await {
                break 'unseen (directory, program, queen, trusted);
            }
            program.signal("-KILL");
            program.end();
        }
        panic!("{WORLDS} lies were looked at by chance");
    };
    lies_openly.store(true, SeqCst);
    let last = queen.submit("", &lines(1000)).await;
    queen.until_task(task, |view| view["suspect"] == true).await;
    program.signal("-KILL");
    program.end();
    liar.vanish().await;

    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    queen.until_task(task, |view| view["suspect"] == true).await;
    let watcher = Watcher::start(queen).await;
    let honest = hive.worker("honest");
    corrected(queen, task, last).await;
    honest.leave().await;
    hive.stop().await;
    let changes = watcher.events().await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((&changes[0]["task"], &changes[0]["from"]), (&json!(task), &json!(WHERE)));

    let hive = Hive::start_with(config(Some(directory.path()))).await;
    let view = Queen::from(&hive).task(task).await;
    assert_eq!((&view["suspect"], &view["corrected"]), (&json!(false), &json!(1)), "{view}");
    Queen::from(&hive).check(task, &lines(MANY)).await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lies_about_expensive_results_is_found_out_by_another_drone() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let liar = Scripted::start(queen.drones, "liar").await.alone(|_, _| true);
        let honest = Scripted::start(queen.drones, "honest").await.honest();
        let few = lines(20);
        let task = queen.submit(PBKDF2, &few).await;
        let view = queen.until_drone(liar.id, "quarantined").await;
        assert!(view["wrong"].as_u64() >= Some(1), "{view}");
        let right = expected_pbkdf2(&few);
        while queen.results(task).await != right {
            look_again().await;
        }
        let view = queen.until_task(task, |view| view["state"] == "done" && view["suspect"] == false).await;
        assert_eq!(view["done"], 20, "{view}");
        let view = queen.drone(honest.id).await;
        assert_eq!((&view["state"], &view["wrong"]), (&json!("idle"), &json!(0)), "{view}");
        liar.vanish().await;
        honest.vanish().await;
        hive.stop().await;
    }
}
