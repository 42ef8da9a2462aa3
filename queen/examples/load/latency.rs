//! How long one word takes, alone and while the Drones have more than enough to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::api::Api;
use super::bulk::submit;
use super::client::Client;
use super::hive::{Cpu, Hive};
use super::report::Times;
use super::singles::Words;
use super::strings::{digest, string};

/// Between two words under load.
const GAP: Duration = Duration::from_millis(10);

/// What came out under load.
pub struct Loaded {
    pub words: Times,
    /// What was taken of the CPU meanwhile, and in how many seconds.
    pub cpu: Cpu,
    pub seconds: f64,
    /// The Drones as they were then.
    pub drones: Value,
}

/// Words one after the other while `is_wanted` of how many there were, with a gap after each; how long each took.
pub async fn ask(words: &mut Words, gap: Duration, is_wanted: impl Fn(u64) -> bool) -> anyhow::Result<Vec<Duration>> {
    let mut times = Vec::new();
    while is_wanted(times.len() as u64) {
        times.push(words.ask(times.len() as u64).await?);
        if !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
    }
    Ok(times)
}

/// So many words to a bare server, while as many threads as there are cores hash and do nothing else.
pub async fn beside_hashing(api: &Api, count: u64) -> anyhow::Result<Times> {
    let ended = Arc::new(AtomicBool::new(false));
    let threads: Vec<_> = (0..std::thread::available_parallelism()?.get())
        .map(|_| {
            let ended = Arc::clone(&ended);
            std::thread::spawn(move || {
                let word = string(0);
                // As a Drone's threads are.
                let nice = rustix::process::setpriority_process(None, i32::from(drone::NICE));
                while !ended.load(Ordering::Relaxed) {
                    std::hint::black_box(digest(std::hint::black_box(&word)));
                }
                nice
            })
        })
        .collect();
    let words = match Words::connect(api, true).await {
        Ok(mut words) => ask(&mut words, GAP, |asked| asked < count).await,
        Err(error) => Err(error),
    };
    ended.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread that hashed broke down"))??;
    }
    Ok(Times::of(words?))
}

/// So many words at most, while a task of so many strings is computed; it is cancelled afterwards.
pub async fn under_load(hive: &Hive, options: &str, strings: u64, count: u64) -> anyhow::Result<Loaded> {
    let (mut client, mut watcher) = (Client::connect(&hive.api).await?, Client::connect(&hive.api).await?);
    let mut words = Words::connect(&hive.api, true).await?;
    let path = submit(&mut client, options, strings).await?;
    let ending = path.clone();
    let ended = tokio::spawn(async move { watcher.json("GET", &ending, "prefer: wait=60\r\n").await });
    let (before, begun) = (hive.cpu()?, Instant::now());
    let words = ask(&mut words, GAP, |asked| asked < count && !ended.is_finished()).await?;
    // The first connection has been closed, since nothing was said.
    let mut client = Client::connect(&hive.api).await?;
    let (cpu, seconds) = (hive.cpu()?.since(before), begun.elapsed().as_secs_f64());
    let drones = client.json("GET", "/drones", "").await?;
    if !ended.is_finished() {
        client.json("POST", &format!("{path}/cancel"), "").await?;
    }
    ended.await??;
    Ok(Loaded { words: Times::of(words), cpu, seconds, drones })
}
