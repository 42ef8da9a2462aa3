//! Puts load on a Queen, and says how much she took: the figures of docs/PERFORMANCE.md.
//!
//! ```text
//! cargo run --release -p queen --example load -- singles --count 100000
//! cargo run --release -p queen --example load -- bulk --strings 100000000
//! ```
//!
//! Every result that comes back is compared, or every so many-th of a long download. The last
//! line is JSON.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use clap::{Args, Parser, Subcommand};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Puts load on a Queen
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    load: Load,
    /// Where her REST API is
    #[arg(long, global = true, default_value = "127.0.0.1:8081")]
    queen: SocketAddr,
}

#[derive(Subcommand)]
enum Load {
    /// One task a request, on several connections
    Singles(Singles),
    /// One task of many strings: upload, wait, download
    Bulk(Bulk),
}

#[derive(Args, Clone)]
struct Singles {
    /// Tasks in all
    #[arg(long, default_value_t = 50_000)]
    count: u64,
    /// Connections at once, each with one request under way
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// Wait for each digest, and compare it; otherwise tasks are only submitted
    #[arg(long)]
    wait: bool,
}

#[derive(Args)]
struct Bulk {
    /// How many strings, of 25 bytes each
    #[arg(long, default_value_t = 5_000_000)]
    strings: u64,
    /// Compare every so many-th digest of the download
    #[arg(long, default_value_t = 1)]
    every: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let figures = match cli.load {
        Load::Singles(load) => singles(cli.queen, load).await?,
        Load::Bulk(load) => bulk(cli.queen, &load).await?,
    };
    println!("{figures}");
    Ok(())
}

/// A connection of its own.
struct Client {
    queen: SocketAddr,
    sender: SendRequest<BoxBody<Bytes, std::convert::Infallible>>,
}

impl Client {
    async fn connect(queen: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(queen).await.with_context(|| format!("cannot reach a Queen at {queen}"))?;
        socket.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await?;
        tokio::spawn(connection);
        Ok(Self { queen, sender })
    }

    async fn send<B>(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: B,
    ) -> anyhow::Result<Response<Incoming>>
    where
        B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        let mut request = Request::builder().method(method).uri(path).header("host", self.queen.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(body.boxed())?).await?)
    }

    async fn json<B>(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: B) -> anyhow::Result<Value>
    where
        B: Body<Data = Bytes, Error = std::convert::Infallible> + Send + Sync + 'static,
    {
        let response = self.send(method, path, headers, body).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{method} {path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body)?)
    }
}

fn empty() -> Full<Bytes> {
    Full::default()
}

/// Exactly 25 bytes.
fn string(index: u64) -> String {
    format!("bee-{index:012}@hive.net")
}

async fn singles(queen: SocketAddr, load: Singles) -> anyhow::Result<Value> {
    let began = Instant::now();
    let mut workers = JoinSet::new();
    for worker in 0..load.connections {
        let load = load.clone();
        workers.spawn(async move {
            let mut client = Client::connect(queen).await?;
            let mut times = Vec::new();
            for index in (worker..load.count).step_by(load.connections as usize) {
                let sent = Instant::now();
                single(&mut client, index, load.wait).await?;
                times.push(sent.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = workers.join_next().await {
        times.extend(done??);
    }
    let seconds = began.elapsed().as_secs_f64();
    times.sort_unstable();
    let rate = load.count as f64 / seconds;
    let at = |part: f64| milliseconds(times[((times.len() - 1) as f64 * part) as usize]);
    println!("{} tasks in {seconds:.2} s: {rate:.0} a second", load.count);
    println!("a request takes {:.2} ms (median), {:.2} ms (99 %), {:.2} ms (longest)", at(0.5), at(0.99), at(1.0));
    Ok(json!({ "tasks": load.count, "wait": load.wait, "connections": load.connections, "seconds": seconds,
        "tasks_per_second": rate, "median_ms": at(0.5), "p99_ms": at(0.99), "longest_ms": at(1.0) }))
}

async fn single(client: &mut Client, index: u64, wait: bool) -> anyhow::Result<()> {
    let input = string(index);
    let body = Full::new(Bytes::from(json!({ "input": input }).to_string()));
    let json = ("content-type", "application/json");
    if !wait {
        return client.json("POST", "/tasks", &[json], body).await.map(drop);
    }
    let task = client.json("POST", "/tasks", &[json, ("prefer", "wait=60")], body).await?;
    let digest = task["results"][0]["digest"].as_str().unwrap_or_default();
    ensure!(digest == const_hex::encode(Sha256::digest(&input)), "{input} has the wrong digest: {task}");
    Ok(())
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Strings as lines of text, made as they are sent.
struct Lines {
    next: u64,
    end: u64,
}

impl Body for Lines {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::convert::Infallible>>> {
        if self.next == self.end {
            return Poll::Ready(None);
        }
        let end = self.end.min(self.next + 8192);
        let mut lines = String::with_capacity(8192 * 26);
        for index in self.next..end {
            lines.push_str(&string(index));
            lines.push('\n');
        }
        self.next = end;
        Poll::Ready(Some(Ok(Frame::data(lines.into()))))
    }
}

async fn bulk(queen: SocketAddr, load: &Bulk) -> anyhow::Result<Value> {
    let mut client = Client::connect(queen).await?;
    let began = Instant::now();
    let lines = Lines { next: 0, end: load.strings };
    let task = client.json("POST", "/tasks?name=load", &[("content-type", "text/plain")], lines).await?;
    let uploaded = began.elapsed().as_secs_f64();
    let path = format!("/tasks/{}", task["id"]);
    loop {
        let task = client.json("GET", &path, &[("prefer", "wait=60")], empty()).await?;
        match task["state"].as_str() {
            Some("done") => break,
            Some("failed" | "cancelled") => bail!("it did not end well: {task}"),
            _ => println!("{} of {} done, {} a second", task["done"], task["total"], task["rate"]),
        }
    }
    let computed = began.elapsed().as_secs_f64();
    let response = client.send("GET", &format!("{path}/results?format=text"), &[], empty()).await?;
    ensure!(response.status().is_success(), "the download: {}", response.status());
    download(response.into_body(), load).await?;
    let downloaded = began.elapsed().as_secs_f64();
    let rate = |seconds: f64| load.strings as f64 / seconds / 1e6;
    println!("{} strings, million a second:", load.strings);
    println!("upload {:.2} ({uploaded:.1} s)", rate(uploaded));
    println!("until computed {:.2} ({computed:.1} s)", rate(computed));
    println!("download {:.2} ({:.1} s)", rate(downloaded - computed), downloaded - computed);
    println!("from end to end {:.2} ({downloaded:.1} s)", rate(downloaded));
    Ok(json!({ "strings": load.strings, "upload_seconds": uploaded, "computed_seconds": computed,
        "downloaded_seconds": downloaded, "strings_per_second": load.strings as f64 / downloaded }))
}

/// Reads all lines, and compares every so many-th.
async fn download(mut body: Incoming, load: &Bulk) -> anyhow::Result<()> {
    let mut index = 0;
    let mut rest: Vec<u8> = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let mut lines = data.split(|byte| *byte == b'\n');
        // What follows the last line feed is the beginning of a line.
        let last = lines.next_back().unwrap_or_default();
        for line in lines {
            rest.extend_from_slice(line);
            if index % load.every == 0 {
                let right = format!("{}  {}", const_hex::encode(Sha256::digest(string(index))), string(index));
                ensure!(rest == right.as_bytes(), "line {index} is {}", String::from_utf8_lossy(&rest));
            }
            index += 1;
            rest.clear();
        }
        rest.extend_from_slice(last);
    }
    ensure!(index == load.strings && rest.is_empty(), "{index} lines came for {} strings", load.strings);
    Ok(())
}
