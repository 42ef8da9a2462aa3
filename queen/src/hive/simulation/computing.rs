//! What a thread of a simulated Drone computes, and how that may be wrong.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use drone::kernel::{Job, Output};
use drone::pool::{Outcome, Report, Urgency};
use wire::sieve::{Marks, write_marks};
use wire::work::{Chunk, Class};

use super::context::{Context, Fault};
use super::quest::WrongMarks;
use super::work::Sum;

/// Candidates take so much less time than strings.
pub const SEARCHES: u64 = 16;

/// What is wrong with a Drone, until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    Slow,
    /// So many of a thousand chunks come out wrong; only one item of them if `subtly`.
    WrongResults {
        per_mille: u64,
        subtly: bool,
    },
    /// It reports other marks than it has found.
    WrongMarks(WrongMarks),
    /// Its threads stand still.
    DeafThreads,
    /// It does not take in work.
    DeafSession,
    /// So many of a thousand chunks fail.
    Failing(u64),
    /// It sends no heartbeats.
    Mute,
}

impl Illness {
    /// Whether some of its results or marks are wrong.
    pub fn gives_wrong(&self) -> bool {
        matches!(self, Self::WrongResults { .. } | Self::WrongMarks(_))
    }
}

pub struct Work {
    pub urgency: Urgency,
    pub from: u64,
    pub job: Box<dyn Job>,
    pub reported: u64,
    pub spent: Duration,
    /// How many items the thread computes at once, in the time of one.
    pub lanes: u64,
    pub group: Group,
}

/// Items that a thread computes at once. The real computation does one after the other, so that
/// none of them counts before all are there.
#[derive(Debug, Clone, Copy, Default)]
pub struct Group {
    /// How many items of the job are done when it is.
    end: u64,
    /// How many items it had at its begin.
    pub items: u64,
}

impl Work {
    /// What the thread computes now.
    pub fn group(&mut self) -> Group {
        let done = self.job.done();
        if done >= self.group.end {
            let items = self.lanes.min(self.job.total() - done).max(1);
            self.group = Group { end: done + items, items };
        }
        self.group
    }

    /// Whether nothing is half done.
    pub fn is_between_groups(&self) -> bool {
        self.job.done() >= self.group.end || self.job.is_finished()
    }

    /// Indices below it are done, with all that is computed together with them.
    pub fn reached(&self) -> u64 {
        let begin = self.group.end.saturating_sub(self.group.items);
        self.from + if self.is_between_groups() { self.job.done() } else { begin }
    }

    pub fn has_unreported(&self) -> bool {
        self.job.done() > self.reported
    }

    pub fn is_begun(&self) -> bool {
        self.spent > Duration::ZERO || self.job.done() > 0
    }

    /// What is computed and not reported, as this Drone is.
    pub fn report(&mut self, ctx: &mut Context, illness: Option<Illness>) -> Report {
        let ticket = self.urgency.ticket;
        let mut output = self.job.collect();
        let from = self.from + self.reported;
        let range = from..from + output.items();
        self.reported += output.items();
        match (illness, &mut output) {
            (Some(Illness::Failing(per_mille)), _) if ctx.random.chance(per_mille) => {
                ctx.fault(Fault::Failing);
                return Report { ticket, outcome: Outcome::Failed { reason: "out of luck".to_owned() } };
            }
            (Some(Illness::WrongResults { per_mille, subtly }), Output::Digests(digests))
                if ctx.random.chance(per_mille) =>
            {
                ctx.fault(Fault::WrongResult);
                let mut wrong = digests.to_vec();
                let only = ctx.random.index(wrong.len() / 32);
                for (at, sum) in wrong.as_chunks_mut::<32>().0.iter_mut().enumerate() {
                    if !subtly || at == only {
                        *sum = wrong_sum(sum, ctx.now);
                    }
                }
                *digests = wrong.into();
            }
            (Some(Illness::WrongMarks(wrong)), Output::Marks { marks, .. }) => {
                *marks = reported(ctx, wrong, &range, marks)
            }
            _ => {}
        }
        let spent_ns = std::mem::take(&mut self.spent).as_nanos() as u64;
        Report { ticket, outcome: Outcome::Output { from, output, spent_ns } }
    }
}

pub fn class_of(chunk: &Chunk<'_>) -> Class {
    match chunk {
        Chunk::Digest(chunk) => chunk.class(),
        Chunk::Search(chunk) => chunk.class(),
    }
}

/// How many times as fast a thread is that computes this.
pub fn times(class: Class) -> u64 {
    if [Class::SEARCH, Class::SEARCH_SHA256D, Class::SEARCH_LONG].contains(&class) { SEARCHES } else { 1 }
}

/// The marks that a Drone reports instead of those that it has found in a range.
fn reported(ctx: &mut Context, wrong: WrongMarks, range: &Range<u64>, marks: &[u8]) -> Bytes {
    let items = range.end - range.start;
    let found: Vec<_> = Marks::parse(marks, items).unwrap().iter().map(|mark| range.start + mark).collect();
    let reported = wrong.of(range, &found, &mut ctx.random);
    if found.iter().any(|mark| reported.binary_search(mark).is_err()) {
        ctx.fault(Fault::MarkWithheld);
    }
    if reported.len() > found.len() {
        ctx.fault(Fault::FalseMark);
    }
    let mut bytes = Vec::new();
    write_marks(reported.iter().map(|mark| mark - range.start), &mut bytes);
    bytes.into()
}

/// A wrong result, and not the one that another Drone gives.
fn wrong_sum(sum: &Sum, now: Duration) -> Sum {
    let mut wrong = *sum;
    wrong.iter_mut().zip(now.as_nanos().to_le_bytes()).for_each(|(byte, other)| *byte ^= other);
    wrong[31] ^= 0x5A;
    wrong
}
