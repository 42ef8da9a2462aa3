//! The session against a model of the pool that answers when and how chance wants.

use proptest::prelude::*;
use wire::List;
use wire::blob::BlobBuf;
use wire::ids::{Epoch, Instance, LeaseId};
use wire::work::{Algorithm, DigestChunk};

use super::*;

/// A frame of leases: number, first index, items.
fn work(leases: &[(u64, u64, usize)]) -> Bytes {
    work_of(leases, Algorithm::Sha256)
}

fn work_of(leases: &[(u64, u64, usize)], algorithm: Algorithm<'_>) -> Bytes {
    let blobs: Vec<BlobBuf> = leases.iter().map(|(_, _, items)| vec!["x"; *items].into_iter().collect()).collect();
    let leases = leases.iter().zip(&blobs).map(|((id, from, items), blob)| Lease {
        id: LeaseId(*id),
        epoch: Epoch(1),
        task: TaskId(1),
        instance: Instance([0; 16]),
        priority: 0,
        rank: 0,
        from: *from,
        to: from.saturating_add(*items as u64),
        chunk: Chunk::Digest(DigestChunk { algorithm, inputs: blob.as_blob() }),
    });
    frame_of(&ToDrone::Work { leases: List(leases.collect()) })
}

fn frame_of(message: &ToDrone<'_>) -> Bytes {
    let mut bytes = Vec::new();
    wire::frame::encode(message, wire::frame::MAX, &mut bytes).unwrap();
    Bytes::from(bytes).slice(wire::frame::HEADER..)
}

fn key(lease: u64) -> Key {
    Key { lease: LeaseId(lease), epoch: Epoch(1) }
}

fn hear(session: &mut Session, frame: &Bytes) -> Result<Vec<Effect>, Violation> {
    let mut effects = Vec::new();
    session.hear(frame, &wire::frame::decode(frame).unwrap(), &mut effects).map(|()| effects)
}

fn shrink(session: &mut Session, lease: u64, end: u64) -> Vec<Effect> {
    let frame = frame_of(&ToDrone::Shrink { lease: LeaseId(lease), epoch: Epoch(1), end });
    hear(session, &frame).unwrap()
}

fn report(session: &mut Session, lease: u64, event: Event) -> Vec<Effect> {
    let mut effects = Vec::new();
    session.report(Report { key: key(lease), event }, &mut effects);
    effects
}

fn computed(from: u64, items: u64) -> Event {
    let output = Output::Digests(vec![0; 32 * items as usize]);
    Event::Output { from, output, kind: Kind::DIGEST, spent_ns: 1_000, compressions: items }
}

fn ends(effects: &[Effect]) -> Vec<(u64, End)> {
    let ended = |effect: &Effect| match effect {
        Effect::Ended { key, end, .. } => Some((key.lease.0, *end)),
        _ => None,
    };
    effects.iter().filter_map(ended).collect()
}

/// The lease, first index and end of each output said.
fn said(effects: &[Effect]) -> Vec<(u64, u64, u64)> {
    let part = |effect: &Effect| match effect {
        Effect::Say(Say::Output(part)) => Some((part.key.lease.0, part.from, part.to())),
        _ => None,
    };
    effects.iter().filter_map(part).collect()
}

#[test]
fn a_lease_is_started_output_and_done() {
    let mut session = Session::default();
    let effects = hear(&mut session, &work(&[(7, 100, 5)])).unwrap();
    assert!(matches!(&effects[..], [Effect::Start { assignment, .. }] if assignment.from == 100));
    let first = report(&mut session, 7, computed(100, 2));
    assert_eq!((said(&first), ends(&first)), (vec![(7, 100, 102)], vec![]));
    let rest = report(&mut session, 7, computed(102, 3));
    assert_eq!((said(&rest), ends(&rest)), (vec![(7, 102, 105)], vec![(7, End::Done)]));
    assert!(report(&mut session, 7, computed(105, 1)).is_empty(), "what comes later is ignored");
    assert_eq!((session.len(), session.bytes, session.frames.len()), (0, 0, 0));
}

#[test]
fn a_shrunk_lease_says_no_more_than_is_wanted() {
    let mut session = Session::default();
    hear(&mut session, &work(&[(1, 0, 10)])).unwrap();
    assert!(matches!(shrink(&mut session, 1, 6)[..], [Effect::Shrink { end: 6, .. }]));
    assert!(shrink(&mut session, 1, 8).is_empty(), "a lease never grows");
    let effects = report(&mut session, 1, computed(0, 9));
    assert_eq!((said(&effects), ends(&effects)), (vec![(1, 0, 6)], vec![(1, End::Done)]));
    assert!(shrink(&mut session, 99, 0).is_empty(), "an unknown lease is none of ours");
}

#[test]
fn a_lease_shrunk_to_what_was_said_is_withdrawn() {
    let mut session = Session::default();
    hear(&mut session, &work(&[(1, 0, 10)])).unwrap();
    report(&mut session, 1, computed(0, 5));
    let effects = shrink(&mut session, 1, 3);
    assert!(matches!(effects[0], Effect::Shrink { end: 3, .. }));
    assert_eq!(ends(&effects), [(1, End::Withdrawn)]);
}

#[test]
fn a_leaving_drone_takes_nothing_new() {
    let mut session = Session::default();
    hear(&mut session, &work(&[(1, 0, 1), (2, 0, 1)])).unwrap();
    let mut effects = Vec::new();
    session.drain(&mut effects);
    session.hand_back(vec![key(2)], &mut effects);
    assert!(matches!(&effects[0], Effect::Say(Say::Leaving)));
    assert_eq!(ends(&effects), [(2, End::HandedBack)]);
    let effects = hear(&mut session, &work(&[(3, 0, 1)])).unwrap();
    assert!(matches!(&effects[..], [Effect::Say(Say::HandBack(keys))] if *keys == [key(3)]));
    assert!(!session.is_over());
    assert_eq!(ends(&report(&mut session, 1, computed(0, 1))), [(1, End::Done)]);
    assert!(session.is_over());
}

#[test]
fn giving_up_hands_everything_back() {
    let mut session = Session::default();
    hear(&mut session, &work(&[(1, 0, 4), (2, 0, 1)])).unwrap();
    report(&mut session, 1, computed(0, 1));
    let mut effects = Vec::new();
    session.give_up(&mut effects);
    assert_eq!(ends(&effects), [(1, End::HandedBack), (2, End::HandedBack)]);
    assert!(matches!(effects.last(), Some(Effect::Say(Say::HandBack(keys))) if *keys == [key(1), key(2)]));
    assert!(session.is_over());
}

#[test]
fn a_heartbeat_names_every_lease_and_the_rate() {
    let mut session = Session::default();
    hear(&mut session, &work(&[(1, 0, 4), (2, 10, 4), (3, 20, 4)])).unwrap();
    report(&mut session, 1, computed(0, 2));
    let Say::Heartbeat { progress, rates } = session.heartbeat(vec![(key(1), 1), (key(2), 13)]) else { panic!() };
    let reached: Vec<_> = progress.iter().map(|progress| (progress.lease.0, progress.reached)).collect();
    assert_eq!(reached, [(1, 2), (2, 13), (3, 20)]);
    assert_eq!(rates, [Rate { kind: Kind::DIGEST, compressions_per_second: 2_000_000 }]);
}

#[test]
fn recent_rates_weigh_more() {
    let mut measured = Measured::default();
    measured.add(1_000_000, 1_000_000_000);
    assert_eq!(measured.per_second(), Some(1_000_000));
    (0..20).for_each(|_| measured.add(3_000_000, 1_000_000_000));
    assert!(measured.per_second().unwrap() > 2_900_000);
}

#[test]
fn an_impossible_lease_fails_and_is_not_held() {
    let mut session = Session::default();
    let none = Algorithm::Pbkdf2HmacSha256 { salt: b"", iterations: 0 };
    let effects = hear(&mut session, &work_of(&[(1, 0, 1)], none)).unwrap();
    assert!(matches!(&effects[..], [Effect::Say(Say::Failed { key: failed, .. })] if *failed == key(1)));
    assert_eq!(session.len(), 0);
}

#[test]
fn a_queen_who_breaks_the_protocol_is_found_out() {
    let mut session = Session::default();
    hear(&mut session, &work(&[(1, 0, 1)])).unwrap();
    assert_eq!(hear(&mut session, &work(&[(1, 5, 1)])).err(), Some(Violation::Twice(1)));
    let empty = hear(&mut Session::default(), &work(&[(1, 5, 0)])).err();
    assert_eq!(empty, Some(Violation::Range { lease: 1, from: 5, to: 5, items: 0 }));
    let overflow = hear(&mut Session::default(), &work(&[(1, u64::MAX, 1)])).err();
    assert!(matches!(overflow, Some(Violation::Range { .. })));

    let mut session = Session::default();
    let many: Vec<_> = (0..=MAX_LEASES as u64).map(|lease| (lease, 0, 1)).collect();
    assert_eq!(hear(&mut session, &work(&many)).err(), Some(Violation::TooManyLeases));

    let mut session = Session::default();
    let large = Bytes::from(vec![0; wire::frame::MAX]);
    let keep = (0..).map(|number| session.keep(number, large.len()));
    assert_eq!(keep.take_while(Result::is_ok).count(), MAX_BYTES / wire::frame::MAX);
}

/// What may happen to the session.
#[derive(Debug, Clone)]
enum Happening {
    Work(Vec<u64>),
    Compute { lease: usize, items: u64 },
    Fail { lease: usize },
    Shrink { lease: usize, end: u64 },
    Drain { recall: bool },
    GiveUp,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => proptest::collection::vec(1..20_u64, 1..4).prop_map(Happening::Work),
        8 => (0..30_usize, 1..12_u64).prop_map(|(lease, items)| Happening::Compute { lease, items }),
        1 => (0..30_usize).prop_map(|lease| Happening::Fail { lease }),
        3 => (0..30_usize, 0..25_u64).prop_map(|(lease, end)| Happening::Shrink { lease, end }),
        1 => any::<bool>().prop_map(|recall| Happening::Drain { recall }),
        1 => Just(Happening::GiveUp),
    ]
}

/// What the test knows of a lease.
#[derive(Debug, Default)]
struct Seen {
    /// How far the modelled pool has come. It may be told of a shrink too late.
    pool: u64,
    total: u64,
    wanted: u64,
    said: u64,
    end: Option<End>,
}

fn observe(effects: Vec<Effect>, seen: &mut [Seen]) {
    for effect in effects {
        match effect {
            Effect::Say(Say::Output(part)) => {
                let lease = &mut seen[part.key.lease.0 as usize];
                assert_eq!(part.from, lease.said, "in order and without gaps");
                assert!(lease.end.is_none() && part.to() > part.from && part.to() <= lease.wanted);
                lease.said = part.to();
            }
            Effect::Ended { key, end, .. } => {
                let lease = &mut seen[key.lease.0 as usize];
                assert_eq!(lease.end.replace(end), None, "a lease ends once");
                if end == End::Done {
                    assert_eq!(lease.said, lease.wanted);
                }
            }
            Effect::Start { .. } | Effect::Shrink { .. } | Effect::Say(_) => {}
        }
    }
}

proptest! {
    #[test]
    fn every_lease_ends_in_exactly_one_way(happenings in proptest::collection::vec(happening(), 1..60)) {
        let mut session = Session::default();
        let mut seen: Vec<Seen> = Vec::new();
        for happening in happenings {
            let mut effects = Vec::new();
            match happening {
                Happening::Work(_) if session.leaving => {}
                Happening::Work(totals) => {
                    let first = seen.len() as u64;
                    let leases: Vec<_> = (first..).zip(&totals).map(|(id, total)| (id, 0, *total as usize)).collect();
                    seen.extend(totals.iter().map(|total| Seen { total: *total, wanted: *total, ..Seen::default() }));
                    effects = hear(&mut session, &work(&leases)).unwrap();
                }
                Happening::Compute { lease, items } => {
                    let Some(model) = seen.get_mut(lease) else { continue };
                    let items = items.min(model.total - model.pool);
                    if items == 0 {
                        continue;
                    }
                    effects = report(&mut session, lease as u64, computed(model.pool, items));
                    model.pool += items;
                }
                Happening::Fail { lease } => {
                    effects = report(&mut session, lease as u64, Event::Failed { reason: "chance".to_owned() });
                }
                Happening::Shrink { lease, end } => {
                    if let Some(model) = seen.get_mut(lease) {
                        model.wanted = model.wanted.min(end).max(model.said);
                    }
                    effects = shrink(&mut session, lease as u64, end);
                }
                Happening::Drain { recall } => {
                    session.drain(&mut effects);
                    let untouched = seen.iter().enumerate().filter(|(_, model)| recall && model.pool == 0);
                    let keys = untouched.map(|(lease, _)| key(lease as u64)).collect();
                    session.hand_back(keys, &mut effects);
                }
                Happening::GiveUp => session.give_up(&mut effects),
            }
            observe(effects, &mut seen);
            prop_assert_eq!(session.len(), seen.iter().filter(|model| model.end.is_none()).count());
        }
        for lease in 0..seen.len() {
            let Seen { pool, total, .. } = seen[lease];
            if pool < total {
                observe(report(&mut session, lease as u64, computed(pool, total - pool)), &mut seen);
            }
        }
        prop_assert!(seen.iter().all(|model| model.end.is_some()));
        prop_assert_eq!((session.len(), session.bytes, session.frames.len()), (0, 0, 0));
    }
}
