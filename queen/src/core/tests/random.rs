//! Random events: nothing is lost, and the same events give the same effects.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Submit { priority: i8, segments: Vec<u64>, batch: bool, twice: bool },
    Join { threads: u16 },
    Gone(usize),
    Lost(usize),
    ComeBack(usize),
    Quarantine(usize),
    Pardon(usize),
    Pause(usize),
    Resume(usize),
    SetPriority { task: usize, priority: i8 },
    Revoke { task: usize, start: u64, length: u64 },
    Leaving(usize),
    Output { lease: usize, items: u64 },
    Seconds { agree: bool },
    Failed(usize),
    HandBack(usize),
    Excuse(usize),
    Heartbeat { drone: usize, forget: usize },
    Cancel(usize),
    Detach { task: usize, index: u64 },
    Finish { task: usize, from: u64 },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let segments = prop::collection::vec(prop_oneof![1..10_u64, 1..3_000_000_u64], 1..5);
    prop_oneof![
        3 => (-2..=2_i8, segments, any::<bool>(), any::<bool>())
            .prop_map(|(priority, segments, batch, twice)| Step::Submit { priority, segments, batch, twice }),
        2 => (1..4_u16).prop_map(|threads| Step::Join { threads }),
        1 => any::<usize>().prop_map(Step::Gone),
        3 => any::<usize>().prop_map(Step::Lost),
        3 => any::<usize>().prop_map(Step::ComeBack),
        1 => any::<usize>().prop_map(Step::Quarantine),
        2 => any::<usize>().prop_map(Step::Pardon),
        1 => any::<usize>().prop_map(Step::Pause),
        2 => any::<usize>().prop_map(Step::Resume),
        1 => (any::<usize>(), -2..=2_i8).prop_map(|(task, priority)| Step::SetPriority { task, priority }),
        2 => (any::<usize>(), 0..1_000_000_u64, 1..1_000_000_u64)
            .prop_map(|(task, start, length)| Step::Revoke { task, start, length }),
        1 => any::<usize>().prop_map(Step::Leaving),
        20 => (any::<usize>(), prop_oneof![1..100_u64, Just(u64::MAX)])
            .prop_map(|(lease, items)| Step::Output { lease, items }),
        2 => any::<bool>().prop_map(|agree| Step::Seconds { agree }),
        1 => any::<usize>().prop_map(Step::Failed),
        1 => any::<usize>().prop_map(Step::HandBack),
        1 => any::<usize>().prop_map(Step::Excuse),
        3 => (any::<usize>(), 0..3_usize).prop_map(|(drone, forget)| Step::Heartbeat { drone, forget }),
        1 => any::<usize>().prop_map(Step::Cancel),
        2 => (any::<usize>(), prop_oneof![0..20_u64, 0..1_000_000_u64])
            .prop_map(|(task, index)| Step::Detach { task, index }),
        1 => (any::<usize>(), prop_oneof![0..20_u64, 0..1_000_000_u64])
            .prop_map(|(task, from)| Step::Finish { task, from }),
        2 => (1..8_000_u64).prop_map(Step::Wait),
    ]
}

impl World {
    fn pick_drone(&self, seed: usize) -> Option<DroneId> {
        self.core.drones.iter().nth(seed % self.core.drones.len().max(1)).map(|(id, _)| id)
    }

    fn pick_lease(&self, seed: usize) -> Option<Grant> {
        self.held.values().nth(seed % self.held.len().max(1)).cloned()
    }

    fn pick_task(&self, seed: usize) -> TaskId {
        TaskId(seed as u64 % self.tasks.max(1) + 1)
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Submit { priority, segments, batch, twice } => {
                // Of some, two are more than a Drone keeps.
                let material = if segments.len() % 2 == 0 { KEEPS as u32 / 3 * 2 } else { 0 };
                drop(self.submit_work(TaskWork { batch, twice, material, ..work(priority, &segments) }));
            }
            Step::Seconds { agree } => self.compute_seconds(agree),
            Step::Join { threads } => drop(self.join(threads)),
            Step::Gone(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.held.retain(|_, grant| grant.drone != drone);
                    self.offered.remove(&drone);
                    self.handle(Event::Gone { drone });
                }
            }
            Step::Lost(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.leave(drone);
                    self.handle(Event::Disconnected { drone });
                }
            }
            Step::ComeBack(seed) => {
                if let Some(drone) = self.offered.keys().nth(seed % self.offered.len().max(1)).copied() {
                    self.come_back(drone);
                }
            }
            Step::Quarantine(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Quarantine { drone });
                }
            }
            Step::Pardon(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Pardon { drone });
                }
            }
            Step::Pause(seed) => drop(self.handle(Event::Pause { task: self.pick_task(seed) })),
            Step::Resume(seed) => drop(self.handle(Event::Resume { task: self.pick_task(seed) })),
            Step::SetPriority { task, priority } => {
                self.handle(Event::SetPriority { task: self.pick_task(task), priority });
            }
            Step::Revoke { task, start, length } => {
                let task = self.pick_task(task);
                // What is cut off is not wanted again.
                let cut = self.core.tasks.get(task).and_then(|task| task.cut_from()).unwrap_or(u64::MAX);
                let range = start..(start + length).min(cut).max(start);
                if let Some(credited) = self.credited.get_mut(&task) {
                    while credited.take_within(&range).is_some() {}
                }
                self.handle(Event::Revoke { task, range });
            }
            Step::Leaving(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Leaving { drone });
                }
            }
            Step::Output { lease, items } => {
                if let Some(grant) = self.pick_lease(lease) {
                    self.output(grant.lease, items);
                }
            }
            Step::Failed(seed) => {
                if let Some(grant) = self.pick_lease(seed) {
                    self.held.remove(&grant.lease);
                    self.handle(Event::Failed { drone: grant.drone, lease: grant.lease, reason: "random".into() });
                }
            }
            Step::HandBack(seed) => {
                if let Some(grant) = self.pick_lease(seed) {
                    self.held.remove(&grant.lease);
                    self.handle(Event::HandBack { drone: grant.drone, leases: vec![grant.lease] });
                }
            }
            Step::Excuse(seed) => {
                if let Some(drone) = self.pick_drone(seed) {
                    self.handle(Event::Excuse { drone, was_heard: false });
                }
            }
            Step::Heartbeat { drone, forget } => {
                if let Some(drone) = self.pick_drone(drone) {
                    self.heartbeat_of(drone, forget);
                }
            }
            Step::Cancel(seed) => {
                self.handle(Event::Cancel { task: self.pick_task(seed) });
            }
            Step::Detach { task, index } => {
                let task = self.pick_task(task);
                // Those that are cut off are nobody's.
                if self.core.tasks.get(task).is_none_or(|task| task.cut_from().is_none()) {
                    self.detach(task, index);
                }
            }
            Step::Finish { task, from } => {
                self.handle(Event::Finish { task: self.pick_task(task), from });
            }
            Step::Wait(ms) => {
                self.now += Duration::from_millis(ms);
                self.handle(Event::Tick);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_task_ends_right(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new();
        for step in steps {
            world.step(step);
        }
        // What went wrong is over: Drones stay, nothing is paused, and time passes.
        (1..=world.tasks).for_each(|task| drop(world.handle(Event::Resume { task: TaskId(task) })));
        world.offered.keys().copied().collect::<Vec<_>>().into_iter().for_each(|drone| drop(world.come_back(drone)));
        world.join(2);
        world.join(2);
        for _ in 0..4 {
            world.run();
            world.now += SILENCE;
            (1..=world.drones).for_each(|drone| drop(world.heartbeat(DroneId(drone))));
            world.handle(Event::Tick);
        }
        world.run();
        assert_eq!(world.ended.len() as u64, world.tasks, "every task ends once a Drone stays");
        assert!(world.held.is_empty() && world.core.leases.is_empty() && world.recorded.is_empty());
        let totals = world.core.totals(world.now);
        assert_eq!(totals.items_queued, 0);
    }

    #[test]
    fn the_same_events_give_the_same_effects(steps in prop::collection::vec(step(), 1..60)) {
        let trace = || {
            let mut world = World::new();
            steps.iter().cloned().for_each(|step| world.step(step));
            format!("{:?} {:?}", world.held, world.core)
        };
        assert_eq!(trace(), trace());
    }
}
