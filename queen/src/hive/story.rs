//! Lines for the console, collected under the lock and told after it.

use bytes::Bytes;
use drone::story;
use web::model::TaskState;

use super::Parting;
use crate::kinds::Job;

/// A line for the console.
pub(super) enum Story {
    Joined { drone: String, threads: u16 },
    Parted { drone: String, parting: Parting, connected: usize },
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
            Self::Joined { drone, threads } => {
                story!(
                    "🐝",
                    "A drone connected: {drone} ({threads} compute thread{})",
                    if *threads == 1 { "" } else { "s" }
                );
            }
            Self::Parted { drone, parting: Parting::Left, connected } => {
                story!("👋", "{drone} left ({connected} connected)");
            }
            Self::Parted { drone, parting: Parting::Lost, connected } => {
                story!("💔", "{drone} was lost; others take over its work ({connected} connected)");
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
