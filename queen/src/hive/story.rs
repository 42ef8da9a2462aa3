//! Lines for the console, collected under the lock and told after it.

use bytes::Bytes;
use drone::story;
use web::model::TaskState;

use super::Parting;
use crate::kinds::Job;

/// A line for the console.
pub(super) enum Story {
    Joined { drone: String, threads: u16, is_back: bool },
    Adopted { drone: String, taken: usize, offered: usize },
    Away { drone: String, connected: u64 },
    Parted { drone: String, parting: Parting, was_awaited: bool, connected: u64 },
    Quarantined { drone: String, reason: String },
    Cleared { task: String, corrected: u64 },
    Sent { task: String, drone: String, job: Job },
    Ended { task: String, record: EndOfTask },
}

pub(super) struct EndOfTask {
    pub(super) state: TaskState,
    pub(super) error: Option<Box<str>>,
    pub(super) digest: Option<Bytes>,
    pub(super) done: u64,
    pub(super) seconds: f64,
    pub(super) drone: Option<String>,
}

impl Story {
    pub(super) fn tell(&self) {
        match self {
            Self::Joined { drone, threads, is_back } => {
                let how = if *is_back { "is back" } else { "connected" };
                story!(
                    "🐝",
                    "A drone {how}: {drone} ({threads} compute thread{})",
                    if *threads == 1 { "" } else { "s" }
                );
            }
            Self::Adopted { drone, taken, offered } => {
                story!("🤝", "{drone} had {offered} chunks with it, and goes on with {taken} of them");
            }
            Self::Away { drone, connected } => {
                story!(
                    "💔",
                    "The connection to {drone} broke; what it computes is kept for it for a while ({connected} connected)"
                );
            }
            Self::Parted { drone, parting: Parting::Left, connected, .. } => {
                story!("👋", "{drone} left ({connected} connected)");
            }
            Self::Parted { drone, was_awaited: true, connected, .. } => {
                story!("💔", "{drone} did not come back; others take over its work ({connected} connected)");
            }
            Self::Parted { drone, connected, .. } => {
                story!("💔", "{drone} was lost; others take over its work ({connected} connected)");
            }
            Self::Quarantined { drone, reason } => {
                story!("🚫", "{drone} gets no more work: {reason}");
            }
            Self::Cleared { task, corrected: 0 } => {
                story!("🔎", "Computed again what was suspect: nothing had been wrong [{task}]");
            }
            Self::Cleared { task, corrected } => {
                story!(
                    "🔎",
                    "Computed again what was suspect: {} results were wrong, and are corrected [{task}]",
                    drone::console::count(*corrected)
                );
            }
            Self::Sent { task, drone, job } => story!("🚀", "Work sent to {drone}: {job} [{task}]"),
            Self::Ended { task, record } => record.tell(task),
        }
    }
}

impl EndOfTask {
    fn tell(&self, task: &str) {
        let drone = self.drone.as_deref().unwrap_or("the drones");
        let (done, seconds) = (drone::console::count(self.done), self.seconds);
        match (self.state, &self.digest) {
            (TaskState::Done, Some(digest)) => {
                story!("🎉", "Reply from {drone}: {} [{task}]", const_hex::encode(digest));
            }
            (TaskState::Done, None) => {
                let rate = drone::console::count((self.done as f64 / seconds.max(0.001)) as u64);
                story!("🎉", "All {done} digests are here after {seconds:.2} s, {rate} a second [{task}]");
            }
            (TaskState::Failed, _) => {
                story!("💥", "It failed: {} [{task}]", self.error.as_deref().unwrap_or("no reason given"));
            }
            _ => story!("🛑", "Cancelled after {done} digests [{task}]"),
        }
    }
}
