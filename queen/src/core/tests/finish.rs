//! Tasks of which a part is enough.

use super::*;

#[test]
fn nothing_more_of_a_task_is_wanted() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (task, grants) = world.submit(0, &[10_000_000]);
    let first = grants[0].clone();
    world.output(first.lease, 100);
    let next = world.submit(0, &[10]).0;
    world.handle(Event::Finish { task, from: 0 });
    assert_eq!(world.ended.get(&task), Some(&Outcome::Done));
    assert!(world.held.values().all(|grant| grant.task == next && grant.drone == drone));
    assert_eq!(world.core.totals(world.now).items_queued, 10);
}

#[test]
fn what_lies_before_is_still_computed_and_nothing_else() {
    let mut world = World::new();
    world.join(2);
    let (task, grants) = world.submit(0, &[1_000_000, 1_000_000]);
    let last = grants.iter().max_by_key(|grant| grant.range.start).unwrap().clone();
    let from = last.range.start + 10;
    world.handle(Event::Finish { task, from });
    assert!(world.held.values().all(|grant| grant.range.end <= from));
    world.run();
    assert_eq!(world.ended.get(&task), Some(&Outcome::Done));
    assert_eq!(world.core.totals(world.now).items_done, from, "what was cut off is not done");
}

#[test]
fn it_is_cut_twice_and_what_is_revoked_behind_the_cut_stays() {
    let mut world = World::new();
    world.join(1);
    let (task, _) = world.submit(0, &[3_000_000]);
    world.handle(Event::Finish { task, from: 2_000_000 });
    world.handle(Event::Finish { task, from: 1_000 });
    world.handle(Event::Finish { task, from: 2_000 });
    let lease = *world.held.keys().next().unwrap();
    world.output(lease, 500);
    world.credited.get_mut(&task).unwrap().take_within(&(0..500));
    world.handle(Event::Revoke { task, range: 0..3_000_000 });
    world.run();
    assert_eq!(world.ended.get(&task), Some(&Outcome::Done));
    assert_eq!(world.core.totals(world.now).items_done, 1_500);
}

#[test]
fn both_of_twins_are_cut_and_what_failed_is_not_tried_again() {
    let mut world = World::new();
    let (first, grants) = {
        world.submit(0, &[2_000]);
        world.join(1)
    };
    let lease = grants[0].lease;
    world.handle(Event::Failed { drone: first, lease, reason: "once".into() });
    world.held.remove(&lease);
    let (second, _) = world.join(1);
    let task = TaskId(1);
    world.handle(Event::Finish { task, from: 1_000 });
    assert!(world.held.values().all(|grant| grant.range.end <= 1_000 && grant.drone == second), "{:?}", world.held);
    world.run();
    assert_eq!(world.ended.get(&task), Some(&Outcome::Done));
    assert_eq!(world.core.totals(world.now).items_done, 1_000);
}
