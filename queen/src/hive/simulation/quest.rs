//! Searches: small spaces of candidates, of which some are planted to be found, and what is true of them.

use std::collections::BTreeSet;
use std::ops::Range;

use sha2::{Digest as _, Sha256};
use web::kinds::search::{Algorithm, Mask, Masks, Search, Set, Sought, Space, Stop, mark_bits};
use wire::sieve::DigestOrder;
use wire::space::CounterFormat;

use super::random::Random;
use crate::kinds::Kind as _;
use crate::kinds::search::{Looker, prepare};
use crate::work::Inputs;

/// What is sought, where.
#[derive(Debug)]
pub struct Quest {
    pub search: Search,
    /// All candidates that are marks, by the definition.
    marks: BTreeSet<u64>,
    /// Those that are sought.
    pub hits: BTreeSet<u64>,
}

/// How the marks that a Drone reports differ from those that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongMarks {
    /// It searches nothing.
    All,
    /// It leaves out every other candidate, or one of ten, as it seems at random.
    Half,
    Tenth,
    /// One lane of a kernel finds nothing.
    Lane,
    /// It gives up at three quarters of each part.
    Tail,
    /// It drops a few marks of those that it has found.
    Few,
    /// It reports one that is none.
    False,
}

/// All of them.
pub const WRONG_MARKS: [WrongMarks; 7] = [
    WrongMarks::All,
    WrongMarks::Half,
    WrongMarks::Tenth,
    WrongMarks::Lane,
    WrongMarks::Tail,
    WrongMarks::Few,
    WrongMarks::False,
];

impl WrongMarks {
    /// What is reported instead of the `marks` of a range.
    pub fn of(self, range: &Range<u64>, marks: &[u64], random: &mut Random) -> Vec<u64> {
        // Which candidates are skipped follows from them alone.
        let mixed = |mark: u64| Random::new(mark).next();
        let tail = range.start + (range.end - range.start) * 3 / 4;
        let mut reported = marks.to_vec();
        match self {
            Self::All => reported.clear(),
            Self::Half => reported.retain(|mark| mixed(*mark) % 2 == 0),
            Self::Tenth => reported.retain(|mark| mixed(*mark) % 10 != 0),
            Self::Lane => reported.retain(|mark| mark % 16 != 3),
            Self::Tail => reported.retain(|mark| *mark < tail),
            Self::Few => reported.retain(|_| !random.chance(50)),
            Self::False => {
                let none = range.clone().filter(|index| marks.binary_search(index).is_err()).nth(random.index(3));
                reported.extend(none);
                reported.sort_unstable();
            }
        }
        reported
    }
}

impl Quest {
    pub fn random(random: &mut Random, capacity: u64) -> Self {
        let most = (capacity * 100).clamp(500, 20_000);
        let total = random.pick(&[50, 900, 1100, 3000, 10_000, 20_000]).min(most);
        let space = match random.chance(700) {
            true => {
                let from = random.within(0..=2000);
                let format = random.pick(&[CounterFormat::Decimal, CounterFormat::Hex, CounterFormat::U32Le]);
                Space::Counter { from, to: from + total, format }
            }
            false => masks(total),
        };
        let total = space.total().expect("it is small");
        let algorithm = if random.chance(800) { Algorithm::Sha256 } else { Algorithm::Sha256d };
        let stop = random.pick(&[Stop::Never, Stop::Never, Stop::All, Stop::First, Stop::Lowest]);
        let prefix = if random.chance(300) { b"honey".repeat(random.index(20)) } else { Vec::new() };
        let count = if random.chance(200) { 0 } else { random.within(1..=4) };
        let sought = Sought::Interval { order: DigestOrder::Big, from: [0; 32], to: [0; 32] };
        let suffix = if random.chance(200) { b"comb".to_vec() } else { Vec::new() };
        let max_findings = if random.chance(900) { 1000 } else { 1 };
        let mut search = Search { algorithm, prefix, suffix, space, sought, stop, max_findings, mark_bits: 0 };
        if count > 0 {
            let planted: BTreeSet<u64> = (0..count).map(|_| random.within(0..=total - 1)).collect();
            let mut digests: BTreeSet<_> = planted.iter().map(|index| digest(&search, *index)).collect();
            if stop != Stop::All && random.chance(300) {
                digests.insert([7; 32]);
            }
            let count = digests.len() as u64;
            search.sought = Sought::Targets { count, digests: digests.into_iter().flatten().collect() };
            search.mark_bits = mark_bits(total, count);
        } else {
            // So many leading zero bits that there are a few such candidates.
            let bits = random.within(5..=10);
            let mut to = [0xFF; 32];
            to[..8].copy_from_slice(&(u64::MAX >> bits).to_be_bytes());
            search.sought = Sought::Interval { order: DigestOrder::Big, from: [0; 32], to };
            search.mark_bits = mark_bits(total, 1);
        }
        Self::new(search)
    }

    /// Some digest sought among the first numbers.
    pub fn of_numbers(total: u64) -> Self {
        let space = Space::Counter { from: 0, to: total, format: CounterFormat::Decimal };
        let (algorithm, stop, max_findings) = (Algorithm::Sha256, Stop::Never, 1);
        let sought = Sought::Targets { count: 1, digests: vec![7; 32] };
        let (prefix, suffix, mark_bits) = (Vec::new(), Vec::new(), mark_bits(total, 1));
        Self::new(Search { algorithm, prefix, suffix, space, sought, stop, max_findings, mark_bits })
    }

    fn new(search: Search) -> Self {
        let Some(Inputs::Large(large)) = search.implied() else { unreachable!("candidates are implied") };
        let prepared = prepare(&search);
        let mut looker = Looker::new(&search, &large, prepared.as_blob());
        let (mut marks, mut hits) = (BTreeSet::new(), BTreeSet::new());
        for index in 0..large.total() {
            let looked = looker.look(index);
            marks.extend(looked.is_mark.then_some(index));
            hits.extend(looked.is_finding.then_some(index));
        }
        Self { search, marks, hits }
    }

    /// How many candidates each segment has.
    pub fn segments(&self) -> Vec<u64> {
        match &self.search.space {
            Space::Counter { from, to, .. } => vec![to - from],
            Space::Masks(masks) => masks.iter().filter_map(Mask::count).collect(),
        }
    }

    /// The marks of a range.
    pub fn marks_in(&self, range: &Range<u64>) -> Vec<u64> {
        self.marks.range(range.clone()).copied().collect()
    }

    /// Whether all candidates are marks.
    pub fn is_all_marks(&self) -> bool {
        self.search.mark_bits == 0 && matches!(self.search.sought, Sought::Targets { .. })
    }

    /// Whether each digest that is sought was found.
    pub fn is_all_found(&self, findings: &BTreeSet<u64>) -> bool {
        let found: BTreeSet<_> = findings.iter().map(|index| self.digest(*index)).collect();
        matches!(self.search.sought, Sought::Targets { count, .. } if found.len() as u64 >= count)
    }

    pub fn digest(&self, index: u64) -> [u8; 32] {
        digest(&self.search, index)
    }
}

fn digest(search: &Search, index: u64) -> [u8; 32] {
    let once = Sha256::digest(search.message(index).expect("it is within the space"));
    if search.algorithm == Algorithm::Sha256d { Sha256::digest(once).into() } else { once.into() }
}

/// Two masks of about so many candidates together.
fn masks(total: u64) -> Space {
    let mask = |letters: usize, count: u64| {
        let set = |size: u64| Set::new((b'a'..).take(size as usize).collect());
        let mut sets: Vec<_> = (1..letters).map(|_| set(10)).collect();
        sets.push(set(count.clamp(1, 26)));
        Mask { text: format!("of {letters}"), sets }
    };
    let letters = total.ilog10() as usize;
    let tens = 10u64.pow(letters as u32);
    let masks = [mask(letters, 10), mask(letters + 1, (total - 1) / tens)];
    Space::Masks(Masks::new(masks.to_vec()).expect("they are few and small"))
}
