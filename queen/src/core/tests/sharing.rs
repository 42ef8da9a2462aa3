//! Which task is next, and how much of it a Drone gets.

use super::*;

#[test]
fn one_word_goes_to_the_drone_that_comes() {
    let mut world = World::new();
    let (task, grants) = world.submit(0, &[1]);
    assert_eq!(grants, []);
    let (drone, grants) = world.join(1);
    let [grant] = &grants[..] else { panic!("one lease, not {grants:?}") };
    assert_eq!((grant.drone, grant.task, grant.range.clone()), (drone, task, 0..1));
    world.output(grant.lease, 1);
    assert_eq!(world.ended[&task], Outcome::Done);
    assert_eq!(world.core.totals(world.now).items_done, 1);
}

#[test]
fn chunks_stay_within_segments_and_credit() {
    let mut world = World::new();
    world.join(2);
    let (_, grants) = world.submit(0, &[300_000, 700_000, 5_000_000]);
    assert!(grants.iter().any(|grant| grant.range.end == 300_000));
    assert!(grants.iter().all(|grant| grant.range.end <= 300_000 || grant.range.start >= 300_000));
    assert!(grants.iter().all(|grant| grant.range.end - grant.range.start <= RATE / 5));
    let ahead: u64 = grants.iter().map(|grant| grant.range.end - grant.range.start).sum();
    assert!((RATE..=2 * RATE).contains(&ahead), "half a second to a second for each thread, not {ahead}");
}

#[test]
fn short_chunks_with_long_inputs_do_not_pass_what_a_drone_accepts() {
    let mut world = World::new();
    world.join(1);
    world.submit(0, &[10_000_000]);
    for task in 2..100 {
        let heavy = Segment { items: 1, cost: 1, bytes: 4 << 20 };
        let work = TaskWork { segments: [heavy].into(), ..work(0, &[1]) };
        world.tasks += 1;
        world.handle(Event::Submit { task: TaskId(task), work });
    }
    let heavy = world.held.values().filter(|grant| grant.task != TaskId(1)).count();
    assert!((5..=12).contains(&heavy), "{heavy} times 4 MiB");
    world.run();
    assert_eq!(world.ended.len(), 99);
}

#[test]
fn a_word_overtakes_a_large_task() {
    let mut world = World::new();
    world.join(1);
    let (large, leased) = world.submit(0, &[10_000_000]);
    let (word, grants) = world.submit(0, &[1]);
    let [grant] = &grants[..] else { panic!("the word is leased at once") };
    assert!(leased.iter().all(|other| grant.rank < other.rank), "and is first on the Drone");
    let order = world.run();
    assert_eq!(order[0], word);
    assert_eq!(world.ended[&large], Outcome::Done);
}

#[test]
fn a_word_is_first_even_where_time_has_stood_still() {
    let mut world = World::new();
    let (slow, _) = world.join(1);
    let (_, held) = world.submit(0, &[50_000_000]);
    let (fast, _) = world.join(1);
    for _ in 0..50 {
        let next = world.held.values().find(|grant| grant.drone == fast).unwrap().lease;
        world.output(next, u64::MAX);
    }
    // Only the slow one is there for the word.
    world.handle(Event::Leaving { drone: fast });
    let (_, grants) = world.submit(0, &[1]);
    assert_eq!(grants[0].drone, slow);
    assert!(held.iter().all(|grant| grants[0].rank <= grant.rank), "{grants:?} {held:?}");
}

#[test]
fn a_part_of_a_lease_moves_time_by_that_part() {
    let mut world = World::new();
    world.join(1);
    let (_, held) = world.submit(0, &[10_000_000]);
    world.output(held[0].lease, 10);
    let (_, grants) = world.submit(0, &[200_000]);
    assert_eq!(grants[0].rank, 10 + (grants[0].range.end - grants[0].range.start));
    assert!(grants[0].rank < held[0].rank);
}

#[test]
fn what_is_less_urgent_waits_while_there_is_more_urgent_work() {
    let mut world = World::new();
    world.join(1);
    let (urgent, _) = world.submit(1, &[10_000_000]);
    let (word, grants) = world.submit(0, &[1]);
    assert_eq!(grants, []);
    let order = world.run();
    assert_eq!(order.last(), Some(&word));
    assert!(world.ended.contains_key(&urgent));
}

#[test]
fn equals_share_and_priority_goes_first() {
    let mut world = World::new();
    let (first, _) = world.submit(0, &[2_000_000]);
    let (second, _) = world.submit(0, &[2_000_000]);
    let (urgent, _) = world.submit(5, &[500_000]);
    world.join(1);
    let order = world.run();
    let last_urgent = order.iter().rposition(|task| *task == urgent).unwrap();
    assert!(order[..last_urgent].iter().all(|task| *task == urgent), "{order:?}");
    let half = &order[last_urgent + 1..][..10];
    let of_first = half.iter().filter(|task| **task == first).count();
    assert!((4..=6).contains(&of_first), "{half:?}");
    assert!(half.contains(&second));
}

#[test]
fn a_late_task_does_not_make_up_for_the_time_before_it() {
    let mut world = World::new();
    world.join(1);
    let (first, _) = world.submit(0, &[20_000_000]);
    for _ in 0..20 {
        let next = *world.held.keys().next().unwrap();
        world.output(next, u64::MAX);
    }
    let (second, _) = world.submit(0, &[20_000_000]);
    let order = world.run();
    let of_first = order[..30].iter().filter(|task| **task == first).count();
    assert!((10..=16).contains(&of_first), "{:?} {second}", &order[..30]);
}

#[test]
fn what_was_done_before_is_not_leased() {
    let mut world = World::new();
    world.join(1);
    let mut half = work(0, &[100, 100]);
    [10..20, 90..150].into_iter().for_each(|range| half.done.insert(range));
    world.tasks += 1;
    world.credited.insert(TaskId(1), half.done.clone());
    world.handle(Event::Submit { task: TaskId(1), work: half });
    assert_eq!(world.core.task(TaskId(1), world.now).unwrap().done, 70);
    assert_eq!(world.core.totals(world.now).items_queued, 130);
    let leased: RangeSet = world.held.values().fold(RangeSet::default(), |mut all, grant| {
        all.insert(grant.range.clone());
        all
    });
    assert!(leased.iter().eq([0..10, 20..90, 150..200]), "{leased:?}");
    world.run();
    assert_eq!(world.ended[&TaskId(1)], Outcome::Done);
    let mut all = work(0, &[5]);
    all.done.insert(0..5);
    world.tasks += 1;
    world.credited.insert(TaskId(2), all.done.clone());
    world.handle(Event::Submit { task: TaskId(2), work: all });
    assert_eq!(world.ended[&TaskId(2)], Outcome::Done, "a task of which all is done ends at once");
}

#[test]
fn an_output_counts_once_and_only_in_order() {
    let mut world = World::new();
    let (drone, _) = world.join(1);
    let (_, grants) = world.submit(0, &[10_000_000]);
    let lease = grants[0].lease;
    let end = grants[0].range.end;
    let mut credited = |drone, range| {
        let spent = Duration::from_millis(1);
        world.handle(Event::Output { drone, lease, range, spent });
        world.credited.get(&TaskId(1)).map_or(0, RangeSet::len)
    };
    assert_eq!(credited(drone, 1..2), 0, "not the next index");
    assert_eq!(credited(DroneId(99), 0..2), 0, "another's lease");
    assert_eq!(credited(drone, 0..2), 2);
    assert_eq!(credited(drone, 0..2), 2, "done already");
    assert_eq!(credited(drone, 2..end + 5), end, "cut at its end");
    assert_eq!(world.core.task(TaskId(1), world.now).unwrap().done, end);
}

#[test]
fn an_eta_counts_the_work_before_it() {
    let mut world = World::new();
    world.submit(1, &[10 * RATE]);
    let (task, _) = world.submit(0, &[RATE]);
    assert_eq!(world.core.task(task, world.now).unwrap().eta, None, "nobody is there to do it");
    world.join(1);
    let eta = world.core.task(task, world.now).unwrap().eta.unwrap();
    assert_eq!(eta.as_secs(), 11);
}

#[test]
fn an_eta_is_not_misled_by_a_rest() {
    let mut world = World::new();
    world.join(1);
    world.submit(0, &[1]);
    world.run();
    world.now += Duration::from_secs(2);
    let (task, _) = world.submit(0, &[10 * RATE]);
    assert_eq!(world.core.task(task, world.now).unwrap().eta.unwrap().as_secs(), 10);
}
