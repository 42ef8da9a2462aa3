//! The store of a Queen who keeps nothing.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::*;

#[test]
fn each_store_in_memory_is_its_own_and_begins_empty() {
    let [mut one, mut other] = [(); 2].map(|()| Store::in_memory().unwrap());
    one.submit(1, 3, true);
    one.submit(2, 3, false);
    other.submit(1, 5, false);
    assert_eq!((one.live().len(), other.live().len()), (2, 1));
    assert_eq!((one.reader.bulk().numbers().unwrap().len(), other.reader.bulk().numbers().unwrap().len()), (1, 0));
    assert_eq!(one.path(), None);
    drop(one);
    let new = Store::in_memory().unwrap();
    assert_eq!((new.live().len(), new.inheritance.live, new.inheritance.epoch), (0, 0, Epoch(1)));
}

#[test]
fn a_large_task_is_read_and_removed() {
    let mut store = Store::in_memory().unwrap();
    let task = store.submit(1, 9000, true);
    store.write(&[task.results(0, right(0, 9000), 1), task.end(TaskState::Done, 9000)]);
    let Some(crate::work::Job { inputs, .. }) = store.reader.job(task.id).unwrap() else { panic!("it is there") };
    let (large, file) = inputs.in_file().unwrap();
    let bulk = Arc::clone(store.reader.bulk());
    let segment = bulk.segment(file, &large.segments[0]).unwrap();
    assert_eq!(segment.as_blob().iter().last(), Some(&b"8999"[..]));
    assert_eq!(bulk.results(file, large, &(4000..9000), DIGEST).unwrap().bytes, right(4000, 9000));
    let removed = store.write(&[Change::Remove(task.id)]);
    assert_eq!(removed[0].file, Some(file));
    bulk.remove(file).unwrap();
    assert!(bulk.numbers().unwrap().is_empty() && bulk.segment(file, &large.segments[0]).unwrap_err().is_damage());
}

#[test]
fn readers_find_each_commit_while_others_are_made() {
    const COMMITS: u64 = 200;
    let mut store = Store::in_memory().unwrap();
    let (reader, committed) = (Arc::clone(&store.reader), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while committed.load(SeqCst) < COMMITS {
                    let last = committed.load(SeqCst);
                    let found = reader.task(TaskId(last)).unwrap();
                    assert_eq!(found.is_some(), last > 0, "task {last}");
                    let live = reader.suspects(TaskId(0), 10).unwrap();
                    assert!(live.is_empty());
                }
            });
        }
        for id in 1..=COMMITS {
            store.submit(id, 1, false);
            committed.store(id, SeqCst);
        }
    });
    assert_eq!(store.live().len() as u64, COMMITS);
}
