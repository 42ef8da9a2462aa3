//! Drones that come back, what they are told of what they hold, and receipts.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use web::model::Timestamp;
use wire::ids::{Instance, LeaseId, SeatSecret, TaskId};
use wire::message::Adoption;

use super::support::scripted::{Lease, Scripted};
use super::{Queen, both, config, lines, start_queen};

/// Few enough for one lease.
const FEW: usize = 500;

/// Older than leases are when they are written down.
const OLD: Duration = Duration::from_millis(600);

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_taken_back_though_another_drone_has_begun_with_it() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut first = Scripted::start(queen.drones, "first").await;
        let task = queen.submit("", &lines(FEW)).await;
        let lease = first.work().await;
        assert_eq!(lease.range(), 0..500);
        let mut second = Scripted::start(queen.drones, "second").await;
        let (id, seat) = (first.id, first.seat);
        drop(first);
        let twin = second.work().await;
        assert_eq!((twin.task, twin.range()), (lease.task, 0..500));
        queen.until_drone(id, "away").await;
        second.give_with(&twin, 0..200, |_| false).await;
        second.stored(1).await;

        let (mut first, adopted) = Scripted::offer(queen.drones, "first", seat, &[lease.offered()]).await;
        let [Some(adoption)] = adopted[..] else { panic!("{adopted:?}") };
        assert_eq!((first.id, adoption.from, adoption.to), (id, 200, 500));
        first.give(&lease.adopted(&first, adoption)).await;
        queen.until_done(task).await;
        assert_eq!(second.shrink(twin.id).await, 200);
        second.give_with(&twin, 200..500, |_| false).await;
        second.stored(2).await;
        first.stored(1).await;
        queen.check(task, &lines(FEW)).await;
        let view = queen.drone(id).await;
        assert_eq!((&view["items_done"], &view["connections"]), (&json!(300), &json!(2)), "{view}");
        assert_eq!(queen.drone(second.id).await["items_done"], 200);
        let stats = queen.get("/stats").await;
        assert_eq!((&stats["items_done"], &stats["items_queued"]), (&json!(500), &json!(0)), "{stats}");
        drop((first, second));
        hive.stop().await;
    }
}

/// A Drone of the Queen before comes back to the next one.
async fn come_back(data: &Path, seat: SeatSecret, lease: &Lease) {
    let (hive, queen) = start_queen(config(Some(data))).await;
    queen.task(lease.task.0).await;
    // It has nothing else to do, and computes the same.
    let mut other = Scripted::start(queen.drones, "other").await;
    let (mut back, adopted) = Scripted::offer(queen.drones, "back", seat, &[lease.offered()]).await;
    assert!(back.epoch > lease.epoch);
    let [Some(adoption)] = adopted[..] else { panic!("the lease was kept for it: {adopted:?}") };
    assert_eq!((adoption.from, adoption.to), (0, 500));
    let twin = other.work().await;
    assert_ne!(twin.id, adoption.lease);
    // It is called by its new name.
    back.give_with(lease, 0..500, |_| true).await;
    back.stored(1).await;
    assert_eq!(queen.task(lease.task.0).await["done"], 0);
    back.give(&lease.adopted(&back, adoption)).await;
    queen.until_done(lease.task.0).await;
    queen.check(lease.task.0, &lines(FEW)).await;
    assert_eq!(other.shrink(twin.id).await, 0);
    let view = queen.drone(back.id).await;
    assert_eq!((&view["items_done"], &view["state"]), (&json!(500), &json!("idle")), "{view}");
    drop((back, other));
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_taken_back_by_a_queen_after_one_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (program, queen) = Queen::start(directory.path());
    let mut drone = Scripted::start(queen.drones, "first").await;
    let task = queen.submit("", &lines(FEW)).await;
    let lease = drone.work().await;
    queen.until_later(OLD).await;
    // All that came before is on disk then.
    queen.amend(task, json!({ "name": "old" })).await;
    program.signal("-KILL");
    program.end();
    come_back(directory.path(), drone.seat, &lease).await;
}

/// Waits until the Queen has looked at a task that was started then, and found that it takes long.
async fn until_long(queen: Queen, started_at: &Value) {
    let time = |value: &Value| serde_json::from_value::<Timestamp>(value.clone()).unwrap().0;
    let looked_at = |view: &Value| {
        let latest = view["series"]["items_queued"].as_array().unwrap().iter().rposition(|value| !value.is_null());
        latest.map(|step| time(&view["from"]) + 1000 * step as i64)
    };
    let long = time(started_at) + 2000;
    queen.until("/stats/history?series=items_queued", |view| looked_at(view) >= Some(long)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_task_was_started_is_known_to_a_queen_after_one_that_was_killed() {
    let directory = tempfile::tempdir().unwrap();
    let (program, queen) = Queen::start(directory.path());
    let mut drone = Scripted::start(queen.drones, "first").await;
    // A part of one is done, and the other one, of a single string, takes long.
    let tasks = [queen.submit("", &lines(FEW)).await, queen.submit("", &lines(1)).await];
    let leases = [drone.work().await, drone.work().await];
    drone.give_with(&leases[0], 0..100, |_| false).await;
    drone.stored(1).await;
    let mut before = Vec::new();
    for task in tasks {
        let task = queen.task(task).await;
        assert_eq!(task["state"], "running");
        before.push(task["started_at"].clone());
    }
    until_long(queen, &before[1]).await;
    // All that came before is on disk then.
    queen.amend(tasks[0], json!({ "name": "old" })).await;
    program.signal("-KILL");
    program.end();
    let (_program, queen) = Queen::start(directory.path());
    for (task, started_at) in tasks.into_iter().zip(before) {
        assert_eq!(queen.task(task).await["started_at"], started_at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_taken_back_by_a_queen_after_one_that_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let mut drone = Scripted::start(queen.drones, "first").await;
    queen.submit("", &lines(FEW)).await;
    let lease = drone.work().await;
    queen.until_later(OLD).await;
    hive.stop().await;
    assert_eq!(drone.closed().await.as_deref(), Some("the Queen stops"));
    come_back(directory.path(), drone.seat, &lease).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_wanted_is_not_taken_back() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        let task = queen.submit("", &lines(FEW)).await;
        let lease = drone.work().await;
        drone.give_with(&lease, 0..200, |_| false).await;
        queen.until_task(task, |view| view["done"] == 200).await;
        let seat = drone.seat;
        drop(drone);
        let held = [
            wire::message::Offered { instance: Instance([7; 16]), ..lease.offered() },
            wire::message::Offered { lease: LeaseId(901), task: TaskId(99), ..lease.offered() },
            wire::message::Offered { lease: LeaseId(902), to: 200, ..lease.offered() },
            wire::message::Offered { lease: LeaseId(903), ..lease.offered() },
            wire::message::Offered { lease: LeaseId(904), ..lease.offered() },
        ];
        let (mut drone, adopted) = Scripted::offer(queen.drones, "drone", seat, &held).await;
        let [None, None, None, Some(adoption), None] = adopted[..] else { panic!("{adopted:?}") };
        assert_eq!((adoption.from, adoption.to), (200, 500));
        drone.give(&lease.adopted(&drone, adoption)).await;
        queen.until_done(task).await;
        drop(drone);
        let (drone, adopted) = Scripted::offer(queen.drones, "drone", seat, &[lease.offered()]).await;
        assert_eq!(adopted, [None]);
        queen.check(task, &lines(FEW)).await;
        let view = queen.drone(drone.id).await;
        assert_eq!((&view["items_done"], &view["connections"]), (&json!(500), &json!(3)), "{view}");
        drop(drone);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_cover_what_is_wanted_and_what_is_not() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        let task = queen.submit("", &lines(FEW)).await;
        let lease = drone.work().await;
        drone.give_with(&lease, 0..200, |_| false).await;
        drone.give_with(&lease, 200..500, |_| false).await;
        drone.stored(2).await;
        queen.until_done(task).await;
        let task = queen.submit("", &lines(FEW)).await;
        let lease = drone.work().await;
        assert_eq!(queen.post(&format!("/tasks/{task}/cancel")).await.status, 200);
        assert_eq!(drone.shrink(lease.id).await, 0);
        drone.give(&lease).await;
        drone.stored(3).await;
        drone.give(&Lease { id: LeaseId(1 << 40), ..lease }).await;
        drone.stored(4).await;
        let view = queen.task(task).await;
        assert_eq!((&view["state"], &view["done"]), (&json!("cancelled"), &json!(0)), "{view}");
        let view = queen.drone(drone.id).await;
        assert_eq!((&view["items_done"], &view["state"]), (&json!(500), &json!("idle")), "{view}");
        drop(drone);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_connection_is_not_heard_any_more() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut old = Scripted::start(queen.drones, "drone").await;
        let task = queen.submit("", &lines(FEW)).await;
        let lease = old.work().await;
        let (mut new, adopted) = Scripted::offer(queen.drones, "drone", old.seat, &[lease.offered()]).await;
        assert_eq!((new.id, old.id), (old.id, new.id));
        let [Some(adoption)] = adopted[..] else { panic!("{adopted:?}") };
        assert_eq!(adoption, Adoption { lease: lease.id, from: 0, to: 500 });
        // It would be quarantined for that.
        let _ = old.try_give(&lease, 0..500, |_| true).await;
        assert_eq!(old.closed().await, None);
        new.give(&lease).await;
        new.stored(1).await;
        queen.until_done(task).await;
        queen.check(task, &lines(FEW)).await;
        let view = queen.drone(new.id).await;
        assert_eq!((&view["state"], &view["items_done"]), (&json!("idle"), &json!(500)), "{view}");
        assert_eq!((&view["connections"], &view["wrong"]), (&json!(2), &json!(0)), "{view}");
        drop(new);
        hive.stop().await;
    }
}
