//! Who loses its place at the Drones' port when all are taken.

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use wire::frame::{MAX_HANDSHAKE, decode};
use wire::handshake::FromQueen;
use wire::message::ToQueen;

use super::support::Hive;
use super::support::protection::{Entry, Shield};
use super::support::scripted::{Scripted, knock};
use super::{Queen, start_queen};

/// So many files may a Queen have open here, and so many places has each port then.
const FILES: u64 = 64;
const PLACES: usize = 14;

async fn hive() -> (Hive, Queen) {
    start_queen(queen::Config { open_files: FILES, ..super::config(None) }).await
}

/// Connections on which nothing is said.
async fn silent(queen: Queen, count: usize) -> Vec<TcpStream> {
    let mut silent = Vec::with_capacity(count);
    for _ in 0..count {
        silent.push(TcpStream::connect(queen.drones).await.unwrap());
    }
    silent
}

/// The Queen has closed it.
async fn until_closed(stream: &mut TcpStream) {
    let read = stream.read(&mut [0]).await;
    assert_eq!(read.unwrap_or_default(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_say_nothing_keep_no_drone_away() {
    let (hive, queen) = hive().await;
    let mut silent = silent(queen, 2 * PLACES).await;
    let drone = Scripted::start(queen.drones, "drone").await;
    for stream in &mut silent[..=PLACES] {
        until_closed(stream).await;
    }
    let honest = drone.honest();
    let task = queen.submit("", &super::lines(500)).await;
    queen.until_done(task).await;
    honest.vanish().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_with_leases_keeps_its_place_and_one_without_is_told_to_go() {
    let (hive, queen) = hive().await;
    let mut working = Scripted::start(queen.drones, "working").await;
    let mut idle = Scripted::start(queen.drones, "idle").await;
    // So it is given nothing.
    idle.say(&ToQueen::Leaving).await;
    assert!(idle.beats(&[], 0).await);
    let task = queen.submit("", &super::lines(500)).await;
    let lease = working.work().await;
    let mut silent = silent(queen, PLACES).await;
    let reason = "every place for drones is taken, and it has no work: its place went to another connection";
    assert_eq!(idle.closed().await.as_deref(), Some(reason));
    until_closed(&mut silent[0]).await;
    assert!(working.beats(&[&lease], 7).await, "it is older than all others, and stays");
    working.give(&lease).await;
    queen.until_done(task).await;
    // Its next heartbeat finds it without a lease.
    assert!(working.beats(&[], 500).await);
    let _silent = self::silent(queen, PLACES).await;
    assert_eq!(working.closed().await.as_deref(), Some(reason));
    drop((working, idle));
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_has_proved_its_secret_keeps_its_place_from_who_has_not() {
    let shield = Shield::new();
    let file = shield.admit("attic");
    let protection = Some(shield.protection());
    let (hive, queen) = start_queen(queen::Config { open_files: FILES, protection, ..super::config(None) }).await;
    let mut idle = Scripted::start(Entry::new(queen.drones, &file), "idle").await;
    assert!(idle.beats(&[], 0).await);
    let mut silent = silent(queen, 2 * PLACES).await;
    for stream in &mut silent[..=PLACES] {
        until_closed(stream).await;
    }
    assert!(idle.beats(&[], 0).await, "it is older than all others, of the same address, and stays");
    drop(idle);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_drones_with_leases_keep_a_newcomer_away() {
    let (hive, queen) = hive().await;
    let task = queen.submit(super::PBKDF2, &super::lines(10_000)).await;
    let mut working = Vec::new();
    for number in 0..PLACES {
        let mut drone = Scripted::start(queen.drones, &format!("drone {number}")).await;
        let lease = drone.work().await;
        working.push((drone, lease));
    }
    let (mut reader, _writer) = knock(queen.drones).await;
    let body = reader.next(MAX_HANDSHAKE).await.unwrap().unwrap();
    let FromQueen::Refused { reason } = decode(&body).unwrap() else { panic!("it is refused") };
    assert_eq!(reason, "every place for drones is taken by one that has work");
    for (drone, lease) in &mut working {
        assert!(drone.beats(&[lease], 7).await);
    }
    hive.cancel(task).await;
    drop(working);
    hive.stop().await;
}
