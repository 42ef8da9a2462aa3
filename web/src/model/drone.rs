//! Drones, as users see them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::{DroneId, TaskId};

use super::rounded::{known_thousandths, thousandths};
use crate::timestamp::Timestamp;

/// Where a Drone stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
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
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Busy, Self::Idle, Self::Leaving, Self::Quarantined, Self::Away, Self::Left, Self::Lost];

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
    /// It is a Drone of this project, but not of the Queen's version.
    #[serde(default)]
    pub outdated: bool,
    /// Where it stands.
    pub state: DroneState,
    /// Why it has no work, while it is connected and has none.
    pub idle_because: Option<String>,
    /// Why it is not trusted with work, while it is in quarantine.
    pub quarantined_because: Option<String>,
    /// Why it is gone, if it left or was lost, and a Queen saw that.
    #[serde(default)]
    pub left_because: Option<String>,
    /// Compute threads.
    pub threads: u16,
    /// What computes each class of work.
    pub kernels: Kernels,
    /// Leases that it holds.
    pub leases: u64,
    /// Tasks of which it holds leases, the most urgent first; at most 8.
    #[serde(default)]
    #[schema(value_type = Vec<u64>)]
    pub tasks: Vec<TaskId>,
    /// Items per second lately.
    #[serde(serialize_with = "thousandths")]
    pub rate: f64,
    /// SHA-256 compressions per second lately.
    #[serde(serialize_with = "thousandths")]
    pub compressions_per_second: f64,
    /// What all its threads reached when it measured itself before it connected, in compressions per second, with work
    /// like what it computes now; `None` if it computes nothing, or said nothing of that.
    #[serde(default, serialize_with = "known_thousandths")]
    pub benchmark: Option<f64>,
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
    /// Leases that it could not compute, since the Queen started.
    #[serde(default)]
    pub failures: u64,
    /// How often it has connected.
    pub connections: u64,
    /// When it connected last.
    pub connected_at: Timestamp,
    /// When it was last heard.
    pub last_seen_at: Timestamp,
}

impl DroneView {
    /// Its rate as a part of its own benchmark, if it computes something that it has measured.
    pub fn of_benchmark(&self) -> Option<f64> {
        let benchmark = self.benchmark.filter(|rate| *rate > 0.0)?;
        (self.compressions_per_second > 0.0).then(|| self.compressions_per_second / benchmark)
    }
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
    /// Searches with SHA-256 among candidates that differ in one block.
    #[serde(default)]
    pub search: Option<String>,
    /// The same with SHA-256d.
    #[serde(default)]
    pub search_sha256d: Option<String>,
    /// Searches among candidates that differ in several blocks.
    #[serde(default)]
    pub search_long: Option<String>,
}

impl Kernels {
    /// Each that was named, with the classes that it computes.
    pub fn by_name(&self) -> Vec<(&str, Vec<&'static str>)> {
        let Self { short, long, sha256d, hmac, pbkdf2, search, search_sha256d, search_long } = self;
        let classes = [
            ("short", short),
            ("long", long),
            ("sha256d", sha256d),
            ("hmac", hmac),
            ("pbkdf2", pbkdf2),
            ("search", search),
            ("search_sha256d", search_sha256d),
            ("search_long", search_long),
        ];
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
