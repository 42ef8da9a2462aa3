//! Sieves against compressions that are written out round by round, and marks as they are written.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use wire::blob::BlobBuf;
use wire::frame::{self, FrameError, HEADER, MAX_TO_DRONE};
use wire::sieve::{Chain, Digest, DigestOrder, Marks, START, Sieve, Values, Word, low_bits, top, write_marks};
use wire::space::{Candidates, CounterFormat};
use wire::work::{Algorithm, Class, SearchChunk, varying_blocks};

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2).
fn constants() -> [u32; 64] {
    let primes = (2u128..).filter(|number| (2..*number).all(|divisor| number % divisor > 0));
    let mut constants = [0; 64];
    for (constant, prime) in constants.iter_mut().zip(primes) {
        // The cube root of prime · 2^96, of which the lowest 32 bits are behind the point.
        let (mut low, mut high) = (0u128, 1 << 36);
        while low + 1 < high {
            let middle = (low + high) / 2;
            match middle.pow(3) <= prime << 96 {
                true => low = middle,
                false => high = middle,
            }
        }
        *constant = low as u32;
    }
    constants
}

/// The blocks of a padded message (FIPS 180-4, 5.1.1).
fn blocks(message: &[u8]) -> Vec<[u32; 16]> {
    let mut bytes = [message, &[0x80]].concat();
    bytes.resize((bytes.len() + 8).next_multiple_of(64) - 8, 0);
    bytes.extend_from_slice(&(8 * message.len() as u64).to_be_bytes());
    let words = |block: &[u8]| std::array::from_fn(|at| u32::from_be_bytes(block[4 * at..][..4].try_into().unwrap()));
    bytes.chunks(64).map(words).collect()
}

/// The variables `a` to `h` after so many rounds of a block (FIPS 180-4, 6.2.2, step 3).
fn rounds(chain: &Chain, block: &[u32; 16], rounds: usize) -> [u32; 8] {
    let mut w = block.to_vec();
    for t in 16..64 {
        let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ (w[t - 15] >> 3);
        let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ (w[t - 2] >> 10);
        w.push(s1.wrapping_add(w[t - 7]).wrapping_add(s0).wrapping_add(w[t - 16]));
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *chain;
    for (k, w) in constants().into_iter().zip(w).take(rounds) {
        let s1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let t1 = h.wrapping_add(s1).wrapping_add((e & f) ^ (!e & g)).wrapping_add(k).wrapping_add(w);
        let s0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let t2 = s0.wrapping_add((a & b) ^ (a & c) ^ (b & c));
        (h, g, f, e) = (g, f, e, d.wrapping_add(t1));
        (d, c, b, a) = (c, b, a, t1.wrapping_add(t2));
    }
    [a, b, c, d, e, f, g, h]
}

/// The chain before the last block of a message, that block, and the digest.
fn hashed(message: &[u8]) -> (Chain, [u32; 16], Digest) {
    let after = |chain: &Chain, block| {
        let state = rounds(chain, block, 64);
        std::array::from_fn(|word| chain[word].wrapping_add(state[word]))
    };
    let blocks = blocks(message);
    let (last, before) = blocks.split_last().unwrap();
    let chain = before.iter().fold(START, |chain, block| after(&chain, block));
    let digest = after(&chain, last).map(u32::to_be_bytes).concat();
    (chain, *last, digest.try_into().unwrap())
}

fn values(values: &[u64]) -> Vec<[u8; 8]> {
    values.iter().map(|value| value.to_le_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_value_is_what_the_rounds_come_to(message in vec(any::<u8>(), 0..200)) {
        let (chain, last, digest) = hashed(&message);
        prop_assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(&message)));
        let [after_57, after_58] = [57, 58].map(|count| u64::from(rounds(&chain, &last, count)[0]));
        prop_assert_eq!(Word::Inner.value(&digest, &chain), after_58 << 32 | after_57);
        let word = |at: usize| u64::from(u32::from_be_bytes(digest[4 * at..][..4].try_into().unwrap()));
        prop_assert_eq!(Word::Outer.value(&digest, &chain), word(6) << 32 | word(7));
    }

    #[test]
    fn targets_agree_in_their_lowest_bits(digest: Digest, chain: Chain, others: [u64; 3], bits in 0u8..=64, inner: bool) {
        let word = if inner { Word::Inner } else { Word::Outer };
        let own = word.value(&digest, &chain);
        let among = |sought: &[u64]| {
            let mut sought: Vec<u64> = sought.iter().map(|value| value & low_bits(bits)).collect();
            sought.sort_unstable();
            sought.dedup();
            let bytes = values(&sought);
            let sieve = Sieve::Targets { word, bits, values: Values::new(&bytes).unwrap() };
            sieve.passes(&digest, &chain)
        };
        prop_assert!(among(&[others[0], own, others[1]]));
        prop_assert_eq!(among(&others), others.iter().any(|other| (other ^ own) & low_bits(bits) == 0));
        prop_assert!(bits == 0 || !among(&[own ^ 1 << (bits - 1)]));
        prop_assert!(bits == 64 || among(&[own ^ 1 << bits]));
    }

    #[test]
    fn an_interval_has_its_ends(digest: Digest, big: bool, by: u64) {
        let order = if big { DigestOrder::Big } else { DigestOrder::Little };
        let number = order.number(&digest);
        let at = |byte: usize| digest[if big { byte } else { 31 - byte }];
        prop_assert!((0..32).all(|byte| number[byte] == at(byte)));
        let own = top(&number);
        let is_mark = |marks| Sieve::Interval { order, marks, hits: ([0; 32], [255; 32]) }.passes(&digest, &START);
        prop_assert!(is_mark((own, own)) && is_mark((0, u64::MAX)) && is_mark((own.saturating_sub(by), own)));
        prop_assert!(own == 0 || !is_mark((0, own - 1)));
        prop_assert!(own == u64::MAX || !is_mark((own + 1, u64::MAX)));
    }

    #[test]
    fn marks_are_read_back(marks in btree_set(prop_oneof![0u64..300, any::<u64>().prop_map(|mark| mark >> 1)], 0..40)) {
        let mut bytes = Vec::new();
        write_marks(marks.iter().copied(), &mut bytes);
        let items = marks.last().map_or(0, |last| last + 1);
        let read = Marks::parse(&bytes, items).unwrap();
        prop_assert!(read.iter().eq(marks.iter().copied()));
        prop_assert_eq!(read.bytes(), &bytes[..]);
        prop_assert!(items == 0 || Marks::parse(&bytes, items - 1).is_none());
        // Nothing else is written like them.
        for cut in 0..bytes.len() {
            let is_whole = cut == 0 || bytes[cut - 1] < 0x80;
            prop_assert_eq!(Marks::parse(&bytes[..cut], u64::MAX).is_some(), is_whole);
        }
    }

    #[test]
    fn any_bytes_are_marks_or_none(bytes in vec(prop_oneof![0u8..2, 0x7eu8..0x82, any::<u8>()], 0..24), items: u64) {
        let Some(marks) = Marks::parse(&bytes, items) else { return Ok(()) };
        let marks: Vec<u64> = marks.iter().collect();
        prop_assert!(marks.iter().all(|mark| *mark < items) && marks.is_sorted_by(|one, next| one < next));
        let mut again = Vec::new();
        write_marks(marks, &mut again);
        prop_assert_eq!(again, bytes);
    }

    #[test]
    fn a_class_follows_from_the_blocks(prefix in 0usize..200, from: u64, items in 1u64..2000, suffix in 0usize..200, twice: bool) {
        let candidates = Candidates::Counter { from, format: CounterFormat::Decimal };
        let sieve = Sieve::Interval { order: DigestOrder::Big, marks: (0, 0), hits: ([0; 32], [0; 32]) };
        let algorithm = if twice { Algorithm::Sha256d } else { Algorithm::Sha256 };
        let (before, behind) = (vec![0; prefix], vec![0; suffix]);
        let items = items.min(u64::MAX - from);
        let chunk = SearchChunk { algorithm, candidates, first: 0, items, prefix: &before, suffix: &behind, sieve };
        let longest = (from + items.saturating_sub(1)).to_string().len();
        let all = blocks(&vec![0; prefix + longest + suffix]).len();
        let varying = (all - prefix / 64) as u64;
        prop_assert_eq!(varying_blocks(prefix, longest, suffix), varying);
        prop_assert_eq!(chunk.compressions(), varying + u64::from(twice));
        let short = if twice { Class::SEARCH_SHA256D } else { Class::SEARCH };
        prop_assert_eq!(chunk.class(), if varying == 1 { short } else { Class::SEARCH_LONG });
    }
}

#[test]
fn all_bits_and_none() {
    assert_eq!([0, 1, 32, 63, 64].map(low_bits), [0, 1, 0xffff_ffff, u64::MAX >> 1, u64::MAX]);
    let nothing = values(&[0]);
    let sieve = Sieve::Targets { word: Word::Outer, bits: 0, values: Values::new(&nothing).unwrap() };
    assert!(sieve.passes(&[7; 32], &START) && sieve.share() == 1.0);
    let three = values(&[1, 5, 9]);
    let sieve = Sieve::Targets { word: Word::Inner, bits: 10, values: Values::new(&three).unwrap() };
    assert_eq!(sieve.share(), 3.0 / 1024.0);
    let interval = |marks| Sieve::Interval { order: DigestOrder::Big, marks, hits: ([0; 32], [0; 32]) }.share();
    assert_eq!((interval((0, u64::MAX)), interval((0, (1 << 44) - 1))), (1.0, (-20f64).exp2()));
}

#[test]
fn values_ascend() {
    let are_values = |numbers: &[u64]| Values::new(&values(numbers)).is_some();
    assert!(are_values(&[]) && are_values(&[7]) && are_values(&[0, 1, 255, 256, u64::MAX]));
    assert!(!are_values(&[1, 1]) && !are_values(&[2, 1]) && !are_values(&[255, 256, 3]));
    let bytes = values(&[3, 256, u64::MAX]);
    let all = Values::new(&bytes).unwrap();
    assert_eq!((all.len(), all.is_empty()), (3, false));
    assert!(all.iter().eq([3, 256, u64::MAX]));
    assert!(all.contains(256) && !all.contains(1) && !all.contains(0));
}

#[test]
fn values_that_do_not_ascend_are_no_message() {
    let bytes = values(&[1, 2]);
    let sieve = Sieve::Targets { word: Word::Outer, bits: 8, values: Values::new(&bytes).unwrap() };
    let mut frame = Vec::new();
    frame::encode(&sieve, MAX_TO_DRONE, &mut frame).unwrap();
    let body = &mut frame[HEADER..];
    assert_eq!(*body, [&[0, 1, 8, 2, 1][..], &[0; 7], &[2], &[0; 7]].concat());
    assert_eq!(frame::decode::<Sieve<'_>>(body).unwrap(), sieve);
    body[4] = 2;
    let error = frame::decode::<Sieve<'_>>(body).unwrap_err();
    assert!(matches!(&error, FrameError::Invalid(_)) && error.to_string().contains("ascending"), "{error}");
}

#[test]
fn malformed_marks_are_none() {
    let parsed = |bytes: &[u8], items| Marks::parse(bytes, items).map(|marks| marks.iter().collect::<Vec<_>>());
    assert_eq!(parsed(&[], 0), Some(vec![]));
    assert_eq!(parsed(&[0, 0, 1, 0x80, 0x01], u64::MAX), Some(vec![0, 1, 3, 132]));
    assert_eq!(parsed(&[2], 2), None, "behind the part");
    assert_eq!(parsed(&[0x80], 1000), None, "cut off");
    assert_eq!(parsed(&[0x81, 0x00], 1000), None, "longer than it needs to be");
    let longest = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(parsed(&[&longest[..], &[0x02]].concat(), u64::MAX), None, "beyond 64 bits");
    assert_eq!(parsed(&[&longest[..], &[0x01]].concat(), u64::MAX), None, "there is no index behind it");
    assert_eq!(parsed(&[&[0xfe], &longest[1..], &[0x01]].concat(), u64::MAX), Some(vec![u64::MAX - 1]));
    assert_eq!(parsed(&[&[0xfe], &longest[1..], &[0x01, 0]].concat(), u64::MAX), None, "ascending beyond all numbers");
    assert_eq!(parsed(&[&longest[..], &[0x80, 0]].concat(), u64::MAX), None, "too many groups");
}

/// A space as it travels.
#[test]
fn candidates_travel_as_sets_or_as_a_number() {
    let sets: BlobBuf = ["ab", "x"].iter().collect();
    let mut frame = Vec::new();
    frame::encode(&Candidates::Mask(sets.as_blob()), MAX_TO_DRONE, &mut frame).unwrap();
    assert_eq!(frame[HEADER..], [0, 15, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, b'a', b'b', b'x']);
    for (number, format) in [
        CounterFormat::Decimal,
        CounterFormat::Hex,
        CounterFormat::U32Le,
        CounterFormat::U32Be,
        CounterFormat::U64Le,
        CounterFormat::U64Be,
    ]
    .into_iter()
    .enumerate()
    {
        let body = [1, 9, number as u8];
        assert_eq!(frame::decode::<Candidates<'_>>(&body).unwrap(), Candidates::Counter { from: 9, format });
    }
    assert!(frame::decode::<Candidates<'_>>(&[1, 9, 6]).is_err());
}
