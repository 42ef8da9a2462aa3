//! One set of views, for JSON and for HTML: served by the Queen, read by her clients.

mod lists;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use wire::ids::{DroneId, Epoch, TaskId};

use crate::access::TokenId;
pub use lists::{DroneList, Health, LogList, SecretList, TaskList, TokenList};

/// A moment, in milliseconds since 1970-01-01T00:00:00Z; shown as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The system's clock.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

/// RFC 3339, of any offset; what is finer than a millisecond is dropped.
impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|time| Self(time.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// What is measured or estimated is known to no more than thousandths.
fn thousandths<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((number * 1e3).round() / 1e3)
}

/// The same of what may not be known at all.
fn known_thousandths<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Some(number) => thousandths(number, serializer),
        None => serializer.serialize_none(),
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// No Drone has begun with it.
    Pending,
    /// Drones work on it.
    Running,
    /// A user holds it back: what was leased is withdrawn, and nothing is computed until it is resumed.
    Paused,
    /// Every result is there, and on disk if anything is kept.
    Done,
    /// It cannot be completed; `error` says why.
    Failed,
    /// A user stopped it.
    Cancelled,
}

impl TaskState {
    /// All of them, in the order of a task's life.
    pub const ALL: [Self; 6] = [Self::Pending, Self::Running, Self::Paused, Self::Done, Self::Failed, Self::Cancelled];

    /// Whether nothing will change any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// The name in requests and views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How many of a task's results are computed a second time, to compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// A sample.
    #[default]
    Sample,
    /// Every one, by another Drone, or by the Queen where there is none, before it counts as done.
    All,
}

/// A task as users see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Task)]
pub struct TaskView {
    /// Sequential, from 1.
    #[schema(value_type = u64)]
    pub id: TaskId,
    /// The batch that it came in, unless it has left it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub batch: Option<TaskId>,
    /// If it is a batch itself: the first of its tasks. There are `total` of them, and their ids follow each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    pub first_task: Option<TaskId>,
    /// The kind of work.
    #[schema(value_type = String)]
    pub kind: Cow<'static, str>,
    /// The algorithm of a digest task.
    #[schema(value_type = String)]
    pub algorithm: Cow<'static, str>,
    /// How its inputs are written.
    pub encoding: crate::kinds::digest::Encoding,
    /// PBKDF2's iterations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iterations: Option<u32>,
    /// For people.
    pub name: Option<String>,
    /// The name of the token that it was submitted with.
    pub owner: Option<String>,
    /// That token.
    #[serde(skip)]
    pub owner_id: Option<TokenId>,
    /// The address that it was submitted from.
    #[schema(value_type = Option<String>)]
    pub address: Option<IpAddr>,
    /// More urgent is larger; -100..=100.
    pub priority: i8,
    /// How many of its results are computed a second time.
    pub verify: Verify,
    /// Where it stands.
    pub state: TaskState,
    /// Why nothing of it is being computed, while it has not ended.
    pub waiting_because: Option<String>,
    /// Items in all.
    pub total: u64,
    /// Items whose results are there.
    pub done: u64,
    /// Results of a Drone that was found to give wrong ones are being computed again; what is
    /// there can be read, and may change.
    pub suspect: bool,
    /// Results that changed when they were computed again.
    pub corrected: u64,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When a Drone was first given a part of it.
    pub started_at: Option<Timestamp>,
    /// When it fails, unless it is done before.
    pub deadline_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Items per second lately, 0 when nothing is computed.
    #[serde(serialize_with = "thousandths")]
    pub rate: f64,
    /// How long it is expected to take from now, counting the work before it.
    #[serde(serialize_with = "known_thousandths")]
    pub eta_seconds: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}

impl TaskView {
    /// Done items in percent, 0.0..=100.0.
    pub fn percent(&self) -> f64 {
        match self.total {
            0 => 0.0,
            total => self.done as f64 / total as f64 * 100.0,
        }
    }
}

/// Where a Drone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DroneState {
    /// Connected, without work.
    Idle,
    /// Connected, computing.
    Busy,
    /// Connected, finishing what it has; it takes no more.
    Leaving,
    /// Connected, but not trusted with work.
    Quarantined,
    /// Its connection broke a moment ago, and it may come back to what it has.
    Away,
    /// It closed the connection after its work was done or given back.
    Left,
    /// Its connection broke, or it fell silent, and it did not come back in time.
    Lost,
}

impl DroneState {
    /// The name in views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Leaving => "leaving",
            Self::Quarantined => "quarantined",
            Self::Away => "away",
            Self::Left => "left",
            Self::Lost => "lost",
        }
    }

    /// Whether it has a connection.
    pub fn is_connected(self) -> bool {
        matches!(self, Self::Idle | Self::Busy | Self::Leaving | Self::Quarantined)
    }
}

impl fmt::Display for DroneState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A Drone as users see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Drone)]
pub struct DroneView {
    /// Sequential, from 1, for each process: one that connects again keeps it.
    #[schema(value_type = u64)]
    pub id: DroneId,
    /// The name of its process, in hexadecimal: the first half of the SHA-256 of its secret.
    pub instance: String,
    /// As it calls itself.
    pub name: String,
    /// Where it connects from.
    pub address: String,
    /// Program and version.
    pub software: String,
    /// Where it stands.
    pub state: DroneState,
    /// Why it has no work, while it is connected and has none.
    pub idle_because: Option<String>,
    /// Why it is not trusted with work, while it is in quarantine.
    pub quarantined_because: Option<String>,
    /// Compute threads.
    pub threads: u16,
    /// What computes each class of work.
    pub kernels: Kernels,
    /// Leases that it holds.
    pub leases: u64,
    /// Items per second lately.
    #[serde(serialize_with = "thousandths")]
    pub rate: f64,
    /// SHA-256 compressions per second lately.
    #[serde(serialize_with = "thousandths")]
    pub compressions_per_second: f64,
    /// The part of its threads' time in which they computed, over the last five seconds or so: 0 to 1;
    /// `None` if it is not known.
    #[serde(serialize_with = "known_thousandths")]
    pub utilisation: Option<f64>,
    /// Items that it has done since the Queen started; of one that has not been here since, those
    /// that it did for the Queen before. The two counts that follow are of the same time.
    pub items_done: u64,
    /// Results of it that were computed again, and were right.
    pub checked: u64,
    /// Results of it that were computed again, and were wrong.
    pub wrong: u64,
    /// How often it has connected.
    pub connections: u64,
    /// When it connected last.
    pub connected_at: Timestamp,
    /// When it was last heard.
    pub last_seen_at: Timestamp,
}

/// The kernels with which a Drone computes each class of work, as it calls them; `None` where it did
/// not say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kernels {
    /// SHA-256 of short inputs.
    pub short: Option<String>,
    /// SHA-256 of long inputs.
    pub long: Option<String>,
    /// SHA-256d.
    pub sha256d: Option<String>,
    /// HMAC-SHA-256.
    pub hmac: Option<String>,
    /// PBKDF2-HMAC-SHA-256.
    pub pbkdf2: Option<String>,
}

impl Kernels {
    /// Each that was named, with the classes that it computes.
    pub fn by_name(&self) -> Vec<(&str, Vec<&'static str>)> {
        let Self { short, long, sha256d, hmac, pbkdf2 } = self;
        let classes = [("short", short), ("long", long), ("sha256d", sha256d), ("hmac", hmac), ("pbkdf2", pbkdf2)];
        let mut kernels: Vec<(&str, Vec<&'static str>)> = Vec::new();
        for (class, kernel) in classes.into_iter().filter_map(|(class, kernel)| Some((class, kernel.as_deref()?))) {
            match kernels.iter_mut().find(|(name, _)| *name == kernel) {
                Some((_, classes)) => classes.push(class),
                None => kernels.push((kernel, vec![class])),
            }
        }
        kernels
    }
}

/// How many tasks stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskCounts {
    /// In state `pending`.
    pub pending: u64,
    /// In state `running`.
    pub running: u64,
    /// In state `paused`.
    pub paused: u64,
    /// In state `done`.
    pub done: u64,
    /// In state `failed`.
    pub failed: u64,
    /// In state `cancelled`.
    pub cancelled: u64,
}

impl TaskCounts {
    /// Changes the count of one state.
    pub fn add(&mut self, state: TaskState, change: i64) {
        let count = match state {
            TaskState::Pending => &mut self.pending,
            TaskState::Running => &mut self.running,
            TaskState::Paused => &mut self.paused,
            TaskState::Done => &mut self.done,
            TaskState::Failed => &mut self.failed,
            TaskState::Cancelled => &mut self.cancelled,
        };
        *count = count.saturating_add_signed(change);
    }

    /// The count of one state.
    pub fn of(&self, state: TaskState) -> u64 {
        match state {
            TaskState::Pending => self.pending,
            TaskState::Running => self.running,
            TaskState::Paused => self.paused,
            TaskState::Done => self.done,
            TaskState::Failed => self.failed,
            TaskState::Cancelled => self.cancelled,
        }
    }
}

/// How many Drones that are connected, or waited for, stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DroneCounts {
    /// In state `idle`.
    pub idle: u64,
    /// In state `busy`.
    pub busy: u64,
    /// In state `leaving`.
    pub leaving: u64,
    /// In state `quarantined`.
    pub quarantined: u64,
    /// In state `away`.
    pub away: u64,
}

impl DroneCounts {
    /// Counts one more in this state, if it is one of these.
    pub fn count(&mut self, state: DroneState) {
        match state {
            DroneState::Idle => self.idle += 1,
            DroneState::Busy => self.busy += 1,
            DroneState::Leaving => self.leaving += 1,
            DroneState::Quarantined => self.quarantined += 1,
            DroneState::Away => self.away += 1,
            DroneState::Left | DroneState::Lost => {}
        }
    }
}

/// How many leases there were since the Queen started, and what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LeaseCounts {
    /// That were sent to Drones; twins are among them.
    pub given: u64,
    /// Of ranges that another Drone had too.
    pub twinned: u64,
    /// Of ranges that Drones which came back still had: nothing was sent.
    pub adopted: u64,
    /// Taken back because their Drone was lost, silent, or did not know of them.
    pub expired: u64,
    /// That their Drones could not compute.
    pub failed: u64,
}

/// Results that were computed a second time since the Queen started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifiedCounts {
    /// That were right.
    pub checked: u64,
    /// That were wrong.
    pub wrong: u64,
}

/// The whole at a glance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Overview {
    /// The Queen's version.
    #[schema(value_type = String)]
    pub version: Cow<'static, str>,
    /// Her epoch.
    #[schema(value_type = u64)]
    pub epoch: Epoch,
    /// When she started.
    pub started_at: Timestamp,
    /// Since then.
    #[serde(serialize_with = "thousandths")]
    pub uptime_seconds: f64,
    /// Tasks that she knows, by state.
    pub tasks: TaskCounts,
    /// Connected Drones.
    pub drones: u64,
    /// Those of them that are in quarantine.
    pub quarantined: u64,
    /// Where they stand, and those that are waited for.
    pub drone_states: DroneCounts,
    /// The compute threads of all that are connected.
    pub threads: u64,
    /// Items of tasks that have not ended and are not done.
    pub items_queued: u64,
    /// Items done since she started.
    pub items_done: u64,
    /// SHA-256 compressions that Drones computed for it, and for what was computed a second time.
    pub compressions_done: u64,
    /// Their leases.
    pub leases: LeaseCounts,
    /// What was computed a second time, to compare.
    pub verified: VerifiedCounts,
    /// For how long the oldest task has waited of which nothing has been given to a Drone; `None` if there is none.
    #[serde(serialize_with = "known_thousandths")]
    pub oldest_pending_seconds: Option<f64>,
    /// Items per second lately.
    #[serde(serialize_with = "thousandths")]
    pub rate: f64,
    /// SHA-256 compressions per second lately.
    #[serde(serialize_with = "thousandths")]
    pub compressions_per_second: f64,
    /// When all queued work is expected to be done.
    #[serde(serialize_with = "known_thousandths")]
    pub eta_seconds: Option<f64>,
    /// What is held in memory, in bytes: small tasks that wait, segments that are cached, and
    /// results on their way to disk; all inputs and results if nothing is kept.
    pub memory_used: u64,
    /// Its limit.
    pub memory_limit: u64,
    /// What is on disk; none if nothing is kept.
    pub data: Option<Data>,
    /// Where Drones connect.
    pub drone_addr: String,
}

impl Overview {
    /// Why nothing can be written at present.
    pub fn fault(&self) -> Option<&str> {
        self.data.as_ref()?.fault.as_deref()
    }
}

/// What is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Data {
    /// Where.
    pub directory: String,
    /// Bytes on disk.
    pub used: u64,
    /// Those that cannot go: of tasks that have not ended, with results that are not there yet, of
    /// idempotency keys, and of uploads under way. When they reach the limit, nothing new is taken.
    pub unfinished: u64,
    /// How many there may be.
    pub limit: u64,
    /// Whether finished tasks go before their time to keep within it: `--max-data` was said.
    pub removes_early: bool,
    /// How many went so since the start.
    pub removed_early: u64,
    /// Why nothing can be written at present.
    pub fault: Option<String>,
    /// Unfinished tasks taken over at the start from the Queen before.
    pub recovered: u64,
    /// How long that took.
    #[serde(serialize_with = "thousandths")]
    pub recovery_seconds: f64,
}

impl Data {
    /// Whether there is no room for new tasks.
    pub fn is_used_up(&self) -> bool {
        self.unfinished >= self.limit || !self.removes_early && self.used >= self.limit
    }
}

/// The name of an event: `epoch-seq`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId {
    /// Of the Queen that told it.
    pub epoch: Epoch,
    /// Sequential within the epoch.
    pub seq: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch, self.seq)
    }
}

impl FromStr for EventId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (epoch, seq) = text.split_once('-').unwrap_or((text, ""));
        Ok(Self { epoch: Epoch(epoch.parse()?), seq: seq.parse()? })
    }
}

/// Something that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// What changed.
    pub change: Change,
}

/// What changed; a thing is told at most some times a second, always with its newest view.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Change {
    /// SSE event `task`: it is new or has moved.
    Task(TaskView),
    /// SSE event `task-removed`.
    TaskRemoved {
        /// Which one.
        id: TaskId,
        /// Whose it was.
        #[serde(skip)]
        owner: Option<TokenId>,
    },
    /// SSE event `drone`: it came, worked, left or was lost.
    Drone(DroneView),
    /// SSE event `result-changed`: results in `from..to` are others than before, because the
    /// Drone had given wrong ones.
    ResultChanged {
        /// Whose results.
        task: TaskId,
        /// The first index.
        from: u64,
        /// Behind the last index.
        to: u64,
        /// Who had given the wrong ones.
        drone: DroneId,
        /// Whose the task is.
        #[serde(skip)]
        owner: Option<TokenId>,
    },
    /// SSE event `overview`.
    Overview(Overview),
    /// SSE event `reset`: more changed at once than is told one by one; read everything anew.
    Reset {},
}

impl Change {
    /// What an SSE event tells that has this name and this data; `None` if no event has the name.
    ///
    /// # Errors
    /// If the data is not what belongs to the name.
    pub fn read(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        #[derive(Deserialize)]
        struct TaskRemoved {
            id: TaskId,
        }
        #[derive(Deserialize)]
        struct ResultChanged {
            task: TaskId,
            from: u64,
            to: u64,
            drone: DroneId,
        }
        Ok(Some(match name {
            "task" => Self::Task(serde_json::from_str(data)?),
            "task-removed" => {
                let TaskRemoved { id } = serde_json::from_str(data)?;
                Self::TaskRemoved { id, owner: None }
            }
            "drone" => Self::Drone(serde_json::from_str(data)?),
            "result-changed" => {
                let ResultChanged { task, from, to, drone } = serde_json::from_str(data)?;
                Self::ResultChanged { task, from, to, drone, owner: None }
            }
            "overview" => Self::Overview(serde_json::from_str(data)?),
            "reset" => Self::Reset {},
            _ => return Ok(None),
        }))
    }

    /// The SSE event name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::TaskRemoved { .. } => "task-removed",
            Self::Drone(_) => "drone",
            Self::ResultChanged { .. } => "result-changed",
            Self::Overview(_) => "overview",
            Self::Reset {} => "reset",
        }
    }
}

#[cfg(test)]
mod tests;
