//! What the shell does with results, and with who lies about them.

use std::ops::Range;
use std::time::Duration;

use queen::core::{Event, LeaseStatus, Outcome};
use wire::ids::{DroneId, TaskId};
use wire::message::{Output, ToDrone};
use wire::work::{ChunkOutput, Digests};

use crate::context::{Context, Fault};
use crate::net::{LinkId, Side};
use crate::shell::{INTRODUCTION, Queen, Stage};
use crate::state::{Found, Record};
use crate::twice::Part;
use crate::work::Sum;

impl Queen {
    /// Takes in an output; returns what has to be on the disk before its receipt.
    pub fn output(&mut self, ctx: &mut Context, drone: DroneId, output: &Output<'_>) -> u64 {
        if output.epoch != self.epoch {
            return 0;
        }
        let (lease, range) = (output.lease, output.from..output.to);
        let ChunkOutput::Digests(digests) = output.output else { unreachable!("tasks here are digests") };
        assert_eq!(digests.len() as u64, range.end - range.start);
        let spent = Duration::from_nanos(output.spent_ns);
        let mut found = Vec::new();
        // What is not in order nobody looks at, and the core wants nothing of it.
        if let Some(LeaseStatus { task, .. }) = self.core.lease(drone, lease).filter(|lease| lease.next == range.start)
        {
            match self.check(ctx, drone, task, &range, digests) {
                Some(checked) => found = checked,
                None => {
                    self.distrust(ctx, drone);
                    return 0;
                }
            }
            if self.state.tasks[&task].spec.twice {
                return self.output_twice(ctx, drone, Part { task, lease, range, spent }, &found);
            }
        }
        self.model.output(ctx.now, drone, lease, &range, spent, &self.state);
        self.handle_results(ctx, Event::Output { drone, lease, range, spent }, &found)
    }

    /// Stores what the core credits; returns what has to be on the disk before its receipt.
    pub fn credit(&mut self, ctx: &mut Context, task: TaskId, range: &Range<u64>, found: &[(u64, Found)]) -> u64 {
        let found: Vec<_> = found.iter().filter(|(index, _)| range.contains(index)).copied().collect();
        assert!(found.iter().map(|(index, _)| *index).eq(range.clone()), "{range:?} of {task} came just now");
        let is_twice = self.state.tasks[&task].spec.twice;
        let found =
            found.into_iter().map(|(index, one)| (index, Found { is_checked: one.is_checked || is_twice, ..one }));
        let found: Vec<_> = found.collect();
        self.claims.get_mut(&task).into_iter().for_each(|claims| claims.retain(|index, _| !range.contains(index)));
        self.model.credited(task, range, &self.state);
        let by = found.first().map(|(_, one)| one.by);
        let number = self.write(ctx, Record::Results { task, found });
        by.map(|drone| self.journal.last_of.insert(drone, number));
        number
    }

    /// Computes a sample again; nothing if it was a lie.
    fn check(
        &self,
        ctx: &mut Context,
        drone: DroneId,
        task: TaskId,
        came: &Range<u64>,
        digests: Digests<'_>,
    ) -> Option<Vec<(u64, Found)>> {
        let (sums, _): (&[Sum], _) = digests.bytes().as_chunks();
        let spec = &self.state.tasks[&task].spec;
        // What is computed twice needs no sample.
        let samples = if spec.twice { 0 } else { 2 };
        let sample: Vec<_> = (0..samples).map(|_| ctx.random.within(came.start..=came.end - 1)).collect();
        let is_right = |index: &u64| spec.sum(*index) == sums[(index - came.start) as usize];
        if !sample.iter().all(is_right) {
            return None;
        }
        let found = |index| {
            let sum = sums[(index - came.start) as usize];
            (index, Found { sum, by: drone, is_checked: sample.contains(&index) })
        };
        Some(came.clone().map(found).collect())
    }

    /// A Drone lied: it gets no work any more, and what was not checked of it is computed again.
    pub fn distrust(&mut self, ctx: &mut Context, drone: DroneId) {
        self.claims.values_mut().for_each(|claims| claims.retain(|_, found| found.by != drone));
        ctx.fault(Fault::LieCaught);
        self.write(ctx, Record::Trust(drone, false));
        self.distrusted.push((drone, None));
        self.handle(ctx, Event::Quarantine { drone });
        for (task, kept) in self.state.tasks.clone() {
            let doubted = kept.results.iter().filter(|(_, found)| found.by == drone && !found.is_checked);
            let doubted: Vec<u64> = doubted.map(|(index, _)| *index).collect();
            match kept.ended {
                _ if doubted.is_empty() => {}
                None => {
                    for run in doubted.chunk_by(|one, next| one + 1 == *next) {
                        let range = run[0]..run[run.len() - 1] + 1;
                        self.write(ctx, Record::Revoked { task, indices: run.to_vec() });
                        self.handle(ctx, Event::Revoke { task, range });
                    }
                }
                Some(Outcome::Done) => {
                    self.write(ctx, Record::Revoked { task, indices: doubted });
                    self.write(ctx, Record::Reopened(task));
                    self.submit_again(ctx, task, Some(drone));
                }
                Some(_) => {}
            }
        }
    }

    pub fn send_receipts(&mut self, ctx: &mut Context, link: LinkId) {
        let stored = self.journal.stored;
        let Some(line) = self.lines.get_mut(&link) else { return };
        let before = line.receipts;
        while line.due.pop_front_if(|number| *number <= stored).is_some() {
            line.receipts += 1;
        }
        if line.receipts > before {
            let outputs = line.receipts;
            self.say_on(ctx, link, &ToDrone::Stored { outputs });
        }
    }

    /// A connection is gone.
    pub fn gone(&mut self, ctx: &mut Context, link: LinkId) {
        ctx.close(link, Side::Queen, true);
        let Some(line) = self.lines.remove(&link) else { return };
        let Some(drone) = line.drone else { return };
        let is_current = self.current.get(&drone) == Some(&link);
        if is_current {
            self.current.remove(&drone);
        }
        if line.is_leaving && is_current {
            self.handle(ctx, Event::Gone { drone });
        } else if is_current || matches!(line.stage, Stage::Offered(..)) && !self.current.contains_key(&drone) {
            self.handle(ctx, Event::Disconnected { drone });
        }
    }

    /// Closes connections whose Drones do not come to the point.
    pub fn look(&mut self, ctx: &mut Context) {
        let is_slow = |line: &crate::shell::Line| line.stage != Stage::Joined && ctx.now > line.opened + INTRODUCTION;
        let slow: Vec<_> = self.lines.iter().filter(|(_, line)| is_slow(line)).map(|(link, _)| *link).collect();
        for link in slow {
            ctx.close(link, Side::Queen, false);
            self.gone(ctx, link);
        }
    }
}
