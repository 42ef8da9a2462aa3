//! The programs as their users start them: consoles, flags, signals, exit codes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::net::SocketAddr;
use std::process::Command;

use hmac::{KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::programs::{Program, address, drone, output, queen, smallest_drone, start_drone};
use support::{request, until_done};

const WORD: &str = "super_secret_password_123";
const DIGEST: &str = "292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d";

fn start_queen() -> (Program, SocketAddr, SocketAddr) {
    start_queen_on("127.0.0.1:0")
}

fn start_queen_on(drones: &str) -> (Program, SocketAddr, SocketAddr) {
    let mut queen = Program::start(queen().args(["--drone-addr", drones, "--http-addr", "127.0.0.1:0", "--ephemeral"]));
    let drones = address(&queen.line("listening for drones"));
    let http = address(&queen.line("admin page"));
    (queen, drones, http)
}

fn compute(http: SocketAddr, body: &str) -> Value {
    let answer = request(http, "POST", "/tasks", &[], body);
    assert_eq!(answer.status, 201, "{}", answer.text());
    until_done(http, answer.json()["id"].as_u64().unwrap())
}

#[test]
fn both_consoles_tell_the_story() {
    let (mut queen, drones, http) = start_queen();
    let mut drone = start_drone(drones, "maja");
    queen.line("drone connected");
    let task = compute(http, &json!({ "input": WORD }).to_string());
    assert_eq!(task["results"][0]["digest"], DIGEST);
    queen.line("Work sent");
    assert!(queen.line("Reply").contains(DIGEST));
    drone.line("looking for the Queen");
    drone.line("onnected");
    assert!(drone.line("Received").contains(&format!("Hash the word '{WORD}'")));
    drone.line("runching");
    drone.line(DIGEST);
    drone.signal("-TERM");
    let (code, said) = drone.end();
    assert_eq!(code, Some(0), "{said}");
    queen.line("left");
    queen.signal("-INT");
    let (code, said) = queen.end();
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_console_that_nobody_reads_stops_nothing() {
    let (mut queen, drones, http) = start_queen();
    let drone = start_drone(drones, "maja");
    queen.line("drone connected");
    queen.fill_console();
    drone.fill_console();
    for word in ["honey", "wax", "pollen"] {
        assert_eq!(compute(http, &json!({ "input": word }).to_string())["state"], "done");
    }
    for program in [drone, queen] {
        program.signal("-TERM");
        assert_eq!(program.end_unread(), Some(0));
    }
}

#[test]
fn a_hangup_lets_a_drone_leave_and_stops_no_queen() {
    let (mut queen, drones, http) = start_queen();
    let mut maja = start_drone(drones, "maja");
    queen.line("drone connected");
    // Before it knows that it is welcome, it has nobody to take leave of.
    maja.line("Connected to the Queen");
    maja.signal("-HUP");
    let (code, said) = maja.end();
    assert_eq!(code, Some(0), "{said}");
    queen.line("left");

    let mut ignorant = Command::new("sh");
    ignorant.args(["-c", r#"trap "" HUP; exec "$0" "$@""#]).arg(drone().get_program());
    ignorant.args(["--queen", &drones.to_string(), "--name", "nohup", "--threads", "1"]);
    let drone = Program::start(&mut ignorant);
    queen.line("drone connected");
    drone.signal("-HUP");
    queen.signal("-HUP");
    assert_eq!(compute(http, r#"{"input":"honey"}"#)["state"], "done");
    for program in [drone, queen] {
        program.signal("-TERM");
        let (code, said) = program.end();
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn a_killed_drone_is_replaced() {
    let (queen, drones, http) = start_queen();
    let mut victim = start_drone(drones, "victim");
    let query = "/tasks?algorithm=pbkdf2-hmac-sha256&iterations=5000";
    let lines: Vec<String> = (0..400).map(|index| index.to_string()).collect();
    let answer = request(http, "POST", query, &[("content-type", "text/plain"), ("hive-salt", "s")], &lines.join("\n"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    victim.line("Received");
    victim.signal("-KILL");
    let heir = start_drone(drones, "heir");
    until_done(http, 1);
    let results = request(http, "GET", "/tasks/1/results?format=text", &[], "").text();
    for (line, input) in results.lines().zip(&lines) {
        let digest = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(input.as_bytes(), b"s", 5000);
        assert_eq!(line, format!("{}  {input}", const_hex::encode(digest)));
    }
    drop((queen, heir));
}

#[test]
fn a_drone_outlives_its_queen() {
    // An address of its own, so that nobody else is given the port in between.
    let (queen, drones, _) = start_queen_on("127.0.0.77:0");
    let mut drone = start_drone(drones, "loyal");
    drone.line("onnected");
    queen.signal("-KILL");
    drone.line("ost the Queen");
    let (mut again, _, http) = start_queen_on(&drones.to_string());
    again.line("drone connected");
    assert_eq!(compute(http, r#"{"input":"again"}"#)["state"], "done");
    again.signal("-TERM");
    let (code, said) = again.end();
    assert_eq!(code, Some(0), "{said}");
    drone.signal("-TERM");
    assert_eq!(drone.end().0, Some(0));
}

#[test]
fn names_are_checked_on_loopback_though_drones_may_come_from_anywhere() {
    let mut command = queen();
    command.args(["--insecure", "--drone-addr", "0.0.0.0:0", "--http-addr", "127.0.0.1:0", "--ephemeral"]);
    let mut queen = Program::start(&mut command);
    let http = address(&queen.line("admin page"));
    assert_eq!(request(http, "GET", "http://rebound.example/stats", &[], "").status, 421);
    assert_eq!(request(http, "GET", "/stats", &[], "").status, 200);
    queen.signal("-TERM");
    assert_eq!(queen.end().0, Some(0));
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();

    let (code, _, error) = output(queen().args(["--drone-addr", &taken, "--http-addr", "127.0.0.1:0"]));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains(&taken) && error.contains("in use") && error.contains("--drone-addr"), "{error}");
    let (code, _, error) = output(queen().args(["--http-addr", "0.0.0.0:0", "--drone-addr", "127.0.0.1:0"]));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("--insecure"), "{error}");
    // On an address of its own, so that nobody else is given the port in between.
    let free = std::net::TcpListener::bind("127.0.0.78:0").unwrap().local_addr().unwrap().to_string();
    let (code, _, error) = output(queen().args(["--drone-addr", &free, "--http-addr", &free, "--ephemeral"]));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("same port") && !error.contains("another Queen"), "{error}");
    let ports = ["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
    let (code, _, error) = output(queen().args(ports).args(["--data-dir", "/proc/hive"]));
    assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
    assert!(error.contains("/proc/hive: ") && error.contains("--data-dir"), "{error}");
    for wrong in ["nonsense", "127.0.0.1:99999"] {
        assert_eq!(output(queen().args(["--http-addr", wrong])).0, Some(2));
        assert_eq!(output(drone().args(["--queen", wrong])).0, Some(2));
    }
    for (flag, wrong, bound) in [
        ("--silence-timeout", "25h", "1d at most"),
        ("--silence-timeout", "1s", "2s at least"),
        ("--lease-grace", "31d", "30d at most"),
        ("--keep-finished", "213503982334601d", "36500d at most"),
        ("--max-data", "0", "one byte at least"),
        ("--memory-limit", "0MiB", "one byte at least"),
    ] {
        let (code, _, error) = output(queen().args([flag, wrong]));
        assert!(code == Some(2) && error.contains(flag) && error.contains(bound), "{error}");
    }
    for (mut program, flags) in
        [(queen(), ["--drone-addr", "HIVE_HTTP_ADDR", "SIGHUP"]), (drone(), ["--threads", "HIVE_QUEEN", "SIGHUP"])]
    {
        let (code, help, _) = output(program.arg("--help"));
        assert!(code == Some(0) && flags.iter().all(|flag| help.contains(flag)), "{help}");
    }
    assert_eq!(output(drone().arg("--version")).1, format!("drone {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(output(queen().arg("--version")).1, format!("queen {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_the_environment_says_wrong_is_not_blamed_on_a_flag() {
    let places = [("HIVE_HTTP_ADDR", "--http-addr"), ("HIVE_MAX_DATA", "--max-data"), ("HIVE_KEEP_FINISHED", "--keep")];
    for (variable, flag) in places {
        let (code, _, error) = output(queen().env(variable, "foo"));
        assert!(code == Some(2) && error.contains("'foo'") && error.contains(variable), "{error}");
        assert!(!error.contains(flag), "{error}");
    }
    let (_, _, error) = output(queen().env("HIVE_HTTP_ADDR", "foo").args(["--http-addr", "bar"]));
    assert!(error.contains("'bar'") && error.contains("--http-addr") && !error.contains("HIVE_HTTP_ADDR"), "{error}");
    // A switch is on in every way that is usual.
    for (value, expected) in [("1", 1), ("true", 1), ("yes", 1), ("perhaps", 2)] {
        let mut queen = queen();
        queen.env("HIVE_EPHEMERAL", value).args(["--drone-addr", "127.0.0.1:0", "--http-addr", "0.0.0.0:0"]);
        let (code, _, error) = output(&mut queen);
        assert_eq!(code, Some(expected), "{value}: {error}");
    }
    let (_, _, error) = output(queen().env("HIVE_HTTP_ADDR", "foo").args(["demo", "--exit"]));
    assert!(error.contains("HIVE_HTTP_ADDR"), "{error}");
    for (variable, wrong) in [("HIVE_QUEEN", "foo"), ("HIVE_THREADS", "0"), ("HIVE_KERNEL", "abacus")] {
        let (code, _, error) = output(drone().env(variable, wrong));
        assert!(code == Some(2) && error.contains(variable), "{error}");
    }
}

#[test]
fn the_demo_shows_right_results_and_leaves_nothing() {
    let empty = tempfile::tempdir().unwrap();
    let mut demo = queen();
    demo.args(["demo", "--exit", "--strings", "20000", "--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
    let (code, said, error) = output(demo.current_dir(empty.path()));
    assert_eq!(code, Some(0), "{said}{error}");
    for text in [DIGEST, "20,000", "http://127.0.0.1:", "each one right"] {
        assert!(said.contains(text), "{text} is not in {said}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

/// The program that `docs/PROTOCOL.md` begins with, as it stands there.
#[test]
fn the_smallest_drone_of_the_protocols_page_does_every_kind_of_work() {
    let directory = tempfile::tempdir().unwrap();
    let (queen, drones, http) = start_queen();
    let drone = Program::start(smallest_drone(directory.path()).arg(drones.to_string()));
    let words: Vec<String> = (0..2_500).map(|number| format!("word {number}")).collect();
    type Hash = fn(&[u8]) -> [u8; 32];
    let cases: [(Value, Hash); 4] = [
        (json!({ "algorithm": "sha256" }), |word| Sha256::digest(word).into()),
        (json!({ "algorithm": "sha256d" }), |word| Sha256::digest(Sha256::digest(word)).into()),
        (json!({ "algorithm": "hmac-sha256", "key": "k" }), |word| {
            let mac = hmac::Hmac::<Sha256>::new_from_slice(b"k").unwrap();
            mac.chain_update(word).finalize().into_bytes().into()
        }),
        (json!({ "algorithm": "pbkdf2-hmac-sha256", "salt": "s", "iterations": 3 }), |word| {
            pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(word, b"s", 3)
        }),
    ];
    for (mut body, hash) in cases {
        body["inputs"] = json!(words);
        let task = compute(http, &body.to_string());
        let path = format!("/tasks/{}/results?format=text", task["id"]);
        let results = request(http, "GET", &path, &[], "").text();
        let right: String =
            words.iter().map(|word| format!("{}  {word}\n", const_hex::encode(hash(word.as_bytes())))).collect();
        assert!(results == right, "{}", body["algorithm"]);
    }
    drop((drone, queen));
}
