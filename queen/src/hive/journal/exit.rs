//! What is committed next, and when.
//!
//! Somebody waits for new tasks, and nothing depends on what was before them, so they overtake all
//! else. A commit costs about the same for many, so that it pays to wait for others; but bytes of
//! results are written in small portions, since new tasks wait for the portion under way.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use wire::ids::TaskId;

use super::{Commit, Entry};

/// Entries, and bytes of results, that are committed together at most; and so few bytes that new
/// tasks do not mind them.
const BATCH: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;
const LIGHT_BYTES: usize = 128 << 10;

/// What nobody waits for waits itself so long for what somebody does, unless it is so many bytes
/// that they are worth a commit of their own.
const LINGER: Duration = Duration::from_millis(2);
const LINGER_BYTES: usize = 1 << 20;

/// After a batch of so many entries the next is likely to be no smaller: as long as more come
/// every so often it gathers, but not for longer than this.
const MANY: usize = 8;
const PAUSE: Duration = Duration::from_micros(100);
const PAUSES: usize = 3;

/// The queue's exit.
pub(in crate::hive) struct Exit {
    entries: mpsc::Receiver<Entry>,
    /// Out of the queue and in no batch yet: new tasks, and all else in its order.
    fresh: VecDeque<Commit>,
    rest: VecDeque<Entry>,
    /// Tasks that were refused while changes of theirs may still be in the queue.
    refused: HashSet<TaskId>,
    /// The batch before left bytes out, for new tasks.
    was_light: bool,
    /// Entries of the batch before.
    last_batch: usize,
    stopping: CancellationToken,
    /// For its clock.
    runtime: Handle,
}

/// What is done next.
#[derive(Default)]
pub(super) struct Batch {
    /// Committed together.
    pub(super) commits: Vec<Commit>,
    /// Then this is done, which is no commit.
    pub(super) then: Option<Entry>,
}

impl Batch {
    /// Bytes of results.
    fn bytes(&self) -> usize {
        self.commits.iter().map(Commit::bytes).sum()
    }

    /// Whether it makes sense to wait for more.
    fn has_time(&self) -> bool {
        (1..BATCH).contains(&self.commits.len()) && self.then.is_none()
    }
}

impl Exit {
    pub(super) fn new(entries: mpsc::Receiver<Entry>, stopping: CancellationToken, runtime: Handle) -> Self {
        let (fresh, rest, refused) = Default::default();
        Self { entries, fresh, rest, refused, was_light: false, last_batch: 0, stopping, runtime }
    }

    /// The Queen stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.rest.is_empty() && self.entries.is_empty()
    }

    /// What is still to come of these tasks is in vain.
    pub(super) fn refuse(&mut self, tasks: HashSet<TaskId>) {
        let rest = self.rest.iter_mut().filter_map(|entry| match entry {
            Entry::Commit(commit) => Some(commit),
            _ => None,
        });
        rest.for_each(|commit| commit.forget(&tasks));
        self.refused.extend(tasks);
    }

    /// Adds to a batch what there is, within its bounds; waits if that is nothing, and for what is
    /// about to come.
    pub(super) fn gather(&mut self, batch: &mut Batch) {
        if batch.commits.is_empty() && self.is_empty() && !self.is_stopping() {
            // A wake-up ends the waiting as well.
            let first = self.entries.blocking_recv();
            first.into_iter().for_each(|entry| self.sort(entry));
        }
        self.fill(batch);
        if !self.is_stopping() {
            self.linger(batch);
            self.gather_siblings(batch);
        }
        self.last_batch = batch.commits.len();
    }

    /// Adds all there is to a batch that failed, up to what is no commit: so new tasks are refused
    /// at once.
    pub(super) fn gather_all(&mut self, batch: &mut Batch) {
        self.drain();
        batch.commits.extend(self.fresh.drain(..));
        self.follow(batch, |_| true);
    }

    /// Waits a little for somebody who waits.
    fn linger(&mut self, batch: &mut Batch) {
        let until = Instant::now() + LINGER;
        while batch.has_time() && batch.bytes() < LINGER_BYTES && !batch.commits.iter().any(Commit::is_awaited) {
            match self.runtime.block_on(async { timeout_at(until, self.entries.recv()).await }) {
                Ok(Some(entry)) => {
                    self.sort(entry);
                    self.fill(batch);
                }
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// Waits for those who are about to come, where many do.
    fn gather_siblings(&mut self, batch: &mut Batch) {
        for _ in 0..if self.last_batch >= MANY { PAUSES } else { 0 } {
            let before = batch.commits.len();
            if !batch.has_time() {
                break;
            }
            std::thread::sleep(PAUSE);
            self.fill(batch);
            if batch.commits.len() == before {
                break;
            }
        }
    }

    /// Takes everything out of the queue, in which there is no more than there are places for.
    fn drain(&mut self) {
        while let Ok(entry) = self.entries.try_recv() {
            self.sort(entry);
        }
        // Whatever was refused has no more changes on their way.
        self.refused.clear();
    }

    fn sort(&mut self, entry: Entry) {
        match entry {
            Entry::Commit(mut commit) => {
                commit.forget(&self.refused);
                let (fresh, rest) = commit.split();
                self.fresh.extend(fresh);
                self.rest.extend(rest.map(Entry::Commit));
            }
            Entry::Wake => {}
            other => self.rest.push_back(other),
        }
    }

    fn fill(&mut self, batch: &mut Batch) {
        // All new tasks that there are come first, whatever the rest says of them.
        self.drain();
        let room = BATCH.saturating_sub(batch.commits.len()).min(self.fresh.len());
        batch.commits.extend(self.fresh.drain(..room));
        if !self.fresh.is_empty() {
            return;
        }
        let hurries = batch.commits.iter().any(Commit::is_awaited) && !self.was_light;
        let most = if hurries { LIGHT_BYTES } else { BATCH_BYTES };
        let (mut count, mut bytes) = (batch.commits.len(), batch.bytes());
        self.follow(batch, |commit| {
            count += 1;
            bytes += commit.bytes();
            // One that is larger alone is not held up for ever.
            count <= BATCH && (bytes <= most || !hurries && count == 1)
        });
        self.was_light = hurries && matches!(self.rest.front(), Some(Entry::Commit(_)));
    }

    /// Adds of the rest what fits, up to what is no commit.
    fn follow(&mut self, batch: &mut Batch, mut fits: impl FnMut(&Commit) -> bool) {
        while batch.then.is_none() {
            let next = self.rest.pop_front_if(|entry| match entry {
                Entry::Commit(commit) => fits(commit),
                _ => true,
            });
            match next {
                Some(Entry::Commit(commit)) => batch.commits.push(commit),
                other => {
                    batch.then = other;
                    return;
                }
            }
        }
    }
}
