//! Results that come from Drones: what is wanted of them is kept and credited.

use std::ops::Range;
use std::sync::Arc;

use wire::ids::{DroneId, TaskId};
use wire::message::Offered;

use super::cache::Key;
use super::claims::Further;
use super::state::State;
use super::verify::{Arrived, Doubt};
use crate::core::{Effect, Event, Grant, LeaseStatus, Time};
use crate::kinds::Job;
use crate::kinds::digest::DIGEST;
use crate::store::{Change, Computed, Trust};

impl State {
    /// What of a Drone's offer the core may have back.
    pub(super) fn offered(&self, offer: &Offered) -> (TaskId, Range<u64>) {
        let record = self.tasks.get(offer.task);
        let is_same = record.is_some_and(|record| record.terms.instance(offer.task) == offer.instance);
        // No task has that id.
        (if is_same { offer.task } else { TaskId(0) }, offer.from..offer.to)
    }

    /// What is sent of a lease, which may be about a result that is computed a second time.
    pub(super) fn job_of_grant(&self, grant: Grant) -> Option<(Grant, Job)> {
        if let Some((job, index)) = self.audited(grant.task) {
            return Some((Grant { task: job.task, range: index..index + 1, ..grant }, job));
        }
        let job = self.tasks.get(grant.task)?.job(grant.task);
        Some((grant, job))
    }

    /// Keeps the wanted part of results that were looked at, and credits it; `further` is what has
    /// to be looked into. A frame may bring several parts of one lease, so what is wanted of one is
    /// known only behind the one before.
    pub(super) fn output(&mut self, drone: DroneId, arrived: Arrived, now: Time, further: &mut Vec<Further>) {
        let (lease, spent, range) = (arrived.lease, arrived.spent, arrived.range.clone());
        let Some(LeaseStatus { task, .. }) = self.core.lease(drone, lease) else { return };
        if self.audited(task).is_some() {
            self.handle_results(Event::Output { drone, lease, range: 0..1, spent }, now, |state, _| {
                further.extend(state.compare(task, drone, arrived.bytes.clone()).map(Further::Doubt));
            });
            return;
        }
        let first = range.start;
        match self.tasks.get(task).filter(|record| record.terms.is_twice()).map(|record| record.job(task)) {
            Some(job) => self.output_twice(drone, &job, &arrived, now, further),
            None => self.handle_results(Event::Output { drone, lease, range, spent }, now, |state, effect| {
                if let Effect::Credit { range, .. } = effect {
                    state.trust(&[drone], arrived.looked_at);
                    further.extend(state.keep(task, drone, &range, &arrived).map(Further::Doubt));
                }
            }),
        }
        self.release_inputs(task, first);
    }

    /// Inputs of which all results have come are not needed again: this segment's, perhaps.
    pub(super) fn release_inputs(&mut self, task: TaskId, index: u64) {
        if let Some((large, file)) = self.tasks.get(task).and_then(|record| record.inputs.in_file())
            && self.core.is_done(task, &large.around(index))
        {
            drop(self.cache.remove(Key::Segment(file, large.segment_of(index))));
        }
    }

    /// Keeps results that are credited; returns what has to be looked into.
    pub(super) fn keep(
        &mut self,
        task: TaskId,
        drone: DroneId,
        wanted: &Range<u64>,
        arrived: &Arrived,
    ) -> Option<Doubt> {
        let record = self.tasks.get_mut(task)?;
        let offset = |index: u64| (index - arrived.range.start) as usize * DIGEST;
        let bytes = arrived.bytes.slice(offset(wanted.start)..offset(wanted.end));
        let (first, trust) = (wanted.start, arrived.trust);
        let (replaces, is_rework) = (record.expects_old(), record.is_rework());
        let mut old = if is_rework { record.old_outputs(wanted) } else { Default::default() };
        old.extend(arrived.old.iter().cloned());
        record.outputs_mut().insert(Computed { first, bytes: bytes.clone(), drone: Some(drone), trust }, DIGEST);
        let large = record.inputs.in_file().map(|(large, _)| Arc::clone(large));
        let job = arrived.expensive.map(|result| {
            record.save_up(result.cost * (wanted.end - wanted.start));
            record.job(task)
        });
        if is_rework {
            self.correct(task, wanted, &bytes, &old);
        }
        let checked = trust == Trust::Checked;
        self.changes.push(Change::Results { task, first, bytes, large, drone: Some(drone), checked, replaces });
        if let Some(presence) = self.presences.get_mut(&drone) {
            presence.items_done += wanted.end - wanted.start;
        }
        self.doubt(drone, job?, arrived)
    }
}
