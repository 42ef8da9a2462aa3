//! Lines for the console, collected under the lock and told after it.

use bytes::Bytes;
use drone::story;
use web::access::LogEntry;
use web::hive::{Action, By, Deed};
use web::model::{TaskState, TaskView};
use wire::ids::TaskId;

use super::seat::Departure;
use crate::work::Job;

/// A line for the console.
pub(super) enum Story {
    Joined { drone: String, threads: u16, is_back: bool },
    Adopted { drone: String, taken: usize, offered: usize },
    Away { drone: String, connected: u64 },
    Departed { drone: String, departure: Departure, was_awaited: bool, connected: u64 },
    Quarantined { drone: String, reason: String },
    Cleared { task: String, corrected: u64 },
    Sent { task: String, drone: String, job: Job },
    SearchCounts { task: String, new: u64, found: u64 },
    Ended { task: String, record: EndOfTask },
    Moved { task: Box<TaskView>, label: String },
    Did(Deed),
    Logged(Box<LogEntry>),
}

/// What the console is told of the end of a task.
pub(super) struct EndOfTask {
    pub(super) state: TaskState,
    pub(super) error: Option<Box<str>>,
    pub(super) digest: Option<Bytes>,
    pub(super) done: u64,
    /// How much of that was done in `seconds`: what was done before a restart, or before a retry, is not counted.
    pub(super) new: u64,
    /// How much a search has found.
    pub(super) found: Option<u64>,
    /// Since a Drone was given a part of it.
    pub(super) seconds: f64,
    pub(super) drone: Option<String>,
}

impl Story {
    /// `show_words`: inputs and digests are told as well.
    pub(super) fn tell(&self, show_words: bool) {
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
            Self::Departed { drone, departure: Departure::Left | Departure::Drained, connected, .. } => {
                story!("👋", "{drone} left ({connected} connected)");
            }
            Self::Departed { drone, departure: Departure::Revoked, connected, .. } => {
                story!("🔒", "{drone} was cut off: its secret was revoked ({connected} connected)");
            }
            Self::Departed { drone, departure: Departure::Disconnected, connected, .. } => {
                story!("🔌", "{drone} was disconnected; others take over its work ({connected} connected)");
            }
            Self::Departed { drone, was_awaited: true, connected, .. } => {
                story!("💔", "{drone} did not come back; others take over its work ({connected} connected)");
            }
            Self::Departed { drone, connected, .. } => {
                story!("💔", "{drone} was lost; others take over its work ({connected} connected)");
            }
            Self::SearchCounts { task, new, found } => {
                let (new, found) = (drone::console::count(*new), drone::console::count(*found));
                story!("🎯", "SearchCounts {new} more of what is sought, {found} so far [{task}]");
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
            Self::Sent { task, drone, job } if show_words => {
                story!("🚀", "Work sent to {drone}: {} [{task}]", job.kind().title(&job.inputs))
            }
            Self::Sent { task, drone, job } => {
                let (count, algorithm) = (drone::console::count(job.inputs.total()), job.kind().summary().algorithm);
                let verb = if job.inputs.are_implied() { "search" } else { "hash" };
                story!("🚀", "Work sent to {drone}: {count} to {verb} ({algorithm}) [{task}]");
            }
            Self::Ended { task, record } => record.tell(task, show_words),
            Self::Moved { task, label } => moved(task, label),
            Self::Did(deed) => did(deed),
            Self::Logged(entry) => logged(entry),
        }
    }
}

/// How far a long task is.
fn moved(task: &TaskView, label: &str) {
    let total = drone::console::count(task.total);
    let done = match &task.search {
        None => drone::console::count(task.done).to_string(),
        Some(search) => {
            format!("{} found in {}", drone::console::count(search.found), drone::console::count(task.done))
        }
    };
    match (&task.waiting_because, task.eta_seconds) {
        (Some(reason), _) => story!("⏳", "{done} of {total} done, waiting because {reason} [{label}]"),
        (None, None) => story!("📈", "{done} of {total} done [{label}]"),
        (None, Some(eta)) => {
            let (rate, left) = (rate(task.rate), drone::console::span(eta));
            story!("📈", "{done} of {total} done, {rate} a second, about {left} left [{label}]");
        }
    }
}

/// A rate, with as many digits as say something.
fn rate(rate: f64) -> String {
    match rate < 10.0 {
        true => format!("{rate:.1}"),
        false => drone::console::count(rate as u64).to_string(),
    }
}

/// What a user did, and from where.
fn did(Deed { by, action, target, refused }: &Deed) {
    let By { name, address, request: _ } = by;
    let by = match (name, address) {
        (Some(name), Some(address)) => format!("{name} ({address})"),
        (Some(name), None) => name.to_string(),
        (None, Some(address)) => address.to_string(),
        (None, None) => "somebody on this machine".to_owned(),
    };
    if let Some(reason) = refused {
        tracing::warn!("{by} was refused: {reason} [{target}]");
        return;
    }
    match action {
        Action::Pause => story!("✋", "Paused by {by} [{target}]"),
        Action::Resume => story!("👉", "Resumed by {by} [{target}]"),
        Action::Cancel => story!("🛑", "Cancelled by {by} [{target}]"),
        Action::Retry => story!("🔁", "Begun again by {by} [{target}]"),
        Action::Amend(changes) if changes.is_empty() => story!("📝", "Changed by {by}: it was so already [{target}]"),
        Action::Amend(changes) => story!("📝", "Changed by {by}: {changes} [{target}]"),
        Action::Remove => story!("🧹", "Removed by {by} [{target}]"),
        Action::Drain => story!("🚪", "Asked to leave by {by} [{target}]"),
        Action::Disconnect => story!("🔌", "Disconnected by {by} [{target}]"),
        Action::Pardon => story!("🕊", "Trusted again by {by} [{target}]"),
        Action::CreateToken | Action::CreateSecret => story!("🔑", "Made by {by} [{target}]"),
        Action::RevokeToken | Action::RevokeSecret => story!("🔒", "Revoked by {by} [{target}]"),
        Action::LogIn => story!("🔓", "{by} logged in"),
        Action::LogOut => story!("🔓", "{by} logged out"),
        Action::Ask | Action::Join => {}
    }
}

/// A line of the audit trail, for who collects logs.
fn logged(LogEntry { who, address, action, target, outcome, changes, request_id, .. }: &LogEntry) {
    let request = request_id.as_deref().unwrap_or("-");
    let (who, address) = (who.as_deref().unwrap_or("-"), address.as_deref().unwrap_or("-"));
    let changes = changes.as_deref().unwrap_or("-");
    tracing::info!(
        target: "audit", who, address, action, target, outcome, changes, request, "{action} {target}: {outcome}"
    );
}

/// A task that is done, and took less than this, in seconds, has no line in the log: there may be thousands a second.
const LONG: f64 = 10.0;

impl EndOfTask {
    /// What the log keeps of it, if anything: what happened, and how. Who cancelled it stands in the audit trail.
    pub(super) fn of_note(&self) -> Option<(&'static str, String)> {
        // The page shows whole seconds that are over, too.
        let (done, span) = (drone::console::count(self.done), drone::console::span(self.seconds.floor()));
        match (self.state, self.found) {
            (TaskState::Failed, _) => Some(("fail", self.error.as_deref().unwrap_or("no reason given").to_owned())),
            (TaskState::Done, _) if self.seconds < LONG => None,
            (TaskState::Done, None) => Some(("end", format!("{done} digests in {span}"))),
            (TaskState::Done, Some(found)) => {
                Some(("end", format!("{done} candidates searched in {span}, {} found", drone::console::count(found))))
            }
            _ => None,
        }
    }

    fn tell(&self, task: &str, show_words: bool) {
        let drone = self.drone.as_deref().unwrap_or("the drones");
        let done = drone::console::count(self.done);
        let found = self.found.map(drone::console::count);
        match (self.state, self.digest.as_ref().filter(|_| show_words)) {
            (TaskState::Done, Some(digest)) => {
                story!("🎉", "Reply from {drone}: {} [{task}]", const_hex::encode(digest));
            }
            (TaskState::Done, None) => match found {
                None => story!("🎉", "All {done} digests are here{} [{task}]", self.took("after")),
                Some(found) => story!("🎉", "Searched {done} candidates{}: {found} found [{task}]", self.took("in")),
            },
            (TaskState::Failed, _) => {
                story!("💥", "It failed: {} [{task}]", self.error.as_deref().unwrap_or("no reason given"));
            }
            _ => match found {
                None => story!("🛑", "Cancelled after {done} digests [{task}]"),
                Some(found) => story!("🛑", "Cancelled after {done} candidates, {found} found [{task}]"),
            },
        }
    }

    /// How long it took, and the rate of what was done in that time; nothing is said of what took no time.
    fn took(&self, after: &str) -> String {
        let Self { done, new, seconds, .. } = *self;
        let rate = drone::console::count((new as f64 / seconds.max(0.001)) as u64);
        match new {
            0 => String::new(),
            new if new == done => format!(" {after} {seconds:.2} s, {rate} a second"),
            new => format!(", the last {} {after} {seconds:.2} s, {rate} a second", drone::console::count(new)),
        }
    }
}

/// A task, for people.
pub(super) fn label(id: TaskId, name: Option<&str>) -> String {
    web::label("task", id, name)
}

/// So many unfinished tasks, for people.
pub(super) fn unfinished(count: u64) -> String {
    format!("{} unfinished task{}", drone::console::count(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(done: u64, new: u64, seconds: f64) -> EndOfTask {
        let (state, error, digest, found, drone) = (TaskState::Done, None, None, None, None);
        EndOfTask { state, error, digest, done, new, found, seconds, drone }
    }

    #[test]
    fn the_log_has_what_took_long_by_whole_seconds() {
        assert_eq!(done(3000, 3000, 9.99).of_note(), None);
        assert_eq!(done(3000, 3000, 65.9).of_note(), Some(("end", "3,000 digests in 1 min 5 s".to_owned())));
    }

    #[test]
    fn a_rate_is_of_what_was_done_in_its_time() {
        let took = |all, new| done(all, new, 2.0).took("after");
        assert_eq!(took(3000, 3000), " after 2.00 s, 1,500 a second");
        assert_eq!(took(3000, 1000), ", the last 1,000 after 2.00 s, 500 a second");
        assert_eq!(took(3000, 0), "", "all of it was done before");
    }
}
