//! How many candidates are marks: candidates that pass a sieve coarser than what is sought.

use wire::sieve;

/// Bytes of a digest.
const DIGEST: usize = 32;

/// How many bits of a target are compared, so that marks are neither too few to prove anything nor too many to be
/// looked at. It depends on nothing that changes: marks of one range by two Drones, or before and after a restart, are
/// the same.
pub fn mark_bits(total: u64, targets: u64) -> u8 {
    if total < ALL_MARKS {
        return 0;
    }
    let targets = u128::from(targets.max(1));
    // Candidates times targets for each mark, so that there are so many marks in all.
    let for_marks = |marks: u128| (u128::from(total) * targets / marks).max(1);
    let bits = for_marks(LEAST_MARKS).ilog2().min(targets.next_power_of_two().ilog2() + USUAL);
    let most = for_marks(MOST_MARKS).next_power_of_two().ilog2();
    let densest = targets.next_power_of_two().ilog2() + DENSEST;
    bits.max(most).max(densest).min(64) as u8
}

/// Below so many candidates all are marks.
const ALL_MARKS: u64 = 1024;

/// Marks of a whole task: no fewer, unless they would be too close together, and no more.
const LEAST_MARKS: u128 = 1 << 14;
const MOST_MARKS: u128 = 1 << 26;

/// One candidate in two to the power of this is a mark: about a thousand in half a minute of one thread with AVX-512.
const USUAL: u32 = 21;

/// One candidate in two to the power of this is a mark at most.
const DENSEST: u32 = 6;

/// First and last of the most significant 64 bits of a mark, where those between `from` and `to` are sought: about one
/// number in two to the power of `bits`, or what is sought if that is more.
pub fn marks_around(from: &[u8; DIGEST], to: &[u8; DIGEST], bits: u8) -> (u64, u64) {
    let (first, last) = (sieve::top(from), sieve::top(to));
    let wanted = u64::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
    let more = wanted.saturating_sub(last - first);
    // As much on both sides, or what there is on one.
    let before = (more / 2).min(first);
    let after = (more - before).min(u64::MAX - last);
    (first - (more - after).min(first), last + after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_neither_few_nor_many() {
        assert_eq!([0, 1023].map(|total| mark_bits(total, 1)), [0, 0]);
        assert_eq!(mark_bits(1024, 1), 6);
        assert_eq!(mark_bits(1 << 30, 1), 16);
        assert_eq!(mark_bits(1 << 40, 1), 21);
        assert_eq!(mark_bits(1 << 40, 100_000), 38);
        assert_eq!(mark_bits(1 << 63, 1), 37);
        assert_eq!(mark_bits(1 << 63, 100_000), 54);
    }

    #[test]
    fn marks_of_an_interval_lie_around_it() {
        let number = |top: u64| {
            let mut number = [0; DIGEST];
            number[..8].copy_from_slice(&top.to_be_bytes());
            number
        };
        let marks = |from, to, bits| marks_around(&number(from), &number(to), bits);
        assert_eq!(marks(0, 0xffff, 48), (0, 0xffff));
        assert_eq!(marks(0, 0xff, 48), (0, 0xffff));
        assert_eq!(marks(u64::MAX - 1, u64::MAX, 60), (u64::MAX - 15, u64::MAX));
        assert_eq!(marks(100, 103, 60), (94, 109));
        assert_eq!(marks(0, u64::MAX, 8), (0, u64::MAX));
        assert_eq!(marks(0, 5, 0), (0, u64::MAX));
        assert_eq!(marks(7, 7, 64), (7, 7));
    }
}
