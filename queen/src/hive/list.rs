//! Lists of tasks: what has not ended is found in memory, what has on disk.

use web::hive::{
    Counted, HiveError, LineCounts, Order, Position, SortBy, TaskFilter, TaskPage, TaskQuery, Traits, progress,
};
use web::model::{TaskCounts, TaskState, TaskView, Timestamp};
use wire::ids::TaskId;

use super::record::Record;
use super::refusal::unreadable;
use super::shared::SharedHive;
use super::state::State;
use super::views::stored_view;
use crate::clock::Now;

/// Tasks in memory that are looked at for one part of a list at most.
const WALK: usize = 10_000;

/// Tasks in memory that are counted under the lock at a time.
const COUNTED: usize = 2000;

/// A page of a list, of tasks that are in memory or of those that are on disk.
#[derive(Default)]
struct PartialPage {
    /// Sorted.
    tasks: Vec<(Position, TaskView)>,
    /// Behind which place it may go on; `None` if there is nothing more.
    next: Option<Position>,
}

impl PartialPage {
    /// Two parts of the same list as one, of at most `limit` tasks.
    fn merge(self, other: Self, order: Order, limit: usize) -> TaskPage {
        let ends = [self.next, other.next].into_iter().flatten();
        let mut next = ends.min_by(|one, other| order.compare(*one, *other));
        let mut tasks: Vec<_> = self.tasks.into_iter().chain(other.tasks).collect();
        // Stable, so that of two views of one task the one that is given first is kept.
        tasks.sort_by(|(one, _), (other, _)| order.compare(*one, *other));
        tasks.dedup_by_key(|(_, task)| task.id);
        // What lies behind the end of one part may have something of that before it.
        tasks.retain(|(place, _)| next.is_none_or(|next| order.compare(*place, next).is_le()));
        if tasks.len() > limit {
            tasks.truncate(limit);
            next = tasks.last().map(|(place, _)| *place);
        }
        TaskPage { tasks: tasks.into_iter().map(|(_, task)| task).collect(), next }
    }
}

/// What a filter looks at of a task in memory.
fn traits(record: &Record) -> Traits<'_> {
    let summary = record.terms.kind().summary();
    Traits {
        name: record.terms.name.as_deref(),
        owner: record.terms.owner.as_ref().map(|owner| &*owner.name),
        kind: summary.kind,
        algorithm: summary.algorithm,
        created_at: record.created.at,
        error: None,
    }
}

impl State {
    /// A part of a list, of tasks that have not ended, with one task more than asked for if there is one.
    fn list(&self, query: &TaskQuery, now: Now) -> PartialPage {
        let TaskQuery { filter, order, after, limit } = query;
        let mut part = PartialPage::default();
        let mut seen = 0;
        for place in self.places(filter, *order, *after, now) {
            if part.tasks.len() > *limit || seen == WALK {
                break;
            }
            seen += 1;
            part.next = Some(place);
            let is_wanted = |record: &Record| filter.is_plain() || filter.fits(&traits(record));
            if self.tasks.get(place.id).is_some_and(is_wanted) {
                part.tasks.extend(self.view(place.id, now).map(|task| (place, task)));
            }
        }
        if part.tasks.len() <= *limit && seen < WALK {
            part.next = None;
        }
        part
    }

    /// Tasks that have not ended, in this order.
    fn places(
        &self,
        filter: &TaskFilter,
        order: Order,
        after: Option<Position>,
        now: Now,
    ) -> Box<dyn Iterator<Item = Position> + '_> {
        let token = filter.token;
        let is_wanted = |state: TaskState| !state.has_ended() && filter.has_state(state);
        match order.by {
            SortBy::Ended => Box::new(std::iter::empty()),
            SortBy::Id | SortBy::Priority => Box::new(self.tasks.walk(order, token, is_wanted, after)),
            SortBy::Progress => {
                let newest = Order::default();
                let begun = |state| is_wanted(state) && state != TaskState::Pending;
                // Of those that are begun the newest ones: they are not many unless hundreds of Drones are busy.
                let begun = self.tasks.walk(newest, token, begun, None).take(WALK);
                let waiting = Order { by: SortBy::Id, ..order };
                let pending = |state| is_wanted(state) && state == TaskState::Pending;
                let waits_behind = after.filter(|after| after.key == 0);
                let waiting = self.tasks.walk(waiting, token, pending, waits_behind);
                let mut places: Vec<_> = begun
                    .map(|place| self.progress(place.id, now))
                    .chain(waiting.take(WALK).map(|place| self.progress(place.id, now)))
                    .filter(|place| order.is_behind(*place, after))
                    .collect();
                places.sort_by(|one, other| order.compare(*one, *other));
                Box::new(places.into_iter())
            }
        }
    }

    /// Where a task has its place in the order of progress.
    fn progress(&self, id: TaskId, now: Now) -> Position {
        let done = |record: &Record| {
            let running = record.outputs().and_then(|_| self.core.task(id, now.elapsed));
            progress(record.status(running).done, record.inputs.total())
        };
        Position { key: self.tasks.get(id).map_or(0, done), id }
    }

    /// Counts some tasks that have not ended, by their states, behind this place of the list by id; and behind which
    /// place it is to go on, if that were not all.
    fn count(&self, filter: &TaskFilter, after: Option<Position>) -> (TaskCounts, Option<Position>) {
        let mut counts = TaskCounts::default();
        let is_wanted = |state: TaskState| !state.has_ended() && filter.has_state(state);
        let mut seen = 0;
        let mut last = None;
        for place in self.tasks.walk(Order::default(), filter.token, is_wanted, after).take(COUNTED) {
            seen += 1;
            last = Some(place);
            if let Some(record) = self.tasks.get(place.id).filter(|record| filter.fits(&traits(record))) {
                counts.add(record.state(), 1);
            }
        }
        (counts, last.filter(|_| seen == COUNTED))
    }
}

impl State {
    /// How many lines a list has of tasks that have not ended: of states alone they are known, else they are counted.
    fn lines(&self, filter: &TaskFilter) -> LineCounts {
        let is_wanted = |state: TaskState| !state.has_ended() && filter.has_state(state);
        if filter.is_plain() {
            let mut lines = LineCounts::default();
            for state in TaskState::ALL.into_iter().filter(|state| is_wanted(*state)) {
                lines.add(state, Counted::up_to_max(self.tasks.lines(filter.token, state)));
            }
            return lines;
        }
        let (counts, next) = self.count(filter, None);
        let mut lines = LineCounts::from(counts);
        if next.is_some() {
            lines.cut(is_wanted);
        }
        lines
    }
}

impl SharedHive {
    /// How many lines a list has.
    pub(super) async fn count_lines(&self, filter: TaskFilter) -> Result<LineCounts, HiveError> {
        let mut lines = match filter.reason {
            // No task that has not ended has a reason for which it failed.
            Some(_) => LineCounts::default(),
            None => self.serving()?.lines(&filter),
        };
        lines += self.read(move |reader| reader.lines(&filter)).await.map_err(unreadable)?;
        Ok(lines)
    }

    /// How many tasks failed since then, as far as that is on disk.
    pub(super) async fn count_failed(&self, since: Timestamp) -> Result<Counted, HiveError> {
        self.serving().map(drop)?;
        self.read(move |reader| reader.failed_since(since)).await.map_err(unreadable)
    }

    /// A part of a list of tasks.
    pub(super) async fn list(&self, query: TaskQuery) -> Result<TaskPage, HiveError> {
        let (order, limit) = (query.order, query.limit);
        // Memory first: what ends on disk meanwhile is then found twice, not never.
        let in_memory = self.serving()?.list(&query, self.now());
        let stored = match order.by {
            SortBy::Id | SortBy::Ended => self.read(move |reader| reader.list(&query)).await.map_err(unreadable)?,
            SortBy::Progress | SortBy::Priority => return Ok(PartialPage::default().merge(in_memory, order, limit)),
        };
        let views = stored.tasks.iter().map(stored_view);
        let stored =
            PartialPage { tasks: views.map(|view| (order.position(&view), view)).collect(), next: stored.next };
        Ok(stored.merge(in_memory, order, limit))
    }

    /// How many tasks are meant by a filter, by their states. What ends meanwhile may be counted twice.
    pub(super) async fn count_tasks(&self, filter: TaskFilter) -> Result<TaskCounts, HiveError> {
        let mut counts = TaskCounts::default();
        let mut add = |some: TaskCounts| {
            for state in TaskState::ALL {
                counts.add(state, some.of(state) as i64);
            }
        };
        let mut after = None;
        // No task that has not ended has a reason for which it failed.
        while filter.reason.is_none() {
            let (some, next) = self.serving()?.count(&filter, after);
            add(some);
            let Some(next) = next else { break };
            after = Some(next);
            tokio::task::yield_now().await;
        }
        after = None;
        loop {
            let wanted = filter.clone();
            let counted = self.read(move |reader| reader.count(&wanted, after)).await;
            let (some, next) = counted.map_err(unreadable)?;
            add(some);
            let Some(next) = next else { return Ok(counts) };
            after = Some(next);
        }
    }
}
