//! How long things take where nothing, or only one thing, goes wrong.

use std::time::Duration;

use web::model::TaskState;
use wire::ids::TaskId;

use super::net::Side;
use super::work::{Method, Spec};
use super::world::World;
use crate::core::Timeouts;

/// Compressions per second of the fast Drone; the slow one is ten times slower.
const FAST: u64 = 1000;
const SLOW: u64 = 100;

/// When the task is submitted: everybody is there by then.
const BEGIN: Duration = Duration::from_secs(2);

fn spec(serial: u64, method: &Method, items: u64) -> Spec {
    Spec {
        serial,
        method: method.clone(),
        segments: vec![items],
        priority: 0,
        deadline: None,
        poison: None,
        twice: false,
        batch: false,
    }
}

/// What a machine is: threads, their real rate and the one that they say they have, lanes.
#[derive(Debug, Clone, Copy)]
struct Kit {
    threads: usize,
    rate: u64,
    claim: u64,
    lanes: u64,
}

fn world_of(seed: u64, machines: &[Kit]) -> World {
    let timeouts = Timeouts { silence: Duration::from_secs(2), grace: Duration::from_secs(3), ..Timeouts::default() };
    let mut world = World::new(seed, false, timeouts);
    // What that takes is no matter of pace.
    world.ctx.audits = false;
    for Kit { threads, rate, claim, lanes } in machines {
        let machine = world.add_machine(*threads, *rate, *claim, Duration::from_millis(1));
        world.machines[machine].lanes = *lanes;
    }
    world.run_until(|world| world.ctx.now >= BEGIN);
    world
}

/// A fast and a slow Drone that say of themselves that they are as fast as `claims`.
fn two(seed: u64, claims: [u64; 2]) -> World {
    let kit = |(rate, claim)| Kit { threads: 1, rate, claim, lanes: 1 };
    world_of(seed, &[FAST, SLOW].into_iter().zip(claims).map(kit).collect::<Vec<_>>())
}

fn is_done(world: &World, task: TaskId) -> bool {
    let kept = world.queen.as_ref().and_then(|queen| queen.book.tasks.get(&task));
    kept.is_some_and(|kept| kept.ended == Some(TaskState::Done))
}

/// How much longer than `ideal` seconds the only task takes; the slow Drone is cut off after `silent`.
fn excess(claims: [u64; 2], method: &Method, items: u64, ideal: f64, silent: Option<Duration>) -> f64 {
    let excess = (0..10).map(|seed| {
        let mut world = two(seed, claims);
        let begin = world.ctx.now;
        world.submit(spec(1, method, items));
        if let Some(silent) = silent {
            world.run_until(|world| world.ctx.now >= begin + silent);
            for side in [Side::Queen, Side::Drone] {
                world.ctx.net.block(1, side, Duration::from_secs(1000));
            }
        }
        world.run_until(|world| is_done(world, TaskId(1)));
        (world.ctx.now - begin).as_secs_f64() / ideal - 1.0
    });
    let worst = excess.fold(0.0, f64::max);
    println!("{claims:?} {method:?} {items} {silent:?}: {:.1} % over {ideal} s", worst * 100.0);
    worst
}

#[test]
fn two_drones_end_many_small_items_together() {
    // 11,000 compressions at 1,100 a second.
    for claims in [[FAST, SLOW], [FAST, FAST], [SLOW, SLOW]] {
        assert!(excess(claims, &Method::Hash(16), 11_000, 10.0, None) < 0.1);
    }
}

#[test]
fn two_drones_end_few_expensive_items_together() {
    // An item takes the fast one a second and the slow one ten: 20 and 2 of them are done after 20
    // seconds, and no other way to deal out 22 whole items is as fast.
    let second = Method::Stretch { iterations: 498 };
    assert!(excess([FAST, SLOW], &second, 22, 20.0, None) < 0.1);
    // With 12 items it is 11 seconds, of which the slow one has done one after ten.
    assert!(excess([FAST, SLOW], &second, 12, 11.0, None) < 0.1);
    // The slow one is of no use for fewer.
    assert!(excess([FAST, SLOW], &second, 5, 5.0, None) < 0.1);
}

#[test]
fn a_slow_drone_that_falls_silent_in_the_middle_is_not_waited_for() {
    // Both do 5,500 in the first five seconds, and the fast one the rest alone.
    let silent = Some(Duration::from_secs(5));
    assert!(excess([FAST, SLOW], &Method::Hash(16), 11_000, 10.5, silent) < 0.1);
    assert!(excess([FAST, SLOW], &Method::Stretch { iterations: 498 }, 22, 22.0, silent) < 0.1);
}

/// An item takes a thread of a fast Drone a second, and so do as many as it has lanes.
const SECOND: Method = Method::Stretch { iterations: 498 };

/// How many seconds the only task takes at most, of three worlds.
fn seconds(machines: &[Kit], items: u64) -> f64 {
    let lasts = (0..3).map(|seed| {
        let mut world = world_of(seed, machines);
        let begin = world.ctx.now;
        world.submit(spec(1, &SECOND, items));
        world.run_until(|world| is_done(world, TaskId(1)));
        (world.ctx.now - begin).as_secs_f64()
    });
    let worst = lasts.fold(0.0, f64::max);
    println!("{machines:?} {items}: {worst:.2} s");
    worst
}

#[test]
fn full_lanes_are_used_while_there_is_enough() {
    let quick = Kit { threads: 4, rate: FAST, claim: FAST, lanes: 16 };
    // 64 at once.
    for (items, ideal) in [(64, 1.0), (640, 10.0), (600, 10.0)] {
        assert!(seconds(&[quick], items) < ideal * 1.1 + 0.5, "{items} items");
    }
    // Two of 16 lanes and two of 4 do 40 in a second.
    let narrow = Kit { threads: 2, rate: FAST, claim: FAST, lanes: 4 };
    assert!(seconds(&[Kit { threads: 2, ..quick }, narrow], 400) < 11.5);
}

#[test]
fn the_end_of_a_task_takes_no_longer_with_lanes_than_without() {
    let plain = Kit { threads: 2, rate: FAST, claim: FAST, lanes: 1 };
    let slow = Kit { threads: 1, rate: SLOW, claim: SLOW, ..plain };
    for machines in [[plain, plain], [plain, slow]] {
        for items in [1, 5, 17, 40] {
            let without = seconds(&machines, items);
            for lanes in [[4, 4], [16, 16], [16, 4], [16, 1], [1, 16]] {
                let wide: Vec<_> = machines.iter().zip(lanes).map(|(kit, lanes)| Kit { lanes, ..*kit }).collect();
                let with = seconds(&wide, items);
                assert!(with < without * 1.1 + 0.5, "{items} items take {with} s with {lanes:?} lanes");
            }
        }
    }
}

#[test]
fn equals_share_and_a_word_does_not_wait() {
    let mut world = two(1, [FAST, SLOW]);
    (1..=3).for_each(|serial| world.submit(spec(serial, &Method::Hash(16), 20_000)));
    let from = world.ctx.now + Duration::from_secs(2);
    world.run_until(|world| world.ctx.now >= from);
    let done = |world: &World, task: u64| world.queen.as_ref().unwrap().book.tasks[&TaskId(task)].results.len();
    let before = [1, 2, 3].map(|task| done(&world, task));
    world.run_until(|world| world.ctx.now >= from + Duration::from_secs(12));
    let after = [1, 2, 3].map(|task| done(&world, task));
    let shares = [0, 1, 2].map(|at| after[at] - before[at]);
    let all: u64 = shares.iter().sum();
    assert!(shares.iter().all(|share| share.abs_diff(all / 3) * 10 < all / 3), "{shares:?}");
    let begin = world.ctx.now;
    world.submit(spec(4, &Method::Hash(16), 1));
    world.run_until(|world| is_done(world, TaskId(4)));
    // A step, a round trip, and the chunk of another word perhaps.
    assert!(world.ctx.now < begin + Duration::from_millis(150), "{:?}", world.ctx.now - begin);
}
