//! A large fleet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use web::model::{Change as News, Overview};
use wire::ids::Instance;

use super::*;
use crate::access::{JoinSecret, JoinSecrets};
use crate::core::Ability;
use crate::hive::{Settings, SharedHive};

const DRONES: u64 = 2_000;

fn instance(number: u64) -> Instance {
    Instance(u128::from(number).to_le_bytes())
}

fn seat(state: &mut State, number: u64) {
    let newcomer = Newcomer {
        name: format!("drone-{number}"),
        instance: instance(number),
        address: String::new(),
        software: String::new(),
        ability: Ability { threads: 1, kinds: BTreeSet::new(), speeds: BTreeMap::new() },
        kernels: Default::default(),
        secret: None,
    };
    let ends = Ends { outbox: mpsc::channel(1).0, closed: CancellationToken::new(), stored: watch::channel(0).0 };
    assert!(state.seat(newcomer, ends, Time::ZERO).is_some());
}

#[test]
fn watchers_hear_of_tasks_however_many_drones_compute() {
    let hive = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let mut events = state.feed.subscribe(None, Time::ZERO).events;
    (0..DRONES).for_each(|number| seat(&mut state, number));
    let overview = Overview { rate: 1.0, ..hive.overview_of(&state, Time::ZERO) };
    // That all of them come at once is too much to be told one by one.
    state.tell(overview.clone(), Time::ZERO);
    while events.try_recv().is_ok() {}
    let (mut told, mut removed) = (BTreeSet::new(), 0);
    for turn in 1..=100 {
        state.feed.removed(TaskId(turn), None);
        assert!(state.tell(overview.clone(), Duration::from_millis(100) * turn as u32));
        while let Ok(event) = events.try_recv() {
            match &event.change {
                News::Drone(drone) => {
                    told.insert(drone.id);
                }
                News::TaskRemoved { .. } => removed += 1,
                News::Overview(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((removed, told.len() as u64), (100, DRONES));
}

#[test]
fn who_is_back_at_a_new_queen_is_counted_anew() {
    let hive = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let visit = Visit { items_done: 7, checked: 3, wrong: 1, connections: 4, secret: Some(5), ..Visit::default() };
    let known = [1, 2].map(|number| KnownDrone {
        id: DroneId(number),
        instance: instance(number),
        name: "maja".into(),
        quarantine: None,
        visit: Some(visit.clone()),
    });
    state.registry.take_over(known.to_vec());
    state.remember(&known);
    let counts = |state: &State, number| {
        let view = state.drone(DroneId(number), Time::ZERO).unwrap();
        (view.items_done, view.checked, view.wrong, view.connections)
    };
    // So its leases end when that is revoked before it is back.
    assert_eq!(state.presences[&DroneId(2)].newcomer.secret, Some(5));
    seat(&mut state, 1);
    assert_eq!([1, 2].map(|number| counts(&state, number)), [(0, 0, 0, 5), (7, 3, 1, 4)]);
    state.presences.get_mut(&DroneId(1)).unwrap().items_done = 9;
    seat(&mut state, 1);
    assert_eq!(counts(&state, 1), (9, 0, 0, 6));
}

#[test]
fn drones_are_counted_by_their_secret_and_go_with_it() {
    let hive = SharedHive::ephemeral(Settings::default()).unwrap();
    {
        let mut state = hive.lock();
        (1..=5).for_each(|number| seat(&mut state, number));
        for (secret, presence) in
            [Some(1), Some(2), Some(1), Some(2), None].into_iter().zip(state.presences.values_mut())
        {
            presence.newcomer.secret = secret;
        }
    }
    let connected = || [1, 2, 3].map(|secret| hive.drones_of_secret(secret));
    assert_eq!(connected(), [2, 2, 0]);
    let valid = JoinSecret { id: 2, key: [0; 32], created_at: Timestamp::now() };
    hive.expel(&JoinSecrets { by_name: [("second".into(), valid)].into() });
    assert_eq!(connected(), [0, 2, 0]);
    let states: Vec<_> = hive.lock().drones(Time::ZERO).into_iter().map(|drone| drone.state).collect();
    assert_eq!(states.iter().filter(|state| **state == DroneState::Lost).count(), 2, "{states:?}");
    assert_eq!(hive.lock().fleet().connected, 3, "who needed no secret stays");
}
