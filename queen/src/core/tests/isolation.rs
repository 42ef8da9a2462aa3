//! Ranges that may be what ends Drones.

use super::*;

impl World {
    /// A Drone is lost with what it holds, and does not come back in time.
    fn dies(&mut self, drone: DroneId) {
        self.leave(drone);
        self.handle(Event::Disconnected { drone });
        self.now += Timeouts::default().grace;
        // The others have said meanwhile that they live.
        for other in (1..=self.drones).map(DroneId).filter(|other| *other != drone) {
            self.heartbeat(other);
        }
        self.handle(Event::Tick);
        self.offered.remove(&drone);
    }

    /// A task of one item at which two Drones were lost.
    fn submit_suspicious(&mut self) -> TaskId {
        let (task, _) = self.submit(0, &[1]);
        for _ in 0..2 {
            let (drone, grants) = self.join(1);
            assert_eq!(grants.len(), 1);
            self.dies(drone);
        }
        assert_eq!(self.core.waiting(task), Some(Waiting::NoDrones));
        task
    }
}

#[test]
fn what_may_end_drones_has_no_twin_while_its_drone_is_away() {
    let mut world = World::new();
    let task = world.submit_suspicious();
    let (drone, grants) = world.join(1);
    assert!(matches!(&grants[..], [grant] if grant.task == task), "{grants:?}");
    let (other, grants) = world.join(1);
    assert_eq!(grants, [], "Drone {other} has nothing to do, and must not do this");
    world.leave(drone);
    assert_eq!(world.handle(Event::Disconnected { drone }), [], "nor while it is kept for who is away");
    world.now += Timeouts::default().grace;
    world.heartbeat(other);
    let grants = world.handle(Event::Tick);
    assert!(matches!(&grants[..], [grant] if grant.drone == other), "{grants:?}");
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn a_drone_is_emptied_for_what_may_end_it() {
    let mut world = World::new();
    let task = world.submit_suspicious();
    // Something more urgent keeps the next Drone busy.
    let (urgent, _) = world.submit(1, &[100]);
    let (_, grants) = world.join(1);
    assert!(grants.iter().all(|grant| grant.task == task) && grants.len() == 1, "it is empty at once: {grants:?}");
    assert!(world.held.values().all(|grant| grant.task != urgent));
    let suspicious = grants[0].lease;
    let grants = world.output(suspicious, 1);
    assert!(grants.iter().all(|grant| grant.task == urgent) && !grants.is_empty(), "then it goes on with the rest");
    world.run();
    assert_eq!((&world.ended[&task], &world.ended[&urgent]), (&Outcome::Done, &Outcome::Done));
}

#[test]
fn whose_twin_is_lost_goes_on_beside_other_work() {
    let mut world = World::new();
    let (slow, _) = world.join(1);
    let (task, grants) = world.submit(0, &[1]);
    // It is overdue, and an idle Drone computes the same.
    world.now += Duration::from_secs(5);
    world.heartbeat(slow);
    let (fast, twins) = world.join(1);
    assert!(matches!(&twins[..], [twin] if twin.range == grants[0].range), "{twins:?}");
    world.dies(fast);
    // What is left has no twin, so that the next idle Drone may be one.
    let (_, twins) = world.join(1);
    assert!(matches!(&twins[..], [twin] if twin.range == grants[0].range), "{twins:?}");
    world.output(grants[0].lease, 1);
    assert_eq!(world.ended[&task], Outcome::Done);
    assert!(world.held.is_empty(), "who is second has nothing left to do");
}

#[test]
fn a_paused_range_that_is_to_be_isolated_keeps_no_other_waiting() {
    let mut world = World::new();
    let dies_twice = |world: &mut World| {
        let (task, _) = world.submit(0, &[1]);
        for _ in 0..2 {
            let (drone, grants) = world.join(1);
            assert_eq!(grants.len(), 1);
            world.leave(drone);
            world.handle(Event::Disconnected { drone });
            world.now += Timeouts::default().grace;
            world.handle(Event::Tick);
        }
        task
    };
    let paused = dies_twice(&mut world);
    world.handle(Event::Pause { task: paused });
    let other = dies_twice(&mut world);
    world.join(1);
    world.run();
    assert!(world.ended.contains_key(&other) && !world.ended.contains_key(&paused));
}

#[test]
fn who_was_emptied_for_a_task_that_ends_goes_on_at_once() {
    let events = [|task| Event::Cancel { task }, |task| Event::Pause { task }];
    for event in events {
        let mut world = World::new();
        let task = world.submit_suspicious();
        world.handle(Event::Pause { task });
        world.join(1);
        let (long, grants) = world.submit(0, &[10_000_000]);
        world.handle(Event::Resume { task });
        assert_eq!(world.output(grants[0].lease, u64::MAX), [], "it is being emptied");
        let grants = world.handle(event(task));
        assert!(!grants.is_empty() && grants.iter().all(|grant| grant.task == long), "{grants:?}");
    }
}
