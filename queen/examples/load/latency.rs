//! How long one word takes, alone and while the Drones have more than enough to do.

use std::time::{Duration, Instant};

use anyhow::ensure;
use serde_json::Value;

use super::bulk::submit;
use super::client::Client;
use super::hive::{Cpu, Hive};
use super::report::Times;
use super::singles::Words;

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

/// So many words, one after the other, with a gap after each.
pub async fn ask(words: &mut Words, count: u64, gap: Duration, times: &mut Vec<Duration>) -> anyhow::Result<()> {
    for index in 0..count {
        times.push(words.ask(index).await?);
        if !gap.is_zero() {
            tokio::time::sleep(gap).await;
        }
    }
    Ok(())
}

/// So many words at most, while a task of so many strings is computed; it is taken away afterwards.
pub async fn under_load(hive: &Hive, options: &str, strings: u64, count: u64) -> anyhow::Result<Loaded> {
    let (mut client, mut watcher) = (Client::connect(hive.http).await?, Client::connect(hive.http).await?);
    let mut words = Words::connect(hive.http, true).await?;
    let path = submit(&mut client, options, strings).await?;
    let (before, begun, mut times) = (hive.cpu()?, Instant::now(), Vec::new());
    tokio::select! {
        biased;
        ended = watcher.json("GET", &path, "prefer: wait=60\r\n") => drop(ended?),
        asked = ask(&mut words, count, GAP, &mut times) => asked?,
    }
    let (cpu, seconds) = (hive.cpu()?.since(before), begun.elapsed().as_secs_f64());
    ensure!(times.len() as u64 >= count / 2, "the load was over after {} words: give it more strings", times.len());
    let drones = client.json("GET", "/drones", "").await?;
    if client.json("GET", &path, "").await?["finished_at"].is_null() {
        client.json("POST", &format!("{path}/cancel"), "").await?;
    }
    Ok(Loaded { words: Times::of(times), cpu, seconds, drones })
}
