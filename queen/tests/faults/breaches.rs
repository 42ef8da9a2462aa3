//! Drones that break the protocol, and what they are told.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use wire::codec::{FrameReader, read_preface};
use wire::frame::{MAX_HANDSHAKE, decode};
use wire::handshake::{FromDrone, FromQueen, Preface, Role};
use wire::ids::SeatSecret;
use wire::message::ToQueen;

use super::scripted::{Scripted, hello};
use super::support::Hive;
use super::{Queen, lines};

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
    let hive = Hive::start().await;
    let queen = Queen::from(&hive);
    let hello = |name| framed(&hello(name, SeatSecret([1; 32])));
    let proof = framed(&FromDrone::Proof { mac: None });
    let number = |number: u8| vec![1, 0, 0, 0, number];
    let cases = [
        (vec![1, 16, 0, 0, 0], "a frame of 4097 bytes is longer than the 4096 allowed here"),
        (number(9), "a frame holds no message: no message, algorithm or option here has the number 9"),
        (number(0), "a frame holds no message: it ends too early"),
        ([&[4, 0, 0, 0][..], &[1, 0, 0, 0]].concat(), "2 bytes are left over behind the message of a frame"),
        (proof.clone(), "the first message has to be a hello"),
        (hello(""), "a drone's name has 1 to 64 bytes, and this one has 0"),
        ([hello("a"), hello("a")].concat(), "the second message has to be a proof"),
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
    let hive = Hive::start().await;
    let queen = Queen::from(&hive);
    let told = async |frame: &[u8], reason: &str| {
        let mut drone = Scripted::start(queen.drones, "broken").await;
        drone.say_bytes(frame).await;
        assert_eq!(drone.closed().await.as_deref(), Some(reason));
    };
    told(&[1, 0, 128, 0, 0], "a frame of 8388609 bytes is longer than the 8388608 allowed here").await;
    told(&[1, 0, 0, 0, 77], "a frame holds no message: no message, algorithm or option here has the number 77").await;
    told(&[3, 0, 0, 0, 1, 1, 252], "a frame holds no message: it ends too early").await;
    told(&[5, 0, 0, 0, 1, 1, 1, 1, 255], "a frame holds no message: a text is not UTF-8").await;
    told(&[2, 0, 0, 0, 4, 0], "1 bytes are left over behind the message of a frame").await;

    let mut drone = Scripted::start(queen.drones, "broken").await;
    drone.say(&ToQueen::Offer { leases: Vec::new().into() }).await;
    let reason = "the first message after the handshake has to be an offer, and no other one may be";
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
