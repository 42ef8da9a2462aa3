//! One task a request.

use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use memchr::memmem;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::api::Api;
use super::client::Client;
use super::report::Times;
use super::strings::{SIZE, digest, string};

#[derive(Args, Clone)]
pub struct Singles {
    /// Tasks in all
    #[arg(long, default_value_t = 50_000)]
    pub count: u64,
    /// Connections at once, each with one request under way
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..))]
    pub connections: u64,
    /// Wait for each digest, and compare it; otherwise tasks are only submitted
    #[arg(long)]
    pub wait: bool,
}

/// What came out.
pub struct Taken {
    pub seconds: f64,
    pub per_second: f64,
    pub times: Times,
}

impl Singles {
    pub async fn run(self, api: &Api) -> anyhow::Result<Value> {
        let Taken { seconds, per_second, times } = self.put_on(api).await?;
        let (median, p99, longest) = (times.at(0.5), times.at(0.99), times.at(1.0));
        println!("{} tasks in {seconds:.2} s: {per_second:.0} a second", self.count);
        println!("a request takes {median:.2} ms (median), {p99:.2} ms (99 %), {longest:.2} ms (longest)");
        Ok(json!({ "tasks": self.count, "wait": self.wait, "connections": self.connections, "seconds": seconds,
            "tasks_per_second": per_second, "median_ms": median, "p99_ms": p99, "longest_ms": longest }))
    }

    /// All requests, on all connections.
    pub async fn put_on(&self, api: &Api) -> anyhow::Result<Taken> {
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(Words::connect(api, self.wait).await?);
        }
        let (begun, mut workers) = (Instant::now(), JoinSet::new());
        for (worker, mut words) in (0..).zip(connections) {
            let indices = (worker..self.count).step_by(self.connections as usize);
            workers.spawn(async move {
                let mut times = Vec::with_capacity(indices.size_hint().0);
                for index in indices {
                    times.push(words.ask(index).await?);
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(done) = workers.join_next().await {
            times.extend(done??);
        }
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Taken { seconds, per_second: self.count as f64 / seconds, times: Times::of(times) })
    }
}

/// A connection that asks for one word after the other.
pub struct Words {
    client: Client,
    /// Only the word in it changes.
    request: Vec<u8>,
    wait: bool,
}

/// Behind the word in a request.
const END: &[u8] = b"\"}";

impl Words {
    pub async fn connect(api: &Api, wait: bool) -> anyhow::Result<Self> {
        let client = Client::connect(api).await?;
        let body = [br#"{"input":""#, &string(0)[..], END].concat();
        let headers = ["content-type: application/json\r\n", if wait { "prefer: wait=60\r\n" } else { "" }].concat();
        let head = client.head("POST", "/tasks", &headers, body.len() as u64);
        Ok(Self { client, request: [head.as_bytes(), &body].concat(), wait })
    }

    /// How long one takes. If its digest was waited for, it was the right one.
    pub async fn ask(&mut self, index: u64) -> anyhow::Result<Duration> {
        let sent = Instant::now();
        let word = string(index);
        let end = self.request.len() - END.len();
        self.request[end - SIZE..end].copy_from_slice(&word);
        let right = const_hex::Buffer::<32>::new().format(&digest(&word)).to_owned();
        let wait = self.wait;
        let is_right = |status: u16, body: &[u8]| match wait {
            true => (status == 200 && memmem::find(body, right.as_bytes()).is_some()).then_some(()),
            false => (status == 201).then_some(()),
        };
        let look = |status, body: &[u8]| is_right(status, body).ok_or_else(|| String::from_utf8_lossy(body).into());
        let looked: Result<(), String> = self.client.exchange(&self.request, look).await?;
        ensure!(looked.is_ok(), "{} got a wrong answer: {looked:?}", String::from_utf8_lossy(&word));
        Ok(sent.elapsed())
    }
}
