//! Doing something to many tasks, one by one: each is looked at, locked and written for itself, some at a time, so
//! that nobody else waits for all of them.

use std::future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::{StreamExt as _, stream};
use tokio::sync::watch;
use wire::ids::TaskId;

use super::asked::{Asked, Which, listed};
use crate::access::Scope;
use crate::client::Client;
use crate::entrance::Entrance;
use crate::hive::{Action, Amendment, Deed, Hive, HiveError, TaskFilter, TaskQuery};
use crate::model::{BulkAction, BulkState, BulkView, TaskState, TaskView};
use crate::own;

/// Tasks that are listed at a time.
const PORTION: usize = 500;

/// Tasks that are changed at a time: they are written together.
const AT_ONCE: usize = 64;

/// Something that is done to many tasks.
#[derive(Clone)]
pub(super) struct Run {
    pub(super) hive: Arc<dyn Hive>,
    pub(super) entrance: Arc<Entrance>,
    pub(super) client: Client,
    pub(super) asked: Asked,
}

impl Run {
    /// What would be done.
    pub(super) async fn count(&self) -> Result<BulkView, HiveError> {
        let action = self.asked.action;
        let mut view = BulkView::new(action, BulkState::Counted);
        match &self.asked.tasks {
            Which::Filter(filter) => self.look_at(&self.reached(filter), &mut view).await?,
            Which::Ids(ids) => {
                view.matched = ids.len() as u64;
                let mut found = stream::iter(ids.to_vec()).map(|id| self.find(id)).buffered(AT_ONCE);
                while let Some(found) = found.next().await {
                    match found {
                        Ok(_) => view.changed += 1,
                        Err(why) => view.skip(1, || why.to_string()),
                    }
                }
            }
        }
        Ok(view)
    }

    /// Does it, and tells how far it is, and the operator when it is over.
    pub(super) async fn carry_out(self, report: watch::Sender<BulkView>) {
        let (result, words) = match &self.asked.tasks {
            Which::Filter(filter) => (self.of_filter(&self.reached(filter), &report).await, self.asked.words()),
            Which::Ids(ids) => {
                let mut changed = Vec::new();
                let result = self.of_ids(ids, &mut changed, &report).await;
                // As they were asked for, and not as they were done.
                changed.sort_unstable();
                (result, listed(&changed))
            }
        };
        report.send_modify(|view| {
            view.state = if result.is_ok() { BulkState::Done } else { BulkState::Stopped };
            view.error = result.err();
            // What ended or came while it was done was counted otherwise.
            view.matched = view.matched.max(view.changed + view.skipped);
            if view.state == BulkState::Done {
                view.matched = view.changed + view.skipped;
            }
        });
        let BulkView { changed, error, .. } = report.borrow().clone();
        let s = if changed == 1 { "" } else { "s" };
        // What was changed before it stopped was done.
        let end = error.map(|error| format!(", then it stopped: {error}")).unwrap_or_default();
        if changed > 0 {
            self.tell(format!("{changed} task{s} ({words}){end}"));
        }
    }

    fn tell(&self, target: String) {
        self.hive.tell(Deed::done(self.client.by(), self.action(), target));
    }

    /// Of the tasks that are meant, those that the caller may change.
    fn reached(&self, filter: &TaskFilter) -> TaskFilter {
        let caller = &self.client.caller;
        let own = caller.holder().filter(|_| !caller.may(Scope::Control)).map(|holder| holder.id);
        TaskFilter { token: own, ..filter.clone() }
    }

    /// Counts those that are meant, and those that would be changed.
    async fn look_at(&self, filter: &TaskFilter, view: &mut BulkView) -> Result<(), HiveError> {
        let counts = self.hive.count(filter.clone()).await?;
        for state in TaskState::ALL {
            view.matched += counts.of(state);
            match self.asked.action.concerns(state) {
                true => view.changed += counts.of(state),
                false => view.skip(counts.of(state), || self.asked.action.condition().to_owned()),
            }
        }
        Ok(())
    }

    async fn of_filter(&self, filter: &TaskFilter, report: &watch::Sender<BulkView>) -> Result<(), String> {
        let mut counted = report.borrow().clone();
        self.look_at(filter, &mut counted).await.map_err(|error| error.to_string())?;
        counted.changed = 0;
        // The Queen may end before all of it is done.
        if counted.matched > PORTION as u64 {
            self.tell(format!("{} tasks ({}), begun", counted.matched, self.asked.words()));
        }
        report.send_replace(counted);
        let is_meant = |state: &TaskState| self.asked.action.concerns(*state) && filter.has_state(*state);
        let states: Vec<_> = TaskState::ALL.into_iter().filter(is_meant).collect();
        if states.is_empty() {
            return Ok(());
        }
        let filter = TaskFilter { states, ..filter.clone() };
        let mut after = None;
        loop {
            self.check()?;
            // By id, so that each comes once whatever becomes of it.
            let query = TaskQuery { filter: filter.clone(), after, limit: PORTION, ..TaskQuery::default() };
            let page = self.hive.tasks(query).await.map_err(|error| error.to_string())?;
            self.change(page.tasks.into_iter().map(|task| task.id), &mut Vec::new(), report).await?;
            let Some(next) = page.next else { return Ok(()) };
            after = Some(next);
        }
    }

    async fn of_ids(
        &self,
        ids: &[TaskId],
        changed: &mut Vec<TaskId>,
        report: &watch::Sender<BulkView>,
    ) -> Result<(), String> {
        report.send_modify(|view| view.matched = ids.len() as u64);
        for some in ids.chunks(PORTION) {
            self.check()?;
            let found: Vec<_> = stream::iter(some.to_vec()).map(|id| self.find(id)).buffered(AT_ONCE).collect().await;
            let mut wanted = Vec::with_capacity(found.len());
            for found in found {
                match found {
                    Ok(task) => wanted.push(task.id),
                    Err(error @ HiveError::Unavailable { .. }) => return Err(error.to_string()),
                    Err(error) => report.send_modify(|view| view.skip(1, || error.to_string())),
                }
            }
            self.change(wanted, changed, report).await?;
        }
        Ok(())
    }

    /// A task that the caller may change, in a state in which it can be changed.
    async fn find(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let caller = &self.client.caller;
        let task = own::task(&*self.hive, caller, id).await?;
        if !caller.controls(task.owner_id) {
            return Err(HiveError::Conflict(format!("task {id} is another's: changing it needs the scope `control`")));
        }
        match self.asked.action.concerns(task.state) {
            true => Ok(task),
            false => {
                let (state, condition) = (task.state, self.asked.action.condition());
                Err(HiveError::Conflict(format!("task {id} is {state}: {condition}")))
            }
        }
    }

    /// Changes these tasks, and tells which were `changed`.
    async fn change(
        &self,
        ids: impl IntoIterator<Item = TaskId>,
        changed: &mut Vec<TaskId>,
        report: &watch::Sender<BulkView>,
    ) -> Result<(), String> {
        let is_stopped = AtomicBool::new(false);
        let wanted = stream::iter(ids).take_while(|_| future::ready(!is_stopped.load(Relaxed)));
        let mut changes = wanted.map(|id| async move { (id, self.change_one(id).await) }).buffer_unordered(AT_ONCE);
        let mut stopped = Ok(());
        // What was begun is waited for, since it may be on its way to the disk.
        while let Some((id, result)) = changes.next().await {
            match result {
                Ok(()) => {
                    changed.push(id);
                    report.send_modify(|view| view.changed += 1);
                }
                Err(error @ HiveError::Unavailable { .. }) => {
                    is_stopped.store(true, Relaxed);
                    stopped = stopped.and(Err(error.to_string()));
                }
                Err(error) => report.send_modify(|view| view.skip(1, || error.to_string())),
            }
        }
        stopped
    }

    async fn change_one(&self, id: TaskId) -> Result<(), HiveError> {
        let hive = &self.hive;
        match self.asked.action {
            BulkAction::Pause => hive.pause(id).await.map(drop),
            BulkAction::Resume => hive.resume(id).await.map(drop),
            BulkAction::Cancel => hive.cancel(id).await.map(drop),
            BulkAction::Retry => hive.retry(id, self.asked.deadline_seconds).await.map(drop),
            BulkAction::Delete => hive.remove(id).await,
            BulkAction::Priority => hive.amend(id, self.amendment()).await.map(drop),
        }
    }

    fn amendment(&self) -> Amendment {
        Amendment { priority: Some(self.asked.priority), ..Amendment::default() }
    }

    fn action(&self) -> Action {
        match self.asked.action {
            BulkAction::Pause => Action::Pause,
            BulkAction::Resume => Action::Resume,
            BulkAction::Cancel => Action::Cancel,
            BulkAction::Retry => Action::Retry,
            BulkAction::Delete => Action::Remove,
            BulkAction::Priority => Action::Amend(format!("priority {}", self.asked.priority)),
        }
    }

    /// Whether who asked for it still may.
    fn check(&self) -> Result<(), String> {
        match self.client.is_still_known(&self.entrance) {
            true => Ok(()),
            false => Err("who asked for it is not let in any more".to_owned()),
        }
    }
}
