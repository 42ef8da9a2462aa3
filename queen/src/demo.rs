//! A Queen and Drones in one process, over real sockets, at work for you to see.

mod client;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use drone::console::{self, LogFormat, count};
use drone::story;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use wire::ids::SeatSecret;

use crate::args::Demo;
use crate::config::{Config, Listeners};
use client::Client;

const WORD: &str = "super_secret_password_123";

/// Lines of the large task's results that are shown.
const SHOWN_LINES: usize = 3;

/// How often progress is shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Runs the demo; serves on until `shutdown` unless it is to exit.
///
/// # Errors
/// If anything fails or any result is wrong.
pub async fn run(demo: Demo, config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let (drones, http) = (listeners.drones.local_addr()?, listeners.http.local_addr()?);
    let show_words = config.exposure.may_show_words(drones, http);
    let queen = tokio::spawn(crate::run(config, listeners, shutdown.clone()));
    let fleet = start_drones(&demo, drones, show_words, &shutdown)?;
    let worked = tokio::select! {
        worked = work(&demo, http) => worked,
        () = shutdown.cancelled() => Ok(()),
    };
    if worked.is_err() || demo.exit {
        shutdown.cancel();
    } else if !shutdown.is_cancelled() {
        story!("🍯", "Have a look: http://{http}/ (Ctrl-C ends it)");
        shutdown.cancelled().await;
    }
    fleet.join_all().await;
    queen.await??;
    worked
}

fn start_drones(
    demo: &Demo,
    queen: SocketAddr,
    show_words: bool,
    shutdown: &CancellationToken,
) -> anyhow::Result<JoinSet<()>> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = NonZeroUsize::new(cores / usize::from(demo.drones)).unwrap_or(NonZeroUsize::MIN);
    let mut fleet = JoinSet::new();
    for number in 1..=demo.drones {
        let config = drone::Config {
            queen: queen.into(),
            threads,
            name: format!("demo-drone-{number}"),
            seat: SeatSecret::random()?,
            join: None,
            kernel: demo.kernel,
            nice: drone::NICE,
            show_words,
        };
        let shutdown = drone::Shutdown { drain: shutdown.clone(), now: shutdown.clone() };
        fleet.spawn(async move {
            if let Err(error) = drone::run(config, shutdown).await {
                tracing::error!(%error, "a drone of the demo failed");
            }
        });
    }
    Ok(fleet)
}

async fn work(demo: &Demo, http: SocketAddr) -> anyhow::Result<()> {
    let mut client = Client::connect(http).await?;
    hash_a_word(&mut client).await?;
    let shows_bar = std::io::stdout().is_terminal() && demo.serve.log_format == LogFormat::Story;
    hash_many(&mut client, demo.strings, shows_bar).await
}

async fn hash_a_word(client: &mut Client) -> anyhow::Result<()> {
    story!("🎬", "curl -H 'Prefer: wait=60' -d '{{\"input\":\"{WORD}\"}}' http://{}/tasks", client.address);
    let body = json!({ "input": WORD }).to_string().into();
    let task = client.json("POST", "/tasks", &[("content-type", "application/json"), ("prefer", "wait=60")], body);
    let task = task.await?;
    let digest = task["results"][0]["digest"].as_str().context("the word's digest did not come within a minute")?;
    ensure!(digest == const_hex::encode(Sha256::digest(WORD)), "the word's digest is wrong: {digest}");
    story!("✨", "{WORD} -> {digest}");
    Ok(())
}

fn string(index: u64) -> String {
    format!("worker-bee-{index:08}@hive.example")
}

async fn hash_many(client: &mut Client, strings: u64, shows_bar: bool) -> anyhow::Result<()> {
    story!("🎬", "{} strings, as lines of text, in one POST to http://{}/tasks", count(strings), client.address);
    let body: String = (0..strings).map(|index| string(index) + "\n").collect();
    let started = Instant::now();
    let task = client.json("POST", "/tasks?name=demo", &[("content-type", "text/plain")], body.into()).await?;
    let path = format!("/tasks/{}", task["id"]);
    let task = follow(client, &path, strings, shows_bar).await?;
    let computed = started.elapsed();
    let results = client.bytes("GET", &format!("{path}/results?format=text"), &[], Bytes::new()).await?;
    let taken = started.elapsed();
    verify(&results, strings)?;
    for line in String::from_utf8_lossy(&results).lines().take(SHOWN_LINES) {
        story!("✨", "{line}");
    }
    let rate = |time: Duration| count((strings as f64 / time.as_secs_f64()) as u64);
    story!(
        "🏁",
        "{} digests, each one right: {} a second until they were computed ({:.2} s), {} with the download ({:.2} s)",
        count(task["done"].as_u64().unwrap_or_default()),
        rate(computed),
        computed.as_secs_f64(),
        rate(taken),
        taken.as_secs_f64()
    );
    Ok(())
}

/// Shows progress until the task has ended.
async fn follow(client: &mut Client, path: &str, strings: u64, shows_bar: bool) -> anyhow::Result<Value> {
    let mut shown = Instant::now();
    loop {
        let wait = format!("wait={}", u8::from(!shows_bar));
        let task = client.json("GET", path, &[("prefer", &wait)], Bytes::new()).await?;
        let done = task["done"].as_u64().unwrap_or_default();
        let rate = task["rate"].as_f64().unwrap_or_default() as u64;
        let ended = matches!(task["state"].as_str(), Some("done" | "failed" | "cancelled"));
        if shows_bar {
            let filled = (done * 40 / strings.max(1)) as usize;
            console::status(&format!("   [{:<40}] {} of {} ", "#".repeat(filled), count(done), count(strings)));
        }
        if ended {
            console::status("");
        }
        if ended || !shows_bar && shown.elapsed() >= Duration::from_secs(1) {
            story!("📈", "{} of {} done{}", count(done), count(strings), pace(rate));
            shown = Instant::now();
        }
        match task["state"].as_str() {
            Some("done") => return Ok(task),
            Some("failed" | "cancelled") => bail!("the large task did not end well: {task}"),
            _ => tokio::time::sleep(PROGRESS_INTERVAL).await,
        }
    }
}

fn pace(rate: u64) -> String {
    if rate > 0 { format!(", {} a second", count(rate)) } else { String::new() }
}

/// Compares every line with a digest that is computed here and now.
fn verify(results: &[u8], strings: u64) -> anyhow::Result<()> {
    let mut lines = results.split(|byte| *byte == b'\n');
    for index in 0..strings {
        let string = string(index);
        let right = format!("{}  {string}", const_hex::encode(Sha256::digest(&string)));
        let line = lines.next().unwrap_or_default();
        ensure!(line == right.as_bytes(), "result {index} is wrong: {}", String::from_utf8_lossy(line));
    }
    ensure!(lines.eq([b""]), "there are more results than strings");
    Ok(())
}
