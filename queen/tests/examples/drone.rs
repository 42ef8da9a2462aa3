//! `drone.py`, a Drone in another language.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::support::programs::{Program, output, start_drone};
use super::{Hive, example, numbers, sums};

/// Two inputs that take longer than it takes the Queen to write that they are leased, and their results, as OpenSSL
/// computes them.
const LONG: &str = "?algorithm=pbkdf2-hmac-sha256&iterations=5000000";
const LONG_SUMS: &str = "0c762ded461e9e817a70e0ee4625d82c3887f79c8c19420e968a35dfcf3c0b4c  word 0\n\
                         26d6448f3bae660536573a81c60143eeca70fd2f9b1979572a35d897646e6341  word 1\n";

/// What is between a Drone and the Queen, and can break.
struct Wire {
    address: SocketAddr,
    ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(queen: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, ends) = (listener.local_addr().unwrap(), Arc::default());
        let made: Arc<Mutex<Vec<TcpStream>>> = Arc::clone(&ends);
        thread::spawn(move || {
            for drone in listener.incoming().map(Result::unwrap) {
                let queen = TcpStream::connect(queen).unwrap();
                for (from, to) in [(&drone, &queen), (&queen, &drone)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
                made.lock().unwrap().extend([drone, queen]);
            }
        });
        Self { address, ends }
    }

    fn cut(&self) {
        for end in self.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}

fn pbkdf2(word: &[u8], iterations: u32) -> [u8; 32] {
    pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(word, b"s", iterations)
}

fn drone_py(hive: &Hive, name: &str, threads: &str) -> Command {
    drone_py_over(hive.drones, hive, name, threads)
}

fn drone_py_over(address: SocketAddr, hive: &Hive, name: &str, threads: &str) -> Command {
    let mut drone = example("drone.py");
    drone.args(["--queen", &address.to_string(), "--name", name, "--threads", threads, "--join"]);
    drone.arg(hive.path("hive.join"));
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
    while written().unwrap() < count {
        std::thread::yield_now();
    }
}

#[test]
fn it_can_be_read() {
    let text = include_str!("../../../docs/examples/drone.py");
    assert!(text.lines().count() < 350, "{} lines", text.lines().count());
    assert!(text.lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn it_computes_every_algorithm() {
    let hive = Hive::start("127.0.0.90");
    let drone = Program::start(&mut drone_py(&hive, "py", "2"));
    let mut words = numbers(20_000);
    words.extend([String::new(), "long ".repeat(50_000)]);
    let key = ["--header", "hive-key: k"];
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
    let keyed = [&key[..], &["--header", "content-type: text/plain", "--data-binary", &body]].concat();
    let answer: Value = serde_json::from_str(&hive.curl(&keyed, "/tasks?algorithm=hmac-sha256")).unwrap();
    let mac = |word: &[u8]| Hmac::<Sha256>::new_from_slice(b"k").unwrap().chain_update(word).finalize().into_bytes();
    is_right(answer["id"].as_u64().unwrap(), sums(&words, |word| mac(word).into()));
    let task = hive.submit("?algorithm=pbkdf2-hmac-sha256&iterations=3", &words);
    is_right(task, sums(&words, |word| pbkdf2(word, 3)));
    let view = of_drone(&hive, "py");
    assert_eq!((&view["software"], &view["threads"], &view["wrong"]), (&"drone.py".into(), &2.into(), &0.into()));
    drop(drone);
}

#[test]
fn what_it_holds_outlives_a_killed_queen() {
    let mut hive = Hive::start("127.0.0.91");
    let mut drone = Program::start(&mut drone_py(&hive, "py", "2"));
    drone.line("Connected to the Queen; this is Drone 1");
    let task = hive.submit(LONG, &numbers(2));
    until_leases(&hive.path("data"), 2);
    hive.kill_queen();
    // It computes on while she is away, and keeps what it has.
    drone.line("Leases held for her: 2, computed: 2");
    hive.start_queen();
    drone.line("Connected to the Queen; this is Drone 1");
    drone.line("takes back 2 of 2 leases");
    hive.until_done(task);
    assert_eq!(hive.results(task), LONG_SUMS);
    drone.signal("-TERM");
    let (code, said) = drone.end();
    assert_eq!((code, said.contains("inputs computed: 2")), (Some(0), true), "{said}");
}

#[test]
fn a_connection_that_breaks_costs_nothing() {
    let hive = Hive::start("127.0.0.96");
    let wire = Wire::to(hive.drones);
    let mut drone = Program::start(&mut drone_py_over(wire.address, &hive, "py", "2"));
    drone.line("Connected to the Queen; this is Drone 1");
    let task = hive.submit(LONG, &numbers(2));
    while of_drone(&hive, "py")["leases"] != 2 {}
    wire.cut();
    drone.line("Leases held for her: 2, computed: 0");
    drone.line("takes back 2 of 2 leases");
    hive.until_done(task);
    assert_eq!(hive.results(task), LONG_SUMS);
    assert_eq!(of_drone(&hive, "py")["connections"], 2);
    drone.signal("-TERM");
    let (code, said) = drone.end();
    assert_eq!((code, said.contains("inputs computed: 2")), (Some(0), true), "{said}");
}

#[test]
fn when_it_is_killed_another_one_takes_over() {
    let mut hive = Hive::start("127.0.0.92");
    let victim = Program::start(&mut drone_py(&hive, "victim", "1"));
    hive.queen().line("drone connected");
    let words = numbers(400);
    let task = hive.submit("?algorithm=pbkdf2-hmac-sha256&iterations=5000", &words);
    while of_drone(&hive, "victim")["leases"] == 0 {}
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
    while of_drone(&hive, "py")["leases"] == 0 {}
    drone.signal("-TERM");
    drone.line("finishing what was begun");
    let (code, said) = drone.end();
    assert_eq!((code, said.contains("Left the Hive")), (Some(0), true), "{said}");
    assert!(!said.contains("before the Queen has stored"), "{said}");
    while of_drone(&hive, "py")["state"] == "leaving" {}
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
