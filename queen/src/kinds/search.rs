//! Candidates to search.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use web::kinds::search::{Algorithm, KIND, Mask, Search, Sought, Space, Stop, marks_around};
use wire::blob::{Blob, BlobBuf, SharedBlob};
use wire::material::{MAX_INLINE, MaterialId};
use wire::sieve::{Chain, Digest, Marks, START, Sieve, Values, Word, low_bits};
use wire::space::Candidates;
use wire::work::{self, Chunk, ChunkOutput, SearchChunk, varying_blocks};

use super::kind::{Content, Kind, Rejected, Summary};
use crate::core::{Class, Segment};
use crate::work::inputs::{Inputs, Large};
use crate::work::material::Material;

/// Long enough that a lease's marks say something.
const TARGET: Duration = Duration::from_secs(30);

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// About what a mark takes on disk, a row without its marks, and a finding, in bytes.
const MARK_BYTES: f64 = 3.5;
const ROW_BYTES: u64 = 80;
const FINDING_BYTES: u64 = 48;

/// About how many rows a search has at most.
const MOST_ROWS: u64 = 1 << 17;

/// Candidates of a row at least, where there is enough to do: what a slow thread does in half a minute.
const ROW_ITEMS: u64 = 50_000_000;

/// Findings of a search that stops at one: a part of it may bring more.
const FEW: u64 = 1024;

impl Kind for Search {
    fn summary(&self) -> Summary {
        Summary { kind: KIND, algorithm: self.algorithm.name(), encoding: None, iterations: None }
    }

    fn width(&self) -> usize {
        0
    }

    fn search(&self) -> Option<&Search> {
        Some(self)
    }

    fn implied(&self) -> Option<Inputs> {
        Some(match &self.space {
            Space::Masks(masks) => {
                let segment = |mask: &Mask| {
                    let count = mask.count().unwrap_or_default();
                    (count, count.saturating_mul(compressions(self, mask.sets.len())))
                };
                Inputs::implied(masks.iter().map(segment))
            }
            Space::Counter { from, to, format } => {
                let count = to.saturating_sub(*from);
                let longest = format.len_of(to.saturating_sub(1));
                Inputs::implied(std::iter::once((count, count.saturating_mul(compressions(self, longest)))))
            }
        })
    }

    fn on_disk(&self, inputs: &Inputs) -> u64 {
        let total = inputs.total();
        let rows = (total / ROW_ITEMS + FEW).min(MOST_ROWS).min(total);
        let wanted = match (self.stop, &self.sought) {
            (Stop::First | Stop::Lowest, _) => FEW,
            // A digest may be that of several candidates, where masks overlap.
            (_, Sought::Targets { count, .. }) => FEW + 4 * count,
            (_, Sought::Interval { .. }) => self.max_findings,
        };
        let findings = wanted.min(self.max_findings).min(total);
        let marks = (total as f64 * share(self) * MARK_BYTES) as u64;
        inputs.on_disk(0) + rows * ROW_BYTES + findings * FINDING_BYTES + marks
    }

    fn class(&self, _: &[Segment]) -> Class {
        let blocks = longest_and_shortest(self).map(|length| varying(self, length));
        match (self.algorithm, blocks) {
            (Algorithm::Sha256, [1, 1]) => Class::SEARCH,
            (Algorithm::Sha256d, [1, 1]) => Class::SEARCH_SHA256D,
            _ => Class::SEARCH_LONG,
        }
    }

    fn target(&self) -> Duration {
        TARGET
    }

    fn cost(&self, length: u64) -> u64 {
        compressions(self, length as usize)
    }

    fn decoded(&self, given: SharedBlob) -> SharedBlob {
        given
    }

    fn candidates(&self, segment: usize) -> SharedBlob {
        match &self.space {
            // A mask is a segment; none is empty.
            Space::Masks(masks) => masks.get(segment).map(|mask| mask.blob().freeze()).unwrap_or_default(),
            Space::Counter { .. } => SharedBlob::default(),
        }
    }

    fn chunk<'a>(&'a self, part: Content<'a>) -> Chunk<'a> {
        let algorithm = match self.algorithm {
            Algorithm::Sha256 => work::Algorithm::Sha256,
            Algorithm::Sha256d => work::Algorithm::Sha256d,
        };
        Chunk::Search(SearchChunk {
            algorithm,
            candidates: candidates(self, part.candidates),
            first: part.first,
            items: part.items,
            prefix: &self.prefix,
            suffix: &self.suffix,
            sieve: Prepared::read(part.inputs).lease_sieve(self),
        })
    }

    fn parameter_bytes(&self) -> usize {
        let values = value_bytes(self).filter(|bytes| !is_long(*bytes)).unwrap_or_default();
        self.prefix.len() + self.suffix.len() + values
    }

    fn material(&self, _: u64) -> u64 {
        // Some values may be the same, so that it is shorter.
        value_bytes(self).filter(|bytes| is_long(*bytes)).unwrap_or_default() as u64
    }

    fn check<'a>(&self, range: &Range<u64>, output: &ChunkOutput<'a>) -> Result<&'a [u8], Rejected> {
        let ChunkOutput::Marks(bytes) = output else { return Err(Rejected::Kind) };
        match Marks::parse(bytes, range.end.saturating_sub(range.start)) {
            Some(marks) => Ok(marks.bytes()),
            None => Err(Rejected::Marks { range: range.clone() }),
        }
    }

    fn reference(&self, _: &[u8]) -> Option<Box<[u8]>> {
        None
    }

    fn title(&self, inputs: &Inputs) -> String {
        let count = drone::console::count(inputs.total());
        let sought = match &self.sought {
            Sought::Targets { count: 1, .. } => "a digest".to_owned(),
            Sought::Targets { count, .. } => format!("{} digests", drone::console::count(*count)),
            Sought::Interval { .. } => "a digest in a range".to_owned(),
        };
        format!("Search {count} candidates for {sought} ({})", self.algorithm.name())
    }
}

/// Which share of candidates are marks, about: targets that agree in the bits that are compared count twice.
pub fn share(search: &Search) -> f64 {
    match &search.sought {
        Sought::Targets { count, .. } => (*count as f64 / f64::from(search.mark_bits).exp2()).min(1.0),
        Sought::Interval { from, to, .. } => {
            let (first, last) = marks_around(from, to, search.mark_bits);
            ((last - first) as f64 + 1.0) / 64f64.exp2()
        }
    }
}

/// What is to be known of a search to tell its marks, made once of its targets.
#[derive(Debug, Clone, Copy)]
pub struct Prepared<'a> {
    /// The digests that are sought, ascending.
    targets: &'a [Digest],
    /// What of them Drones are told, ascending.
    values: Values<'a>,
    /// Of what the values are made, and the chain before the block that they come from.
    word: Word,
    chain: Chain,
}

/// What is to be known of a search to tell its marks, as [`Prepared`] reads it.
pub fn prepare(search: &Search) -> SharedBlob {
    let (word, chain) = word(search);
    let mut head = vec![u8::from(word == Word::Inner)];
    head.extend(chain.into_iter().flat_map(u32::to_le_bytes));
    let digests = if let Sought::Targets { digests, .. } = &search.sought { digests.as_slice() } else { &[] };
    let bits = low_bits(search.mark_bits);
    let values: BTreeSet<u64> = digests.as_chunks().0.iter().map(|digest| word.value(digest, &chain) & bits).collect();
    let values: Vec<u8> = values.into_iter().flat_map(u64::to_le_bytes).collect();
    let id = if is_long(values.len()) { &MaterialId::of(&values).0[..] } else { &[] };
    [&head, digests, &values, id].iter().collect::<BlobBuf>().freeze()
}

/// Where [`prepare`] puts the values, and their name if they are material.
const VALUES: usize = 2;
const ID: usize = 3;

/// What Drones are sent once of what [`prepare`] made, if its values are too long for each lease.
pub fn material(prepared: &SharedBlob) -> Option<Material> {
    let id = prepared.string(ID)?.as_ref().try_into().ok()?;
    Some(Material { id: MaterialId(id), bytes: prepared.string(VALUES)? })
}

/// Bytes of the values of all targets, if it has targets.
fn value_bytes(search: &Search) -> Option<usize> {
    let Sought::Targets { count, .. } = search.sought else { return None };
    Some(count as usize * size_of::<u64>())
}

/// Whether so many bytes of values are too long for each lease.
fn is_long(bytes: usize) -> bool {
    bytes > MAX_INLINE
}

impl<'a> Prepared<'a> {
    /// Reads what [`prepare`] made.
    pub fn read(prepared: Blob<'a>) -> Self {
        let mut strings = prepared.iter();
        let mut next = || strings.next().unwrap_or_default();
        let (inner, chain) = next().split_first().unwrap_or((&0, &[]));
        let word = if *inner == 1 { Word::Inner } else { Word::Outer };
        let mut words = chain.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word));
        let chain = std::array::from_fn(|_| words.next().unwrap_or_default());
        let targets = next().as_chunks().0;
        Self { targets, values: Values::known(next()), word, chain }
    }

    /// What a lease tells Drones: the sieve, without values that are material.
    fn lease_sieve(&self, search: &Search) -> Sieve<'a> {
        let values = if is_long(self.values.bytes().len()) { Values::known(&[]) } else { self.values };
        Self { values, ..*self }.sieve(search)
    }

    /// Which candidates are marks.
    pub fn sieve(&self, search: &Search) -> Sieve<'a> {
        match &search.sought {
            Sought::Interval { order, from, to } => {
                Sieve::Interval { order: *order, marks: marks_around(from, to, search.mark_bits), hits: (*from, *to) }
            }
            Sought::Targets { .. } => Sieve::Targets { word: self.word, bits: search.mark_bits, values: self.values },
        }
    }

    /// Whether a digest is sought.
    pub fn is_sought(&self, search: &Search, digest: &Digest) -> bool {
        match &search.sought {
            Sought::Targets { .. } => self.targets.binary_search(digest).is_ok(),
            Sought::Interval { order, from, to } => (*from..=*to).contains(&order.number(digest)),
        }
    }
}

/// SHA-256 compressions that one of the longest candidates takes behind the prefix.
pub fn cost_of_one(search: &Search) -> u64 {
    let [longest, _] = longest_and_shortest(search);
    compressions(search, longest)
}

/// Looks at single candidates, by other code than the Drones'.
pub struct Looker<'a> {
    search: &'a Search,
    large: &'a Large,
    prepared: Prepared<'a>,
    sieve: Sieve<'a>,
    /// The hash of the prefix, to be gone on with.
    begun: Sha256,
    /// The segment that was looked at last, and what its candidates are made of.
    segment: Option<(usize, SharedBlob)>,
    candidate: Vec<u8>,
}

/// A candidate that was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Its digest.
    pub digest: Digest,
    /// Whether it is a mark.
    pub is_mark: bool,
    /// Whether it is sought.
    pub is_finding: bool,
}

impl<'a> Looker<'a> {
    /// For the candidates of a search; `prepared` as [`prepare`] made it.
    pub fn new(search: &'a Search, large: &'a Large, prepared: Blob<'a>) -> Self {
        let prepared = Prepared::read(prepared);
        let (sieve, begun) = (prepared.sieve(search), Sha256::new_with_prefix(&search.prefix));
        Self { search, large, prepared, sieve, begun, segment: None, candidate: Vec::new() }
    }

    /// Which share of candidates are marks.
    pub fn share(&self) -> f64 {
        self.sieve.share().min(1.0)
    }

    /// Looks at one candidate.
    pub fn look(&mut self, index: u64) -> Looked {
        self.write(index);
        let hash = self.begun.clone().chain_update(&self.candidate).chain_update(&self.search.suffix);
        let mut digest: Digest = hash.finalize().into();
        if self.search.algorithm == Algorithm::Sha256d {
            digest = Sha256::digest(digest).into();
        }
        let is_mark = self.sieve.passes(&digest, &self.prepared.chain);
        Looked { digest, is_mark, is_finding: is_mark && self.prepared.is_sought(self.search, &digest) }
    }

    /// One candidate, without what stands around it.
    pub fn plain(&mut self, index: u64) -> Vec<u8> {
        self.write(index);
        self.candidate.clone()
    }

    fn write(&mut self, index: u64) {
        self.candidate.clear();
        let number = self.large.segment_of(index);
        let start = self.large.around(index).start;
        let sets = match &mut self.segment {
            Some((last, sets)) if *last == number => sets,
            segment => &mut segment.insert((number, self.search.candidates(number))).1,
        };
        candidates(self.search, sets.as_blob()).write(index - start, &mut self.candidate);
    }
}

fn candidates<'a>(search: &Search, sets: Blob<'a>) -> Candidates<'a> {
    match &search.space {
        Space::Masks(_) => Candidates::Mask(sets),
        Space::Counter { from, format, .. } => Candidates::Counter { from: *from, format: *format },
    }
}

/// Of what the values are made that Drones compare, and the chain before the block that they come from.
fn word(search: &Search) -> (Word, Chain) {
    match (search.algorithm, longest_and_shortest(search).map(|length| varying(search, length))) {
        // What is hashed last is a digest alone, in one block.
        (Algorithm::Sha256d, _) => (Word::Inner, START),
        (Algorithm::Sha256, [1, 1]) => (Word::Inner, chain(&search.prefix)),
        (Algorithm::Sha256, _) => (Word::Outer, START),
    }
}

/// The chain behind the whole blocks of a prefix.
fn chain(prefix: &[u8]) -> Chain {
    let mut chain = START;
    sha2::block_api::compress256(&mut chain, prefix.as_chunks::<BLOCK>().0);
    chain
}

/// Lengths of the longest and the shortest candidate, in bytes.
fn longest_and_shortest(search: &Search) -> [usize; 2] {
    match &search.space {
        Space::Masks(masks) => {
            let lengths = || masks.iter().map(|mask| mask.sets.len());
            [lengths().max().unwrap_or_default(), lengths().min().unwrap_or_default()]
        }
        Space::Counter { from, to, format } => [format.len_of(to.saturating_sub(1)), format.len_of(*from)],
    }
}

/// Blocks that differ between candidates of this length.
fn varying(search: &Search, length: usize) -> u64 {
    varying_blocks(search.prefix.len(), length, search.suffix.len())
}

/// SHA-256 compressions that a candidate of so many bytes takes.
fn compressions(search: &Search, length: usize) -> u64 {
    varying(search, length) + u64::from(search.algorithm == Algorithm::Sha256d)
}
