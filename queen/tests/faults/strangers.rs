//! Who comes to a protected port without being let in: it costs nobody but itself.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::frame::{MAX_HANDSHAKE, MAX_TO_QUEEN, decode, encode};
use wire::handshake::{FromDrone, FromQueen};
use wire::ids::SeatSecret;
use wire::message::ToQueen;
use wire::preface::{Preface, Role};
use wire::proof::MAC_BYTES;

use super::support::protection::{Entry, Shield, connect, connect_with};
use super::support::scripted::{Scripted, greet, hello};
use super::{Queen, config, lines, start_queen};

/// All that is answered to these bytes.
async fn answer(queen: Queen, said: &[u8]) -> String {
    let mut socket = TcpStream::connect(queen.drones).await.unwrap();
    socket.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_told_in_its_own_tongue() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = super::secrets::start(&shield).await;
    let page = format!("http://{}/", queen.http);
    let redirect = answer(queen, b"GET /tasks HTTP/1.1\r\n\r\n").await;
    assert!(redirect.starts_with("HTTP/1.1 307") && redirect.contains(&format!("Location: {page}tasks")), "{redirect}");
    let line = answer(queen, b"hello?").await;
    assert!(line.starts_with("This port is for the Hive's drones") && line.contains(&page), "{line}");
    let drone = answer(queen, &Preface::ours(Role::Drone).encode()).await;
    assert!(drone.starts_with('\u{1f41d}') && drone.contains("--join FILE"), "{drone}");
    // The same behind TLS, where the port was mistaken for the page's.
    let (mut stream, _) = connect(queen.drones, &file).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut redirect = String::new();
    stream.read_to_string(&mut redirect).await.unwrap();
    assert!(redirect.starts_with("HTTP/1.1 307"), "{redirect}");
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_answered_where_there_is_none() {
    let (hive, queen) = start_queen(config(None)).await;
    let hello = [&[0x16, 3, 1, 2, 0][..], &[0; 300]].concat();
    let line = answer(queen, &hello).await;
    assert!(line.contains("has no TLS") && line.contains("queen init") && line.contains("--join"), "{line}");
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_tls_is_refused() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = super::secrets::start(&shield).await;
    assert!(connect_with(queen.drones, &file, &[&rustls::version::TLS12]).await.is_err());
    assert!(connect(queen.drones, &file).await.is_ok());
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_keeps_no_drone_away() {
    const PLACES: usize = 14;
    let shield = Shield::new();
    let file = shield.admit("attic");
    let protection = Some(shield.protection());
    let (hive, queen) = start_queen(queen::Config { open_files: 64, protection, ..super::config(None) }).await;
    let entry = Entry::new(queen.drones, &file);
    // Some say nothing, some begin with TLS, some with a hello, and none goes on.
    let (mut sockets, mut greetings) = (Vec::new(), Vec::new());
    for number in 0..2 * PLACES {
        let mut socket = TcpStream::connect(queen.drones).await.unwrap();
        socket.write_all(&[0x16, 3, 1, 2, 0][..number % 6]).await.unwrap();
        sockets.push(socket);
        let (mut greeting, _) = greet(&entry).await;
        greeting.say(&hello("stranger", SeatSecret([number as u8; 32]))).await.unwrap();
        greetings.push(greeting);
    }
    let honest = Scripted::start(&entry, "drone").await.honest();
    let task = queen.submit("", &lines(500)).await;
    queen.until_done(task).await;
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_is_told_before_the_proof() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = super::secrets::start(&shield).await;
    let entry = Entry::new(queen.drones, &file);
    let refused = async |frames: &[&[u8]]| {
        let (mut greeting, _) = greet(&entry).await;
        greeting.writer.inner().write_all(&frames.concat()).await.unwrap();
        greeting.writer.inner().flush().await.unwrap();
        while let Some(body) = greeting.hear().await.unwrap() {
            if let FromQueen::Refused { reason } = decode(&body).unwrap() {
                return reason.to_owned();
            }
        }
        panic!("the Queen closed without a word")
    };
    let framed = |message: &FromDrone<'_>| {
        let mut frame = Vec::new();
        encode(message, MAX_HANDSHAKE, &mut frame).unwrap();
        frame
    };
    let hello = framed(&hello("drone", SeatSecret([1; 32])));
    let proof = framed(&FromDrone::Proof { secret: "attic", mac: [0; MAC_BYTES] });
    let long = [&4097u32.to_le_bytes()[..], &[0; 4097]].concat();
    let too_long = "a frame of 4097 bytes is longer than the 4096 allowed here";
    assert_eq!(refused(&[&long]).await, too_long);
    assert_eq!(refused(&[&hello, &long]).await, too_long);
    assert_eq!(refused(&[&proof]).await, "the first message has to be a hello");
    assert_eq!(refused(&[&hello, &hello]).await, "the second message has to be a proof");
    let unknown = "no message, algorithm or option here has the number 9";
    for before in [&[][..], &hello] {
        assert!(refused(&[before, &[1, 0, 0, 0, 9]]).await.contains(unknown));
    }
    assert!(refused(&[&hello, &[3, 0, 0, 0, 1, 5, 97]]).await.contains("it ends too early"));
    // What would be said to a Drone that is let in has no effect, however it is said.
    let mut offer = Vec::new();
    encode(&ToQueen::Offer { leases: Vec::new().into(), material: Vec::new().into() }, MAX_TO_QUEEN, &mut offer)
        .unwrap();
    assert!(refused(&[&hello, &proof, &offer]).await.contains("is not valid here"));
    assert_eq!(queen.get("/drones").await["drones"].as_array().unwrap().len(), 0);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_the_protocol_is_told_behind_the_proof() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let (hive, queen) = super::secrets::start(&shield).await;
    let entry = Entry::new(queen.drones, &file);
    let refused_with = async |frame: &[u8], reason: &str| {
        let mut drone = Scripted::start(&entry, "broken").await;
        drone.say_bytes(frame).await;
        assert_eq!(drone.closed().await.as_deref(), Some(reason));
    };
    let long = format!("a frame of {} bytes is longer than the {MAX_TO_QUEEN} allowed here", MAX_TO_QUEEN + 1);
    refused_with(&(MAX_TO_QUEEN as u32 + 1).to_le_bytes(), &long).await;
    refused_with(&[1, 0, 0, 0, 77], "a frame holds no message: no message, algorithm or option here has the number 77")
        .await;
    refused_with(&[2, 0, 0, 0, 4, 0], "1 bytes are left over behind the message of a frame").await;
    let honest = Scripted::start(&entry, "honest").await.honest();
    let task = queen.submit("", &lines(3)).await;
    queen.until_done(task).await;
    honest.vanish().await;
    hive.stop().await;
}
