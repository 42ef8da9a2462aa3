//! A search over such lives: each finding is there once, what was written stays with the Drone that searched it, and
//! nobody searches it again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::crew::Crew;
use super::disk::copy_of;
use super::life::{Keep, Kill, Life, Plan};
use super::order::Rng;
use super::support::{Broken, look_again, number};
use super::{check_directory, drone_address};

/// Candidates: so many that they are told in tens of parts, each of which takes a thread two seconds.
const TOTAL: u64 = 400_000_000;

/// Digests that are sought: of so many candidates, and of so many that are none.
const THERE: usize = 40;
const MISSING: u64 = 10;

/// How often the Queen is killed unless it is said.
const KILLS: u64 = 6;

/// What may be searched again of a search, to compare: less than any part that is told.
const AGAIN: u64 = TOTAL / 100;

/// What there is of the search: on disk, or as the Queen shows it.
#[derive(Debug, Default)]
struct Known {
    /// What was searched, in order, and the Drone that did it.
    spans: Vec<(Range<u64>, u64)>,
    /// Candidates that were found.
    found: Vec<u64>,
}

impl Known {
    fn read(data: &Path) -> Self {
        let (_copy, database) = copy_of(data);
        let mut select = database.prepare("SELECT first, past, drone FROM searched ORDER BY first").unwrap();
        let spans = select.query_map([], |row| Ok((row.get(0)?..row.get(1)?, row.get(2)?))).unwrap();
        let mut findings = database.prepare("SELECT item FROM findings ORDER BY item").unwrap();
        let found = findings.query_map([], |row| row.get(0)).unwrap();
        Self { spans: spans.map(Result::unwrap).collect(), found: found.map(Result::unwrap).collect() }
    }

    fn searched(&self) -> u64 {
        self.spans.iter().map(|(range, _)| range.end - range.start).sum()
    }

    /// Spans do not overlap, and each finding is one, once.
    fn check(&self, there: &BTreeMap<u64, String>) {
        assert!(self.spans.is_sorted_by(|(one, _), (next, _)| one.end <= next.start), "{:?}", self.spans);
        assert!(self.spans.iter().all(|(range, _)| range.start < range.end && range.end <= TOTAL), "{:?}", self.spans);
        assert!(self.found.is_sorted_by(|one, next| one < next), "{:?}", self.found);
        assert!(self.found.iter().all(|index| there.contains_key(index)), "{:?}", self.found);
        let is_searched = |index: &u64| self.spans.iter().any(|(range, _)| range.contains(index));
        let expected: Vec<u64> = there.keys().copied().filter(is_searched).collect();
        assert_eq!(self.found, expected, "what was searched was found");
    }

    /// What was known before is known still, of the same Drones.
    fn keeps(&self, before: &Self) {
        for (range, drone) in &before.spans {
            let mut at = range.start;
            for (span, by) in self.spans.iter().filter(|(span, _)| span.end > range.start && span.start < range.end) {
                assert!(span.start <= at && by == drone, "{range:?} of drone {drone} is {span:?} of {by}");
                at = span.end;
            }
            assert!(at >= range.end, "{range:?} of drone {drone} is lost from {at} on");
        }
        let found: BTreeSet<_> = self.found.iter().collect();
        assert!(before.found.iter().all(|index| found.contains(index)), "{:?}, and before {:?}", self, before);
    }
}

fn digest(text: &str) -> String {
    const_hex::encode(Sha256::digest(text))
}

async fn submit(life: &Arc<Life>, targets: &[String]) -> Result<(), Broken> {
    let search = json!({
        "kind": "search", "space": { "counter": { "to": TOTAL } }, "targets": targets, "stop": "never",
    });
    let headers = [("content-type", "application/json")];
    let answer = life.send("POST", "/tasks", &headers, search.to_string()).await?;
    assert_eq!((answer.status, &answer.json()["id"]), (201, &1.into()), "{}", answer.text());
    Ok(())
}

async fn view(life: &Arc<Life>) -> Result<Value, Broken> {
    Ok(life.get("/tasks/1").await?.json())
}

/// What the Queen shows: spans without a gap or an overlap, and each finding once, as it is.
async fn shown(life: &Arc<Life>, there: &BTreeMap<u64, String>) -> Result<Known, Broken> {
    let (mut known, mut from) = (Known::default(), 0);
    loop {
        let page = life.get(&format!("/tasks/1/coverage?from={from}")).await?.json();
        for span in page["spans"].as_array().unwrap() {
            let to = span["to"].as_u64().unwrap();
            assert!(span["from"] == from && to > from, "{page}");
            if span["verdict"] != "open" {
                known.spans.push((from..to, span["drone"].as_u64().unwrap()));
            }
            from = to;
        }
        match page["next"].as_u64() {
            Some(next) => assert_eq!(next, from),
            None => break,
        }
    }
    assert_eq!(from, TOTAL);
    let results = life.get("/tasks/1/results").await?.text();
    for row in results.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
        if let Some(index) = row["index"].as_u64() {
            assert_eq!((&row["plain"], &row["digest"]), (&index.to_string().into(), &there[&index].as_str().into()));
            known.found.push(index);
        }
    }
    assert!(known.found.is_sorted_by(|one, next| one < next), "{:?}", known.found);
    Ok(known)
}

/// From the start of a Queen until so much is searched.
async fn live(
    life: &Arc<Life>,
    before: &Known,
    there: &BTreeMap<u64, String>,
    goal: u64,
    turns: u64,
) -> Result<(), Broken> {
    let now = shown(life, there).await?;
    now.keeps(before);
    while view(life).await?["done"].as_u64().unwrap() < goal {
        look_again().await;
    }
    for _ in 0..turns {
        look_again().await;
    }
    // What is taken over of those that were there is not searched again.
    let stats = life.get("/stats").await?.json();
    let most = TOTAL - before.searched() + AGAIN;
    assert!(stats["items_done"].as_u64().unwrap() <= most, "{stats}, and {most} at most");
    Ok(())
}

#[test]
fn a_search_outlives_every_kill() {
    let seed = number("HIVE_CRASH_SEED", 1);
    let kills = number("HIVE_CRASH_KILLS", KILLS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hive-data");
    let address = drone_address();
    let mut rng = Rng::new(seed, 2 << 32);
    let mut there = BTreeMap::new();
    while there.len() < THERE {
        let index = rng.below(TOTAL);
        there.insert(index, digest(&index.to_string()));
    }
    let mut missing: Vec<String> = (0..MISSING).map(|number| digest(&format!("none {number}"))).collect();
    let targets: Vec<String> = there.values().chain(&missing).cloned().collect();
    missing.sort_unstable();
    let crew = Crew::new(address);
    crew.hire(true);
    let mut before = Known::default();

    for life_number in 0..=kills {
        let is_last = life_number == kills;
        let kill = if is_last { Kill::Never } else { Kill::Read(u64::MAX) };
        let plan = Plan { kill, keep: Keep::Long, has_drones: true, settles: false };
        let life = Life::start(plan, &data, address, 0).unwrap_or_else(|error| panic!("life {life_number}: {error}"));
        let goal = if is_last { TOTAL } else { TOTAL / (kills + 1) * life_number + rng.below(TOTAL / (kills + 1)) };
        let turns = if is_last { 0 } else { rng.below(400) };
        runtime.block_on(async {
            if life_number == 0 {
                submit(&life, &targets).await.expect("nobody kills her yet");
            }
            live(&life, &before, &there, goal, turns).await.expect("nobody kills her yet");
        });
        match is_last {
            false => life.kill(),
            true => runtime.block_on(end(&life, &there, &missing)).expect("nobody kills her"),
        }
        let (status, complaints) = life.end();
        assert!(!complaints.contains("panicked"), "life {life_number}: {complaints}");
        assert_eq!(status.success(), is_last, "life {life_number}: {status}: {complaints}");
        check_directory(&data);
        let now = Known::read(&data);
        now.check(&there);
        now.keeps(&before);
        let (searched, found) = (now.searched(), now.found.len());
        println!("seed {seed}, life {life_number}: {searched} candidates of {} spans, {found} found", now.spans.len());
        before = now;
    }
    assert_eq!((before.searched(), before.found.len()), (TOTAL, THERE));
}

/// All of it is searched: each candidate is covered, each digest found or not, and she is asked to stop.
async fn end(life: &Arc<Life>, there: &BTreeMap<u64, String>, missing: &[String]) -> Result<(), Broken> {
    while view(life).await?["state"] != "done" {
        look_again().await;
    }
    let now = shown(life, there).await?;
    assert_eq!((now.searched(), now.found.len()), (TOTAL, THERE));
    let lacking = life.get("/tasks/1/results?not_found=1&format=text").await?;
    assert_eq!(lacking.text().lines().collect::<Vec<_>>(), missing);
    life.stop();
    Ok(())
}
