//! `hive` as its users start it, with real Queens and Drones.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod away;
mod exits;
mod login;
mod printed;
mod search;
mod submit;
#[path = "../support/mod.rs"]
mod support;
mod watch;

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Output, Stdio};

use sha2::{Digest, Sha256};
use support::programs::{self, Program, address, queen, start_drone};
use tempfile::TempDir;

/// A Queen with a directory of her own, whom clients find.
struct Hive {
    folder: TempDir,
    queen: Option<Program>,
    drones: SocketAddr,
    http: SocketAddr,
}

impl Hive {
    /// On an address of its own, so that nobody else takes her ports while she is away.
    fn on(host: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = |port: u16| format!("{host}:{port}");
        let (queen, drones, http) = start(&folder, &any(0), &any(0));
        Self { folder, queen: Some(queen), drones, http }
    }

    fn kill(&mut self) {
        let queen = self.queen.take().unwrap();
        queen.signal("-KILL");
        queen.end();
    }

    /// She is back where she was.
    fn restart(&mut self) {
        let (queen, ..) = start(&self.folder, &self.drones.to_string(), &self.http.to_string());
        self.queen = Some(queen);
    }

    fn drone(&self, name: &str) -> Program {
        start_drone(self.drones, name)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A client of hers, that sees nobody's profiles.
    fn client(&self, arguments: &[&str]) -> Command {
        let mut command = programs::hive();
        command.env("HIVE_URL", format!("http://{}", self.http)).env("XDG_CONFIG_HOME", self.path("config"));
        command.args(arguments);
        command
    }

    /// What a client prints that does what it is to.
    fn done(&self, arguments: &[&str]) -> String {
        let (code, said, complaint) = programs::output(&mut self.client(arguments));
        assert_eq!(code, Some(0), "{arguments:?}: {complaint}");
        said
    }

    fn json<T: serde::de::DeserializeOwned>(&self, arguments: &[&str]) -> T {
        serde_json::from_str(&self.done(arguments)).unwrap()
    }
}

fn start(folder: &TempDir, drones: &str, http: &str) -> (Program, SocketAddr, SocketAddr) {
    let mut command = queen();
    command.args(["--drone-addr", drones, "--http-addr", http, "--data-dir"]).arg(folder.path().join("data"));
    let mut queen = Program::start(&mut command);
    let drones = address(&queen.line("listening for drones"));
    let http = address(&queen.line("admin page"));
    (queen, drones, http)
}

/// A client that runs, with its standard output and error read by the test.
struct Client(Child);

impl Client {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(piped.spawn().unwrap())
    }

    fn input(&mut self) -> ChildStdin {
        self.0.stdin.take().unwrap()
    }

    /// Reads its complaints up to a text.
    fn until_said(&mut self, text: &str) {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&seen).contains(text) {
            let read = self.0.stderr.as_mut().unwrap().read(&mut byte).unwrap();
            assert_ne!(read, 0, "no {text:?} in {:?}", String::from_utf8_lossy(&seen));
            seen.push(byte[0]);
        }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }

    fn end(self) -> Output {
        self.0.wait_with_output().unwrap()
    }

    /// What it prints that does what it is to.
    fn said(self) -> String {
        let output = self.end();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Lets a client read this from a pipe; what it prints.
fn piped(command: &mut Command, input: &[u8]) -> String {
    let mut client = Client::start(command);
    let mut pipe = client.input();
    pipe.write_all(input).unwrap();
    drop(pipe);
    client.said()
}

/// What `sha256sum` would print of each input.
fn sums<'a>(inputs: impl IntoIterator<Item = &'a str>) -> String {
    inputs.into_iter().map(|input| format!("{}  {input}\n", const_hex::encode(Sha256::digest(input)))).collect()
}

fn numbers(count: u32) -> Vec<String> {
    (0..count).map(|number| format!("{number:08}")).collect()
}

fn lines(inputs: &[String]) -> String {
    inputs.iter().map(|input| format!("{input}\n")).collect()
}
