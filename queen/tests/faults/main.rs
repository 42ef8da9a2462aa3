//! Drones that lie, fail, fall silent, die and come back, one fault at a time: a real Queen over
//! real sockets, and Drones that do exactly what a test says. What each of them has to lead to
//! is waited for as users would see it.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod audits;
mod breaches;
mod control;
mod failures;
mod joining;
mod lies;
mod material;
mod places;
mod returns;
mod searches;
mod seats;
mod secrets;
mod silence;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod twice;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use queen::Config;
use queen::store::Location;
use serde_json::Value;
use sha2::{Digest, Sha256};
use support::programs::{Program, address};
use support::{Answer, Hive, headers_of_lines, send};

/// Expensive enough that one result costs more than looking at a part may.
const PBKDF2: &str = "?algorithm=pbkdf2-hmac-sha256&iterations=5000";

/// A Queen who keeps everything in a directory if there is one.
fn config(data: Option<&Path>) -> Config {
    Config { data: data.map(|data| Location::new(data.to_owned())), ..support::config() }
}

/// In memory, and in a directory that lasts as long as the second element.
fn both() -> [(Config, Option<tempfile::TempDir>); 2] {
    let directory = tempfile::tempdir().unwrap();
    [(config(None), None), (config(Some(directory.path())), Some(directory))]
}

/// A Queen of whom only the addresses are known.
#[derive(Debug, Clone, Copy)]
struct Queen {
    drones: SocketAddr,
    http: SocketAddr,
}

/// A Queen in this process, and her addresses.
async fn start_queen(config: Config) -> (Hive, Queen) {
    let hive = Hive::start_with(config).await;
    let queen = Queen::from(&hive);
    (hive, queen)
}

impl From<&Hive> for Queen {
    fn from(hive: &Hive) -> Self {
        Self { drones: hive.drones, http: hive.http }
    }
}

impl Queen {
    /// One in a process of her own.
    fn start(data: &Path) -> (Program, Self) {
        let mut command = support::programs::queen();
        command.args(["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"]);
        // Who says nothing for long is kept all the same.
        command.args(["--silence-timeout", "1d", "--lease-grace", "30d", "--data-dir"]).arg(data);
        let mut queen = Program::start(&mut command);
        let drones = address(&queen.line("listening for drones"));
        let http = address(&queen.line("admin page"));
        (queen, Self { drones, http })
    }

    /// Asks until she serves: she may have just started.
    async fn ask(self, method: &str, path: &str, media_type: &str, body: Bytes) -> Answer {
        self.ask_with(method, path, &[("content-type", media_type)], body).await
    }

    async fn ask_with(self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        loop {
            let answer = send(self.http, method, path, headers, body.clone()).await;
            if answer.status != 503 {
                return answer;
            }
            support::look_again().await;
        }
    }

    async fn get(self, path: &str) -> Value {
        let answer = self.ask("GET", path, "", Bytes::new()).await;
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer.json()
    }

    async fn post(self, path: &str) -> Answer {
        self.ask("POST", path, "", Bytes::new()).await
    }

    async fn amend(self, task: u64, changes: Value) -> Value {
        let body = Bytes::from(changes.to_string());
        let answer = self.ask("PATCH", &format!("/tasks/{task}"), "application/json", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    async fn submit(self, query: &str, lines: &[String]) -> u64 {
        let body = Bytes::from(lines.join("\n"));
        let headers = headers_of_lines(query);
        let answer = self.ask_with("POST", &format!("/tasks{query}"), &headers, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }

    async fn task(self, task: u64) -> Value {
        self.get(&format!("/tasks/{task}")).await
    }

    async fn drone(self, drone: wire::ids::DroneId) -> Value {
        self.get(&format!("/drones/{drone}")).await
    }

    /// Waits until what is shown at `path` satisfies `is_it`.
    async fn until(self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let view = self.get(path).await;
            if is_it(&view) {
                return view;
            }
            support::look_again().await;
        }
    }

    async fn until_task(self, task: u64, is_it: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("/tasks/{task}"), is_it).await
    }

    async fn until_drone(self, drone: wire::ids::DroneId, state: &str) -> Value {
        self.until(&format!("/drones/{drone}"), |view| view["state"] == state).await
    }

    async fn until_done(self, task: u64) -> Value {
        self.until_task(task, |view| {
            assert!(!["failed", "cancelled"].contains(&view["state"].as_str().unwrap()), "{view}");
            view["state"] == "done"
        })
        .await
    }

    /// Every result is there and right.
    async fn check(self, task: u64, lines: &[String]) {
        assert!(self.results(task).await == expected(lines), "the results of task {task} are wrong");
    }

    async fn results(self, task: u64) -> String {
        self.ask("GET", &format!("/tasks/{task}/results?format=text"), "", Bytes::new()).await.text()
    }

    /// The same of a batch some of whose tasks have left it.
    async fn partial_results(self, task: u64) -> String {
        self.ask("GET", &format!("/tasks/{task}/results?format=text&partial=1"), "", Bytes::new()).await.text()
    }

    /// Waits until so much time has passed for the Queen.
    async fn until_later(self, time: Duration) {
        let uptime = |view: &Value| view["uptime_seconds"].as_f64().unwrap();
        let now = uptime(&self.get("/stats").await);
        self.until("/stats", |view| uptime(view) > now + time.as_secs_f64()).await;
    }
}

/// So long that what a segment has of them is never more than one part of results may have.
fn lines(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("line {index} hashed")).collect()
}

/// What `?format=text` gives for these lines.
fn expected(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}  {line}\n", const_hex::encode(Sha256::digest(line)))).collect()
}

/// The same for [`PBKDF2`].
fn expected_pbkdf2(lines: &[String]) -> String {
    let digest = |line: &String| pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(line.as_bytes(), b"s", 5000);
    lines.iter().map(|line| format!("{}  {line}\n", const_hex::encode(digest(line)))).collect()
}
