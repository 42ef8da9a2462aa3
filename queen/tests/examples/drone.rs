//! `drone.py`, a Drone in another language.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::support::programs::{Program, output, start_drone};
use super::{Hive, STEP_TIMEOUT, example, numbers, sums, until};

/// An input that takes long on most machines, and its result, as OpenSSL computes it.
const LONG: &str = "?algorithm=pbkdf2-hmac-sha256&iterations=5000000";
const LONG_SUM: &str = "0c762ded461e9e817a70e0ee4625d82c3887f79c8c19420e968a35dfcf3c0b4c  word 0\n";

/// Numbers of messages, as in `docs/PROTOCOL.md`.
const OUTPUTS: u8 = 0;
const HEARTBEAT: u8 = 3;

/// What is between a Drone and a Queen without TLS, and can break. On the first connection the Drone's results do not
/// arrive, so that it still holds its leases when that breaks, however fast it is.
struct Wire {
    address: SocketAddr,
    ends: Arc<Mutex<Vec<TcpStream>>>,
    /// One for each message by which the Drone shows that it holds a lease.
    shown: Receiver<()>,
}

impl Wire {
    fn to(queen: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, ends) = (listener.local_addr().unwrap(), Arc::default());
        let made: Arc<Mutex<Vec<TcpStream>>> = Arc::clone(&ends);
        let (shows, shown) = mpsc::channel();
        thread::spawn(move || {
            let mut shows = Some(shows);
            for drone in listener.incoming().map(Result::unwrap) {
                // While she is away, the Drone's connection ends at once.
                let Ok(queen) = TcpStream::connect(queen) else { continue };
                let pair = || (drone.try_clone().unwrap(), queen.try_clone().unwrap());
                let ((mut from_drone, mut to_queen), (mut to_drone, mut from_queen)) = (pair(), pair());
                let shows = shows.take();
                thread::spawn(move || {
                    let _ = match shows {
                        Some(shows) => keep_results_back(&mut from_drone, &mut to_queen, &shows),
                        None => io::copy(&mut from_drone, &mut to_queen).map(drop),
                    };
                    let _ = to_queen.shutdown(Shutdown::Write);
                });
                thread::spawn(move || {
                    let _ = io::copy(&mut from_queen, &mut to_drone);
                    let _ = to_drone.shutdown(Shutdown::Write);
                });
                made.lock().unwrap().extend([drone, queen]);
            }
        });
        Self { address, ends, shown }
    }

    /// Waits until the Drone holds a lease.
    fn until_held(&self) {
        self.shown.recv_timeout(STEP_TIMEOUT).unwrap();
    }

    fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn keep_results_back(drone: &mut TcpStream, queen: &mut TcpStream, shows: &Sender<()>) -> io::Result<()> {
    // The preface, the hello, and then messages.
    let mut preface = [0; 8];
    drone.read_exact(&mut preface)?;
    queen.write_all(&preface)?;
    queen.write_all(&frame(drone)?)?;
    loop {
        let frame = frame(drone)?;
        let (number, elements) = (frame[4], frame.get(5));
        if number == OUTPUTS || (number == HEARTBEAT && elements != Some(&0)) {
            let _ = shows.send(());
        }
        if number != OUTPUTS {
            queen.write_all(&frame)?;
        }
    }
}

/// A frame with its length.
fn frame(from: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let mut frame = length.to_vec();
    frame.resize(4 + u32::from_le_bytes(length) as usize, 0);
    from.read_exact(&mut frame[4..])?;
    Ok(frame)
}

fn pbkdf2(word: &[u8], iterations: u32) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(word, b"s", iterations)
}

fn drone_py(hive: &Hive, name: &str, threads: &str) -> Command {
    let mut drone = drone_py_at(hive.drones, name, threads);
    drone.arg("--join").arg(hive.path("hive.join"));
    drone
}

/// One without a join file.
fn drone_py_at(address: SocketAddr, name: &str, threads: &str) -> Command {
    let mut drone = example("drone.py");
    drone.args(["--queen", &address.to_string(), "--name", name, "--threads", threads]);
    drone
}

/// What the Queen says of the Drone of that name.
fn of_drone(hive: &Hive, name: &str) -> Value {
    let drones = hive.get("/drones");
    drones["drones"].as_array().unwrap().iter().find(|drone| drone["name"] == name).unwrap().clone()
}

/// Waits until the Queen has written that so many leases are given.
fn until_leases(data: &Path, count: u64) {
    let records = rusqlite::Connection::open(data.join("hive.db")).unwrap();
    let written = || records.query_row("SELECT count(*) FROM leases", [], |row| row.get::<_, u64>(0));
    until(|| written().unwrap() >= count);
}

/// Waits until something of the task was leased to a Drone.
fn until_leased(hive: &Hive, task: u64) {
    until(|| hive.get(&format!("/tasks/{task}"))["state"] != "pending");
}

#[test]
fn it_can_be_read() {
    let text = include_str!("../../../docs/examples/drone.py");
    assert!(text.lines().count() < 380, "{} lines", text.lines().count());
    assert!(text.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn it_computes_every_algorithm() {
    let hive = Hive::start("127.0.0.90");
    let drone = Program::start(&mut drone_py(&hive, "py", "2"));
    let mut words = numbers(20_000);
    words.extend([String::new(), "long ".repeat(50_000)]);
    let is_right = |task: u64, right: String| {
        hive.until_done(task);
        assert!(hive.results(task) == right, "task {task}");
    };
    is_right(hive.submit("", &words), sums(&words, |word| Sha256::digest(word).into()));
    is_right(
        hive.submit("?algorithm=sha256d", &words),
        sums(&words, |word| Sha256::digest(Sha256::digest(word)).into()),
    );
    let body = format!("@{}", hive.path("lines").display());
    // A long key is sent once, and not with each lease.
    for key in ["k".to_owned(), "k".repeat(3_000)] {
        let header = format!("hive-key: {key}");
        let keyed = ["--header", &header, "--header", "content-type: text/plain", "--data-binary", &body];
        let answer: Value = serde_json::from_str(&hive.curl(&keyed, "/tasks?algorithm=hmac-sha256")).unwrap();
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
        let mac = |word: &[u8]| mac.clone().chain_update(word).finalize().into_bytes();
        is_right(answer["id"].as_u64().unwrap(), sums(&words, |word| mac(word).into()));
    }
    let task = hive.submit("?algorithm=pbkdf2-hmac-sha256&iterations=3", &words);
    is_right(task, sums(&words, |word| pbkdf2(word, 3)));
    let view = of_drone(&hive, "py");
    assert_eq!((&view["software"], &view["threads"], &view["wrong"]), (&"drone.py".into(), &2.into(), &0.into()));
    drop(drone);
}

#[test]
fn what_it_holds_outlives_a_killed_queen() {
    let mut hive = Hive::start_open("127.0.0.91");
    let wire = Wire::to(hive.drones);
    let mut drone = Program::start(&mut drone_py_at(wire.address, "py", "2"));
    drone.line("Connected to the Queen; this is Drone 1");
    let task = hive.submit(LONG, &numbers(1));
    wire.until_held();
    until_leases(&hive.path("data"), 1);
    hive.kill_queen();
    // It computes on while she is away, and keeps what it has.
    drone.line("Leases held for her: 1, computed: 1");
    hive.start_queen();
    drone.line("Connected to the Queen; this is Drone 1");
    drone.line("takes back 1 of 1 leases");
    hive.until_done(task);
    assert_eq!(hive.results(task), LONG_SUM);
    drone.signal("-TERM");
    let (code, said) = drone.end();
    assert_eq!((code, said.contains("inputs computed: 1")), (Some(0), true), "{said}");
}

#[test]
fn it_offers_what_it_holds_when_a_connection_breaks() {
    let hive = Hive::start_open("127.0.0.96");
    let wire = Wire::to(hive.drones);
    let mut drone = Program::start(&mut drone_py_at(wire.address, "py", "2"));
    drone.line("Connected to the Queen; this is Drone 1");
    let task = hive.submit(LONG, &numbers(1));
    wire.until_held();
    wire.cut();
    drone.line("Leases held for her: 1, computed: ");
    // The lease is kept for two seconds, which a busy machine may take to come back.
    drone.line(" of 1 leases that were left from before");
    hive.until_done(task);
    assert_eq!(hive.results(task), LONG_SUM);
    assert_eq!(of_drone(&hive, "py")["connections"], 2);
    drone.signal("-TERM");
    assert_eq!(drone.end().0, Some(0));
}

#[test]
fn when_it_is_killed_another_one_takes_over() {
    let mut hive = Hive::start("127.0.0.92");
    let victim = Program::start(&mut drone_py(&hive, "victim", "1"));
    hive.queen().line("drone connected");
    let words = numbers(400);
    let task = hive.submit("?algorithm=pbkdf2-hmac-sha256&iterations=5000", &words);
    until_leased(&hive, task);
    victim.signal("-KILL");
    let mut heir = super::support::programs::drone();
    heir.args(["--queen", &hive.drones.to_string(), "--name", "heir", "--threads", "1", "--join"]);
    let heir = Program::start(heir.arg(hive.path("hive.join")));
    hive.until_done(task);
    assert_eq!(hive.results(task), sums(&words, |word| pbkdf2(word, 5000)));
    drop((victim, heir));
}

#[test]
fn it_takes_its_leave() {
    let mut hive = Hive::start("127.0.0.93");
    let mut drone = Program::start(&mut drone_py(&hive, "py", "1"));
    hive.queen().line("drone connected");
    let words = numbers(40);
    let task = hive.submit("?algorithm=pbkdf2-hmac-sha256&iterations=100000", &words);
    until_leased(&hive, task);
    drone.signal("-TERM");
    drone.line("finishing what was begun");
    let (code, said) = drone.end();
    assert_eq!((code, said.contains("Left the Hive")), (Some(0), true), "{said}");
    assert!(!said.contains("before the Queen has stored"), "{said}");
    until(|| of_drone(&hive, "py")["state"] != "leaving");
    assert_eq!(of_drone(&hive, "py")["state"], "left");
    // What it did not begin is there for others, and so it is where the Queen asks it to leave.
    let mut second = Program::start(&mut drone_py(&hive, "second", "2"));
    hive.until_done(task);
    assert_eq!(hive.results(task), sums(&words, |word| pbkdf2(word, 100_000)));
    let id = of_drone(&hive, "second")["id"].as_u64().unwrap();
    hive.curl(&["--request", "POST"], &format!("/drones/{id}/drain"));
    second.line("The Queen asks this Drone to leave");
    assert_eq!(second.end().0, Some(0));
}

#[test]
fn it_says_what_is_wrong() {
    let mut hive = Hive::start("127.0.0.94");
    let mut stranger = example("drone.py");
    let mut stranger = Program::start(stranger.args(["--queen", &hive.drones.to_string()]));
    stranger.line("start this one with --join FILE");
    let other = Hive::start("127.0.0.95");
    let mut lost = example("drone.py");
    lost.args(["--queen", &hive.drones.to_string(), "--join"]).arg(other.path("hive.join"));
    Program::start(&mut lost).line("certificate verify failed");
    let mut open = super::queen();
    open.args(["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--ephemeral"]);
    let mut open = Program::start(&mut open);
    let drones = super::address(&open.line("listening for drones"));
    let mut careful = example("drone.py");
    careful.args(["--queen", &drones.to_string(), "--join"]).arg(hive.path("hive.join"));
    Program::start(&mut careful).line("No Queen: [SSL");
    let (code, _, error) = output(example("drone.py").args(["--join", "/nowhere/hive.join"]));
    assert!(code == Some(2) && error.contains("/nowhere/hive.join"), "{error}");
    let (code, help, _) = output(example("drone.py").arg("--help"));
    assert!(code == Some(0) && help.contains("--join FILE") && help.contains("SIGTERM"), "{help}");
    // Where there is no TLS, it needs no join file.
    let mut plain = example("drone.py");
    let mut plain = Program::start(plain.args(["--queen", &drones.to_string(), "--name", "plain"]));
    plain.line("Connected to the Queen");
    plain.signal("-TERM");
    assert_eq!(plain.end().0, Some(0));
    open.line("left");
    hive.queen().line("--join FILE");
    drop(start_drone(drones, "after"));
}
