//! Drones of which too little is heard.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::interval;

use super::scripted::{BEAT, Heard, Scripted};
use super::support::Hive;
use super::support::gate::{Gate, Held};
use super::{LONG, PBKDF2, Queen, expected_pbkdf2, lines, patient};

const SILENCE: Duration = Duration::from_millis(800);

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_given_up() {
    let hive = Hive::start_with(patient(None, SILENCE, SILENCE)).await;
    let queen = Queen::from(&hive);
    let mut silent = Scripted::start(queen.drones, "silent").await;
    let task = queen.submit("", &lines(500)).await;
    silent.work().await;
    let honest = Scripted::start(queen.drones, "honest").await.honest();
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;
    assert_eq!(silent.closed().await.as_deref(), Some("nothing was heard of it for too long"));
    queen.until_drone(silent.id, "lost").await;
    assert_eq!(queen.drone(honest.id).await["items_done"], 500);
    honest.vanish().await;
    hive.stop().await;
}

/// Sends heartbeats until the Queen has had enough: whether she closed, or it is in quarantine.
async fn beat_in_vain(drone: &mut Scripted, queen: Queen, holds: bool) -> Option<String> {
    let lease = drone.work().await;
    let mut beats = interval(BEAT);
    loop {
        tokio::select! {
            heard = drone.hear() => match heard {
                Some(Heard::Goodbye(reason)) => return Some(reason),
                Some(_) => {}
                None => panic!("she says why"),
            },
            _ = beats.tick() => {
                if queen.drone(drone.id).await["state"] == "quarantined" {
                    return None;
                }
                let held = [&lease];
                drone.beat(if holds { &held } else { &[] }, 7).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_disk_is_not_blamed() {
    let (directory, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let mut config = patient(Some(directory.path()), SILENCE / 2, LONG);
    config.data.as_mut().unwrap().disk = Arc::new(gate.clone());
    let hive = Hive::start_with(config).await;
    let queen = Queen::from(&hive);
    let task = queen.submit("", &lines(5_000)).await;
    gate.set(Held::Writes);
    let mut drone = Scripted::start(queen.drones, "drone").await;
    let lease = drone.work().await;
    let half = (lease.range().start + lease.range().end) / 2;
    drone.give_with(&lease, lease.range().start..half, |_| false).await;
    // It may have no room to compute more before that is stored.
    let (begun, mut beats) = (Instant::now(), interval(BEAT));
    while begun.elapsed() < SILENCE * 4 {
        tokio::select! {
            heard = drone.hear() => assert!(matches!(heard, Some(heard) if !matches!(heard, Heard::Goodbye(_)))),
            _ = beats.tick() => drone.beat(&[&lease], 7).await,
        }
    }
    gate.set(Held::Nothing);
    drone.give_with(&lease, half..lease.range().end, |_| false).await;
    let honest = drone.honest();
    queen.until_done(task).await;
    queen.check(task, &lines(5_000)).await;
    assert_eq!(queen.drone(honest.id).await["connections"], 1);
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_nothing_in_is_disconnected_and_quarantined_at_last() {
    takes_strikes(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_computes_nothing_is_disconnected_and_quarantined_at_last() {
    takes_strikes(true).await;
}

async fn takes_strikes(holds: bool) {
    let hive = Hive::start_with(patient(None, SILENCE / 2, LONG)).await;
    let queen = Queen::from(&hive);
    let task = queen.submit("", &lines(500)).await;
    let mut drone = Scripted::start(queen.drones, "idler").await;
    for _ in 0..2 {
        let reason = beat_in_vain(&mut drone, queen, holds).await;
        assert_eq!(reason.as_deref(), Some("it sends heartbeats, but takes in or computes nothing"));
        drone = Scripted::connect(queen.drones, "idler", drone.seat).await;
    }
    assert_eq!(beat_in_vain(&mut drone, queen, holds).await, None);
    let view = queen.drone(drone.id).await;
    let reason = "it sends heartbeats, but again and again took in or computed nothing";
    assert_eq!((&view["quarantined_because"], &view["connections"]), (&json!(reason), &json!(3)), "{view}");
    let honest = hive.worker("honest");
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;
    honest.leave().await;
    drop(drone);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_computes_for_long_keeps_its_lease() {
    let hive = Hive::start_with(patient(None, SILENCE / 2, LONG)).await;
    let queen = Queen::from(&hive);
    let mut drone = Scripted::start(queen.drones, "slow").await;
    let task = queen.submit(PBKDF2, &lines(1)).await;
    let lease = drone.work().await;
    let mut beats = interval(BEAT);
    let mut computed = 0;
    let late = queen.until_later(SILENCE * 4);
    tokio::pin!(late);
    loop {
        tokio::select! {
            () = &mut late => break,
            heard = drone.hear() => assert_eq!(heard, Some(Heard::Heartbeat)),
            _ = beats.tick() => {
                computed += 100;
                drone.beat(&[&lease], computed).await;
            }
        }
    }
    assert_eq!(queen.task(task).await["state"], "running");
    drone.give(&lease).await;
    queen.until_done(task).await;
    assert_eq!(queen.results(task).await, expected_pbkdf2(&lines(1)));
    let view = queen.drone(drone.id).await;
    assert_eq!((&view["items_done"], &view["connections"]), (&json!(1), &json!(1)), "{view}");
    drop(drone);
    hive.stop().await;
}
