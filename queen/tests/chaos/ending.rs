//! What has to be true when all faults have healed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::task::JoinSet;

use super::book::Book;
use super::hive::{DRONES, Hive};
use super::load::compare;
use super::support::order::Order;

/// Drones that went and that the Queen still shows, at most.
const DEPARTED: usize = 200;

/// Tasks that are compared at once.
const COMPARING: usize = 4;

/// How the tally calls them.
pub const COMPARED: &str = "digests compared at the end";

/// Waits until every task has ended.
pub async fn all_ended(hive: &Hive, book: &Mutex<Book>) {
    for id in ids(book) {
        while book.lock().unwrap().tasks()[&id].is_open() {
            let (answer, _) = hive.ask("GET", &format!("/tasks/{id}"), &[("prefer", "wait=5")], "").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            book.lock().unwrap().shown(&answer.json());
        }
    }
}

/// Everything that was asked for is there, once; and every digest is right, and in its place.
pub async fn all_right(hive: &Arc<Hive>, book: &Mutex<Book>) {
    list(hive, book).await;
    let done: Vec<(u64, Arc<Order>)> = {
        let book = book.lock().unwrap();
        let done = book.tasks().iter().filter(|(_, known)| known.is_done);
        done.map(|(id, known)| (*id, Arc::clone(&known.order))).collect()
    };
    let mut comparing = JoinSet::new();
    for (id, order) in done {
        // Each takes as much computing as its task did.
        if comparing.len() == COMPARING {
            comparing.join_next().await.unwrap().unwrap();
        }
        let hive = Arc::clone(hive);
        comparing.spawn(async move {
            let (answer, _) = hive.ask("GET", &format!("/tasks/{id}/results?format=text"), &[], "").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            if let Err(difference) = compare(&order, &answer.text(), order.total) {
                panic!("task {id}: {difference}");
            }
            hive.tally.add(COMPARED, order.total);
        });
    }
    while let Some(compared) = comparing.join_next().await {
        compared.unwrap();
    }
}

fn ids(book: &Mutex<Book>) -> Vec<u64> {
    book.lock().unwrap().tasks().keys().copied().collect()
}

/// The list has what was acknowledged, once, and nothing else.
async fn list(hive: &Hive, book: &Mutex<Book>) {
    let mut found = BTreeSet::new();
    let mut path = Some("/tasks?limit=1000".to_owned());
    while let Some(page) = path {
        let list = hive.get(&page).await;
        for view in list["tasks"].as_array().unwrap() {
            assert!(found.insert(view["id"].as_u64().unwrap()), "{view} is there twice");
            book.lock().unwrap().shown(view);
        }
        path = list["next_cursor"].as_str().map(|cursor| format!("/tasks?limit=1000&cursor={cursor}"));
    }
    let book = book.lock().unwrap();
    assert!(found.iter().eq(book.tasks().keys()), "{found:?} is not what was acknowledged");
    assert_eq!(found.len() as u64, book.asked(), "an order became two tasks, or none");
}

/// The counts agree with each other, with the Drones that run, and with the book.
pub async fn add_up(hive: &Hive, book: &Mutex<Book>) {
    let names: BTreeSet<String> = hive.names().await.into_iter().collect();
    // The ends of connections that were cut behind a partition are on their way.
    let drones = hive.until("/drones", |drones| connected(drones, "idle") == names).await;
    let stats = hive.get("/stats").await;
    assert_eq!((&stats["drones"], &stats["threads"]), (&DRONES.into(), &DRONES.into()), "{stats} {drones}");
    let (done, cancelled) = {
        let book = book.lock().unwrap();
        let tasks = || book.tasks().values();
        (tasks().filter(|known| known.is_done).count(), tasks().filter(|known| known.is_cancelled).count())
    };
    let counts = serde_json::json!({ "pending": 0, "running": 0, "paused": 0, "done": done, "failed": 0, "cancelled": cancelled });
    assert_eq!((&stats["tasks"], &stats["items_queued"]), (&counts, &0.into()), "{stats}");
    assert_eq!(stats["quarantined"], 0, "all of them are honest: {drones}");
    let rows = drones["drones"].as_array().unwrap();
    // Of a Drone that has not been here since she started, the counts are of the Queen before.
    let is_counted = |drone: &&Value| drone["last_seen_at"].as_str() >= stats["started_at"].as_str();
    let counted: Vec<&Value> = rows.iter().filter(is_counted).collect();
    let credited: u64 = counted.iter().map(|drone| drone["items_done"].as_u64().unwrap()).sum();
    let items = stats["items_done"].as_u64().unwrap();
    // Of those that went, the last ones are shown.
    let are_all = counted.len() < DEPARTED;
    assert!(credited == items || !are_all && credited < items, "{credited} items by {drones} of {items}");
    hive.tally.add("tasks done", done as u64);
    hive.tally.add("tasks cancelled", cancelled as u64);
}

/// The names of the Drones that are connected; none if they are not all in this state, or
/// somebody is there twice.
fn connected(drones: &Value, state: &str) -> BTreeSet<String> {
    let rows = drones["drones"].as_array().unwrap();
    let mut names = BTreeMap::new();
    for drone in rows.iter().filter(|drone| drone["state"] != "left" && drone["state"] != "lost") {
        let is_alone = drone["state"] == state && drone["leases"] == 0;
        let name = drone["name"].as_str().unwrap().to_owned();
        if !is_alone || names.insert(name, ()).is_some() {
            return BTreeSet::new();
        }
    }
    names.into_keys().collect()
}

/// All Drones go, and the Queen knows that they did.
pub async fn part(hive: &Hive) {
    let names: BTreeSet<String> = hive.names().await.into_iter().collect();
    hive.dismiss_drones().await;
    hive.until("/stats", |stats| stats["drones"] == 0).await;
    let drones = hive.get("/drones").await;
    let left = |drone: &&Value| drone["state"] == "left";
    let left = drones["drones"].as_array().unwrap().iter().filter(left).map(|drone| drone["name"].as_str().unwrap());
    let left: BTreeSet<String> = left.map(Into::into).collect();
    assert!(names.is_subset(&left), "{names:?} left: {drones}");
}
