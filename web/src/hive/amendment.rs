//! What users change of tasks that are there.

use crate::model::TaskView;

/// What is to change of a task; what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// More urgent is larger; -100..=100.
    pub priority: Option<i8>,
    /// For people; an inner `None` takes the name away.
    pub name: Option<Option<String>>,
    /// It fails when it is not done so many seconds from now; an inner `None` takes the deadline away.
    pub deadline_seconds: Option<Option<u32>>,
}

/// A task that was changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Amended {
    /// What it was before.
    pub before: TaskView,
    /// What it is now.
    pub task: TaskView,
}

impl Amended {
    /// What is not as it was, from what to what: `priority -5 → 7, deadline none → 2026-12-01T10:00:00.000Z`.
    pub fn changes(&self) -> String {
        let Self { before, task } = self;
        let name = |task: &TaskView| task.name.as_ref().map_or_else(|| "none".to_owned(), |name| format!("“{name}”"));
        let deadline = |task: &TaskView| task.deadline_at.map_or_else(|| "none".to_owned(), |at| at.to_string());
        let values = [
            ("priority", before.priority.to_string(), task.priority.to_string()),
            ("name", name(before), name(task)),
            ("deadline", deadline(before), deadline(task)),
        ];
        let changed = values.into_iter().filter(|(_, before, after)| before != after);
        changed.map(|(what, before, after)| format!("{what} {before} → {after}")).collect::<Vec<_>>().join(", ")
    }
}
