//! Tasks to write, for the tests of the store.

use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use web::kinds::Specification;
use web::kinds::digest::{Algorithm, Digest, Encoding};
use web::model::{TaskState, Timestamp};
use wire::blob::BlobBuf;
use wire::ids::{DroneId, Instance, TaskId};

use super::{Change, Location, Removed, Store, StoreError, Submission};
use crate::clock::{HiveTime, Moment};
use crate::work::{Ending, Extent, Inputs, Large, Piece, Results, SearchCounts, Terms, Trust};

/// Bytes of a SHA-256 digest.
pub(crate) const DIGEST: usize = 32;

/// A task, and its file if it has one.
pub(super) struct Task {
    pub(super) id: TaskId,
    pub(super) large: Option<Arc<Large>>,
}

/// By both clocks alike.
pub(crate) fn moment(millis: i64) -> Moment {
    Moment { at: Timestamp(millis), on: HiveTime(millis) }
}

pub(crate) fn terms() -> Terms {
    let specification = Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
    Terms {
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
    }
}

pub(crate) fn layout(total: u64) -> Vec<u8> {
    let mut layout = Vec::new();
    (0..total).map(|index| index.to_string()).collect::<BlobBuf>().as_blob().write(&mut layout);
    layout
}

/// The right results from `first` to before `past`.
pub(crate) fn right(first: u64, past: u64) -> Bytes {
    (first..past).flat_map(|index| Sha256::digest(index.to_string())).collect()
}

/// Results from `first` on.
pub(crate) fn piece(first: u64, bytes: Bytes) -> Piece {
    Piece { range: first..first + (bytes.len() / DIGEST) as u64, bytes }
}

/// Where the database of a data directory is.
pub(crate) fn database(directory: &std::path::Path) -> std::path::PathBuf {
    super::directory::database(directory)
}

impl Location {
    /// A place in memory, where a store can be opened anew while it is open.
    pub(crate) fn for_test() -> Self {
        Self::in_memory()
    }

    /// Opens a store there, as the next Queen would.
    pub(crate) fn open_in_memory(&self) -> Result<Store, StoreError> {
        self.open_in(None)
    }
}

impl Store {
    pub(super) fn write(&mut self, changes: &[Change]) -> Vec<Removed> {
        let results: Vec<_> = changes.iter().filter_map(Change::in_file).collect();
        self.reader.bulk().write_results(&results).unwrap();
        self.writer.commit(&changes.iter().collect::<Vec<_>>(), moment(4)).unwrap()
    }

    /// Submits a task, with a file or without.
    pub(super) fn submit(&mut self, id: u64, total: u64, in_file: bool) -> Task {
        let (task, submission) = self.submission(id, total, in_file);
        self.write(&[Change::Submit(Box::new(submission))]);
        task
    }

    pub(super) fn submission(&mut self, id: u64, total: u64, in_file: bool) -> (Task, Submission) {
        let (id, layout) = (TaskId(id), layout(total));
        let mut task = Task { id, large: None };
        let inputs = match in_file {
            false => Inputs::Small(layout.into()),
            true => {
                let mut file = self.reader.bulk().begin().unwrap();
                file.append(&layout).unwrap();
                file.seal().unwrap();
                let (bytes, crc) = (layout.len() as u32, crc32fast::hash(&layout));
                let extent = Extent { end: total, offset: 0, bytes, crc, cost: total };
                let large = Arc::new(Large { segments: [extent].into(), file: Some(file.number()) });
                file.persist();
                task.large = Some(Arc::clone(&large));
                Inputs::Large(large)
            }
        };
        (task, Submission { id, terms: Arc::new(terms()), inputs, created: moment(1), identity: None, secret: None })
    }
}

impl Task {
    /// Results of a Drone, from `first` on.
    pub(super) fn results(&self, first: u64, bytes: Bytes, drone: u64) -> Change {
        let (task, large, drone) = (self.id, self.large.clone(), Some(DroneId(drone)));
        let results = Results { piece: piece(first, bytes), drone, trust: Trust::Sampled };
        Change::Results { task, results, large, replaces: false }
    }

    pub(super) fn replacing(&self, first: u64, bytes: Bytes, drone: u64) -> Change {
        let mut change = self.results(first, bytes, drone);
        if let Change::Results { replaces, .. } = &mut change {
            *replaces = true;
        }
        change
    }

    pub(super) fn end(&self, state: TaskState, done: u64) -> Change {
        let started_at = Some(Timestamp(2));
        Change::End(
            self.id,
            Box::new(Ending {
                state,
                started_at,
                finished: moment(3),
                done,
                found: SearchCounts::default(),
                error: None,
            }),
        )
    }
}
