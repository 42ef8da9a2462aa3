mod in_memory;
mod owners;
mod searches;
mod together;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;
use web::kinds::Specification;
use web::kinds::digest::Encoding::Utf8;
use web::kinds::digest::{Algorithm, Digest};
use web::model::{TaskState, Timestamp};
use wire::ids::{DroneId, Epoch, Instance, LeaseId, TaskId};

use crate::core::RangeSet;
use crate::store::testing::{DIGEST, Task, moment, piece, right, terms};
use crate::store::{Change, KNOWN_DRONES, Live, Location, MemberOutcome, Removed, Store, Submission, check};
use crate::work::{Ending, Piece, ResultMap, Results, SearchCounts, Tally, Trust};

fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Location::new(folder.path().join("data")).open().unwrap();
    (folder, store)
}

fn is_sound(folder: &TempDir) -> (bool, String) {
    let mut said = Vec::new();
    let is_sound = check::run(&folder.path().join("data"), &mut said).unwrap();
    (is_sound, String::from_utf8(said).unwrap())
}

fn drone(id: u64, name: &str) -> Change {
    Change::Drone { id: DroneId(id), instance: Instance([id as u8; 16]), name: name.into() }
}

fn suspect(drone: u64) -> Change {
    Change::Suspect { drone: DroneId(drone) }
}

impl Store {
    /// Writes changes together with one that fails, which undoes them all; then them alone.
    fn write_again(&mut self, changes: &[Change], twice: Submission) {
        let twice = Change::Submit(Box::new(twice));
        let with_it: Vec<&Change> = changes.iter().chain([&twice]).collect();
        self.writer.commit(&with_it, moment(4)).unwrap_err();
        self.write(changes);
    }

    fn live(&self) -> Vec<Live> {
        let mut live = Vec::new();
        let push = |task| {
            live.push(task);
            ControlFlow::Continue(())
        };
        self.reader.live(push).unwrap();
        live
    }

    fn revive(&self, task: &Task) -> Live {
        self.reader.revive(task.id).unwrap().unwrap()
    }

    /// What is suspect of each task: its id, whether it has ended, the ranges.
    fn suspects(&self) -> Vec<(u64, bool, RangeSet)> {
        let all = self.reader.suspects(TaskId(0), 100).unwrap();
        all.into_iter().map(|found| (found.task.0, found.has_ended, found.ranges)).collect()
    }

    fn count(&self, state: i64) -> i64 {
        let select = "SELECT tasks FROM counts WHERE state = ?";
        self.writer.connection.query_row(select, [state], |row| row.get(0)).unwrap()
    }

    fn leases(&self) -> Vec<(u64, u64, u64, Range<u64>)> {
        let all = self.reader.leases().unwrap();
        all.into_iter().map(|lease| (lease.lease.0, lease.task.0, lease.drone.0, lease.range)).collect()
    }
}

#[test]
fn drones_are_known_from_start_to_start() {
    let (folder, mut store) = open();
    let quarantine = |reason: Option<&str>| Change::Quarantine { drone: DroneId(2), reason: reason.map(Into::into) };
    store.write(&[drone(1, "maja"), drone(2, "willi"), quarantine(Some("it lied"))]);
    store.write(&[drone(1, "flip"), quarantine(Some("it lied twice"))]);
    // A process keeps its id, and an id its process.
    store.write(&[Change::Drone { id: DroneId(3), instance: Instance([2; 16]), name: "thekla".into() }]);
    store.write(&[Change::Drone { id: DroneId(1), instance: Instance([9; 16]), name: "puck".into() }]);
    drop(store);
    let mut store = Location::new(folder.path().join("data")).open().unwrap();
    assert_eq!(store.inheritance.next_drone, 4);
    let known = |store: &Store| {
        let drones = store.reader.drones().unwrap().into_iter();
        drones
            .map(|drone| (drone.id.0, drone.instance.0[0], drone.name, drone.quarantine.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert_eq!(known(&store), [(1, 1, "puck".into(), "".into()), (2, 2, "thekla".into(), "it lied twice".into())]);
    store.write(&[quarantine(None)]);
    assert_eq!(known(&store)[1].3, "".into());
}

#[test]
fn the_oldest_drones_are_forgotten() {
    let (_folder, mut store) = open();
    let (old, new) = (drone(1, "maja"), drone(2, "willi"));
    let newest = |id| Change::Drone { id: DroneId(id), instance: Instance([9; 16]), name: "flip".into() };
    store.write(&[old, new, newest(KNOWN_DRONES as u64 + 1)]);
    let known = store.reader.drones().unwrap();
    assert_eq!(known.iter().map(|drone| drone.id.0).collect::<Vec<_>>(), [2, KNOWN_DRONES as u64 + 1]);
}

#[test]
fn who_left_a_batch_unseen_is_forgotten_alone() {
    let (folder, mut store) = open();
    let (batch, mut submission) = store.submission(1, 3, false);
    submission.terms = crate::work::Terms { batch: true, ..terms() }.into();
    let (task, own) = store.submission(3, 1, false);
    let leaves = |outcome| Change::Detach { batch: TaskId(1), index: 1, outcome };
    store.write(&[Change::Submit(Box::new(submission)), batch.end(TaskState::Cancelled, 0)]);
    store.write(&[leaves(MemberOutcome::Own(Box::new(own)))]);
    store.write(&[task.results(0, right(1, 2), 1), task.end(TaskState::Done, 1)]);
    let removed = store.write(&[leaves(MemberOutcome::Forgotten { on_disk: true })]);
    assert_eq!(removed, [Removed { task: TaskId(3), tally: Tally::one(TaskState::Done), file: None, owner: None }]);
    assert!(store.reader.task(TaskId(3)).unwrap().is_none());
    // And only once.
    assert!(store.write(&[leaves(MemberOutcome::Forgotten { on_disk: true })]).is_empty());
    drop(store);
    assert!(is_sound(&folder).0);
}

#[test]
fn a_long_key_is_on_disk_once_and_goes_with_its_last_task() {
    use crate::work::{LongSecret, Terms, hash_of};
    let (folder, mut store) = open();
    let bytes = vec![7; 64 << 10];
    let secret = Arc::new(LongSecret { hash: hash_of(&bytes), bytes: bytes.clone(), room: Default::default() });
    let key = |key: Vec<u8>| Specification::Digest(Digest { algorithm: Algorithm::HmacSha256 { key }, encoding: Utf8 });
    let submit = |store: &mut Store, id, terms: Terms, secret| {
        let (task, mut submission) = store.submission(id, 1, false);
        (submission.terms, submission.secret) = (Arc::new(terms), secret);
        store.write(&[Change::Submit(Box::new(submission)), task.end(TaskState::Cancelled, 0)]);
    };
    for id in [1, 2] {
        let terms = Terms { specification: key(Vec::new()), secret: Some(secret.reference()), ..terms() };
        submit(&mut store, id, terms, Some(Arc::clone(&secret)));
    }
    submit(&mut store, 3, Terms { specification: key(vec![1, 0, 255]), ..terms() }, None);
    let found = |store: &Store, id| store.reader.task(TaskId(id)).unwrap().unwrap().terms;
    assert_eq!((found(&store, 2).secret, found(&store, 2).specification.secret()), (Some(secret.reference()), &[][..]));
    assert_eq!((found(&store, 3).secret, found(&store, 3).specification.secret()), (None, &[1, 0, 255][..]));
    store.write(&[Change::Remove(TaskId(1))]);
    assert_eq!(store.reader.secret(&secret.hash).unwrap(), bytes);
    store.write(&[Change::Remove(TaskId(2))]);
    assert!(store.reader.secret(&secret.hash).unwrap_err().is_damage());
    drop(store);
    assert!(is_sound(&folder).0);
}

#[test]
fn leases_are_those_of_the_epoch() {
    let (_folder, mut store) = open();
    let lease =
        |lease, task, range| Change::Lease { lease: LeaseId(lease), task: TaskId(task), drone: DroneId(1), range };
    store.write(&[Change::Epoch(Epoch(1)), drone(1, "maja")]);
    store.write(&[lease(1, 1, 0..9), lease(2, 1, 9..20), lease(3, 2, 0..1), Change::Unlease(LeaseId(3))]);
    store.write(&[lease(2, 1, 9..12), Change::Unlease(LeaseId(1)), Change::Unlease(LeaseId(7))]);
    assert_eq!(store.leases(), [(2, 1, 1, 9..12)]);
    let (task, submission) = store.submission(1, 20, false);
    store.write(&[Change::Submit(Box::new(submission))]);
    // It ends, and its lease means nothing.
    store.write(&[task.end(TaskState::Cancelled, 0)]);
    store.write(&[Change::Remove(task.id)]);
    assert_eq!(store.leases().len(), 1);
    store.write(&[lease(8, 1, 0..1), Change::Epoch(Epoch(2)), lease(9, 1, 5..6)]);
    assert_eq!(store.leases(), [(9, 1, 1, 5..6)]);
}

#[test]
fn a_task_is_amended_paused_and_reopened() {
    let (folder, mut store) = open();
    let (task, mut submission) = store.submission(1, 3, false);
    let mut terms = (*submission.terms).clone();
    terms.deadline = Some(60);
    submission.terms = terms.into();
    store.write(&[Change::Submit(Box::new(submission))]);
    let amend = Change::Amend { task: task.id, priority: -5, name: Some("b".into()), deadline: Some(90) };
    let start = Change::Start { task: task.id, at: Timestamp(7) };
    store.write(&[start, amend, Change::Pause { task: task.id, paused: true }, task.results(1, right(1, 2), 1)]);
    let live = store.revive(&task).task;
    assert_eq!(live.started_at, Some(Timestamp(7)));
    assert_eq!((live.terms.priority, live.terms.name.as_deref(), live.terms.deadline), (-5, Some("b"), Some(90)));
    assert!(live.paused && store.live()[0].task.paused);
    // Who is not over cannot be reopened, and who is done neither.
    store.write(&[Change::Reopen(task.id)]);
    assert_eq!((store.count(0), store.count(2)), (1, 0));

    store.write(&[drone(1, "maja"), task.end(TaskState::Failed, 1)]);
    store.write(&[Change::Pause { task: task.id, paused: true }]);
    let stored = store.revive(&task).task;
    assert!(!stored.paused && stored.ending.unwrap().state == TaskState::Failed && store.live().is_empty());
    let (_, twice) = store.submission(1, 3, false);
    store.write_again(&[Change::Reopen(task.id), Change::Reopen(task.id)], twice);
    assert_eq!((store.count(0), store.count(2)), (1, 0));
    let live = store.live().remove(0);
    assert_eq!((live.task.ending, live.done), (None, (1..2).into()));
    assert_eq!(live.results[0].piece.bytes, right(1, 2));
    let row = "SELECT done = 0 AND started_at IS NULL AND finished_at IS NULL AND error IS NULL FROM tasks";
    assert!(store.writer.connection.query_row(row, [], |row| row.get::<_, bool>(0)).unwrap());
    store.write(&[task.results(0, right(0, 1), 1), task.results(2, right(2, 3), 1), task.end(TaskState::Done, 3)]);
    store.write(&[Change::Reopen(task.id)]);
    assert_eq!((store.count(0), store.count(1)), (0, 1));
    drop(store);
    let (is_sound, said) = is_sound(&folder);
    assert!(is_sound && said.starts_with("OK: 1 tasks, 3 results"), "{said}");
}

#[test]
fn a_liar_makes_suspect_what_is_not_checked() {
    let (folder, mut store) = open();
    store.write(&[drone(1, "liar"), drone(2, "maja")]);
    let [done, running, cancelled] = [(1, true), (2, false), (3, false)].map(|(id, file)| store.submit(id, 4, file));
    let word = store.submit(4, 1, false);
    let wrong = Bytes::from(vec![9; DIGEST]);
    let mut checked = done.results(3, right(3, 4), 1);
    if let Change::Results { results, .. } = &mut checked {
        results.trust = Trust::Checked;
    }
    store.write(&[done.results(0, wrong.clone(), 1), done.results(1, right(1, 3), 1), checked]);
    store.write(&[done.end(TaskState::Done, 4), word.results(0, wrong.clone(), 1), word.end(TaskState::Done, 1)]);
    store.write(&[running.results(0, right(0, 1), 2), running.results(1, wrong.clone(), 1)]);
    store.write(&[cancelled.results(0, right(0, 1), 1), cancelled.results(1, right(1, 2), 2)]);
    let before = |store: &Store| (store.suspects().len(), store.live().len());
    assert_eq!(before(&store), (0, 2));

    let (_, twice) = store.submission(1, 4, false);
    store.write_again(&[suspect(1)], twice);
    store.write(&[suspect(2), cancelled.end(TaskState::Cancelled, 0)]);
    // The third does not count what is suspect already when it ends, and nobody computes it again.
    assert_eq!(store.suspects(), [(1, true, (0..3).into()), (2, false, (0..2).into()), (4, true, (0..1).into())]);
    assert_eq!(store.reader.suspects(TaskId(1), 1).unwrap()[0].task, TaskId(2));
    store.write(&[suspect(1)]);
    assert!(!store.revive(&cancelled).task.suspect);
    let prefixes = [&done, &running, &cancelled, &word].map(|task| store.reader.prefix(task.id).unwrap());
    assert_eq!(prefixes, [4, 0, 0, 1]);
    let live: Vec<_> = store.live().iter().map(|live| (live.task.id.0, live.task.suspect, live.done.len())).collect();
    assert_eq!(live, [(2, false, 0), (1, true, 1), (4, true, 0)]);
    assert_eq!(
        store.reader.suspect_results(done.id, &(0..2), DIGEST).unwrap(),
        [piece(0, wrong.clone()), piece(1, right(1, 2))]
    );
    assert_eq!(store.reader.results(word.id, &(0..1)).unwrap(), [piece(0, wrong)]);

    let cleared = |task: &Task, corrected| Change::Cleared { task: task.id, corrected };
    store.write(&[done.replacing(0, right(0, 3), 2), cleared(&done, 1)]);
    store.write(&[word.replacing(0, right(0, 1), 2), cleared(&word, 1)]);
    let stored = store.revive(&done);
    assert_eq!((stored.task.suspect, stored.task.corrected, stored.done), (false, 1, (0..4).into()));
    assert_eq!(store.revive(&word).results[0].piece.bytes, right(0, 1));
    store.write(&[Change::Reopen(cancelled.id)]);
    assert_eq!(store.suspects(), [(2, false, (0..2).into()), (3, false, (0..2).into())]);
    drop(store);
    let (is_sound, said) = is_sound(&folder);
    assert!(is_sound && said.contains("task 2: 2 of its 2 results are suspect"), "{said}");
}

#[test]
fn what_is_suspect_is_found_without_looking_at_all() {
    let (_folder, store) = open();
    // What is asked of results names its index.
    let select = "EXPLAIN QUERY PLAN SELECT id, inputs FROM tasks WHERE suspect = 1 ORDER BY id";
    let plan = store.writer.connection.query_row(select, [], |row| row.get::<_, String>(3)).unwrap();
    assert!(plan.contains("tasks_suspect"), "{plan}");
}

const TOTAL: u64 = 24;

#[derive(Debug, Clone)]
enum Step {
    /// Results of a Drone, as far as there are none that are trusted.
    Results { start: u64, count: u64, drone: u64, checked: bool },
    /// A Drone lied.
    Suspect { drone: u64 },
}

fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
    let results = (0..TOTAL, 1..TOTAL, 1..4_u64, any::<bool>());
    let results = results.prop_map(|(start, count, drone, checked)| Step::Results { start, count, drone, checked });
    let step = prop_oneof![3 => results, 1 => (1..4_u64).prop_map(|drone| Step::Suspect { drone })];
    proptest::collection::vec((step, any::<bool>()), 1..24)
}

/// What each index should have: a byte of its result, its Drone, how far it is trusted.
type Model = [Option<(u8, u64, Trust)>; TOTAL as usize];

/// The indices of a model that are suspect, or that are trusted.
fn indices(model: &Model, suspect: bool) -> RangeSet {
    let mut set = RangeSet::default();
    for (index, result) in (0..).zip(model) {
        if result.is_some_and(|(.., trust)| (trust == Trust::Suspect) == suspect) {
            set.insert(index..index + 1);
        }
    }
    set
}

/// One byte of each result.
fn flat<'a>(pieces: impl IntoIterator<Item = &'a Piece>) -> Vec<(u64, u8)> {
    let each = |piece: &'a Piece| piece.iter().map(|(index, digest)| (index, digest[DIGEST - 1]));
    pieces.into_iter().flat_map(each).collect()
}

fn compare(store: &Store, tasks: &[Task; 2], held: &ResultMap, model: &Model) {
    let expected = |suspect: Option<bool>| -> Vec<(u64, u8)> {
        let wanted = |trust| suspect.is_none_or(|suspect| suspect == (trust == Trust::Suspect));
        let there = (0..).zip(model).filter_map(|(index, result)| result.map(|result| (index, result)));
        there.filter(|(_, (.., trust))| wanted(*trust)).map(|(index, (byte, ..))| (index, byte)).collect()
    };
    let (done, suspect) = (indices(model, false), indices(model, true));
    for task in tasks {
        let live = store.revive(task);
        assert_eq!((&live.done, &live.suspect), (&done, &suspect));
        assert_eq!(flat(&store.reader.suspect_results(task.id, &(0..TOTAL), DIGEST).unwrap()), expected(Some(true)));
        let within = |all: Vec<(u64, u8)>| all.into_iter().filter(|(at, _)| (5..17).contains(at)).collect::<Vec<_>>();
        assert_eq!(
            flat(&store.reader.suspect_results(task.id, &(5..17), DIGEST).unwrap()),
            within(expected(Some(true)))
        );
        let found = store.suspects().into_iter().find(|(id, ..)| *id == task.id.0);
        assert_eq!(found.map(|(.., ranges)| ranges).unwrap_or_default(), suspect);
        let of = |all: &[Results]| flat(all.iter().map(|results| &results.piece));
        if let Some(large) = &task.large {
            for (index, byte) in expected(None) {
                let file = large.file.unwrap();
                let read = store.reader.bulk().results(file, large, &(index..index + 1), DIGEST).unwrap();
                assert_eq!(read.bytes, vec![byte; DIGEST]);
            }
        } else {
            assert_eq!((of(&live.results), of(&live.suspect_results)), (expected(Some(false)), expected(Some(true))));
            for results in live.results.iter().chain(&live.suspect_results) {
                let Some((_, drone, trust)) = model[results.piece.range.start as usize] else {
                    panic!("nothing is there")
                };
                assert_eq!((results.drone, results.trust), (Some(DroneId(drone)), trust));
            }
        }
    }
    assert_eq!(flat(&held.pieces(&(0..TOTAL), 100).0), expected(None));
    assert_eq!(flat(&held.suspect_pieces(&(0..TOTAL))), expected(Some(true)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn suspect_results_are_cut_where_others_come(steps in steps(), is_in_memory in any::<bool>()) {
        let (_folder, on_disk) = open();
        let mut store = if is_in_memory { Store::in_memory().unwrap() } else { on_disk };
        let tasks = [store.submit(1, TOTAL, false), store.submit(2, TOTAL, true)];
        let (mut model, mut held) = (Model::default(), ResultMap::default());
        for (byte, (step, fails)) in (1..).zip(steps) {
            let changes = match step {
                Step::Suspect { drone } => {
                    let mut became = Vec::new();
                    for (index, result) in (0..).zip(&mut model) {
                        if let Some((_, by, trust @ Trust::Sampled)) = result && *by == drone {
                            *trust = Trust::Suspect;
                            became.push(index);
                        }
                    }
                    assert!(held.suspect(DroneId(drone)).iter().flatten().eq(became));
                    vec![suspect(drone)]
                }
                Step::Results { start, count, drone, checked } => {
                    let end = TOTAL.min(start + count);
                    let is_free = |index: &u64| {
                        model[*index as usize].is_none_or(|(.., trust)| trust == Trust::Suspect)
                    };
                    let Some(first) = (start..end).find(is_free) else { continue };
                    let past = (first..end).find(|index| !is_free(index)).unwrap_or(end);
                    let replaces = !indices(&model, true).is_empty();
                    let bytes = Bytes::from(vec![byte; (past - first) as usize * DIGEST]);
                    let trust = if checked { Trust::Checked } else { Trust::Sampled };
                    (first..past).for_each(|index| model[index as usize] = Some((byte, drone, trust)));
                    let drone = Some(DroneId(drone));
                    let results = Results { piece: piece(first, bytes), drone, trust };
                    held.insert(results.clone());
                    let change = |task: &Task| {
                        let (results, large) = (results.clone(), task.large.clone());
                        Change::Results { task: task.id, results, large, replaces }
                    };
                    tasks.iter().map(change).collect()
                }
            };
            if fails {
                let (_, twice) = store.submission(1, TOTAL, false);
                store.write_again(&changes, twice);
            } else {
                store.write(&changes);
            }
            compare(&store, &tasks, &held, &model);
        }
    }
}

#[test]
fn a_change_says_which_task_it_is_about() {
    let (_folder, mut store) = open();
    let (task, submission) = store.submission(7, 2, false);
    let lease = Change::Lease { lease: LeaseId(1), task: task.id, drone: DroneId(1), range: 0..1 };
    let about = [
        Change::Submit(Box::new(submission)),
        task.results(0, right(0, 1), 1),
        task.end(TaskState::Done, 2),
        Change::Remove(task.id),
        Change::Reopen(task.id),
        Change::Start { task: task.id, at: Timestamp(7) },
        Change::Amend { task: task.id, priority: 0, name: None, deadline: None },
        Change::Pause { task: task.id, paused: true },
        Change::Cleared { task: task.id, corrected: 0 },
        lease,
    ];
    assert!(about.iter().all(|change| change.task() == Some(task.id)));
    let quarantine = Change::Quarantine { drone: DroneId(1), reason: None };
    let others = [Change::Epoch(Epoch(1)), drone(1, "maja"), suspect(1), quarantine, Change::Unlease(LeaseId(1))];
    assert!(others.iter().all(|change| change.task().is_none()));
    // Many wait on their way to the disk.
    assert!(size_of::<Change>() <= 96, "{} bytes", size_of::<Change>());
    let ending = Ending {
        state: TaskState::Done,
        started_at: None,
        finished: moment(1),
        done: 2,
        found: SearchCounts::default(),
        error: None,
    };
    assert_eq!(Change::End(task.id, Box::new(ending)).task(), Some(task.id));
}
