//! One task of many strings, and many tasks of one string in one request.

use std::time::Instant;

use anyhow::{Context, bail};
use clap::Args;
use serde_json::{Value, json};

use super::api::Api;
use super::client::Client;
use super::strings::{Check, Expected, SIZE, strings};

/// Lines that are sent at once.
const LINES: u64 = 8192;

/// How strings are submitted.
pub const ONE_TASK: &str = "name=load";
pub const MANY_TASKS: &str = "name=load&each=task";

#[derive(Args)]
pub struct Bulk {
    /// How many strings, of 25 bytes each
    #[arg(long, default_value_t = 5_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    strings: u64,
    /// Compare every so many-th digest of the download
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

#[derive(Args)]
pub struct Many {
    /// How many tasks, of a string of 25 bytes each
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    tasks: u64,
    /// How often, one after the other
    #[arg(long, default_value_t = 5)]
    times: u32,
    /// Compare every so many-th digest of the download
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
}

impl Many {
    pub async fn run(self, api: &Api) -> anyhow::Result<Value> {
        let expected = Expected::of(self.tasks, self.every);
        let rate = |seconds: f64| self.tasks as f64 / seconds;
        let mut rates = Vec::new();
        for _ in 0..self.times {
            let taken = run(api, MANY_TASKS, &expected).await?;
            // Comparing is the client's own.
            let collected = taken.total() - taken.check;
            println!(
                "{} tasks: accepted in {:.2} s, computed and on disk in {:.2} s, collected in {collected:.2} s: \
                 {:.0} tasks a second",
                self.tasks,
                taken.upload,
                taken.computed,
                rate(collected)
            );
            rates.push(rate(collected));
        }
        Ok(json!({ "tasks": self.tasks, "tasks_per_second": rates }))
    }
}

/// What came out, in seconds.
pub struct Taken {
    /// Until the submission was acknowledged.
    pub upload: f64,
    /// From the beginning until all was computed, and on disk.
    pub computed: f64,
    /// The download alone.
    pub download: f64,
    /// Of it, what comparing took.
    pub check: f64,
    /// The Drones as they were when all was computed.
    pub drones: Value,
}

impl Taken {
    pub fn total(&self) -> f64 {
        self.computed + self.download
    }
}

impl Bulk {
    pub async fn run(self, api: &Api) -> anyhow::Result<Value> {
        let taken = run(api, ONE_TASK, &Expected::of(self.strings, self.every)).await?;
        let Taken { upload, computed, download, .. } = taken;
        let rate = |seconds: f64| self.strings as f64 / seconds / 1e6;
        println!("{} strings, million a second:", self.strings);
        println!("upload {:.2} ({upload:.1} s)", rate(upload));
        println!("until computed {:.2} ({computed:.1} s)", rate(computed));
        println!("download {:.2} ({download:.1} s)", rate(download));
        println!("from end to end {:.2} ({:.1} s)", rate(taken.total()), taken.total());
        Ok(json!({ "strings": self.strings, "upload_seconds": upload, "computed_seconds": computed,
            "downloaded_seconds": taken.total(), "strings_per_second": self.strings as f64 / taken.total() }))
    }
}

/// Upload, computing, download.
pub async fn run(api: &Api, options: &str, expected: &Expected) -> anyhow::Result<Taken> {
    let mut client = Client::connect(api).await?;
    let begun = Instant::now();
    let path = submit(&mut client, options, expected.strings).await?;
    let upload = begun.elapsed().as_secs_f64();
    loop {
        let task = client.json("GET", &path, "prefer: wait=60\r\n").await?;
        match task["state"].as_str() {
            Some("done") => break,
            Some("failed" | "cancelled") => bail!("it did not end well: {task}"),
            _ => println!("{} of {} done, {} a second", task["done"], task["total"], task["rate"]),
        }
    }
    let computed = begun.elapsed().as_secs_f64();
    let drones = client.json("GET", "/drones", "").await?;
    let (begun, mut check) = (Instant::now(), Check::new(expected));
    client.download(&format!("{path}/results?format=text"), "", |piece| check.take(piece)).await?;
    let check = check.finish()?.as_secs_f64();
    Ok(Taken { upload, computed, download: begun.elapsed().as_secs_f64(), check, drones })
}

/// Submits so many strings as lines; the path of the task.
pub async fn submit(client: &mut Client, options: &str, count: u64) -> anyhow::Result<String> {
    let (mut words, mut left) = (strings(0), count);
    let lines = |piece: &mut Vec<u8>| {
        for word in words.by_ref().take(left.min(LINES) as usize) {
            piece.extend_from_slice(&word);
            piece.push(b'\n');
        }
        left -= left.min(LINES);
        left > 0
    };
    let salt = if options.contains("pbkdf2") { "hive-salt: honey\r\n" } else { "" };
    let headers = format!("content-type: text/plain\r\n{salt}");
    let task = client.upload(&format!("/tasks?{options}"), &headers, count * (SIZE as u64 + 1), lines).await?;
    Ok(format!("/tasks/{}", task["id"].as_u64().context("a task has no id")?))
}
