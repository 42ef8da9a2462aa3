//! Drones that leave, fall silent, or forget what they hold.

use super::*;

#[test]
fn what_a_lost_drone_held_is_done_by_others() {
    let mut world = World::new();
    let (lost, _) = world.join(1);
    let (task, grants) = world.submit(0, &[1_000_000]);
    world.output(grants[0].lease, 10);
    world.held.clear();
    world.join(1);
    world.handle(Event::Gone { drone: lost });
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn a_silent_drone_is_lost_when_its_time_is_over() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    world.submit(0, &[100]);
    world.now = SILENCE / 2;
    world.handle(Event::Tick);
    assert_eq!(world.core.next_deadline(), Some(SILENCE));
    world.heartbeat(drone);
    world.now = SILENCE;
    world.handle(Event::Tick);
    assert_eq!(world.disconnected, []);
    world.now = SILENCE + SILENCE / 2;
    world.handle(Event::Tick);
    assert_eq!(world.disconnected, [drone]);
    assert_eq!(world.core.next_deadline(), None);
}

#[test]
fn a_lease_that_a_drone_forgot_is_leased_anew() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (_, grants) = world.submit(0, &[1]);
    world.heartbeat(drone);
    for _ in 0..3 {
        world.now += SILENCE / 2;
        world.heartbeat_of(drone, 1);
    }
    assert!(!world.held.contains_key(&grants[0].lease));
    assert_eq!(world.held.len(), 1);
}

#[test]
fn a_leaving_drone_gets_nothing_new() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    world.handle(Event::Leaving { drone });
    assert_eq!(world.submit(0, &[1]).1, []);
    assert_eq!(world.join(1).1.len(), 1);
}

#[test]
fn a_drone_that_was_not_listened_to_is_not_silent() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (_, grants) = world.submit(0, &[100]);
    for _ in 0..3 {
        world.now += SILENCE / 2;
        world.handle(Event::Excuse { drone, was_heard: false });
        world.handle(Event::Tick);
    }
    assert_eq!(world.disconnected, []);
    world.heartbeat_of(drone, 1);
    assert!(world.held.contains_key(&grants[0].lease));
}

#[test]
fn what_was_computed_before_it_connected_says_nothing_about_its_rate() {
    let mut world = World::new();
    world.submit(0, &[10_000]);
    let (drone, grants) = world.join(2);
    let Grant { lease, range, .. } = grants[0].clone();
    world.now += Duration::from_secs(1);
    let range = range.start..range.start + 100;
    world.held.get_mut(&lease).unwrap().range.start = range.end;
    world.handle(Event::Output { drone, lease, range, spent: Duration::from_secs(10) });
    // Its two threads had two of these ten seconds.
    assert_eq!(world.core.drones[drone].rates(world.now).0, 20.0);
    assert_eq!(world.core.totals(world.now).items_done, 100, "it counts for all else");
}

#[test]
fn a_range_that_nobody_has_goes_to_whom_brings_it() {
    let mut world = World::new();
    let (wanted, _) = world.submit(0, &[1000]);
    let (paused, _) = world.submit(0, &[1000]);
    world.handle(Event::Pause { task: paused });
    let offers = vec![(wanted, 400..500), (paused, 400..500), (TaskId(99), 0..1)];
    let event = Event::Join { drone: DroneId(9), ability: able(1), trusted: true, offers };
    let mut effects = Vec::new();
    world.core.handle(event, world.now, &mut effects);
    let adopted = effects.iter().find_map(|effect| match effect {
        Effect::Adopted { leases, .. } => Some(leases.iter().map(|lease| Some(lease.as_ref()?.1.clone())).collect()),
        _ => None,
    });
    assert_eq!(adopted, Some(vec![Some(400..500), None, None]));
}

#[test]
fn whether_another_one_can_be_given_some_of_a_task_is_known() {
    let mut world = World::new();
    let (task, _) = world.submit(0, &[1000]);
    let (one, _) = world.join(1);
    assert_eq!(world.core.has_other_for(task, one), Some(false));
    let (other, _) = world.join(1);
    assert_eq!(world.core.has_other_for(task, one), Some(true));
    assert_eq!(world.core.has_other_for(task, other), Some(true));
    assert_eq!(world.core.has_other_for(TaskId(99), one), None);
}
