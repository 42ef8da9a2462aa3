//! Which candidates of a search may be marks, told by one word each.

use wire::sieve::{Chain, Digest, DigestOrder, Sieve, Word, low_bits};

/// As many different words are compared one by one.
const MAX_FEW: usize = 4;

/// Bits of a map for each word that is sought: about one candidate in so many passes that should not.
const MAP_SPARSITY: usize = 64;

/// Bits of a map, as a power of two: the smallest one, which is not worth making smaller, and the largest one,
/// which a CPU's second cache may hold.
const MAP_BITS: std::ops::RangeInclusive<u32> = 12..=23;

/// A test that every mark passes, and few others do.
pub(super) struct Probe {
    pub(super) place: Place,
    pub(super) test: Test,
}

/// Where the word is that is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
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
    /// Its bits are set in both maps.
    Many(Maps),
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

/// Two maps of the words that are sought: by their lowest bits, and by the highest ones of those that are compared.
pub(super) struct Maps {
    /// A bit for each number.
    pub(super) low: Vec<u32>,
    pub(super) high: Vec<u32>,
    /// The bits of a word that are its number in `low`.
    pub(super) mask: u32,
    /// By how much a word is shifted to the right before `mask` makes its number in `high` of it.
    pub(super) shift: u32,
}

impl Probe {
    /// Takes some microseconds for each thousand values.
    pub(super) fn new(sieve: &Sieve<'_>) -> Self {
        match *sieve {
            Sieve::Targets { word, bits, values } => {
                let place = match word {
                    Word::Inner => Place::Inner,
                    Word::Outer => Place::Last,
                };
                let compared = u32::from(bits).min(u32::BITS);
                let mask = low_bits(compared as u8) as u32;
                let test = match few(values.iter().map(|value| value as u32 & mask)) {
                    Some(words) => Test::Few { mask, words },
                    None => Test::Many(Maps::new(values.iter().map(|value| value as u32), compared, values.len())),
                };
                Self { place, test }
            }
            Sieve::Interval { marks: (first, last), .. } if first > last => {
                Self { place: Place::First, test: Test::Few { mask: 0, words: Vec::new() } }
            }
            Sieve::Interval { order, marks: (first, last), .. } => {
                let (place, is_swapped) = match order {
                    DigestOrder::Big => (Place::First, false),
                    DigestOrder::Little => (Place::Last, true),
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
            Place::Inner => Word::Inner.value(digest, chain) as u32,
            Place::Last => Word::Outer.value(digest, chain) as u32,
            Place::First => u32::from_be_bytes(first),
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
            Self::Many(maps) => maps.contain(word),
            Self::Range { is_swapped, first, span } => {
                let word = if *is_swapped { word.swap_bytes() } else { word };
                word.wrapping_sub(*first) <= *span
            }
        }
    }
}

impl Maps {
    /// Of `count` words, of which the lowest `compared` bits count.
    fn new(words: impl Iterator<Item = u32>, compared: u32, count: usize) -> Self {
        let wanted = (count * MAP_SPARSITY).next_power_of_two().ilog2();
        let bits = wanted.clamp(*MAP_BITS.start(), *MAP_BITS.end());
        let size = (1usize << bits) / u32::BITS as usize;
        // Where fewer bits count than a map has, a word stands at all its places.
        let (mask, shift) = (low_bits(bits.min(compared) as u8) as u32, compared.saturating_sub(bits));
        let mut maps = Self { low: vec![0; size], high: vec![0; size], mask, shift };
        for word in words {
            set(&mut maps.low, word & mask);
            set(&mut maps.high, word >> shift & mask);
        }
        maps
    }

    /// Whether both maps have it.
    pub(super) fn contain(&self, word: u32) -> bool {
        is_set(&self.low, word & self.mask) && self.high_contains(word)
    }

    /// Whether the second map has it.
    pub(super) fn high_contains(&self, word: u32) -> bool {
        is_set(&self.high, word >> self.shift & self.mask)
    }
}

fn set(map: &mut [u32], number: u32) {
    map[(number / u32::BITS) as usize] |= 1 << (number % u32::BITS);
}

fn is_set(map: &[u32], number: u32) -> bool {
    map[(number / u32::BITS) as usize] >> (number % u32::BITS) & 1 == 1
}
