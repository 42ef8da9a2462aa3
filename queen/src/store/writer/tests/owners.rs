//! Whose tasks are, and the audit trail.

use std::net::IpAddr;

use web::access::{LogEntry, LogFilter, LogKind, Owner, TokenId};
use web::hive::{TaskFilter, TaskQuery};
use web::model::Timestamp;

use super::*;
use crate::work::Terms;

/// A task of this owner.
fn submit(store: &mut Store, id: u64, total: u64, token: Option<u64>, batch: bool) {
    let (_, mut submission) = store.submission(id, total, false);
    let owner = token.map(|token| Owner { token: TokenId(token), name: format!("token {token}").into() });
    let address = token.map(|token| IpAddr::from([192, 0, 2, token as u8]));
    submission.terms = Terms { owner, address, batch, ..terms() }.into();
    store.write(&[Change::Submit(Box::new(submission))]);
}

#[test]
fn owners_are_found_again() {
    let (folder, mut store) = open();
    for (id, token) in [(1, Some(1)), (2, Some(1)), (3, Some(2)), (4, None), (5, Some(1))] {
        submit(&mut store, id, 1, token, false);
    }
    let owner = |live: &Live| live.task.terms.owner.clone().map(|owner| (owner.token.0, owner.name.to_string()));
    let of = |token: u64| Some((token, format!("token {token}")));
    assert_eq!(store.live().iter().map(owner).collect::<Vec<_>>(), [of(1), of(1), of(2), None, of(1)]);
    assert_eq!(store.live()[2].task.terms.address, Some([192, 0, 2, 2].into()));
    for id in 1..=5 {
        store.write(&[Task { id: TaskId(id), large: None }.end(TaskState::Cancelled, 0)]);
    }
    let ended = |owner: Option<u64>| {
        let filter = TaskFilter { token: owner.map(TokenId), ..TaskFilter::default() };
        let found = store.reader.list(&TaskQuery { filter, limit: 9, ..TaskQuery::default() }).unwrap();
        found.tasks.into_iter().map(|task| task.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ended(Some(1)), [5, 2, 1]);
    assert_eq!(ended(Some(3)), [0; 0]);
    assert_eq!(ended(None), [5, 4, 3, 2, 1]);
    let removed = store.write(&[Change::Remove(TaskId(3)), Change::Remove(TaskId(4))]);
    assert_eq!(removed.iter().map(|removed| removed.owner).collect::<Vec<_>>(), [Some(TokenId(2)), None]);
    drop(store);
    assert!(is_sound(&folder).0);
}

#[test]
fn who_is_forgotten_in_a_batch_is_its_owners() {
    let (_folder, mut store) = open();
    submit(&mut store, 1, 3, Some(7), true);
    store.write(&[Task { id: TaskId(1), large: None }.end(TaskState::Cancelled, 0)]);
    let forgotten = Change::Detach { batch: TaskId(1), index: 1, outcome: MemberOutcome::Forgotten { on_disk: true } };
    assert_eq!(store.write(&[forgotten]).first().map(|removed| removed.owner), Some(Some(TokenId(7))));
}

fn line(at: i64, kind: LogKind, who: Option<&str>, target: &str) -> Change {
    let (who, address) = (who.map(str::to_owned), Some("192.0.2.1".to_owned()));
    let (target, action, outcome) = (target.to_owned(), "cancel".to_owned(), "done".to_owned());
    let (at, request_id, changes) = (Timestamp(at), Some(format!("request-{at}")), Some(format!("priority 0 → {at}")));
    Change::Log(Box::new(LogEntry { at, kind, who, address, action, target, outcome, changes, request_id, count: 1 }))
}

#[test]
fn the_trail_is_filtered_and_paged() {
    let (_folder, mut store) = open();
    store.write(&[
        line(1, LogKind::Control, Some("ci"), "task 7 (bees)"),
        line(2, LogKind::Control, Some("ops"), "task 70"),
        line(3, LogKind::Administration, Some("ops"), "token 9 (ci)"),
        line(4, LogKind::Refusal, None, "session"),
        line(5, LogKind::Control, Some("ci"), "task 7"),
    ]);
    let found = |filter: LogFilter| {
        let lines = store.reader.log(&LogFilter { limit: filter.limit.max(1), ..filter }).unwrap();
        lines.into_iter().map(|(_, line)| line.at.0).collect::<Vec<_>>()
    };
    let all = LogFilter { limit: 9, ..LogFilter::default() };
    assert_eq!(found(all.clone()), [5, 4, 3, 2, 1]);
    assert_eq!(found(LogFilter { limit: 2, ..all.clone() }), [5, 4]);
    assert_eq!(found(LogFilter { kinds: vec![LogKind::Control], ..all.clone() }), [5, 2, 1]);
    assert_eq!(found(LogFilter { who: Some("ops".into()), ..all.clone() }), [3, 2]);
    assert_eq!(found(LogFilter { target: Some("task 7".into()), ..all.clone() }), [5, 1]);
    assert_eq!(found(LogFilter { target: Some("task 7 (bees)".into()), ..all.clone() }), [1]);
    assert_eq!(found(LogFilter { since: Some(Timestamp(2)), until: Some(Timestamp(4)), ..all.clone() }), [3, 2]);
    let (number, first) = store.reader.log(&all).unwrap().remove(0);
    assert_eq!((first.who.as_deref(), &*first.outcome), (Some("ci"), "done"));
    assert_eq!(first.changes.as_deref(), Some("priority 0 → 5"));
    assert_eq!(found(LogFilter { before: Some(number), ..all }), [4, 3, 2, 1]);
}

#[test]
fn refusals_push_out_nothing_but_refusals() {
    let (_folder, mut store) = open();
    store.write(&[line(1, LogKind::Control, Some("ci"), "task 7")]);
    for _ in 0..11 {
        let refusals: Vec<_> = (0..1000).map(|at| line(at, LogKind::Refusal, None, "session")).collect();
        store.write(&refusals);
    }
    store.writer.tidy(moment(5)).unwrap();
    let kept =
        |kind| store.reader.log(&LogFilter { kinds: vec![kind], limit: 20_000, ..LogFilter::default() }).unwrap();
    assert_eq!((kept(LogKind::Refusal).len(), kept(LogKind::Control).len()), (10_000, 1));
}
