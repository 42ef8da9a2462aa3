//! Drones of which too little is heard, by a clock that a test sets forward.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use queen::core::Timeouts;
use serde_json::json;

use super::support::LONG;
use super::support::clock::Hands;
use super::support::gate::{Gate, Held};
use super::support::scripted::{Heard, Scripted};
use super::{PBKDF2, Queen, expected_pbkdf2, lines, start_queen};

const SILENCE: Duration = Duration::from_secs(10);

/// How far the clock is set at a time, so that whoever says something then is heard in time.
const STEP: Duration = Duration::from_secs(3);

/// So many steps are longer than a Drone may do nothing at all.
const MANY: usize = 30;

fn config(data: Option<&Path>) -> (queen::Config, Hands) {
    let clock = Hands::new();
    let timeouts = Timeouts { silence: SILENCE, grace: LONG, ..super::support::config().timeouts };
    (queen::Config { timeouts, clock: Arc::new(clock.clone()), ..super::config(data) }, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_is_given_up() {
    let (config, clock) = config(None);
    let (hive, queen) = start_queen(config).await;
    let mut silent = Scripted::start(queen.drones, "silent").await;
    let task = queen.submit("", &lines(500)).await;
    silent.work().await;
    let mut honest = Scripted::start(queen.drones, "honest").await;
    for _ in 0..4 {
        clock.advance(STEP);
        assert!(honest.beats(&[], 0).await);
    }
    assert_eq!(silent.closed().await.as_deref(), Some("nothing was heard of it for too long"));
    let honest = honest.honest();
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;
    queen.until_drone(silent.id, "lost").await;
    assert_eq!(queen.drone(honest.id).await["items_done"], 500);
    honest.vanish().await;
    hive.stop().await;
}

/// Sends heartbeats until the Queen has had enough: whether she closed, or it is in quarantine.
async fn beat_in_vain(drone: &mut Scripted, queen: Queen, clock: &Hands, holds: bool) -> Option<String> {
    let lease = drone.work().await;
    while queen.drone(drone.id).await["state"] != "quarantined" {
        clock.advance(STEP);
        let held = [&lease];
        if !drone.beats(if holds { &held } else { &[] }, 7).await {
            return drone.closed().await;
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_disk_is_not_blamed() {
    let (directory, gate) = (tempfile::tempdir().unwrap(), Gate::default());
    let (mut config, clock) = config(Some(directory.path()));
    config.data.as_mut().unwrap().disk = Arc::new(gate.clone());
    let (hive, queen) = start_queen(config).await;
    let task = queen.submit("", &lines(5_000)).await;
    gate.set(Held::Writes);
    let mut drone = Scripted::start(queen.drones, "drone").await;
    let lease = drone.work().await;
    let half = (lease.range().start + lease.range().end) / 2;
    drone.give_with(&lease, lease.range().start..half, |_| false).await;
    // It may have no room to compute more before that is stored.
    for _ in 0..MANY {
        clock.advance(STEP);
        assert!(drone.beats(&[&lease], 7).await);
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
    let (config, clock) = config(None);
    let (hive, queen) = start_queen(config).await;
    let task = queen.submit("", &lines(500)).await;
    let mut drone = Scripted::start(queen.drones, "idler").await;
    for _ in 0..2 {
        let reason = beat_in_vain(&mut drone, queen, &clock, holds).await;
        assert_eq!(reason.as_deref(), Some("it sends heartbeats, but takes in or computes nothing"));
        drone = Scripted::connect(queen.drones, "idler", drone.seat).await;
    }
    assert_eq!(beat_in_vain(&mut drone, queen, &clock, holds).await, None);
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
    let (config, clock) = config(None);
    let (hive, queen) = start_queen(config).await;
    let mut drone = Scripted::start(queen.drones, "slow").await;
    let task = queen.submit(PBKDF2, &lines(1)).await;
    let lease = drone.work().await;
    for step in 1..=MANY {
        clock.advance(STEP);
        drone.beat(&[&lease], 100 * step as u64).await;
        assert_eq!(drone.hear().await, Some(Heard::Heartbeat));
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
