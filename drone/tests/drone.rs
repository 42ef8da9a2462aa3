//! A whole Drone against a scripted Queen, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod queen;
#[path = "../src/kernel/tests/reference.rs"]
mod reference;

use tokio::net::TcpListener;
use wire::ids::LeaseId;
use wire::message::ToDrone;
use wire::preface::VERSION;
use wire::work::{Algorithm, Class, Kind};

use queen::{EPOCH, Heard, Queen, TestChunk, TestDrone, accept, start};

/// So long that no test meets it, in milliseconds: a day.
const CALM: u32 = 24 * 60 * 60 * 1000;

/// Never done while a test lasts.
const LONG: Algorithm<'_> = Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: u32::MAX };

/// Some milliseconds for each word.
const STRETCHED: Algorithm<'_> = Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: 20_000 };

async fn start_and_welcome(threads: usize) -> (TcpListener, TestDrone, Queen) {
    let (listener, drone) = start(threads).await;
    let (queen, _) = Queen::welcome(&listener, CALM, CALM).await;
    (listener, drone, queen)
}

fn words(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("word {number}").into_bytes()).collect()
}

fn right(algorithm: Algorithm<'_>, inputs: &[Vec<u8>]) -> Vec<u8> {
    inputs.iter().flat_map(|input| reference::digest(algorithm, input)).collect()
}

fn sha256(inputs: &[Vec<u8>]) -> Vec<u8> {
    right(Algorithm::Sha256, inputs)
}

fn stretched(inputs: &[Vec<u8>]) -> Vec<u8> {
    right(STRETCHED, inputs)
}

/// Waits until the first lease was begun.
async fn begun(queen: &mut Queen) {
    loop {
        if let Some(Heard::Heartbeat { progress, .. }) = queen.hear().await
            && progress.first().is_some_and(|progress| progress.begun)
        {
            return;
        }
    }
}

/// Waits for a heartbeat that fulfils the condition.
async fn heartbeat(queen: &mut Queen, wanted: impl Fn(&[(u64, u64)]) -> bool) {
    loop {
        if let Some(Heard::Heartbeat { progress, .. }) = queen.hear().await {
            let reached: Vec<_> = progress.iter().map(|progress| (progress.lease.0, progress.reached)).collect();
            if wanted(&reached) {
                return;
            }
        }
    }
}

/// Hears the Drone give `queued` back, finish lease 1, which is of stretched words, and leave.
async fn leaves(mut queen: Queen, drone: TestDrone, queued: &[u64]) {
    let (mut messages, mut digests) = (Vec::new(), Vec::new());
    while let Some(heard) = queen.hear_work().await {
        match heard {
            Heard::Output { lease: 1, digests: part, .. } => digests.extend(part),
            other => messages.push(other),
        }
        if messages.len() == 2 {
            // Enough: the running lease need not last for minutes.
            queen.say(&ToDrone::Shrink { lease: LeaseId(1), epoch: EPOCH, end: 2 }).await;
        }
    }
    assert_eq!(messages, [Heard::Leaving, Heard::HandBack(queued.to_vec())]);
    let right = words(digests.len() / 32);
    assert!(right.len() >= 2);
    assert!(stretched(&right) == digests);
    drop(queen);
    drone.running.await.unwrap().unwrap();
}

/// Leaves at once between its offer and the answer, holding these leases that are long.
async fn leaves_unanswered(leases: &[u64]) {
    let (listener, drone, mut queen) = start_and_welcome(1).await;
    let chunks: Vec<_> = leases.iter().map(|id| TestChunk::new(*id, LONG, words(1))).collect();
    queen.lease(&chunks).await;
    drop(queen);
    let (mut queen, _) = Queen::greeted(&listener, CALM, CALM).await;
    let offer = queen.offer().await;
    drone.shutdown.now.cancel();
    // So that it is about to leave when the answer comes; it is right in any order.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let answers: Vec<_> = offer.iter().map(|(lease, from, to)| Some((lease + 100, *from, *to))).collect();
    queen.adopt(&answers).await;
    assert_eq!(queen.hear_work().await, Some(Heard::Leaving));
    if !offer.is_empty() {
        let given_back = offer.iter().map(|(lease, ..)| lease + 100).collect();
        assert_eq!(queen.hear_work().await, Some(Heard::HandBack(given_back)));
    }
    assert_eq!(queen.hear_work().await, None);
    drop(queen);
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_leaves_before_its_offer_is_answered_says_so() {
    leaves_unanswered(&[]).await;
    leaves_unanswered(&[1, 2, 3]).await;
}

/// Whether `count` words of lease 1 are computed, or all of them, which are reported no more.
fn is_beyond(reached: &[(u64, u64)], count: u64) -> bool {
    reached.iter().all(|(lease, reached)| *lease != 1 || *reached >= count)
}

#[tokio::test]
async fn every_algorithm_is_right() {
    let (_listener, drone, mut queen) = start_and_welcome(2).await;
    let inputs = words(500);
    let algorithms = [
        Algorithm::Sha256,
        Algorithm::Sha256d,
        Algorithm::HmacSha256 { key: b"key" },
        Algorithm::Pbkdf2HmacSha256 { salt: b"salt", iterations: 5 },
    ];
    for (id, algorithm) in (1..).zip(algorithms) {
        let chunk = TestChunk { from: 1_000, ..TestChunk::new(id, algorithm, inputs.clone()) };
        queen.lease(&[chunk]).await;
        assert!(queen.digests(id, 1_000..1_500).await == right(algorithm, &inputs), "{algorithm:?}");
    }
    drone.shutdown.drain.cancel();
    assert_eq!(queen.hear_work().await, Some(Heard::Leaving));
    assert_eq!(queen.hear_work().await, None);
    drop(queen);
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_material_is_as_good_as_in_the_lease() {
    let (_listener, drone, mut queen) = start_and_welcome(2).await;
    let (inputs, secret) = (words(50), vec![b'k'; 600_000]);
    let id = queen.send_material(&secret).await;
    let algorithms = [
        (Algorithm::HmacSha256 { key: b"" }, Algorithm::HmacSha256 { key: &secret }),
        (
            Algorithm::Pbkdf2HmacSha256 { salt: b"", iterations: 2 },
            Algorithm::Pbkdf2HmacSha256 { salt: &secret, iterations: 2 },
        ),
    ];
    for (lease, (named, whole)) in (1..).zip(algorithms) {
        queen.lease(&[TestChunk { material: Some(id), ..TestChunk::new(lease, named, inputs.clone()) }]).await;
        assert!(queen.digests(lease, 0..50).await == right(whole, &inputs), "{named:?}");
    }
    // A Drone that is told to compute with what it does not have closes the connection.
    queen.say(&ToDrone::Forget { id }).await;
    let named = Algorithm::HmacSha256 { key: b"" };
    queen.lease(&[TestChunk { material: Some(id), ..TestChunk::new(3, named, words(1)) }]).await;
    assert_eq!(queen.hear_work().await, None);
    drone.shutdown.now.cancel();
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn small_leases_share_frames_and_a_large_one_comes_in_parts() {
    let (_listener, _drone, mut queen) = start_and_welcome(1).await;
    let large = words(200_000);
    queen.lease(&[TestChunk::new(1, Algorithm::Sha256, large.clone())]).await;
    let Some(Heard::Output { lease: 1, from: 0, to, digests }) = queen.hear_work().await else { panic!() };
    assert!(to < 200_000, "200,000 digests are more than one part");
    let rest = queen.digests(1, to..200_000).await;
    assert!([digests, rest].concat() == sha256(&large));

    let small: Vec<_> = (2..3_002).map(|id| TestChunk::new(id, Algorithm::Sha256, words(1))).collect();
    queen.lease(&small).await;
    for id in 2..3_002 {
        assert_eq!(queen.digests(id, 0..1).await, sha256(&words(1)));
    }
}

#[tokio::test]
async fn a_more_urgent_word_overtakes_a_long_lease() {
    let (listener, _drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    let long = TestChunk { rank: 5, ..TestChunk::new(1, LONG, words(10)) };
    queen.lease(&[long]).await;
    let short = TestChunk { rank: 4, ..TestChunk::new(2, Algorithm::Sha256, words(100)) };
    queen.lease(&[short]).await;
    assert_eq!(queen.digests(2, 0..100).await, sha256(&words(100)));
    queen.lease(&[TestChunk { rank: 9, priority: 1, ..TestChunk::new(3, Algorithm::Sha256, words(1)) }]).await;
    assert_eq!(queen.digests(3, 0..1).await, sha256(&words(1)));
    heartbeat(&mut queen, |reached| reached == [(1, 0)]).await;
}

#[tokio::test]
async fn a_withdrawn_lease_makes_room_and_a_shrunk_one_ends_early() {
    let (listener, _drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.lease(&[TestChunk::new(1, LONG, words(10))]).await;
    queen.lease(&[TestChunk::new(2, Algorithm::Sha256, words(100))]).await;
    heartbeat(&mut queen, |reached| reached.len() == 2).await;
    queen.say(&ToDrone::Shrink { lease: LeaseId(2), epoch: EPOCH, end: 4 }).await;
    queen.say(&ToDrone::Shrink { lease: LeaseId(1), epoch: EPOCH, end: 0 }).await;
    assert_eq!(queen.digests(2, 0..4).await, sha256(&words(4)));
    heartbeat(&mut queen, <[_]>::is_empty).await;
}

#[tokio::test]
async fn draining_hands_back_what_is_queued_and_finishes_what_runs() {
    let (listener, drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.lease(&[TestChunk::new(1, STRETCHED, words(50_000))]).await;
    queen.lease(&[TestChunk::new(2, LONG, words(1)), TestChunk::new(3, LONG, words(1))]).await;
    heartbeat(&mut queen, |reached| reached.len() == 3 && reached[0].1 > 0).await;
    drone.shutdown.drain.cancel();
    leaves(queen, drone, &[2, 3]).await;
}

#[tokio::test]
async fn leaving_now_hands_everything_back() {
    let (listener, drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.lease(&[TestChunk::new(1, LONG, words(1)), TestChunk::new(2, LONG, words(1))]).await;
    heartbeat(&mut queen, |reached| reached.len() == 2).await;
    drone.shutdown.now.cancel();
    assert_eq!(queen.hear_work().await, Some(Heard::Leaving));
    assert_eq!(queen.hear_work().await, Some(Heard::HandBack(vec![1, 2])));
    assert_eq!(queen.hear_work().await, None);
    drop(queen);
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_hello_and_the_heartbeats_say_what_a_queen_needs() {
    let (listener, drone) = start(3).await;
    let (mut queen, hello) = Queen::welcome(&listener, 10, CALM).await;
    assert_eq!((hello.name.as_str(), hello.threads, hello.seat), ("Maja", 3, drone.seat));
    assert_eq!(hello.kinds, [Kind::DIGEST, Kind::SEARCH]);
    assert!(hello.rates.iter().map(|(class, ..)| *class).eq(Class::ALL));
    for (class, rate, lanes, kernel) in hello.rates {
        assert!(rate > 0 && lanes > 0 && kernel.parse::<drone::kernel::Kernel>().is_ok(), "{class:?}");
    }
    queen.lease(&[TestChunk::new(1, Algorithm::Sha256, words(2_000))]).await;
    queen.digests(1, 0..2_000).await;
    loop {
        if let Some(Heard::Heartbeat { progress, compressions: 2_000 }) = queen.hear().await {
            assert_eq!(progress, []);
            break;
        }
    }
}

#[tokio::test]
async fn an_impossible_lease_fails_alone() {
    let (_listener, _drone, mut queen) = start_and_welcome(1).await;
    let none = Algorithm::Pbkdf2HmacSha256 { salt: b"", iterations: 0 };
    queen.lease(&[TestChunk::new(1, none, words(1)), TestChunk::new(2, Algorithm::Sha256, words(100))]).await;
    let mut heard = [queen.hear_work().await.unwrap(), queen.hear_work().await.unwrap()];
    // Short results overtake what else there is to say, if they are there in time.
    heard.sort_by_key(|heard| matches!(heard, Heard::Output { .. }));
    let [Heard::Failed { lease: 1, reason }, Heard::Output { lease: 2, from: 0, to: 100, digests }] = heard else {
        panic!("one cannot be computed, the other can")
    };
    assert!(reason.contains("iteration"), "{reason}");
    assert_eq!(digests, sha256(&words(100)));
}

/// Waits until at least half of a lease of 50 stretched words is computed, none of which is stored.
async fn half_computed(listener: &TcpListener) -> Queen {
    let (mut queen, _) = Queen::welcome(listener, 10, CALM).await;
    queen.stores = false;
    queen.lease(&[TestChunk::new(1, STRETCHED, words(50)), TestChunk::new(2, LONG, words(1))]).await;
    queen.lease(&[TestChunk::new(3, LONG, words(1))]).await;
    heartbeat(&mut queen, |reached| reached.iter().any(|(lease, _)| *lease == 3) && is_beyond(reached, 25)).await;
    queen
}

#[tokio::test]
async fn a_drone_comes_back_with_all_it_holds() {
    let (listener, drone) = start(1).await;
    drop(half_computed(&listener).await);
    let (mut queen, hello) = Queen::greeted(&listener, 10, CALM).await;
    assert_eq!(hello.seat, drone.seat, "it is the same process");
    assert_eq!(queen.offer().await, [(1, 0, 50), (2, 0, 1), (3, 0, 1)]);
    queen.adopt(&[Some((70, 20, 40)), None, Some((71, 0, 1))]).await;
    assert_eq!(queen.digests(70, 20..40).await, stretched(&words(50)[20..40]));
    heartbeat(&mut queen, |reached| reached == [(71, 0)]).await;
    queen.lease(&[TestChunk { rank: 0, ..TestChunk::new(1, Algorithm::Sha256, words(3)) }]).await;
    assert_eq!(queen.digests(1, 0..3).await, sha256(&words(3)));
    queen.say(&ToDrone::Goodbye { reason: "the test says so" }).await;
    assert_eq!(queen.hear_work().await, None);
    let (mut queen, _) = Queen::greeted(&listener, CALM, CALM).await;
    assert_eq!(queen.offer().await, [(71, 0, 1)], "what was stored is not offered");
}

#[tokio::test]
async fn results_are_said_on_every_connection_until_they_are_stored() {
    let (listener, _drone) = start(2).await;
    let (mut queen, _) = Queen::welcome(&listener, CALM, CALM).await;
    queen.stores = false;
    queen.lease(&[TestChunk::new(1, Algorithm::Sha256, words(10))]).await;
    assert_eq!(queen.digests(1, 0..10).await, sha256(&words(10)));
    for lease in 2..5 {
        drop(queen);
        (queen, _) = Queen::greeted(&listener, CALM, CALM).await;
        queen.stores = false;
        assert_eq!(queen.offer().await, [(lease - 1, 0, 10)]);
        queen.adopt(&[Some((lease, 0, 10))]).await;
        assert_eq!(queen.digests(lease, 0..10).await, sha256(&words(10)));
    }
    queen.say(&ToDrone::Stored { outputs: 1 }).await;
    // What follows is heard behind the receipt.
    queen.stores = true;
    queen.lease(&[TestChunk::new(9, Algorithm::Sha256, words(1))]).await;
    queen.digests(9, 0..1).await;
    drop(queen);
    let (mut queen, _) = Queen::greeted(&listener, CALM, CALM).await;
    let offer = queen.offer().await;
    assert!(offer.is_empty() || offer == [(9, 0, 1)], "the last receipt may not have arrived: {offer:?}");
}

#[tokio::test]
async fn a_lease_is_computed_to_its_end_without_a_queen() {
    let (listener, _drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.stores = false;
    let rest = TestChunk::new(2, LONG, words(1));
    queen.lease(&[TestChunk::new(1, STRETCHED, words(20)), rest]).await;
    heartbeat(&mut queen, |reached| reached.iter().any(|(lease, _)| *lease == 2) && is_beyond(reached, 1)).await;
    drop(queen);
    // She who comes hears nothing but heartbeats for as long as she does not answer.
    let (mut queen, _) = Queen::greeted(&listener, 10, CALM).await;
    assert_eq!(queen.offer().await, [(1, 0, 20), (2, 0, 1)]);
    let mut before = 0;
    for _ in 0..10 {
        let Some(Heard::Heartbeat { progress, compressions, .. }) = queen.hear().await else { panic!() };
        assert!(progress.is_empty() && compressions >= before);
        before = compressions;
    }
    queen.adopt(&[Some((1, 0, 20)), None]).await;
    assert_eq!(queen.digests(1, 0..20).await, stretched(&words(20)));
}

#[tokio::test]
async fn heartbeats_tell_what_is_begun_and_how_much_was_computed() {
    let (listener, _drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.lease(&[TestChunk::new(1, LONG, words(1)), TestChunk::new(2, LONG, words(1))]).await;
    let mut seen = Vec::new();
    while seen.len() < 5 {
        if let Some(Heard::Heartbeat { progress, compressions, .. }) = queen.hear().await
            && progress.iter().map(|progress| progress.begun).eq([true, false])
            && seen.last().is_none_or(|before| compressions > *before)
        {
            seen.push(compressions);
        }
    }
}

#[tokio::test]
async fn a_drone_that_is_asked_to_leave_by_the_queen_leaves_for_good() {
    let (listener, drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.lease(&[TestChunk::new(1, STRETCHED, words(50_000)), TestChunk::new(2, LONG, words(1))]).await;
    heartbeat(&mut queen, |reached| reached.len() == 2 && reached[0].1 > 0).await;
    queen.say(&ToDrone::Drain).await;
    leaves(queen, drone, &[2]).await;
}

#[tokio::test]
async fn a_second_request_hands_back_at_once() {
    let (listener, drone) = start(1).await;
    let (mut queen, _) = Queen::welcome(&listener, 10, CALM).await;
    queen.lease(&[TestChunk::new(1, LONG, words(1)), TestChunk::new(2, LONG, words(1))]).await;
    begun(&mut queen).await;
    drone.shutdown.drain.cancel();
    assert_eq!(queen.hear_work().await, Some(Heard::Leaving));
    assert_eq!(queen.hear_work().await, Some(Heard::HandBack(vec![2])));
    drone.shutdown.now.cancel();
    assert_eq!(queen.hear_work().await, Some(Heard::HandBack(vec![1])));
    assert_eq!(queen.hear_work().await, None);
    drop(queen);
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drone_without_a_queen_leaves_at_once() {
    let (listener, drone) = start(1).await;
    drop(half_computed(&listener).await);
    drop(listener);
    drone.shutdown.drain.cancel();
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_queen_of_another_version_is_waited_for_until_she_is_upgraded() {
    let (listener, _drone) = start(1).await;
    drop(half_computed(&listener).await);
    drop(accept(&listener, VERSION + 1).await);
    let (mut queen, _) = Queen::greeted(&listener, CALM, CALM).await;
    assert_eq!(queen.offer().await.len(), 3);
    queen.adopt(&[Some((4, 0, 50)), None, None]).await;
    assert_eq!(queen.digests(4, 0..50).await, stretched(&words(50)));
}

#[tokio::test]
async fn a_breach_loses_nothing_that_was_held_before() {
    let (listener, _drone) = start(1).await;
    let mut queen = half_computed(&listener).await;
    queen.lease(&[TestChunk::new(4, LONG, words(1)), TestChunk::new(1, LONG, words(1))]).await;
    while queen.hear_work().await.is_some() {}
    let (mut queen, _) = Queen::greeted(&listener, CALM, CALM).await;
    assert_eq!(queen.offer().await, [(1, 0, 50), (2, 0, 1), (3, 0, 1)]);
}

#[tokio::test]
async fn a_silent_queen_is_given_up() {
    let (listener, _drone) = start(1).await;
    let (_silent, _) = Queen::welcome(&listener, 10, 50).await;
    // She is still there, but does not answer heartbeats.
    Queen::welcome(&listener, CALM, CALM).await;
}

#[tokio::test]
async fn a_queen_who_breaks_the_protocol_is_left() {
    let (_listener, _drone, mut queen) = start_and_welcome(1).await;
    let twice = TestChunk::new(1, LONG, words(1));
    queen.lease(&[twice.clone(), twice]).await;
    assert_eq!(queen.hear_work().await, None);
}

#[tokio::test]
async fn a_drone_that_is_not_wanted_can_still_be_stopped() {
    let (listener, drone) = start(1).await;
    drop(accept(&listener, VERSION + 1).await);
    drone.shutdown.drain.cancel();
    drone.running.await.unwrap().unwrap();

    let (listener, drone) = start(1).await;
    let (queen, _) = Queen::hello(&listener).await;
    queen.refuse("no Drones today").await;
    drone.shutdown.now.cancel();
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_missing_queen_is_waited_for_until_the_drone_is_stopped() {
    let (listener, drone) = start(1).await;
    drop(listener);
    drone.shutdown.drain.cancel();
    drone.running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_bad_name_is_an_error() {
    let config = drone::Config {
        queen: "127.0.0.1:1".parse().unwrap(),
        threads: std::num::NonZeroUsize::MIN,
        name: String::new(),
        seat: wire::ids::SeatSecret([0; 32]),
        join: None,
        kernel: drone::kernel::Choice::Only(drone::kernel::Kernel::PORTABLE),
        nice: drone::NICE,
        show_words: true,
    };
    let error = drone::run(config, drone::Shutdown::default()).await;
    assert!(matches!(error, Err(drone::Error::Name(_))));
}

#[tokio::test]
async fn a_challenge_that_it_cannot_answer_ends_the_connection() {
    let (listener, _drone) = start(1).await;
    let (queen, _) = Queen::hello(&listener).await;
    assert!(queen.challenge().await);
}
