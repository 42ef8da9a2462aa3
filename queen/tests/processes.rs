//! The programs as their users start them: consoles, flags, signals, exit codes.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use bytes::Bytes;
use serde_json::{Value, json};
use sha2::Sha256;

const WORD: &str = "super_secret_password_123";
const DIGEST: &str = "292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d";

fn queen() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_queen")))
}

/// Built by `cargo build --workspace --bins`; it lies beside the Queen.
fn drone() -> Command {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_queen")).with_file_name("drone");
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    clean(Command::new(path))
}

fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HIVE_")) {
        command.env_remove(name);
    }
    command
}

/// A running program and its console.
struct Program {
    child: Child,
    console: BufReader<ChildStdout>,
    seen: Vec<String>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let console = BufReader::new(child.stdout.take().unwrap());
        Self { child, console, seen: Vec::new() }
    }

    /// Reads the console up to a line that contains `text`.
    fn line(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.console.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "no line with {text:?} in:\n{}", self.seen.concat());
            self.seen.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the end; the exit code and all that the console said.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.console, &mut rest).unwrap();
        self.seen.push(rest);
        let status = self.child.wait().unwrap();
        (status.code(), self.seen.concat())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(line: &str) -> SocketAddr {
    let at = line.find("127.0.0.").unwrap();
    let rest = &line[at..];
    rest[..rest.find(|char: char| !char.is_ascii_digit() && char != '.' && char != ':').unwrap_or(rest.len())]
        .parse()
        .unwrap()
}

fn start_queen() -> (Program, SocketAddr, SocketAddr) {
    start_queen_on("127.0.0.1:0")
}

fn start_queen_on(drones: &str) -> (Program, SocketAddr, SocketAddr) {
    let mut queen = Program::start(queen().args(["--drone-addr", drones, "--http-addr", "127.0.0.1:0", "--ephemeral"]));
    let drones = address(&queen.line("listening for drones"));
    let http = address(&queen.line("admin page"));
    (queen, drones, http)
}

fn start_drone(drones: SocketAddr, name: &str) -> Program {
    Program::start(drone().args(["--queen", &drones.to_string(), "--name", name, "--threads", "1"]))
}

fn request(http: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> support::Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(support::send(http, method, path, headers, body))
}

fn compute(http: SocketAddr, body: &str) -> Value {
    let answer = request(http, "POST", "/tasks", &[("prefer", "wait=60")], body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
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
fn a_killed_drone_is_replaced() {
    let (queen, drones, http) = start_queen();
    let mut victim = start_drone(drones, "victim");
    let query = "/tasks?algorithm=pbkdf2-hmac-sha256&salt=s&iterations=5000";
    let lines: Vec<String> = (0..400).map(|index| index.to_string()).collect();
    let answer = request(http, "POST", query, &[("content-type", "text/plain")], &lines.join("\n"));
    assert_eq!(answer.status, 201, "{}", answer.text());
    victim.line("Received");
    victim.signal("-KILL");
    let heir = start_drone(drones, "heir");
    let task = request(http, "GET", "/tasks/1", &[("prefer", "wait=60")], "").json();
    assert_eq!(task["state"], "done", "{task}");
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
    let drones = drones.to_string();
    let mut again =
        Program::start(self::queen().args(["--drone-addr", &drones, "--http-addr", "127.0.0.1:0", "--ephemeral"]));
    let http = address(&again.line("admin page"));
    again.line("drone connected");
    assert_eq!(compute(http, r#"{"input":"again"}"#)["state"], "done");
    again.signal("-TERM");
    let (code, said) = again.end();
    assert_eq!(code, Some(0), "{said}");
    drone.signal("-TERM");
    assert_eq!(drone.end().0, Some(0));
}

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
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
    for wrong in ["nonsense", "127.0.0.1:99999"] {
        assert_eq!(output(queen().args(["--http-addr", wrong])).0, Some(2));
        assert_eq!(output(drone().args(["--queen", wrong])).0, Some(2));
    }
    for (mut program, flags) in [(queen(), ["--drone-addr", "HIVE_HTTP_ADDR"]), (drone(), ["--threads", "HIVE_QUEEN"])]
    {
        let (code, help, _) = output(program.arg("--help"));
        assert!(code == Some(0) && flags.iter().all(|flag| help.contains(flag)), "{help}");
    }
    assert_eq!(output(drone().arg("--version")).1, format!("drone {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(output(queen().arg("--version")).1, format!("queen {}\n", env!("CARGO_PKG_VERSION")));
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
