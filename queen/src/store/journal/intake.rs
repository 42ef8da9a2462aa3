//! What is committed next, and when.
//!
//! Somebody waits for new tasks, and nothing depends on what was before them, so they overtake all
//! else. Bytes of results that belong into files are written in portions, one after the other, while
//! commits go on; what comes behind a portion waits until it is written and committed. A commit costs
//! about the same for many, so that it pays to wait for others.

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wire::ids::TaskId;

use super::commit::Commit;
use super::entry::{Entry, Errand};
use crate::store::bulk::Bulk;
use crate::store::error::StoreError;

/// Entries that are committed together at most.
const BATCH: usize = 1024;

/// Bytes of results that are written together: few, since a commit's own sync waits for its turn
/// behind them.
const PORTION: usize = 1 << 20;

/// How long changes that nobody waits for wait for some that somebody does, so that these need not wait for
/// another commit's sync first; and how many bytes of results are worth a commit of their own.
const LINGER: Duration = Duration::from_millis(2);
const LINGER_BYTES: usize = 1 << 20;

/// After a batch of so many entries, the next is likely to be no smaller.
const MANY: usize = 8;

/// How long such a batch waits for more, and how often as long as some came: the fewer commits, the less CPU time
/// for each change.
const PAUSE: Duration = Duration::from_micros(100);
const PAUSES: usize = 3;

/// Takes what is committed next out of the queue.
pub(super) struct Intake {
    entries: mpsc::Receiver<Entry>,
    /// Out of the queue and in no batch yet: new tasks, and all else in its order.
    fresh: VecDeque<Commit>,
    rest: VecDeque<Entry>,
    /// Tasks of which nothing is to be written, while changes of theirs may still be in the queue.
    forgotten: HashSet<TaskId>,
    /// The portion that is being written: what came behind it waits until it is committed.
    portion: Option<Portion>,
    /// How many entries the batch before had.
    last_batch: usize,
    stopping: CancellationToken,
    /// For its clock, and for threads that write.
    runtime: Handle,
    bulk: Arc<Bulk>,
}

/// Commits of which the results are on their way into files.
struct Portion {
    commits: Vec<Commit>,
    writing: JoinHandle<Result<(), StoreError>>,
}

/// What ends waiting for an entry.
enum Wakeup {
    Entry(Option<Entry>),
    Written(Result<Result<(), StoreError>, JoinError>),
    Timeout,
}

/// What is done next.
#[derive(Default)]
pub(super) struct Batch {
    /// Committed together.
    pub(super) commits: Vec<Commit>,
    /// Why results of them are not in their files.
    pub(super) failure: Option<StoreError>,
    /// What is to be done behind them, which is no commit itself.
    pub(super) then: Option<Errand>,
}

impl Batch {
    /// Bytes of results.
    fn bytes(&self) -> usize {
        self.commits.iter().map(Commit::bytes).sum()
    }

    /// Whether it makes sense to wait for more.
    fn has_time(&self) -> bool {
        (1..BATCH).contains(&self.commits.len()) && self.then.is_none() && self.failure.is_none()
    }
}

impl Intake {
    pub(super) fn new(
        entries: mpsc::Receiver<Entry>,
        stopping: CancellationToken,
        runtime: Handle,
        bulk: Arc<Bulk>,
    ) -> Self {
        let (fresh, rest, forgotten, portion) = Default::default();
        Self { entries, fresh, rest, forgotten, portion, last_batch: 0, stopping, runtime, bulk }
    }

    /// The Queen stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.rest.is_empty() && self.entries.is_empty() && self.portion.is_none()
    }

    /// What came out of the queue of these tasks is in vain; returns how many items were done by that.
    pub(super) fn forget(&mut self, tasks: &HashSet<TaskId>) -> u64 {
        let rest = self.rest.iter_mut().filter_map(|entry| match entry {
            Entry::Commit(commit) => Some(commit),
            _ => None,
        });
        let written = self.portion.iter_mut().flat_map(|portion| &mut portion.commits);
        written.chain(rest).map(|commit| commit.forget(tasks)).sum()
    }

    /// What is still in the queue of these tasks is in vain, too.
    pub(super) fn forget_queued(&mut self, tasks: HashSet<TaskId>) {
        self.forgotten.extend(tasks);
    }

    /// Adds to a batch what there is, within its bounds; waits if that is nothing, and for what is
    /// about to come.
    pub(super) fn gather(&mut self, batch: &mut Batch) {
        if batch.commits.is_empty() && !self.has_next() {
            // A wake-up ends the waiting as well.
            self.wait(None, batch);
        }
        self.fill(batch);
        if !self.is_stopping() {
            self.linger(batch);
            self.gather_siblings(batch);
        }
        self.last_batch = batch.commits.len();
    }

    /// Adds all there is to a batch that failed, up to what is no commit: so new tasks are refused
    /// at once. Nothing is on its way into files then.
    pub(super) fn gather_all(&mut self, batch: &mut Batch) {
        self.drain();
        if let Some(portion) = self.portion.take() {
            // The result of writing the portion does not matter: all of it is written anew.
            let _ = self.runtime.block_on(portion.writing);
            batch.commits.extend(portion.commits);
        }
        batch.commits.extend(self.fresh.drain(..));
        self.follow(batch, |_| true);
    }

    /// Writes the results of these that belong into files.
    ///
    /// # Errors
    /// If not all of them are on disk.
    pub(super) fn write(&self, commits: &[Commit]) -> Result<(), StoreError> {
        self.bulk.write_results(&commits.iter().flat_map(Commit::file_results).collect::<Vec<_>>())
    }

    /// Whether waiting is over: there is something to add to a batch, or there will never be.
    fn has_next(&self) -> bool {
        let has_rest = !self.rest.is_empty() || self.is_stopping();
        !self.fresh.is_empty() || !self.entries.is_empty() || has_rest && self.portion.is_none()
    }

    /// Waits for an entry, for the portion, or until this moment. Returns false if the moment came first.
    fn wait(&mut self, until: Option<Instant>, batch: &mut Batch) -> bool {
        let Self { entries, portion, runtime, .. } = self;
        let event = runtime.block_on(async {
            tokio::select! {
                biased;
                entry = entries.recv() => Wakeup::Entry(entry),
                Some(written) = async { Some((&mut portion.as_mut()?.writing).await) } => Wakeup::Written(written),
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => Wakeup::Timeout,
            }
        });
        match event {
            Wakeup::Entry(entry) => entry.into_iter().for_each(|entry| self.sort(entry)),
            Wakeup::Written(written) => self.take_written(written, batch),
            Wakeup::Timeout => return false,
        }
        true
    }

    /// Adds the portion to a batch, with what has come of writing it.
    fn take_written(&mut self, written: Result<Result<(), StoreError>, JoinError>, batch: &mut Batch) {
        let broken = |error: JoinError| Err(StoreError::io(self.bulk.folder())(error.into()));
        batch.failure = written.unwrap_or_else(broken).err();
        batch.commits.extend(self.portion.take().into_iter().flat_map(|portion| portion.commits));
    }

    /// Waits a moment for an entry that somebody waits for, so that one sync serves it and what there is.
    fn linger(&mut self, batch: &mut Batch) {
        let until = Instant::now() + LINGER;
        while batch.has_time() && batch.bytes() < LINGER_BYTES && !batch.commits.iter().any(Commit::is_awaited) {
            if !self.wait(Some(until), batch) {
                break;
            }
            self.fill(batch);
        }
    }

    /// Waits for further entries where the batch before had many: they are about to come.
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
        // Nothing of them is on its way any more.
        self.forgotten.clear();
    }

    fn sort(&mut self, entry: Entry) {
        match entry {
            Entry::Commit(mut commit) => {
                commit.forget(&self.forgotten);
                let (fresh, rest) = commit.split();
                self.fresh.extend(fresh);
                self.rest.extend(rest.map(Entry::Commit));
            }
            Entry::Errand(errand) => self.rest.push_back(Entry::Errand(errand)),
            Entry::Wake => {}
        }
    }

    fn fill(&mut self, batch: &mut Batch) {
        // All new tasks that there are come first, whatever the rest says of them.
        self.drain();
        if let Some(portion) = self.portion.as_mut().filter(|portion| portion.writing.is_finished()) {
            let written = self.runtime.block_on(&mut portion.writing);
            self.take_written(written, batch);
        }
        let room = BATCH.saturating_sub(batch.commits.len()).min(self.fresh.len());
        batch.commits.extend(self.fresh.drain(..room));
        if self.fresh.is_empty() && self.portion.is_none() && batch.failure.is_none() {
            let mut room = BATCH.saturating_sub(batch.commits.len());
            self.follow(batch, |commit| {
                let fits = room > 0 && commit.file_results().next().is_none();
                room -= usize::from(fits);
                fits
            });
            if room > 0 && batch.then.is_none() {
                self.begin_portion();
            }
        }
    }

    /// Begins to write the next results that belong into files, with what is between them.
    fn begin_portion(&mut self) {
        let (mut commits, mut count, mut bytes) = (Vec::new(), 0, 0);
        let mut fits = |commit: &Commit| {
            count += 1;
            bytes += commit.bytes();
            // A commit that alone is larger than a portion may be is one by itself.
            count == 1 || count <= BATCH && bytes <= PORTION
        };
        while let Some(Entry::Commit(commit)) =
            self.rest.pop_front_if(|entry| matches!(entry, Entry::Commit(commit) if fits(commit)))
        {
            commits.push(commit);
        }
        if !commits.is_empty() {
            let results: Vec<_> = commits.iter().flat_map(Commit::file_results).collect();
            let bulk = Arc::clone(&self.bulk);
            let writing = self.runtime.spawn_blocking(move || bulk.write_results(&results));
            self.portion = Some(Portion { commits, writing });
        }
    }

    /// Adds of the rest what fits, up to what is no commit.
    fn follow(&mut self, batch: &mut Batch, mut fits: impl FnMut(&Commit) -> bool) {
        while batch.then.is_none() {
            let next = self.rest.pop_front_if(|entry| match entry {
                Entry::Commit(commit) => fits(commit),
                Entry::Errand(_) | Entry::Wake => true,
            });
            match next {
                Some(Entry::Commit(commit)) => batch.commits.push(commit),
                Some(Entry::Errand(errand)) => batch.then = Some(errand),
                Some(Entry::Wake) => {}
                None => return,
            }
        }
    }
}
