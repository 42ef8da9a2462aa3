//! A transaction in the making: what each change does to the rows.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use rusqlite::{CachedStatement, OptionalExtension, Params, Transaction, params};
use web::access::{LogEntry, TokenId};
use web::model::TaskState;
use wire::ids::{DroneId, Epoch, Instance, TaskId};

use super::brief::ended_at_once;
use super::leases::Leases;
use super::search;
use crate::clock::Moment;
use crate::store::access;
use crate::store::change::{Change, KEY_LIFE, MemberOutcome, Removed, Submission};
use crate::store::rows::{Asked, Extents, KNOWN_DRONES, in_row, log_kind_number, state_number, state_of, trust_number};
use crate::work::ending::{Ending, SearchCounts, Tally};
use crate::work::inputs::Inputs;
use crate::work::job::member_id;
use crate::work::results::{Piece, Results, Trust};
use crate::work::terms::{SecretHash, Terms};

/// What is to become of rows, and is not committed yet.
pub(super) struct Step<'a> {
    transaction: &'a Transaction<'a>,
    /// Those that were run, by their text.
    statements: Vec<(&'static str, CachedStatement<'a>)>,
    /// How the tasks end that begin in this transaction, for which one row is written then.
    ended: HashMap<TaskId, &'a Ending>,
    /// The last new task's, as it is written; the next one is likely to share them.
    specification: Option<(&'a Arc<Terms>, Rc<str>)>,
    /// By how much the number of tasks changes, by [`state_number`].
    counts: [i64; 4],
    bulk: i64,
    /// The smallest id that no task has, if there are new ones.
    next_task: u64,
    leases: Leases<'a>,
    removed: Vec<Removed>,
}

/// A task that is in a batch, or failed there.
struct Member {
    /// How it has ended, if it has.
    state: Option<TaskState>,
    /// It counts as done in the batch.
    has_result: bool,
    /// The token that the batch was submitted with.
    owner: Option<TokenId>,
}

impl<'a> Step<'a> {
    /// What these do, with nothing done yet.
    pub(super) fn new(transaction: &'a Transaction<'a>, changes: &[&'a Change]) -> Self {
        Self {
            transaction,
            statements: Vec::new(),
            ended: ended_at_once(changes),
            specification: None,
            counts: [0; 4],
            bulk: 0,
            next_task: 0,
            leases: Leases::default(),
            removed: Vec::new(),
        }
    }

    pub(super) fn apply(&mut self, change: &'a Change) -> rusqlite::Result<()> {
        match change {
            Change::Epoch(epoch) => self.begin(*epoch),
            Change::Submit(submission) => self.submit(submission),
            Change::Results { .. } => self.results(change),
            Change::Searched { task, searched, findings } => search::add(self.transaction, *task, searched, findings),
            Change::Confirmed { task, range, drone } => search::confirm(self.transaction, *task, range, *drone),
            Change::Start { task, .. } if self.ended.contains_key(task) => Ok(()),
            Change::Start { task, at } => {
                self.run("UPDATE tasks SET started_at = ? WHERE id = ? AND state = 0", params![at.0, task.0])
            }
            Change::Detach { batch, index, outcome } => self.detach(*batch, *index, outcome),
            Change::End(task, ending) => self.end(*task, ending),
            Change::Remove(task) => self.remove(*task),
            Change::Reopen(task) => self.reopen(*task),
            Change::Amend { task, priority, name, deadline } => {
                let update = "UPDATE tasks SET priority = ?, name = ?, deadline = ? WHERE id = ?";
                self.run(update, params![priority, name, deadline, task.0])
            }
            Change::Pause { task, paused } => {
                self.run("UPDATE tasks SET paused = ? WHERE id = ? AND state = 0", params![paused, task.0])
            }
            Change::Drone { id, instance, name } => self.drone(*id, *instance, name),
            Change::Quarantine { drone, reason } => {
                self.run("UPDATE drones SET quarantine = ? WHERE id = ?", params![reason, drone.0])
            }
            Change::Visit { drone, visit } => {
                let visit = in_row(&**visit)?;
                self.run("UPDATE drones SET visit = ? WHERE id = ?", params![visit, drone.0])
            }
            Change::Suspect { drone } => self.suspect(*drone),
            Change::Cleared { task, corrected } => {
                let update = "UPDATE tasks SET suspect = 0, corrected = corrected + ? WHERE id = ?";
                self.run(update, params![corrected, task.0])?;
                search::recount(self.transaction, *task)?;
                // Another Drone may have been found out meanwhile.
                self.mark(*task)
            }
            Change::Lease { lease, task, drone, range } => {
                self.leases.begin(*lease, (*task, *drone, range));
                Ok(())
            }
            Change::Unlease(lease) => {
                self.leases.end(*lease);
                Ok(())
            }
            Change::Log(entry) => self.log(entry),
            Change::Access(change) => access::apply(self.transaction, change),
        }
    }

    fn run(&mut self, statement: &'static str, values: impl Params) -> rusqlite::Result<()> {
        self.changed(statement, values).map(drop)
    }

    /// Runs a statement; returns how many rows it changed.
    fn changed(&mut self, statement: &'static str, values: impl Params) -> rusqlite::Result<usize> {
        // Most are the same few, and looking one up by what it says takes longer than some take to run.
        let known = self.statements.iter_mut().find(|(text, _)| std::ptr::eq(*text, statement));
        let prepared = match known {
            Some((_, prepared)) => prepared,
            None => &mut self.statements.push_mut((statement, self.transaction.prepare_cached(statement)?)).1,
        };
        prepared.execute(values)
    }

    fn begin(&mut self, epoch: Epoch) -> rusqlite::Result<()> {
        self.leases = Leases::default();
        self.run("DELETE FROM leases", [])?;
        self.run("UPDATE hive SET epoch = ?", [epoch.0])
    }

    fn submit(&mut self, submission: &'a Submission) -> rusqlite::Result<()> {
        let Submission { id, terms, inputs, created, identity, secret } = submission;
        let (small, large) = match inputs {
            Inputs::Small(layout) => (Some(&**layout), None),
            // Implied ones follow from the specification.
            Inputs::Large(large) => (None, Some(large).filter(|large| large.file.is_some())),
        };
        let file = large.and_then(|large| large.file);
        let bytes = large.map_or(0, |large| large.file_bytes(terms.kind().width()));
        let ending = self.ended.get(id).copied();
        let insert = "INSERT INTO tasks (id, state, priority, total, done, created_at, started_at, finished_at, file, \
                      bytes, instance, name, error, specification, inputs, deadline, batch, created_on, finished_on, \
                      secret, secret_hash, owner, owner_name, address, found, marks) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        let specification = self.specification(terms)?;
        let values = params![
            id.0,
            ending.map_or(0, |ending| state_number(ending.state)),
            terms.priority,
            inputs.total(),
            ending.map_or(0, |ending| ending.done),
            created.at.0,
            ending.and_then(|ending| ending.started_at).map(|time| time.0),
            ending.map(|ending| ending.finished.at.0),
            file,
            bytes,
            terms.instance(*id).0,
            terms.name,
            ending.and_then(|ending| ending.error.as_deref()),
            specification,
            small,
            terms.deadline,
            terms.batch,
            created.on.0,
            ending.map(|ending| ending.finished.on.0),
            Some(terms.specification.secret()).filter(|secret| !secret.is_empty()),
            terms.secret.map(|secret| secret.hash),
            terms.owner_id().map(|owner| owner.0),
            terms.owner.as_ref().map(|owner| &*owner.name),
            terms.address.map(|address| address.to_string()),
            ending.map_or(0, |ending| ending.found.findings),
            ending.map_or(0, |ending| ending.found.marks),
        ];
        self.run(insert, values)?;
        if let Some(secret) = secret {
            self.run("INSERT OR IGNORE INTO secrets (hash, bytes) VALUES (?, ?)", params![secret.hash, secret.bytes])?;
        }
        if let Some(large) = large {
            let insert = "INSERT INTO segments (task, extents) VALUES (?, ?)";
            self.run(insert, params![id.0, Extents(&large.segments)])?;
        }
        if let Some(identity) = identity {
            let expires_at = created.on.0 + KEY_LIFE.as_millis() as i64;
            let insert = "INSERT OR REPLACE INTO keys (key, fingerprint, task, expires_at) VALUES (?, ?, ?, ?)";
            self.run(insert, params![identity.key, identity.fingerprint, id.0, expires_at])?;
        }
        self.next_task = self.next_task.max(id.0 + terms.members(inputs.total()) + 1);
        self.counts[0] += 1;
        self.bulk += bytes as i64;
        Ok(())
    }

    /// What a task's specification is in its row.
    fn specification(&mut self, terms: &'a Arc<Terms>) -> rusqlite::Result<Rc<str>> {
        match &self.specification {
            Some((last, written)) if Arc::ptr_eq(last, terms) => Ok(Rc::clone(written)),
            _ => {
                let written = in_row(&Asked::of(terms))?;
                Ok(Rc::clone(&self.specification.insert((terms, written.into())).1))
            }
        }
    }

    fn results(&mut self, change: &Change) -> rusqlite::Result<()> {
        let Change::Results { task, results, large, replaces } = change else { return Ok(()) };
        let Results { piece: Piece { range, bytes }, drone, trust } = results;
        if *replaces {
            self.cut(*task, range)?;
        }
        let in_row = large.is_none().then_some(&bytes[..]);
        self.insert(*task, range, crc32fast::hash(bytes), drone.map(|drone| drone.0), *trust, in_row)
    }

    fn insert(
        &mut self,
        task: TaskId,
        range: &Range<u64>,
        crc: u32,
        drone: Option<u64>,
        trust: Trust,
        bytes: Option<&[u8]>,
    ) -> rusqlite::Result<()> {
        let insert = "INSERT INTO results (task, first, past, crc, bytes, drone, checked) VALUES (?, ?, ?, ?, ?, ?, ?)";
        self.run(insert, params![task.0, range.start, range.end, crc, bytes, drone, trust_number(trust)])
    }

    /// Removes suspect results in `range`; what rows have beyond it stays.
    fn cut(&mut self, task: TaskId, range: &Range<u64>) -> rusqlite::Result<()> {
        // The search begins at the last row that may reach into the range, and not at the task's first.
        let select = "SELECT first, past, drone, bytes FROM results WHERE task = ?1 AND first < ?3 AND past > ?2 \
                      AND checked = 2 AND first >= \
                      coalesce((SELECT max(first) FROM results WHERE task = ?1 AND first <= ?2), ?2)";
        let mut select = self.transaction.prepare_cached(select)?;
        let rows = select.query_map(params![task.0, range.start, range.end], |row| {
            Ok((row.get(0)?..row.get(1)?, row.get::<_, Option<u64>>(2)?, row.get::<_, Option<Vec<u8>>>(3)?))
        })?;
        for (row, drone, bytes) in rows.collect::<rusqlite::Result<Vec<(Range<u64>, _, _)>>>()? {
            self.run("DELETE FROM results WHERE task = ? AND first = ?", [task.0, row.start])?;
            let rests = [row.start..range.start, range.end..row.end];
            let piece = bytes.map(|bytes| Piece { range: row, bytes: bytes.into() });
            for rest in rests.into_iter().filter(|rest| !rest.is_empty()) {
                let part = piece.as_ref().map(|piece| piece.within(&rest).bytes);
                self.insert(task, &rest, 0, drone, Trust::Suspect, part.as_deref())?;
            }
        }
        Ok(())
    }

    fn end(&mut self, task: TaskId, ending: &Ending) -> rusqlite::Result<()> {
        let Ending { state, started_at, finished, done, found, error } = ending;
        let update = "UPDATE tasks SET state = ?, started_at = ?, finished_at = ?, finished_on = ?, done = ?, error = ?, \
                      paused = 0, found = ?, marks = ? WHERE id = ? AND state = 0";
        if self.ended.remove(&task).is_none() {
            let started_at = started_at.map(|time| time.0);
            let (state, at, on) = (state_number(*state), finished.at.0, finished.on.0);
            let values = params![state, started_at, at, on, done, error, found.findings, found.marks, task.0];
            if self.changed(update, values)? == 0 {
                // It was cancelled while its end was on its way to the disk, and that came first.
                return Ok(());
            }
        }
        if *found != SearchCounts::default() {
            // What was searched twice counts once.
            search::recount(self.transaction, task)?;
        }
        // The result of a single item comes together with its end.
        if *state == TaskState::Done && *done > 1 {
            self.mark(task)?;
        }
        self.counts[0] -= 1;
        self.counts[state_number(*state) as usize] += 1;
        Ok(())
    }

    /// A task leaves its batch, if that is there. In one that has ended already it counts as done.
    fn detach(&mut self, batch: TaskId, index: u64, outcome: &'a MemberOutcome) -> rusqlite::Result<()> {
        let before = self.member(batch, index)?;
        let error = if let MemberOutcome::Failed(error) = outcome { Some(error) } else { None };
        if let Some(Member { state, has_result, owner }) = before {
            let insert = "INSERT OR REPLACE INTO detached (batch, item, error) VALUES (?, ?, ?)";
            self.run(insert, params![batch.0, index, error])?;
            if !has_result {
                self.run("UPDATE tasks SET done = done + 1 WHERE id = ? AND state <> 0", [batch.0])?;
            }
            if let (MemberOutcome::Forgotten { on_disk: true }, Some(state)) = (outcome, state) {
                let task = member_id(batch, index);
                self.removed.push(Removed { task, tally: Tally::one(state), file: None, owner });
            }
        }
        match outcome {
            MemberOutcome::Own(submission) => self.submit(submission),
            // It has gone its own way since it was looked for, and ended there.
            MemberOutcome::Forgotten { on_disk: true } if before.is_none() => self.remove(member_id(batch, index)),
            MemberOutcome::Failed(_) | MemberOutcome::Forgotten { .. } => Ok(()),
        }
    }

    /// A task that is in a batch, or failed there.
    fn member(&self, batch: TaskId, index: u64) -> rusqlite::Result<Option<Member>> {
        let select = "SELECT state, EXISTS (SELECT 1 FROM results WHERE task = ?1 AND first <= ?2 AND past > ?2), \
                      (SELECT error IS NOT NULL FROM detached WHERE batch = ?1 AND item = ?2), owner \
                      FROM tasks WHERE id = ?1 AND batch = 1";
        let mut select = self.transaction.prepare_cached(select)?;
        let found = select
            .query_row(params![batch.0, index], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, owner(row.get(3)?))));
        let Some((state, is_computed, has_failed, owner)) = found.optional()? else { return Ok(None) };
        let (state, has_result) = match (is_computed, has_failed) {
            // It has gone its own way, or is forgotten.
            (_, Some(false)) => return Ok(None),
            (_, Some(true)) => (Some(TaskState::Failed), true),
            (true, None) => (Some(TaskState::Done), true),
            (false, None) => (state_of(state), false),
        };
        Ok(Some(Member { state, has_result, owner }))
    }

    /// Marks a task that is done as suspect if any of its results is.
    fn mark(&mut self, task: TaskId) -> rusqlite::Result<()> {
        let update = "UPDATE tasks SET suspect = 1 WHERE id = ?1 AND state = 1 AND (EXISTS \
                      (SELECT 1 FROM results INDEXED BY results_suspect WHERE task = ?1 AND checked = 2) OR EXISTS \
                      (SELECT 1 FROM searched INDEXED BY searched_suspect WHERE task = ?1 AND verdict = 2))";
        self.run(update, [task.0])
    }

    fn remove(&mut self, task: TaskId) -> rusqlite::Result<()> {
        let delete = "DELETE FROM tasks WHERE id = ? RETURNING state, file, bytes, batch, total, done, \
                      secret_hash, owner";
        let removed = self.transaction.prepare_cached(delete)?.query_row([task.0], |row| {
            let (state, file, bytes) = (row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, i64>(2)?);
            let secret = row.get::<_, Option<SecretHash>>(6)?;
            Ok((state, file, bytes, row.get(3)?, row.get(4)?, row.get(5)?, secret, owner(row.get(7)?)))
        });
        let Some((state, file, bytes, batch, total, done, secret, owner)) = removed.optional()? else { return Ok(()) };
        let tally = match state_of(state) {
            Some(state) if batch => self.forget_detached(task, state, total, done)?,
            state => state.map(Tally::one).unwrap_or_default(),
        };
        self.run("DELETE FROM segments WHERE task = ?", [task.0])?;
        self.run("DELETE FROM results WHERE task = ?", [task.0])?;
        search::forget(self.transaction, task)?;
        if let Some(hash) = secret {
            let delete = "DELETE FROM secrets WHERE hash = ?1 \
                          AND NOT EXISTS (SELECT 1 FROM tasks INDEXED BY tasks_by_secret WHERE secret_hash = ?1)";
            self.run(delete, [hash])?;
        }
        if let Some(count) = self.counts.get_mut(state as usize) {
            *count -= 1;
        }
        self.bulk -= bytes;
        self.removed.push(Removed { task, tally, file, owner });
        Ok(())
    }

    /// Forgets who has left a batch that has ended; says what there was of it.
    fn forget_detached(&mut self, batch: TaskId, state: TaskState, total: u64, done: u64) -> rusqlite::Result<Tally> {
        let count = "SELECT count(*), count(error) FROM detached WHERE batch = ?";
        let (detached, failed): (u64, u64) =
            self.transaction.prepare_cached(count)?.query_row([batch.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        self.run("DELETE FROM detached WHERE batch = ?", [batch.0])?;
        Ok(Tally { state, open: total - done, done: done - detached, failed })
    }

    fn reopen(&mut self, task: TaskId) -> rusqlite::Result<()> {
        let update = "UPDATE tasks SET state = 0, started_at = NULL, finished_at = NULL, finished_on = NULL, \
                      done = 0, error = NULL, suspect = 0 WHERE id = ? AND state = ?";
        for state in [TaskState::Failed, TaskState::Cancelled].map(state_number) {
            let reopened = self.transaction.prepare_cached(update)?.execute(params![task.0, state])? as i64;
            self.counts[state as usize] -= reopened;
            self.counts[0] += reopened;
        }
        Ok(())
    }

    fn log(&mut self, entry: &LogEntry) -> rusqlite::Result<()> {
        let LogEntry { at, kind, who, address, action, target, outcome, changes, count, request_id } = entry;
        let insert = "INSERT INTO log (at, kind, who, address, action, target, outcome, count, request, changes) \
                      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.run(
            insert,
            params![at.0, log_kind_number(*kind), who, address, action, target, outcome, count, request_id, changes],
        )
    }

    /// A Drone keeps its id and its process.
    fn drone(&mut self, id: DroneId, instance: Instance, name: &str) -> rusqlite::Result<()> {
        let insert = "INSERT INTO drones (id, instance, name) VALUES (?, ?, ?) \
                      ON CONFLICT (id) DO UPDATE SET name = excluded.name \
                      ON CONFLICT (instance) DO UPDATE SET name = excluded.name";
        self.run(insert, params![id.0, instance.0, name])?;
        self.run("UPDATE hive SET next_drone = max(next_drone, ?)", [id.0 + 1])?;
        match id.0.checked_sub(KNOWN_DRONES as u64) {
            Some(oldest) => self.run("DELETE FROM drones WHERE id <= ?", [oldest]),
            None => Ok(()),
        }
    }

    /// Looks at all results that there are, which is rare enough.
    fn suspect(&mut self, drone: DroneId) -> rusqlite::Result<()> {
        for update in [
            "UPDATE results SET checked = 2 WHERE drone = ? AND checked = 0 RETURNING task",
            "UPDATE searched SET verdict = 2 WHERE drone = ? AND verdict = 0 RETURNING task",
        ] {
            let mut update = self.transaction.prepare_cached(update)?;
            let mut tasks = update.query([drone.0])?;
            let mut last = None;
            while let Some(row) = tasks.next()? {
                let task: u64 = row.get(0)?;
                if last.replace(task) != Some(task) {
                    self.run("UPDATE tasks SET suspect = 1 WHERE id = ? AND state = 1", [task])?;
                }
            }
        }
        Ok(())
    }

    /// Writes what has gathered, and what the clocks show; returns what was removed.
    pub(super) fn finish(mut self, now: Moment) -> rusqlite::Result<Vec<Removed>> {
        for (state, change) in self.counts.into_iter().enumerate().filter(|(_, change)| *change != 0) {
            self.run("UPDATE counts SET tasks = tasks + ? WHERE state = ?", params![change, state])?;
        }
        let update = "UPDATE hive SET next_task = max(next_task, ?), bulk_bytes = bulk_bytes + ?, clock = ?, wall = ?";
        let (next_task, bulk) = (self.next_task, self.bulk);
        self.run(update, params![next_task, bulk, now.on.0, now.at.0])?;
        self.leases.write(self.transaction)?;
        Ok(self.removed)
    }
}

/// A token, as a row has it.
fn owner(owner: Option<u64>) -> Option<TokenId> {
    owner.map(TokenId)
}
