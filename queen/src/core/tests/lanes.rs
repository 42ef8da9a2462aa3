//! Drones whose threads compute several items in the time of one.

use super::*;

const LANES: u16 = 16;
/// Compressions of an expensive item: a thread takes 1.6 seconds for one, and for [`LANES`] of them.
const EXPENSIVE: u64 = RATE / 10;
/// The same for 16 milliseconds.
const MODERATE: u64 = RATE / 1000;

fn wide(threads: u16, rate: u64) -> Ability {
    let speeds = BTreeMap::from([(CLASS, Speed { rate, lanes: LANES })]);
    Ability { speeds, ..able(threads) }
}

fn items(count: u64, cost: u64) -> TaskWork {
    let segment = Segment { items: count, cost: count * cost, bytes: 10 * count };
    TaskWork { segments: [segment].into(), ..work(0, &[]) }
}

fn sizes(grants: &[Grant]) -> Vec<u64> {
    grants.iter().map(|grant| grant.range.end - grant.range.start).collect()
}

impl World {
    fn join_as(&mut self, ability: Ability) -> (DroneId, Vec<Grant>) {
        self.drones += 1;
        let drone = DroneId(self.drones);
        (drone, self.handle(Event::Join { drone, ability, trusted: true, offers: Vec::new() }))
    }

    /// The Drone outputs the first `items` of what it has of a lease, after so long.
    fn output_after(&mut self, grant: &Grant, items: u64, spent: Duration) -> Vec<Grant> {
        let (drone, lease, start) = (grant.drone, grant.lease, self.held[&grant.lease].range.start);
        let range = start..start + items;
        let held = self.held.get_mut(&lease).unwrap();
        held.range.start = range.end;
        if held.range.is_empty() {
            self.held.remove(&lease);
        }
        self.now += spent;
        self.handle(Event::Output { drone, lease, range, spent })
    }
}

#[test]
fn lanes_are_full_while_there_is_enough_and_the_rest_is_shared() {
    let mut world = World::new();
    world.join_as(wide(4, RATE));
    let (_, grants) = world.submit_work(items(100, EXPENSIVE));
    assert_eq!(sizes(&grants), [16; 4]);
    // All of them are about to end, and whoever is first takes what one thread can.
    let grants = world.output_after(&grants[0], 16, Duration::from_millis(1600));
    assert_eq!(sizes(&grants), [16]);

    for (count, expected) in [(20, vec![5; 4]), (18, vec![5, 5, 5, 3]), (3, vec![1; 3])] {
        let mut world = World::new();
        world.join_as(wide(4, RATE));
        let (_, grants) = world.submit_work(items(count, EXPENSIVE));
        assert_eq!(sizes(&grants), expected, "of {count} items");
    }
}

#[test]
fn leases_of_several_groups_are_whole_ones() {
    let mut world = World::new();
    world.join_as(wide(1, RATE));
    let (_, grants) = world.submit_work(items(100_000, MODERATE));
    // 200 ms of a thread are 200 items, in 12 groups and a half.
    assert_eq!(sizes(&grants)[..2], [192, 192]);
}

#[test]
fn a_slow_drone_takes_its_share_and_not_more() {
    let mut world = World::new();
    world.join_as(wide(1, RATE));
    let (slow, _) = world.join_as(wide(1, RATE / 10));
    let (_, grants) = world.submit_work(items(33, EXPENSIVE));
    let slow: Vec<_> = grants.iter().filter(|grant| grant.drone == slow).cloned().collect();
    assert_eq!(sizes(&slow), [3], "a tenth of what the other one computes meanwhile");
}

#[test]
fn what_is_computed_together_is_not_divided() {
    let mut world = World::new();
    let (first, _) = world.join_as(wide(1, RATE));
    let (_, grants) = world.submit_work(items(40, MODERATE));
    let all = world.held.values().filter(|grant| grant.drone == first).cloned().collect::<Vec<_>>();
    assert_eq!(sizes(&all).iter().sum::<u64>(), 40, "{grants:?}");
    let lease = all[0].clone();
    let before = sizes(std::slice::from_ref(&lease))[0];
    let (_, stolen) = world.join_as(wide(1, RATE));
    for grant in &stolen {
        assert!(grant.task == lease.task && (grant.range.start - lease.range.start).is_multiple_of(16), "{grant:?}");
    }
    let left = world.held[&lease.lease].range.end - lease.range.start;
    assert!(left <= before && (left == before || left.is_multiple_of(16)), "{left} of {before}");

    // Of a single group nothing is taken, and it is not computed twice where that brings nothing.
    let mut world = World::new();
    world.join_as(wide(1, RATE));
    world.submit_work(items(16, EXPENSIVE));
    world.now += Duration::from_millis(100);
    let (_, stolen) = world.join_as(wide(1, RATE));
    assert_eq!(stolen, []);
    // By one that is much faster it is, as a whole.
    let (_, stolen) = world.join_as(wide(1, 10 * RATE));
    assert_eq!(sizes(&stolen), [16]);
    world.run();
}

#[test]
fn empty_lanes_say_little_about_the_rate() {
    let rate = |world: &World, drone| world.core.drones[drone].rate(CLASS);
    let mut world = World::new();
    let (drone, _) = world.join_as(wide(1, RATE));
    let (_, grants) = world.submit_work(items(1, EXPENSIVE));
    world.output_after(&grants[0], 1, Duration::from_millis(1600));
    assert_eq!(rate(&world, drone), RATE, "as long as a full group");
    let (_, grants) = world.submit_work(items(1, EXPENSIVE));
    world.output_after(&grants[0], 1, Duration::from_millis(800));
    assert_eq!(rate(&world, drone), RATE, "one alone may well be done sooner");
    let (_, grants) = world.submit_work(items(1, EXPENSIVE));
    world.output_after(&grants[0], 1, Duration::from_millis(3200));
    assert!(rate(&world, drone) < RATE * 9 / 10, "no group is faster than one item");
    let (_, grants) = world.submit_work(items(1, EXPENSIVE));
    world.output_after(&grants[0], 1, Duration::from_millis(20));
    assert!(rate(&world, drone) > RATE, "one item alone at five times the rate");
}

#[test]
fn a_faster_one_takes_as_much_of_a_lease_as_makes_both_end_together() {
    let mut world = World::new();
    world.join_as(able(1));
    let (_, grants) = world.submit_work(items(200, MODERATE));
    assert_eq!(sizes(&grants), [100; 2]);
    world.output_after(&grants[0], 100, Duration::from_millis(100));
    world.output_after(&grants[1], 10, Duration::from_millis(10));
    let three_times = BTreeMap::from([(CLASS, Speed { rate: 3 * RATE, lanes: 1 })]);
    let (_, stolen) = world.join_as(Ability { speeds: three_times, ..able(1) });
    let [tail] = &stolen[..] else { panic!("{stolen:?}") };
    assert_eq!(tail.range, 133..200, "three quarters of what is left");
}
