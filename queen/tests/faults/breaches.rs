//! Drones that break the protocol, and what they are told.

use std::ops::Range;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use wire::codec::{FrameReader, read_preface};
use wire::frame::{HEADER, MAX_HANDSHAKE, MAX_TO_QUEEN, decode};
use wire::handshake::{FromDrone, FromQueen};
use wire::ids::{Epoch, Instance, LeaseId, SeatSecret, TaskId};
use wire::message::{MAX_PART, Offered, ToQueen};
use wire::preface::{Preface, Role};

use super::support::scripted::{Lease, Scripted, hello};
use super::{Queen, config, lines, start_queen};

/// The frames that a stranger sends behind its preface, and why it is refused.
async fn refused(queen: Queen, frames: &[u8]) -> String {
    let mut socket = TcpStream::connect(queen.drones).await.unwrap();
    socket.write_all(&Preface::ours(Role::Drone).encode()).await.unwrap();
    read_preface(&mut socket).await.unwrap();
    let (read, mut write) = socket.into_split();
    write.write_all(frames).await.unwrap();
    let mut reader = FrameReader::new(read);
    while let Some(body) = reader.next(MAX_HANDSHAKE).await.unwrap() {
        if let FromQueen::Refused { reason } = decode(&body).unwrap() {
            return reason.to_owned();
        }
    }
    panic!("the Queen closed without a word");
}

fn framed(message: &FromDrone<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    wire::frame::encode(message, MAX_HANDSHAKE, &mut frame).unwrap();
    frame
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_handshake_is_refused_with_the_reason() {
    let (hive, queen) = start_queen(config(None)).await;
    let hello = |name| framed(&hello(name, SeatSecret([1; 32])));
    let proof = framed(&FromDrone::Proof { secret: "", mac: [0; 32] });
    let number = |number: u8| vec![1, 0, 0, 0, number];
    let cases = [
        (vec![1, 16, 0, 0, 0], "a frame of 4097 bytes is longer than the 4096 allowed here"),
        (number(9), "a frame holds no message: no message, algorithm or option here has the number 9"),
        (number(0), "a frame holds no message: it ends too early"),
        (
            [&[36, 0, 0, 0][..], &proof[HEADER..], &[0, 0]].concat(),
            "2 bytes are left over behind the message of a frame",
        ),
        (proof.clone(), "the first message has to be a hello"),
        (hello(""), "a drone's name has 1 to 64 bytes, and this one has 0"),
        // What is sent behind it does not reset the connection before the reason is read.
        (
            [number(9), vec![0; 300_000]].concat(),
            "a frame holds no message: no message, algorithm or option here has the number 9",
        ),
    ];
    for (frames, reason) in cases {
        assert_eq!(refused(queen, &frames).await, reason);
    }
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breach_is_told_and_ends_nothing_but_its_connection() {
    let (hive, queen) = start_queen(config(None)).await;
    let refused_with = async |frame: &[u8], reason: &str| {
        let mut drone = Scripted::start(queen.drones, "broken").await;
        drone.say_bytes(frame).await;
        assert_eq!(drone.closed().await.as_deref(), Some(reason));
    };
    let long = format!("a frame of {} bytes is longer than the {MAX_TO_QUEEN} allowed here", MAX_TO_QUEEN + 1);
    refused_with(&(MAX_TO_QUEEN as u32 + 1).to_le_bytes(), &long).await;
    refused_with(&[1, 0, 0, 0, 77], "a frame holds no message: no message, algorithm or option here has the number 77")
        .await;
    refused_with(&[3, 0, 0, 0, 1, 1, 252], "a frame holds no message: it ends too early").await;
    refused_with(&[5, 0, 0, 0, 1, 1, 1, 1, 255], "a frame holds no message: a text is not UTF-8").await;
    refused_with(&[2, 0, 0, 0, 4, 0], "1 bytes are left over behind the message of a frame").await;

    let mut drone = Scripted::start(queen.drones, "broken").await;
    drone.say(&ToQueen::Offer { leases: Vec::new().into(), material: Vec::new().into() }).await;
    let reason = "the first message after the handshake has to be an offer, and no other one may be";
    assert_eq!(drone.closed().await.as_deref(), Some(reason));

    let mut drone = Scripted::start(queen.drones, "broken").await;
    let results = MAX_PART / 32 + 1;
    let lease = Lease { to: results as u64, ..nothing() };
    drone.give_as(&lease, lease.range(), &vec![0; 32 * results]).await;
    let reason = "a part of lease 1 has 524320 bytes of results, and at most 524288 are allowed in one";
    assert_eq!(drone.closed().await.as_deref(), Some(reason));

    let mut drone = Scripted::start(queen.drones, "broken").await;
    let task = queen.submit("", &lines(3)).await;
    let lease = drone.work().await;
    drone.give_as(&lease, lease.range(), &[0; 64]).await;
    assert_eq!(drone.closed().await.as_deref(), Some("2 results came for a part of 3 items"));

    let honest = hive.worker("honest");
    queen.until_done(task).await;
    queen.check(task, &lines(3)).await;
    honest.leave().await;
    hive.stop().await;
}

/// A lease that nobody gave.
fn nothing() -> Lease {
    let (id, epoch, task, instance) = (LeaseId(1), Epoch(1), TaskId(1), Instance([0; 16]));
    Lease { id, epoch, task, instance, from: 0, to: 0, inputs: Vec::new(), pbkdf2: None, material: None, search: None }
}

/// What a Drone is told that says this of a lease of 500 lines.
async fn told_of(queen: Queen, say: impl AsyncFnOnce(&mut Scripted, &Lease)) -> String {
    // One process, which loses nothing by it: what it held goes to whoever is there.
    let mut drone = Scripted::connect(queen.drones, "broken", SeatSecret([7; 32])).await;
    let lease = drone.work().await;
    say(&mut drone, &lease).await;
    drone.closed().await.expect("it is told")
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_out_of_order_are_a_breach_and_not_receipted() {
    let (hive, queen) = start_queen(config(None)).await;
    let task = queen.submit("", &lines(500)).await;
    let order = "come in index order, without gaps, and once";
    let reason = told_of(queen, async |drone, lease| drone.give_with(lease, 10..20, |_| false).await).await;
    assert!(reason.contains("index 10 on, and index 0 was next") && reason.contains(order), "{reason}");
    let twice = async |drone: &mut Scripted, lease: &Lease| {
        drone.give_with(lease, lease.from..lease.from + 10, |_| false).await;
        drone.stored(1).await;
        drone.give_with(lease, lease.from..lease.from + 10, |_| false).await;
    };
    let reason = told_of(queen, twice).await;
    assert!(reason.contains("index 0 on, and index 10 was next"), "{reason}");
    let gap = async |drone: &mut Scripted, lease: &Lease| {
        drone.give_with(lease, lease.from..lease.from + 10, |_| false).await;
        drone.give_with(lease, lease.from + 11..lease.from + 20, |_| false).await;
    };
    let reason = told_of(queen, gap).await;
    assert!(reason.contains("index 21 on, and index 20 was next"), "{reason}");
    // A range that is none is one whatever the lease.
    for (end, said) in [(30, "30 to before 30"), (29, "30 to before 29")] {
        let nothing = async |drone: &mut Scripted, lease: &Lease| {
            drone.give_as(&Lease { id: LeaseId(99_999), ..lease.clone() }, Range { start: 30, end }, &[]).await;
        };
        let reason = told_of(queen, nothing).await;
        assert!(reason.contains(said) && reason.ends_with("is no range"), "{reason}");
    }
    let honest = hive.worker("honest");
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;
    honest.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_makes_no_sense_is_a_breach() {
    let (hive, queen) = start_queen(config(None)).await;
    let mut drone = Scripted::start(queen.drones, "drone").await;
    queen.submit("", &lines(500)).await;
    let offered = drone.work().await.offered();
    let seat = drone.seat;
    drop(drone);
    let cases = [
        (vec![offered; 1000], "lease 1 of epoch 1 is offered twice"),
        (vec![Offered { from: 7, to: 7, ..offered }], "index 7 to before 7 is no range"),
        (vec![Offered { from: 7, to: 6, ..offered }], "index 7 to before 6 is no range"),
    ];
    for (held, said) in cases {
        let mut drone = Scripted::welcome(queen.drones, "drone", seat).await;
        drone.say(&ToQueen::Offer { leases: held.into(), material: Vec::new().into() }).await;
        let reason = drone.closed().await.expect("it is told");
        assert!(reason.contains(said), "{reason}");
    }
    hive.stop().await;
}
