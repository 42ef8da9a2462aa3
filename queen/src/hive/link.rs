//! What a Drone's connection tells the Hive, and what it is told.
//!
//! A Drone is one process; its connections come and go, and each is a [`Link`]. What comes over
//! an older one than the newest changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use web::budget::Reservation;
use web::model::Kernels;
use wire::ids::{DroneId, Epoch, Instance, LeaseId};
use wire::message::{Adoption, MAX_PART, Offered, Output};

use super::fleet::Ends;
use super::journal::{self, Slot};
use super::state::State;
use super::{EXCUSE, KEEP, KEEP_FRAME, OUTBOX, SharedHive};
use crate::core::{Ability, Event, Grant, Progress, Time};
use crate::kinds::{Job, Rejected};

/// Something to be sent to a Drone.
#[derive(Debug)]
pub enum Outbound {
    /// A lease, and what it is about.
    Lease(Grant, Job),
    /// A lease ends at `end` now.
    Shrink {
        /// Which lease.
        lease: LeaseId,
        /// Its new end.
        end: u64,
    },
    /// The answer to what it offered.
    Adopted(Vec<Option<Adoption>>),
    /// It is to leave for good.
    Drain,
    /// The last message.
    Goodbye(&'static str),
}

/// One connection of one Drone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Whose.
    pub drone: DroneId,
    pub(super) number: u64,
}

/// What can be told to a Drone when changes are on disk: the first so many outputs of this
/// connection are safe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    pub(super) link: Link,
    pub(super) outputs: u64,
}

/// A Drone that said hello.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// As it calls itself.
    pub name: String,
    /// Its process.
    pub instance: Instance,
    /// Where it connects from.
    pub address: String,
    /// Program and version.
    pub software: String,
    /// What it can do.
    pub ability: Ability,
    /// What computes each class of work.
    pub kernels: Kernels,
    /// The number of the secret that it proved to know; `None` where it needed none.
    pub secret: Option<u64>,
}

/// A Drone's place in the Hive, as its connection holds it.
pub struct Joined {
    /// What it is called.
    pub link: Link,
    /// What is to be sent to it.
    pub outbox: mpsc::Receiver<Outbound>,
    /// How many of its outputs are safe.
    pub stored: watch::Receiver<u64>,
    /// The connection is to be closed.
    pub closed: CancellationToken,
}

/// How a Drone's connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// It had said that it would leave, or the Queen stops.
    Left,
    /// It broke.
    Lost,
    /// The Drone's secret was revoked.
    Revoked,
}

/// Why a Drone cannot mean what it says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// Results that are none of their range.
    #[error(transparent)]
    Results(#[from] Rejected),
    /// A range without an index.
    #[error("index {from} to before {to} is no range")]
    Range {
        /// Its first index.
        from: u64,
        /// Behind its last index.
        to: u64,
    },
    /// A part that is not the next one of its lease.
    #[error(
        "a part of lease {lease} was output from index {from} on, and index {next} was next: parts of a lease \
         come in index order, without gaps, and once"
    )]
    Order {
        /// Which lease.
        lease: LeaseId,
        /// Where the part begins.
        from: u64,
        /// Where it has to begin.
        next: u64,
    },
    /// More results in one part than there may be.
    #[error("a part of lease {lease} has {size} bytes of results, and at most {MAX_PART} are allowed in one")]
    Long {
        /// Which lease.
        lease: LeaseId,
        /// Bytes of its results.
        size: usize,
    },
    /// An offer that names a lease again.
    #[error("lease {lease} of epoch {epoch} is offered twice")]
    Twice {
        /// Which lease.
        lease: LeaseId,
        /// Its epoch.
        epoch: Epoch,
    },
}

/// What a frame takes of memory while it is taken in, for each of its bytes.
const FRAME_COST: u64 = 2;

fn check_range(from: u64, to: u64) -> Result<(), Breach> {
    if from < to { Ok(()) } else { Err(Breach::Range { from, to }) }
}

impl SharedHive {
    /// A Drone has connected; `None` if there are [`MAX_DRONES`](super::MAX_DRONES) already. It is given work when it
    /// has said what it holds ([`offer`](Self::offer)).
    pub async fn connect(&self, newcomer: Newcomer) -> Option<Joined> {
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let (confirm, stored) = watch::channel(0);
        let closed = CancellationToken::new();
        let slot = self.slot(0).await.ok()?;
        let ends = Ends { outbox: sender, closed: closed.clone(), stored: confirm };
        let (link, _) = self.change_durably(slot, |state, now| state.seat(newcomer, ends, now));
        Some(Joined { link: link?, outbox, stored, closed })
    }

    /// A Drone says what it holds from connections before; it is answered with what of that is
    /// still wanted. All that it said before on other connections is on disk by then.
    ///
    /// # Errors
    /// If it cannot hold that.
    pub async fn offer(&self, link: Link, offers: Vec<Offered>, waiting: impl Fn()) -> Result<(), Breach> {
        let mut names = BTreeSet::new();
        for Offered { lease, epoch, from, to, .. } in &offers {
            check_range(*from, *to)?;
            if !names.insert((*lease, *epoch)) {
                return Err(Breach::Twice { lease: *lease, epoch: *epoch });
            }
        }
        let Ok(slot) = self.patient_slot(link, 0, &waiting).await else { return Ok(()) };
        // Whoever holds nothing has nothing to wait for.
        if let Some(slot) = slot.filter(|_| !offers.is_empty()) {
            let mut before = slot.enter(Vec::new(), None);
            loop {
                match self.within(EXCUSE, &mut before).await {
                    Some(Ok(Ok(()))) => break,
                    Some(Err(_)) => return Ok(()),
                    // A disk that does not take it says so at once.
                    Some(Ok(Err(_))) => {
                        self.pass(EXCUSE).await;
                        let Ok(Some(slot)) = self.patient_slot(link, 0, &waiting).await else { return Ok(()) };
                        before = slot.enter(Vec::new(), None);
                    }
                    None => {}
                }
                waiting();
            }
        }
        let Ok(slot) = self.patient_slot(link, 0, waiting).await else { return Ok(()) };
        self.change_durably(slot, |state, now| {
            if state.is_current(link) {
                let offers = offers.iter().map(|offer| state.offered(offer)).collect();
                state.join(link, offers, now);
            }
        });
        Ok(())
    }

    /// A Drone lives and holds these leases.
    pub fn heartbeat(&self, link: Link, progress: Vec<Progress>, computed: u64, busy_ns: u64) {
        self.change(|state, now| {
            if state.is_current(link) {
                state.heard(link.drone, false);
                state.was_busy(link.drone, busy_ns, now);
                if state.fault.is_some() || state.owes(link.drone) {
                    // As long as its results are not stored, it may have to stop computing.
                    state.handle(Event::Excuse { drone: link.drone, was_heard: true }, now);
                }
                state.handle(Event::Heartbeat { drone: link.drone, progress, computed }, now);
            }
        });
    }

    /// Waits for the memory that a frame of so many bytes takes, and what is read from it.
    pub async fn room_for_frame(&self, link: Link, size: usize, waiting: impl Fn()) -> Reservation {
        self.patiently(link, waiting, self.inner.memory.frames.wait_for(FRAME_COST * size as u64)).await
    }

    /// Tells whether a Drone holds leases, at a moment: no lease is given to it until `tell` is over.
    pub fn tell_load(&self, link: Link, tell: impl FnOnce(bool)) {
        let standing = self.lock().core.standing(link.drone);
        tell(standing.is_some_and(|standing| standing.leases > 0));
    }

    /// Results came from a Drone, within `frame`; with them there were `received` on its
    /// connection. What nobody wants any more is dropped. While the disk is behind, this waits,
    /// and calls `waiting` now and then.
    ///
    /// # Errors
    /// If any of it cannot be the results of its range, or is not what comes next of its lease.
    pub async fn outputs(
        &self,
        link: Link,
        frame: &Bytes,
        outputs: &[Output<'_>],
        received: u64,
        waiting: impl Fn(),
    ) -> Result<(), Breach> {
        for Output { lease, from, to, output, .. } in outputs {
            check_range(*from, *to)?;
            if output.size() > MAX_PART {
                return Err(Breach::Long { lease: *lease, size: output.size() });
            }
        }
        let orders: Vec<_> = {
            let state = self.lock();
            let ours = |output: &Output<'_>| output.epoch == self.inner.epoch && state.is_current(link);
            outputs.iter().map(|output| state.order_of(link.drone, output.lease).filter(|_| ours(output))).collect()
        };
        let mut results = Vec::with_capacity(outputs.len());
        // A frame may bring several parts of one lease.
        let mut next = BTreeMap::new();
        for (output, order) in outputs.iter().zip(orders) {
            let Some(order) = order else { continue };
            let expected = next.insert(output.lease, output.to).unwrap_or(order.next);
            if output.from != expected {
                return Err(Breach::Order { lease: output.lease, from: output.from, next: expected });
            }
            let bytes = order.job.check(&(output.from..output.to), &output.output)?;
            let kept = match bytes.len() >= KEEP && bytes.len() >= frame.len() / KEEP_FRAME {
                true => frame.slice_ref(bytes),
                false => Bytes::copy_from_slice(bytes),
            };
            let spent = Duration::from_nanos(output.spent_ns);
            let range = output.from..output.to;
            let examining = self.examine(link.drone, order, output.lease, range, kept, spent);
            match self.patiently(link, &waiting, examining).await {
                Ok(result) => results.push(result),
                // It is not heard any more; what it said before stands until it is looked at.
                Err(lie) => {
                    self.caught(lie).await;
                    return Ok(());
                }
            }
        }
        let bytes = results.iter().map(|result| result.bytes.len()).sum();
        let Ok(slot) = self.patient_slot(link, bytes, waiting).await else { return Ok(()) };
        let receipt = Receipt { link, outputs: received };
        let further = self.change_with_receipt(slot, receipt, |state, now| {
            let mut further = Vec::new();
            if state.is_current(link) {
                state.heard(link.drone, true);
                state.received(link.drone, received);
                results.into_iter().for_each(|result| state.output(link.drone, result, now, &mut further));
            }
            further
        });
        further.into_iter().for_each(|further| self.look_further(further));
        Ok(())
    }

    /// A Drone cannot compute a lease.
    pub async fn failed(&self, link: Link, lease: LeaseId, reason: String, waiting: impl Fn()) {
        let Ok(slot) = self.patient_slot(link, 0, waiting).await else { return };
        self.change_durably(slot, |state, now| {
            if state.is_current(link) && !state.is_audit(link.drone, lease, now) {
                state.handle(Event::Failed { drone: link.drone, lease, reason }, now);
            }
        });
    }

    /// What a Drone needs for a lease cannot be had.
    pub async fn spoiled(&self, link: Link, lease: LeaseId, reason: String) {
        let Ok(slot) = self.slot(0).await else { return };
        self.change_durably(slot, |state, now| {
            if let Some(lease) = state.core.lease(link.drone, lease) {
                state.handle(Event::Spoil { task: lease.task, reason }, now);
            }
        });
    }

    /// A Drone gives leases back.
    pub fn hand_back(&self, link: Link, leases: Vec<LeaseId>) {
        self.change(|state, now| {
            if state.is_current(link) {
                state.handle(Event::HandBack { drone: link.drone, leases }, now);
            }
        });
    }

    /// A Drone takes no more.
    pub fn leaving(&self, link: Link) {
        self.change(|state, now| {
            if state.is_current(link) {
                state.heard(link.drone, true);
                state.handle(Event::Leaving { drone: link.drone }, now);
            }
        });
    }

    /// A Drone's connection has ended.
    pub async fn gone(&self, link: Link, parting: Parting) {
        // A task may fail of it. Without a slot nothing is kept any more: the Queen stops.
        match self.slot(0).await {
            Ok(slot) => drop(self.change_durably(slot, |state, now| state.unseat(link, parting, now))),
            Err(journal::Closed) => self.lock().close(link),
        }
    }

    /// Like [`slot`](Self::slot), for who speaks with a Drone.
    async fn patient_slot(
        &self,
        link: Link,
        bytes: usize,
        waiting: impl Fn(),
    ) -> Result<Option<Slot>, journal::Closed> {
        self.patiently(link, waiting, self.slot(bytes)).await
    }

    /// Waits for the disk on behalf of a Drone, which is not listened to meanwhile, and not to blame.
    async fn patiently<T>(&self, link: Link, waiting: impl Fn(), work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            match self.within(EXCUSE, &mut work).await {
                Some(done) => return done,
                None => {
                    let excuse = Event::Excuse { drone: link.drone, was_heard: false };
                    self.change(|state, now| state.handle(excuse, now));
                    waiting();
                }
            }
        }
    }

    /// Changes the state; when all of that is on disk, and all that came before, a Drone is told.
    fn change_with_receipt<T>(
        &self,
        slot: Option<Slot>,
        receipt: Receipt,
        change: impl FnOnce(&mut State, Time) -> T,
    ) -> T {
        self.change_and_tell(slot, Some(receipt), change).0
    }
}
