//! Nothing acknowledged is ever lost: a whole Queen over a disk that fails and loses power.
//!
//! `world` is the disk: it records every operation of SQLite and of bulk files in one order,
//! fails them on demand, and gives back what would be there after losing power at any of them.
//! `model` proves that it does. Here the Queen works on it, over real sockets, and after every
//! loss of power all that a client was acknowledged must still be true.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod model;
mod power;
mod replace;
#[path = "../support/mod.rs"]
mod support;
mod vfs;
mod world;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use queen::store::{Location, Reader};
use queen::work::Inputs;
use serde_json::json;
use sha2::{Digest, Sha256};
use support::Hive;
use wire::ids::TaskId;
use world::{Fault, World};

/// What a client was acknowledged.
#[derive(Debug, Clone)]
enum Acknowledged {
    /// A 2xx for a task of these inputs, asked for with this key.
    Created { id: u64, inputs: Vec<String>, key: Option<String> },
    /// `done`, by a `GET`.
    Done { id: u64 },
    /// Nothing yet: its removal was asked for, so that it may be gone.
    Leaving { id: u64 },
    /// 204 for its removal.
    Removed { id: u64 },
}

/// A Queen on a world's disk, and what her clients know.
struct Life {
    world: Arc<World>,
    location: Location,
    hive: Hive,
    acknowledged: Vec<Acknowledged>,
    keys: u64,
}

impl Life {
    async fn begin(root: &Path, vfs: &str) -> Self {
        let world = World::new(root).unwrap();
        world.register_vfs(vfs);
        let directory = root.join("hive-data");
        let location = Location { directory, disk: world.disk(), vfs: Some(vfs.into()), ballast: 8 << 10 };
        let hive = Hive::start_with(queen::Config { data: Some(location.clone()), ..support::config() }).await;
        Self { world, location, hive, acknowledged: Vec::new(), keys: 0 }
    }

    /// From here on a loss of power must not undo it.
    fn tell(&mut self, acknowledged: Acknowledged) {
        self.world.mark(self.acknowledged.len() as u64);
        self.acknowledged.push(acknowledged);
    }

    /// Submits strings; the id, if it was acknowledged.
    async fn submit(&mut self, inputs: Vec<String>) -> Option<u64> {
        self.keys += 1;
        let key = inputs.len().is_multiple_of(2).then(|| format!("key-{}", self.keys));
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(key.as_deref().map(|key| ("idempotency-key", key)));
        let body = json!({ "inputs": inputs, "name": format!("of {}", inputs.len()) }).to_string();
        let answer = self.hive.send("POST", "/tasks", &headers, body).await;
        if answer.status != 201 {
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert_ne!(answer.header("retry-after"), "");
            return None;
        }
        let id = answer.json()["id"].as_u64().unwrap();
        self.tell(Acknowledged::Created { id, inputs, key });
        Some(id)
    }

    async fn until_done(&mut self, id: u64) {
        self.hive.until_done(id).await;
        self.tell(Acknowledged::Done { id });
    }

    async fn remove(&mut self, id: u64) {
        self.tell(Acknowledged::Leaving { id });
        let answer = self.hive.send("DELETE", &format!("/tasks/{id}"), &[], "").await;
        match answer.status {
            204 => self.tell(Acknowledged::Removed { id }),
            status => assert_eq!(status, 503, "{}", answer.text()),
        }
    }

    async fn end(self) -> (Arc<World>, Vec<Acknowledged>) {
        self.hive.stop().await;
        (self.world, self.acknowledged)
    }
}

/// Strings that fit into a record, or take a file.
fn strings(seed: u64, count: u64) -> Vec<String> {
    (0..count).map(|index| format!("{seed}/{index}-{}", "x".repeat((index % 50) as usize))).collect()
}

const FEW: u64 = 3;
const MANY: u64 = 3000;

/// Checks what is left in a directory against what was acknowledged before; a Queen could start on it.
fn check(directory: &Path, acknowledged: &[Acknowledged]) -> Result<(), String> {
    if acknowledged.is_empty() && !directory.exists() {
        return Ok(());
    }
    let store = Location::new(directory.to_owned()).open().map_err(|error| error.to_string())?;
    let mut live = BTreeMap::new();
    let reading = store.reader.live(|task| {
        live.insert(task.task.id, task);
        ControlFlow::Continue(())
    });
    reading.map_err(|error| error.to_string())?;
    let leaving = |id: u64| {
        acknowledged
            .iter()
            .any(|acknowledged| matches!(acknowledged, Acknowledged::Leaving { id: other } if *other == id))
    };
    for acknowledged in acknowledged {
        match acknowledged {
            Acknowledged::Created { id, inputs, key } => {
                if *id >= store.inheritance.next_task {
                    return Err(format!("the id of task {id} would be given again"));
                }
                let known = key.as_ref().map(|key| {
                    let now = store.inheritance.written.on;
                    store.reader.key(&Sha256::digest(key).into(), now)
                });
                if let Some(known) = known
                    && known.map_err(|error| error.to_string())?.is_none_or(|(_, task)| task.0 != *id)
                {
                    return Err(format!("the key of task {id} is not known"));
                }
                // It may be gone, but not in part.
                let is_there = store.reader.task(TaskId(*id)).map_err(|error| error.to_string())?.is_some();
                if is_there || !leaving(*id) {
                    check_task(&store.reader, *id, inputs)?;
                }
            }
            Acknowledged::Done { id } => {
                if live.contains_key(&TaskId(*id)) {
                    return Err(format!("task {id} was done and is not"));
                }
            }
            Acknowledged::Leaving { .. } => {}
            Acknowledged::Removed { id } => {
                if store.reader.task(TaskId(*id)).map_err(|error| error.to_string())?.is_some() {
                    return Err(format!("task {id} was removed and is there"));
                }
            }
        }
    }
    for (id, task) in &live {
        let total = task.inputs.total();
        if task.done.iter().any(|range| range.end > total) {
            return Err(format!("task {id} has results beyond its end"));
        }
        for range in task.done.iter() {
            check_results(&store.reader, *id, range)?;
        }
    }
    Ok(())
}

/// Its inputs are what they were, and all results that there are of it are right.
fn check_task(reader: &Reader, id: u64, inputs: &[String]) -> Result<(), String> {
    let (id, wrong) = (TaskId(id), |what: &str| format!("task {id}: {what}"));
    let stored = reader.task(id).map_err(|error| error.to_string())?.ok_or_else(|| wrong("is lost"))?;
    if stored.terms.name.as_deref() != Some(&format!("of {}", inputs.len())) {
        return Err(wrong("has lost its name"));
    }
    let job = reader.job(id).map_err(|error| error.to_string())?.ok_or_else(|| wrong("is lost"))?;
    let all = read_inputs(reader, &job.inputs)?;
    if !all.iter().eq(inputs.iter().map(String::as_bytes)) {
        return Err(wrong("has lost inputs"));
    }
    if stored.ending.is_some() {
        check_results(reader, id, 0..inputs.len() as u64)?;
    }
    Ok(())
}

fn read_inputs(reader: &Reader, inputs: &Inputs) -> Result<Vec<Bytes>, String> {
    let of =
        |blob: wire::blob::SharedBlob| -> Vec<Bytes> { blob.as_blob().iter().map(Bytes::copy_from_slice).collect() };
    match inputs {
        Inputs::Small(_) => Ok(of(inputs.small().ok_or("inputs that are no blob")?)),
        Inputs::Large(large) => {
            let file = large.file.ok_or("inputs that are in no file")?;
            let segments = large.segments.iter().map(|extent| reader.bulk().segment(file, extent));
            let segments: Result<Vec<_>, _> = segments.collect();
            Ok(segments.map_err(|error| error.to_string())?.into_iter().flat_map(of).collect())
        }
    }
}

fn check_results(reader: &Reader, id: TaskId, range: std::ops::Range<u64>) -> Result<(), String> {
    let job = reader.job(id).map_err(|error| error.to_string())?.ok_or("a task without a job")?;
    let inputs = read_inputs(reader, &job.inputs)?;
    let digests = match &job.inputs {
        Inputs::Small(_) => {
            let pieces = reader.results(id, &range).map_err(|error| error.to_string())?;
            pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect::<Vec<u8>>()
        }
        Inputs::Large(large) => {
            let file = large.file.ok_or("inputs that are in no file")?;
            reader.bulk().results(file, large, &range, 32).map_err(|error| error.to_string())?.bytes.to_vec()
        }
    };
    let right = range.clone().map(|index| Sha256::digest(&inputs[index as usize]).into());
    match digests.as_chunks::<32>().0.iter().eq(right.collect::<Vec<[u8; 32]>>().iter()) {
        true => Ok(()),
        false => Err(format!("task {id} has wrong results in {range:?}")),
    }
}

/// Loses power at `positions` places of the log, and checks what is left.
fn lose_power(world: &World, acknowledged: &[Acknowledged], positions: usize, into: &Path) {
    let wanted = std::env::var("HIVE_POWER_LOSSES").ok().and_then(|text| text.parse().ok()).unwrap_or(positions);
    let end = world.position();
    let mut wrong = Vec::new();
    for step in 0..=wanted {
        let position = end * step / wanted;
        let left = into.join("left");
        world.lose_power(position, step as u64, &left).unwrap();
        let known: Vec<Acknowledged> =
            world.marks_before(position).into_iter().map(|mark| acknowledged[mark as usize].clone()).collect();
        if let Err(error) = check(&left.join("hive-data"), &known) {
            wrong.push(format!("at {position} of {end} (seed {step}): {error}\n{}", world.story(position, 12)));
        }
        std::fs::remove_dir_all(&left).unwrap();
    }
    println!("{wanted} losses of power in a log of {end} entries");
    assert!(wrong.is_empty(), "{} of {wanted} losses of power were bad, the first {}", wrong.len(), wrong[0]);
}

fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    tempfile::tempdir_in(parent).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_loss_of_power_undoes_what_was_told() {
    let scratch = scratch();
    let mut life = Life::begin(&scratch.path().join("world"), "power").await;
    let worker = life.hive.worker("maja");
    for round in 0..6 {
        let few = life.submit(strings(round, FEW + round)).await.unwrap();
        let many = life.submit(strings(100 + round, MANY)).await.unwrap();
        let word = life.submit(strings(200 + round, 1)).await.unwrap();
        life.until_done(few).await;
        life.until_done(many).await;
        life.until_done(word).await;
        if round % 2 == 0 {
            life.remove(many).await;
            life.remove(word).await;
        }
    }
    let (world, acknowledged) = life.end().await;
    worker.leave().await;
    lose_power(&world, &acknowledged, 700, scratch.path());
}

/// One write or sync after the other fails, while tasks are submitted, computed and removed.
async fn faults(vfs: &str, faults: impl Iterator<Item = Fault>, losses: usize) -> world::Fired {
    let scratch = scratch();
    let mut life = Life::begin(&scratch.path().join("world"), vfs).await;
    let worker = life.hive.worker("willi");
    for (at, fault) in (0..).zip(faults) {
        let before = life.world.fired();
        // Running work, so that results are on their way when the fault strikes.
        let running = life.submit(strings(at, MANY)).await.expect("the disk takes writes");
        life.world.fail(fault);
        let few = life.submit(strings(1000 + at, FEW)).await;
        let many = life.submit(strings(2000 + at, MANY)).await;
        let fired = life.world.fired();
        // A disk that is full stays full: what is known is still served, and she says what is wrong.
        if fired.no_space > before.no_space {
            let ready = life.hive.get("/readyz").await;
            assert!(ready.status == 200 || ready.text().contains("disk"), "{}", ready.text());
            // All of it can be computed while nothing can be written; then it is not called done.
            let view = life.hive.until(running, |view| view["done"] == MANY).await;
            if view["state"] == "done" {
                life.tell(Acknowledged::Done { id: running });
            }
        }
        life.world.heal();
        life.hive.until_ready().await;
        for id in [Some(running), few, many].into_iter().flatten() {
            life.until_done(id).await;
        }
        life.remove(running).await;
        life.hive.until_ready().await;
    }
    let fired = life.world.fired();
    let location = life.location.clone();
    let (world, acknowledged) = life.end().await;
    worker.leave().await;
    drop(location);
    lose_power(&world, &acknowledged, losses, scratch.path());
    fired
}

/// So many writes there are in a round in any case; how many more depends on what shares a commit.
const WRITES: u64 = 22;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_stops_nobody() {
    let each = (0..45).map(|round| Fault::NoSpace { at_write: 1 + round % WRITES });
    let fired = faults("full", each, 300).await;
    assert!(fired.no_space > 30, "{fired:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_with_a_full_disk_says_what_is_not_written() {
    let scratch = scratch();
    let mut life = Life::begin(&scratch.path().join("world"), "stop").await;
    let task = life.submit(strings(1, MANY)).await.unwrap();
    life.world.fail(Fault::NoSpace { at_write: 1 });
    let worker = life.hive.worker("flip");
    life.hive.until(task, |view| view["done"] == MANY).await;
    assert_eq!(life.submit(strings(2, FEW)).await, None);
    assert_eq!(life.hive.get("/readyz").await.status, 503);
    let Life { world, hive, acknowledged, .. } = life;
    let error = hive.end().await.unwrap_err();
    assert!(error.to_string().contains("could not be written"), "{error}");
    worker.leave().await;
    lose_power(&world, &acknowledged, 50, scratch.path());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_write_loses_nothing() {
    let each = (0..45).map(|round| Fault::Torn { at_write: 1 + round % WRITES });
    let fired = faults("torn", each, 300).await;
    assert!(fired.torn > 30, "{fired:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failed_sync_nothing_written_before_it_counts() {
    // There are few syncs in a round, and their order varies.
    let each = (0..50).map(|round| Fault::SyncError { at_sync: 1 + round % 5 });
    let fired = faults("sync", each, 400).await;
    assert!(fired.sync_error > 20, "{fired:?}");
}
