//! The Queen's start and end: taking over what is on disk, and leaving it in order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drone::story;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use web::access::{LogFilter, LogKind};
use web::budget::Budget;
use wire::ids::{DroneId, TaskId};

use super::memory::Memory;
use super::record::Record;
use super::settings::Settings;
use super::shared::{Disk, Limit, SharedHive};
use super::state::State;
use super::story::unfinished;
use crate::access::JoinSecrets;
use crate::clock::{HiveClock, Now};
use crate::core::Event;
use crate::store::{
    Change, Consumer, Directory, Follower, Inheritance, Journal, KnownDrone, Leased, Live, Receipt, Removed, Store,
    StoreError, Submission, Tidied, Writer,
};

/// Tasks that are taken over under one lock.
const TAKEN_AT_ONCE: usize = 1024;

/// How often it is looked whether the disk is back.
const DISK_RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Reads from the disk at once; more wait.
const READS: usize = 32;

/// What the log calls a Queen's start and her end.
const START: &str = "start";
const STOP: &str = "stop";

/// Lines about the Queen that are looked at for how the one before ended: between her start and her end there may be some
/// about her disk.
const LINES: usize = 100;

/// How long the last lines of the audit trail are waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// What writes a Hive's changes to its store; it has to [run](Self::run) for any of them to be committed.
pub struct StoreDriver {
    writer: Writer,
    consumer: Consumer,
    directory: Option<Directory>,
}

/// Why not all that was to be written is on disk when the Queen ends.
#[derive(Debug, thiserror::Error)]
pub enum PersistError {
    /// The disk did not take it.
    #[error("what was computed last could not be written, and will be computed again")]
    Store(#[from] StoreError),
    /// The disk did not take that something was revoked.
    #[error(
        "what was computed last could not be written, and will be computed again; and what was revoked last could not \
         either, so that it is valid again at the next start: {what}"
    )]
    Revocations {
        /// Tokens and secrets, for people.
        what: String,
        /// What the disk said.
        source: StoreError,
    },
    /// A bug ended the writer.
    #[error("the writer has ended unexpectedly")]
    Writer,
}

impl SharedHive {
    /// An empty Hive that keeps nothing. It serves behind [`begin_epoch`](Self::begin_epoch).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Errors
    /// If there is no memory, or the system has no randomness to give.
    #[cfg(test)]
    pub fn ephemeral(settings: Settings) -> anyhow::Result<(Self, StoreDriver)> {
        Ok(Self::over(settings, Store::in_memory()?)?)
    }

    /// A Hive over an open store. It serves behind [`take_over`](Self::take_over) and
    /// [`begin_epoch`](Self::begin_epoch).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn over(settings: Settings, store: Store) -> Result<(Self, StoreDriver), getrandom::Error> {
        let Store { inheritance, access, writer, reader, history, directory, free } = store;
        let bulk = Arc::clone(reader.bulk());
        let memory = Memory::share_out(settings.memory_limit);
        let (journal, consumer) = Journal::new(memory.journal, Handle::current(), bulk);
        let path = directory.as_ref().map(|directory| directory.path().to_owned());
        let (limit, space, uploads) = match path {
            Some(_) => {
                let limit = Limit::new(settings.max_data, free.saturating_add(inheritance.used));
                (limit, Budget::new(u64::MAX), Budget::new(u64::MAX))
            }
            None => (Limit::new(None, u64::MAX), Arc::clone(&memory.tasks), Arc::clone(&memory.tasks)),
        };
        let disk = Disk {
            directory: path,
            limit,
            uploads,
            space,
            journal,
            reader,
            reads: Arc::new(Semaphore::new(READS)),
            runtime: Handle::current(),
        };
        let clock = HiveClock::resume(Arc::clone(&settings.clock), inheritance.written);
        let hive = Self::build(settings, memory, inheritance.epoch, clock, disk, access, history)?;
        hive.lock().inherit(&inheritance);
        Ok((hive, StoreDriver { writer, consumer, directory }))
    }

    /// Takes over the tasks that have not ended, and removes what no task owns; or leaves that to the
    /// next Queen, when this one is told to stop. Blocks.
    ///
    /// # Errors
    /// If the data directory cannot be read, or is damaged.
    pub fn take_over(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let disk = &self.inner.disk;
        let begun = Instant::now();
        let all = self.lock().recovering.map_or(0, |(_, all)| all);
        if all > 0 {
            story!("📜", "Taking over what the Queen before left: {}", unfinished(all));
        }
        let mut batch = Vec::with_capacity(TAKEN_AT_ONCE);
        disk.reader.live(|live| {
            // Those that have ended and are suspect are taken up later.
            batch.extend(live.task.ending.is_none().then_some(live));
            if batch.len() == TAKEN_AT_ONCE {
                self.take_over_tasks(&mut batch);
            }
            if stop.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if stop.is_cancelled() {
            return Ok(());
        }
        self.take_over_tasks(&mut batch);
        self.take_over_drones(disk)?;
        self.sweep()?;
        let (taken, _) = self.lock().recovering.unwrap_or_default();
        let seconds = begun.elapsed();
        self.lock().disk.recovered = (taken, seconds);
        if taken > 0 {
            story!("📜", "Took over {} in {:.2} s", unfinished(taken), seconds.as_secs_f64());
        }
        self.inner.changed.notify_one();
        Ok(())
    }

    /// Begins the epoch, from where on the Hive serves; returns when that is on disk, and never while
    /// the disk takes no writes. Before that no Drone is given work, since its leases carry the epoch.
    pub async fn begin_epoch(&self) {
        let before = self.how_the_one_before_ended().await;
        let Ok(slot) = self.slot(0).await else { return };
        let ((), ack) = self.change_durably(slot, |state, now| {
            let (taken, _) = state.disk.recovered;
            state.log_queen(START, format!("with {}{before}", unfinished(taken)), now);
            state.begin(self.inner.epoch);
        });
        if self.lock().disk.has_suspects {
            let hive = self.clone();
            tokio::spawn(async move { hive.compute_again().await });
        }
        if self.durable(ack).await.is_ok() {
            return;
        }
        // It is tried again; what comes behind it in the journal waits for it.
        while self.lock().disk.fault.is_some() {
            self.inner.disk.journal.tidy().await;
            tokio::time::sleep(DISK_RETRY_INTERVAL).await;
        }
    }

    /// How the Queen before ended, as far as the log says, in words for what follows it; nothing if there was none, or
    /// what she wrote is not kept any more.
    async fn how_the_one_before_ended(&self) -> &'static str {
        let filter = LogFilter { kinds: vec![LogKind::Queen], limit: LINES, ..LogFilter::default() };
        // A log that cannot be read says nothing.
        let lines = self.read(move |reader| reader.log(&filter)).await.unwrap_or_default();
        let last = lines.iter().map(|(_, line)| &*line.action).find(|action| [START, STOP].contains(action));
        match last {
            Some(STOP) => "; the Queen before stopped in order",
            Some(_) => "; no stop of the Queen before is written: she was killed, or could not write it",
            None => "",
        }
    }

    fn take_over_tasks(&self, batch: &mut Vec<Live>) {
        self.change(|state, now| batch.drain(..).for_each(|live| state.take_over(live, now)));
    }

    /// Takes over which Drones there were, and what they were computing.
    fn take_over_drones(&self, disk: &Disk) -> Result<(), StoreError> {
        let (known, leases) = (disk.reader.drones()?, disk.reader.leases()?);
        let secrets = Arc::clone(&self.join_secrets().borrow());
        self.change(|state, now| state.take_over_drones(known, leases, &secrets, now));
        Ok(())
    }

    /// Removes bulk files that no record names.
    fn sweep(&self) -> Result<(), StoreError> {
        let reader = &self.inner.disk.reader;
        let mut orphans = reader.bulk().numbers()?;
        reader.files(|number| {
            orphans.remove(&number);
        })?;
        for orphan in orphans {
            tracing::info!(file = %reader.bulk().path(orphan).display(), "an upload or removal was cut off here");
            reader.bulk().remove(orphan)?;
        }
        Ok(())
    }
}

impl State {
    /// Goes on where the Queen before ended, as far as that is known at once.
    pub(super) fn inherit(&mut self, inheritance: &Inheritance) {
        self.tasks.take_over(inheritance.next_task, inheritance.ended);
        self.fleet.set_next_id(inheritance.next_drone);
        self.disk.has_suspects = inheritance.suspect > 0;
        self.disk.count(inheritance.used);
        self.disk.keys = inheritance.keys;
        self.recovering = Some((0, inheritance.live));
    }

    /// Takes over a task that has not ended.
    pub(super) fn take_over(&mut self, live: Live, now: Now) {
        let (id, done, is_paused) = (live.task.id, live.done.clone(), live.task.paused);
        let mut record = Record::revived(live);
        record.terms = self.tasks.share_counted(&record.terms);
        if is_paused {
            record.pause(true);
        }
        self.budget.charge(record.weight());
        self.enter(id, record, done, now);
        if let Some((taken, _)) = &mut self.recovering {
            *taken += 1;
        }
    }

    /// Takes over which Drones there were, and what they were computing; of those who are in quarantine, or came with a
    /// secret that is not among the `valid` ones any more, others compute it.
    pub(super) fn take_over_drones(
        &mut self,
        known: Vec<KnownDrone>,
        leases: Vec<Leased>,
        valid: &JoinSecrets,
        now: Now,
    ) {
        let mut held: BTreeMap<DroneId, Vec<(TaskId, Range<u64>)>> = BTreeMap::new();
        for Leased { task, drone, range, .. } in leases {
            held.entry(drone).or_default().push((task, range));
        }
        let is_revoked = |drone: &&KnownDrone| {
            let secret = drone.visit.as_ref().and_then(|visit| visit.secret);
            secret.is_some_and(|secret| !valid.has(secret))
        };
        let revoked: BTreeSet<_> = known.iter().filter(is_revoked).map(|drone| drone.id).collect();
        self.fleet.take_over(known);
        for (drone, held) in held {
            if !self.fleet.is_quarantined(drone) && !revoked.contains(&drone) {
                self.handle(Event::Inherit { drone, held }, now);
            }
        }
    }

    /// These changes are in the store, with these receipts, and removed these tasks.
    pub(super) fn follow(&mut self, changes: &[Change], receipts: &[Receipt], removed: &[Removed]) {
        changes.iter().for_each(|change| self.committed(change));
        receipts.iter().for_each(|receipt| self.stored(*receipt));
        removed.iter().for_each(|removed| self.removed(removed));
    }
}

impl Follower for SharedHive {
    fn committed(&self, changes: &[Change], receipts: &[Receipt], removed: &[Removed]) {
        self.change(|state, _| state.follow(changes, receipts, removed));
        if changes.iter().any(|change| matches!(change, Change::Cleared { .. })) {
            self.inner.reworked.notify_one();
        }
    }

    fn refused(&self, submission: &Submission) {
        self.change(|state, now| state.refuse(submission, now));
    }

    fn fault(&self, error: Option<&StoreError>) {
        let reason = error.map(StoreError::refusal);
        let before = self.change(|state, now| {
            let before = std::mem::replace(&mut state.disk.fault, reason.clone());
            match (&before, &reason) {
                (None, Some(reason)) => state.log_queen("disk-fault", reason.clone(), now),
                (Some(_), None) => state.log_queen("disk-back", "it takes writes again".to_owned(), now),
                _ => {}
            }
            before
        });
        match (before, reason) {
            (None, Some(reason)) => tracing::error!("{reason}"),
            (Some(_), None) => story!("🩹", "The disk takes writes again"),
            _ => return,
        }
        self.inner.changed.notify_one();
    }

    fn tidied(&self, tidied: Tidied) {
        let mut state = self.lock();
        state.disk.count(tidied.used);
        state.disk.keys = state.disk.keys.saturating_sub(tidied.expired);
    }
}

impl StoreDriver {
    /// Writes what the Hive has to write, while `serving` runs; then writes the rest, and
    /// leaves the directory in order.
    ///
    /// # Errors
    /// If something could not be written, or the writer ends before.
    pub async fn run(self, hive: &SharedHive, serving: impl Future<Output = ()>) -> Result<(), PersistError> {
        let Self { writer, consumer, directory } = self;
        let follower = Box::new(hive.clone());
        let mut writing =
            consumer.spawn(writer, hive.inner.clock.clone(), follower).map_err(|_| PersistError::Writer)?;
        tokio::select! {
            () = serving => {}
            () = writing.ended() => return Err(PersistError::Writer),
        }
        hive.change(|state, now| state.log_queen(STOP, "she was told to".to_owned(), now));
        // A disk that takes nothing is not waited for.
        let _ = hive.within(FAREWELL, hive.write_trail(true)).await;
        hive.inner.disk.journal.stop();
        let result = writing.join().await.map_err(|_| PersistError::Writer)?;
        drop(directory);
        result.map_err(|source| match hive.lock().revoking.names() {
            names if names.is_empty() => PersistError::Store(source),
            names => PersistError::Revocations { what: names.join(", "), source },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hive::settings::Settings;
    use crate::store::testing::{layout, moment, terms};
    use crate::store::{Change, Stored};
    use crate::work::Inputs;

    /// A batch of one task, which has left it, as a Queen leaves it who dies before she has written that it is over.
    #[tokio::test]
    async fn what_is_over_when_it_is_taken_over_ends_with_the_epoch() {
        let (hive, _driver) = SharedHive::ephemeral(Settings::default()).unwrap();
        hive.lock().recovering = Some((0, 1));
        let task = Stored {
            id: TaskId(1),
            terms: Arc::new(crate::work::Terms { batch: true, ..terms() }),
            created: moment(0),
            total: 1,
            started_at: None,
            ending: None,
            paused: false,
            suspect: false,
            corrected: 0,
        };
        let mut live = Live::new(task, Inputs::Small(layout(1).into()));
        live.detach(0, None);
        hive.take_over_tasks(&mut vec![live]);
        let mut state = hive.lock();
        state.begin(hive.inner.epoch);
        let changes = state.take_changes(true);
        assert!(matches!(changes[..], [Change::End(TaskId(1), _), Change::Epoch(_)]), "{changes:?}");
    }
}
