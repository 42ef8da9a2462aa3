//! The machine, and what processes take of it.

use std::fs::{self, File};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use anyhow::Context;
use serde_json::{Value, json};

use super::report::Times;

/// Clock ticks a second, in which Linux counts the time of processes.
const TICKS: f64 = 100.0;

/// How often a sync is tried.
const SYNCS: usize = 200;

/// How many cores there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// What the figures depend on.
pub fn describe(directory: &Path) -> anyhow::Result<Value> {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    Ok(json!({ "cpu": model.map(|(_, name)| name.trim()), "cores": cores(),
        "fdatasync_ms": fdatasync(directory)?.at(0.5) }))
}

/// What it takes to append 4 KiB to a file in a directory, and to sync them.
pub fn fdatasync(directory: &Path) -> anyhow::Result<Times> {
    let path = directory.join("fdatasync");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let times = (0..SYNCS).map(|_| {
        let begun = Instant::now();
        file.write_all(&[0xBE; 4096])?;
        file.sync_data()?;
        anyhow::Ok(begun.elapsed())
    });
    let times = times.collect::<anyhow::Result<Vec<_>>>()?;
    fs::remove_file(&path)?;
    Ok(Times::of(times))
}

/// The CPU time that a process has taken so far, in seconds; of this one if none is named.
pub fn cpu(process: Option<u32>) -> anyhow::Result<f64> {
    let stat = proc(process, "stat")?;
    // The name of the program, which may have spaces, ends with the last parenthesis.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    Ok(fields.skip(11).take(2).flat_map(str::parse::<f64>).sum::<f64>() / TICKS)
}

/// What a process has in memory, in bytes.
pub fn resident(process: u32) -> anyhow::Result<u64> {
    let status = proc(Some(process), "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"));
    Ok(line.context("no VmRSS")?.parse::<u64>()? * 1024)
}

fn proc(process: Option<u32>, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{}/{file}", process.map_or("self".into(), |process| process.to_string()));
    fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
}
