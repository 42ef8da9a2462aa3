//! Tasks whose items are tasks of their own.

use super::*;

#[test]
fn an_item_of_a_batch_fails_alone() {
    let mut world = World::new();
    let drones = [world.join(1).0, world.join(1).0];
    let (task, _) = world.submit_work(TaskWork { batch: true, ..work(0, &[1_000]) });
    let poison = 777;
    while world.failed.is_empty() {
        let (lease, grant) = world.held.pop_first().unwrap();
        match grant.range.contains(&poison) {
            true => drop(world.handle(Event::Failed { drone: grant.drone, lease, reason: "smoke".into() })),
            false => {
                world.held.insert(lease, grant);
                world.output(lease, u64::MAX);
            }
        }
    }
    let [(of, index, Blame::Failures { drones: tried, .. })] = &world.failed[..] else { panic!("{:?}", world.failed) };
    assert_eq!((*of, *index), (task, poison));
    assert!(tried.len() == 2 && drones.iter().all(|drone| tried.contains(drone)), "{tried:?}");
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
    assert!(world.quarantined.is_empty());
}

#[test]
fn an_item_of_a_batch_ends_drones_alone() {
    let mut world = World::new();
    let (task, _) = world.submit_work(TaskWork { batch: true, ..work(0, &[1_000]) });
    let (poison, mut dead) = (5, 0);
    while world.failed.is_empty() {
        let (drone, _) = world.join(1);
        while let Some(next) = world.held.values().min_by_key(|grant| (grant.rank, grant.lease)).cloned() {
            if next.range.contains(&poison) {
                dead += 1;
                world.leave(drone);
                world.handle(Event::Disconnected { drone });
                world.now += Timeouts::default().grace;
                world.handle(Event::Tick);
                break;
            }
            world.output(next.lease, u64::MAX);
        }
        assert!(dead < 20, "blame narrows");
    }
    assert!(matches!(world.failed[..], [(of, 5, Blame::Deaths { .. })] if of == task), "{:?}", world.failed);
    world.join(1);
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn a_detached_item_is_not_computed() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (task, grants) = world.submit_work(TaskWork { batch: true, ..work(0, &[10, 20]) });
    assert_eq!(grants.len(), 2);
    for index in [0, 5, 29, 29] {
        world.detach(task, index);
    }
    assert!(world.held.values().all(|grant| [0, 5, 29].iter().all(|index| !grant.range.contains(index))));
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
    assert_eq!(world.core.standing(drone).unwrap().leases, 0);
}
