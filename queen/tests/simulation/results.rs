//! What the shell does with results, and with who lies about them.

use std::ops::Range;
use std::time::Duration;

use queen::core::{Event, Outcome};
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
        let ChunkOutput::Digests(digests) = output.output;
        assert_eq!(digests.len() as u64, range.end - range.start);
        let mut number = 0;
        if let Some((task, wanted)) = self.core.wanted(drone, lease, &range) {
            assert!(range.start <= wanted.start && wanted.end <= range.end && !wanted.is_empty());
            let Some(found) = self.check(ctx, drone, task, &wanted, range.start, digests) else {
                self.distrust(ctx, drone);
                return 0;
            };
            if self.state.tasks[&task].spec.twice {
                let spent = Duration::from_nanos(output.spent_ns);
                return self.output_twice(ctx, drone, Part { task, lease, range, spent }, &found);
            }
            self.model.credited(task, &wanted, &self.state);
            number = self.write(ctx, Record::Results { task, found });
            self.journal.last_of.insert(drone, number);
        }
        let spent = Duration::from_nanos(output.spent_ns);
        self.model.output(drone, lease, &range, spent, &self.state);
        self.handle(ctx, Event::Output { drone, lease, range, spent });
        number
    }

    /// Computes a sample again; nothing if it was a lie.
    fn check(
        &self,
        ctx: &mut Context,
        drone: DroneId,
        task: TaskId,
        wanted: &Range<u64>,
        from: u64,
        digests: Digests<'_>,
    ) -> Option<Vec<(u64, Found)>> {
        let (sums, _): (&[Sum], _) = digests.bytes().as_chunks();
        let spec = &self.state.tasks[&task].spec;
        // What is computed twice needs no sample.
        let samples = if spec.twice { 0 } else { 2 };
        let sample: Vec<_> = (0..samples).map(|_| ctx.random.within(wanted.start..=wanted.end - 1)).collect();
        let is_right = |index: &u64| spec.sum(*index) == sums[(index - from) as usize];
        if !sample.iter().all(is_right) {
            return None;
        }
        let found = |index| {
            let sum = sums[(index - from) as usize];
            (index, Found { sum, by: drone, is_checked: sample.contains(&index) })
        };
        Some(wanted.clone().map(found).collect())
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
            self.handle(ctx, Event::Lost { drone });
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
