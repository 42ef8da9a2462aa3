use std::fs::File;
use std::io;
use std::path::Path;

use tokio::runtime::Runtime;

use super::*;
use crate::store::Journal;
use crate::store::disk::{Disk, DiskFile, System};
use crate::store::testing::{layout, moment, piece, right, terms};
use crate::store::{Change, Submission};
use crate::work::{Extent, Inputs, Large, Results, Trust};

/// The system's disk, on which each sync waits until it is allowed, and fails if that is over.
#[derive(Debug)]
struct Gate(Arc<std::sync::Mutex<std::sync::mpsc::Receiver<()>>>);

struct Gated(File, Arc<std::sync::Mutex<std::sync::mpsc::Receiver<()>>>);

impl Disk for Gate {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        System.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(Gated(File::options().read(true).write(true).open(path)?, Arc::clone(&self.0))))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        System.sync_dir(path)
    }
}

impl DiskFile for Gated {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        DiskFile::write_all_at(&self.0, bytes, offset)
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.0.read_bytes(offset, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.lock().unwrap().recv().map_err(io::Error::other)
    }
}

fn submit(id: u64) -> Change {
    let (id, inputs) = (TaskId(id), Inputs::Small(layout(1).into()));
    Change::Submit(Box::new(Submission {
        id,
        terms: terms().into(),
        inputs,
        created: moment(1),
        identity: None,
        secret: None,
    }))
}

/// Which tasks the commits of a batch are about.
fn tasks(batch: &Batch) -> Vec<u64> {
    let changes = batch.commits.iter().flat_map(|commit| &commit.changes);
    changes.filter_map(|change| Some(change.task()?.0)).collect()
}

#[test]
fn new_tasks_overtake_results_on_their_way_into_files_and_nothing_else_does() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new().unwrap();
    let (allow, gate) = std::sync::mpsc::channel();
    let bulk = Bulk::new(folder.path().into(), Arc::new(Gate(Arc::new(gate.into()))), 1);
    let file = bulk.begin().unwrap();
    let extent = Extent { end: 2, offset: 0, bytes: 0, crc: 0, cost: 2 };
    let large = Arc::new(Large { segments: [extent].into(), file: Some(file.number()) });
    file.persist();
    let results = |first: u64| {
        let results = Results { piece: piece(first, right(first, first + 1)), drone: None, trust: Trust::Sampled };
        Change::Results { task: TaskId(1), results, large: Some(Arc::clone(&large)), replaces: false }
    };
    let (journal, mut consumer) = Journal::new(1 << 20, runtime.handle().clone(), Arc::clone(&bulk));
    let enter = |change| drop(runtime.block_on(journal.slot(0)).unwrap().enter(vec![change], None));
    let mut gathered = |change: Option<Change>| {
        change.into_iter().for_each(enter);
        let mut batch = Batch::default();
        consumer.intake.gather(&mut batch);
        (tasks(&batch), batch.failure.is_some())
    };

    // It is begun, and there is nothing else.
    assert_eq!(gathered(Some(results(0))), (vec![], false));
    enter(Change::Pause { task: TaskId(2), paused: true });
    assert_eq!(gathered(Some(submit(3))), (vec![3], false));
    allow.send(()).unwrap();
    assert_eq!(gathered(None), (vec![1, 2], false));
    assert_eq!(bulk.results(file_of(&large), &large, &(0..1), 32).unwrap().bytes, right(0, 1));
    // The next one fails.
    drop(allow);
    assert_eq!(gathered(Some(results(1))), (vec![], false));
    assert_eq!(gathered(None), (vec![1], true));
}

fn file_of(large: &Large) -> u64 {
    large.file.unwrap()
}
