//! What is brief does not queue behind what is long, not even for a disk that stands still.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod support;

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use queen::Config;
use queen::store::Location;
use queen::store::disk::{Disk, DiskFile, System};
use serde_json::json;
use support::Hive;

/// What a gate holds up while it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Nothing,
    Reads,
    Writes,
}

/// Bulk files whose reads or writes stand still for a while.
#[derive(Debug, Clone)]
struct Gate(Arc<(Mutex<Held>, Condvar)>);

impl Gate {
    fn set(&self, held: Held) {
        *self.0.0.lock().unwrap() = held;
        self.0.1.notify_all();
    }

    fn pass(&self, held: Held) {
        drop(self.0.1.wait_while(self.0.0.lock().unwrap(), |now| *now == held).unwrap());
    }

    fn file(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(GatedFile(self.clone(), file))
    }
}

impl Disk for Gate {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        System.create(path).map(|file| self.file(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        System.open(path).map(|file| self.file(file))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        System.remove(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        System.sync_dir(path)
    }
}

struct GatedFile(Gate, Box<dyn DiskFile>);

impl DiskFile for GatedFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.pass(Held::Writes);
        self.1.write_all_at(bytes, offset)
    }

    fn read_bytes(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        self.0.pass(Held::Reads);
        self.1.read_bytes(offset, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.1.sync_data()
    }
}

/// A long task of which the disk stands still in the middle, as seen from `begun` results on; words
/// that come then are answered before it goes on.
async fn words_pass(memory_limit: u64, strings: u64, held: Held, begun: u64) {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate(Arc::new((Mutex::new(Held::Nothing), Condvar::new())));
    let location = Location { disk: Arc::new(gate.clone()), ..Location::new(directory.path().join("data")) };
    let hive = Hive::start_with(Config { memory_limit, data: Some(location), ..support::config() }).await;
    let lines: Vec<_> = (0..strings).map(|number| format!("string number {number}")).collect();
    let task = hive.submit_lines("", &lines).await;
    gate.set(held);
    let worker = hive.worker("drone");
    hive.until(task, |view| view["done"].as_u64() >= Some(begun)).await;
    for word in 0..50 {
        let word = hive.compute(json!({ "input": format!("word {word}") })).await;
        assert_eq!(word["state"], "done");
    }
    let view = hive.get(&format!("/tasks/{task}")).await.json();
    assert_eq!(view["state"], "running", "{view}");
    gate.set(Held::Nothing);
    hive.until_done(task).await;
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_does_not_wait_for_inputs_that_are_read() {
    // A quarter of the memory is for segments, so that most of them have to be read back.
    words_pass(8 << 20, 300_000, Held::Reads, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_does_not_wait_for_results_that_are_written() {
    // An eighth of the memory is for results on their way to the disk; there are more of them.
    words_pass(64 << 20, 400_000, Held::Writes, 100_000).await;
}
