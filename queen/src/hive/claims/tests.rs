use web::model::Verify;
use wire::ids::LeaseId;

use super::*;
use crate::store::testing::{DIGEST, terms};
use crate::work::{Inputs, Piece, Terms};

const TASK: TaskId = TaskId(1);
const ONE: DroneId = DroneId(1);
const OTHER: DroneId = DroneId(2);

fn digests(range: Range<u64>) -> Bytes {
    range.flat_map(|index| [index as u8; DIGEST]).collect()
}

fn claims(limit: u64) -> (Claims, Arc<Budget>) {
    let memory = Budget::new(limit);
    (Claims::new(Arc::clone(&memory), 1), memory)
}

fn put(claims: &mut Claims, drone: DroneId, range: Range<u64>) {
    let bytes = digests(range.clone());
    let room = claims.reserve(bytes.len()).unwrap();
    claims.put(TASK, Claim { drone, piece: Piece { range, bytes }, room });
}

#[test]
fn results_are_judged_by_what_others_gave() {
    let (mut claims, _memory) = claims(1 << 20);
    put(&mut claims, ONE, 10..20);
    put(&mut claims, OTHER, 20..30);
    let judge = |drone, range, bytes: &Bytes| claims.judge(TASK, drone, &Piece { range, bytes: bytes.clone() });
    assert_eq!(judge(OTHER, 5..25, &digests(5..25)), (ClaimVerdict::New, 5));
    assert_eq!(judge(OTHER, 12..25, &digests(12..25)), (ClaimVerdict::Agreed(ONE), 8));
    assert_eq!(judge(OTHER, 20..25, &digests(20..25)), (ClaimVerdict::New, 5), "nobody confirms himself");
    assert_eq!(judge(ONE, 20..40, &digests(20..40)), (ClaimVerdict::Agreed(OTHER), 10));
    assert_eq!(judge(ONE, 30..40, &digests(30..40)), (ClaimVerdict::New, 10));
    let mut wrong = digests(10..20).to_vec();
    wrong[2 * DIGEST..4 * DIGEST].fill(0xBE);
    let wrong = Bytes::from(wrong);
    assert_eq!(judge(OTHER, 10..20, &wrong), (ClaimVerdict::Agreed(ONE), 2));
    let differs = ClaimVerdict::Differs(ONE, digests(12..13));
    assert_eq!(judge(OTHER, 12..20, &wrong.slice(2 * DIGEST..)), (differs, 2));
    let differs = ClaimVerdict::Differs(ONE, digests(12..13));
    assert_eq!(judge(ONE, 12..20, &wrong.slice(2 * DIGEST..)), (differs, 2), "nor does he contradict himself");
    assert!(claims.are_of_others(TASK, DroneId(3), &(10..30)) && claims.are_of_others(TASK, ONE, &(25..30)));
    assert!(!claims.are_of_others(TASK, ONE, &(15..25)) && !claims.are_of_others(TASK, OTHER, &(9..20)));
}

#[test]
fn claims_take_memory_and_give_it_back() {
    let room = CLAIM + 10 * DIGEST as u64;
    let (mut claims, memory) = claims(SHARE_DIVISOR * 2 * room);
    put(&mut claims, ONE, 0..10);
    put(&mut claims, OTHER, 10..20);
    assert!(claims.reserve(DIGEST).is_none(), "there is room for two");
    assert_eq!(memory.used(), 2 * room);
    claims.remove(TASK, &(2..4));
    claims.remove(TASK, &(6..15));
    assert!([0, 4, 15].iter().all(|index| claims.around(TASK, *index).is_some()));
    assert!([2, 3, 6, 9, 10, 14, 20].iter().all(|index| claims.around(TASK, *index).is_none()));
    assert_eq!(memory.used(), 2 * room, "parts keep what they are parts of");
    claims.forget_of(ONE);
    assert_eq!(memory.used(), room);
    claims.forget(TASK);
    assert_eq!((memory.used(), claims.by_task.len()), (0, 0));
}

/// Something for the Queen to compute.
fn own_check(priority: i8, first: u64) -> OwnCheck {
    let terms = Terms { priority, verify: Verify::All, ..terms() };
    let job = Job { task: TASK, terms: Arc::new(terms), inputs: Inputs::Small([].into()) };
    let range = first..first + 1;
    let bytes = digests(range.clone());
    let part = Arrival::new(LeaseId(1), Piece { range, bytes }, std::time::Duration::ZERO);
    OwnCheck { job, drone: ONE, part }
}

#[test]
fn the_queen_computes_the_most_urgent_first() {
    let (mut claims, _memory) = claims(1 << 20);
    assert!(!claims.begin(), "there is nothing");
    for (priority, first) in [(0, 1), (5, 2), (-5, 3), (5, 4), (0, 5)] {
        claims.add_own_check(own_check(priority, first));
    }
    assert!(claims.begin());
    assert!(!claims.begin(), "she computes one range at a time here");
    let order = claims.own_checks.into_values().map(|check| check.part.piece.range.start);
    assert_eq!(order.collect::<Vec<_>>(), [2, 4, 1, 5, 3]);
}
