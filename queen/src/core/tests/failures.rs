//! Drones that cannot compute what they are given, and who is to blame.

use super::*;

impl World {
    /// A Drone fails on a lease, of which it holds nothing more.
    fn fail(&mut self, lease: LeaseId) -> Vec<Grant> {
        let grant = self.held.remove(&lease).unwrap();
        self.handle(Event::Failed { drone: grant.drone, lease, reason: "smoke".into() })
    }

    /// The only lease that is held.
    fn only(&self) -> Grant {
        assert_eq!(self.held.len(), 1, "{:?}", self.held);
        self.held.values().next().unwrap().clone()
    }
}

#[test]
fn a_task_fails_that_two_drones_cannot_compute() {
    let mut world = World::new();
    let drones = [world.join(1).0, world.join(1).0];
    for number in 0..10 {
        let (task, _) = world.submit(0, &[1]);
        let first = world.only();
        let [second] = &world.fail(first.lease)[..] else { panic!("the other one tries") };
        assert_ne!(second.drone, first.drone);
        world.fail(second.lease);
        let blame = Blame::Failures { drones: vec![first.drone, second.drone], reason: "smoke".into() };
        assert_eq!(world.ended[&task], Outcome::Failed(blame), "number {number}");
    }
    assert!(world.quarantined.is_empty(), "that is no fault of {drones:?}");
}

#[test]
fn a_task_fails_after_three_attempts_of_the_only_drone_that_are_apart() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (task, _) = world.submit(0, &[1]);
    for attempt in 1..=ATTEMPTS_OF_ONLY_DRONE {
        let grants = world.fail(world.only().lease);
        assert_eq!(grants, [], "not at once after attempt {attempt}");
        if attempt == ATTEMPTS_OF_ONLY_DRONE {
            break;
        }
        assert_eq!(world.core.waiting(task), Some(Waiting::Again));
        for second in 1..=30 {
            assert!(world.held.is_empty(), "not after {second} seconds");
            world.now += Duration::from_secs(1);
            world.heartbeat(drone);
        }
    }
    let blame = Blame::Failures { drones: vec![drone; ATTEMPTS_OF_ONLY_DRONE], reason: "smoke".into() };
    assert_eq!(world.ended[&task], Outcome::Failed(blame));
    assert!(world.quarantined.is_empty());
}

#[test]
fn a_drone_that_fails_everything_fails_no_task() {
    for batch in [false, true] {
        let mut world = World::new();
        let (bad, _) = world.join(4);
        let tasks: Vec<_> = match batch {
            false => (0..5).map(|_| world.submit(0, &[1]).0).collect(),
            true => vec![world.submit_work(TaskWork { batch, ..work(0, &[1000]) }).0],
        };
        while let Some(lease) = world.held.keys().next().copied() {
            world.fail(lease);
        }
        assert!(world.quarantined.contains(&bad), "it failed on three");
        assert!(world.ended.is_empty() && world.failed.is_empty(), "{:?}", world.ended);
        assert!(tasks.iter().all(|task| world.core.waiting(*task) == Some(Waiting::AllQuarantined)));

        let (good, grants) = world.join(1);
        assert!(!grants.is_empty() && grants.iter().all(|grant| grant.drone == good), "{grants:?}");
        // What the bad one said counts for nothing: two attempts are needed as ever.
        world.fail(grants[0].lease);
        assert!(world.ended.is_empty() && world.failed.is_empty());
        let (_, grants) = world.join(1);
        // A part of a batch that failed may be tried in parts by the same one.
        assert!(batch || grants.iter().any(|grant| grant.range.start == 0), "{grants:?}");
        world.run();
        assert!(tasks.iter().all(|task| world.ended[task] == Outcome::Done), "{:?}", world.ended);
        assert!(!world.quarantined.contains(&good));
    }
}

#[test]
fn failures_at_parts_of_what_failed_count_once() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (task, _) = world.submit_work(TaskWork { batch: true, ..work(0, &[1_000]) });
    let poison = 777;
    while world.failed.is_empty() {
        match world.held.values().next().cloned() {
            Some(grant) if grant.range.contains(&poison) => drop(world.fail(grant.lease)),
            Some(grant) => drop(world.output(grant.lease, u64::MAX)),
            None => {
                world.now += Duration::from_secs(1);
                world.heartbeat(drone);
            }
        }
    }
    let [(of, index, Blame::Failures { drones, .. })] = &world.failed[..] else { panic!("{:?}", world.failed) };
    assert_eq!((*of, *index, &drones[..]), (task, poison, &[drone; 3][..]));
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
    assert!(world.quarantined.is_empty());
}
