//! The Queen is killed again and again under load, at every crash point and by chance; whatever
//! she acknowledged has to be there when she comes back, and right.
//!
//! `HIVE_CRASH_KILLS=200 HIVE_CRASH_SEED=7 cargo test -p queen --test crash -- --nocapture`
//! does more of it than is done without being asked.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod batches;
mod book;
mod crew;
mod disk;
mod life;
mod load;
mod searches;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use book::Book;
use crew::Crew;
use disk::{DONE, Disk};
use life::{Keep, Kill, Life, Plan};
use load::{Client, Hive};
use queen::crash::POINTS;
use support::number;
use support::order::{self, Rng};

const CLIENTS: usize = 4;

/// So many kills visit every crash point, and every kind of life.
const ROUND: u64 = 15;

/// Where Drones find the Queen: an address of its own, so that nobody else is given the port
/// between two of her lives.
fn drone_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.78:0").unwrap().local_addr().unwrap()
}

fn plan(number: u64, rng: &mut Rng) -> Plan {
    let kill = match rng.one_in(2) {
        true => Kill::Sent { requests: 1 + rng.below(60), turns: rng.below(200) },
        false => Kill::Read(1 + rng.below(60)),
    };
    let usual = Plan { kill, keep: Keep::Long, has_drones: true, settles: false };
    let mut at = |name: &'static str, most| {
        // The first commit of a life begins its epoch, before she serves.
        let first = if name.starts_with("commit") { 2 } else { 1 };
        Plan { kill: Kill::Point(name, first + rng.below(most)), ..usual }
    };
    match number % ROUND {
        0 => at("upload-written", 4),
        1 => at("commit-before", 30),
        2 => at("dispatch", 30),
        3 => Plan { settles: true, ..usual },
        4 => at("result-written", 8),
        5 => at("commit-after", 30),
        6 => Plan { has_drones: false, ..usual },
        7 => at("upload-synced", 3),
        8 => at("result-synced", 8),
        9 => Plan { settles: true, ..usual },
        10 => Plan { has_drones: false, keep: Keep::Never, ..usual },
        11 => Plan { keep: Keep::Never, ..at("remove-committed", 3) },
        12 => Plan { keep: Keep::Little, ..usual },
        13 => Plan { keep: Keep::Never, ..at("remove-unlinked", 3) },
        _ => Plan { settles: true, ..usual },
    }
}

/// What is left has to be sound, though nobody has recovered it.
fn check_directory(data: &Path) {
    let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_queen"));
    let checked = check.arg("check").arg("--data-dir").arg(data).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Bulk files are those that records name, once the Queen has taken over.
fn check_files(data: &Path, disk: &Disk) {
    let named: BTreeSet<String> =
        disk.tasks.values().filter_map(|row| row.file).map(|file| format!("{file:016x}")).collect();
    let there: BTreeSet<String> = std::fs::read_dir(data.join("bulk"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, named);
}

#[test]
fn what_was_acknowledged_outlives_every_kill() {
    let seed = number("HIVE_CRASH_SEED", 1);
    let kills = number("HIVE_CRASH_KILLS", 2 * ROUND);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let queen_address = drone_address();
    let mut rng = Rng::new(seed, u64::MAX);
    let book = Arc::new(Mutex::new(Book::default()));
    let crew = Arc::new(Crew::new(queen_address));
    let mut disk = Disk::default();
    let mut hits: BTreeMap<&str, u64> = BTreeMap::new();
    let mut by_chance = 0;

    for life_number in 0..=kills {
        let plan = match life_number == kills {
            true => Plan { kill: Kill::Never, keep: Keep::Long, has_drones: true, settles: true },
            false => plan(life_number, &mut rng),
        };
        crew.hire(plan.has_drones);
        let life = Life::start(plan, &data, queen_address, disk.open_items());
        let life = life.unwrap_or_else(|error| panic!("seed {seed}, life {life_number}: {error}"));
        let hive = Hive { life: Arc::clone(&life), book: Arc::clone(&book), crew: Arc::clone(&crew) };
        runtime.block_on(live(&hive, &disk, &data, seed ^ (life_number << 32)));
        let (status, complaints) = life.end();
        crew.go_on();
        match plan.kill {
            Kill::Never => assert!(status.success() && complaints.is_empty(), "{status}: {complaints}"),
            kill => {
                assert!(!status.success(), "life {life_number} ended by itself");
                assert!(!complaints.contains("panicked"), "life {life_number}: {complaints}");
                match POINTS.iter().find(|point| complaints.contains(&format!("crash point {point}"))) {
                    Some(point) => *hits.entry(point).or_default() += 1,
                    None => by_chance += 1,
                }
                eprintln!("life {life_number}: {kill:?}, {} tasks", book.lock().unwrap().ids().len());
            }
        }
        check_directory(&data);
        disk = Disk::read(&data);
        book.lock().unwrap().reconcile(&disk, &plan);
    }

    assert!(disk.tasks.values().all(|row| row.state != disk::LIVE), "something never ended");
    let log = std::fs::metadata(data.join("hive.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "she did not leave the directory in order");
    check_files(&data, &disk);
    let done = disk.tasks.values().filter(|row| row.state == DONE).count();
    println!("seed {seed}: {kills} kills, {by_chance} by chance, at crash points {hits:?}");
    println!("{done} tasks done at last; {:?}", book.lock().unwrap().tally);
    if kills >= ROUND {
        let missed: Vec<_> = POINTS.iter().filter(|point| !hits.contains_key(*point)).collect();
        assert!(missed.is_empty(), "never killed at {missed:?}");
        let half_done = book.lock().unwrap().tally.taken_over_half_done;
        assert!(half_done > 0 || kills < 2 * ROUND, "no task was ever taken over half done");
    }
}

/// From the start of a Queen until she is dead.
async fn live(hive: &Hive, disk: &Disk, data: &Path, seed: u64) {
    let life = &hive.life;
    let client = |number: usize| {
        let rng = Rng::new(seed, number as u64);
        Client { number, hive: hive.clone(), rng }
    };
    let mut first = client(0);
    if first.survey(disk).await.is_ok() {
        if !life.plan.removes() {
            check_files(data, disk);
        }
        if life.plan.settles {
            first.settle().await.expect("nobody kills her yet");
            if life.plan.kill != Kill::Never {
                first.begin_long().await.expect("nobody kills her yet");
            }
        }
        if life.plan.kill == Kill::Never {
            return life.stop();
        }
        life.arm();
        let mut clients = tokio::task::JoinSet::new();
        (0..CLIENTS).for_each(|number| drop(clients.spawn(client(number).work())));
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    }
    // Answers break off for no other reason.
    assert!(life.get("/healthz").await.is_err(), "an answer broke off, but the Queen lives");
}
