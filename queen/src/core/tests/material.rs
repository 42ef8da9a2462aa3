//! What leases have in common is sent once, to Drones that keep as much.

use super::*;

/// A task with so many bytes of material.
fn task(world: &mut World, material: u64, segments: &[u64]) -> (TaskId, Vec<Grant>) {
    world.submit_work(TaskWork { material: material as u32, ..work(0, segments) })
}

/// What of the tasks' material is needed by what is held.
fn needed(world: &World, of: &BTreeMap<TaskId, u64>) -> u64 {
    let tasks: BTreeSet<TaskId> = world.held.values().map(|grant| grant.task).collect();
    tasks.iter().map(|task| of[task]).sum()
}

#[test]
fn what_needs_more_than_a_drone_keeps_waits_for_one_that_keeps_as_much() {
    let mut world = World::new();
    world.join(1);
    let (large, grants) = task(&mut world, KEEPS + 1, &[10]);
    assert_eq!(grants, []);
    assert_eq!(world.core.waiting(large), Some(Waiting::Material));
    assert_eq!(task(&mut world, KEEPS, &[10]).1.len(), 1, "it keeps so much");
    let ability = Ability { material: KEEPS + 1, ..able(1) };
    let grants = world.handle(Event::Join { drone: DroneId(9), ability, trusted: true, offers: Vec::new() });
    assert!(grants.iter().any(|grant| grant.task == large && grant.drone == DroneId(9)));
    assert_eq!(world.core.waiting(large), None);
}

#[test]
fn an_idle_drone_takes_over_nothing_that_needs_more_than_it_keeps() {
    let mut world = World::new();
    let ability = Ability { material: 2 * KEEPS, ..able(1) };
    world.handle(Event::Join { drone: DroneId(9), ability, trusted: true, offers: Vec::new() });
    task(&mut world, 2 * KEEPS, &[1_000_000]);
    let (_, grants) = world.join(1);
    assert_eq!(grants, []);
    world.run();
    assert_eq!(world.ended.len(), 1);
}

#[test]
fn leases_of_one_task_need_its_material_once() {
    let mut world = World::new();
    world.join(4);
    let (_, grants) = task(&mut world, KEEPS, &[10_000_000]);
    assert!(grants.len() > 4, "{grants:?}");
}

#[test]
fn tasks_whose_material_does_not_fit_together_take_turns_and_words_do_not_wait() {
    let mut world = World::new();
    let (drone, _) = world.join(4);
    let material = KEEPS / 10 * 9;
    let tasks: Vec<_> = (0..4).map(|_| task(&mut world, material, &[3_000_000]).0).collect();
    let of = tasks.iter().map(|task| (*task, material)).collect::<BTreeMap<_, _>>();
    let mut last = BTreeMap::new();
    for step in 0.. {
        let needed = needed(&world, &of);
        assert!(needed <= 2 * KEEPS, "{needed} bytes in step {step}");
        let Some(next) = world.held.values().min_by_key(|grant| (grant.rank, grant.lease)).cloned() else { break };
        last.insert(next.task, step);
        world.now += Duration::from_micros(next.range.end - next.range.start);
        world.output(next.lease, u64::MAX);
        world.heartbeat(drone);
    }
    assert_eq!(world.ended.len(), 4);
    let (first, end) = (last.values().min().unwrap(), last.values().max().unwrap());
    assert!(2 * first > *end, "none was left behind by the others: {last:?}");

    (0..3).for_each(|_| drop(task(&mut world, material, &[3_000_000])));
    let (word, grants) = world.submit(0, &[1]);
    assert!(grants.iter().any(|grant| grant.task == word));
}

#[test]
fn what_a_drone_brings_back_counts_whatever_it_keeps() {
    let mut world = World::new();
    let (drone, _) = world.join(4);
    let (_, grants) = task(&mut world, KEEPS, &[10_000_000]);
    grants.iter().for_each(|grant| drop(world.output(grant.lease, 1)));
    world.leave(drone);
    world.handle(Event::Disconnected { drone });
    let offers = world.offered[&drone].iter().map(|grant| (grant.task, grant.range.clone())).collect();
    let ability = Ability { material: 10, ..able(4) };
    world.handle(Event::Join { drone, ability, trusted: true, offers });
    assert!(!world.held.is_empty(), "it goes on with what it has");
    let held = world.held.len();
    world.heartbeat(drone);
    assert_eq!(world.held.len(), held, "and gets nothing more of it");
}
