//! What is worth a line: a number that grows some times a second is not, each time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use web::model::{Change, DroneState, TaskState};

/// Between two lines of one thing that only goes on.
const PAUSE: Duration = Duration::from_secs(5);

/// So many things are remembered; then all are forgotten, and told once more.
const MOST: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    Task(u64),
    Drone(u64),
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Task(TaskState),
    Drone(DroneState),
    Whole,
}

/// What was told of each thing, and when.
#[derive(Debug, Default)]
pub struct Brief(HashMap<Thing, (State, Instant)>);

impl Brief {
    /// Whether a change is to be told: a state that is another one, and now and then how far it is.
    pub fn is_news(&mut self, change: &Change) -> bool {
        let (thing, state, may_pass) = match change {
            Change::Task(task) => (Thing::Task(task.id.0), State::Task(task.state), true),
            // Between short tasks a Drone is idle and busy all the time.
            Change::Drone(drone) if drone.state == DroneState::Idle => {
                (Thing::Drone(drone.id.0), State::Drone(DroneState::Busy), false)
            }
            Change::Drone(drone) => (Thing::Drone(drone.id.0), State::Drone(drone.state), false),
            Change::Overview(_) => (Thing::Whole, State::Whole, true),
            Change::TaskRemoved { id, .. } => {
                self.0.remove(&Thing::Task(id.0));
                return true;
            }
            Change::ResultChanged { .. } | Change::Finding { .. } | Change::Reset {} => return true,
        };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let now = Instant::now();
        let is_news = self
            .0
            .get(&thing)
            .is_none_or(|(before, at)| *before != state || may_pass && now.duration_since(*at) >= PAUSE);
        if is_news {
            self.0.insert(thing, (state, now));
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use wire::ids::TaskId;

    use super::*;

    fn task(state: &str) -> Change {
        let view = serde_json::json!({
            "id": 7, "kind": "digest", "algorithm": "sha256", "encoding": "utf8", "name": null, "owner": null,
            "address": null, "priority": 0, "verify": "sample", "state": state, "waiting_because": null, "total": 9,
            "done": 0, "suspect": false, "corrected": 0, "created_at": "2026-01-31T00:00:00Z", "started_at": null,
            "deadline_at": null, "finished_at": null, "rate": 0.0, "eta_seconds": null, "error": null,
        });
        Change::read("task", &view.to_string()).unwrap().unwrap()
    }

    #[test]
    fn a_state_is_told_once() {
        let mut brief = Brief::default();
        let is_news = ["pending", "running", "running", "done"].map(|state| brief.is_news(&task(state)));
        assert_eq!(is_news, [true, true, false, true]);
        assert!(brief.is_news(&Change::TaskRemoved { id: TaskId(7), owner: None }));
        assert!(brief.is_news(&task("done")), "it was forgotten");
    }
}
