//! Searches against the definition: every candidate written, hashed and sifted by itself.

use std::ops::Range;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use sha2::block_api::compress256;
use wire::sieve::{Chain, DigestOrder, Marks, START, Sieve, Values, Word, low_bits};
use wire::space::{Candidates, CounterFormat};
use wire::work::SearchChunk;

use super::*;

/// A search that owns what it is made of.
#[derive(Debug, Clone)]
struct Plain {
    is_twice: bool,
    space: Space,
    first: u64,
    items: u64,
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    sieve: Sifter,
}

#[derive(Debug, Clone)]
enum Space {
    Mask(Vec<Vec<u8>>),
    Counter(u64, CounterFormat),
}

#[derive(Debug, Clone)]
enum Sifter {
    /// Which candidates are sought among others, of so many bits.
    Targets {
        word: Word,
        bits: u8,
        planted: Vec<u64>,
        others: Vec<u64>,
    },
    Interval {
        order: DigestOrder,
        marks: (u64, u64),
        hits: u64,
    },
}

impl Plain {
    fn candidates<T>(&self, take: impl FnOnce(Candidates<'_>) -> T) -> T {
        match &self.space {
            Space::Mask(sets) => take(Candidates::Mask(sets.iter().collect::<BlobBuf>().as_blob())),
            Space::Counter(from, format) => take(Candidates::Counter { from: *from, format: *format }),
        }
    }

    fn message(&self, item: u64) -> Vec<u8> {
        let mut message = self.prefix.clone();
        self.candidates(|candidates| candidates.write(self.first + item, &mut message));
        message.extend(&self.suffix);
        message
    }

    /// The digest of an item, and the chain before the last block.
    fn digest(&self, item: u64) -> ([u8; 32], Chain) {
        let message = self.message(item);
        let algorithm = if self.is_twice { Algorithm::Sha256d } else { Algorithm::Sha256 };
        let mut padded = [&message[..], &[0x80]].concat();
        padded.resize((padded.len() + 8).next_multiple_of(64), 0);
        let mut chain = START;
        let blocks = padded.as_chunks().0;
        compress256(&mut chain, &blocks[..blocks.len() - 1]);
        (digest(algorithm, &message), if self.is_twice { START } else { chain })
    }

    fn with<T>(&self, take: impl FnOnce(SearchChunk<'_>) -> T) -> T {
        let mut values = Vec::new();
        let sieve = match &self.sieve {
            Sifter::Targets { word, bits, planted, others } => {
                let value = |item: &u64| {
                    let (digest, chain) = self.digest(item % self.items);
                    word.value(&digest, &chain)
                };
                values.extend(
                    planted.iter().map(value).chain(others.iter().copied()).map(|value| value & low_bits(*bits)),
                );
                values.sort_unstable();
                values.dedup();
                let bytes: Vec<[u8; 8]> = values.iter().map(|value| value.to_le_bytes()).collect();
                return self.candidates(|candidates| {
                    let sieve = Sieve::Targets { word: *word, bits: *bits, values: Values::new(&bytes).unwrap() };
                    take(self.chunk(candidates, sieve))
                });
            }
            Sifter::Interval { order, marks, hits } => {
                let number = |top: u64, low: u8| {
                    let mut number = [low; 32];
                    number[..8].copy_from_slice(&top.to_be_bytes());
                    number
                };
                let last = marks.0.saturating_add(*hits).min(marks.1);
                Sieve::Interval { order: *order, marks: *marks, hits: (number(marks.0, 0), number(last, 0xff)) }
            }
        };
        self.candidates(|candidates| take(self.chunk(candidates, sieve)))
    }

    fn chunk<'a>(&'a self, candidates: Candidates<'a>, sieve: Sieve<'a>) -> SearchChunk<'a> {
        SearchChunk {
            algorithm: if self.is_twice { Algorithm::Sha256d } else { Algorithm::Sha256 },
            candidates,
            first: self.first,
            items: self.items,
            prefix: &self.prefix,
            suffix: &self.suffix,
            sieve,
        }
    }

    fn job(&self) -> Box<dyn Job> {
        self.with(|chunk| Sample::of_search(chunk).unwrap().job().unwrap())
    }

    /// The marks among these items.
    fn right(&self, items: Range<u64>) -> Vec<u64> {
        self.with(|chunk| {
            let is_mark = |item: &u64| {
                let (digest, chain) = self.digest(*item);
                chunk.sieve.passes(&digest, &chain)
            };
            items.filter(is_mark).collect()
        })
    }

    /// Whether one of these items is a hit.
    fn has_hit(&self, mut items: Range<u64>) -> bool {
        self.with(|chunk| match chunk.sieve {
            Sieve::Targets { .. } => false,
            Sieve::Interval { order, hits: (first, last), .. } => {
                items.any(|item| (first..=last).contains(&order.number(&self.digest(item).0)))
            }
        })
    }
}

/// Gives away what waits: up to which item, and the marks, as items of the job.
fn collect(job: &mut dyn Job, from: u64) -> (u64, Vec<u64>) {
    let size = job.uncollected();
    match job.collect() {
        Output::Marks { items, marks } => {
            assert_eq!(marks.len(), size, "the size is known beforehand");
            let marks = Marks::parse(&marks, items).expect("these are marks").iter();
            (from + items, marks.map(|mark| from + mark).collect())
        }
        other => panic!("these are no marks: {other:?}"),
    }
}

/// Searches all in steps of `budget`.
fn search(kernel: Kernel, plain: &Plain, budget: u64) -> Vec<u64> {
    let (mut job, kernels, mut spent) = (plain.job(), Kernels::only(kernel), 0);
    while !job.is_finished() {
        let step = job.step(&kernels, budget);
        assert!(step > 0, "every step gets on");
        spent += step;
    }
    assert!(spent <= job.cost(), "{spent} compressions of at most {}", job.cost());
    let (to, marks) = collect(&mut *job, 0);
    assert_eq!(to, plain.items);
    marks
}

fn mask(sets: &[&str]) -> Space {
    Space::Mask(sets.iter().map(|set| set.as_bytes().to_vec()).collect())
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// Nobody is sought but these.
fn targets(word: Word, bits: u8, planted: &[u64]) -> Sifter {
    Sifter::Targets { word, bits, planted: planted.to_vec(), others: Vec::new() }
}

fn plain(space: Space, items: u64, sieve: Sifter) -> Plain {
    Plain { is_twice: false, space, first: 0, items, prefix: Vec::new(), suffix: Vec::new(), sieve }
}

#[test]
fn what_is_planted_is_found_exactly_once_wherever_it_is() {
    let items = 20_000;
    for (is_twice, word) in [(false, Word::Inner), (false, Word::Outer), (true, Word::Inner), (true, Word::Outer)] {
        for places in [vec![0], vec![items - 1], (0..17).collect(), vec![15, 16, 17_575, 17_576, 17_577]] {
            let plain = Plain { is_twice, first: 3, ..plain(mask(&[LETTERS; 8]), items, targets(word, 64, &places)) };
            for kernel in Kernel::all() {
                assert_eq!(search(kernel, &plain, 1024), places, "{kernel}");
            }
        }
    }
}

/// Where the block begins to differ is at each of its words, and at each byte of these.
#[test]
fn every_place_in_a_block() {
    for prefix in 0..64 + 55 {
        for (length, word) in [(1, Word::Inner), (3, Word::Outer), (8, Word::Inner)] {
            let prefix = vec![b'p'; prefix];
            let suffix = vec![b's'; (prefix.len() + length) % 3];
            let items = 26u64.pow(length as u32).min(700);
            let sieve = Sifter::Targets { word, bits: 6, planted: vec![5], others: vec![1, 2] };
            let plain = Plain { prefix, suffix, ..plain(mask(&vec![LETTERS; length]), items, sieve) };
            let right = plain.right(0..items);
            for kernel in Kernel::all() {
                assert_eq!(search(kernel, &plain, 1024), right, "{kernel}, {} bytes", plain.prefix.len());
            }
        }
    }
}

#[test]
fn counters_across_changes_of_length() {
    use CounterFormat::{Decimal, Hex, U32Be, U32Le, U64Be, U64Le};
    let starts = [
        (Decimal, 0, 12_000),
        (Decimal, 99_990, 20),
        (Decimal, 10_000_000_000_000_000_000 - 5, 40),
        (Decimal, u64::MAX - 40, 41),
        (Hex, 0, 5_000),
        (Hex, 0xffff_ff00, 600),
        (Hex, u64::MAX - 300, 301),
        (U32Le, u32::MAX.into(), 1),
        (U32Le, 0xfe_f000, 10_000),
        (U32Be, 0xffff_fff0, 16),
        (U32Be, 0x00ff_ff00, 2_000),
        (U64Le, (1 << 32) - 700, 1_400),
        (U64Be, u64::MAX - 700, 701),
    ];
    for (format, from, items) in starts {
        for (prefix, suffix) in [(0, 0), (3, 1), (32, 0), (40, 7), (50, 0), (70, 60)] {
            let sieve = Sifter::Interval { order: DigestOrder::Little, marks: (1 << 60, 1 << 61), hits: 1 << 57 };
            let plain = Plain {
                prefix: vec![7; prefix],
                suffix: vec![9; suffix],
                ..plain(Space::Counter(from, format), items, sieve)
            };
            let right = plain.right(0..items);
            for kernel in Kernel::all() {
                assert_eq!(
                    search(kernel, &plain, 500),
                    right,
                    "{kernel}, {format:?} from {from}, {prefix} bytes before"
                );
            }
        }
    }
}

/// From one by one over maps of all sizes to what no map tells apart.
#[test]
fn any_number_of_values_of_any_number_of_bits() {
    let mut numbers = (0u64..).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29));
    for count in [1, 2, 4, 5, 17, 1_000, 50_000] {
        for bits in [0, 1, 5, 9, 12, 13, 20, 31, 32, 33, 40, 64] {
            for word in [Word::Inner, Word::Outer] {
                let others = numbers.by_ref().take(count).collect();
                let sieve = Sifter::Targets { word, bits, planted: vec![0, 1_023, 1_900], others };
                let plain = plain(mask(&[LETTERS; 8]), 2_000, sieve);
                let right = plain.right(0..2_000);
                for kernel in Kernel::all() {
                    assert_eq!(search(kernel, &plain, 1024), right, "{kernel}: {bits} bits of {count} values");
                }
            }
        }
    }
}

/// Bytes that change lie far from each other, or there are none.
#[test]
fn masks_with_much_that_stays() {
    let far: Vec<&str> = (0..44).map(|at| if at % 11 == 3 { "xy" } else { "-" }).collect();
    for (sets, items) in
        [(&far[..], 16), (&["a", "b"], 1), (&[], 1), (&["ab", "c", "defgh", "0", "1", "2", "3", "ij", "k"], 20)]
    {
        for suffix in [0, 3, 80] {
            let sieve = Sifter::Targets { word: Word::Outer, bits: 2, planted: vec![0], others: vec![1] };
            let plain = Plain { suffix: vec![b's'; suffix], ..plain(mask(sets), items, sieve) };
            let right = plain.right(0..items);
            for kernel in Kernel::all() {
                assert_eq!(search(kernel, &plain, 1024), right, "{kernel}: {sets:?}");
            }
        }
    }
}

#[test]
fn a_hit_is_urgent_until_it_is_collected_or_taken_away() {
    let sieve = Sifter::Interval { order: DigestOrder::Big, marks: (0, u64::MAX >> 4), hits: u64::MAX >> 9 };
    let plain = plain(Space::Counter(0, CounterFormat::Decimal), 3_000, sieve);
    let hits: Vec<u64> = (0..plain.items).filter(|item| plain.has_hit(*item..item + 1)).collect();
    assert!(hits.len() > 1 && plain.right(0..hits[0]).len() > 1);
    for kernel in Kernel::all() {
        let (mut job, kernels) = (plain.job(), Kernels::only(kernel));
        while job.done() <= hits[0] {
            assert!(!job.is_urgent());
            job.step(&kernels, 1);
        }
        assert!(job.is_urgent());
        collect(&mut *job, 0);
        assert!(!job.is_urgent());
        while job.done() <= hits[1] {
            job.step(&kernels, 1);
        }
        assert!(job.is_urgent());
        job.shrink(hits[1]);
        assert!(!job.is_urgent() && job.is_finished());
    }
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let refused = |plain: &Plain, change: fn(&mut SearchChunk<'_>)| {
        plain.with(|mut chunk| {
            change(&mut chunk);
            Sample::of_search(chunk).unwrap().job().err().unwrap()
        })
    };
    let small = plain(mask(&["abc", "01"]), 6, targets(Word::Outer, 8, &[0]));
    assert!(refused(&small, |chunk| chunk.algorithm = Algorithm::HmacSha256 { key: b"" }).contains("SHA-256"));
    assert!(refused(&small, |chunk| chunk.first = 1).contains("6 in all"));
    assert!(refused(&small, |chunk| chunk.first = u64::MAX).contains("6 in all"));
    let none = |chunk: &mut SearchChunk<'_>| {
        chunk.sieve = Sieve::Targets { word: Word::Outer, bits: 8, values: Values::new(&[]).unwrap() };
    };
    assert!(refused(&small, none).contains("0 values"));
    let long = plain(mask(&["a"; 257]), 1, targets(Word::Outer, 8, &[0]));
    assert!(refused(&long, |_| ()).contains("257"));
}

#[test]
fn a_step_keeps_its_budget_before_long_suffixes() {
    let suffix = vec![1; 100_000];
    let prefix = vec![2; 100_000];
    let plain = Plain { suffix, prefix, ..plain(mask(&[LETTERS; 2]), 40, targets(Word::Outer, 4, &[3])) };
    let right = plain.right(0..40);
    for kernel in Kernel::all() {
        let (mut job, kernels) = (plain.job(), Kernels::only(kernel));
        while !job.is_finished() {
            let step = job.step(&kernels, 100);
            assert!(step <= 100 + overdraft(kernel), "{step} compressions with {kernel}");
        }
        assert_eq!(collect(&mut *job, 0), (40, right.clone()));
    }
}

fn space() -> impl Strategy<Value = Space> {
    use CounterFormat::{Decimal, Hex, U32Be, U32Le, U64Be, U64Le};
    let set = btree_set(any::<u8>(), 1..40).prop_map(|set| set.into_iter().collect::<Vec<u8>>());
    let sets = prop_oneof![3 => set.clone(), 1 => vec(any::<u8>(), 1), 1 => Just((0..=255).collect())];
    let near_ends = prop_oneof![
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        (0..20u32).prop_map(|exponent| { 10u64.pow(exponent).saturating_sub(50) }),
        (0..16u32).prop_map(|exponent| 16u64.pow(exponent).saturating_sub(50))
    ];
    let long = prop::sample::select(vec![Decimal, Hex, U64Le, U64Be]);
    prop_oneof![
        vec(sets, 0..12).prop_map(Space::Mask),
        (near_ends, long).prop_map(|(from, format)| Space::Counter(from >> 1, format)),
        (any::<u32>(), prop::sample::select(vec![U32Le, U32Be]))
            .prop_map(|(from, format)| Space::Counter(from.into(), format)),
    ]
}

fn sifter() -> impl Strategy<Value = Sifter> {
    let word = prop::sample::select(vec![Word::Inner, Word::Outer]);
    let bits = prop_oneof![Just(0u8), 1u8..12, 12u8..=64];
    let order = prop::sample::select(vec![DigestOrder::Big, DigestOrder::Little]);
    let others = prop_oneof![vec(any::<u64>(), 0..3), vec(any::<u64>(), 4..6), vec(any::<u64>(), 0..3_000)];
    prop_oneof![
        (word, bits, vec(any::<u64>(), 1..6), others).prop_map(|(word, bits, planted, others)| Sifter::Targets {
            word,
            bits,
            planted,
            others
        }),
        (order, any::<u64>(), 0..64u32, any::<u64>()).prop_map(|(order, first, shift, hits)| {
            Sifter::Interval { order, marks: (first, first.saturating_add(u64::MAX >> shift)), hits: hits >> shift }
        }),
    ]
}

fn any_plain() -> impl Strategy<Value = Plain> {
    let around = (prop_oneof![0..70usize, 0..200usize], prop_oneof![0..20usize, 0..200usize]);
    (any::<bool>(), space(), any::<u64>(), 1..3_000u64, around, sifter()).prop_filter_map(
        "there are candidates",
        |(is_twice, space, first, items, (prefix, suffix), sieve)| {
            let (prefix, suffix) = (vec![b'p'; prefix], vec![b's'; suffix]);
            let mut plain = Plain { is_twice, space, first, items, prefix, suffix, sieve };
            let count = plain.candidates(|candidates| candidates.count())?;
            plain.first %= count;
            plain.items = items.min(count - plain.first);
            Some(plain)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_searches_in_random_steps(
        plain in any_plain(),
        steps in vec((prop_oneof![1..40u64, 1..2_000u64], any::<bool>(), kernel()), 1..20),
    ) {
        let mut job = plain.job();
        let (mut to, mut marks) = (0, Vec::new());
        for (budget, give, kernel) in steps.iter().cycle() {
            job.step(&Kernels::only(*kernel), *budget);
            prop_assert_eq!(job.is_urgent(), plain.has_hit(to..job.done()));
            if *give || job.is_finished() {
                let (next, new) = collect(&mut *job, to);
                prop_assert_eq!(next, job.done());
                to = next;
                marks.extend(new);
            }
            if job.is_finished() {
                break;
            }
        }
        prop_assert_eq!(marks, plain.right(0..plain.items));
    }

    #[test]
    fn a_shrunk_search_gives_the_marks_that_are_still_wanted(
        plain in any_plain(),
        events in vec((1..400u64, any::<bool>(), 0..3_000u64), 1..10),
        kernel in kernel(),
    ) {
        let (mut job, kernels) = (plain.job(), Kernels::only(kernel));
        let (mut to, mut marks, mut wanted) = (0, Vec::new(), plain.items);
        for (budget, give, total) in events {
            job.step(&kernels, budget);
            if give {
                let (next, new) = collect(&mut *job, to);
                to = next;
                marks.extend(new);
            }
            job.shrink(total);
            wanted = wanted.min(total);
            prop_assert_eq!(job.total(), wanted);
        }
        while !job.is_finished() {
            job.step(&kernels, 50);
        }
        let (end, new) = collect(&mut *job, to);
        marks.extend(new);
        prop_assert_eq!(end, to.max(wanted));
        prop_assert_eq!(marks, plain.right(0..end));
    }
}
