//! What a task would take of the Drones that are there.

use web::hive::{Amount, Estimate, HiveError, NewTask};

use super::shared::SharedHive;
use crate::core::Segment;
use crate::kinds;

impl SharedHive {
    /// What a task with such inputs would take; see [`Hive::estimate`](web::hive::Hive::estimate).
    pub(super) fn estimate_of(&self, new: &NewTask, inputs: &[Amount]) -> Result<Estimate, HiveError> {
        let kind = kinds::of(&new.specification);
        let segments: Vec<_> = inputs
            .iter()
            .map(|Amount { inputs, bytes }| Segment {
                items: *inputs,
                cost: kind.cost(bytes / inputs.max(&1)).saturating_mul(*inputs),
                bytes: bytes + size_of::<u32>() as u64 * (inputs + 1),
            })
            .collect();
        let speed = self.serving()?.core.speed(kind.class(&segments)) as f64;
        if let Some(search) = kind.search() {
            return Ok(Estimate::of_search(search, speed));
        }
        let total = segments.iter().map(|segment| segment.items).sum();
        let cost = segments.iter().fold(0_u64, |all, segment| all.saturating_add(segment.cost));
        if total == 0 { Err(HiveError::Empty) } else { Ok(Estimate::new(total, cost, speed)) }
    }
}
