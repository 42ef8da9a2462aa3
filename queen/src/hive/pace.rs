//! The console's word on tasks that take long: now and then, how far each of them is.

use std::time::Duration;

use web::model::{TaskState, Timestamp};
use wire::ids::TaskId;

use super::record::Record;
use super::shared::SharedHive;
use super::state::State;
use super::story::{Story, label};
use crate::clock::Now;

/// How long a task takes that is told of, and how often it is.
const LONG: Duration = Duration::from_secs(10);

/// Tasks that are told of at a time: those that came first.
const MAX_TASKS: usize = 5;

/// The most running tasks that are looked at to find them.
const LOOK: usize = 1024;

impl SharedHive {
    /// Tells the operator how far long tasks are, until the future is dropped.
    pub async fn tell_pace(&self) {
        loop {
            tokio::time::sleep(LONG).await;
            self.change(|state, now| {
                let before = Timestamp(now.at.0 - LONG.as_millis() as i64);
                state.tell_pace(before, now);
            });
        }
    }
}

impl State {
    /// Tells of running tasks that began at `before` or earlier, and have moved since they were told of.
    fn tell_pace(&mut self, before: Timestamp, now: Now) {
        let is_long = |id: &TaskId| self.tasks.get(*id).and_then(Record::started_at).is_some_and(|at| at <= before);
        let long: Vec<_> = self.tasks.oldest(TaskState::Running).take(LOOK).filter(is_long).take(MAX_TASKS).collect();
        let long: Vec<_> = long.into_iter().filter_map(|id| self.view(id, now)).collect();
        let done = long.iter().map(|view| (view.id, view.done)).collect();
        let before = std::mem::replace(&mut self.paces, done);
        for view in long {
            if before.get(&view.id) != Some(&view.done) {
                let label = label(view.id, view.name.as_deref());
                self.stories.push(Story::Moved { task: Box::new(view), label });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use web::hive::{Hive as _, NewTask};
    use web::kinds::Specification;
    use web::kinds::digest::{Algorithm, Digest, Encoding};

    use super::*;
    use crate::hive::settings::Settings;

    #[tokio::test]
    async fn long_tasks_are_told_of_when_they_have_moved() {
        let (hive, driver) = SharedHive::ephemeral(Settings::default()).unwrap();
        driver.run(&hive, async { tell_some(&hive).await }).await.unwrap();
    }

    async fn tell_some(hive: &SharedHive) {
        hive.begin_epoch().await;
        for _ in 0..MAX_TASKS + 2 {
            let specification =
                Specification::Digest(Digest { algorithm: Algorithm::Sha256, encoding: Encoding::Utf8 });
            let new = NewTask {
                specification,
                name: None,
                priority: 0,
                deadline_seconds: None,
                batch: false,
                verify: Default::default(),
                owner: None,
                address: None,
            };
            hive.submit(new, ["a", "b"].into_iter().collect(), None, false).await.unwrap();
        }
        let mut state = hive.lock();
        let (always, never) = (Timestamp(i64::MAX), Timestamp(0));
        // None of them has begun.
        assert_eq!(moved(&mut state, always), [0; 0]);
        (1..=MAX_TASKS as u64 + 2)
            .for_each(|id| state.change_task(TaskId(id), |record| record.start(Now::after(LONG))));
        assert_eq!(moved(&mut state, never), [0; 0]);
        assert_eq!(moved(&mut state, always), [1, 2, 3, 4, 5]);
        // Nothing more of them is done, so that nothing is told.
        assert_eq!(moved(&mut state, always), [0; 0]);
        state.pause(TaskId(2), true, Now::after(LONG));
        // Nothing is written here.
        state.take_changes(true);
        assert_eq!(moved(&mut state, always), [6]);
    }

    fn moved(state: &mut State, before: Timestamp) -> Vec<u64> {
        state.tell_pace(before, Now::after(LONG));
        let stories = state.take_stories().into_iter();
        let moved = stories.filter_map(|story| match story {
            Story::Moved { task, .. } => Some(task.id.0),
            _ => None,
        });
        moved.collect()
    }
}
