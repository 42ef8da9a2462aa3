//! Material, which is sent once and named by many leases.

use proptest::prelude::*;
use wire::material::{KeptMaterial, MAX_PIECE, MaterialId};

use super::*;

/// Material of so many bytes, all of them the same.
fn material(byte: u8, bytes: usize) -> Vec<u8> {
    vec![byte; bytes]
}

fn id_of(byte: u8, bytes: usize) -> MaterialId {
    MaterialId::of(&material(byte, bytes))
}

fn piece(id: MaterialId, total: usize, offset: usize, bytes: &[u8]) -> Bytes {
    frame_of(&ToDrone::Material { id, total: total as u64, offset: offset as u64, bytes })
}

/// The Queen sends all of it.
fn send(session: &mut Session, byte: u8, bytes: usize) -> Result<MaterialId, Violation> {
    let (all, id) = (material(byte, bytes), id_of(byte, bytes));
    for (at, part) in all.chunks(MAX_PIECE).enumerate() {
        hear(session, &piece(id, bytes, at * MAX_PIECE, part))?;
    }
    Ok(id)
}

fn forget(session: &mut Session, id: MaterialId) -> Result<(), Violation> {
    hear(session, &frame_of(&ToDrone::Forget { id })).map(drop)
}

/// Leases an item under a key that is material.
fn lease(session: &mut Session, number: u64, id: MaterialId) -> Result<(), Violation> {
    lease_of(session, number, id, Algorithm::HmacSha256 { key: b"" }).map(drop)
}

fn lease_of(
    session: &mut Session,
    number: u64,
    id: MaterialId,
    algorithm: Algorithm<'_>,
) -> Result<Vec<Effect>, Violation> {
    let plain = work_of(&[(number, 0, 1)], session.link.as_ref().unwrap().epoch(), algorithm);
    let ToDrone::Work { leases } = wire::frame::decode(&plain).unwrap() else { panic!("it is work") };
    let leases = leases.0.into_iter().map(|lease| Lease { material: Some(id), ..lease });
    hear(session, &frame_of(&ToDrone::Work { leases: List(leases.collect()) }))
}

/// What is offered of material on a new connection, which the Queen answers with what is wanted.
fn reconnect(session: &mut Session, answers: &[Option<(u64, u64, u64)>]) -> Vec<KeptMaterial> {
    session.disconnected();
    session.connected(EPOCH);
    let Some(Message::Other(Statement::Offer(_, kept))) = session.next_message() else { panic!("an offer") };
    hear(session, &adopted(answers)).unwrap();
    kept
}

/// Bytes of material that may be named, and of frames and material that leases need.
fn taken(session: &Session) -> (u64, usize) {
    (session.materials.bytes(), session.frames.bytes())
}

#[test]
fn material_stays_for_leases_to_come_until_it_is_forgotten() {
    let mut session = open();
    let id = send(&mut session, 1, 600_000).unwrap();
    lease(&mut session, 1, id).unwrap();
    report(&mut session, 1, computed(0, 1));
    assert_eq!(taken(&session), (600_000, 0));
    lease(&mut session, 2, id).unwrap();
    lease(&mut session, 3, id).unwrap();
    let (_, frames) = taken(&session);
    assert!((600_000..601_000).contains(&frames), "it counts once: {frames}");
    report(&mut session, 2, computed(0, 1));
    report(&mut session, 3, computed(0, 1));
    forget(&mut session, id).unwrap();
    assert_eq!(taken(&session), (0, 0));
    assert_eq!(lease(&mut session, 4, id), Err(Violation::Unknown(id)));
    assert_eq!(forget(&mut session, id), Err(Violation::Unknown(id)));
}

#[test]
fn what_leases_need_outlives_the_connection_and_is_offered() {
    let mut session = open();
    let needed = send(&mut session, 1, 2_000).unwrap();
    let other = send(&mut session, 2, 3_000).unwrap();
    lease(&mut session, 1, needed).unwrap();
    lease(&mut session, 2, other).unwrap();
    report(&mut session, 2, computed(0, 1));
    // What had only begun to come is gone with the connection.
    hear(&mut session, &piece(id_of(3, 5_000), 5_000, 0, &[3; 1_000])).unwrap();
    let kept = reconnect(&mut session, &[Some((7, 0, 1)), Some((8, 0, 1))]);
    assert_eq!(kept, [KeptMaterial { id: needed, bytes: 2_000 }]);
    assert_eq!(lease(&mut session, 9, other), Err(Violation::Unknown(other)));
    lease(&mut session, 10, needed).unwrap();
    send(&mut session, 3, 5_000).unwrap();
    report(&mut session, 3, computed(0, 1));
    session.disconnected();
    assert_eq!(session.materials.bytes(), 2_000);
    report(&mut session, 1, computed(0, 1));
    assert_eq!(taken(&session), (0, 0), "the last lease that needed it was computed");
}

#[test]
fn a_lease_goes_on_with_what_was_forgotten_and_it_is_not_kept_twice() {
    let mut session = open();
    let id = send(&mut session, 1, 9_000).unwrap();
    lease(&mut session, 1, id).unwrap();
    let (_, frames) = taken(&session);
    forget(&mut session, id).unwrap();
    assert_eq!(taken(&session), (0, frames));
    send(&mut session, 1, 9_000).unwrap();
    lease(&mut session, 2, id).unwrap();
    let (kept, both) = taken(&session);
    assert!(kept == 9_000 && both < frames + 1_000, "{both}");
    forget(&mut session, id).unwrap();
    report(&mut session, 1, computed(0, 1));
    report(&mut session, 2, computed(0, 1));
    assert_eq!(taken(&session), (0, 0));
}

#[test]
fn leases_come_between_pieces() {
    let mut session = open();
    let (all, id) = (material(5, MAX_PIECE + 1), id_of(5, MAX_PIECE + 1));
    hear(&mut session, &piece(id, all.len(), 0, &all[..MAX_PIECE])).unwrap();
    hear(&mut session, &work(&[(1, 0, 1)])).unwrap();
    assert_eq!(lease(&mut session, 2, id), Err(Violation::Unknown(id)), "it is not whole yet");
    hear(&mut session, &piece(id, all.len(), MAX_PIECE, &[5])).unwrap();
    lease(&mut session, 2, id).unwrap();
    assert_eq!(session.computing(), 2);
}

#[test]
fn material_that_stands_for_nothing_fails_the_lease() {
    let mut session = open();
    let id = send(&mut session, 1, 2_000).unwrap();
    for (number, algorithm) in (1..).zip([Algorithm::Sha256, Algorithm::HmacSha256 { key: b"another" }]) {
        let effects = lease_of(&mut session, number, id, algorithm).unwrap();
        assert!(matches!(&effects[..], [Effect::Failed { .. }]));
    }
    assert_eq!(taken(&session), (2_000, 0));
}

#[test]
fn a_queen_who_sends_wrong_material_is_found_out() {
    let id = id_of(1, 2_000);
    let wrong = |offset, next| Some(Violation::Piece { id, offset, next });
    let refused = |pieces: &[(usize, usize, usize)]| {
        let mut session = open();
        pieces.iter().find_map(|(total, offset, bytes)| {
            hear(&mut session, &piece(id, *total, *offset, &material(1, *bytes))).err()
        })
    };
    assert_eq!(refused(&[(2_000, 0, 1_000), (2_000, 1_000, 1_000)]), None);
    assert_eq!(refused(&[(2_000, 1, 1_000)]), wrong(1, 0), "it begins elsewhere");
    assert_eq!(refused(&[(2_000, 0, 1_000), (2_000, 0, 1_000)]), wrong(0, 1_000), "again");
    assert_eq!(refused(&[(2_000, 0, 1_000), (2_000, 999, 1)]), wrong(999, 1_000));
    assert_eq!(refused(&[(2_000, 0, 1_000), (2_000, 1_000, 1_001)]), wrong(1_000, 1_000), "beyond the end");
    assert_eq!(refused(&[(2_000, 0, 1_000), (3_000, 1_000, 1_000)]), wrong(1_000, 1_000), "another length");
    assert_eq!(refused(&[(2_000, 0, 0)]), wrong(0, 0), "nothing");
    assert_eq!(refused(&[(0, 0, 0)]), wrong(0, 0));
    assert_eq!(refused(&[(2 * MAX_PIECE, 0, MAX_PIECE + 1)]), wrong(0, 0), "a long piece");
    assert_eq!(refused(&[(2_000, 0, 2_000), (2_000, 0, 2_000)]), wrong(0, 0), "it is there");
    assert_eq!(refused(&[(MAX_MATERIAL_BYTES + 1, 0, 1)]), Some(Violation::TooMuchMaterial));
    assert_eq!(refused(&[(1_999, 0, 1_999)]), Some(Violation::Digest(id)));

    let mut session = open();
    hear(&mut session, &piece(id, 2_000, 0, &[1; 10])).unwrap();
    let other = id_of(2, 10);
    let mixed = Violation::Piece { id: other, offset: 0, next: 10 };
    assert_eq!(hear(&mut session, &piece(other, 10, 0, &[2; 10])).err(), Some(mixed), "two at once");

    let mut session = open();
    send(&mut session, 1, MAX_MATERIAL_BYTES - 1_000).unwrap();
    assert_eq!(send(&mut session, 2, 1_001), Err(Violation::TooMuchMaterial));
    send(&mut session, 2, 1_000).unwrap();

    let mut session = Session::default();
    session.connected(EPOCH);
    assert_eq!(send(&mut session, 1, 10), Err(Violation::Early));
    assert_eq!(forget(&mut session, id), Err(Violation::Early));
}

#[test]
fn there_is_no_more_than_an_offer_lists() {
    let mut session = open();
    let of = |number: usize| (number as u64).to_le_bytes();
    let send =
        |session: &mut Session, number| hear(session, &piece(MaterialId::of(&of(number)), 8, 0, &of(number))).map(drop);
    (0..wire::material::MAX_KEPT).for_each(|number| send(&mut session, number).unwrap());
    assert_eq!(send(&mut session, wire::material::MAX_KEPT), Err(Violation::TooMuchMaterial));
}

#[test]
fn what_leases_need_of_material_counts_with_their_frames() {
    let mut session = open();
    let id = send(&mut session, 1, 1 << 20).unwrap();
    session.frames.add_lease(u64::MAX, MAX_HELD_BYTES - (1 << 20));
    assert_eq!(lease(&mut session, 1, id), Err(Violation::TooManyBytes));
    hear(&mut session, &work(&[(1, 0, 1)])).unwrap();
}

/// What may happen to material of a few kinds, by their number.
#[derive(Debug, Clone)]
enum Happening {
    Send(u8),
    Forget(u8),
    Lease(u8),
    Compute(u64),
    Reconnect,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0..4_u8).prop_map(Happening::Send),
        3 => (0..4_u8).prop_map(Happening::Forget),
        6 => (0..4_u8).prop_map(Happening::Lease),
        6 => (1..40_u64).prop_map(Happening::Compute),
        1 => Just(Happening::Reconnect),
    ]
}

/// Bytes of the material of each kind.
fn length(kind: u8) -> usize {
    10_000 * (1 + usize::from(kind))
}

proptest! {
    #[test]
    fn leases_have_their_material_and_none_is_left(happenings in prop::collection::vec(happening(), 1..60)) {
        let mut session = open();
        // What may be named, and the kind of each lease that is computed, by its ticket.
        let (mut shelf, mut leases, mut names) = ([false; 4], std::collections::BTreeMap::new(), 0);
        for happening in happenings {
            match happening {
                Happening::Send(kind) => {
                    let sent = send(&mut session, kind, length(kind));
                    prop_assert_eq!(sent.is_ok(), !shelf[usize::from(kind)]);
                    shelf[usize::from(kind)] = true;
                }
                Happening::Forget(kind) => {
                    let was_there = std::mem::replace(&mut shelf[usize::from(kind)], false);
                    prop_assert_eq!(forget(&mut session, id_of(kind, length(kind))).is_ok(), was_there);
                }
                Happening::Lease(kind) => {
                    names += 1;
                    let leased = lease(&mut session, names, id_of(kind, length(kind)));
                    prop_assert_eq!(leased.is_ok(), shelf[usize::from(kind)]);
                    if leased.is_ok() {
                        leases.insert(session.tickets, kind);
                    }
                }
                Happening::Compute(ticket) => {
                    report(&mut session, ticket, computed(0, 1));
                    leases.remove(&ticket);
                }
                Happening::Reconnect => {
                    let answers: Vec<_> = session.held.keys().map(|ticket| Some((1_000 + ticket.0, 0, 1))).collect();
                    names += 2_000;
                    let kept = reconnect(&mut session, &answers);
                    let kinds: std::collections::BTreeSet<u8> = leases.values().copied().collect();
                    (0..4).for_each(|kind| shelf[usize::from(kind)] &= kinds.contains(&kind));
                    let expected = (0..4).filter(|kind| shelf[usize::from(*kind)]).map(|kind| length(kind) as u64);
                    let sum: u64 = kept.iter().map(|kept| kept.bytes).sum();
                    prop_assert_eq!(sum, expected.sum::<u64>());
                }
            }
            let named: usize = (0..4).filter(|kind| shelf[usize::from(*kind)]).map(length).sum();
            let kinds: std::collections::BTreeSet<u8> = leases.values().copied().collect();
            let needed: usize = kinds.into_iter().map(length).sum();
            let (kept, frames) = taken(&session);
            prop_assert_eq!(kept, named as u64);
            prop_assert!((needed..=needed + 200 * leases.len()).contains(&frames), "{} of {}", frames, needed);
        }
        (1..=session.tickets).for_each(|ticket| drop(report(&mut session, ticket, computed(0, 1))));
        session.disconnected();
        prop_assert_eq!(taken(&session), (0, 0));
    }
}
