use web::kinds::search::{Masks, Set, Stop, mark_bits};
use wire::sieve::DigestOrder;
use wire::space::CounterFormat;

use super::*;

fn hex(text: &str) -> Vec<u8> {
    const_hex::decode(text).unwrap()
}

fn search(prefix: &[u8], space: Space, sought: Sought) -> Search {
    let targets = if let Sought::Targets { count, .. } = sought { count } else { 1 };
    let mark_bits = mark_bits(space.total().unwrap(), targets);
    let (algorithm, stop, prefix) = (Algorithm::Sha256, Stop::Never, prefix.to_vec());
    Search { algorithm, prefix, suffix: Vec::new(), space, sought, stop, max_findings: 1000, mark_bits }
}

fn mask(sets: &[&str]) -> Mask {
    Mask { text: sets.concat(), sets: sets.iter().map(|set| Set::new(set.as_bytes().to_vec())).collect() }
}

fn targets(digests: &[&str]) -> Sought {
    let mut all: Vec<_> = digests.iter().map(|digest| hex(digest)).collect();
    all.sort();
    Sought::Targets { count: all.len() as u64, digests: all.concat() }
}

/// Indices of all marks, and of what is sought.
fn found(search: &Search, range: Range<u64>) -> (Vec<u64>, Vec<u64>) {
    let Some(Inputs::Large(large)) = search.implied() else { panic!("its inputs are implied") };
    let prepared = prepare(search);
    let mut looker = Looker::new(search, &large, prepared.as_blob());
    let (mut marks, mut findings) = (Vec::new(), Vec::new());
    for index in range {
        let looked = looker.look(index);
        marks.extend(looked.is_mark.then_some(index));
        findings.extend(looked.is_finding.then_some(index));
    }
    (marks, findings)
}

#[test]
fn a_password_is_found_among_masks() {
    let letters = "acht";
    let union =
        Masks::new(vec![mask(&[letters, letters]), mask(&["h", "a", "s", "h", letters, "a", letters])]).unwrap();
    let digest = "127e6fbfe24a750e72930c220a8e138275656b8e5d8f48a98c3c92df2caba935";
    let search = search(b"", Space::Masks(union), targets(&[digest]));
    let index = 16 + 1 + 4 * 3;
    assert_eq!(found(&search, 0..32).1, [index]);
    assert_eq!(found(&search, 0..32).0.len(), 32, "all are marks where there are few");
    let Some(Inputs::Large(large)) = search.implied() else { panic!() };
    let nothing = SharedBlob::default();
    assert_eq!(Looker::new(&search, &large, nothing.as_blob()).plain(index), b"hashcat");
}

#[test]
fn the_genesis_block_is_found() {
    let prefix = format!(
        "01000000{}3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d",
        "00".repeat(32)
    );
    let counter = Space::Counter { from: 2_083_236_000, to: 2_083_237_000, format: CounterFormat::U32Le };
    let mut to = [0xff; 32];
    to[..4].fill(0);
    let sought = Sought::Interval { order: DigestOrder::Little, from: [0; 32], to };
    let search = Search { algorithm: Algorithm::Sha256d, ..search(&hex(&prefix), counter, sought) };
    assert_eq!(search.class(&[]), Class::SEARCH_SHA256D);
    let (marks, findings) = found(&search, 0..1000);
    assert_eq!((marks.len(), findings), (1000, vec![893]));
}

#[test]
fn thresholds_have_marks_around_them() {
    let counter = Space::Counter { from: 0, to: 1 << 20, format: CounterFormat::Decimal };
    let (mut from, mut to) = ([0; 32], [0xff; 32]);
    from[..2].copy_from_slice(&hex("d455"));
    to[..2].copy_from_slice(&hex("d455"));
    let sought = Sought::Interval { order: DigestOrder::Big, from, to };
    let search = search(b"a5b6fda4aaed97cf61d7dd9259f733b5", counter, sought);
    assert_eq!(search.mark_bits, 6);
    let (marks, findings) = found(&search, 60_000..70_000);
    assert_eq!(findings, [67302, 67793]);
    let expected = 10_000.0 * share(&search);
    assert!((100..=220).contains(&marks.len()) && (150.0..=160.0).contains(&expected), "{expected} {}", marks.len());
    assert!(marks.contains(&67302));
}

#[test]
fn the_drones_words_follow_from_what_varies() {
    let counter = |to| Space::Counter { from: 0, to, format: CounterFormat::Decimal };
    let sought = || targets(&["127e6fbfe24a750e72930c220a8e138275656b8e5d8f48a98c3c92df2caba935"]);
    let class = |prefix: usize, to| {
        let search = search(&vec![b'a'; prefix], counter(to), sought());
        (search.class(&[]), word(&search).0)
    };
    assert_eq!(class(0, 1 << 40), (Class::SEARCH, Word::Inner));
    assert_eq!(class(50, 100_000), (Class::SEARCH, Word::Inner));
    assert_eq!(class(50, 1_000_001), (Class::SEARCH_LONG, Word::Outer), "its longest ones take two blocks");
    assert_eq!(class(64, 100_000), (Class::SEARCH, Word::Inner));
    assert_eq!(class(60, 100_000), (Class::SEARCH_LONG, Word::Outer));
}

#[test]
fn marks_agree_with_what_drones_are_told() {
    let counter = Space::Counter { from: 5, to: 1 << 24, format: CounterFormat::Hex };
    let digests: Vec<String> = (0..40u8).map(|n| const_hex::encode(Sha256::digest([n]))).collect();
    let digests: Vec<_> = digests.iter().map(String::as_str).collect();
    let search = search(&[b'p'; 70], counter, targets(&digests));
    let (marks, _) = found(&search, 0..20_000);
    let expected = 20_000.0 * share(&search);
    assert!((marks.len() as f64 - expected).abs() < 6.0 * expected.sqrt(), "{} of {expected}", marks.len());
    let (prepared, none) = (prepare(&search), SharedBlob::default());
    let Chunk::Search(chunk) =
        search.chunk(Content { inputs: prepared.as_blob(), candidates: none.as_blob(), first: 0, items: 20_000 })
    else {
        panic!("it is a search")
    };
    let Sieve::Targets { values, bits, word } = chunk.sieve else { panic!("it has targets") };
    assert_eq!((values.len(), bits, word), (40, search.mark_bits, Word::Inner));
    assert_eq!(search.implied().unwrap().total(), (1 << 24) - 5);
}

#[test]
fn many_targets_are_material() {
    let digests = |count: u32| -> Vec<String> {
        (0..count).map(|number| const_hex::encode(Sha256::digest(number.to_le_bytes()))).collect()
    };
    let sent = |count: u32, to| {
        let digests = digests(count);
        let digests: Vec<_> = digests.iter().map(String::as_str).collect();
        let counter = Space::Counter { from: 0, to, format: CounterFormat::Hex };
        let search = search(&[b'p'; 70], counter, targets(&digests));
        let (prepared, none) = (prepare(&search), SharedBlob::default());
        let content = Content { inputs: prepared.as_blob(), candidates: none.as_blob(), first: 0, items: 10 };
        let Chunk::Search(SearchChunk { sieve: Sieve::Targets { values, .. }, .. }) = search.chunk(content) else {
            panic!("it has targets")
        };
        (values.len(), material(&prepared), search.material(0), search.parameter_bytes())
    };
    assert_eq!(sent(128, 1 << 40), (128, None, 0, 70 + 1024));
    let (inline, Some(material), bytes, parameters) = sent(129, 1 << 40) else { panic!("they are long") };
    assert_eq!((inline, bytes, parameters), (0, 129 * 8, 70));
    assert_eq!(material.id, MaterialId::of(&material.bytes));
    assert_eq!(Values::parse(&material.bytes).unwrap().len(), 129);
    // Of few candidates few bits are sent, so that several targets have the same value.
    let (inline, none, ..) = sent(129, 1 << 4);
    assert!(none.is_none() && (1..=16).contains(&inline), "{inline}");
}
