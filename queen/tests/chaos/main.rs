//! Real processes under load, while everything that can happen to them happens: Drones are
//! killed, stopped and dismissed, their connections are cut, torn, held up and parted, and the
//! Queen is killed. In the end all faults heal; then everything that was acknowledged has to
//! be there, once, in order, and right.
//!
//! `HIVE_CHAOS_SECONDS=600 HIVE_CHAOS_SEED=7 cargo test -p queen --test chaos -- --nocapture`
//! does more of it than is done without being asked. The seed decides on load and faults, though
//! not on which of them meet.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod actions;
mod book;
mod ending;
mod frames;
mod hive;
mod load;
mod process;
mod proxy;
#[path = "../support/mod.rs"]
mod support;
mod tally;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use book::Book;
use hive::{DRONES, Hive, MEMORY_LIMIT};
use load::Client;
use support::number;
use support::order::Rng;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

const CLIENTS: usize = 3;

/// What the Queen may have resident at most, in bytes: her limit, and what she needs besides.
const RESIDENT: u64 = (MEMORY_LIMIT + 192) << 20;

/// Much longer than anything takes once all faults have healed.
const HEAL_TIMEOUT: Duration = Duration::from_secs(1800);

/// What the Drones computed together is computed again to be compared, by code that is many times slower than theirs:
/// so many times as long as the faults last is enough.
const COMPARING: u64 = 10;

/// From so many seconds on, every action has to have happened.
const LONG: u64 = 60;

/// Tells how to do it again, and keeps what the processes said, if it goes wrong.
struct Run {
    seed: u64,
    seconds: u64,
    folder: Option<tempfile::TempDir>,
}

impl Drop for Run {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Some(folder) = self.folder.take() {
            eprintln!("what they said is in {}", folder.keep().join("consoles").display());
        }
        let (seconds, seed) = (self.seconds, self.seed);
        eprintln!("again: HIVE_CHAOS_SECONDS={seconds} HIVE_CHAOS_SEED={seed} cargo nextest run -p queen --test chaos");
    }
}

#[test]
fn everything_acknowledged_ends_right_whatever_happens() {
    let (seed, seconds) = (number("HIVE_CHAOS_SEED", 1), number("HIVE_CHAOS_SECONDS", 8));
    println!("HIVE_CHAOS_SEED={seed} HIVE_CHAOS_SECONDS={seconds}");
    let mut run = Run { seed, seconds, folder: Some(tempfile::tempdir().unwrap()) };
    let folder = run.folder.as_ref().unwrap().path().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(chaos(seed, seconds, &folder));
    drop(runtime);
    run.folder = None;
}

async fn chaos(seed: u64, seconds: u64, folder: &Path) {
    let begun = Instant::now();
    let hive = Hive::start(folder).await;
    let book = Arc::new(Mutex::new(Book::default()));
    let all =
        timeout(Duration::from_secs(COMPARING * seconds) + HEAL_TIMEOUT, drive(&hive, &book, seed, seconds)).await;
    let Ok(peak) = all else {
        diagnose(&hive, &book).await;
        panic!("it does not come to an end");
    };
    report(&hive, peak, begun.elapsed());
    assert!(peak <= RESIDENT, "the Queen had {} MiB resident", peak >> 20);
    let missed: Vec<_> = actions::DECK.iter().map(|row| row.1).filter(|name| hive.tally.of(name) == 0).collect();
    assert!(missed.is_empty() || seconds < LONG, "never happened: {missed:?}");
}

/// From the first order to the last farewell; the most memory that the Queen had resident.
async fn drive(hive: &Arc<Hive>, book: &Arc<Mutex<Book>>, seed: u64, seconds: u64) -> u64 {
    let is_enough = CancellationToken::new();
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (hive, book, rng) = (Arc::clone(hive), Arc::clone(book), Rng::new(seed, number as u64));
        clients.spawn(Client { number, hive, book, rng }.work(is_enough.clone()));
    }
    let until = Instant::now() + Duration::from_secs(seconds);
    tokio::select! {
        () = actions::rage(hive, seed, until) => {}
        Some(ended) = clients.join_next() => ended.unwrap(),
    }
    is_enough.cancel();
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
    let healed = Instant::now();
    let took = |what: &str| println!("{:>10.1} s after all had healed: {what}", healed.elapsed().as_secs_f64());
    ending::all_ended(hive, book).await;
    took("everything had ended");
    ending::all_right(hive, book).await;
    took("everything was compared");
    ending::add_up(hive, book).await;
    took("the Drones were idle, and the counts added up");
    ending::part(hive).await;
    let peak = hive.queen.dismiss().await;
    took("all had left");
    peak
}

/// Figures of what happened.
fn report(hive: &Hive, peak: u64, took: Duration) {
    let (drones, queen) = (hive.consoles.read("drone"), hive.consoles.read("queen"));
    for said in [&drones, &queen] {
        assert!(!said.contains("panicked"), "{said}");
    }
    let tally = &hive.tally;
    let lines = |said: &str, what: &str| said.lines().filter(|line| line.contains(what)).count() as u64;
    let hired: u64 = hive.slots.iter().map(hive::Slot::hired).sum();
    tally.add("Drones started", hired);
    tally.add("connections that reached the Queen", hive.slots.iter().map(|slot| slot.proxy.carried()).sum());
    // A console leaves out lines when there are many at once.
    tally.add("told: a Drone found the Queen again", lines(&drones, "again, as drone"));
    tally.add("told: a Drone was lost, others take over", lines(&queen, "others take over"));
    tally.add("told: a Drone was refused, or found no Queen", lines(&drones, "No work from"));
    let rate = tally.of(ending::COMPARED) as f64 / took.as_secs_f64();
    println!("{tally}{:>12}  MiB resident at most", peak >> 20);
    println!("{DRONES} Drones, {:.1} s in all, {rate:.0} digests a second", took.as_secs_f64());
}

/// What there is to know when nothing goes on.
async fn diagnose(hive: &Hive, book: &Mutex<Book>) {
    println!("{}", hive.tally);
    let open: Vec<_> =
        book.lock().unwrap().tasks().iter().filter(|(_, known)| known.is_open()).map(|(id, _)| *id).collect();
    println!("open: {open:?}");
    for path in ["/stats".to_owned(), "/drones".to_owned()]
        .into_iter()
        .chain(open.iter().take(20).map(|id| format!("/tasks/{id}")))
    {
        match timeout(Duration::from_secs(5), hive.ask("GET", &path, &[], "")).await {
            Ok((answer, _)) => println!("{path}: {}", answer.text()),
            Err(_) => println!("{path}: no answer"),
        }
    }
    println!("{}", hive.consoles.folder().display());
}
