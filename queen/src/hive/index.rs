//! Which tasks in memory are in which state, and whose they are.

use std::collections::{BTreeMap, BTreeSet};

use web::access::TokenId;
use web::hive::TaskFilter;
use web::model::TaskState;
use wire::ids::TaskId;

/// Ids of tasks, by state, and of those that have an owner by owner and state.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_state: BTreeMap<TaskState, BTreeSet<TaskId>>,
    by_owner: BTreeMap<(TokenId, TaskState), BTreeSet<TaskId>>,
}

impl Index {
    pub(super) fn insert(&mut self, id: TaskId, owner: Option<TokenId>, state: TaskState) {
        self.by_state.entry(state).or_default().insert(id);
        if let Some(owner) = owner {
            self.by_owner.entry((owner, state)).or_default().insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: TaskId, owner: Option<TokenId>, state: TaskState) {
        self.by_state.entry(state).or_default().remove(&id);
        let Some(key) = owner.map(|owner| (owner, state)) else { return };
        if let Some(ids) = self.by_owner.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_owner.remove(&key);
            }
        }
    }

    /// Tasks in this state, the oldest first.
    pub(super) fn oldest(&self, state: TaskState) -> impl Iterator<Item = TaskId> {
        self.by_state.get(&state).into_iter().flatten().copied()
    }

    /// The newest tasks that a filter by state, by owner, or by both lets through, newest first.
    pub(super) fn newest(&self, filter: &TaskFilter) -> Vec<TaskId> {
        let before = filter.before.unwrap_or(TaskId(u64::MAX));
        let states = TaskState::ALL.into_iter().filter(|state| filter.state.is_none_or(|wanted| wanted == *state));
        let of_state = |state| match filter.owner {
            Some(owner) => self.by_owner.get(&(owner, state)),
            None => self.by_state.get(&state),
        };
        let newest_of =
            |ids: &BTreeSet<TaskId>| -> Vec<_> { ids.range(..before).rev().take(filter.limit).copied().collect() };
        let mut newest: Vec<_> = states.filter_map(of_state).flat_map(newest_of).collect();
        newest.sort_unstable_by(|one, other| other.cmp(one));
        newest.truncate(filter.limit);
        newest
    }

    /// How many tasks of an owner have not ended; a batch is one.
    pub(super) fn unfinished_of(&self, owner: TokenId) -> usize {
        let states = TaskState::ALL.into_iter().filter(|state| !state.has_ended());
        states.filter_map(|state| self.by_owner.get(&(owner, state))).map(BTreeSet::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_found_by_state_and_by_owner() {
        let mut index = Index::default();
        let (one, other) = (Some(TokenId(1)), Some(TokenId(2)));
        let tasks = [(1, one, TaskState::Running), (2, None, TaskState::Running), (3, one, TaskState::Pending)];
        tasks.into_iter().for_each(|(id, owner, state)| index.insert(TaskId(id), owner, state));
        let newest = |index: &Index, state, owner, before: Option<u64>, limit| {
            let filter = TaskFilter { state, owner, before: before.map(TaskId), limit };
            index.newest(&filter).into_iter().map(|id| id.0).collect::<Vec<_>>()
        };
        assert_eq!(newest(&index, None, one, None, 9), [3, 1]);
        assert_eq!(newest(&index, None, one, None, 1), [3]);
        assert_eq!(newest(&index, None, one, Some(3), 9), [1]);
        assert_eq!(newest(&index, Some(TaskState::Running), None, None, 9), [2, 1]);
        assert_eq!(newest(&index, Some(TaskState::Pending), one, None, 9), [3]);
        assert_eq!(newest(&index, None, other, None, 9), [0; 0]);
        assert_eq!((index.unfinished_of(TokenId(1)), index.unfinished_of(TokenId(2))), (2, 0));
        index.remove(TaskId(3), one, TaskState::Pending);
        index.insert(TaskId(3), one, TaskState::Done);
        assert_eq!(index.unfinished_of(TokenId(1)), 1);
        assert_eq!(index.oldest(TaskState::Running).collect::<Vec<_>>(), [1, 2].map(TaskId));
    }
}
