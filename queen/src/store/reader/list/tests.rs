use std::sync::Arc;

use rusqlite::Connection;
use web::access::{Owner, TokenId};
use web::hive::Traits;
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::Timestamp;

use super::*;
use crate::store::testing::{database, moment, terms};
use crate::store::{Change, Location, Store};
use crate::work::{Ending, SearchCounts, Terms};

const TASKS: u64 = 240;

/// Few and many, so that each way to read a list is gone.
const BOUNDS: [Bounds; 3] =
    [Bounds { few: 0, walk: 7 }, Bounds { few: 30, walk: 50 }, Bounds { few: 1000, walk: 1000 }];

/// What follows from a task's number, seemingly without order.
fn mixed(id: u64, salt: u64) -> u64 {
    (id * 0x9e37_79b9 + salt).wrapping_mul(0xff51_afd7_ed55_8ccd) >> 40
}

fn of(id: u64) -> (Terms, i64, Option<Ending>) {
    let algorithm = match mixed(id, 1) % 3 {
        0 => Algorithm::Sha256d,
        _ => Algorithm::Sha256,
    };
    let name = match mixed(id, 2) % 4 {
        0 => None,
        1 => Some(format!("nightly-{id}")),
        2 => Some("nightly".to_owned()),
        _ => Some(format!("naïve \u{1f41d}{id}")),
    };
    let token = mixed(id, 3) % 4;
    let owner = (token > 0).then(|| Owner { token: TokenId(token), name: format!("token {token}").into() });
    let specification = Specification::Digest(Digest { algorithm, encoding: Encoding::Utf8 });
    let terms = Terms { specification, name: name.map(Into::into), owner, ..terms() };
    // Now and then the wall clock is set back.
    let created = id as i64 * 10 - if id % 20 > 17 { 100 } else { 0 };
    let state =
        [None, Some(TaskState::Done), Some(TaskState::Failed), Some(TaskState::Cancelled)][(mixed(id, 4) % 4) as usize];
    let ending = state.map(|state| Ending {
        state,
        started_at: None,
        finished: moment((mixed(id, 5) % 50) as i64),
        done: 0,
        found: SearchCounts::default(),
        error: (state == TaskState::Failed).then(|| format!("item {} is too long", mixed(id, 6) % 3).into()),
    });
    (terms, created, ending)
}

fn write(store: &mut Store) {
    let mut changes = Vec::new();
    for id in 1..=TASKS {
        let (terms, created, ending) = of(id);
        let (_, mut submission) = store.submission(id, 1, false);
        (submission.terms, submission.created) = (Arc::new(terms), moment(created));
        changes.push(Change::Submit(Box::new(submission)));
        changes.extend(ending.map(|ending| Change::End(TaskId(id), Box::new(ending))));
    }
    store.write(&changes);
}

/// The same as the list, by looking at every task.
fn expected(filter: &TaskFilter, order: Order) -> Vec<(Position, TaskState)> {
    let mut places = Vec::new();
    for id in 1..=TASKS {
        let (terms, created, ending) = of(id);
        let Some(ending) = ending else { continue };
        let summary = terms.kind().summary();
        let traits = Traits {
            name: terms.name.as_deref(),
            owner: terms.owner.as_ref().map(|owner| &*owner.name),
            kind: summary.kind,
            algorithm: summary.algorithm,
            created_at: Timestamp(created),
            error: ending.error.as_deref(),
        };
        let is_own = filter.token.is_none_or(|token| terms.owner_id() == Some(token));
        if filter.has_state(ending.state) && is_own && filter.fits(&traits) {
            let key = if order.by == SortBy::Ended { ending.finished.at.0 } else { 0 };
            places.push((Position { key, id: TaskId(id) }, ending.state));
        }
    }
    places.sort_by(|(one, _), (other, _)| order.compare(*one, *other));
    places
}

fn filters() -> Vec<TaskFilter> {
    let all = TaskFilter::default;
    let text = |text: &str| Some(text.to_owned());
    vec![
        all(),
        TaskFilter { states: vec![TaskState::Failed], ..all() },
        TaskFilter { states: vec![TaskState::Running], ..all() },
        TaskFilter { token: Some(TokenId(2)), ..all() },
        TaskFilter { name: text("nightly"), ..all() },
        TaskFilter { name: text("nightly-"), states: vec![TaskState::Done], ..all() },
        TaskFilter { name: text("naïve"), token: Some(TokenId(1)), ..all() },
        TaskFilter { name: text("nobody"), ..all() },
        TaskFilter { owner: text("token"), ..all() },
        TaskFilter { owner: text("token 3"), reason: text("item 1"), ..all() },
        TaskFilter { reason: text("item "), ..all() },
        TaskFilter { kind: Some("digest"), ..all() },
        TaskFilter { kind: Some("search"), ..all() },
        TaskFilter { algorithm: Some("sha256d"), ..all() },
        TaskFilter { kind: Some("digest"), algorithm: Some("sha256"), name: text("nightly-1"), ..all() },
        TaskFilter { since: Some(Timestamp(500)), ..all() },
        TaskFilter { until: Some(Timestamp(500)), ..all() },
        TaskFilter { since: Some(Timestamp(300)), until: Some(Timestamp(800)), states: vec![TaskState::Done], ..all() },
        TaskFilter { since: Some(Timestamp(90_000)), ..all() },
        TaskFilter { until: Some(Timestamp(-90_000)), ..all() },
    ]
}

#[test]
fn lists_are_whole_and_sorted_however_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Location::new(folder.path().into()).open().unwrap();
    write(&mut store);
    let connection = Connection::open(database(folder.path())).unwrap();
    for filter in filters() {
        for (by, reversed) in [(SortBy::Id, false), (SortBy::Id, true), (SortBy::Ended, false), (SortBy::Ended, true)] {
            let order = Order { by, reversed };
            let expected: Vec<_> = expected(&filter, order).into_iter().map(|(place, _)| place).collect();
            for bounds in BOUNDS {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let limit = 5;
                    let query = TaskQuery { filter: filter.clone(), order, after, limit };
                    let part = read_within(&connection, &query, bounds).unwrap();
                    assert!(part.tasks.len() <= limit + 1);
                    let places = part.tasks.iter().map(|task| place(order, task));
                    found.extend(
                        places.filter(|place| part.next.is_none_or(|next| order.compare(*place, next).is_le())),
                    );
                    let Some(next) = part.next else { break };
                    assert!(order.is_behind(next, after), "it goes on");
                    after = Some(next);
                }
                assert_eq!(found, expected, "{filter:?} {order} {bounds:?}");
            }
        }
    }
}

#[test]
fn tasks_are_counted_by_their_states() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Location::new(folder.path().into()).open().unwrap();
    write(&mut store);
    let connection = Connection::open(database(folder.path())).unwrap();
    for filter in filters() {
        let mut expected_counts = TaskCounts::default();
        expected(&filter, Order::default()).iter().for_each(|(_, state)| expected_counts.add(*state, 1));
        for bounds in BOUNDS {
            let (mut found, mut after) = (TaskCounts::default(), None);
            loop {
                let (some, next) = count_within(&connection, &filter, after, bounds).unwrap();
                TaskState::ALL.into_iter().for_each(|state| found.add(state, some.of(state) as i64));
                let Some(next) = next else { break };
                after = Some(next);
            }
            assert_eq!(found, expected_counts, "{filter:?} {bounds:?}");
        }
        let found = lines(&connection, &filter).unwrap();
        for state in TaskState::ALL {
            let counted = Counted { count: expected_counts.of(state), is_cut: false };
            assert_eq!(found.of(|one| one == state), counted, "{filter:?} {state}");
        }
    }
    let failed = expected(&TaskFilter { states: vec![TaskState::Failed], ..TaskFilter::default() }, Order::default());
    let ended_at = |id: TaskId| of(id.0).2.unwrap().finished.at;
    for since in [0, 25, 90].map(Timestamp) {
        let count = failed.iter().filter(|(place, _)| ended_at(place.id) >= since).count() as u64;
        assert_eq!(store.reader.failed_since(since).unwrap(), Counted { count, is_cut: false });
    }
}

#[test]
fn what_lies_behind_a_beginning_is_found() {
    for beginning in ["a", "nightly-", "\u{d7ff}", "z\u{10ffff}", "é"] {
        let past = past(beginning).unwrap();
        let longest = format!("{beginning}\u{10ffff}\u{10ffff}");
        assert!(past.as_str() > longest.as_str(), "{beginning}");
        assert!(past.chars().count() <= beginning.chars().count());
    }
    assert_eq!((past(""), past("\u{10ffff}")), (None, None));
    assert_eq!(past("ab\u{10ffff}").as_deref(), Some("ac"));
}
