//! The way of changes to the disk: a bounded queue, and one thread that commits what is in it.
//!
//! Room in the queue is taken before the state's lock, so that changes enter it under the
//! lock, in the order in which they happened, without ever waiting there. While one commit is
//! under way the next batch gathers; that is all there is to group commit.
//!
//! When a commit fails, new tasks in it are refused: nobody was told that they exist. All else
//! is kept and tried again until the disk takes it; meanwhile nothing new is let in, and the
//! queue's bound holds up the Drones' results.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use web::model::Timestamp;
use wire::ids::TaskId;

use super::{Receipt, SharedHive};
use crate::store::{Change, StoreError, Writer};

/// Entries that may wait, and those besides that make room on a full disk.
const ENTRIES: usize = 4096;
const REMOVALS: usize = 64;

/// Entries, and bytes of results, that are committed together at most.
const BATCH: usize = 1024;
const BATCH_BYTES: usize = 32 << 20;

/// A commit costs about the same for many. What nobody waits for waits itself so long for what
/// somebody does, unless it is so many bytes of results that they are worth a commit of their own.
const LINGER: Duration = Duration::from_millis(2);
const LINGER_BYTES: usize = 1 << 20;

/// After a batch of so many entries the next is likely to be no smaller: as long as more come
/// every so often it gathers, but not for longer than this.
const MANY: usize = 8;
const PAUSE: Duration = Duration::from_micros(100);
const PAUSES: usize = 8;

/// How long to wait before the next attempt when the disk does not take writes; twice as long
/// each time, up to a second.
const RETRY: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// How often an attempt is repeated before a Queen who stops gives up.
const LAST_ATTEMPTS: u32 = 8;

/// The queue's entrance.
pub(super) struct Journal {
    queue: mpsc::Sender<Entry>,
    /// Commits that may wait, those included that are out of the queue and not yet durable.
    places: Arc<Semaphore>,
    /// The same, of removals, for which there has to be a place when nothing else is taken.
    removals: Arc<Semaphore>,
    /// Bytes of results that may wait.
    room: Arc<Semaphore>,
    capacity: u32,
    stopping: CancellationToken,
}

/// A place in the queue that is taken already.
pub(super) struct Slot {
    queue: mpsc::OwnedPermit<Entry>,
    held: [OwnedSemaphorePermit; 2],
    is_for_removals: bool,
}

/// The queue's exit.
pub(super) struct Exit {
    entries: mpsc::Receiver<Entry>,
    stopping: CancellationToken,
    /// For its clock.
    runtime: Handle,
}

/// Whether changes became durable; if not, why not.
pub(super) type Ack = oneshot::Receiver<Result<(), String>>;

/// Something for the writer to do.
pub(super) enum Entry {
    Commit(Commit),
    /// Forget what has expired, give back space, count what is left.
    Tidy(oneshot::Sender<()>),
    /// Do this while nothing is being committed.
    Between(Box<dyn FnOnce() + Send>),
    /// Look whether there will be more.
    Wake,
}

/// Changes that belong together.
pub(super) struct Commit {
    changes: Vec<Change>,
    receipt: Option<Receipt>,
    ack: Option<oneshot::Sender<Result<(), String>>>,
    /// Given back when they are durable.
    _held: [OwnedSemaphorePermit; 2],
}

/// The queue has ended, because the Queen stops.
#[derive(Debug)]
pub(super) struct Closed;

impl Journal {
    /// A queue in which so many bytes of results may wait, and its exit.
    pub(super) fn new(bytes: u64, runtime: Handle) -> (Self, Exit) {
        let (queue, entries) = mpsc::channel(ENTRIES + REMOVALS);
        let capacity = u32::try_from(bytes).unwrap_or(u32::MAX);
        let stopping = CancellationToken::new();
        let exit = Exit { entries, stopping: stopping.clone(), runtime };
        let (places, room) = (Arc::new(Semaphore::new(ENTRIES)), Arc::new(Semaphore::new(capacity as usize)));
        let removals = Arc::new(Semaphore::new(REMOVALS));
        (Self { queue, places, removals, room, capacity, stopping }, exit)
    }

    /// Waits for room for changes with so many bytes of results.
    pub(super) async fn slot(&self, bytes: usize) -> Result<Slot, Closed> {
        self.slot_among(&self.places, bytes, false).await
    }

    /// Waits for room for removals.
    pub(super) async fn removal_slot(&self) -> Result<Slot, Closed> {
        self.slot_among(&self.removals, 0, true).await
    }

    async fn slot_among(&self, places: &Arc<Semaphore>, bytes: usize, is_for_removals: bool) -> Result<Slot, Closed> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.capacity);
        let room = Arc::clone(&self.room).acquire_many_owned(bytes).await.map_err(|_| Closed)?;
        let place = Arc::clone(places).acquire_owned().await.map_err(|_| Closed)?;
        let queue = self.queue.clone().reserve_owned().await.map_err(|_| Closed)?;
        Ok(Slot { queue, held: [room, place], is_for_removals })
    }

    /// Has the writer tidy up; waits until she has.
    pub(super) async fn tidy(&self) {
        let (done, waiting) = oneshot::channel();
        if self.queue.send(Entry::Tidy(done)).await.is_ok() {
            // An error means that she has stopped.
            let _ = waiting.await;
        }
    }

    /// Does something while nothing is being committed, behind all that waits; `None` if the
    /// disk does not take that, or the Queen stops.
    pub(super) async fn between<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (done, waiting) = oneshot::channel();
        let work = Box::new(move || {
            // Who asked may be gone.
            let _ = done.send(work());
        });
        self.queue.send(Entry::Between(work)).await.ok()?;
        waiting.await.ok()
    }

    /// Lets the writer stop behind all that waits.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
        // It need not be woken if the queue is full.
        let _ = self.queue.try_send(Entry::Wake);
    }
}

impl Slot {
    /// Whether nothing but removals may go in, so that a full disk takes it.
    pub(super) fn is_for_removals(&self) -> bool {
        self.is_for_removals
    }

    /// Puts changes into the place, perhaps none: whoever waits for the answer knows then that
    /// all that came before is durable.
    pub(super) fn enter(self, changes: Vec<Change>, receipt: Option<Receipt>) -> Ack {
        let (ack, acked) = oneshot::channel();
        self.queue.send(Entry::Commit(Commit { changes, receipt, ack: Some(ack), _held: self.held }));
        acked
    }
}

/// Commits what comes out of the queue, until it is told to stop; on a thread of its own.
///
/// # Errors
/// If what was still to be written could not be.
pub(super) fn run(hive: &SharedHive, mut writer: Writer, exit: Exit) -> Result<(), StoreError> {
    let Exit { mut entries, stopping, runtime } = exit;
    let mut pending = Pending::default();
    while !stopping.is_cancelled() || !pending.commits.is_empty() || !entries.is_empty() {
        pending.gather(&mut entries, stopping.is_cancelled());
        if !stopping.is_cancelled() {
            pending.linger(&mut entries, &runtime);
            pending.gather_siblings(&mut entries);
        }
        pending.last_batch = pending.commits.len();
        match pending.advance(hive, &mut writer) {
            Ok(()) => {
                hive.set_fault(None);
                pending.is_failing = false;
                pending.attempts = 0;
            }
            Err(error) => {
                hive.set_fault(Some(&error));
                if error.is_full() {
                    pending.make_room(hive, &mut writer);
                }
                pending.refuse(hive, &error);
                // Who asked is not to wait for the disk.
                (pending.tidy, pending.between) = (None, None);
                pending.is_failing = true;
                pending.attempts += 1;
                pending.last_attempts += u32::from(stopping.is_cancelled());
                if pending.last_attempts >= LAST_ATTEMPTS {
                    return Err(error);
                }
                std::thread::sleep(RETRY.saturating_mul(1 << pending.attempts.min(8)).min(RETRY_MAX));
            }
        }
        if let Some(work) = pending.between.take() {
            work();
        }
        if let Some(done) = pending.tidy.take() {
            match writer.tidy(Timestamp::now()) {
                Ok(used) => hive.set_used(used),
                Err(error) => tracing::warn!(%error, "cannot give back space"),
            }
            // Who asked may be gone.
            let _ = done.send(());
        }
    }
    writer.close();
    Ok(())
}

/// What has come out of the queue and is not done yet.
#[derive(Default)]
struct Pending {
    commits: Vec<Commit>,
    tidy: Option<oneshot::Sender<()>>,
    between: Option<Box<dyn FnOnce() + Send>>,
    is_failing: bool,
    /// The writer's ballast is whole.
    has_ballast: bool,
    attempts: u32,
    /// Entries of the batch before.
    last_batch: usize,
    /// Those since the Queen stops.
    last_attempts: u32,
    /// Tasks that were refused while changes of theirs may still be in the queue.
    refused: HashSet<TaskId>,
}

impl Pending {
    /// Takes what there is, within the bounds of a batch; waits only if there is nothing to do.
    /// While the disk fails all of it is taken, so that new tasks are refused at once.
    fn gather(&mut self, entries: &mut mpsc::Receiver<Entry>, is_stopping: bool) {
        let mut is_idle = self.commits.is_empty() && !self.is_failing && !is_stopping;
        let mut held = self.held();
        while self.tidy.is_none()
            && self.between.is_none()
            && (self.is_failing || self.commits.len() < BATCH && held < BATCH_BYTES)
        {
            // A wake-up ends the waiting as well.
            let next = if std::mem::take(&mut is_idle) { entries.blocking_recv() } else { entries.try_recv().ok() };
            match next {
                Some(entry) => held += self.take(entry),
                None => {
                    // Whatever was refused has no more changes on their way.
                    self.refused.clear();
                    return;
                }
            }
        }
    }

    /// Takes one entry; how many bytes of results it has.
    fn take(&mut self, entry: Entry) -> usize {
        match entry {
            Entry::Commit(mut commit) => {
                if !self.refused.is_empty() {
                    commit.changes.retain(|change| change.task().is_none_or(|task| !self.refused.contains(&task)));
                }
                let bytes = commit.bytes();
                self.commits.push(commit);
                return bytes;
            }
            Entry::Tidy(done) => self.tidy = Some(done),
            Entry::Between(work) => self.between = Some(work),
            Entry::Wake => {}
        }
        0
    }

    /// Bytes of results.
    fn held(&self) -> usize {
        self.commits.iter().map(Commit::bytes).sum()
    }

    /// Whether it makes sense to wait for more.
    fn has_time(&self) -> bool {
        let is_asked = self.tidy.is_some() || self.between.is_some();
        (1..BATCH).contains(&self.commits.len()) && !is_asked && !self.is_failing
    }

    /// Waits a little for somebody who waits.
    fn linger(&mut self, entries: &mut mpsc::Receiver<Entry>, runtime: &Handle) {
        let until = Instant::now() + LINGER;
        while self.has_time() && self.held() < LINGER_BYTES && !self.commits.iter().any(Commit::is_awaited) {
            match runtime.block_on(async { timeout_at(until, entries.recv()).await }) {
                Ok(Some(entry)) => {
                    self.take(entry);
                    self.gather(entries, false);
                }
                Ok(None) | Err(_) => break,
            }
        }
    }

    /// Waits for those who are about to come, where many do.
    fn gather_siblings(&mut self, entries: &mut mpsc::Receiver<Entry>) {
        for _ in 0..if self.last_batch >= MANY { PAUSES } else { 0 } {
            let before = self.commits.len();
            if !self.has_time() {
                break;
            }
            std::thread::sleep(PAUSE);
            self.gather(entries, false);
            if self.commits.len() == before {
                break;
            }
        }
    }

    /// Commits what there is. Once that failed, the disk is trusted again when it has room for
    /// the ballast as well.
    fn advance(&mut self, hive: &SharedHive, writer: &mut Writer) -> Result<(), StoreError> {
        let commits = std::mem::take(&mut self.commits);
        let has_commits = !commits.is_empty();
        commit(hive, writer, commits).map_err(|(error, commits)| {
            self.commits = commits;
            error
        })?;
        if self.is_failing || has_commits && !self.has_ballast {
            writer.probe()?;
            self.has_ballast = true;
        }
        Ok(())
    }

    /// On a full disk, removals go first, and what the ballast leaves is theirs. They are of
    /// tasks that ended before, so that their order with what is kept does not matter.
    fn make_room(&mut self, hive: &SharedHive, writer: &mut Writer) {
        let is_removal = |commit: &mut Commit| {
            let mut changes = commit.changes.iter();
            !commit.changes.is_empty() && changes.all(|change| matches!(change, Change::Remove(_)))
        };
        let removals: Vec<Commit> = self.commits.extract_if(.., is_removal).collect();
        self.has_ballast = false;
        let released = writer.release_ballast();
        let removed = commit(hive, writer, removals).map_err(|(error, removals)| {
            self.commits.extend(removals);
            error
        });
        if let Err(error) = released.and(removed) {
            tracing::warn!(%error, "no room could be made");
        }
    }

    /// Refuses new tasks; what else there is of them is in vain, and all other changes stay.
    /// Nobody is left waiting for the disk.
    fn refuse(&mut self, hive: &SharedHive, error: &StoreError) {
        for commit in &mut self.commits {
            commit.answer(Err(super::recovery::reason(error)));
            for change in &commit.changes {
                if let Change::Submit(submission) = change {
                    self.refused.insert(submission.id);
                    hive.refuse(submission);
                }
            }
        }
        for commit in &mut self.commits {
            commit.changes.retain(|change| change.task().is_none_or(|task| !self.refused.contains(&task)));
        }
        self.commits.retain(|commit| !commit.changes.is_empty() || commit.receipt.is_some());
    }
}

/// Makes these durable together, and does what follows from that; or gives them back.
fn commit(hive: &SharedHive, writer: &mut Writer, mut commits: Vec<Commit>) -> Result<(), (StoreError, Vec<Commit>)> {
    if commits.is_empty() {
        return Ok(());
    }
    let changes: Vec<&Change> = commits.iter().flat_map(|commit| &commit.changes).collect();
    let written = if changes.is_empty() { Ok(Vec::new()) } else { writer.commit(&changes) };
    let removed = match written {
        Ok(removed) => removed,
        Err(error) => return Err((error, commits)),
    };
    let changes: Vec<Change> = commits.iter_mut().flat_map(|commit| std::mem::take(&mut commit.changes)).collect();
    hive.committed(&changes);
    hive.confirm(commits.iter().filter_map(|commit| commit.receipt));
    hive.removed(removed);
    commits.iter_mut().for_each(|commit| commit.answer(Ok(())));
    Ok(())
}

impl Commit {
    /// Bytes of results.
    fn bytes(&self) -> usize {
        self.changes.iter().map(result_bytes).sum()
    }

    /// Whether somebody waits for it.
    fn is_awaited(&self) -> bool {
        self.ack.as_ref().is_some_and(|ack| !ack.is_closed())
    }

    fn answer(&mut self, answer: Result<(), String>) {
        if let Some(ack) = self.ack.take() {
            // Who waited may be gone.
            let _ = ack.send(answer);
        }
    }
}

fn result_bytes(change: &Change) -> usize {
    match change {
        Change::Results { bytes, .. } => bytes.len(),
        _ => 0,
    }
}
