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
use wire::ids::{Epoch, LeaseId};
use wire::material::{MAX_KEPT, MaterialId};
use wire::message::{MAX_PART, Offered, Output};

use super::arrival::{Arrival, Expected};
use super::drone_record::Ends;
use super::seat::{Departure, Joined, Link, Newcomer};
use super::shared::SharedHive;
use crate::access::JoinSecrets;
use crate::core::{Event, LeaseProgress};
use crate::kinds::Rejected;
use crate::store::{Closed, Receipt, Slot};
use crate::work::Piece;

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
    /// An offer that lists material again.
    #[error("material {0} is offered twice")]
    MaterialTwice(MaterialId),
    /// An offer of more material than there can be.
    #[error("it offers more material than it keeps by its hello, or more than {MAX_KEPT} different ones")]
    TooMuchMaterial,
    /// An offer that names a lease again.
    #[error("lease {lease} of epoch {epoch} is offered twice")]
    Twice {
        /// Which lease.
        lease: LeaseId,
        /// Its epoch.
        epoch: Epoch,
    },
}

/// What waits to be sent to one Drone; the core's credit keeps it far below this.
const OUTBOX: usize = 32_768;

/// How often a Drone is told that the Queen lives, while she waits for her disk.
const EXCUSE: Duration = Duration::from_secs(1);

/// A result piece of fewer bytes is copied, and one that fills less of its frame than one part in so many, so
/// that it does not keep alive what was read with it: the whole frame, or many small ones.
const COPIED_BELOW: usize = 32 << 10;
const COPIED_PART: usize = 2;

/// What a frame takes of memory while it is taken in, for each of its bytes.
const FRAME_COST: u64 = 2;

fn check_range(from: u64, to: u64) -> Result<(), Breach> {
    if from < to { Ok(()) } else { Err(Breach::Range { from, to }) }
}

/// Looks at what a frame of results says of itself.
///
/// # Errors
/// If a Drone cannot mean that.
pub(super) fn check_outputs(outputs: &[Output<'_>]) -> Result<(), Breach> {
    for Output { lease, from, to, output, .. } in outputs {
        check_range(*from, *to)?;
        if output.size() > MAX_PART {
            return Err(Breach::Long { lease: *lease, size: output.size() });
        }
    }
    Ok(())
}

/// Takes results out of the `frame` that they came in; `next`: where the next part of a lease begins of which that
/// frame has had one already.
///
/// # Errors
/// If they cannot be the results of their range, or are not what comes next of their lease.
pub(super) fn arrive(
    output: &Output<'_>,
    expected: &Expected,
    next: &mut BTreeMap<LeaseId, u64>,
    frame: &Bytes,
) -> Result<Arrival, Breach> {
    let first = next.insert(output.lease, output.to).unwrap_or(expected.next);
    if output.from != first {
        return Err(Breach::Order { lease: output.lease, from: output.from, next: first });
    }
    let bytes = expected.job.kind().check(&(output.from..output.to), &output.output)?;
    let kept = match bytes.len() >= COPIED_BELOW && bytes.len() >= frame.len() / COPIED_PART {
        true => frame.slice_ref(bytes),
        false => Bytes::copy_from_slice(bytes),
    };
    let piece = Piece { range: output.from..output.to, bytes: kept };
    Ok(Arrival::new(output.lease, piece, Duration::from_nanos(output.spent_ns)))
}

impl SharedHive {
    /// A Drone has connected; `None` if there are [`MAX_DRONES`](super::settings::MAX_DRONES) already. It is given work when it
    /// has said what it holds ([`offer`](Self::offer)).
    pub async fn connect(&self, newcomer: Newcomer) -> Option<Joined> {
        let (sender, outbox) = mpsc::channel(OUTBOX);
        let (confirm, stored) = watch::channel(0);
        let closed = CancellationToken::new();
        let (slot, keeps) = (self.slot(0).await.ok()?, newcomer.ability.material);
        let ends = Ends { outbox: sender, closed: closed.clone(), stored: confirm };
        let (link, _) = self.change_durably(slot, |state, now| state.seat(newcomer, ends, now));
        Some(Joined { link: link?, outbox, stored, closed, keeps })
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
        // A Drone without offers needs no answer that depends on what is on disk.
        if !offers.is_empty() {
            let Ok(slot) = self.patient_slot(link, 0, &waiting).await else { return Ok(()) };
            let mut before = slot.enter(Vec::new(), None);
            loop {
                match self.within(EXCUSE, &mut before).await {
                    Some(Ok(Ok(()))) => break,
                    Some(Err(_)) => return Ok(()),
                    // While the disk takes no writes, the journal refuses at once instead of waiting.
                    Some(Ok(Err(_))) => {
                        self.pass(EXCUSE).await;
                        let Ok(slot) = self.patient_slot(link, 0, &waiting).await else { return Ok(()) };
                        before = slot.enter(Vec::new(), None);
                    }
                    None => {}
                }
                waiting();
            }
        }
        let Ok(slot) = self.patient_slot(link, 0, waiting).await else { return Ok(()) };
        self.change_durably(slot, |state, now| state.join(link, &offers, now));
        Ok(())
    }

    /// A Drone lives and holds these leases.
    pub fn heartbeat(&self, link: Link, progress: Vec<LeaseProgress>, computed: u64, busy_ns: u64) {
        self.change(|state, now| state.heartbeat(link, progress, computed, busy_ns, now));
    }

    /// Waits for the memory that a frame of so many bytes takes, and what is read from it.
    pub async fn room_for_frame(&self, link: Link, size: usize, waiting: impl Fn()) -> Reservation {
        self.patiently(link, waiting, self.inner.memory.frames.wait_for(FRAME_COST * size as u64)).await
    }

    /// Tells whether a Drone holds leases, at a moment: no lease is given to it until `tell` is over.
    pub fn tell_load(&self, link: Link, tell: impl FnOnce(bool)) {
        let state = self.lock();
        let standing = state.core.standing(link.drone);
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
        check_outputs(outputs)?;
        let expected = self.lock().expected_of(link, self.inner.epoch, outputs);
        let mut results = Vec::with_capacity(outputs.len());
        // A frame may bring several parts of one lease.
        let mut next = BTreeMap::new();
        for (output, expected) in outputs.iter().zip(expected) {
            let Some(expected) = expected else { continue };
            let arrival = arrive(output, &expected, &mut next, frame)?;
            let examining = self.examine(link.drone, expected, arrival);
            match self.patiently(link, &waiting, examining).await {
                Ok(result) => results.push(result),
                // The Drone is in quarantine now. Results that came before in this frame are dropped as well.
                Err(wrong) => {
                    self.convict(wrong).await;
                    return Ok(());
                }
            }
        }
        let bytes = results.iter().map(|result| result.piece.bytes.len()).sum();
        let Ok(slot) = self.patient_slot(link, bytes, waiting).await else { return Ok(()) };
        let receipt = Receipt { drone: link.drone, connection: link.number, outputs: received };
        self.change_and_tell(Some(slot), Some(receipt), |state, now| state.outputs(receipt, results, now));
        Ok(())
    }

    /// A Drone cannot compute a lease.
    pub async fn failed(&self, link: Link, lease: LeaseId, reason: String, waiting: impl Fn()) {
        let Ok(slot) = self.patient_slot(link, 0, waiting).await else { return };
        self.change_durably(slot, |state, now| state.failed(link, lease, reason, now));
    }

    /// The inputs that a Drone needs for a lease cannot be read.
    pub async fn unreadable(&self, link: Link, lease: LeaseId, reason: String) {
        let Ok(slot) = self.slot(0).await else { return };
        self.change_durably(slot, |state, now| state.unreadable(link, lease, reason, now));
    }

    /// A Drone gives leases back.
    pub fn hand_back(&self, link: Link, leases: Vec<LeaseId>) {
        self.change(|state, now| state.hand_back(link, leases, now));
    }

    /// A Drone takes no more.
    pub fn leaving(&self, link: Link) {
        self.change(|state, now| state.leaving(link, now));
    }

    /// A Drone's connection has ended.
    pub async fn gone(&self, link: Link, departure: Departure) {
        // A task may fail of it, which has to be written. There is no slot once the Queen stops.
        match self.slot(0).await {
            Ok(slot) => drop(self.change_durably(slot, |state, now| state.unseat(link, departure, now))),
            Err(Closed) => self.lock().fleet.close(link),
        }
    }

    /// Like [`slot`](Self::slot), for who speaks with a Drone.
    async fn patient_slot(&self, link: Link, bytes: usize, waiting: impl Fn()) -> Result<Slot, Closed> {
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

    /// Cuts off all Drones that came with a secret that is not among the `valid` ones. What they held goes to others
    /// at once, also what is kept for one whose connection broke.
    pub fn expel(&self, valid: &JoinSecrets) {
        self.change(|state, now| state.expel(valid, now));
    }

    /// How many connected Drones came with the secret that has this number.
    pub fn drones_of_secret(&self, secret: u64) -> u64 {
        self.lock().fleet.with_secret(secret)
    }
}
