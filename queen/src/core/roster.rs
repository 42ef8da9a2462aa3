//! The Drones that are connected or waited for, and who of them is next for what.
//!
//! Each change of a Drone goes through [`Roster::change`], which keeps the indexes right, so that nothing has to look
//! through all Drones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, Range};
use std::time::Duration;

use wire::ids::{DroneId, TaskId};
use wire::work::Class;

use super::credit::CreditPool;
use super::drone::Drone;
use super::ledger::Ledger;
use super::meter::Spent;
use super::time::Time;
use super::timeouts::Timeouts;
use super::work::Ability;

#[derive(Debug)]
pub(super) struct Roster {
    timeouts: Timeouts,
    drones: Ledger<Entry, DroneId>,
    by_room: BTreeSet<(Room, DroneId)>,
    /// By when their silence or absence ends them.
    by_deadline: BTreeSet<(Time, DroneId)>,
    /// Compute threads of all.
    threads: u64,
    /// How many compute something in isolation, or are being emptied for it.
    isolated: usize,
    /// Compressions per second of all threads, for each class of which there was work.
    speeds: BTreeMap<Class, u128>,
}

/// For which priorities and above a Drone has room, in which pool, and how much of its capacity is taken.
type Room = (i8, CreditPool, u64);

#[derive(Debug)]
struct Entry {
    drone: Drone,
    listed: Listed,
}

/// Under what a Drone stands in the indexes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Listed {
    room: Option<Room>,
    deadline: Option<Time>,
    is_isolated: bool,
}

impl Roster {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        Self {
            timeouts,
            drones: Ledger::default(),
            by_room: BTreeSet::new(),
            by_deadline: BTreeSet::new(),
            threads: 0,
            isolated: 0,
            speeds: BTreeMap::new(),
        }
    }

    pub(super) fn get(&self, id: DroneId) -> Option<&Drone> {
        self.drones.get(id).map(|entry| &entry.drone)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (DroneId, &Drone)> {
        self.drones.iter().map(|(id, entry)| (id, &entry.drone))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &Drone> {
        self.iter().map(|(_, drone)| drone)
    }

    pub(super) fn len(&self) -> usize {
        self.drones.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.drones.is_empty()
    }

    /// Compute threads of all Drones.
    pub(super) fn threads(&self) -> u64 {
        self.threads
    }

    /// How many Drones compute something in isolation, or are being emptied for it.
    pub(super) fn isolated(&self) -> usize {
        self.isolated
    }

    /// Compressions per second of all threads, for a class that is [known](Self::add_class).
    pub(super) fn speed(&self, class: Class) -> u128 {
        self.speeds.get(&class).copied().unwrap_or_default()
    }

    /// There is work of this class.
    pub(super) fn add_class(&mut self, class: Class) {
        let drones = &self.drones;
        let speed = || drones.iter().map(|(_, entry)| entry.drone.speed(class)).sum();
        self.speeds.entry(class).or_insert_with(speed);
    }

    /// Drones with room for work of this priority, least busy first; those with nothing but a reserve come last.
    pub(super) fn with_room(&self, priority: i8) -> impl Iterator<Item = DroneId> {
        self.by_room.range(..=((priority, CreditPool::Reserve, u64::MAX), DroneId(u64::MAX))).map(|(_, id)| *id)
    }

    /// Drones that hold nothing and could.
    pub(super) fn empty(&self) -> impl Iterator<Item = DroneId> {
        self.by_room.iter().take_while(|((.., load), _)| *load == 0).map(|(_, id)| *id)
    }

    /// The Drone with room for nothing but what is more urgent than anything that others have room for.
    pub(super) fn most_urgent(&self) -> Option<&Drone> {
        self.by_room.last().and_then(|(_, id)| self.get(*id))
    }

    /// Who is ended first by silence or absence, and when.
    pub(super) fn first_deadline(&self) -> Option<(Time, DroneId)> {
        self.by_deadline.first().copied()
    }

    /// Makes sure that a Drone is there.
    pub(super) fn admit(&mut self, id: DroneId, now: Time) {
        if self.get(id).is_some() {
            return;
        }
        let drone = Drone::new(Ability::unknown(), now);
        self.threads += u64::from(drone.threads);
        self.speeds.iter_mut().for_each(|(class, speed)| *speed += drone.speed(*class));
        let listed = Listed::of(&drone, &self.timeouts);
        self.drones.insert(id, Entry { drone, listed });
        self.relist(id, Listed::default(), listed);
    }

    pub(super) fn remove(&mut self, id: DroneId) {
        let Some(Entry { drone, listed, .. }) = self.drones.remove(id) else { return };
        self.relist(id, listed, Listed::default());
        self.threads -= u64::from(drone.threads);
        self.speeds.iter_mut().for_each(|(class, speed)| *speed -= drone.speed(*class));
    }

    /// Changes a Drone, but not how fast it is.
    pub(super) fn change<T>(&mut self, id: DroneId, change: impl FnOnce(&mut Drone) -> T) -> Option<T> {
        let Entry { drone, listed } = self.drones.get_mut(id)?;
        let result = change(drone);
        let after = Listed::of(drone, &self.timeouts);
        let before = std::mem::replace(listed, after);
        self.relist(id, before, after);
        Some(result)
    }

    /// A Drone has a new connection, and may be another build of the program.
    pub(super) fn connect(&mut self, id: DroneId, ability: Ability, trusted: bool, now: Time) {
        self.admit(id, now);
        let mut speeds = std::mem::take(&mut self.speeds);
        let mut threads = self.threads;
        self.change(id, |drone| {
            threads -= u64::from(drone.threads);
            speeds.iter_mut().for_each(|(class, speed)| *speed -= drone.speed(*class));
            drone.connect(ability, trusted, now);
            speeds.iter_mut().for_each(|(class, speed)| *speed += drone.speed(*class));
            threads += u64::from(drone.threads);
        });
        (self.speeds, self.threads) = (speeds, threads);
    }

    /// Notes that a thread of a Drone computed for so long.
    pub(super) fn count_time(&mut self, id: DroneId, spent: Duration, now: Time) -> Spent {
        let entry = self.drones.get_mut(id);
        entry.map_or(Spent { all: spent, lately: spent }, |entry| entry.drone.count_time(spent, now))
    }

    /// Learns from what came back.
    pub(super) fn credit(&mut self, id: DroneId, class: Class, (items, cost): (u64, u64), spent: Spent, now: Time) {
        let Some(Entry { drone, .. }) = self.drones.get_mut(id) else { return };
        let before = drone.speed(class);
        drone.credit(class, items, cost, spent, now);
        if let Some(speed) = self.speeds.get_mut(&class) {
            *speed = *speed - before + drone.speed(class);
        }
    }

    /// Others failed on these items as well as those who did.
    pub(super) fn forgive(&mut self, task: TaskId, items: &Range<u64>) {
        self.drones.values_mut().for_each(|entry| entry.drone.forgive(task, items));
    }

    /// A Drone stands elsewhere in the indexes now.
    fn relist(&mut self, id: DroneId, before: Listed, after: Listed) {
        if before.room != after.room {
            before.room.map(|room| self.by_room.remove(&(room, id)));
            self.by_room.extend(after.room.map(|room| (room, id)));
        }
        if before.deadline != after.deadline {
            before.deadline.map(|deadline| self.by_deadline.remove(&(deadline, id)));
            self.by_deadline.extend(after.deadline.map(|deadline| (deadline, id)));
        }
        self.isolated = self.isolated - usize::from(before.is_isolated) + usize::from(after.is_isolated);
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        let listed = self.iter().map(|(id, drone)| (id, Listed::of(drone, &self.timeouts)));
        let listed: BTreeMap<_, _> = listed.collect();
        assert!(self.drones.iter().all(|(id, entry)| entry.listed == listed[&id]));
        let rooms: BTreeSet<_> = listed.iter().filter_map(|(id, listed)| Some((listed.room?, *id))).collect();
        let deadlines: BTreeSet<_> = listed.iter().filter_map(|(id, listed)| Some((listed.deadline?, *id))).collect();
        assert_eq!((&self.by_room, &self.by_deadline), (&rooms, &deadlines));
        assert_eq!(self.threads, self.values().map(|drone| u64::from(drone.threads)).sum::<u64>());
        assert_eq!(self.isolated, self.values().filter(|drone| drone.is_isolated()).count());
        for (class, speed) in &self.speeds {
            assert_eq!(*speed, self.values().map(|drone| drone.speed(*class)).sum::<u128>());
        }
        for drone in self.values() {
            for priority in [i8::MIN, -2, -1, 0, 1, 2, i8::MAX] {
                let has_room = drone.room_from().is_some_and(|(from, _)| from <= priority);
                assert_eq!(has_room, drone.opening(priority).is_some(), "at {priority}");
            }
        }
    }
}

impl Index<DroneId> for Roster {
    type Output = Drone;

    fn index(&self, id: DroneId) -> &Drone {
        &self.drones[id].drone
    }
}

impl Listed {
    fn of(drone: &Drone, timeouts: &Timeouts) -> Self {
        Self {
            room: drone.room_from().map(|(priority, pool)| (priority, pool, drone.load())),
            deadline: Some(drone.deadline(timeouts)),
            is_isolated: drone.is_isolated(),
        }
    }
}
