//! Candidates to search.

mod found;
mod judge;
mod plan;
mod prefix;
mod segment;
mod several;
mod wheel;

use bytes::Bytes;
use wire::search::SharedSearch;
use wire::sieve::{START, Sieve, Word};
use wire::space::MAX_CANDIDATE;
use wire::work::{Algorithm, Class, SearchChunk, varying_blocks};

use self::found::Found;
use self::judge::{Verdict, judge};
use self::plan::Plan;
use self::prefix::Prefix;
use self::segment::Segment;
use self::several::Several;
use super::job::Job;
use super::kernels::Kernels;
use super::output::Output;
use super::probe::Probe;
use super::sha256::{BLOCK, Budget};

/// Values that are sought whose preparation takes about as long as a compression.
const VALUES_PER_COMPRESSION: u64 = 16;

/// See [`Job::part_ns`]: marks are few, and nobody waits for one that is no hit.
const PART_NS: u64 = 2_000_000_000;

/// [`Job`] of [`Kind::SEARCH`](wire::work::Kind::SEARCH).
pub(super) struct SearchJob {
    search: SharedSearch,
    /// In compressions, at most.
    cost: u64,
    total: u64,
    done: u64,
    prefix: Prefix,
    /// What follows from what is sought, once that is needed.
    probe: Option<Probe>,
    /// How the candidates up to an item are searched, of which `done` is the next.
    part: Option<(u64, Method)>,
    found: Found,
    /// Candidates of a run that may be marks.
    suspects: Vec<usize>,
}

/// How candidates of one length are searched.
enum Method {
    /// They differ in a single block.
    Block(Plan),
    /// They differ in several blocks, and are told by their digests.
    Several(Several),
    /// Likewise, but the chain before the last block has to be known of each.
    OneByOne,
}

impl SearchJob {
    /// # Errors
    /// If this Drone does not search so, or the lease is none, with the reason for people.
    pub(super) fn new(frame: &Bytes, chunk: &SearchChunk<'_>, material: Option<&Bytes>) -> Result<Self, String> {
        let search = SharedSearch::within(frame, chunk, material).map_err(|error| error.to_string())?;
        let count = chunk.candidates.count().unwrap_or(u64::MAX);
        let end = chunk.first.checked_add(chunk.items);
        if end.is_none_or(|end| end > count) {
            let (items, first) = (chunk.items, chunk.first);
            return Err(format!("there are no {items} candidates from number {first} on, but {count} in all"));
        }
        let longest = *chunk.candidates.lengths(chunk.first, end.unwrap_or_default().saturating_sub(1)).end();
        if longest > MAX_CANDIDATE {
            return Err(format!("a candidate has at most {MAX_CANDIDATE} bytes, and these have {longest}"));
        }
        let mut values = 0;
        if let Sieve::Targets { bits, values: sought, .. } = &search.as_chunk().sieve {
            if sought.is_empty() || *bits > 64 {
                return Err(format!("the sieve compares {bits} bits with {} values", sought.len()));
            }
            values = sought.len() as u64;
        }
        let before = (chunk.prefix.len() / BLOCK) as u64 + values / VALUES_PER_COMPRESSION;
        let cost = chunk.items.saturating_mul(chunk.compressions());
        Ok(Self {
            cost: if chunk.items == 0 { 0 } else { cost.saturating_add(before) },
            total: chunk.items,
            done: 0,
            prefix: Prefix::default(),
            probe: None,
            part: None,
            found: Found::default(),
            suspects: Vec::new(),
            search,
        })
    }

    /// Prepares what all candidates have in common.
    fn prepare(&mut self, budget: &mut Budget) {
        let chunk = self.search.as_chunk();
        if self.prefix.absorb(chunk.prefix, budget) && budget.left() > 0 {
            if let Sieve::Targets { values, .. } = &chunk.sieve {
                budget.spend(values.len() as u64 / VALUES_PER_COMPRESSION);
            }
            self.probe = Some(Probe::new(&chunk.sieve));
        }
    }

    /// How to go on from here, and up to which item.
    fn next_part(&self) -> (u64, Method) {
        let chunk = self.search.as_chunk();
        let segment = Segment::new(&chunk, self.done);
        let end = segment.end;
        let method = match varying_blocks(chunk.prefix.len(), segment.length, chunk.suffix.len()) {
            1 => Method::Block(Plan::new(&self.prefix, segment, chunk.suffix, self.done..end)),
            _ if self.needs_chain() => Method::OneByOne,
            _ => Method::Several(Several::new(&self.prefix, self.is_twice())),
        };
        (end, method)
    }

    fn is_twice(&self) -> bool {
        self.search.as_chunk().algorithm == Algorithm::Sha256d
    }

    /// Whether a digest alone does not tell whether its candidate is a mark.
    fn needs_chain(&self) -> bool {
        let SearchChunk { algorithm, sieve, .. } = self.search.as_chunk();
        algorithm == Algorithm::Sha256 && matches!(sieve, Sieve::Targets { word: Word::Inner, .. })
    }

    /// Goes on with a part that ends behind `done`.
    fn advance(&mut self, kernels: &Kernels, end: u64, method: &mut Method, budget: &mut Budget) {
        match method {
            Method::Block(plan) => self.advance_block(kernels, end, plan, budget),
            Method::Several(several) => {
                let chunk = self.search.as_chunk();
                several.fill(&self.prefix, &chunk, self.done..end);
                for digest in several.advance(kernels, budget) {
                    self.found.add(self.done, Verdict::of(&chunk.sieve, &digest, &START));
                    self.done += 1;
                }
            }
            Method::OneByOne => {
                self.judge(self.done);
                self.done += 1;
                budget.spend(self.search.as_chunk().compressions());
            }
        }
    }

    fn advance_block(&mut self, kernels: &Kernels, end: u64, plan: &mut Plan, budget: &mut Budget) {
        let (Some(probe), is_twice) = (&self.probe, self.is_twice()) else { return };
        let (class, each) = if is_twice { (Class::SEARCH_SHA256D, 2) } else { (Class::SEARCH, 1) };
        let most = budget.left().div_ceil(each).min(end - self.done);
        let run = plan.run(self.done, most, &self.prefix, is_twice, probe);
        let (first, count) = (run.range.start, run.range.len() as u64);
        self.suspects.clear();
        kernels.of(class, run.range.len()).search(&run, &mut self.suspects);
        let suspects = std::mem::take(&mut self.suspects);
        suspects.iter().for_each(|suspect| self.judge(self.done + (suspect - first) as u64));
        self.suspects = suspects;
        self.done += count;
        budget.spend(count * each);
    }

    /// Finds out by the definition whether an item is a mark.
    fn judge(&mut self, item: u64) {
        self.found.add(item, judge(&self.search.as_chunk(), &self.prefix, item));
    }
}

impl Job for SearchJob {
    fn total(&self) -> u64 {
        self.total
    }

    fn cost(&self) -> u64 {
        self.cost
    }

    fn done(&self) -> u64 {
        self.done
    }

    fn uncollected(&self) -> usize {
        self.found.size()
    }

    fn part_ns(&self) -> u64 {
        PART_NS
    }

    fn is_urgent(&self) -> bool {
        self.found.has_hit()
    }

    fn shrink(&mut self, total: u64) {
        self.total = self.total.min(total);
        self.done = self.done.min(self.total);
        self.found.shrink(self.total);
    }

    fn step(&mut self, kernels: &Kernels, compressions: u64) -> u64 {
        let mut budget = Budget::new(compressions);
        while !self.is_finished() && budget.left() > 0 {
            if self.probe.is_none() {
                self.prepare(&mut budget);
                continue;
            }
            let (end, mut method) = match self.part.take() {
                Some((end, method)) if self.done < end => (end, method),
                _ => self.next_part(),
            };
            self.advance(kernels, end.min(self.total), &mut method, &mut budget);
            self.part = Some((end, method));
        }
        budget.spent()
    }

    fn collect(&mut self) -> Output {
        self.found.collect(self.done)
    }
}
