//! Tasks in memory: those that have not ended, and those whose end is not on disk yet.
//!
//! [`Tasks::change`] alone changes one, so that what is counted of all of them always agrees.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Arc, Weak};

use web::access::TokenId;
use web::budget::Budget;
use web::hive::{HiveError, Order, Position};
use web::model::{TaskCounts, TaskState};
use wire::ids::{Instance, TaskId};

use super::index::{Index, IndexKey, Walk};
use super::record::Record;
use super::secrets::Secrets;
use super::story;
use super::waiters::Waiters;
use crate::core::Ledger;
use crate::store::Live;
use crate::work::{Tally, Terms, member_id};

/// Tasks in memory, what they are counted with, and who waits for them.
pub(super) struct Tasks {
    records: Ledger<Record>,
    /// Their ids by state and owner.
    index: Index,
    /// Those that are batches.
    batches: BTreeSet<TaskId>,
    /// How many tasks there are in each state, on disk and in memory.
    counts: TaskCounts,
    /// The id of the next one.
    next_id: u64,
    /// Every task of this Queen is named by this and its id.
    base: Instance,
    /// The terms of the newest task, which the next one is likely to share.
    last_terms: Weak<Terms>,
    /// Their long keys and salts.
    pub(super) secrets: Secrets,
    /// What they take on disk when all their results are there, in bytes.
    unfinished_bytes: u64,
    /// Tasks that go from the disk, or leave a batch there, where that is not committed yet.
    leaving: BTreeSet<TaskId>,
    pub(super) waiters: Waiters,
    /// The memory that they may take.
    budget: Arc<Budget>,
}

/// What a task is counted with.
#[derive(PartialEq, Eq)]
struct Weights {
    tally: Tally,
    /// Where it stands in the index.
    key: IndexKey,
    /// Bytes on disk.
    on_disk: u64,
    /// Bytes of memory.
    in_memory: u64,
}

/// Where a task stands in the index.
fn key(record: &Record) -> IndexKey {
    (record.state(), record.terms.priority)
}

impl Weights {
    fn of(record: &Record) -> Self {
        Self { tally: record.tally(), key: key(record), on_disk: record.on_disk(), in_memory: record.weight() }
    }
}

impl Tasks {
    /// No tasks yet; those of this Queen are named by `base`.
    pub(super) fn new(base: Instance, budget: Arc<Budget>) -> Self {
        Self {
            records: Ledger::default(),
            index: Index::default(),
            batches: BTreeSet::new(),
            counts: TaskCounts::default(),
            next_id: 1,
            base,
            last_terms: Weak::new(),
            secrets: Secrets::default(),
            unfinished_bytes: 0,
            leaving: BTreeSet::new(),
            waiters: Waiters::default(),
            budget,
        }
    }

    /// Goes on where the Queen before ended: so many of her tasks are on disk and have ended.
    pub(super) fn take_over(&mut self, next_id: u64, ended: TaskCounts) {
        (self.next_id, self.counts) = (next_id, ended);
    }

    /// An id that no task ever had, with so many behind it.
    pub(super) fn allocate_ids(&mut self, members: u64) -> TaskId {
        let id = TaskId(self.next_id);
        self.next_id += 1 + members;
        id
    }

    /// Whether there was ever a task of this id.
    pub(super) fn ever_was(&self, id: TaskId) -> bool {
        (1..self.next_id).contains(&id.0)
    }

    /// Terms of a new task: those of the newest one, if they are the same.
    pub(super) fn share(&mut self, terms: Terms) -> Arc<Terms> {
        let terms = Terms { base: self.base, ..terms };
        self.share_as_they_are(terms)
    }

    fn share_as_they_are(&mut self, terms: Terms) -> Arc<Terms> {
        if let Some(last) = self.last_terms.upgrade().filter(|last| **last == terms) {
            return last;
        }
        let terms = Arc::new(terms);
        self.last_terms = Arc::downgrade(&terms);
        terms
    }

    /// The terms of a task that exists already: they count against the memory limit, even beyond it.
    pub(super) fn share_counted(&mut self, terms: &Arc<Terms>) -> Arc<Terms> {
        if let Some(last) = self.last_terms.upgrade().filter(|last| *last == *terms) {
            return last;
        }
        let room = self.budget.hold(terms.bytes()).into();
        self.share_as_they_are(Terms { room, ..Terms::clone(terms) })
    }

    /// A task in memory.
    pub(super) fn get(&self, id: TaskId) -> Option<&Record> {
        self.records.get(id)
    }

    /// Those of which there may be results in memory, the oldest first.
    pub(super) fn begun(&self) -> Vec<TaskId> {
        self.records.iter().filter(|(_, record)| record.outputs().is_some()).map(|(id, _)| id).collect()
    }

    /// Takes a task in, whose memory is counted already.
    pub(super) fn insert(&mut self, id: TaskId, record: Record) {
        self.index.insert(id, record.terms.owner_id(), key(&record));
        if record.terms.batch {
            self.batches.insert(id);
        }
        self.recount(Tally::default(), record.tally());
        self.unfinished_bytes += record.on_disk();
        self.secrets.add_task(record.terms.secret);
        self.records.insert(id, record);
    }

    /// Takes a task out of memory; who waits for it is told.
    pub(super) fn forget(&mut self, id: TaskId) -> Option<Record> {
        let record = self.records.remove(id)?;
        self.index.remove(id, record.terms.owner_id(), key(&record));
        self.batches.remove(&id);
        self.unfinished_bytes -= record.on_disk();
        self.secrets.remove_task(record.terms.secret);
        self.recount(record.tally(), Tally::default());
        self.budget.free(record.weight());
        self.waiters.wake(id..TaskId(id.0 + record.terms.members(record.inputs.total()) + 1));
        Some(record)
    }

    /// Nothing more of a task is computed: tells who waits for that.
    pub(super) fn tell_results(&mut self, id: TaskId) {
        if let Some(record) = self.records.get(id) {
            self.waiters.tell_results(id, || record.completion(id));
        }
    }

    /// Changes a task; `None` if it is not in memory.
    pub(super) fn change<T>(&mut self, id: TaskId, change: impl FnOnce(&mut Record) -> T) -> Option<T> {
        let record = self.records.get_mut(id)?;
        let before = Weights::of(record);
        let result = change(record);
        let (after, owner) = (Weights::of(record), record.terms.owner_id());
        if before != after {
            if before.key != after.key {
                self.index.remove(id, owner, before.key);
                self.index.insert(id, owner, after.key);
            }
            self.recount(before.tally, after.tally);
            self.unfinished_bytes = self.unfinished_bytes - before.on_disk + after.on_disk;
            match after.in_memory.checked_sub(before.in_memory) {
                Some(more) => self.budget.charge(more),
                None => self.budget.free(before.in_memory - after.in_memory),
            }
        }
        Some(result)
    }

    /// Counts a task that is on disk otherwise than before.
    pub(super) fn recount(&mut self, before: Tally, after: Tally) {
        before.counts().into_iter().for_each(|(state, count)| self.counts.add(state, -count));
        after.counts().into_iter().for_each(|(state, count)| self.counts.add(state, count));
    }

    /// How many tasks there are in each state, on disk and in memory.
    pub(super) fn counts(&self) -> TaskCounts {
        self.counts
    }

    /// What they and their long keys and salts take on disk when all their results are there, in bytes.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.unfinished_bytes + self.secrets.bytes()
    }

    /// The batch in memory that a task belongs to, and its index there.
    pub(super) fn member(&self, id: TaskId) -> Option<(TaskId, u64)> {
        let batch = *self.batches.range(..id).next_back()?;
        let index = id.0 - batch.0 - 1;
        let record = self.records.get(batch)?;
        let is_there = record.members().is_some_and(|members| members.is_there());
        (is_there && index < record.inputs.total()).then_some((batch, index))
    }

    /// Whether a task in memory is a batch.
    pub(super) fn is_batch(&self, id: TaskId) -> bool {
        self.batches.contains(&id)
    }

    /// Tasks in this state, the oldest first.
    pub(super) fn oldest(&self, state: TaskState) -> impl Iterator<Item = TaskId> {
        self.index.oldest(state)
    }

    /// Tasks of an owner or of all, in states that are wanted, behind a place in the order by id or by priority.
    pub(super) fn walk(
        &self,
        order: Order,
        owner: Option<TokenId>,
        is_wanted: impl Fn(TaskState) -> bool,
        after: Option<Position>,
    ) -> Walk<'_> {
        self.index.walk(order, owner, is_wanted, after)
    }

    /// How many tasks of an owner, or of all, there are in this state; a batch is one.
    pub(super) fn lines(&self, owner: Option<TokenId>, state: TaskState) -> u64 {
        self.index.count(owner, state) as u64
    }

    /// How many tasks of an owner have not ended; a batch is one.
    pub(super) fn unfinished_of(&self, owner: TokenId) -> usize {
        self.index.unfinished_of(owner)
    }

    /// A task, for people.
    pub(super) fn label(&self, id: TaskId) -> String {
        story::label(id, self.get(id).and_then(|record| record.terms.name.as_deref()))
    }

    /// Why there is nothing of a task that is neither here nor on disk.
    pub(super) fn missing(&self, id: TaskId) -> HiveError {
        match self.ever_was(id) {
            true => HiveError::TaskGone(id),
            false => HiveError::NoTask(id),
        }
    }

    /// Notes that a task goes from the disk, or leaves its batch there, once that is committed.
    pub(super) fn leaves_disk(&mut self, id: TaskId) {
        self.leaving.insert(id);
    }

    /// Notes that it has gone from the disk, or left its batch there.
    pub(super) fn has_left_disk(&mut self, id: TaskId) {
        self.leaving.remove(&id);
    }

    /// Whether a task is on disk only because its removal is not committed yet.
    pub(super) fn is_leaving(&self, id: TaskId) -> bool {
        self.leaving.contains(&id)
    }

    /// Counts those as gone from a batch whose leaving is on its way to the disk that it was read from.
    pub(super) fn without_leaving(&self, live: &mut Live) {
        let batch = live.task.id;
        if live.task.terms.batch {
            let tasks: Range<TaskId> = member_id(batch, 0)..member_id(batch, live.task.total);
            self.leaving.range(tasks).for_each(|id| live.detach(id.0 - batch.0 - 1, None));
        }
    }
}
