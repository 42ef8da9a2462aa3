//! The machine, and what processes take of it.

use std::fs;
use std::io::{Seek, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

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
        "fdatasync_ms": Times::of(fdatasync(directory, SYNCS, false)?).at(0.5) }))
}

/// Bytes that are synced at once.
const BLOCK: usize = 4096;

/// What it takes to write 4 KiB to a file in a directory and to sync them, so many times: at its end, which then
/// moves, or over what is there, as in a log that is used again.
pub fn fdatasync(directory: &Path, count: usize, is_append: bool) -> anyhow::Result<Vec<Duration>> {
    let mut file = tempfile::tempfile_in(directory)?;
    if !is_append {
        file.write_all(&vec![0; BLOCK * count])?;
        file.sync_all()?;
        file.rewind()?;
    }
    let times = (0..count).map(|_| {
        let begun = Instant::now();
        file.write_all(&[0xBE; BLOCK])?;
        file.sync_data()?;
        Ok(begun.elapsed())
    });
    times.collect()
}

/// The CPU time that all processes of the machine have taken so far, and that which this one and those
/// that it has started and seen ending have, in seconds.
pub fn all_and_own() -> anyhow::Result<[f64; 2]> {
    let all = fs::read_to_string("/proc/stat")?;
    let all = all.lines().next().unwrap_or_default().split_whitespace().skip(1).flat_map(str::parse::<f64>);
    // The fourth and fifth are idle, the ninth and tenth are in the first two.
    let busy = (1..=8).zip(all).filter(|(at, _)| !matches!(at, 4 | 5)).map(|(_, ticks)| ticks);
    Ok([busy.sum::<f64>() / TICKS, times(None)?.sum::<f64>() / TICKS])
}

/// The CPU time that a process has taken so far, in seconds; of this one if none is named.
pub fn cpu(process: Option<u32>) -> anyhow::Result<f64> {
    Ok(times(process)?.take(2).sum::<f64>() / TICKS)
}

/// The same of the threads that it has now, more exactly: to be compared where none of them ends meanwhile.
pub fn cpu_of_threads(process: u32) -> anyhow::Result<f64> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let spent = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += spent.split_whitespace().next().context("no schedstat")?.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

/// User, system, and those of its children that have ended, in ticks.
fn times(process: Option<u32>) -> anyhow::Result<impl Iterator<Item = f64>> {
    let stat = proc(process, "stat")?;
    // The name of the program, which may have spaces, ends with the last parenthesis.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(4).flat_map(str::parse).collect();
    Ok(ticks.into_iter())
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
