//! What the shell does with results of tasks of which each item is computed twice.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use queen::core::Event;
use wire::ids::{DroneId, LeaseId, TaskId};

use crate::context::{Context, Fault, Happening};
use crate::shell::Queen;
use crate::state::Found;

/// A part of a lease that came.
pub struct Part {
    pub task: TaskId,
    pub lease: LeaseId,
    pub range: Range<u64>,
    pub spent: Duration,
}

impl Queen {
    /// Takes in what is wanted of an output; returns what has to be on the disk before its receipt.
    pub fn output_twice(&mut self, ctx: &mut Context, drone: DroneId, part: Part, found: &[(u64, Found)]) -> u64 {
        let Part { task, lease, range, spent } = part;
        let claims = self.claims.entry(task).or_default().clone();
        let spec = self.state.tasks[&task].spec.clone();
        let mut liars = BTreeSet::new();
        for (index, found) in found {
            let other = claims.get(index).filter(|claim| claim.sum != found.sum);
            let right = other.map(|_| spec.sum(*index));
            liars.extend(
                other
                    .into_iter()
                    .chain([found])
                    .filter(|one| right.is_some_and(|sum| sum != one.sum))
                    .map(|one| one.by),
            );
        }
        let is_second = |(index, found): &(u64, Found)| {
            claims.get(index).is_some_and(|claim| claim.by != drone && claim.sum == found.sum)
        };
        let mut rest = range.clone();
        let mut number = 0;
        for run in found.chunk_by(|one, next| is_second(one) == is_second(next)) {
            let is_last = run.last() == found.last();
            let said = rest.start..if is_last { range.end } else { run[run.len() - 1].0 + 1 };
            rest.start = said.end;
            let spent = spent * (said.end - said.start) as u32 / (range.end - range.start) as u32;
            self.model.output(ctx.now, drone, lease, &said, spent, &self.state);
            let event = match is_second(&run[0]) {
                true => Event::Output { drone, lease, range: said, spent },
                false => Event::Claim { drone, lease, range: said, spent, is_kept: true },
            };
            number = self.handle_results(ctx, event, run).max(number);
        }
        for liar in liars {
            self.convict(ctx, liar);
        }
        number
    }

    /// Keeps what the core has computed again, or computes it.
    pub fn claim(
        &mut self,
        ctx: &mut Context,
        task: TaskId,
        range: &Range<u64>,
        by_queen: bool,
        found: &[(u64, Found)],
    ) {
        ctx.fault(Fault::Claimed);
        let claims: Vec<_> = found.iter().filter(|(index, _)| range.contains(index)).copied().collect();
        assert!(claims.iter().map(|(index, _)| *index).eq(range.clone()), "{range:?} of {task} came just now");
        self.model.came(task, range);
        if by_queen {
            ctx.fault(Fault::ClaimedAlone);
            let second = Happening::Second { life: self.life, task, claims };
            ctx.queue.push(ctx.now + ctx.random.millis(1..=500), second);
        } else {
            self.claims.entry(task).or_default().extend(claims);
        }
    }

    /// The Queen has computed what a Drone claimed.
    pub fn second(&mut self, ctx: &mut Context, task: TaskId, claims: &[(u64, Found)]) {
        let spec = self.state.tasks[&task].spec.clone();
        let (Some((first, claim)), Some((last, _))) = (claims.first(), claims.last()) else { return };
        let wrong = claims.iter().find(|(index, found)| found.sum != spec.sum(*index)).map(|(index, _)| *index);
        let end = wrong.unwrap_or(last + 1);
        self.handle_results(ctx, Event::Second { task, range: *first..end, agrees: true }, claims);
        self.handle(ctx, Event::Second { task, range: end..last + 1, agrees: false });
        if wrong.is_some() {
            self.convict(ctx, claim.by);
        }
    }

    fn convict(&mut self, ctx: &mut Context, liar: DroneId) {
        ctx.fault(Fault::ClaimedWrong);
        if !self.state.distrusted.contains(&liar) {
            self.distrust(ctx, liar);
        }
    }
}
