//! A whole Drone that searches for a scripted Queen, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, reason = "the scripted Queen can do more than is asked of her here")]

mod queen;
#[path = "../src/kernel/tests/reference.rs"]
mod reference;

use std::collections::BTreeSet;

use wire::ids::{Instance, LeaseId, TaskId};
use wire::material::MaterialId;
use wire::message::{Lease, ToDrone};
use wire::sieve::{DigestOrder, START, Sieve, Values, Word};
use wire::space::{Candidates, CounterFormat};
use wire::work::{Algorithm, Chunk, SearchChunk};

use queen::{EPOCH, Heard, Queen, start};

/// So long that no test meets it, in milliseconds: a day.
const CALM: u32 = 24 * 60 * 60 * 1000;

/// Decimal numbers from 0 on behind `hive`.
fn numbers(items: u64, sieve: Sieve<'_>) -> SearchChunk<'_> {
    let candidates = Candidates::Counter { from: 0, format: CounterFormat::Decimal };
    let algorithm = Algorithm::Sha256;
    SearchChunk { algorithm, candidates, first: 0, items, prefix: b"hive", suffix: b"", sieve }
}

fn digest(number: u64) -> [u8; 32] {
    reference::digest(Algorithm::Sha256, format!("hive{number}").as_bytes())
}

async fn lease(queen: &mut Queen, id: u64, from: u64, chunk: SearchChunk<'_>) {
    lease_with(queen, id, from, chunk, None).await;
}

async fn lease_with(queen: &mut Queen, id: u64, from: u64, chunk: SearchChunk<'_>, material: Option<MaterialId>) {
    let lease = Lease {
        id: LeaseId(id),
        epoch: EPOCH,
        task: TaskId(1),
        instance: Instance([7; 16]),
        priority: 0,
        rank: id,
        from,
        to: from + chunk.items,
        material,
        chunk: Chunk::Search(chunk),
    };
    queen.say(&ToDrone::Work { leases: vec![lease].into() }).await;
}

/// The marks of a lease, whose parts must come in order and whole.
async fn marks(queen: &mut Queen, id: u64, range: std::ops::Range<u64>) -> Vec<u64> {
    let (mut all, mut next) = (Vec::new(), range.start);
    while next < range.end {
        let Some(Heard::Marks { lease, from, to, marks }) = queen.hear_work().await else {
            panic!("lease {id} has no further output")
        };
        assert_eq!((lease, from), (id, next));
        next = to;
        all.extend(marks);
    }
    assert_eq!(next, range.end);
    all
}

#[tokio::test]
async fn marks_come_as_indices_of_the_task_and_none_is_an_answer_too() {
    let (listener, drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, CALM, CALM).await;
    let value = Word::Inner.value(&digest(777), &START).to_le_bytes();
    let sieve =
        |bits| Sieve::Targets { word: Word::Inner, bits, values: Values::new(std::slice::from_ref(&value)).unwrap() };
    lease(&mut queen, 1, 5_000, numbers(1_000, sieve(64))).await;
    assert_eq!(marks(&mut queen, 1, 5_000..6_000).await, [5_777]);
    lease(&mut queen, 2, 5_000, numbers(777, sieve(64))).await;
    assert!(marks(&mut queen, 2, 5_000..5_777).await.is_empty());
    let values: BTreeSet<u64> = (0..1_000).map(|number| Word::Inner.value(&digest(7 * number), &START)).collect();
    let values: Vec<u8> = values.into_iter().flat_map(u64::to_le_bytes).collect();
    let material = Some(queen.send_material(&values).await);
    let sieve = Sieve::Targets { word: Word::Inner, bits: 64, values: Values::known(&[]) };
    lease_with(&mut queen, 3, 0, numbers(1_000, sieve), material).await;
    assert!(marks(&mut queen, 3, 0..1_000).await.into_iter().eq((0..1_000).step_by(7)));
    drone.shutdown.drain.cancel();
    assert_eq!(queen.hear_work().await, Some(Heard::Leaving));
    assert_eq!(queen.hear_work().await, None);
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_hit_is_told_at_once_and_a_shrunk_search_ends() {
    let (listener, drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, CALM, CALM).await;
    let top = |number: u64| u64::from_be_bytes(*digest(number).first_chunk().unwrap());
    let first = (0..).find(|number| top(*number) < 1 << 48).unwrap();
    let mut last = [0xff; 32];
    last[..2].fill(0);
    let sieve = Sieve::Interval { order: DigestOrder::Big, marks: (0, (1 << 52) - 1), hits: ([0; 32], last) };
    // It would take weeks.
    lease(&mut queen, 1, 0, numbers(1 << 45, sieve)).await;
    let Some(Heard::Marks { lease: 1, from: 0, to, marks }) = queen.hear_work().await else {
        panic!("there is a hit soon")
    };
    assert!(to > first && marks.contains(&first), "{to}");
    assert!(marks.iter().copied().eq((0..to).filter(|number| top(*number) < 1 << 52)));
    queen.say(&ToDrone::Shrink { lease: LeaseId(1), epoch: EPOCH, end: to }).await;
    drone.shutdown.drain.cancel();
    // Parts that were on their way may come before.
    loop {
        match queen.hear_work().await {
            Some(Heard::Marks { .. } | Heard::Leaving) => {}
            None => break,
            other => panic!("{other:?}"),
        }
    }
    drone.running.await.unwrap().unwrap();
}
