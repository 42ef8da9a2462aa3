//! A large fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use web::hive::{DroneKey, DroneQuery, DroneSort};
use web::model::{Change as News, DroneState, Overview, Timestamp};
use wire::ids::Instance;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::access::{JoinSecret, JoinSecrets};
use crate::core::{Ability, Time};
use crate::history;
use crate::hive::settings::Settings;
use crate::hive::shared::SharedHive;
use crate::store::{KnownDrone, Visit};

const DRONES: u64 = 2_000;

fn instance(number: u64) -> Instance {
    Instance(u128::from(number).to_le_bytes())
}

fn seat(state: &mut State, number: u64) {
    seat_with(state, number, None);
}

fn seat_with(state: &mut State, number: u64, secret: Option<u64>) {
    let newcomer = Newcomer {
        name: format!("drone-{number}"),
        instance: instance(number),
        address: String::new(),
        software: String::new(),
        ability: Ability { threads: 1, kinds: BTreeSet::new(), speeds: BTreeMap::new(), material: 0 },
        kernels: Default::default(),
        secret,
    };
    let ends = Ends { outbox: mpsc::channel(1).0, closed: CancellationToken::new(), stored: watch::channel(0).0 };
    assert!(state.seat(newcomer, ends, Now::after(Time::ZERO)).is_some());
    // Nothing is written here.
    state.take_changes(true);
}

#[tokio::test]
async fn watchers_hear_of_tasks_however_many_drones_compute() {
    let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let mut events = state.feed.subscribe(None, Time::ZERO).events;
    (0..DRONES).for_each(|number| seat(&mut state, number));
    let overview = Overview { rate: 1.0, ..hive.overview_of(&state, Now::after(Time::ZERO)) };
    // That all of them come at once is too much to be shown one by one.
    state.tell(overview.clone(), Now::after(Time::ZERO));
    while events.try_recv().is_ok() {}
    let (mut shown, mut removed) = (BTreeSet::new(), 0);
    for turn in 1..=100 {
        state.feed.removed(TaskId(turn), None);
        (1..=DRONES).for_each(|drone| state.fleet.touch(DroneId(drone)));
        assert!(state.tell(overview.clone(), Now::after(Duration::from_millis(100) * turn as u32)));
        while let Ok(event) = events.try_recv() {
            match &event.change {
                News::Drone(drone) => {
                    shown.insert(drone.id);
                }
                News::TaskRemoved { .. } => removed += 1,
                News::Overview(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((removed, shown.len() as u64), (100, DRONES));
}

#[tokio::test]
async fn watchers_hear_of_no_drone_that_only_waits() {
    let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let mut events = state.feed.subscribe(None, Time::ZERO).events;
    (0..10).for_each(|number| seat(&mut state, number));
    let overview = hive.overview_of(&state, Now::after(Time::ZERO));
    let mut told_of = |state: &mut State, second, rate| {
        let has_more = state.tell(Overview { rate, ..overview.clone() }, Now::after(Duration::from_secs(second)));
        assert!(has_more || rate == 0.0);
        let mut drones = BTreeSet::new();
        while let Ok(event) = events.try_recv() {
            if let News::Drone(drone) = &event.change {
                drones.insert(drone.id.0);
            }
        }
        drones
    };
    assert_eq!(told_of(&mut state, 1, 1.0).len(), 10);
    assert_eq!(told_of(&mut state, 2, 1.0), BTreeSet::new());
    for second in 3..5 {
        state.fleet.was_busy(DroneId(7), (second - 2) * 1_000_000_000, Now::after(Duration::from_secs(second)));
    }
    state.fleet.touch(DroneId(7));
    // Its figures fall without anything that it says.
    assert_eq!([5, 6, 7].map(|second| told_of(&mut state, second, 1.0)), [[7].into(), [7].into(), [7].into()]);
    // They are at zero after the last time that all moved, and no more is told then.
    let still = [8, 9, 10].map(|second| told_of(&mut state, second, 0.0));
    assert_eq!(still, [[7].into(), [7].into(), BTreeSet::new()]);
}

#[tokio::test]
async fn the_latest_of_a_large_fleet_are_measured() {
    let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let (fleet, most) = (2 * DRONES, history::DRONES as u64);
    (0..fleet).for_each(|number| seat(&mut state, number));
    let at = |seconds| Now::after(Duration::from_secs(seconds));
    let mut seen = BTreeSet::new();
    for second in 10..20 {
        let drones = state.measure(history::Timed::default(), &[], at(second)).drones;
        assert_eq!(drones.len() as u64, most / 10);
        seen.extend(drones.into_iter().map(|drone| drone.id.0));
    }
    assert!(seen.into_iter().eq(fleet - most + 1..=fleet));
}

#[tokio::test]
async fn who_is_back_at_a_new_queen_is_counted_anew() {
    let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let visit = Visit { items_done: 7, checked: 3, wrong: 1, connections: 4, secret: Some(5), ..Visit::default() };
    let known = [1, 2].map(|number| KnownDrone {
        id: DroneId(number),
        instance: instance(number),
        name: "maja".into(),
        quarantine: None,
        visit: Some(visit.clone()),
    });
    state.fleet.take_over(known.to_vec());
    let counts = |state: &State, number| {
        let view = state.drone(DroneId(number), Now::after(Time::ZERO)).unwrap();
        (view.items_done, view.checked, view.wrong, view.connections)
    };
    // So its leases end when that is revoked before it is back.
    assert_eq!(state.fleet.with_revoked(&JoinSecrets::default()), [1, 2].map(DroneId));
    seat(&mut state, 1);
    assert_eq!([1, 2].map(|number| counts(&state, number)), [(0, 0, 0, 5), (7, 3, 1, 4)]);
    state.fleet.count_items(DroneId(1), 9);
    seat(&mut state, 1);
    assert_eq!(counts(&state, 1), (9, 0, 0, 6));
}

#[tokio::test]
async fn drones_are_counted_by_their_secret_and_go_with_it() {
    let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
    {
        let mut state = hive.lock();
        let secrets = [Some(1), Some(2), Some(1), Some(2), None];
        (1..).zip(secrets).for_each(|(number, secret)| seat_with(&mut state, number, secret));
    }
    let connected = || [1, 2, 3].map(|secret| hive.drones_of_secret(secret));
    assert_eq!(connected(), [2, 2, 0]);
    let valid = JoinSecret { id: 2, key: [0; 32], created_at: Timestamp::now() };
    hive.expel(&JoinSecrets { by_name: [("second".into(), valid)].into() });
    assert_eq!(connected(), [0, 2, 0]);
    let states: Vec<_> = hive
        .lock()
        .drone_page(&DroneQuery::default(), Now::after(Time::ZERO))
        .drones
        .into_iter()
        .map(|drone| drone.state)
        .collect();
    assert_eq!(states.iter().filter(|state| **state == DroneState::Lost).count(), 2, "{states:?}");
    assert_eq!(hive.lock().fleet.connected().count(), 3, "who needed no secret stays");
}

#[tokio::test]
async fn a_part_of_the_list_of_drones_is_told() {
    let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    (1..=12).for_each(|number| seat(&mut state, number));
    for gone in [3, 5] {
        let link = Link { drone: DroneId(gone), number: gone };
        state.unseat(link, Departure::Left, Now::after(Time::ZERO));
    }
    state.fleet.count_items(DroneId(5), 70);
    state.fleet.count_items(DroneId(2), 9);
    state.fleet.was_wrong(DroneId(7));
    state.fleet.has_failed(DroneId(8));
    let page = |query: &DroneQuery| {
        let page = state.drone_page(query, Now::after(Time::ZERO));
        (page.drones.iter().map(|drone| drone.id.0).collect::<Vec<_>>(), page.has_more)
    };
    let all = DroneQuery::default();
    assert_eq!(page(&all), (vec![1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 5, 3], false));
    let part = DroneQuery { skip: 2, limit: 3, ..all.clone() };
    assert_eq!(page(&part), (vec![4, 6, 7], true));
    assert_eq!(page(&DroneQuery { skip: 9, ..part.clone() }), (vec![12, 5, 3], false));
    assert_eq!(page(&DroneQuery { is_connected: true, skip: 9, ..part.clone() }), (vec![12], false));
    assert_eq!(page(&DroneQuery { skip: 99, ..part }), (vec![], false));
    let called = DroneQuery { name: Some("drone-1".into()), ..all.clone() };
    assert_eq!(page(&called), (vec![1, 10, 11, 12], false));
    assert_eq!(page(&DroneQuery { state: Some(DroneState::Left), ..all.clone() }), (vec![5, 3], false));
    let sorted = |by, is_descending| {
        page(&DroneQuery { sort: Some(DroneSort { by, is_descending }), limit: 3, ..all.clone() }).0
    };
    assert_eq!(sorted(DroneKey::Name, false), [1, 10, 11]);
    assert_eq!(sorted(DroneKey::Id, true), [12, 11, 10]);
    assert_eq!(sorted(DroneKey::ItemsDone, true), [5, 2, 1]);
    assert_eq!(sorted(DroneKey::Wrong, true), [7, 8, 1]);
    assert_eq!(sorted(DroneKey::Threads, true), [1, 2, 4], "those that are equal stay as they are");
    let narrow = state.drone_page(&DroneQuery { name: Some("drone-3".into()), ..all }, Now::after(Time::ZERO));
    assert!(narrow.has_known && narrow.counts == [(DroneState::Left, 1)].into());
}
