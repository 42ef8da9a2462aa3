//! How leases end.

use super::*;

/// How leases of a task ended, in order, and up to where each was output.
fn ends(world: &World, task: TaskId) -> Vec<(LeaseEnd, Range<u64>, u64)> {
    let own = world.over.iter().filter(|(_, lease)| lease.task == task);
    own.map(|(_, lease)| (lease.state, lease.range.clone(), lease.reached)).collect()
}

#[test]
fn each_end_is_told_as_what_it_is() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let give = |world: &mut World| {
        let (task, grants) = world.submit(0, &[10]);
        let [grant] = &grants[..] else { panic!("{grants:?}") };
        (task, grant.clone())
    };
    let (done, grant) = give(&mut world);
    world.now += Duration::from_secs(1);
    world.output(grant.lease, 4);
    world.output(grant.lease, 6);
    assert_eq!(ends(&world, done), [(LeaseEnd::Done, 0..10, 10)]);
    let (of, lease) = world.over[0].clone();
    assert_eq!((of, lease.granted, lease.spent), (drone, Time::ZERO, Duration::from_micros(10)));

    let (cancelled, grant) = give(&mut world);
    world.output(grant.lease, 3);
    world.handle(Event::Cancel { task: cancelled });
    assert_eq!(ends(&world, cancelled), [(LeaseEnd::Withdrawn, 0..10, 3)]);

    let (returned, grant) = give(&mut world);
    world.held.remove(&grant.lease);
    let again = world.handle(Event::HandBack { drone, leases: vec![grant.lease] });
    assert_eq!(ends(&world, returned), [(LeaseEnd::Returned, 0..10, 0)]);
    let [again] = &again[..] else { panic!("it is given out again") };
    world.held.remove(&again.lease);
    world.handle(Event::Failed { drone, lease: again.lease, reason: "smoke".into() });
    assert_eq!(ends(&world, returned)[1..], [(LeaseEnd::Failed, 0..10, 0)]);
    world.handle(Event::Cancel { task: returned });

    let (lost, _) = give(&mut world);
    world.handle(Event::Gone { drone });
    assert_eq!(ends(&world, lost), [(LeaseEnd::Expired, 0..10, 0)]);
}

#[test]
fn what_others_take_over_does_not_count() {
    let mut world = World::new();
    world.join(1);
    let (task, _) = world.submit(0, &[1_000_000]);
    world.join(1);
    world.run();
    let ends = ends(&world, task);
    assert!(ends.iter().all(|(end, ..)| [LeaseEnd::Done, LeaseEnd::Withdrawn].contains(end)), "{ends:?}");
    let done: u64 = ends.iter().map(|(_, range, reached)| reached - range.start).sum();
    assert_eq!(done, 1_000_000, "{ends:?}");
    let whole = ends.iter().filter(|(end, range, reached)| *end == LeaseEnd::Done && range.end == *reached).count();
    assert_eq!(whole, ends.iter().filter(|(end, ..)| *end == LeaseEnd::Done).count());
}
