//! What the frames take that brought leases, and the material that leases need.

use std::collections::BTreeMap;

/// Frames and material that leases keep in memory, by their number in order of arrival.
#[derive(Default)]
pub(super) struct Frames {
    by_number: BTreeMap<u64, Frame>,
    /// How many have come.
    arrived: u64,
    bytes: usize,
}

struct Frame {
    bytes: usize,
    leases: usize,
}

impl Frames {
    /// The number of a frame, or of material, that has just come.
    pub(super) fn arrived(&mut self) -> u64 {
        self.arrived += 1;
        self.arrived
    }

    /// What all of them take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a lease keeps it in memory.
    pub(super) fn is_needed(&self, number: u64) -> bool {
        self.by_number.contains_key(&number)
    }

    /// One more lease of this frame is held.
    pub(super) fn add_lease(&mut self, number: u64, bytes: usize) {
        let frame = self.by_number.entry(number).or_insert_with(|| {
            self.bytes += bytes;
            Frame { bytes, leases: 0 }
        });
        frame.leases += 1;
    }

    /// One lease of this frame needs it no more.
    pub(super) fn remove_lease(&mut self, number: u64) {
        let Some(frame) = self.by_number.get_mut(&number) else { return };
        frame.leases -= 1;
        if frame.leases == 0 {
            self.bytes -= frame.bytes;
            self.by_number.remove(&number);
        }
    }
}
