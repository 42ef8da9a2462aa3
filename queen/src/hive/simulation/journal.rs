//! The way of changes to the disk, which takes them in groups, late; and the disk, which is the real store in memory.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use web::model::Timestamp;
use wire::ids::TaskId;

use super::book::Book;
use super::net::LinkId;
use super::work::Spec;
use crate::clock::{HiveTime, Moment, Now};
use crate::store::{Change, Inheritance, Location, Reader, Receipt, Removed, Store};
use crate::work::Searched;

/// What outlives the Queens of a world.
pub struct Disk {
    location: Location,
    store: Store,
    /// What is in the store.
    pub book: Book,
    /// What clients wanted, by the names of their tasks.
    pub specs: BTreeMap<u64, Rc<Spec>>,
    is_new: bool,
}

/// Changes that are written together.
#[derive(Default)]
pub struct Entry {
    pub changes: Vec<Change>,
    pub receipt: Option<Receipt>,
    pub then: Option<Then>,
}

/// What is done when all before is on the disk.
#[derive(Debug)]
pub enum Then {
    /// A client is told that its task is there.
    Acknowledge { serial: u64, task: TaskId },
    /// A Drone is answered that has offered something.
    Join(LinkId),
    /// What is suspect is looked up.
    TakeUp { is_first: bool },
    /// Marks are looked up, to be compared.
    Compare(TaskId, Box<Searched>),
}

/// What waits to be written, and what is being written.
#[derive(Default)]
pub struct Journal {
    /// New tasks, which nothing before them concerns.
    fresh: VecDeque<Entry>,
    rest: VecDeque<Entry>,
    pub writing: Vec<Entry>,
}

impl Journal {
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.rest.is_empty() && self.writing.is_empty()
    }

    /// Puts something in. New tasks overtake all else.
    pub fn enter(&mut self, mut entry: Entry) {
        let fresh: Vec<_> = entry.changes.extract_if(.., |change| matches!(change, Change::Submit(_))).collect();
        if !fresh.is_empty() {
            self.fresh.push_back(Entry { changes: fresh, receipt: None, then: entry.then.take() });
        }
        if !entry.changes.is_empty() || entry.receipt.is_some() || entry.then.is_some() {
            self.rest.push_back(entry);
        }
    }

    /// Begins to write what there is, up to something that has to be done between two commits; whether there is
    /// anything.
    pub fn begin(&mut self) -> bool {
        if !self.writing.is_empty() {
            return false;
        }
        self.writing.extend(self.fresh.drain(..));
        while let Some(entry) = self.rest.pop_front() {
            let is_errand = matches!(entry.then, Some(Then::TakeUp { .. } | Then::Compare(..)));
            self.writing.push(entry);
            if is_errand {
                break;
            }
        }
        !self.writing.is_empty()
    }
}

impl Disk {
    pub fn new() -> Self {
        let location = Location::for_test();
        let store = location.open_in_memory().unwrap();
        Self { location, store, book: Book::default(), specs: BTreeMap::new(), is_new: true }
    }

    /// Opens it as a Queen does who starts.
    pub fn open(&mut self) -> Inheritance {
        if !std::mem::take(&mut self.is_new) {
            self.store = self.location.open_in_memory().unwrap();
        }
        self.store.inheritance
    }

    pub fn reader(&self) -> Arc<Reader> {
        Arc::clone(&self.store.reader)
    }

    /// Writes a group.
    pub fn commit(&mut self, group: &[Entry], now: Duration) -> Vec<Removed> {
        let changes: Vec<&Change> = group.iter().flat_map(|entry| &entry.changes).collect();
        let in_files: Vec<_> = changes.iter().filter_map(|change| change.in_file()).collect();
        self.store.reader.bulk().write_results(&in_files).unwrap();
        changes.iter().for_each(|change| self.book.apply(change, &self.specs));
        match changes.is_empty() {
            true => Vec::new(),
            false => self.store.writer.commit(&changes, moment(now)).unwrap(),
        }
    }
}

/// What the clocks show at a time of the world.
pub fn moment(now: Duration) -> Moment {
    let millis = now.as_millis() as i64;
    Moment { at: Timestamp(millis), on: HiveTime(millis) }
}

/// The same for a Queen who started then.
pub fn now(world: Duration, started: Duration) -> Now {
    let Moment { at, on } = moment(world);
    Now { elapsed: world - started, at, on }
}
