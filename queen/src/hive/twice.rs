//! Results that are computed twice before they count: what of them is believed when they come, and what
//! the Queen computes herself.

use std::sync::Arc;

use wire::blob::SharedBlob;
use wire::ids::{DroneId, TaskId};

use super::arrival::{Arrival, WrongKind, WrongResult};
use super::audit::Recheck;
use super::claims::{Claim, ClaimVerdict, OwnCheck};
use super::request::Request;
use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::core::{Effect, Event};
use crate::store::Closed;
use crate::work::{Job, Piece, Terms, Trust};

/// Parts that an output falls into at most, by what is known of it: a liar could make very many.
const PARTS: usize = 64;

impl SharedHive {
    /// Looks at results that are computed twice, as far as that is to be done before they are taken:
    /// where there is no room for claiming them, the Queen computes all of them.
    ///
    /// # Errors
    /// If one is wrong.
    pub(super) async fn examine_claim(
        &self,
        drone: DroneId,
        job: &Job,
        arrival: &mut Arrival,
    ) -> Result<(), WrongResult> {
        {
            let claims = &self.lock().claims;
            if claims.are_of_others(job.task, drone, &arrival.piece.range) {
                return Ok(());
            }
            arrival.room = claims.reserve(arrival.piece.bytes.len());
        }
        if arrival.room.is_some() {
            return Ok(());
        }
        match self.right_until(job, &arrival.piece).await {
            Some(end) if end == arrival.piece.range.end => {
                (arrival.trust, arrival.looked_at) = (Trust::Checked, end - arrival.piece.range.start);
                Ok(())
            }
            Some(index) => Err(WrongResult { drone, task: job.task, index, kind: WrongKind::Result }),
            // Unreadable inputs say nothing about the Drone.
            None => Ok(()),
        }
    }

    /// Computes results again, whose inputs lie in one segment, on a thread that may take long; up to
    /// which index those that were given are right. `None` if its inputs cannot be read.
    async fn right_until(&self, job: &Job, given: &Piece) -> Option<u64> {
        let _turn = Arc::clone(&self.inner.own_checks).acquire_owned().await.ok()?;
        let job = self.whole(job).await.ok()?;
        let inputs = self.inputs(&job.inputs, &given.range).await.ok()?;
        let (terms, given) = (Arc::clone(&job.terms), given.clone());
        tokio::task::spawn_blocking(move || first_wrong(&terms, &inputs, &given)).await.ok()
    }

    /// Computes what Drones claim, until there is nothing left.
    pub(super) async fn compute_claims(&self) {
        loop {
            let next = self.lock().next_own_check();
            let Some(check) = next else { return };
            if self.compute_claim(check).await.is_err() {
                return;
            }
        }
    }

    /// Computes what a Drone claims, and stores it if it is right.
    ///
    /// # Errors
    /// If nothing is kept any more: the Queen stops.
    async fn compute_claim(&self, check: OwnCheck) -> Result<(), Closed> {
        let right = self.right_until(&check.job, &check.part.piece).await;
        let slot = self.slot(check.part.piece.bytes.len()).await?;
        self.change_durably(slot, |state, now| state.computed_claim(check, right, now));
        Ok(())
    }
}

/// Computes results again, of inputs that lie in one segment; up to which index those that were given are right.
pub(super) fn first_wrong(terms: &Terms, inputs: &SharedBlob, given: &Piece) -> u64 {
    // Inputs were checked when they came; of one that has suffered since, nobody knows the result.
    let is_right = |input: &[u8], given: &[u8]| terms.kind().reference(input).is_none_or(|right| right[..] == *given);
    let both = inputs.as_blob().iter().zip(given.iter());
    let right = both.take_while(|(input, (_, given))| is_right(input, given)).count();
    given.range.end.min(given.range.start + right as u64)
}

impl State {
    /// Takes results that are computed twice: keeps those of which it is the second time, and has the
    /// others computed again.
    pub(super) fn output_twice(&mut self, drone: DroneId, job: &Job, arrival: &Arrival, now: Now) {
        let (task, lease) = (job.task, arrival.lease);
        let mut rest = arrival.piece.range.clone();
        let (mut is_disputed, mut looked_at) = (false, arrival.looked_at);
        let mut dispute = None;
        for nth in 0.. {
            if rest.is_empty() {
                break;
            }
            let (verdict, items) = match nth < PARTS {
                true => self.claims.judge(task, drone, &arrival.piece.within(&rest)),
                false => (ClaimVerdict::New, rest.end - rest.start),
            };
            let mut part = arrival.part(&(rest.start..rest.start + items));
            rest.start += items;
            if let ClaimVerdict::Agreed(_) = verdict {
                part.trust = Trust::Checked;
            }
            let (range, spent) = (part.piece.range.clone(), part.spent);
            let event = match part.trust {
                Trust::Checked => Event::Output { drone, lease, range, spent },
                _ => {
                    // None was reserved if others had claimed all of it; by now these claims may be gone, or differ.
                    part.room = part.room.or_else(|| self.claims.reserve(part.piece.bytes.len()));
                    Event::Claim { drone, lease, range, spent, is_kept: part.room.is_some() }
                }
            };
            // The part before may have ended this lease, for example by failing its task: then the core ignores this one.
            self.handle_results(event, now, |state, effect| {
                state.trust(&[drone], std::mem::take(&mut looked_at));
                if let ClaimVerdict::Differs(other, digest) = &verdict
                    && !std::mem::replace(&mut is_disputed, true)
                {
                    let given = vec![(*other, digest.clone()), (drone, part.piece.first())];
                    dispute = Some(Recheck::between(job.clone(), part.piece.range.start, given));
                }
                match effect {
                    Effect::Credit { range, .. } => {
                        if let ClaimVerdict::Agreed(other) = verdict {
                            state.agree(other, drone, range.end - range.start);
                        }
                        state.claims.remove(task, &range);
                        state.store_results(task, drone, &range, &part);
                    }
                    Effect::Claim { range, by_queen, .. } => state.claim(drone, job, part.part(&range), by_queen),
                    _ => {}
                }
            });
        }
        dispute.into_iter().for_each(|dispute| self.recheck(dispute, now));
    }

    /// Notes that two Drones gave the same results.
    fn agree(&mut self, first: DroneId, second: DroneId, items: u64) {
        self.trust(&[first, second], items);
        self.fleet.count_items(first, items);
    }

    /// Keeps what a Drone claims until another one has computed the same, or the Queen; without room for it, it is
    /// as if nothing had come.
    fn claim(&mut self, drone: DroneId, job: &Job, part: Arrival, by_queen: bool) {
        self.claims.remove(job.task, &part.piece.range);
        if by_queen {
            self.claims.add_own_check(OwnCheck { job: job.clone(), drone, part });
            if self.claims.begin() {
                self.requests.push(Request::ComputeClaims);
            }
        } else if let Some(room) = part.room {
            self.claims.put(job.task, Claim { drone, piece: part.piece, room });
        }
    }

    /// What the Queen computes next; that of tasks that have ended meanwhile is passed over.
    pub(super) fn next_own_check(&mut self) -> Option<OwnCheck> {
        let core = &self.core;
        self.claims.next_own_check(|check| !core.with_queen(check.job.task, &check.part.piece.range).is_empty())
    }

    /// The Queen has computed what a Drone claimed: it is right before index `right`. Nothing is known if there is none.
    pub(super) fn computed_claim(&mut self, check: OwnCheck, right: Option<u64>, now: Now) {
        let OwnCheck { job, drone, part } = check;
        let (task, range) = (job.task, part.piece.range.clone());
        self.settle_claim(task, drone, part, right.unwrap_or(range.start), now);
        if let Some(index) = right.filter(|right| *right < range.end) {
            self.convict(WrongResult { drone, task, index, kind: WrongKind::Result }, now);
        }
    }

    /// The Queen has computed what a Drone claimed: it is right before index `end`.
    fn settle_claim(&mut self, task: TaskId, drone: DroneId, mut part: Arrival, end: u64, now: Now) {
        part.trust = Trust::Checked;
        self.trust(&[drone], end.saturating_sub(part.piece.range.start));
        let right = Event::Second { task, range: part.piece.range.start..end, agrees: true };
        self.handle_results(right, now, |state, effect| {
            if let Effect::Credit { range, .. } = effect {
                state.store_results(task, drone, &range, &part);
            }
        });
        self.handle(Event::Second { task, range: end..part.piece.range.end, agrees: false }, now);
        self.release_inputs(task, part.piece.range.start);
    }
}
