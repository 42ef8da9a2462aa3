//! Pages of the task stream of a large fleet.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::model::{DroneState, Window};
use wire::ids::Instance;

use super::*;
use crate::core::Ability;
use crate::hive::drone_record::Ends;
use crate::hive::seat::{Departure, Link, Newcomer};
use crate::hive::settings::{MAX_DRONES, Settings};

fn at(second: u64) -> Now {
    Now::after(Duration::from_secs(second))
}

fn seat(state: &mut State, number: u64, second: u64) -> Link {
    let newcomer = Newcomer {
        name: format!("Drone-{number:05}"),
        instance: Instance(u128::from(number).to_le_bytes()),
        address: format!("192.0.2.7:{number}"),
        software: String::new(),
        ability: Ability { threads: 1, kinds: BTreeSet::new(), speeds: BTreeMap::new(), material: 0 },
        kernels: Default::default(),
        secret: None,
    };
    let ends = Ends { outbox: mpsc::channel(1).0, closed: CancellationToken::new(), stored: watch::channel(0).0 };
    let link = state.seat(newcomer, ends, at(second)).unwrap();
    state.join(link, &[], at(second));
    // Nothing is written here.
    state.take_changes(true);
    link
}

fn ids(page: &StreamView) -> Vec<u64> {
    page.drones.iter().map(|drone| drone.id.0).collect()
}

#[tokio::test]
async fn a_page_has_fifty_of_those_that_are_meant() {
    let (hive, _keeper) = SharedHive::ephemeral(Settings::default()).unwrap();
    let mut state = hive.lock();
    let links: Vec<_> = (1..=MAX_DRONES as u64).map(|number| seat(&mut state, number, 0)).collect();
    for second in 1..=3 {
        for link in links.iter().take(100) {
            state.heartbeat(*link, Vec::new(), 0, 0, at(second));
        }
    }
    let query = StreamQuery { page: 1, ..StreamQuery::default() };
    let page = state.stream_page(&query, at(4));
    assert_eq!((ids(&page), page.next_page), ((1..=50).collect(), Some(2)));
    assert_eq!((page.from, page.columns), (Timestamp(4_000 - 60_000), 60));
    let runs = &page.drones[0].runs;
    assert_eq!(
        runs.iter().map(|run| (run.columns, run.gap)).collect::<Vec<_>>(),
        [(56, Some(Gap::BeforeStart)), (4, Some(Gap::NoWork))]
    );
    let last = StreamQuery { page: MAX_DRONES as u64 / 50 + 1, ..query.clone() };
    let page = state.stream_page(&last, at(4));
    assert_eq!((page.drones.len(), page.next_page), (MAX_DRONES % 50, None));
    assert_eq!(ids(&state.stream_page(&StreamQuery { page: u64::MAX, ..query.clone() }, at(4))), [0; 0]);
    // By the beginning of a name or an address, whatever its case.
    for name in ["drone-0007", "192.0.2.7:4096"] {
        let page = state.stream_page(&StreamQuery { name: Some(name.into()), ..query.clone() }, at(4));
        assert_eq!(page.drones.len(), if name.starts_with('d') { 10 } else { 1 }, "{name}");
    }
    // Those that left are behind the others, the last one first, for as long as the window is.
    state.unseat(links[6], Departure::Left, at(5));
    state.unseat(links[2], Departure::Left, at(6));
    state.take_changes(true);
    let left = StreamQuery { state: Some(DroneState::Left), ..query.clone() };
    assert_eq!(ids(&state.stream_page(&left, at(10))), [3, 7]);
    assert_eq!(ids(&state.stream_page(&left, at(65))), [3]);
    let longer = StreamQuery { window: Window::FiveMinutes, ..left };
    let page = state.stream_page(&longer, at(100));
    assert_eq!((ids(&page), page.drones[0].runs.last().unwrap().gap), (vec![3, 7], Some(Gap::Gone)));
    assert_eq!(state.stream_page(&query, at(10)).drones[2].id.0, 4);
}
