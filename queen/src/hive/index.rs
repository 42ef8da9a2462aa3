//! Which tasks in memory are in which state, how urgent they are, and whose.

use std::collections::btree_set::Range;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Bound::{Excluded, Unbounded};

use web::access::TokenId;
use web::hive::{Order, Position, SortBy};
use web::model::TaskState;
use wire::ids::TaskId;

/// Ids of tasks, by state and priority, and of those that have an owner by owner as well.
#[derive(Debug, Default)]
pub(super) struct Index {
    all: BTreeMap<IndexKey, BTreeSet<TaskId>>,
    by_owner: BTreeMap<(TokenId, IndexKey), BTreeSet<TaskId>>,
}

/// What tasks have in common that stand together: their state and their priority.
pub(super) type IndexKey = (TaskState, i8);

impl Index {
    pub(super) fn insert(&mut self, id: TaskId, owner: Option<TokenId>, key: IndexKey) {
        self.all.entry(key).or_default().insert(id);
        if let Some(owner) = owner {
            self.by_owner.entry((owner, key)).or_default().insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: TaskId, owner: Option<TokenId>, key: IndexKey) {
        remove(&mut self.all, key, id);
        if let Some(owner) = owner {
            remove(&mut self.by_owner, (owner, key), id);
        }
    }

    /// Tasks in this state, the oldest first.
    pub(super) fn oldest(&self, state: TaskState) -> impl Iterator<Item = TaskId> {
        let order = Order { by: SortBy::Id, reversed: true };
        self.walk(order, None, move |one| one == state, None).map(|place| place.id)
    }

    /// Tasks of an owner or of all, in states that are wanted, behind a place in the order by id or by priority.
    pub(super) fn walk(
        &self,
        order: Order,
        owner: Option<TokenId>,
        is_wanted: impl Fn(TaskState) -> bool,
        after: Option<Position>,
    ) -> Walk<'_> {
        let mut walk = Walk { order, heads: BinaryHeap::new() };
        let mut add = |(state, priority): &IndexKey, ids| {
            if is_wanted(*state) {
                walk.begin(*priority, ids, after);
            }
        };
        match owner {
            None => self.all.iter().for_each(|(key, ids)| add(key, ids)),
            Some(owner) => {
                let first = (owner, (TaskState::ALL[0], i8::MIN));
                let of_owner = self.by_owner.range(first..).take_while(|((one, _), _)| *one == owner);
                of_owner.for_each(|((_, key), ids)| add(key, ids));
            }
        }
        walk
    }

    /// How many tasks of an owner, or of all, there are in this state; a batch is one.
    pub(super) fn count(&self, owner: Option<TokenId>, state: TaskState) -> usize {
        let keys = (state, i8::MIN)..=(state, i8::MAX);
        match owner {
            None => self.all.range(keys).map(|(_, ids)| ids.len()).sum(),
            Some(owner) => {
                let keys = (owner, *keys.start())..=(owner, *keys.end());
                self.by_owner.range(keys).map(|(_, ids)| ids.len()).sum()
            }
        }
    }

    /// How many tasks of an owner have not ended; a batch is one.
    pub(super) fn unfinished_of(&self, owner: TokenId) -> usize {
        let first = (owner, (TaskState::ALL[0], i8::MIN));
        let of_owner = self.by_owner.range(first..).take_while(|((one, _), _)| *one == owner);
        of_owner.filter(|((_, (state, _)), _)| !state.has_ended()).map(|(_, ids)| ids.len()).sum()
    }
}

fn remove<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<TaskId>>, key: K, id: TaskId) {
    if let Some(ids) = sets.get_mut(&key) {
        ids.remove(&id);
        if ids.is_empty() {
            sets.remove(&key);
        }
    }
}

/// Several sets of tasks, merged.
pub(super) struct Walk<'a> {
    order: Order,
    heads: BinaryHeap<Head<'a>>,
}

/// The next task of one set, and those behind it.
struct Head<'a> {
    order: Order,
    place: Position,
    rest: Range<'a, TaskId>,
}

impl<'a> Walk<'a> {
    fn begin(&mut self, priority: i8, ids: &'a BTreeSet<TaskId>, after: Option<Position>) {
        let key = if self.order.by == SortBy::Priority { priority.into() } else { 0 };
        // All of a set have the same key: they lie behind the place, or before it, or around it.
        let bound = after.filter(|after| after.key == key).map_or(Unbounded, |after| Excluded(after.id));
        if after.is_some_and(|after| after.key != key && !self.order.is_behind(Position { key, ..after }, Some(after)))
        {
            return;
        }
        let rest = match self.order.reversed {
            true => ids.range((bound, Unbounded)),
            false => ids.range((Unbounded, bound)),
        };
        self.go_on(key, rest);
    }

    fn go_on(&mut self, key: i64, mut rest: Range<'a, TaskId>) {
        let order = self.order;
        let next = if order.reversed { rest.next() } else { rest.next_back() };
        if let Some(id) = next {
            self.heads.push(Head { order, place: Position { key, id: *id }, rest });
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Position;

    fn next(&mut self) -> Option<Position> {
        let Head { place, rest, .. } = self.heads.pop()?;
        self.go_on(place.key, rest);
        Some(place)
    }
}

impl Ord for Head<'_> {
    /// A heap gives its greatest first.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order.compare(other.place, self.place)
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.place == other.place
    }
}

impl Eq for Head<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    const NEWEST: Order = Order { by: SortBy::Id, reversed: false };
    const URGENT: Order = Order { by: SortBy::Priority, reversed: false };

    /// Four tasks, of which the first is the most urgent.
    fn index() -> Index {
        let mut index = Index::default();
        let (one, other) = (Some(TokenId(1)), Some(TokenId(2)));
        for (id, owner, state, priority) in [
            (1, one, TaskState::Running, 9),
            (2, None, TaskState::Running, 0),
            (3, one, TaskState::Pending, 0),
            (4, other, TaskState::Pending, -7),
        ] {
            index.insert(TaskId(id), owner, (state, priority));
        }
        index
    }

    fn ids(walk: Walk<'_>) -> Vec<u64> {
        walk.map(|place| place.id.0).collect()
    }

    #[test]
    fn tasks_are_found_by_state_and_by_owner() {
        let mut index = index();
        let newest = |index: &Index, state: Option<TaskState>, owner: Option<u64>, after: Option<u64>| {
            let after = after.map(|id| Position { key: 0, id: TaskId(id) });
            ids(index.walk(NEWEST, owner.map(TokenId), |one| state.is_none_or(|state| state == one), after))
        };
        assert_eq!(newest(&index, None, None, None), [4, 3, 2, 1]);
        assert_eq!(newest(&index, None, Some(1), None), [3, 1]);
        assert_eq!(newest(&index, None, Some(1), Some(3)), [1]);
        assert_eq!(newest(&index, Some(TaskState::Running), None, None), [2, 1]);
        assert_eq!(newest(&index, Some(TaskState::Pending), Some(1), None), [3]);
        assert_eq!(newest(&index, None, Some(3), None), [0; 0]);
        assert_eq!((index.unfinished_of(TokenId(1)), index.unfinished_of(TokenId(2))), (2, 1));
        let count = |owner: Option<u64>, state| index.count(owner.map(TokenId), state);
        assert_eq!((count(None, TaskState::Running), count(None, TaskState::Paused)), (2, 0));
        assert_eq!((count(Some(1), TaskState::Pending), count(Some(2), TaskState::Running)), (1, 0));
        index.remove(TaskId(3), Some(TokenId(1)), (TaskState::Pending, 0));
        index.insert(TaskId(3), Some(TokenId(1)), (TaskState::Done, 0));
        assert_eq!(index.unfinished_of(TokenId(1)), 1);
        assert_eq!(index.oldest(TaskState::Running).collect::<Vec<_>>(), [1, 2].map(TaskId));
    }

    #[test]
    fn the_most_urgent_come_first_and_the_walk_goes_on_anywhere() {
        let index = index();
        for (order, expected) in [
            (URGENT, [1, 3, 2, 4]),
            (Order { reversed: true, ..URGENT }, [4, 2, 3, 1]),
            (NEWEST, [4, 3, 2, 1]),
            (Order { reversed: true, ..NEWEST }, [1, 2, 3, 4]),
        ] {
            let all: Vec<_> = index.walk(order, None, |_| true, None).collect();
            assert_eq!(all.iter().map(|place| place.id.0).collect::<Vec<_>>(), expected, "{order}");
            for (at, place) in all.iter().enumerate() {
                assert_eq!(ids(index.walk(order, None, |_| true, Some(*place))), expected[at + 1..], "{order} {at}");
            }
        }
    }
}
