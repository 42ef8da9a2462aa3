//! Which Drone process has which id, and who is in quarantine. Both outlive the Queen.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use wire::ids::{DroneId, Instance};

use crate::store::{KNOWN_DRONES, KnownDrone};

pub(super) struct Registry {
    by_instance: HashMap<Instance, DroneId>,
    by_id: BTreeMap<DroneId, Instance>,
    quarantine: BTreeMap<DroneId, Box<str>>,
    /// Those that gave a wrong result, until they are pardoned.
    convicted: BTreeSet<DroneId>,
    next: u64,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            by_instance: HashMap::new(),
            by_id: BTreeMap::new(),
            quarantine: BTreeMap::new(),
            convicted: BTreeSet::new(),
            next: 1,
        }
    }
}

impl Registry {
    /// The smallest id that no Drone ever had.
    pub(super) fn set_next(&mut self, next: u64) {
        self.next = next;
    }

    /// What the Queen before knew.
    pub(super) fn take_over(&mut self, known: Vec<KnownDrone>) {
        for KnownDrone { id, instance, quarantine, .. } in known {
            self.add(id, instance);
            self.quarantine.extend(quarantine.map(|reason| (id, reason)));
        }
    }

    /// The id of a process, and whether it is new.
    pub(super) fn identify(&mut self, instance: Instance) -> (DroneId, bool) {
        if let Some(id) = self.by_instance.get(&instance) {
            return (*id, false);
        }
        let id = DroneId(self.next);
        self.next += 1;
        self.add(id, instance);
        (id, true)
    }

    /// Why a Drone is in quarantine.
    pub(super) fn quarantined(&self, id: DroneId) -> Option<&str> {
        self.quarantine.get(&id).map(|reason| &**reason)
    }

    /// Puts a Drone into quarantine.
    pub(super) fn distrust(&mut self, id: DroneId, reason: Box<str>) {
        self.quarantine.insert(id, reason);
    }

    /// A Drone gave a wrong result; whether that is the first one since it was pardoned.
    pub(super) fn convict(&mut self, id: DroneId) -> bool {
        self.convicted.insert(id)
    }

    /// Lifts a quarantine; returns whether there was one.
    pub(super) fn pardon(&mut self, id: DroneId) -> bool {
        self.convicted.remove(&id);
        self.quarantine.remove(&id).is_some()
    }

    fn add(&mut self, id: DroneId, instance: Instance) {
        self.by_instance.insert(instance, id);
        self.by_id.insert(id, instance);
        if self.by_id.len() > KNOWN_DRONES
            && let Some((oldest, instance)) = self.by_id.pop_first()
        {
            self.by_instance.remove(&instance);
            self.quarantine.remove(&oldest);
            self.convicted.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_keeps_its_id_and_the_oldest_is_forgotten() {
        let mut registry = Registry::default();
        let instance = |number: u64| Instance(u128::from(number).to_le_bytes());
        assert_eq!(registry.identify(instance(7)), (DroneId(1), true));
        assert_eq!(registry.identify(instance(7)), (DroneId(1), false));
        registry.distrust(DroneId(1), "it lied".into());
        assert_eq!(registry.quarantined(DroneId(1)), Some("it lied"));
        (0..KNOWN_DRONES as u64).for_each(|number| assert!(registry.identify(instance(100 + number)).1));
        assert_eq!((registry.by_id.len(), registry.by_instance.len()), (KNOWN_DRONES, KNOWN_DRONES));
        assert_eq!(registry.quarantined(DroneId(1)), None);
        assert_eq!(registry.identify(instance(7)), (DroneId(KNOWN_DRONES as u64 + 2), true));
    }
}
