//! Results that come from Drones: what is wanted of them is kept and credited.

use std::ops::Range;
use std::sync::Arc;

use wire::ids::{DroneId, TaskId};
use wire::message::Offered;

use super::cache::Key;
use super::claims::Further;
use super::state::State;
use super::verify::{Arrived, Doubt};
use crate::core::{Event, Grant, Time};
use crate::kinds::Job;
use crate::store::{Change, Results};

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
        let Some(task) = self.core.lease(drone, lease) else { return };
        if self.audited(task).is_some() {
            let doubt = self.compare(task, drone, arrived.bytes);
            self.handle(Event::Output { drone, lease, range: 0..1, spent }, now);
            further.extend(doubt.map(Further::Doubt));
            return;
        }
        let wanted = self.core.wanted(drone, lease, &range).map(|(_, wanted)| wanted);
        self.trust(&[drone], wanted.as_ref().map_or(0, |_| arrived.looked_at));
        let first = range.start;
        match self.tasks.get(task).filter(|record| record.terms.is_twice()).map(|record| record.job(task)) {
            Some(job) => self.output_twice(drone, &job, &arrived, now, further),
            None => {
                let doubt = wanted.and_then(|wanted| self.keep(task, drone, &wanted, &arrived));
                further.extend(doubt.map(Further::Doubt));
                self.handle(Event::Output { drone, lease, range, spent }, now);
            }
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

    /// Keeps results, which are about to be credited; returns what has to be looked into.
    pub(super) fn keep(
        &mut self,
        task: TaskId,
        drone: DroneId,
        wanted: &Range<u64>,
        arrived: &Arrived,
    ) -> Option<Doubt> {
        let record = self.tasks.get_mut(task)?;
        let piece = arrived.piece().within(wanted);
        let (replaces, is_rework) = (record.expects_old(), record.is_rework());
        let mut old = if is_rework { record.old_outputs(wanted) } else { Default::default() };
        old.extend(arrived.old.iter().cloned());
        let results = Results { piece, drone: Some(drone), trust: arrived.trust };
        record.outputs_mut().insert(results.clone());
        let large = record.inputs.in_file().map(|(large, _)| Arc::clone(large));
        let job = arrived.expensive.map(|result| {
            record.save_up(result.cost * (wanted.end - wanted.start));
            record.job(task)
        });
        if is_rework {
            self.correct(task, &results.piece, &old);
        }
        self.changes.push(Change::Results { task, results, large, replaces });
        if let Some(presence) = self.presences.get_mut(&drone) {
            presence.items_done += wanted.end - wanted.start;
        }
        self.doubt(drone, job?, arrived)
    }
}
