//! Results that are replaced in their file: whatever moment power is lost at, nothing that a
//! record trusts is other than what it was written as.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use queen::clock::{HiveTime, Moment};
use queen::store::{Change, Location, Store, StoreError, Submission, check};
use queen::work::{Ending, Extent, Inputs, Large, Piece, Results, SearchCounts, Terms, Trust};
use sha2::{Digest as _, Sha256};
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::{TaskState, Timestamp};
use wire::blob::BlobBuf;
use wire::ids::{DroneId, Epoch, Instance, TaskId};

use super::world::{Fault, World};
use super::{scratch, strings};

const INPUTS: u64 = 400;
const TASK: TaskId = TaskId(1);
const LIAR: DroneId = DroneId(1);
const HONEST: DroneId = DroneId(2);
const JUDGE: DroneId = DroneId(3);

fn moment(millis: i64) -> Moment {
    Moment { at: Timestamp(millis), on: HiveTime(millis) }
}

fn submit(store: &mut Store) -> Arc<Large> {
    let mut layout = Vec::new();
    strings(7, INPUTS).iter().collect::<BlobBuf>().as_blob().write(&mut layout);
    let mut file = store.reader.bulk().begin().unwrap();
    file.append(&layout).unwrap();
    file.seal().unwrap();
    let (bytes, crc) = (layout.len() as u32, crc32fast::hash(&layout));
    let extent = Extent { end: INPUTS, offset: 0, bytes, crc, cost: INPUTS };
    let large = Arc::new(Large { segments: [extent].into(), file: Some(file.number()) });
    file.persist();
    let specification = Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
    let terms = Terms {
        owner: None,
        address: None,
        specification,
        secret: None,
        name: None,
        priority: 0,
        deadline: None,
        batch: false,
        verify: Default::default(),
        base: Instance([1; 16]),
        room: Default::default(),
    };
    let submission = Submission {
        id: TASK,
        terms: Arc::new(terms),
        inputs: Inputs::Large(Arc::clone(&large)),
        created: moment(1),
        identity: None,
        secret: None,
    };
    write(store, &[Change::Submit(Box::new(submission))]);
    large
}

fn try_write(store: &mut Store, changes: &[Change]) -> Result<(), StoreError> {
    store.reader.bulk().write_results(&changes.iter().filter_map(Change::in_file).collect::<Vec<_>>())?;
    store.writer.commit(&changes.iter().collect::<Vec<_>>(), moment(3)).map(drop)
}

fn write(store: &mut Store, changes: &[Change]) {
    try_write(store, changes).unwrap();
}

fn right(first: u64, past: u64) -> Bytes {
    let inputs = strings(7, INPUTS);
    (first..past).flat_map(|index| Sha256::digest(&inputs[index as usize])).collect()
}

fn results(large: &Arc<Large>, first: u64, bytes: Bytes, drone: DroneId, replaces: bool) -> Change {
    let piece = Piece { range: first..first + (bytes.len() / 32) as u64, bytes };
    let results = Results { piece, drone: Some(drone), trust: Trust::Sampled };
    Change::Results { task: TASK, results, large: Some(Arc::clone(large)), replaces }
}

/// Whether what is left is sound.
fn look(directory: &Path) -> Result<(), String> {
    if !directory.exists() {
        return Ok(());
    }
    drop(Location::new(directory.to_owned()).open().map_err(|error| error.to_string())?);
    let mut said = Vec::new();
    let is_sound = check::run(directory, &mut said).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&said).into_owned();
    if is_sound { Ok(()) } else { Err(said) }
}

#[test]
fn what_is_trusted_is_never_half_replaced() {
    let scratch = scratch();
    let root = scratch.path().join("world");
    let world = World::new(&root).unwrap();
    world.register_vfs("replace");
    let location =
        Location { directory: root.join("hive-data"), disk: world.disk(), vfs: Some("replace".into()), ballast: 0 };
    let mut store = location.open().unwrap();
    let drone = |id: DroneId| Change::Drone { id, instance: Instance([id.0 as u8; 16]), name: "bee".into() };
    write(&mut store, &[Change::Epoch(Epoch(1)), drone(LIAR), drone(HONEST), drone(JUDGE)]);
    let large = submit(&mut store);
    let suspect = |drone| Change::Suspect { drone };
    let lie = |first: u64, past: u64, byte: u8, replaces| {
        results(&large, first, Bytes::from(vec![byte; 32 * (past - first) as usize]), LIAR, replaces)
    };
    let truth = |first, past, drone, replaces| results(&large, first, right(first, past), drone, replaces);
    let (state, finished) = (TaskState::Done, moment(2));
    let ending =
        Ending { state, started_at: None, finished, done: INPUTS, found: SearchCounts::default(), error: None };
    let end = Change::End(TASK, Box::new(ending));
    let some = [lie(0, 100, 99, false), truth(100, 200, HONEST, false), lie(200, 300, 99, false)];
    // What is wrong is not trusted for a moment, since `check` would notice.
    let all: Vec<Change> = some.into_iter().chain([truth(300, INPUTS, HONEST, false), end, suspect(LIAR)]).collect();
    write(&mut store, &all);
    write(&mut store, &[suspect(HONEST)]);
    let parts = [(10, 20), (90, 110), (0, 10), (20, 90), (150, 250), (110, 150), (250, INPUTS)];
    for (at, (first, past)) in (0..).zip(parts) {
        let (kind, nth) = (at % 2, 1 + u64::from(at) / 2 % 2);
        let fault = if kind == 0 { Fault::Torn { at_write: nth } } else { Fault::SyncError { at_sync: nth } };
        // Others than before, so that a mixture of both would be noticed.
        let changes = [lie(first, past, at, true), suspect(LIAR)];
        world.fail(fault);
        assert!(try_write(&mut store, &changes).is_err());
        world.heal();
        write(&mut store, &changes);
        write(&mut store, &[truth(first, past, JUDGE, true)]);
    }
    write(&mut store, &[Change::Cleared { task: TASK, corrected: 200 }]);
    let live = store.reader.revive(TASK).unwrap().unwrap();
    assert!(live.done == (0..INPUTS).into() && !live.task.suspect && live.task.corrected == 200);
    drop(store);

    let end = world.position();
    for step in 0..=300 {
        let left = scratch.path().join("left");
        let position = end * step / 300;
        world.lose_power(position, step as u64, &left).unwrap();
        let found = look(&left.join("hive-data"));
        found.unwrap_or_else(|said| panic!("at {position} of {end}: {said}\n{}", world.story(position, 12)));
        std::fs::remove_dir_all(&left).unwrap();
    }
}
