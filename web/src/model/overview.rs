//! The whole at a glance, and what is counted in it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::Epoch;

use super::drone::DroneState;
use super::rounded::{known_thousandths, thousandths};
use super::task::TaskState;
use crate::timestamp::Timestamp;

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
    pub right: u64,
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
    /// How long ago the oldest task was submitted that is pending; `None` if there is none.
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
