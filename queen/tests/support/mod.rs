//! A Hive for tests: real sockets on free ports, and a client that sees status, headers and body.
#![allow(dead_code, missing_docs, reason = "each test program uses its part")]

pub mod clock;
pub mod gate;
pub mod order;
pub mod programs;
pub mod protection;
pub mod quota;
pub mod scripted;
pub mod searching;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use drone::kernel::{Choice, Kernel};
use drone::{Join, Shutdown};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use queen::access::exposure::Exposure;
use queen::clock::System;
use queen::core::Timeouts;
use queen::{Config, Listeners};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use web::kinds::digest::MAX_ITERATIONS;
use wire::ids::SeatSecret;

/// A number that the environment may give.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
}

/// Who asks with it is answered at the end of a task, or before that: machines may be slow.
pub const WAIT: (&str, &str) = ("prefer", "wait=60");

/// Items of a task that does not end. Each takes seconds.
const ENDLESS: usize = 100_000;

/// A pause before one looks again, for whoever is waited for.
pub async fn look_again() {
    tokio::time::sleep(Duration::from_millis(2)).await;
}

fn has_ended(task: &Value) -> bool {
    matches!(task["state"].as_str(), Some("done" | "failed" | "cancelled"))
}

/// A Queen in this process.
pub struct Hive {
    pub drones: SocketAddr,
    pub http: SocketAddr,
    shutdown: CancellationToken,
    queen: JoinHandle<Result<(), queen::Error>>,
}

/// A Drone in this process.
pub struct Worker {
    shutdown: Shutdown,
    drone: JoinHandle<Result<(), drone::Error>>,
}

/// Longer than any test takes: a day.
pub const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// A Queen that keeps nothing, and waits for Drones as long as it takes.
pub fn config() -> Config {
    Config {
        max_body: 64 << 20,
        memory_limit: 1 << 30,
        exposure: Exposure::default(),
        data: None,
        keep_finished: Duration::from_secs(3600),
        max_data: None,
        max_queued: queen::hive::MAX_QUEUED,
        timeouts: Timeouts { silence: LONG, grace: LONG, retry: Duration::ZERO },
        clock: Arc::new(System::start()),
        open_files: 1 << 20,
        protection: None,
    }
}

impl Hive {
    pub async fn start() -> Self {
        Self::start_with(config()).await
    }

    /// A Queen who takes new tasks already.
    pub async fn start_with(config: Config) -> Self {
        Self::start_at(config, ([127, 0, 0, 1], 0).into()).await
    }

    /// The same, who is asked at this address.
    pub async fn start_at(config: Config, http: SocketAddr) -> Self {
        let (drones, http) = (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind(http).await);
        let listeners = Listeners { drones: drones.unwrap(), http: http.unwrap() };
        let (drones, http) = (listeners.drones.local_addr().unwrap(), listeners.http.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let running = queen::run(config, listeners, shutdown.clone());
        let queen = tokio::spawn(async {
            // Whoever asks her for something would only see that nobody answers.
            running.await.inspect_err(|error| eprintln!("the Queen has ended: {error}"))
        });
        let hive = Self { drones, http, shutdown, queen };
        hive.until_ready().await;
        hive
    }

    /// Waits until new tasks are taken.
    pub async fn until_ready(&self) {
        while self.get("/readyz").await.status != 200 {
            look_again().await;
        }
    }

    pub fn worker(&self, name: &str) -> Worker {
        self.worker_with(name, None)
    }

    /// A Drone that is let in by a join file.
    pub fn worker_with(&self, name: &str, join: Option<Join>) -> Worker {
        let config = drone::Config {
            queen: self.drones.into(),
            threads: NonZeroUsize::MIN,
            name: name.into(),
            seat: SeatSecret::random().unwrap(),
            join,
            kernel: Choice::Only(Kernel::PORTABLE),
            // Who waits for it may be as busy as it is.
            nice: 0,
            show_words: true,
        };
        let shutdown = Shutdown::default();
        let drone = tokio::spawn(drone::run(config, shutdown.clone()));
        Worker { shutdown, drone }
    }

    pub async fn stop(self) {
        self.end().await.unwrap();
    }

    /// Stops; how that went.
    pub async fn end(self) -> Result<(), queen::Error> {
        self.shutdown.cancel();
        self.queen.await.unwrap()
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
        send(self.http, method, path, headers, body.into()).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    /// Submits JSON and waits until it is computed.
    pub async fn compute(&self, task: Value) -> Value {
        let headers = [("content-type", "application/json"), WAIT];
        let answer = self.send("POST", "/tasks", &headers, task.to_string()).await;
        self.computed(answer).await
    }

    /// What is computed in the end of a task that was submitted with [`WAIT`].
    pub async fn computed(&self, submitted: Answer) -> Value {
        match submitted.status {
            200 => submitted.json(),
            201 => self.until_done(submitted.json()["id"].as_u64().unwrap()).await,
            _ => panic!("{}", submitted.text()),
        }
    }

    /// A task that nobody computes to its end: there is work until it is cancelled.
    pub async fn submit_endless(&self, options: &str) -> u64 {
        let query = format!("?algorithm=pbkdf2-hmac-sha256&iterations={MAX_ITERATIONS}{options}");
        self.submit_lines(&query, &vec![String::new(); ENDLESS]).await
    }

    pub async fn cancel(&self, task: u64) {
        let cancelled = self.send("POST", &format!("/tasks/{task}/cancel"), &[], "").await;
        assert_eq!((cancelled.status, &cancelled.json()["state"]), (200, &"cancelled".into()), "{}", cancelled.text());
    }

    /// Submits lines of text.
    pub async fn submit_lines(&self, query: &str, lines: &[String]) -> u64 {
        let body = lines.join("\n");
        let answer = self.send("POST", &format!("/tasks{query}"), &headers_of_lines(query), body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }

    /// Waits until a task satisfies `until`.
    pub async fn until(&self, task: u64, until: impl Fn(&Value) -> bool) -> Value {
        loop {
            let view = self.get(&format!("/tasks/{task}")).await.json();
            if until(&view) {
                return view;
            }
            assert!(!matches!(view["state"].as_str(), Some("failed" | "cancelled")), "{view}");
            look_again().await;
        }
    }

    /// The Drone of that name.
    pub async fn drone(&self, name: &str) -> Value {
        let drones = self.get("/drones").await.json();
        let found = drones["drones"].as_array().unwrap().iter().find(|drone| drone["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no {name} in {drones}"))
    }

    /// Waits until a Drone that was started has work.
    pub async fn until_busy(&self, name: &str) {
        let is_busy = |drone: &Value| drone["name"] == name && drone["leases"].as_u64() > Some(0);
        while !self.get("/drones").await.json()["drones"].as_array().unwrap().iter().any(is_busy) {
            look_again().await;
        }
    }

    /// Waits until so many Drones are connected.
    pub async fn until_drones(&self, count: u64) {
        while self.get("/stats").await.json()["drones"] != count {
            look_again().await;
        }
    }

    /// Waits until a task has ended, however it has.
    pub async fn until_ended(&self, task: u64) -> Value {
        loop {
            let view = self.send("GET", &format!("/tasks/{task}"), &[WAIT], "").await.json();
            if has_ended(&view) {
                return view;
            }
        }
    }

    pub async fn until_done(&self, task: u64) -> Value {
        let view = self.until_ended(task).await;
        assert_eq!(view["state"], "done", "{view}");
        view
    }
}

/// What a task of lines with these options needs: one of PBKDF2 has the salt `s`.
pub fn headers_of_lines(query: &str) -> Vec<(&'static str, &'static str)> {
    let salt = query.contains("pbkdf2").then_some(("hive-salt", "s"));
    [("content-type", "text/plain")].into_iter().chain(salt).collect()
}

impl Worker {
    /// Leaves at once, handing everything back.
    pub async fn leave(self) {
        self.shutdown.now.cancel();
        self.drone.await.unwrap().unwrap();
    }

    /// Waits until it has left by itself.
    pub async fn end(self) {
        self.drone.await.unwrap().unwrap();
    }

    /// Disappears without a word.
    pub fn vanish(self) {
        self.drone.abort();
    }
}

/// What the Queen answered.
pub struct Answer {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// One request on a connection of its own.
pub async fn send(to: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
    try_send(to, method, path, headers, body).await.unwrap_or_else(|_| panic!("{method} {path}: no answer"))
}

/// There was no answer, or not all of it.
#[derive(Debug)]
pub struct Broken;

/// Like [`send`], where the Queen may die meanwhile.
pub async fn try_send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Bytes,
) -> Result<Answer, Broken> {
    let socket = TcpStream::connect(to).await.map_err(|_| Broken)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(|_| Broken)?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", to.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::new(body)).unwrap()).await.map_err(|_| Broken)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let body = response.into_body().collect().await.map_err(|_| Broken)?.to_bytes();
    Ok(Answer { status, headers, body })
}

/// A task when it is done, for tests that wait for it.
pub fn until_done(http: SocketAddr, task: u64) -> Value {
    loop {
        let view = request(http, "GET", &format!("/tasks/{task}"), &[WAIT], "").json();
        if has_ended(&view) {
            assert_eq!(view["state"], "done", "{view}");
            return view;
        }
    }
}

/// One request, for tests that wait for it.
pub fn request(http: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(send(http, method, path, headers, body))
}
