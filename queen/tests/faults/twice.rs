//! Tasks of which each result is computed twice.

use serde_json::json;

use super::support::Hive;
use super::support::scripted::{Alone, Lease, Scripted};
use super::{PBKDF2, Queen, both, config, expected_pbkdf2, lines, start_queen};

/// So many lines that most results are not looked at otherwise.
const MANY: usize = 40_000;

/// Few enough for one lease, and more than are looked at of a new Drone's.
const FEW: usize = 500;

/// Where a result is wrong.
const WHERE: u64 = 7;

/// Two Drones who are left alone once both are there.
async fn two(queen: Queen) -> [Alone; 2] {
    let one = Scripted::start(queen.drones, "one").await;
    let other = Scripted::start(queen.drones, "other").await;
    [one.honest(), other.honest()]
}

/// How many results that count each Drone has computed.
async fn items_done<const N: usize>(queen: Queen, drones: [&Alone; N]) -> [u64; N] {
    let mut items = [0; N];
    for (items, drone) in items.iter_mut().zip(drones) {
        *items = queen.drone(drone.id).await["items_done"].as_u64().unwrap();
    }
    items
}

/// A Drone gives all of a task of [`FEW`] lines, and another one is given all of it again.
async fn claimed(queen: Queen, query: &str) -> (u64, Scripted, Scripted, Lease) {
    let mut one = Scripted::start(queen.drones, "one").await;
    let task = queen.submit(query, &lines(FEW)).await;
    let lease = one.work().await;
    assert_eq!(lease.range(), 0..FEW as u64);
    let mut other = Scripted::start(queen.drones, "other").await;
    one.give(&lease).await;
    one.stored(1).await;
    let again = other.work().await;
    assert_eq!((again.task, again.range()), (lease.task, lease.range()));
    let view = queen.task(task).await;
    assert_eq!((&view["state"], &view["done"], &view["verify"]), (&json!("running"), &json!(0), &json!("all")));
    (task, one, other, again)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_result_is_computed_by_two_drones() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let [one, other] = two(queen).await;
        let task = queen.submit(&format!("{PBKDF2}&verify=all"), &lines(30)).await;
        queen.until_done(task).await;
        assert!(queen.results(task).await == expected_pbkdf2(&lines(30)));
        assert_eq!(items_done(queen, [&one, &other]).await, [30, 30]);
        assert!(one.asked_of(task) >= 30 && other.asked_of(task) >= 30);
        let task = queen.submit("?verify=all", &lines(MANY)).await;
        let view = queen.until_done(task).await;
        assert_eq!((&view["done"], &view["verify"]), (&json!(MANY), &json!("all")));
        queen.check(task, &lines(MANY)).await;
        assert_eq!(items_done(queen, [&one, &other]).await, [30 + MANY as u64; 2]);
        one.vanish().await;
        other.vanish().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lies_once_is_found_out() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut has_lied = false;
        let liar = Scripted::start(queen.drones, "liar").await.alone(move |lease, index| {
            let lies = !has_lied && lease.to - lease.from > 1000 && index == lease.from + 777;
            has_lied |= lies;
            lies
        });
        let [one, other] = two(queen).await;
        let task = queen.submit("?verify=all", &lines(MANY)).await;
        let view = queen.until_done(task).await;
        assert_eq!((&view["suspect"], &view["corrected"]), (&json!(false), &json!(0)), "{view}");
        queen.check(task, &lines(MANY)).await;
        queen.until_drone(liar.id, "quarantined").await;
        for drone in [&one, &other] {
            assert_eq!(queen.drone(drone.id).await["wrong"], 0);
        }
        let view = queen.task(task).await;
        assert_eq!((&view["suspect"], &view["corrected"]), (&json!(false), &json!(0)), "{view}");
        for drone in [liar, one, other] {
            drone.vanish().await;
        }
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_agree_on_is_done_and_the_rest_is_computed_again() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let (task, mut one, mut other, again) = claimed(queen, "?verify=all").await;
        other.give_with(&again, again.range(), |index| index == WHERE).await;
        // Perhaps that one was among those that are looked at.
        queen.until_drone(other.id, "quarantined").await;
        let lease = one.work().await;
        assert!([WHERE..WHERE + 1, again.range()].contains(&lease.range()), "{:?}", lease.range());
        one.give(&lease).await;
        queen.until_done(task).await;
        queen.check(task, &lines(FEW)).await;
        drop((one, other));
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_one_drone_the_queen_computes() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let mut drone = Scripted::start(queen.drones, "drone").await;
        let task = queen.submit("?verify=all", &lines(FEW)).await;
        let lease = drone.work().await;
        drone.give_with(&lease, 0..200, |_| false).await;
        queen.until_task(task, |view| view["done"] == 200).await;
        drone.give_with(&lease, 200..500, |index| index == 400).await;
        queen.until_drone(drone.id, "quarantined").await;
        let view = queen.task(task).await;
        assert!([200, 400].iter().any(|done| view["done"] == *done), "{view}");
        let honest = Scripted::start(queen.drones, "honest").await.honest();
        queen.until_done(task).await;
        queen.check(task, &lines(FEW)).await;
        let few = lines(10);
        let expensive = queen.submit(&format!("{PBKDF2}&verify=all"), &few).await;
        queen.until_done(expensive).await;
        assert!(queen.results(expensive).await == expected_pbkdf2(&few));
        assert_eq!(honest.asked_of(expensive), 10, "nothing is computed twice by one Drone");
        honest.vanish().await;
        drop(drone);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_left_alone_is_checked_by_the_queen() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let (task, mut one, other, _) = claimed(queen, "?verify=all").await;
        other.leave().await;
        let lease = one.work().await;
        assert_eq!(lease.range(), 0..FEW as u64);
        one.give(&lease).await;
        queen.until_done(task).await;
        queen.check(task, &lines(FEW)).await;
        assert_eq!(queen.drone(one.id).await["items_done"], FEW);
        drop(one);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_drone_gave_that_vanished_is_compared() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let (task, one, mut other, again) = claimed(queen, "?verify=all").await;
        one.leave().await;
        other.give_with(&again, 0..300, |_| false).await;
        queen.until_task(task, |view| view["done"] == 300).await;
        other.give_with(&again, 300..500, |_| false).await;
        queen.until_done(task).await;
        queen.check(task, &lines(FEW)).await;
        drop(other);
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_computed_once_is_nothing_to_the_next_queen() {
    let directory = tempfile::tempdir().unwrap();
    let hive = Hive::start_with(config(Some(directory.path()))).await;
    let (task, one, other, _) = claimed(Queen::from(&hive), "?verify=all").await;
    drop((one, other));
    hive.stop().await;

    let (hive, queen) = start_queen(config(Some(directory.path()))).await;
    let view = queen.task(task).await;
    assert_eq!((&view["done"], &view["verify"]), (&json!(0), &json!("all")), "{view}");
    // What the Drones of the Queen before held is kept for them for long.
    let [one, other] = two(queen).await;
    queen.until_done(task).await;
    queen.check(task, &lines(FEW)).await;
    assert_eq!(items_done(queen, [&one, &other]).await, [FEW as u64; 2]);
    one.vanish().await;
    other.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_of_a_batch_are_computed_twice() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let (batch, one, mut other, again) = claimed(queen, "?each=task&verify=all").await;
        let member = batch + 1 + WHERE;
        let view = queen.task(member).await;
        assert_eq!((&view["state"], &view["verify"]), (&json!("running"), &json!("all")), "{view}");
        let cancelled = queen.post(&format!("/tasks/{member}/cancel")).await;
        assert_eq!((cancelled.status, &cancelled.json()["verify"]), (200, &json!("all")), "{}", cancelled.text());
        assert_eq!(other.shrink(again.id).await, WHERE);
        other.give_with(&again, 0..WHERE, |_| false).await;
        queen.until_task(batch + WHERE, |view| view["state"] == "done").await;
        let rest = other.work().await;
        assert_eq!(rest.range(), WHERE + 1..FEW as u64);
        other.give(&rest).await;
        queen.until_done(batch).await;
        assert_eq!(queen.task(member).await["state"], "cancelled");
        let few: Vec<_> = lines(FEW).into_iter().enumerate().filter(|(index, _)| *index as u64 != WHERE).collect();
        let few: Vec<_> = few.into_iter().map(|(_, line)| line).collect();
        assert!(queen.partial_results(batch).await == super::expected(&few));
        drop((one, other));
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_room_the_queen_computes_before_she_takes_more() {
    // In memory the records alone would take more.
    let directory = tempfile::tempdir().unwrap();
    let (hive, queen) = start_queen(queen::Config { memory_limit: 64 << 10, ..config(Some(directory.path())) }).await;
    let mut one = Scripted::start(queen.drones, "one").await;
    let task = queen.submit("?verify=all", &lines(FEW)).await;
    let lease = one.work().await;
    let other = Scripted::start(queen.drones, "other").await.honest();
    one.give(&lease).await;
    queen.until_done(task).await;
    queen.check(task, &lines(FEW)).await;
    assert_eq!(other.asked_of(task), 0);
    drop(one);
    other.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_paused_and_cancelled_between_the_two() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let (task, one, mut other, again) = claimed(queen, "?verify=all").await;
        assert_eq!(queen.post(&format!("/tasks/{task}/pause")).await.status, 200);
        assert_eq!(other.shrink(again.id).await, 0);
        assert_eq!(queen.post(&format!("/tasks/{task}/resume")).await.status, 200);
        let lease = other.work().await;
        assert_eq!(lease.range(), again.range(), "it is still not for the one who has computed it");
        assert_eq!(queen.post(&format!("/tasks/{task}/cancel")).await.status, 200);
        let one = one.honest();
        let other = other.honest();
        let view = queen.task(task).await;
        assert_eq!((&view["state"], &view["done"]), (&json!("cancelled"), &json!(0)), "{view}");
        assert_eq!(queen.post(&format!("/tasks/{task}/retry")).await.status, 200);
        queen.until_done(task).await;
        queen.check(task, &lines(FEW)).await;
        assert_eq!(items_done(queen, [&one, &other]).await, [FEW as u64; 2]);
        one.vanish().await;
        other.vanish().await;
        hive.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_queen_is_the_second_with_a_long_key_too() {
    for (config, _directory) in both() {
        let (hive, queen) = start_queen(config).await;
        let honest = hive.worker("honest");
        // It lies apart from its task.
        let key = "k".repeat(3000);
        let task = json!({ "algorithm": "hmac-sha256", "verify": "all", "key": key, "inputs": lines(FEW) });
        let answer = queen.ask("POST", "/tasks", "application/json", task.to_string().into()).await;
        let task = answer.json()["id"].as_u64().unwrap();
        queen.until_done(task).await;
        let view = queen.get("/drones").await;
        assert_eq!((&view["drones"][0]["wrong"], &view["drones"][0]["items_done"]), (&json!(0), &json!(FEW)), "{view}");
        honest.leave().await;
        hive.stop().await;
    }
}
