//! Why something is not happening, or went wrong, in words.

use web::model::BlamedOn;
use wire::ids::{DroneId, TaskId};

use super::seat::Departure;
use crate::core::{Blame, Distrust, Idle, MAX_DEATHS, Waiting};

/// Why nothing of a task is computed. `label`: what a task is called that is before it, or nothing if its owner must
/// not know.
pub(super) fn waiting(why: Waiting, label: impl Fn(TaskId) -> Option<String>) -> String {
    match why {
        Waiting::Paused => "it is paused".into(),
        Waiting::NoDrones => "no drone is connected".into(),
        Waiting::NoneAble => "no connected drone can do this kind of work".into(),
        Waiting::Material => {
            "what it looks for, or its key or salt, is longer than what any connected drone keeps".into()
        }
        Waiting::AllQuarantined => "every connected drone is in quarantine".into(),
        Waiting::AllLeaving => "every connected drone is about to leave".into(),
        Waiting::Isolation => {
            "two drones were lost while they computed a part of it, so it waits for one of its own".into()
        }
        Waiting::Again => {
            "the only drone that can compute it failed, and tries it again 30 seconds after its last attempt".into()
        }
        Waiting::Behind(task) => {
            let task = label(task).unwrap_or_else(|| "a task of another token".into());
            format!("the drones are busy with {task}, which has a higher priority")
        }
        Waiting::Turn => "the drones are busy with other tasks of its priority; its turn comes".into(),
    }
}

/// Why a Drone has nothing to do.
pub(super) fn idle(why: Idle) -> &'static str {
    match why {
        Idle::Quarantined => "it is in quarantine",
        Idle::Leaving => "it is about to leave",
        Idle::Away => "its connection broke",
        Idle::NotAble => "it cannot do what waits: the kind of work, or as long a list of targets, key or salt",
        Idle::AllPaused => "all tasks are paused",
        Idle::NothingLeft => "all that can be computed is with other drones",
        Idle::NothingToDo => "there is nothing to do",
    }
}

/// How a Drone went that is not waited for, or not any more: what that is called in the log, and why. `was_awaited`: it
/// was away until then.
pub(super) fn departure(how: Departure, was_awaited: bool) -> (&'static str, &'static str) {
    match how {
        Departure::Left => ("leave", "its program was stopped; its work was done or given back"),
        Departure::Drained => ("leave", "an operator drained it; its work was done or given back"),
        Departure::Revoked => ("expel", "its secret was revoked"),
        Departure::Disconnected => ("leave", "an operator disconnected it; others take over its work"),
        Departure::Lost if was_awaited => ("lose", "it did not come back; others take over its work"),
        Departure::Lost => ("lose", "its connection broke, or it fell silent; others take over its work"),
    }
}

/// Why a task failed.
pub(super) fn blame(blame: Blame, name: impl Fn(DroneId) -> String) -> String {
    let names = |drones: &[DroneId]| {
        let names: Vec<_> = drones.iter().map(|drone| name(*drone)).collect();
        names.join(", ")
    };
    match blame {
        Blame::Failures { drones, reason } => {
            format!("{} attempts to compute it failed ({}), the last one: {reason}", drones.len(), names(&drones))
        }
        Blame::Deaths { drones, range } => format!(
            "{MAX_DEATHS} drones were lost while they computed nothing but its items {} to {}: {}",
            range.start,
            range.end - 1,
            names(&drones)
        ),
        Blame::Deadline => "its deadline passed before all of it was computed".into(),
        Blame::Inputs { reason } => format!("its inputs cannot be read: {reason}"),
    }
}

/// How a [`blame`] begins, without what differs from task to task: Drones, items, and what a Drone said.
pub(super) fn beginning(reason: &str) -> &str {
    let counted = reason.find(|c: char| !c.is_ascii_digit()).unwrap_or(reason.len());
    let end = reason[counted..].find(|c: char| matches!(c, '(' | ':') || c.is_ascii_digit());
    reason[..end.map_or(reason.len(), |end| counted + end)].trim_end()
}

/// What a reason that begins so is to be blamed on.
pub(super) fn blamed_on(beginning: &str) -> BlamedOn {
    match beginning {
        _ if beginning.contains("deadline") => BlamedOn::Deadline,
        _ if beginning.starts_with("its inputs") => BlamedOn::Disk,
        _ => BlamedOn::Task,
    }
}

/// Why a Drone is in quarantine.
pub(super) fn distrust(why: &Distrust, label: impl Fn(TaskId) -> String) -> String {
    match why {
        Distrust::Failures(tasks) => {
            let tasks: Vec<_> = tasks.iter().map(|task| label(*task)).collect();
            format!("it failed on several tasks: {}", tasks.join(", "))
        }
        Distrust::Idleness => "it sends heartbeats, but again and again took in or computed nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_are_alike_begin_alike() {
        let name = |drone: DroneId| format!("drone {drone}");
        let drones = vec![DroneId(3), DroneId(7)];
        for (why, begins, on) in [
            (
                Blame::Failures { drones: drones.clone(), reason: "out of memory: 7 bytes".into() },
                "2 attempts to compute it failed",
                BlamedOn::Task,
            ),
            (
                Blame::Deaths { drones, range: 3..8 },
                "3 drones were lost while they computed nothing but its items",
                BlamedOn::Task,
            ),
            (Blame::Deadline, "its deadline passed before all of it was computed", BlamedOn::Deadline),
            (Blame::Inputs { reason: "damaged".into() }, "its inputs cannot be read", BlamedOn::Disk),
        ] {
            let reason = blame(why, name);
            assert_eq!((beginning(&reason), blamed_on(beginning(&reason))), (begins, on), "{reason}");
        }
        assert_eq!((beginning(""), beginning("7")), ("", "7"));
    }

    #[test]
    fn what_others_tasks_are_called_is_told_to_who_may_know() {
        let behind = |label: Option<&str>| waiting(Waiting::Behind(TaskId(7)), |_| label.map(str::to_owned));
        assert!(behind(Some("task 7 (payroll)")).contains("task 7 (payroll)"));
        let reason = behind(None);
        assert!(reason.contains("another token") && !reason.contains('7'), "{reason}");
    }
}
