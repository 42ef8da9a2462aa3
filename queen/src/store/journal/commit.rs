//! Changes that go through the journal's queue together.

use std::collections::HashSet;

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use web::model::TaskState;
use wire::ids::TaskId;

use super::follower::Receipt;
use crate::store::bulk::FileResults;
use crate::store::change::{Change, MemberOutcome};

/// Changes that are committed together.
pub(super) struct Commit {
    pub(super) changes: Vec<Change>,
    pub(super) receipt: Option<Receipt>,
    /// Who waits to be told whether they became durable, and else why not.
    pub(super) ack: Option<oneshot::Sender<Result<(), String>>>,
    /// Places and bytes in the queue, given back when they are durable.
    pub(super) _held: Option<[OwnedSemaphorePermit; 2]>,
}

impl Commit {
    /// The new tasks in it, which others need not wait behind, and the rest. The epoch is before them.
    pub(super) fn split(mut self) -> (Option<Self>, Option<Self>) {
        let is_new = |change: &Change| matches!(change, Change::Submit(_) | Change::Epoch(_));
        match self.changes.iter().filter(|change| is_new(change)).count() {
            0 => (None, Some(self)),
            count if count == self.changes.len() && self.receipt.is_none() => (Some(self), None),
            _ => {
                let fresh = self.changes.extract_if(.., |change| is_new(change)).collect();
                let rest = Self { changes: self.changes, receipt: self.receipt.take(), ack: None, _held: None };
                (Some(Self { changes: fresh, ..self }), Some(rest))
            }
        }
    }

    /// Takes out what concerns these tasks; returns how many items were done by that. A task
    /// that has left its batch goes its own way.
    pub(super) fn forget(&mut self, tasks: &HashSet<TaskId>) -> u64 {
        if tasks.is_empty() {
            return 0;
        }
        let is_own = |change: &Change| matches!(change, Change::Detach { outcome: MemberOutcome::Own(_), .. });
        let concerns = |change: &Change| change.task().is_some_and(|task| tasks.contains(&task));
        let forgotten = self.changes.extract_if(.., |change| concerns(change) && !is_own(change));
        let items = |change: Change| match change {
            Change::Detach { outcome: MemberOutcome::Failed(_), .. } => 1,
            change => change.result_items(),
        };
        forgotten.map(items).sum()
    }

    /// What it has of these tasks, for a commit that nobody waits for.
    pub(super) fn part(&mut self, tasks: &HashSet<TaskId>) -> Option<Self> {
        let concerns = |change: &mut Change| change.task().is_some_and(|task| tasks.contains(&task));
        let changes: Vec<_> = self.changes.extract_if(.., concerns).collect();
        (!changes.is_empty()).then_some(Self { changes, receipt: None, ack: None, _held: None })
    }

    /// Whether a full disk takes it, from the ballast: it removes tasks, or ends them so that they
    /// can be removed, or begins the epoch in which that can be asked for; or it revokes what may be
    /// in the wrong hands.
    pub(super) fn is_relief(&self) -> bool {
        let is_relief = |change: &Change| match change {
            Change::Remove(_) | Change::Epoch(_) => true,
            Change::End(_, ending) => ending.state == TaskState::Cancelled,
            Change::Access(change) => change.is_revocation(),
            _ => false,
        };
        !self.changes.is_empty() && self.changes.iter().all(is_relief)
    }

    /// Bytes of results.
    pub(super) fn bytes(&self) -> usize {
        self.changes.iter().map(Change::result_bytes).sum()
    }

    /// Those that belong into files.
    pub(super) fn file_results(&self) -> impl Iterator<Item = FileResults> {
        self.changes.iter().filter_map(Change::in_file)
    }

    /// Whether somebody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.ack.as_ref().is_some_and(|ack| !ack.is_closed())
    }

    pub(super) fn answer(&mut self, answer: Result<(), String>) {
        if let Some(ack) = self.ack.take() {
            // Who waited may be gone.
            let _ = ack.send(answer);
        }
    }
}
