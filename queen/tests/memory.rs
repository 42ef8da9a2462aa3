//! What peers cost the Queen in memory. One test at a time, since the meter counts the process.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use peak_alloc::PeakAlloc;
use queen::Config;
use queen::store::Location;
use sha2::Sha256;
use support::Hive;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use wire::frame::{FrameError, MAX_TO_DRONE, MAX_TO_QUEEN, decode, encode};
use wire::handshake::{FromDrone, Rate};
use wire::ids::{Epoch, LeaseId, SeatSecret};
use wire::message::{Progress, ToDrone, ToQueen};
use wire::preface::{Preface, Role};
use wire::work::{Class, Kind};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Whose turn it is.
static TURN: Mutex<()> = Mutex::const_new(());

const DRONES: usize = 200;

const LIMIT: u64 = 64 << 20;

/// What there is besides what is counted: the program, the runtime, the test.
const REST: usize = 32 << 20;

/// Says one thing, which is encoded into a buffer, and reads the one that is answered.
fn ask(socket: &mut TcpStream, say: impl FnOnce(&mut Vec<u8>) -> Result<(), FrameError>) -> Vec<u8> {
    let mut out = Vec::new();
    say(&mut out).unwrap();
    socket.write_all(&out).unwrap();
    let mut size = [0; 4];
    socket.read_exact(&mut size).unwrap();
    let mut body = vec![0; u32::from_le_bytes(size) as usize];
    socket.read_exact(&mut body).unwrap();
    body
}

/// A Drone that keeps nothing in memory but its socket.
fn connect(queen: SocketAddr) -> TcpStream {
    let mut socket = TcpStream::connect(queen).unwrap();
    socket.write_all(&Preface::ours(Role::Drone).encode()).unwrap();
    socket.read_exact(&mut [0; Preface::SIZE]).unwrap();
    let kinds = vec![Kind::DIGEST].into();
    let rate = |class| Rate { class, compressions_per_second: 1_000_000, lanes: 1, kernel: "none" };
    let rates = Class::ALL.map(rate).to_vec().into();
    let seat = SeatSecret::random().unwrap();
    let (name, software, nonce) = ("idle", "a test", [0; 32]);
    let hello = FromDrone::Hello { name, software, seat, threads: 4, kinds, rates, material: 0, nonce };
    ask(&mut socket, |out| encode(&hello, MAX_TO_DRONE, out));
    let offer = ToQueen::Offer { leases: Vec::new().into(), material: Vec::new().into() };
    ask(&mut socket, |out| encode(&offer, MAX_TO_DRONE, out));
    socket
}

fn beat(socket: &mut TcpStream, leases: usize) {
    let progress = |number| Progress { lease: LeaseId(1 << 40 | number), epoch: Epoch(1), reached: 0, begun: false };
    let progress = (0..leases as u64).map(progress).collect::<Vec<_>>().into();
    let message = ToQueen::Heartbeat { progress, compressions: 0, busy_ns: 0 };
    let answer = ask(socket, |out| encode(&message, MAX_TO_DRONE, out));
    assert_eq!(decode::<ToDrone<'_>>(&answer).unwrap(), ToDrone::Heartbeat);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_drone_costs_little() {
    let _turn = TURN.lock().await;
    let hive = Hive::start().await;
    let queen = hive.drones;
    let grown = tokio::task::spawn_blocking(move || {
        // What there is of everything once.
        beat(&mut connect(queen), 1);
        let before = MEMORY.current_usage();
        let mut drones: Vec<_> = (0..DRONES).map(|_| connect(queen)).collect();
        let fresh = MEMORY.current_usage().saturating_sub(before);
        // A quarter of a megabyte once leaves nothing behind.
        drones.iter_mut().for_each(|drone| beat(drone, 16_000));
        (0..8).for_each(|_| drones.iter_mut().for_each(|drone| beat(drone, 0)));
        (fresh / DRONES, MEMORY.current_usage().saturating_sub(before) / DRONES)
    });
    let (fresh, used) = grown.await.unwrap();
    println!("a Drone that has connected takes {fresh} bytes, and one that has been busy {used}");
    assert!(fresh < 32 << 10 && used < 32 << 10, "{fresh} and {used} bytes a connection");
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_stop_half_way_take_no_more_than_their_share() {
    let _turn = TURN.lock().await;
    let hive = Hive::start_with(Config { memory_limit: LIMIT, ..support::config() }).await;
    let queen = hive.drones;
    MEMORY.reset_peak_usage();
    let connected = tokio::task::spawn_blocking(move || (0..120).map(|_| connect(queen)).collect::<Vec<_>>());
    // They are given no work.
    let mut half = Vec::new();
    encode(&ToQueen::Leaving, MAX_TO_QUEEN, &mut half).unwrap();
    half.extend((MAX_TO_QUEEN as u32).to_le_bytes());
    half.resize(half.len() + MAX_TO_QUEEN - 1, 0);
    let half = Bytes::from(half);
    let mut stuck = JoinSet::new();
    for socket in connected.await.unwrap() {
        socket.set_nonblocking(true).unwrap();
        let (mut socket, half) = (tokio::net::TcpStream::from_std(socket).unwrap(), half.clone());
        stuck.spawn(async move {
            // What she does not read stays with its sender.
            let _ = socket.write_all(&half).await;
            std::future::pending::<()>().await;
        });
    }
    // Words are computed none the less.
    let worker = hive.worker("honest");
    for word in 0..100 {
        let task = hive.compute(serde_json::json!({ "input": word.to_string() })).await;
        assert_eq!(task["state"], "done");
    }
    assert_within_limit(&hive).await;
    drop(stuck);
    worker.leave().await;
    hive.stop().await;
}

/// Has a connection take no more than the beginning of an answer.
async fn ask_and_read_little(queen: SocketAddr, request: &str) -> tokio::net::TcpStream {
    let mut socket = tokio::net::TcpStream::connect(queen).await.unwrap();
    socket.write_all(request.replace("HOST", &queen.to_string()).as_bytes()).await.unwrap();
    socket.read_exact(&mut [0; 64]).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn long_heads_take_no_more_than_their_share() {
    let _turn = TURN.lock().await;
    let hive = Hive::start_with(Config { memory_limit: LIMIT, ..support::config() }).await;
    let queen = hive.http;
    MEMORY.reset_peak_usage();
    let head = Bytes::from(format!("GET / HTTP/1.1\r\nHost: {queen}\r\nX: {}", "x".repeat(380_000)));
    let mut refused = JoinSet::new();
    for _ in 0..400 {
        let head = head.clone();
        refused.spawn(async move {
            let mut socket = tokio::net::TcpStream::connect(queen).await.unwrap();
            // She may have closed by then.
            let _ = socket.write_all(&head).await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        });
    }
    refused.join_all().await;
    assert_within_limit(&hive).await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_who_do_not_read_take_no_more_than_their_share() {
    let _turn = TURN.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let data = Some(Location::new(directory.path().into()));
    let hive = Hive::start_with(Config { memory_limit: LIMIT, data, ..support::config() }).await;
    let worker = hive.worker("honest");
    // Six times as long when they are escaped.
    let task = hive.submit_lines("", &["\x01".repeat(4 << 20)]).await;
    hive.until_done(task).await;
    MEMORY.reset_peak_usage();
    let mut readers = Vec::new();
    // For more there is no place at this limit, since a connection is counted as 128 KiB.
    for _ in 0..50 {
        let request = format!("GET /tasks/{task}/results HTTP/1.1\r\nHost: HOST\r\n\r\n");
        readers.push(ask_and_read_little(hive.http, &request).await);
    }
    assert_within_limit(&hive).await;
    let whole = hive.get(&format!("/tasks/{task}/results")).await.text();
    let row: serde_json::Value = serde_json::from_str(whole.lines().next().unwrap()).unwrap();
    assert_eq!(row["input"].as_str().unwrap().len(), 4 << 20);
    drop(readers);
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_keys_are_on_disk_and_not_in_memory() {
    const KEYS: u64 = 300;
    let _turn = TURN.lock().await;
    let directory = tempfile::tempdir().unwrap();
    let config = || {
        let data = Some(Location::new(directory.path().into()));
        Config { memory_limit: LIMIT, data, ..support::config() }
    };
    let before = MEMORY.current_usage();
    let hive = Hive::start_with(config()).await;
    for number in 0..KEYS {
        let key = format!("{number:0>16}").repeat(4096);
        let task = serde_json::json!({ "input": "honey", "algorithm": "hmac-sha256", "key": key });
        assert_eq!(hive.send("POST", "/tasks", &[], task.to_string()).await.status, 201);
    }
    let most = KEYS as usize * (16 << 10);
    let taken = || MEMORY.current_usage().saturating_sub(before);
    println!("{} KiB are taken, and may be {}", taken() >> 10, most >> 10);
    assert!(taken() < most, "{} bytes are taken", taken());
    hive.stop().await;
    // Nor after a restart.
    let hive = Hive::start_with(config()).await;
    println!("{} KiB are taken after a restart", taken() >> 10);
    assert!(taken() < most, "{} bytes are taken after a restart", taken());
    let worker = hive.worker("honest");
    for number in [1, KEYS / 2, KEYS] {
        let task = hive.until_done(number).await;
        let key = format!("{:0>16}", number - 1).repeat(4096);
        let right = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update("honey").finalize();
        assert_eq!(task["results"][0]["digest"], const_hex::encode(right.into_bytes()));
    }
    worker.leave().await;
    hive.stop().await;
}

/// Since the peak was reset, no more was taken than may be, and that is told.
async fn assert_within_limit(hive: &Hive) {
    let peak = MEMORY.peak_usage();
    println!("at most {} KiB were taken", peak >> 10);
    assert!(peak < LIMIT as usize + REST, "{peak} bytes");
    let used = hive.get("/stats").await.json()["memory_used"].as_u64().unwrap();
    assert!(used > 0 && used <= LIMIT, "{used} bytes are told");
}
