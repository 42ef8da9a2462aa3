//! Who waits for tasks.

use std::collections::BTreeMap;
use std::ops::Range;

use tokio::sync::oneshot;
use wire::ids::TaskId;

use super::record_views::Completion;

/// Who waits for which task.
#[derive(Default)]
pub(super) struct Waiters {
    by_task: BTreeMap<TaskId, Vec<Waiter>>,
}

/// Who waits for a task's end. One that is dropped without an answer finds out by asking for the task anew.
enum Waiter {
    /// Until all of it is computed, whether or not that is on disk.
    ForResults(oneshot::Sender<Completion>),
    /// Until its end is on disk.
    ForEnd(oneshot::Sender<()>),
}

impl Waiter {
    /// Whether who waited is gone.
    fn is_gone(&self) -> bool {
        match self {
            Self::ForResults(sender) => sender.is_closed(),
            Self::ForEnd(sender) => sender.is_closed(),
        }
    }
}

impl Waiters {
    /// Where it is told what has come of a task when it is computed, or has ended otherwise.
    pub(super) fn for_results(&mut self, id: TaskId) -> oneshot::Receiver<Completion> {
        let (sender, waiting) = oneshot::channel();
        self.add(id, Waiter::ForResults(sender));
        waiting
    }

    /// Where it is told that a task has ended and that is on disk.
    pub(super) fn for_end(&mut self, id: TaskId) -> oneshot::Receiver<()> {
        let (sender, waiting) = oneshot::channel();
        self.add(id, Waiter::ForEnd(sender));
        waiting
    }

    fn add(&mut self, id: TaskId, waiter: Waiter) {
        let waiters = self.by_task.entry(id).or_default();
        waiters.retain(|waiter| !waiter.is_gone());
        waiters.push(waiter);
    }

    /// Nothing more will be computed of a task.
    pub(super) fn tell_results(&mut self, id: TaskId, completion: impl Fn() -> Completion) {
        let Some(waiters) = self.by_task.get_mut(&id) else { return };
        for waiter in waiters.extract_if(.., |waiter| matches!(waiter, Waiter::ForResults(_))) {
            if let Waiter::ForResults(sender) = waiter {
                // Who waited may have gone.
                let _ = sender.send(completion());
            }
        }
        if waiters.is_empty() {
            self.by_task.remove(&id);
        }
    }

    /// The ends of these tasks are on disk, or they are gone: nobody waits for them any more.
    pub(super) fn wake(&mut self, tasks: Range<TaskId>) {
        let waiting: Vec<_> = self.by_task.range(tasks).map(|(id, _)| *id).collect();
        for waiter in waiting.into_iter().filter_map(|id| self.by_task.remove(&id)).flatten() {
            // Who waited may have gone.
            if let Waiter::ForEnd(sender) = waiter {
                let _ = sender.send(());
            }
        }
    }
}
