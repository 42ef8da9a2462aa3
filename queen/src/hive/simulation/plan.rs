//! What goes wrong in a world, and when.

use std::time::Duration;

use super::computing::Illness;
use super::context::Happening;
use super::quest::WRONG_MARKS;
use super::random::Random;
use super::world::World;

/// What the plan has happen.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    Submit,
    SubmitSearch,
    SubmitPoison,
    SubmitImpossible,
    Cancel,
    DamageInputs,
    Pause,
    Resume(u64),
    Priority,
    Crash { silently: bool },
    Break { half_open: bool },
    Partition { both_ways: bool },
    Ill(Illness),
    Drain,
    DrainByQueen,
    QueenCrash,
    Stall,
    Awake,
    SlowDisk,
    Stale,
    Pardon,
    Heal,
}

impl World {
    /// Makes a plan of all that goes wrong.
    pub fn plan(&mut self, chance: &mut Random) {
        self.horizon = chance.millis(8000..=25_000);
        let end = self.horizon.as_millis() as u64;
        let mut plan = vec![(end, Action::Heal)];
        plan.extend((0..3).map(|_| (chance.within(0..=end / 2), Action::Submit)));
        let mut add = |chance: &mut Random, likely: u64, most: u64, action: Action| {
            if chance.chance(likely) {
                for _ in 0..chance.within(1..=most) {
                    plan.push((chance.within(0..=end), action));
                }
            }
        };
        let (searches, tasks) = if self.is_searching { (1000, 200) } else { (250, 1000) };
        add(chance, tasks, 8, Action::Submit);
        add(chance, tasks * 4 / 5, 12, Action::Submit);
        add(chance, searches, searches / 100, Action::SubmitSearch);
        add(chance, 150, 1, Action::SubmitPoison);
        add(chance, 150, 1, Action::SubmitImpossible);
        add(chance, 300, 2, Action::Cancel);
        add(chance, 50, 1, Action::DamageInputs);
        add(chance, 300, 3, Action::Pause);
        add(chance, 300, 3, Action::Priority);
        // The more of it the longer it lasts, as a rule; a quiet world is one as well.
        let is_quiet = chance.chance(100);
        let rough = if is_quiet { 0 } else { 1 };
        add(chance, 300 * rough, 3, Action::Crash { silently: false });
        add(chance, 200 * rough, 2, Action::Crash { silently: true });
        add(chance, 400 * rough, 6, Action::Break { half_open: false });
        add(chance, 300 * rough, 3, Action::Break { half_open: true });
        add(chance, 200 * rough, 3, Action::Partition { both_ways: false });
        add(chance, 200 * rough, 3, Action::Partition { both_ways: true });
        add(chance, 250 * rough, 2, Action::Ill(Illness::Slow));
        let subtly = chance.chance(500);
        let per_mille = chance.pick(&[1000, 200, 50]);
        let liars = if self.verifies { 900 } else { 200 };
        add(chance, liars * rough, 2, Action::Ill(Illness::WrongResults { per_mille, subtly }));
        let wrong = chance.pick(&WRONG_MARKS);
        add(chance, rough * if self.is_searching { 800 } else { 100 }, 2, Action::Ill(Illness::WrongMarks(wrong)));
        add(chance, 120 * rough, 1, Action::Ill(Illness::DeafThreads));
        add(chance, 120 * rough, 1, Action::Ill(Illness::DeafSession));
        let per_mille = chance.pick(&[1000, 300]);
        add(chance, 250 * rough, 1, Action::Ill(Illness::Failing(per_mille)));
        add(chance, 250 * rough, 2, Action::Ill(Illness::Mute));
        add(chance, 150 * rough, 2, Action::Drain);
        add(chance, 150 * rough, 2, Action::DrainByQueen);
        add(chance, 400 * rough, 3, Action::QueenCrash);
        add(chance, 150 * rough, 2, Action::Stall);
        add(chance, 150 * rough, 2, Action::SlowDisk);
        add(chance, 400, 5, Action::Stale);
        add(chance, 400, 3, Action::Pardon);
        for (at, action) in plan {
            self.ctx.queue.push(Duration::from_millis(at), Happening::Act(action));
        }
    }
}
