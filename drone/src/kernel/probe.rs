//! Which candidates of a search may be marks, told by one word each.

use wire::sieve::{Chain, Digest, DigestOrder, Sieve, Word, low_bits};

use super::filter::Filter;

/// As many different words are compared one by one.
const MAX_FEW: usize = 4;

/// A test that every mark passes, and few others do.
pub(super) struct Probe {
    pub(super) place: TestedWord,
    pub(super) test: Test,
}

/// Where the word is that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TestedWord {
    /// The variable `a` after 57 rounds of the last compression (FIPS 180-4, 6.2.2, step 3).
    Inner,
    /// The first word of the digest.
    First,
    /// The last word of the digest.
    Last,
}

/// What is asked of the word.
pub(super) enum Test {
    /// Under the mask it is one of these.
    Few {
        /// Bits that are compared.
        mask: u32,
        /// What they may be.
        words: Vec<u32>,
    },
    /// It passes both filters.
    Many(Box<[Filter; 2]>),
    /// It lies in a range.
    Range {
        /// Whether its bytes are in the wrong order.
        is_swapped: bool,
        /// The first one.
        first: u32,
        /// The last one less the first.
        span: u32,
    },
}

impl Probe {
    /// Takes some microseconds for each thousand values.
    pub(super) fn new(sieve: &Sieve<'_>) -> Self {
        match *sieve {
            Sieve::Targets { word, bits, values } => {
                let place = match word {
                    Word::Inner => TestedWord::Inner,
                    Word::Outer => TestedWord::Last,
                };
                let compared = u32::from(bits).min(u32::BITS);
                let mask = low_bits(compared as u8) as u32;
                let test = match few(values.iter().map(|value| value as u32 & mask)) {
                    Some(words) => Test::Few { mask, words },
                    None => {
                        let filter =
                            |index_is_low| Filter::new(values.iter().map(|value| value as u32), compared, index_is_low);
                        Test::Many(Box::new([filter(true), filter(false)]))
                    }
                };
                Self { place, test }
            }
            Sieve::Interval { marks: (first, last), .. } if first > last => {
                Self { place: TestedWord::First, test: Test::Few { mask: 0, words: Vec::new() } }
            }
            Sieve::Interval { order, marks: (first, last), .. } => {
                let (place, is_swapped) = match order {
                    DigestOrder::Big => (TestedWord::First, false),
                    DigestOrder::Little => (TestedWord::Last, true),
                };
                let [first, last] = [first, last].map(|top| (top >> 32) as u32);
                Self { place, test: Test::Range { is_swapped, first, span: last - first } }
            }
        }
    }

    /// Whether a candidate of this digest may be a mark; `chain` is that before the last block.
    pub(super) fn passes(&self, digest: &Digest, chain: &Chain) -> bool {
        let [first @ .., _, _, _, _] = digest.first_chunk::<8>().copied().unwrap_or_default();
        let word = match self.place {
            TestedWord::Inner => Word::Inner.value(digest, chain) as u32,
            TestedWord::Last => Word::Outer.value(digest, chain) as u32,
            TestedWord::First => u32::from_be_bytes(first),
        };
        self.test.passes(word)
    }
}

/// The different words among these, if they are few.
fn few(words: impl Iterator<Item = u32>) -> Option<Vec<u32>> {
    let mut few = Vec::with_capacity(MAX_FEW);
    for word in words {
        if few.contains(&word) {
            continue;
        }
        if few.len() == MAX_FEW {
            return None;
        }
        few.push(word);
    }
    Some(few)
}

impl Test {
    pub(super) fn passes(&self, word: u32) -> bool {
        match self {
            Self::Few { mask, words } => words.contains(&(word & mask)),
            Self::Many(filters) => filters.iter().all(|filter| filter.passes(word)),
            Self::Range { is_swapped, first, span } => {
                let word = if *is_swapped { word.swap_bytes() } else { word };
                word.wrapping_sub(*first) <= *span
            }
        }
    }
}
