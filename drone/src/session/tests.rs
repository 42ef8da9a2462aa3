//! The session against a model of the pool and of Queens, who act when and how chance wants.

mod material;
mod search;
mod world;

use wire::List;
use wire::blob::BlobBuf;
use wire::ids::{Epoch, Instance, LeaseId, TaskId};
use wire::message::{Adoption, Lease, ToDrone};
use wire::work::{Algorithm, Chunk, DigestChunk};

use bytes::Bytes;

use super::*;
use crate::kernel::Output;
use crate::pool::{Outcome, Report, Standing, Ticket, Worked};

const EPOCH: Epoch = Epoch(1);

/// A frame of leases: number, first index, items.
fn work(leases: &[(u64, u64, usize)]) -> Bytes {
    work_of(leases, EPOCH, Algorithm::Sha256)
}

fn work_of(leases: &[(u64, u64, usize)], epoch: Epoch, algorithm: Algorithm<'_>) -> Bytes {
    let blobs: Vec<BlobBuf> = leases.iter().map(|(_, _, items)| vec!["x"; *items].into_iter().collect()).collect();
    let leases = leases.iter().zip(&blobs).map(|((id, from, items), blob)| Lease {
        id: LeaseId(*id),
        epoch,
        task: TaskId(1),
        instance: Instance([0; 16]),
        priority: 0,
        rank: 0,
        from: *from,
        to: from.saturating_add(*items as u64),
        material: None,
        chunk: Chunk::Digest(DigestChunk { algorithm, inputs: blob.as_blob() }),
    });
    frame_of(&ToDrone::Work { leases: List(leases.collect()) })
}

fn frame_of(message: &ToDrone<'_>) -> Bytes {
    let mut bytes = Vec::new();
    wire::frame::encode(message, wire::frame::MAX_TO_DRONE, &mut bytes).unwrap();
    Bytes::from(bytes).slice(wire::frame::HEADER..)
}

fn adopted(answers: &[Option<(u64, u64, u64)>]) -> Bytes {
    let adoption = |(lease, from, to): (u64, u64, u64)| Adoption { lease: LeaseId(lease), from, to };
    frame_of(&ToDrone::Adopted { leases: List(answers.iter().map(|answer| answer.map(adoption)).collect()) })
}

fn stored(outputs: u64) -> Bytes {
    frame_of(&ToDrone::Stored { outputs })
}

fn key(lease: u64) -> Key {
    Key { lease: LeaseId(lease), epoch: EPOCH }
}

/// A session with a Queen who knows that it holds nothing.
fn open() -> Session {
    let mut session = Session::default();
    session.connected(EPOCH);
    assert_eq!(says(&mut session), [Statement::Offer(vec![], vec![])]);
    assert!(hear(&mut session, &adopted(&[])).unwrap().is_empty());
    session
}

fn hear(session: &mut Session, frame: &Bytes) -> Result<Vec<Effect>, Violation> {
    let mut effects = Vec::new();
    let heard = session.hear(frame, &wire::frame::decode(frame).unwrap(), &mut effects);
    assert!(heard.is_ok() || effects.is_empty(), "a breach changes nothing");
    heard.map(|()| effects)
}

fn shrink(session: &mut Session, lease: u64, end: u64) -> Vec<Effect> {
    hear(session, &frame_of(&ToDrone::Shrink { lease: LeaseId(lease), epoch: EPOCH, end })).unwrap()
}

fn report(session: &mut Session, ticket: u64, outcome: Outcome) -> Vec<Effect> {
    let mut effects = Vec::new();
    session.report(Report { ticket: Ticket(ticket), outcome }, &mut effects);
    effects
}

fn computed(from: u64, items: u64) -> Outcome {
    // Each digest tells its index.
    let digests = (from..from + items).flat_map(|index| [index.to_le_bytes(); 4].concat()).collect::<Vec<u8>>();
    let output = Output::Digests(digests.into());
    Outcome::Output { from, output, spent_ns: 1_000 }
}

fn ends(effects: &[Effect]) -> Vec<(u64, End)> {
    let ended = |effect: &Effect| match effect {
        Effect::Ended { ticket, end, .. } => Some((ticket.0, *end)),
        _ => None,
    };
    effects.iter().filter_map(ended).collect()
}

/// Everything that is sent now.
fn says(session: &mut Session) -> Vec<Statement> {
    let messages: Vec<_> = std::iter::from_fn(|| session.next_message()).collect();
    let says = messages.into_iter().flat_map(|message| match message {
        Message::Outputs(parts) => parts.into_iter().map(|(key, part)| Statement::Output(key, part)).collect(),
        Message::Other(say) => vec![say],
    });
    says.collect()
}

/// The lease, first index and end of each output that is sent now.
fn said(session: &mut Session) -> Vec<(u64, u64, u64)> {
    let part = |say| match say {
        Statement::Output(key, part) => Some((key.lease.0, part.from, part.to())),
        _ => None,
    };
    says(session).into_iter().filter_map(part).collect()
}

/// What is offered on a new connection: lease, epoch, first index, end.
fn offered(session: &mut Session, epoch: Epoch) -> Vec<(u64, u64, u64, u64)> {
    session.connected(epoch);
    let Some(Message::Other(Statement::Offer(leases, _))) = session.next_message() else {
        panic!("the offer comes first")
    };
    leases.iter().map(|offered| (offered.lease.0, offered.epoch.0, offered.from, offered.to)).collect()
}

fn is_free(session: &Session) -> bool {
    session.is_empty() && (session.computing(), session.kept_bytes(), session.frames.bytes()) == (0, 0, 0)
}

#[test]
fn a_lease_is_computed_said_and_stored() {
    let mut session = open();
    let effects = hear(&mut session, &work(&[(7, 100, 5)])).unwrap();
    assert!(matches!(&effects[..], [Effect::Start { assignment, .. }] if assignment.from == 100));
    assert_eq!(ends(&report(&mut session, 1, computed(100, 2))), []);
    assert_eq!(ends(&report(&mut session, 1, computed(102, 3))), [(1, End::Done)]);
    assert!(report(&mut session, 1, computed(105, 1)).is_empty(), "what comes later is ignored");
    assert_eq!(said(&mut session), [(7, 100, 102), (7, 102, 105)]);
    assert_eq!((session.len(), session.computing(), session.frames.bytes()), (1, 0, 0));
    hear(&mut session, &stored(1)).unwrap();
    assert!(!is_free(&session));
    hear(&mut session, &stored(2)).unwrap();
    assert!(is_free(&session));
    assert_eq!(hear(&mut session, &stored(1)).unwrap().len(), 0, "an older receipt says nothing new");
}

#[test]
fn a_shrunk_lease_says_no_more_than_is_wanted() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 10)])).unwrap();
    assert!(matches!(shrink(&mut session, 1, 6)[..], [Effect::Shrink { end: 6, .. }]));
    assert!(shrink(&mut session, 1, 8).is_empty(), "a lease never grows");
    assert_eq!(ends(&report(&mut session, 1, computed(0, 9))), [(1, End::Done)]);
    assert_eq!(said(&mut session), [(1, 0, 6)]);
    assert!(shrink(&mut session, 99, 0).is_empty(), "an unknown lease is none of ours");
}

#[test]
fn a_lease_shrunk_to_what_was_said_is_kept_until_that_is_stored() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 10)])).unwrap();
    report(&mut session, 1, computed(0, 5));
    assert_eq!(said(&mut session), [(1, 0, 5)]);
    let effects = shrink(&mut session, 1, 3);
    assert!(matches!(effects[0], Effect::Shrink { end: 3, .. }));
    assert_eq!(ends(&effects), [(1, End::Withdrawn)]);
    session.disconnected();
    assert_eq!(offered(&mut session, EPOCH), [(1, 1, 0, 3)]);
    hear(&mut session, &adopted(&[Some((2, 1, 3))])).unwrap();
    assert_eq!(said(&mut session), [(2, 1, 3)]);
    shrink(&mut session, 2, 0);
    assert!(is_free(&session));
    hear(&mut session, &stored(1)).unwrap();
}

#[test]
fn what_is_held_outlives_the_connection_under_a_new_name() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 10), (2, 50, 5), (3, 0, 2)])).unwrap();
    report(&mut session, 1, computed(0, 4));
    assert_eq!(said(&mut session), [(1, 0, 4)]);
    report(&mut session, 2, computed(50, 5));
    session.disconnected();
    report(&mut session, 1, computed(4, 4));
    assert_eq!(says(&mut session), []);
    assert_eq!(offered(&mut session, Epoch(2)), [(1, 1, 0, 10), (2, 1, 50, 55), (3, 1, 0, 2)]);
    report(&mut session, 1, computed(8, 1));
    assert_eq!(says(&mut session), [], "nothing but the offer is said before the answer");
    let effects = hear(&mut session, &adopted(&[Some((70, 2, 9)), Some((71, 50, 55)), None])).unwrap();
    assert_eq!(ends(&effects), [(1, End::Withdrawn), (3, End::Withdrawn)]);
    assert!(matches!(effects.last(), Some(Effect::Adopted { taken: 2, offered: 3 })));
    let all = says(&mut session);
    let parts = all.iter().map(|say| match say {
        Statement::Output(key, part) => (key.lease.0, key.epoch.0, part.from, part.to(), part.output.clone()),
        other => panic!("{other:?}"),
    });
    let digests = |from, items| {
        let Outcome::Output { output, .. } = computed(from, items) else { unreachable!() };
        output
    };
    // What is short and whole comes first.
    let expected = [
        (71, 2, 50, 55, digests(50, 5)),
        (70, 2, 2, 4, digests(2, 2)),
        (70, 2, 4, 8, digests(4, 4)),
        (70, 2, 8, 9, digests(8, 1)),
    ];
    assert!(parts.eq(expected));
    hear(&mut session, &stored(4)).unwrap();
    assert!(is_free(&session));
}

#[test]
fn results_below_what_is_wanted_are_not_said() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 10)])).unwrap();
    session.disconnected();
    offered(&mut session, EPOCH);
    hear(&mut session, &adopted(&[Some((2, 6, 9))])).unwrap();
    report(&mut session, 1, computed(0, 4));
    report(&mut session, 1, computed(4, 6));
    assert_eq!(said(&mut session), [(2, 6, 9)]);
}

#[test]
fn a_lease_shrunk_to_where_it_was_adopted_is_over_though_the_pool_is_not_there_yet() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 4)])).unwrap();
    session.disconnected();
    offered(&mut session, EPOCH);
    hear(&mut session, &adopted(&[Some((2, 1, 4))])).unwrap();
    let effects = shrink(&mut session, 2, 1);
    assert!(matches!(effects[0], Effect::Shrink { end: 0, .. }));
    assert_eq!(ends(&effects), [(1, End::Withdrawn)]);
    assert!(is_free(&session));
}

#[test]
fn what_ends_unheard_is_not_offered() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 3), (2, 0, 3), (3, 0, 3)])).unwrap();
    report(&mut session, 1, computed(0, 1));
    session.disconnected();
    report(&mut session, 1, Outcome::Failed { reason: "chance".to_owned() });
    assert_eq!(offered(&mut session, EPOCH), [(2, 1, 0, 3), (3, 1, 0, 3)]);
    assert_eq!(ends(&report(&mut session, 2, Outcome::Failed { reason: "chance".to_owned() })), [(2, End::Failed)]);
    assert_eq!(says(&mut session), []);
    hear(&mut session, &adopted(&[Some((8, 0, 3)), Some((9, 0, 3))])).unwrap();
    assert_eq!(says(&mut session), [Statement::HandBack(vec![key(8)])], "it ended while she thought about it");
    report(&mut session, 3, computed(0, 1));
    report(&mut session, 3, Outcome::Failed { reason: "chance".to_owned() });
    let heard = says(&mut session);
    assert!(matches!(&heard[..], [Statement::Output(..), Statement::Failed { .. }]), "in this order");
    assert!(!session.is_empty(), "what was output before is still valid");
    session.disconnected();
    assert!(is_free(&session));
}

#[test]
fn nothing_of_one_connection_leaks_into_the_next() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 3), (2, 0, 3)])).unwrap();
    report(&mut session, 1, Outcome::Failed { reason: "chance".to_owned() });
    report(&mut session, 2, computed(0, 1));
    session.heartbeat(&[], Worked { compressions: 1, busy_ns: 0 });
    session.disconnected();
    assert_eq!(says(&mut session), []);
    offered(&mut session, EPOCH);
    assert_eq!(says(&mut session), []);
    hear(&mut session, &adopted(&[Some((1, 0, 3))])).unwrap();
    assert_eq!(said(&mut session), [(1, 0, 1)]);
    assert!(hear(&mut session, &stored(2)).is_err(), "receipts count this connection's outputs");
}

#[test]
fn a_leaving_drone_takes_nothing_new() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 1), (2, 0, 1)])).unwrap();
    let effects = hear(&mut session, &frame_of(&ToDrone::Drain)).unwrap();
    assert!(matches!(&effects[..], [Effect::Recall]));
    let mut effects = Vec::new();
    session.hand_back(vec![Ticket(2)], &mut effects);
    assert_eq!(ends(&effects), [(2, End::HandedBack)]);
    hear(&mut session, &work(&[(3, 0, 1)])).unwrap();
    session.drain(&mut effects);
    assert_eq!(
        says(&mut session),
        [Statement::Leaving, Statement::HandBack(vec![key(2)]), Statement::HandBack(vec![key(3)])]
    );
    assert!(!session.is_said());
    assert_eq!(ends(&report(&mut session, 1, computed(0, 1))), [(1, End::Done)]);
    assert!(!session.is_said());
    said(&mut session);
    assert!(session.is_said() && !session.is_over());
    hear(&mut session, &stored(1)).unwrap();
    assert!(session.is_over());
}

#[test]
fn a_drain_before_the_answer_waits_for_it() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 1), (2, 0, 1)])).unwrap();
    session.disconnected();
    offered(&mut session, EPOCH);
    hear(&mut session, &frame_of(&ToDrone::Drain)).unwrap();
    session.hand_back(vec![Ticket(1), Ticket(2)], &mut Vec::new());
    assert_eq!(says(&mut session), []);
    assert!(!session.is_said());
    hear(&mut session, &adopted(&[Some((3, 0, 1)), None])).unwrap();
    assert_eq!(says(&mut session), [Statement::Leaving, Statement::HandBack(vec![key(3)])]);
    assert!(session.is_over());
}

#[test]
fn giving_up_hands_back_what_is_not_computed() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 4), (2, 0, 1), (3, 0, 1)])).unwrap();
    report(&mut session, 1, computed(0, 1));
    report(&mut session, 3, computed(0, 1));
    let mut effects = Vec::new();
    session.give_up(&mut effects);
    assert_eq!(ends(&effects), [(1, End::HandedBack), (2, End::HandedBack)]);
    let heard = says(&mut session);
    assert!(matches!(&heard[2..], [Statement::Leaving, Statement::HandBack(keys)] if *keys == [key(1), key(2)]));
    hear(&mut session, &stored(2)).unwrap();
    assert!(session.is_over());
}

#[test]
fn a_heartbeat_names_what_is_to_be_computed_or_said() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 4), (2, 10, 4), (3, 20, 4), (4, 30, 1), (5, 40, 1)])).unwrap();
    report(&mut session, 4, computed(30, 1));
    said(&mut session);
    report(&mut session, 1, computed(0, 2));
    report(&mut session, 5, computed(40, 1));
    let standing = |ticket, reached, begun| Standing { ticket: Ticket(ticket), reached, begun };
    session.heartbeat(
        &[standing(1, 1, true), standing(2, 13, true), standing(3, 20, false)],
        Worked { compressions: 77, busy_ns: 5 },
    );
    let Some(Message::Other(Statement::Heartbeat { progress, worked: Worked { compressions: 77, busy_ns: 5 } })) =
        session.next_message()
    else {
        panic!("it overtakes the results")
    };
    let progress: Vec<_> =
        progress.iter().map(|progress| (progress.lease.0, progress.reached, progress.begun)).collect();
    assert_eq!(progress, [(1, 2, true), (2, 13, true), (3, 20, false), (5, 41, true)]);
    session.disconnected();
    offered(&mut session, EPOCH);
    session.heartbeat(&[standing(2, 13, true)], Worked { compressions: 78, busy_ns: 6 });
    let heard = says(&mut session);
    assert!(
        matches!(&heard[..], [Statement::Heartbeat { progress, .. }] if progress.is_empty()),
        "she knows no names yet"
    );
}

#[test]
fn an_impossible_lease_fails_and_is_not_held() {
    let mut session = open();
    let none = Algorithm::Pbkdf2HmacSha256 { salt: b"", iterations: 0 };
    let effects = hear(&mut session, &work_of(&[(1, 0, 1)], EPOCH, none)).unwrap();
    assert!(matches!(&effects[..], [Effect::Failed { .. }]));
    assert!(matches!(&says(&mut session)[..], [Statement::Failed { key: failed, .. }] if *failed == key(1)));
    assert!(is_free(&session));
}

#[test]
fn a_queen_who_leases_wrongly_is_found_out() {
    let refused = |leases: &[(u64, u64, usize)]| hear(&mut open(), &work(leases)).err();
    let mut session = open();
    hear(&mut session, &work(&[(1, 0, 1)])).unwrap();
    assert_eq!(hear(&mut session, &work(&[(2, 5, 1), (1, 5, 1)])).err(), Some(Violation::Twice(1)));
    assert_eq!(session.len(), 1, "nothing of a message that is a breach is taken");
    assert_eq!(refused(&[(1, 0, 1), (1, 1, 1)]), Some(Violation::Twice(1)));
    assert_eq!(refused(&[(1, 5, 0)]), Some(Violation::Range { lease: 1, from: 5, to: 5, items: 0 }));
    assert!(matches!(refused(&[(1, u64::MAX, 1)]), Some(Violation::Range { .. })));
    let many: Vec<_> = (0..=MAX_LEASES as u64).map(|lease| (lease, 0, 1)).collect();
    assert_eq!(refused(&many), Some(Violation::TooManyLeases));
    let mut session = open();
    session.frames.add_lease(0, MAX_HELD_BYTES);
    assert_eq!(hear(&mut session, &work(&[(1, 0, 1)])).err(), Some(Violation::TooManyBytes));
    let mut session = Session::default();
    session.connected(EPOCH);
    assert_eq!(hear(&mut session, &work(&[(1, 0, 1)])).err(), Some(Violation::Early));
}

#[test]
fn a_queen_who_answers_wrongly_is_found_out_and_all_stays_held() {
    let mut session = open();
    assert_eq!(hear(&mut session, &adopted(&[])).err(), Some(Violation::Unasked));
    hear(&mut session, &work(&[(1, 5, 5), (2, 0, 1)])).unwrap();
    let all = [(1, 1, 5, 10), (2, 1, 0, 1)];
    let wrong = [
        (vec![None], Violation::Answers { answers: 1, offered: 2 }),
        (vec![None, None, None], Violation::Answers { answers: 3, offered: 2 }),
        (vec![None, Some((3, 0, 2))], Violation::Adoption { lease: 3, from: 0, to: 2 }),
        (vec![Some((3, 4, 10)), None], Violation::Adoption { lease: 3, from: 4, to: 10 }),
        (vec![Some((3, 7, 7)), None], Violation::Adoption { lease: 3, from: 7, to: 7 }),
        (vec![Some((3, 5, 10)), Some((3, 0, 1))], Violation::Twice(3)),
    ];
    for (answers, violation) in wrong {
        session.disconnected();
        assert_eq!(offered(&mut session, EPOCH), all);
        assert_eq!(hear(&mut session, &adopted(&answers)).err(), Some(violation));
    }
    session.disconnected();
    assert_eq!(offered(&mut session, EPOCH), all);
    assert_eq!(hear(&mut session, &stored(1)).err(), Some(Violation::Receipt { stored: 1, sent: 0 }));
}

#[test]
fn without_room_no_reports_are_taken() {
    let (mut session, items) = (open(), 16_384);
    let leases = (1..).take_while(|lease| {
        hear(&mut session, &work(&[(*lease, 0, items)])).unwrap();
        report(&mut session, *lease, computed(0, items as u64));
        session.takes_reports()
    });
    let leases = leases.count() as u64 + 1;
    assert!((MAX_KEPT_BYTES..MAX_KEPT_BYTES + (2 << 20)).contains(&session.kept_bytes()));
    session.disconnected();
    assert!(!session.takes_reports());
    offered(&mut session, EPOCH);
    let answers: Vec<_> = (0..leases).map(|at| (at > 0).then_some((1_000 + at, 0, items as u64))).collect();
    hear(&mut session, &adopted(&answers)).unwrap();
    assert!(session.takes_reports());
    let mut outputs = 0;
    while session.has_messages() {
        outputs += said(&mut session).len() as u64;
        hear(&mut session, &stored(outputs)).unwrap();
    }
    assert!(is_free(&session));
}

#[test]
fn long_results_wait_while_much_is_not_stored() {
    let (mut session, items) = (open(), 16_384);
    for lease in 1..=10 {
        hear(&mut session, &work(&[(lease, 0, items)])).unwrap();
        report(&mut session, lease, computed(0, items as u64));
    }
    let leases = |session: &mut Session| said(session).into_iter().map(|(lease, ..)| lease).collect::<Vec<_>>();
    assert_eq!(leases(&mut session), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(!session.has_messages());
    // A word does not wait, nor does anybody for it.
    hear(&mut session, &work(&[(11, 0, 1)])).unwrap();
    report(&mut session, 11, computed(0, 1));
    assert!(session.has_messages());
    assert_eq!(leases(&mut session), [11]);
    hear(&mut session, &stored(1)).unwrap();
    assert_eq!(leases(&mut session), [9]);
    // On a new connection neither.
    session.disconnected();
    offered(&mut session, EPOCH);
    let again: Vec<_> = (2..=11).map(|lease| Some((lease, 0, if lease == 11 { 1 } else { items as u64 }))).collect();
    hear(&mut session, &adopted(&again)).unwrap();
    assert_eq!(leases(&mut session), [11, 2, 3, 4, 5, 6, 7, 8, 9]);
    // Who leaves says all there is.
    session.drain(&mut Vec::new());
    assert_eq!(leases(&mut session), [10]);
    hear(&mut session, &stored(10)).unwrap();
    assert!(is_free(&session));
}

#[test]
fn results_are_cut_into_parts_that_the_queen_takes() {
    let mut session = open();
    hear(&mut session, &work(&[(1, 5, 40_000)])).unwrap();
    report(&mut session, 1, computed(5, 40_000));
    assert_eq!(said(&mut session), [(1, 5, 16_389), (1, 16_389, 32_773), (1, 32_773, 40_005)]);
    // All of them are one lease.
    hear(&mut session, &stored(2)).unwrap();
    session.disconnected();
    assert_eq!(offered(&mut session, EPOCH), [(1, 1, 32_773, 40_005)]);
}
