//! What the control plane needs of a Queen.

mod access;
mod amendment;
mod counted;
mod deed;
mod error;
mod fleet;
mod list;
mod stream;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::broadcast;
use wire::blob::{BlobBuf, SharedBlob};
use wire::ids::{DroneId, TaskId};

pub use self::access::{Access, Open};
pub use self::amendment::{Amended, Amendment};
pub use self::counted::{COUNT_MAX, Counted, LineCounts};
pub use self::deed::{Action, By, Deed};
pub use self::error::HiveError;
pub use self::fleet::{DroneKey, DronePage, DroneQuery, DroneSort};
pub use self::list::{Order, OrderError, Position, SortBy, TaskFilter, TaskPage, TaskQuery, Traits, progress};
pub use self::stream::{StreamQuery, is_called};
use crate::access::Owner;
use crate::kinds::Specification;
pub use crate::kinds::search::Finding;
use crate::kinds::search::Search;
use crate::metrics::Measures;
use crate::model::{
    DroneHistory, DroneView, Event, EventId, FailureGroup, HistoryView, LeaseView, Overview, Series, Step, StreamView,
    TaskCounts, TaskHistory, TaskView, Throughput, Timestamp, Verify,
};
pub use crate::model::{Estimate, SearchProgress, Span, SpanState, Verdict};

/// A task as it is asked for, apart from its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTask {
    /// What to compute.
    pub specification: Specification,
    /// For people.
    pub name: Option<String>,
    /// More urgent is larger; -100..=100.
    pub priority: i8,
    /// It fails when it is not done so many seconds after it was submitted; 1..=[`DEADLINE_MAX`].
    pub deadline_seconds: Option<u32>,
    /// Each input is a task of its own.
    pub batch: bool,
    /// How many of its results are computed a second time.
    pub verify: Verify,
    /// Whose it is.
    pub owner: Option<Owner>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

/// A task that was created.
pub enum Submitted {
    /// As it was then.
    Seen(Box<TaskView>),
    /// What comes of it, since its creator waits for that.
    Awaited(TaskId, Computed),
}

impl Submitted {
    /// The task's id.
    pub fn id(&self) -> TaskId {
        match self {
            Self::Seen(task) => task.id,
            Self::Awaited(id, _) => *id,
        }
    }
}

/// What comes of a task that was created; see [`Hive::computed`].
pub type Computed = Pin<Box<dyn Future<Output = Result<ResultsFound, HiveError>> + Send>>;

/// The longest time that a task may be given, in seconds: a year.
pub const DEADLINE_MAX: u32 = 31_536_000;

/// A client's name for a request that creates a task, and what the task it asks for is
/// (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// SHA-256 of the key as it was sent, without quotes.
    pub key: [u8; 32],
    /// SHA-256 of the specification, name, priority, deadline, the other options and inputs.
    pub fingerprint: [u8; 32],
}

/// An idempotency key while its request is under way. Dropped, it is free again, unless a task
/// was created with it.
pub struct Claim(Option<Box<dyn FnOnce() + Send>>);

impl Claim {
    /// `release` frees the key, if no task was created with it.
    pub fn new(release: impl FnOnce() + Send + 'static) -> Self {
        Self(Some(Box::new(release)))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(release) = self.0.take() {
            release();
        }
    }
}

/// What an idempotency key stands for.
pub enum Claimed {
    /// Nothing yet: the request that has the claim may create a task with it.
    New(Claim),
    /// A task was created with it.
    Known {
        /// Which one; it may have been removed since.
        task: TaskId,
        /// What was asked for then.
        fingerprint: [u8; 32],
    },
}

/// Inputs that are counted, and not kept: about [`SEGMENT`] bytes of them, or one longer input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    /// How many; at least 1.
    pub inputs: u64,
    /// Bytes of all of them, as they were given.
    pub bytes: u64,
}

/// The inputs of a task on their way in. Dropped before [`finish`](Self::finish), it leaves nothing.
#[async_trait]
pub trait Upload: Send {
    /// Adds inputs, as they were given; already checked to be valid in the task's encoding and
    /// at most [`MAX_INPUT`](crate::kinds::digest::MAX_INPUT) bytes long. A piece becomes a
    /// segment of the store: about [`SEGMENT`] bytes, or one longer input alone.
    async fn push(&mut self, inputs: BlobBuf) -> Result<(), HiveError>;

    /// Creates the task of all that was pushed, under the key that was claimed for it, if any.
    async fn finish(self: Box<Self>, identity: Option<Identity>) -> Result<TaskView, HiveError>;
}

/// The layout size that an [`Upload`]'s pieces aim at, in bytes.
pub const SEGMENT: usize = 256 << 10;

/// Results that were computed, in index order and without a gap; or what stands in their place.
#[derive(Debug, Clone)]
pub enum ResultBatch {
    /// Of a digest task.
    Digest {
        /// The index of the first.
        first: u64,
        /// The inputs as they were given.
        inputs: SharedBlob,
        /// As many digests of 32 bytes.
        digests: Bytes,
    },
    /// Of a search.
    Findings {
        /// Which of its findings the first one is, from 0, in the order of their indices.
        first: u64,
        /// The findings.
        findings: Vec<Finding>,
    },
    /// Of a search: digests that it seeks and has not found.
    NotFound {
        /// Which of them the first one is, from 0.
        first: u64,
        /// The digests, ascending.
        digests: Vec<[u8; 32]>,
    },
    /// Tasks that have left their batch.
    Detached {
        /// The index of the first; the others follow it.
        first: u64,
        /// Of each, why it failed in the batch; `None` if it went its own way.
        failed: Vec<Option<String>>,
    },
}

/// Reads a range of a task's results.
#[async_trait]
pub trait Results: Send {
    /// The next batch, of about [`SEGMENT`] bytes at most; `None` behind the last. The one before has been dropped.
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError>;

    /// The one for whom it is read may take their time. Whether the batch that was read last may be kept
    /// meanwhile; if not, the next one begins with index `next`, which was read already or is next.
    fn pause(&mut self, next: u64) -> bool;
}

/// The results that there are of the range that was asked for.
pub struct ResultsFound {
    /// The task at this moment; when all of it is computed, it is done, though its end may not
    /// be on disk yet.
    pub task: TaskView,
    /// The part of the asked range whose results are there: it begins where that does, and
    /// ends at its end or where the task's finished prefix ends.
    pub range: Range<u64>,
    /// Nothing in it has left its batch.
    pub is_whole: bool,
    /// Reads just that part.
    pub results: Box<dyn Results>,
}

/// The digests that a search was given and has not found.
pub struct NotFound {
    /// Those in the range that was asked for, which counts them in ascending order.
    pub results: ResultsFound,
    /// How many there are in all.
    pub count: u64,
}

/// What has become of a task's parts, and by whom, from some index on.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// The task at this moment.
    pub task: TaskView,
    /// The first begins where it was asked for, and each where the one before ends. Without `next`, the last one ends
    /// where the task does.
    pub spans: Vec<Span>,
    /// Where what follows begins.
    pub next: Option<u64>,
}

/// What was asked for with a task, but for keys and salts.
pub struct Original {
    /// The task at this moment.
    pub task: TaskView,
    /// Of a search: what it is, with the digests that were given if these are few. `None` if it takes a lot of memory.
    pub search: Option<Box<Search>>,
    /// Its inputs as they were given, if they are few; a search has none.
    pub inputs: Option<SharedBlob>,
}

/// Events from some point on.
pub struct Subscription {
    /// Whether the asked-for event is not known (any more), so that the subscriber has to read
    /// everything anew.
    pub reset: bool,
    /// Events that came after the asked-for one, oldest first.
    pub backlog: Vec<Arc<Event>>,
    /// Events from now on; when it lags, the subscriber has to read everything anew.
    pub events: broadcast::Receiver<Arc<Event>>,
    /// The newest event so far.
    pub at: EventId,
}

/// A Queen, as the control plane sees her.
#[async_trait]
pub trait Hive: Send + Sync + 'static {
    /// Claims an idempotency key before the request that has it is read. A key whose first
    /// request is still under way is a [`HiveError::Conflict`].
    async fn claim(&self, key: [u8; 32]) -> Result<Claimed, HiveError>;

    /// Creates a small task in one call, under the key that was claimed for it, if any. The
    /// caller has checked the inputs as for [`Upload::push`]; a search has none. For one who `waits`, what comes of it
    /// is caught as it comes, and need not be read from the disk.
    async fn submit(
        &self,
        new: NewTask,
        inputs: BlobBuf,
        identity: Option<Identity>,
        waits: bool,
    ) -> Result<Submitted, HiveError>;

    /// Begins a task whose inputs come piece by piece.
    async fn begin(&self, new: NewTask) -> Result<Box<dyn Upload>, HiveError>;

    /// The task now.
    async fn task(&self, id: TaskId) -> Result<TaskView, HiveError>;

    /// A part of a list of tasks.
    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, HiveError>;

    /// How many tasks are meant by a filter, by their states; a batch is one.
    async fn count(&self, filter: TaskFilter) -> Result<TaskCounts, HiveError>;

    /// How many lines a list has, as far as that is told without looking at many tasks.
    async fn lines(&self, filter: TaskFilter) -> Result<LineCounts, HiveError>;

    /// How many tasks failed at this moment or later; a batch is one.
    async fn failed_since(&self, since: Timestamp) -> Result<Counted, HiveError>;

    /// Why tasks failed, the most frequent reason first.
    async fn failures(&self) -> Result<Vec<FailureGroup>, HiveError>;

    /// Waits until all of it is computed or it has ended otherwise; all there is of results then.
    /// What is computed is shown as done, though it may not be on disk yet.
    async fn computed(&self, id: TaskId) -> Result<ResultsFound, HiveError>;

    /// Waits until the task has ended, one way or the other, and that is on disk; shows it then.
    async fn ended(&self, id: TaskId) -> Result<TaskView, HiveError>;

    /// What there is of the results in `range`, which may reach beyond the task's end. Those of a search are its
    /// findings, which `range` counts in the order of their indices: while it goes on, one may come in between.
    async fn results(&self, id: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError>;

    /// Which of the digests that a search was given it has not found by now: `range` counts these in ascending order. A
    /// task that was given none is a [`HiveError::Conflict`].
    async fn not_found(&self, id: TaskId, range: Range<u64>) -> Result<NotFound, HiveError>;

    /// What has become of a task from index `from` on, in at most `limit` spans; there are none from the end on.
    async fn coverage(&self, id: TaskId, from: u64, limit: usize) -> Result<Coverage, HiveError>;

    /// What was asked for with a task, with inputs, or digests that are sought, of at most `most` bytes.
    async fn original(&self, id: TaskId, most: usize) -> Result<Original, HiveError>;

    /// What a task with such inputs would take of the Drones that are there; a search has none. Any other task
    /// without inputs is [`HiveError::Empty`].
    async fn estimate(&self, new: &NewTask, inputs: &[Amount]) -> Result<Estimate, HiveError>;

    /// Cancels a task that has not ended; one that is cancelled already stays so.
    async fn cancel(&self, id: TaskId) -> Result<TaskView, HiveError>;

    /// Holds a task back: Drones stop computing it at once, until it is resumed. One that is paused
    /// already stays so; one that has ended is a [`HiveError::Conflict`].
    async fn pause(&self, id: TaskId) -> Result<TaskView, HiveError>;

    /// Goes on with a paused task. One that is not paused stays as it is; one that has ended is
    /// a [`HiveError::Conflict`].
    async fn resume(&self, id: TaskId) -> Result<TaskView, HiveError>;

    /// Begins a failed or cancelled task again: only the results that are missing are computed.
    /// Any other is a [`HiveError::Conflict`]. `deadline_seconds` as in an [`Amendment`]: one whose
    /// deadline has passed needs another one, or none.
    async fn retry(&self, id: TaskId, deadline_seconds: Option<Option<u32>>) -> Result<TaskView, HiveError>;

    /// Changes a task that has not ended; one that has is a [`HiveError::Conflict`]. The caller
    /// has checked the values.
    async fn amend(&self, id: TaskId, amendment: Amendment) -> Result<Amended, HiveError>;

    /// Forgets a task that has ended.
    async fn remove(&self, id: TaskId) -> Result<(), HiveError>;

    /// Drones that are connected, away, or left lately.
    async fn drones(&self, query: DroneQuery) -> Result<DronePage, HiveError>;

    /// Compressions per second lately of each Drone that is connected or away.
    async fn drone_rates(&self) -> Result<BTreeMap<DroneId, f64>, HiveError>;

    /// One Drone.
    async fn drone(&self, id: DroneId) -> Result<DroneView, HiveError>;

    /// Lets a Drone finish what it has, and leave. One that is leaving already does so; one that
    /// is not connected is a [`HiveError::Conflict`].
    async fn drain(&self, id: DroneId) -> Result<DroneView, HiveError>;

    /// Ends a Drone's connection, and gives what it holds to others at once; one that is away loses what is kept for it.
    /// It may connect again. One that is neither there nor away is a [`HiveError::Conflict`]. Tells who did it, as
    /// [`tell`](Self::tell) does, before what follows from it.
    async fn disconnect(&self, id: DroneId, by: By) -> Result<DroneView, HiveError>;

    /// Lifts a Drone's quarantine. One that is in none stays as it is.
    async fn pardon(&self, id: DroneId) -> Result<DroneView, HiveError>;

    /// The whole at a glance.
    async fn overview(&self) -> Result<Overview, HiveError>;

    /// What was measured of these series.
    async fn history(&self, series: &[Series], step: Step) -> Result<HistoryView, HiveError>;

    /// What was measured of a Drone lately; nothing of one that was not here for long, or is not known.
    async fn drone_history(&self, id: DroneId) -> Result<DroneHistory, HiveError>;

    /// The leases that a Drone has, and those of it that ended in the last minute.
    async fn drone_leases(&self, id: DroneId) -> Result<Vec<LeaseView>, HiveError>;

    /// A page of the task stream.
    async fn stream(&self, query: StreamQuery) -> Result<StreamView, HiveError>;

    /// How a task went, as far as it was seen.
    async fn task_history(&self, id: TaskId) -> Result<TaskHistory, HiveError>;

    /// What Drones did in the last quarter of an hour.
    async fn throughput(&self) -> Result<Throughput, HiveError>;

    /// What there is to measure, the whole at a glance among it.
    async fn measures(&self) -> Result<Measures, HiveError>;

    /// When this Queen started.
    fn started_at(&self) -> Timestamp;

    /// Tells the operator what a user did, and writes it into the audit trail.
    fn tell(&self, deed: Deed);

    /// Events after `last`, or from now on.
    fn subscribe(&self, last: Option<EventId>) -> Subscription;
}
