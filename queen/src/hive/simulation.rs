//! The state and the Drones' sessions in worlds where everything goes wrong that can; see
//! `docs/SIMULATION.md`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod blame;
mod book;
mod clients;
mod computing;
mod connection;
mod context;
mod drone;
mod ending;
mod journal;
mod model;
mod net;
mod pace;
mod plan;
mod queen;
mod quest;
mod random;
mod requests;
mod searches;
mod work;
mod world;

use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use self::context::FAULTS;

/// Worlds in which something went wrong once that must not.
const REMEMBERED: &[u64] = &[136, 2750];

/// Worlds that are run unless `HIVE_WORLDS` says how many.
const WORLDS: u64 = 300;

/// Every so many worlds one is run twice.
const TWICE: u64 = 8;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

#[test]
fn everything_ends_right_in_all_worlds() {
    if let Some(seed) = number("HIVE_WORLD_SEED") {
        println!("{:?}", world::run(seed, true));
        return;
    }
    let worlds = number("HIVE_WORLDS").unwrap_or(WORLDS);
    let seeds: Vec<u64> = REMEMBERED.iter().copied().chain(0..worlds).collect();
    let next = AtomicU64::new(0);
    let seen = Mutex::new(BTreeMap::<_, u64>::new());
    let failed = Mutex::new(Vec::new());
    let work = || {
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize).copied() {
            let Ok(report) = catch_unwind(|| world::run(seed, false)) else {
                println!("this was the world of HIVE_WORLD_SEED={seed}");
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(seed);
                next.fetch_add(if number("HIVE_KEEP_GOING").is_some() { 0 } else { u64::MAX / 2 }, Ordering::Relaxed);
                continue;
            };
            if seed % TWICE == 0 {
                assert_eq!(world::run(seed, false), report, "the world of seed {seed} goes another way");
            }
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            report.faults.keys().for_each(|fault| *seen.entry(*fault).or_default() += 1);
        }
    };
    let threads = if worlds > WORLDS { std::thread::available_parallelism().map_or(1, usize::from) } else { 1 };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} worlds went wrong: HIVE_WORLD_SEED of {failed:?}", failed.len());
    let seen = seen.into_inner().unwrap();
    println!("{seen:?}");
    if worlds >= 200 {
        for fault in FAULTS {
            let worlds_with = seen.get(fault).copied().unwrap_or(0);
            assert!(worlds_with * 100 >= worlds, "{fault:?} came about in {worlds_with} of {worlds} worlds only");
        }
    }
}
