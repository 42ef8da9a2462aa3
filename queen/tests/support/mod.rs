//! A Hive for tests: real sockets on free ports, and a client that sees status, headers and body.
#![allow(dead_code, missing_docs, reason = "each test program uses its part")]

pub mod gate;
pub mod order;
pub mod programs;
pub mod quota;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use drone::Shutdown;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use queen::core::Patience;
use queen::{Config, Listeners};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use wire::ids::SeatSecret;

/// A number that the environment may give.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text}")))
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

/// A Queen that keeps nothing.
pub fn config() -> Config {
    Config {
        max_body: 64 << 20,
        memory_limit: 1 << 30,
        any_host: false,
        data: None,
        keep_finished: Duration::from_secs(3600),
        max_data: None,
        patience: Patience::default(),
    }
}

impl Hive {
    pub async fn start() -> Self {
        Self::start_with(config()).await
    }

    /// A Queen who takes new tasks already.
    pub async fn start_with(config: Config) -> Self {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let listeners = Listeners { drones: bind().await.unwrap(), http: bind().await.unwrap() };
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
            tokio::task::yield_now().await;
        }
    }

    pub fn worker(&self, name: &str) -> Worker {
        let config = drone::Config {
            queen: self.drones.into(),
            threads: NonZeroUsize::MIN,
            name: name.into(),
            seat: SeatSecret::random().unwrap(),
            kernel: drone::kernel::Choice::Only(drone::kernel::Kernel::PORTABLE),
            nice: drone::NICE,
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

    /// Submits JSON and waits for the end.
    pub async fn compute(&self, task: Value) -> Value {
        let headers = [("content-type", "application/json"), ("prefer", "wait=60")];
        let answer = self.send("POST", "/tasks", &headers, task.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Submits lines of text.
    pub async fn submit_lines(&self, query: &str, lines: &[String]) -> u64 {
        let body = lines.join("\n");
        let answer = self.send("POST", &format!("/tasks{query}"), &[("content-type", "text/plain")], body).await;
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
            tokio::task::yield_now().await;
        }
    }

    /// Waits until so many Drones are connected.
    pub async fn until_drones(&self, count: u64) {
        while self.get("/stats").await.json()["drones"] != count {
            tokio::task::yield_now().await;
        }
    }

    pub async fn until_done(&self, task: u64) -> Value {
        self.until(task, |view| view["state"] == "done").await
    }
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

/// One request, for tests that wait for it.
pub fn request(http: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let body = Bytes::copy_from_slice(body.as_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(send(http, method, path, headers, body))
}
