//! The whole at a glance.

use web::model::{Data, LeaseCounts, Overview};

use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::core;

impl SharedHive {
    /// What users are shown of all of it.
    pub(super) fn overview_of(&self, state: &State, now: Now) -> Overview {
        let totals = state.core.totals(now.elapsed);
        let fleet = state.fleet.counts(|drone| state.core.standing(drone));
        let core::LeaseCounts { given, twinned, adopted, expired, failed } = totals.leases;
        let (audited, audits) = state.audits.counts();
        Overview {
            version: env!("CARGO_PKG_VERSION").into(),
            epoch: self.inner.epoch,
            started_at: self.inner.started_at,
            uptime_seconds: now.elapsed.as_secs_f64(),
            tasks: state.tasks.counts(),
            drones: fleet.connected,
            quarantined: fleet.quarantined,
            drone_states: fleet.states,
            threads: fleet.threads,
            items_queued: totals.items_queued.saturating_sub(audits),
            items_done: totals.items_done.saturating_sub(audited),
            compressions_done: totals.cost_done,
            leases: LeaseCounts { given, twinned, adopted, expired, failed },
            verified: state.audits.verified,
            oldest_pending_seconds: state.oldest_pending(now).map(|age| age.as_secs_f64()),
            rate: totals.rate,
            compressions_per_second: totals.cost_rate,
            eta_seconds: totals.eta.map(|eta| eta.as_secs_f64()),
            memory_used: self.memory_used(state),
            memory_limit: self.inner.memory.limit(),
            data: self.data(state),
            drone_addr: self.inner.drone_addr.clone(),
        }
    }

    /// In bytes: what is counted against the limit.
    pub(super) fn memory_used(&self, state: &State) -> u64 {
        self.inner.memory.used() + state.cache.used() + self.inner.disk.journal.used()
    }

    fn data(&self, state: &State) -> Option<Data> {
        let disk = &self.inner.disk;
        let directory = disk.directory.as_ref()?;
        let (recovered, taken) = state.disk.recovered;
        Some(Data {
            directory: directory.display().to_string(),
            used: state.disk.used,
            unfinished: state.bound_bytes() + disk.uploads.used(),
            limit: disk.limit.bytes,
            removes_early: disk.limit.removes,
            removed_early: state.disk.removed_early,
            fault: state.disk.fault.clone(),
            recovered,
            recovery_seconds: taken.as_secs_f64(),
        })
    }
}
