//! What is on disk between two Queens, read without a Queen's help.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::order::Order;

pub const LIVE: i64 = 0;
pub const DONE: i64 = 1;
pub const CANCELLED: i64 = 3;

/// The records, as they were left.
#[derive(Default)]
pub struct Disk {
    pub tasks: BTreeMap<u64, Row>,
    pub next_task: u64,
}

pub struct Row {
    pub state: i64,
    pub total: u64,
    /// Items whose digests are there.
    pub done: u64,
    pub priority: i64,
    pub name: Option<String>,
    /// The order that it came from.
    pub order: u64,
    pub file: Option<u64>,
    digests: Vec<(Range<u64>, Digests)>,
}

struct Digests {
    crc: u32,
    place: Place,
}

enum Place {
    Row(Vec<u8>),
    File { path: PathBuf, offset: u64 },
}

/// A copy of the database, which lasts as long as its folder: opening the database itself would change it.
pub fn copy_of(data: &Path) -> (tempfile::TempDir, Connection) {
    let copy = tempfile::tempdir().unwrap();
    for name in ["hive.db", "hive.db-wal"] {
        if data.join(name).exists() {
            std::fs::copy(data.join(name), copy.path().join(name)).unwrap();
        }
    }
    let database = Connection::open(copy.path().join("hive.db")).unwrap();
    (copy, database)
}

impl Disk {
    pub fn read(data: &Path) -> Self {
        let (_copy, database) = copy_of(data);
        let next_task = database.query_row("SELECT next_task FROM hive", [], |row| row.get(0)).unwrap();
        let select = "SELECT tasks.id, state, total, priority, name, file, inputs, extents
                      FROM tasks LEFT JOIN segments ON task = tasks.id";
        let mut select = database.prepare(select).unwrap();
        let mut rows = select.query([]).unwrap();
        let mut tasks = BTreeMap::new();
        while let Some(row) = rows.next().unwrap() {
            let id: u64 = row.get(0).unwrap();
            let name: Option<String> = row.get(4).unwrap();
            let file: Option<u64> = row.get(5).unwrap();
            let inputs: Option<Vec<u8>> = row.get(6).unwrap();
            let extents: Option<Vec<u8>> = row.get(7).unwrap();
            let text = name.clone().unwrap_or_else(|| String::from_utf8_lossy(&inputs.unwrap_or_default()).into());
            let place = file.map(|file| (data.join(format!("bulk/{file:016x}")), inputs_length(&extents.unwrap())));
            let digests = digests(&database, id, place.as_ref());
            let task = Row {
                state: row.get(1).unwrap(),
                total: row.get(2).unwrap(),
                done: digests.iter().map(|(range, _)| range.end - range.start).sum(),
                priority: row.get(3).unwrap(),
                order: Order::number_in(&text).unwrap_or_else(|| panic!("task {id} is none of ours: {text:?}")),
                name,
                file,
                digests,
            };
            tasks.insert(id, task);
        }
        Self { tasks, next_task }
    }

    /// What has still to be computed.
    pub fn open_items(&self) -> u64 {
        self.tasks.values().filter(|row| row.state == LIVE).map(|row| row.total - row.done).sum()
    }
}

/// Segments are rows of items, bytes, CRC-32 and cost; the inputs' bytes come before the results.
fn inputs_length(extents: &[u8]) -> u64 {
    extents.chunks(20).map(|row| u64::from(u32::from_le_bytes(row[4..8].try_into().unwrap()))).sum()
}

fn digests(database: &Connection, id: u64, file: Option<&(PathBuf, u64)>) -> Vec<(Range<u64>, Digests)> {
    let mut select = database.prepare_cached("SELECT first, past, crc, bytes FROM results WHERE task = ?").unwrap();
    let mut rows = select.query([id]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let range: Range<u64> = row.get(0).unwrap()..row.get(1).unwrap();
        let bytes: Option<Vec<u8>> = row.get(3).unwrap();
        let place = match (bytes, file) {
            (Some(bytes), None) => Place::Row(bytes),
            (None, Some((path, offset))) => Place::File { path: path.clone(), offset: offset + range.start * 32 },
            _ => panic!("results {range:?} of task {id} are in the wrong place"),
        };
        found.push((range, Digests { crc: row.get(2).unwrap(), place }));
    }
    found
}

impl Row {
    /// Every digest that a record says is there is there, once, and right.
    pub fn check(&self, id: u64, order: &Order) {
        assert_eq!((self.total, self.priority, &self.name), (order.total, order.priority, &order.name()), "task {id}");
        let mut end = 0;
        for (range, digests) in &self.digests {
            assert!(range.start >= end && range.end > range.start && range.end <= self.total, "task {id}: {range:?}");
            end = range.end;
            let bytes = digests.place.read((range.end - range.start) as usize * 32);
            let expected: Vec<u8> = range.clone().flat_map(|index| order.digest(index)).collect();
            assert!(bytes == expected, "digests {range:?} of task {id} are wrong on disk");
            assert_eq!(digests.crc, crc32fast::hash(&bytes), "checksum of {range:?} of task {id}");
        }
        assert!(
            self.state != DONE || self.done == self.total,
            "task {id} is done, with {} of {}",
            self.done,
            self.total
        );
    }
}

impl Place {
    fn read(&self, length: usize) -> Vec<u8> {
        match self {
            Self::Row(bytes) => bytes.clone(),
            Self::File { path, offset } => {
                let mut bytes = vec![0; length];
                File::open(path).unwrap().read_exact_at(&mut bytes, *offset).unwrap();
                bytes
            }
        }
    }
}
