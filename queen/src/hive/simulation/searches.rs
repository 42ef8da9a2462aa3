//! How soon it is found out that a Drone does not search what it says, where there is enough to search.

use std::rc::Rc;
use std::time::Duration;

use web::model::TaskState;
use wire::ids::TaskId;

use super::computing::Illness;
use super::quest::{Quest, WrongMarks};
use super::work::{Method, Spec};
use super::world::{World, machine_of};
use crate::core::Timeouts;
use crate::work::Trust;

const CANDIDATES: u64 = 200_000;

/// Compressions per second of each Drone.
const RATE: u64 = 1000;

/// Marks of a part, which is two seconds of searching, about.
const PART: u64 = 600;

/// The only task.
const TASK: TaskId = TaskId(1);

/// An honest Drone and one that lies from the start search for something that is not there.
fn world(seed: u64, wrong: Option<WrongMarks>) -> World {
    let mut world = World::new(seed, false, Timeouts::default());
    for _ in 0..2 {
        world.add_machine(1, RATE, RATE, Duration::from_millis(1));
    }
    if let Some(wrong) = wrong {
        let illness = Illness::WrongMarks(wrong);
        world.machines[1].history.push(illness);
        world.machines[1].illness = Some((illness, Duration::MAX));
    }
    world.run_until(|world| world.ctx.now >= Duration::from_secs(2));
    let quest = Quest::of_numbers(CANDIDATES);
    let (segments, method) = (quest.segments(), Method::Search(Rc::new(quest)));
    world.submit(Spec {
        serial: 1,
        method,
        segments,
        priority: 0,
        deadline: None,
        poison: None,
        twice: false,
        batch: false,
    });
    world.run_until(|world| {
        let queen = world.queen.as_ref().unwrap();
        queen.book.tasks.get(&TASK).is_some_and(|kept| kept.ended == Some(TaskState::Done)) && queen.is_idle()
    });
    world
}

#[test]
fn who_leaves_out_much_is_caught_within_what_is_promised() {
    // How many marks it takes on average until there is suspicion, in parts of this size (see `evidence`).
    for (wrong, promised) in [(WrongMarks::All, PART), (WrongMarks::Half, 2 * PART), (WrongMarks::Tail, 1500)] {
        for seed in 0..3 {
            let world = world(seed, Some(wrong));
            let queen = world.queen.as_ref().unwrap();
            let drone = *world.liars.first().unwrap_or_else(|| panic!("{wrong:?} is not found out"));
            assert_eq!(machine_of(&world.machines, &queen.book, drone), 1);
            let owed = queen.searched_marks(TASK, drone);
            assert!(owed <= 2 * promised + 2 * PART, "{wrong:?} is found out after {owed} marks");
            let kept = &queen.book.tasks[&TASK];
            let of_liar = kept.results.values().filter(|entry| entry.by == drone && entry.trust != Trust::Checked);
            assert_eq!((kept.results.len(), of_liar.count()), (CANDIDATES, 0), "all of it is searched by others");
        }
    }
}

#[test]
fn nobody_who_searches_all_is_suspected() {
    for seed in 0..3 {
        let world = world(seed, None);
        let queen = world.queen.as_ref().unwrap();
        assert_eq!(queen.book.tasks[&TASK].results.len(), CANDIDATES);
        assert!(world.liars.is_empty() && queen.book.distrusted.is_empty());
    }
}
