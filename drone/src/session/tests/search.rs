//! Searches, whose parts say how far they cover apart from what was found.

use wire::sieve::{DigestOrder, Marks, Sieve, write_marks};
use wire::space::Candidates;
use wire::work::SearchChunk;

use super::*;

/// A lease of a search: number, first index, items.
fn search((id, from, items): (u64, u64, u64)) -> Bytes {
    let sets: BlobBuf = std::iter::repeat_n(LETTERS, 12).collect();
    let interval = Sieve::Interval { order: DigestOrder::Big, marks: (0, 0), hits: ([0; 32], [0; 32]) };
    let chunk = SearchChunk {
        algorithm: Algorithm::Sha256,
        candidates: Candidates::Mask(sets.as_blob()),
        first: 0,
        items,
        prefix: b"",
        suffix: b"",
        sieve: interval,
    };
    let (task, instance, chunk) = (TaskId(1), Instance([0; 16]), Chunk::Search(chunk));
    let id = LeaseId(id);
    let lease =
        Lease { id, epoch: EPOCH, task, instance, priority: 0, rank: 0, from, to: from + items, material: None, chunk };
    frame_of(&ToDrone::Work { leases: List(vec![lease]) })
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// Items that were searched from index `from` on, and the marks among them, as indices.
fn searched(from: u64, items: u64, marks: impl IntoIterator<Item = u64>) -> Outcome {
    let mut bytes = Vec::new();
    write_marks(marks.into_iter().map(|mark| mark - from), &mut bytes);
    Outcome::Output { from, output: Output::Marks { items, marks: bytes.into() }, spent_ns: 1_000 }
}

/// First index, end and marks of each output that is sent now.
fn said_marks(session: &mut Session) -> Vec<(u64, u64, Vec<u64>)> {
    let part = |say| match say {
        Statement::Output(_, Part { from, output: Output::Marks { items, marks }, .. }) => {
            let marks = Marks::parse(&marks, items).unwrap().iter().map(|mark| from + mark).collect();
            (from, from + items, marks)
        }
        other => panic!("{other:?}"),
    };
    says(session).into_iter().map(part).collect()
}

#[test]
fn a_search_says_how_far_it_came_whatever_it_found() {
    let mut session = open();
    assert!(matches!(hear(&mut session, &search((1, 100, 1_000))).unwrap()[..], [Effect::Start { .. }]));
    report(&mut session, 1, searched(100, 200, []));
    report(&mut session, 1, searched(300, 500, [300, 555, 799]));
    assert_eq!(said_marks(&mut session), [(100, 300, vec![]), (300, 800, vec![300, 555, 799])]);
    // What is beyond the new end is not said any more, on a new connection neither.
    assert!(shrink(&mut session, 1, 700).iter().any(|effect| matches!(effect, Effect::Shrink { end: 700, .. })));
    session.disconnected();
    assert_eq!(offered(&mut session, EPOCH), [(1, 1, 100, 700)]);
    let effects = hear(&mut session, &adopted(&[Some((2, 150, 600))])).unwrap();
    assert_eq!(ends(&effects), []);
    assert_eq!(said_marks(&mut session), [(150, 300, vec![]), (300, 600, vec![300, 555])]);
    hear(&mut session, &stored(2)).unwrap();
    assert!(is_free(&session));
}

#[test]
fn a_search_within_its_lease_goes_on_behind_a_shrink() {
    let mut session = open();
    hear(&mut session, &search((1, 0, 1_000))).unwrap();
    shrink(&mut session, 1, 700);
    report(&mut session, 1, searched(0, 400, [5]));
    assert_eq!(ends(&report(&mut session, 1, searched(400, 600, [450, 650, 700, 999]))), [(1, End::Done)]);
    assert_eq!(said_marks(&mut session), [(0, 400, vec![5]), (400, 700, vec![450, 650])]);
}

#[test]
fn marks_are_cut_into_parts_that_the_queen_takes() {
    let mut session = open();
    let items = 3 << 19;
    hear(&mut session, &search((1, 0, items))).unwrap();
    // All are marks behind many that are none.
    report(&mut session, 1, searched(0, items, 1 << 19..items));
    let parts = said_marks(&mut session);
    let ranges: Vec<_> = parts.iter().map(|(from, to, _)| (*from, *to)).collect();
    // The first mark of the first part takes three bytes.
    assert_eq!(ranges, [(0, (1 << 20) - 2), ((1 << 20) - 2, items - 2), (items - 2, items)]);
    assert!(parts.into_iter().flat_map(|(_, _, marks)| marks).eq(1 << 19..items));
}
