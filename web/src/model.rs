//! One set of views, for JSON and for HTML: served by the Queen, read by her clients.

mod event;
mod lists;
mod overview;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;
use wire::ids::{DroneId, TaskId};

use crate::access::TokenId;
pub use event::{Change, Event, EventId};
pub(crate) use lists::PAGE_DEFAULT;
pub use lists::{DroneList, Health, LogList, PAGE_MAX, SecretList, TaskList, TokenList};
pub use overview::{Data, DroneCounts, LeaseCounts, Overview, TaskCounts, VerifiedCounts};

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

#[cfg(test)]
mod tests;
