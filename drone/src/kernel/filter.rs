//! Which words may be among many.

use std::ops::RangeInclusive;

use wire::sieve::low_bits;

/// Bits of an entry.
const ENTRY_BITS: u32 = u32::BITS;

/// Bits of a word that tell a bit of an entry.
const BIT_BITS: u32 = ENTRY_BITS.ilog2();

/// Entries for each word.
const SPARSITY: usize = 2;

/// Entries, as a power of two: fewer would take no less time, and a CPU's second cache holds no more.
const INDEX_BITS: RangeInclusive<u32> = 8..=18;

/// A blocked Bloom filter (Putze, Sanders and Singler, 2007): some bits of a word tell an entry, others two bits of it,
/// which are set if the word is one of those sought. About one other word in five hundred passes. Each word costs one
/// access to memory.
pub(super) struct Filter {
    /// A power of two, so that any number has one behind the mask of their count.
    pub(super) entries: Vec<u32>,
    /// The bits of a word that count.
    pub(super) mask: u32,
    /// By how much it is shifted to the right for the number of its entry, and for those of its two bits.
    pub(super) index_shift: u32,
    pub(super) bit_shifts: [u32; 2],
}

impl Filter {
    /// Of words whose lowest `compared` bits count. Its entries are numbered by the lowest ones of those, or by the
    /// highest ones: two filters of the same words that differ in this let pass different other words.
    pub(super) fn new(words: impl ExactSizeIterator<Item = u32>, compared: u32, index_is_low: bool) -> Self {
        let rest = compared.saturating_sub(BIT_BITS);
        let wanted = (SPARSITY * words.len()).next_power_of_two().ilog2();
        let index_bits = wanted.clamp(*INDEX_BITS.start(), *INDEX_BITS.end()).min(rest);
        // Of the bits that are no number of an entry, the lowest and the highest ones; there may be some in common.
        let (index_shift, bit_shifts) = match index_is_low {
            true => (0, [index_bits, rest]),
            // Where there is one entry, all bits are shifted away.
            false => ((compared - index_bits).min(u32::BITS - 1), [0, rest - index_bits]),
        };
        let mask = low_bits(compared as u8) as u32;
        let mut filter = Self { entries: vec![0; 1 << index_bits], mask, index_shift, bit_shifts };
        for word in words {
            let (index, bits) = filter.place(word);
            filter.entries[index] |= bits;
        }
        filter
    }

    /// The entry of a word, and its bits.
    #[inline(always)]
    fn place(&self, word: u32) -> (usize, u32) {
        let word = word & self.mask;
        let bits = self.bit_shifts.map(|shift| 1 << ((word >> shift) % ENTRY_BITS));
        ((word >> self.index_shift) as usize & (self.entries.len() - 1), bits[0] | bits[1])
    }

    /// Whether this may be one of the words.
    #[inline(always)]
    pub(super) fn passes(&self, word: u32) -> bool {
        let (index, bits) = self.place(word);
        self.entries[index] & bits == bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_them_passes_and_few_others_do() {
        // SplitMix64 (Steele, Lea and Flood, 2014), of which the upper half.
        let mut numbers = (1u64..).map(|number| {
            let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed >> 32) as u32
        });
        for count in [1, 2, 5, 1_000, 100_000] {
            for compared in [0, 1, 5, 6, 7, 12, 17, 23, 31, 32] {
                let words: Vec<u32> = numbers.by_ref().take(count).collect();
                let filters = [true, false].map(|is_low| Filter::new(words.iter().copied(), compared, is_low));
                let ignored = !(low_bits(compared as u8) as u32);
                for filter in &filters {
                    assert!(words.iter().all(|word| filter.passes(*word) && filter.passes(word ^ ignored)));
                }
                if compared < 31 || count == 1 {
                    continue;
                }
                let others: Vec<u32> = numbers.by_ref().take(100_000).collect();
                let passing = |filters: &[Filter]| {
                    others.iter().filter(|word| filters.iter().all(|filter| filter.passes(**word))).count()
                };
                assert!(passing(&filters[..1]) < 500 && passing(&filters[1..]) < 500);
                assert!(passing(&filters) < 10, "{count} of {compared} bits: {}", passing(&filters));
            }
        }
    }
}
