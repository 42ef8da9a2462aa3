//! What went wrong with a range so far, and why a lease ends early.
//!
//! A range keeps its history while it is pending and while it is leased again, so that it is known who is
//! better not given it, when it is to be computed in isolation, and when its task fails of it.

use wire::ids::DroneId;

use super::time::Time;

/// A range that was being computed at so many losses is computed in isolation next.
pub(super) const MAX_LOSSES: u8 = 2;

/// What went wrong with a range so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct History {
    /// Who failed to compute it, and when.
    pub(super) failed: Vec<(DroneId, Time)>,
    /// Who is not to compute it for another reason: the result is to be another Drone's, or a larger range that
    /// this one failed on was cut into parts.
    avoided: Option<DroneId>,
    /// How many Drones were lost while they computed it beside other work.
    pub(super) losses: u8,
    /// Who was lost while computing it in isolation.
    pub(super) deaths: Vec<DroneId>,
}

/// Why a lease ends before its range is done, which says whom to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndCause {
    /// Neither its range nor its Drone is to blame.
    None,
    /// The Drone was lost while it computed it.
    Loss,
    /// The Drone could not compute it.
    Failure,
}

impl History {
    /// The range is not for this Drone, if there is another one.
    pub(super) fn avoiding(drone: DroneId) -> Self {
        Self { avoided: Some(drone), ..Self::default() }
    }

    /// Whether it is better computed by another Drone than this one.
    pub(super) fn avoids(&self, drone: DroneId) -> bool {
        self.avoided == Some(drone) || self.last_failure(drone).is_some()
    }

    /// When this Drone last failed to compute the range.
    pub(super) fn last_failure(&self, drone: DroneId) -> Option<Time> {
        self.failed.iter().rfind(|(failed, _)| *failed == drone).map(|(_, at)| *at)
    }

    /// A part of the range may be without fault, so the next attempt counts as the first; but it
    /// is not for the Drone that failed last.
    pub(super) fn cut(&mut self) {
        if let Some((drone, _)) = self.failed.drain(..).next_back() {
            self.avoided = Some(drone);
        }
    }

    /// What this Drone failed at says nothing about the range.
    pub(super) fn disregard(&mut self, drone: DroneId) {
        self.failed.retain(|(failed, _)| *failed != drone);
        self.avoided = self.avoided.filter(|avoided| *avoided != drone);
    }

    /// Whether a Drone failed to compute the range.
    pub(super) fn has_failed(&self) -> bool {
        !self.failed.is_empty()
    }

    /// Whether nothing went wrong, as it turned out.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// This Drone failed to compute it.
    pub(super) fn add_failure(&mut self, drone: DroneId, now: Time) {
        self.avoided = None;
        self.failed.push((drone, now));
    }

    /// How often the range was tried in vain, as far as that still says something of it.
    pub(super) fn attempts(&self) -> u32 {
        let count = self.failed.len() + usize::from(self.losses) + self.deaths.len();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether a Drone was lost while it computed the range.
    pub(super) fn has_losses(&self) -> bool {
        self.losses > 0
    }

    /// A Drone that was thought to be lost with it has come back.
    pub(super) fn survived(&mut self, drone: DroneId) {
        self.deaths.retain(|dead| *dead != drone);
    }

    /// Whether the range is to be computed in isolation.
    pub(super) fn must_be_isolated(&self) -> bool {
        self.losses >= MAX_LOSSES
    }
}
