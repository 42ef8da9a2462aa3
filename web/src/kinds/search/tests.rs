use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use wire::space::CounterFormat;

use super::*;

fn search(prefix: usize, space: Space) -> Search {
    Search {
        algorithm: Algorithm::Sha256d,
        prefix: vec![b'p'; prefix],
        suffix: b"s".to_vec(),
        space,
        sought: Sought::Interval { order: DigestOrder::Big, from: [0; DIGEST], to: [0xff; DIGEST] },
        stop: Stop::Never,
        max_findings: 1,
        mark_bits: 0,
    }
}

#[test]
fn a_search_says_what_is_hashed_and_what_it_costs() {
    let counter = |from, to| Space::Counter { from, to, format: CounterFormat::Decimal };
    let one = search(2, counter(9, 11));
    assert_eq!(one.candidate(1).as_deref(), Some(&b"10"[..]));
    assert_eq!(one.message(0).as_deref(), Some(&b"pp9s"[..]));
    assert_eq!((one.candidate(2), one.message(2)), (None, None));
    assert_eq!(one.compressions(), Some(4));
    assert_eq!(search(64 + 53, counter(9, 11)).compressions(), Some(2 + 3));
    assert_eq!(search(0, counter(0, 1 << 62)).compressions(), Some(1 << 63));
    assert_eq!(search(0, counter(0, (1 << 62) + 1)).compressions(), None);
    assert_eq!(one.sought.expected(7), 7.0);
    let targets = Sought::Targets { count: 1 << 20, digests: Vec::new() };
    assert_eq!(targets.expected(1 << 40), (-196f64).exp2());
}

/// All candidates of masks, which are lines of a file if there are several.
fn masked(masks: &[&str], charsets: &[&str], min_length: Option<usize>) -> Search {
    let charsets = std::array::from_fn(|at| charsets.get(at).copied().unwrap_or_default().to_owned());
    let mut masker = Masker::default();
    match masks {
        [mask] => masker.add(mask, &charsets, min_length).unwrap(),
        lines => lines.iter().for_each(|line| masker.add_line(line, &charsets).unwrap()),
    }
    search(0, Space::Masks(Masks::new(masker.finish()).unwrap()))
}

#[test]
fn the_order_is_that_of_hashcat() {
    let rows = include_str!("../../../tests/data/hashcat-masks.tsv").lines().filter(|line| !line.starts_with('#'));
    let mut seen = 0;
    for row in rows {
        let [min_length, charsets, masks, length, digest] = row.split('\t').collect::<Vec<_>>()[..] else { panic!() };
        let charsets: Vec<&str> = if charsets == "-" { Vec::new() } else { charsets.split(' ').collect() };
        let masks: Vec<&str> = masks.split(' ').collect();
        let search = masked(&masks, &charsets, min_length.parse().ok());
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        for index in 0..search.space.total().unwrap() {
            let candidate = search.candidate(index).unwrap();
            bytes += candidate.len() + 1;
            hash.update(candidate);
            hash.update(b"\n");
        }
        assert_eq!((bytes, const_hex::encode(hash.finalize())), (length.parse().unwrap(), digest.to_owned()), "{row}");
        seen += 1;
    }
    assert_eq!(seen, 15);
}

/// The strings of these sets, the leftmost changing fastest.
fn naive(sets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let Some((first, rest)) = sets.split_first() else { return vec![Vec::new()] };
    let with = |rest: Vec<u8>| first.iter().map(move |byte| [&[*byte], &rest[..]].concat());
    naive(rest).into_iter().flat_map(with).collect()
}

proptest! {
    #[test]
    fn a_union_has_every_string_of_its_masks_in_order(
        masks in prop::collection::vec(prop::collection::vec("[a-d0-3é]{1,4}", 1..5), 1..5)
    ) {
        let (mut masker, mut expected) = (Masker::default(), Vec::new());
        for fields in &masks {
            // Each field is a custom charset, and a position.
            let mask: String = (1..=fields.len()).map(|number| format!("?{number}")).collect();
            masker.add_line(&format!("{},{mask}", fields.join(",")), &Charsets::default()).unwrap();
            let sets: Vec<Vec<u8>> = fields.iter().map(|field| {
                let mut bytes = field.clone().into_bytes();
                bytes.sort_unstable();
                bytes.dedup();
                bytes
            }).collect();
            expected.extend(naive(&sets));
        }
        let search = search(0, Space::Masks(Masks::new(masker.finish()).unwrap()));
        prop_assert_eq!(search.space.total(), Some(expected.len() as u64));
        let found: Vec<_> = (0..).map_while(|index| search.candidate(index)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_counter_has_every_number_in_order(from in 0_u64..1 << 40, count in 1_u64..300, at in 0_usize..6) {
        let format = FORMATS[at];
        let (from, to) = (from.min(format.max() - 300), from.min(format.max() - 300) + count);
        let search = search(0, Space::Counter { from, to, format });
        let mut expected = Vec::new();
        search.space.lengths(|length, count| expected.extend(std::iter::repeat_n(length, count as usize)));
        let found: Vec<_> = (0..).map_while(|index| search.candidate(index)).collect();
        prop_assert_eq!(found.iter().map(Vec::len).collect::<Vec<_>>(), expected);
        for (number, plain) in (from..to).zip(&found) {
            let written = match format {
                CounterFormat::Decimal => number.to_string().into_bytes(),
                CounterFormat::Hex => format!("{number:x}").into_bytes(),
                CounterFormat::U32Le => number.to_le_bytes()[..4].to_vec(),
                CounterFormat::U32Be => number.to_be_bytes()[4..].to_vec(),
                CounterFormat::U64Le => number.to_le_bytes().to_vec(),
                CounterFormat::U64Be => number.to_be_bytes().to_vec(),
            };
            prop_assert_eq!(plain, &written);
        }
    }
}
