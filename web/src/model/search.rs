//! Searches, as users see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::sieve::DigestOrder;

use super::rounded::{known_thousandths, thousandths};
use crate::kinds::search::{Search, Sought, Space, Stop, format_name};

/// The most masks that a view shows.
const MASKS: usize = 100;

/// The most bytes of a prefix, a suffix or a mask that a view shows.
const SHOWN: usize = 256;

/// The most characters of a mask that stand for a search.
const BRIEF: usize = 40;

/// What is searched, what for, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Search)]
pub struct SearchView {
    /// All candidates.
    pub space: SpaceView,
    /// What stands before each candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<BytesView>,
    /// What stands behind each candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<BytesView>,
    /// Which digests are findings.
    pub sought: SoughtView,
    /// When it is over, unless all of it is searched before: `first`: when there is a finding; `lowest`: when there is
    /// one, and all candidates before it are searched; `all`: when each target is found; `never`: when all is searched.
    pub stop: Stop,
    /// It is over when there are so many findings.
    pub max_findings: u64,
    /// Findings so far.
    pub found: u64,
    /// It is over because there are `max_findings` findings: there may be more among its candidates.
    pub at_max_findings: bool,
    /// What proves that it was searched.
    pub marks: MarksView,
    /// Candidates of which it is in doubt whether they were searched; they are searched again.
    pub doubtful: u64,
}

/// All candidates of a search: masks, or a counter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum SpaceView {
    /// Those of each mask, one mask after the other.
    Masks {
        /// The masks as lines of an `.hcmask` file; the first hundred.
        masks: Vec<String>,
        /// How many there are.
        mask_count: u64,
    },
    /// Numbers.
    Counter {
        /// Which ones.
        counter: CounterView,
    },
}

/// Numbers as candidates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Counter)]
pub struct CounterView {
    /// The first one.
    pub from: u64,
    /// Behind the last one.
    pub to: u64,
    /// How they are written: `decimal`, `hex`, `u32le`, `u32be`, `u64le` or `u64be`.
    pub format: String,
}

/// Bytes: a text, or in hexadecimal if they are none, or too many to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Bytes)]
pub enum BytesView {
    /// UTF-8.
    Text(String),
    /// Others.
    Hex {
        /// The first 256 of them.
        hex: String,
        /// How many there are.
        length: u64,
    },
}

/// Which digests are findings: those that were given, or all in an interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = Sought)]
pub enum SoughtView {
    /// Those that were given.
    Targets {
        /// How many there are.
        targets: u64,
    },
    /// Those between two numbers.
    Interval {
        /// Which ones.
        interval: IntervalView,
    },
}

/// An interval of digests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Interval)]
pub struct IntervalView {
    /// In words.
    pub text: String,
    /// How a digest is a number: `big` if its first byte is the most significant one, or `little`.
    pub order: String,
    /// The lowest number that is sought, in hexadecimal, most significant byte first.
    pub from: String,
    /// The highest number that is sought.
    pub to: String,
}

/// Marks: candidates that pass a coarser sieve than what is sought, which prove that the candidates were computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Marks)]
pub struct MarksView {
    /// For each target, one candidate in two to the power of this is a mark.
    pub bits: u8,
    /// How many were reported.
    pub seen: u64,
    /// How many there are on average among as many candidates as were searched.
    #[serde(serialize_with = "thousandths")]
    pub expected: f64,
}

/// How far a search is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SearchProgress {
    /// Findings so far.
    pub found: u64,
    /// Marks that were reported.
    pub marks: u64,
    /// How many were expected.
    pub expected: f64,
    /// Candidates whose search is in doubt.
    pub doubtful: u64,
}

impl SearchView {
    /// What is seen of a search that is so far.
    pub fn new(search: &Search, progress: SearchProgress) -> Self {
        let Search { prefix, suffix, space, sought, stop, max_findings, mark_bits, algorithm: _ } = search;
        let SearchProgress { found, marks, expected, doubtful } = progress;
        let around = |bytes: &Vec<u8>| (!bytes.is_empty()).then(|| BytesView::of(bytes));
        Self {
            space: SpaceView::of(space),
            prefix: around(prefix),
            suffix: around(suffix),
            sought: SoughtView::of(sought),
            stop: *stop,
            max_findings: *max_findings,
            found,
            at_max_findings: is_at_max(search, found),
            marks: MarksView { bits: *mark_bits, seen: marks, expected },
            doubtful,
        }
    }

    /// Takes in how far it is now, of this search.
    pub fn set(&mut self, search: &Search, progress: SearchProgress) {
        let SearchProgress { found, marks, expected, doubtful } = progress;
        (self.found, self.doubtful) = (found, doubtful);
        self.at_max_findings = is_at_max(search, found);
        (self.marks.seen, self.marks.expected) = (marks, expected);
    }
}

/// Whether a search ends with so many findings for no better reason than that there are enough. With one finding for
/// each target all targets are found, unless several candidates have the same digest.
fn is_at_max(search: &Search, found: u64) -> bool {
    let has_reason = match (search.stop, &search.sought) {
        (Stop::First, _) => true,
        (Stop::All, Sought::Targets { count, .. }) => found == *count,
        (Stop::All, Sought::Interval { .. }) | (Stop::Lowest | Stop::Never, _) => false,
    };
    found >= search.max_findings && !has_reason
}

impl SpaceView {
    /// What is searched, in a few words: the mask, or the numbers.
    pub fn brief(&self) -> String {
        match self {
            SpaceView::Masks { masks, mask_count } => {
                let first = cut(masks.first().map_or("", String::as_str), BRIEF);
                match mask_count {
                    0 | 1 => first,
                    2 => format!("{first} and another mask"),
                    count => format!("{first} and {} other masks", count - 1),
                }
            }
            SpaceView::Counter { counter } => format!("{}..{}", counter.from, counter.to),
        }
    }

    fn of(space: &Space) -> Self {
        match space {
            Space::Masks(masks) => Self::Masks {
                masks: masks.iter().take(MASKS).map(|mask| cut(&mask.text, SHOWN)).collect(),
                mask_count: masks.iter().len() as u64,
            },
            Space::Counter { from, to, format } => {
                Self::Counter { counter: CounterView { from: *from, to: *to, format: format_name(*format).to_owned() } }
            }
        }
    }
}

/// A text of at most so many characters, behind which an ellipsis stands for the rest.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

impl BytesView {
    /// How these are shown.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() <= SHOWN => Self::Text(text.to_owned()),
            _ => Self::Hex { hex: const_hex::encode(&bytes[..bytes.len().min(SHOWN)]), length: bytes.len() as u64 },
        }
    }
}

impl SoughtView {
    fn of(sought: &Sought) -> Self {
        match sought {
            Sought::Targets { count, .. } => Self::Targets { targets: *count },
            Sought::Interval { order, from, to } => Self::Interval {
                interval: IntervalView {
                    text: in_words(from, to),
                    order: match order {
                        DigestOrder::Big => "big",
                        DigestOrder::Little => "little",
                    }
                    .to_owned(),
                    from: const_hex::encode(from),
                    to: const_hex::encode(to),
                },
            },
        }
    }
}

/// What numbers between these two have in common.
fn in_words(from: &[u8; 32], to: &[u8; 32]) -> String {
    let (is_least, is_most) = (*from == [0; 32], *to == [0xff; 32]);
    // All that begin with the same bits: behind these the one ends in zeros, the other in ones.
    let differs = from.iter().zip(to).map(|(one, other)| one ^ other);
    let bits: u32 = {
        let first = differs.clone().position(|byte| byte != 0);
        first.map_or(256, |at| 8 * at as u32 + (from[at] ^ to[at]).leading_zeros())
    };
    let ones: u32 = differs.map(u8::count_ones).sum();
    let is_prefix = bits + ones == 256 && from.iter().zip(to).all(|(one, other)| one & !other == 0);
    match (is_prefix, is_least, is_most) {
        (true, true, true) => "any digest".to_owned(),
        (true, true, false) => format!("{bits} leading zero {}", if bits == 1 { "bit" } else { "bits" }),
        (true, ..) if bits.is_multiple_of(4) => {
            format!("begins with {}", &const_hex::encode(from)[..bits as usize / 4])
        }
        (true, ..) => {
            let bit = |at: u32| if from[at as usize / 8] << (at % 8) & 0x80 == 0 { '0' } else { '1' };
            format!("begins with the bits {}", (0..bits).map(bit).collect::<String>())
        }
        (false, true, _) => format!("at most {}", const_hex::encode(to)),
        (false, _, true) => format!("at least {}", const_hex::encode(from)),
        (false, false, false) => format!("from {} to {}", const_hex::encode(from), const_hex::encode(to)),
    }
}

/// What a task would take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Estimate {
    /// How many inputs, or candidates of a search, there are.
    pub total: u64,
    /// SHA-256 compressions that all of them take.
    pub compressions: u64,
    /// How many of them the Drones that are there do per second; 0 if there are none.
    #[serde(serialize_with = "thousandths")]
    pub rate: f64,
    /// How long they would take for all of it, if they had nothing else to do.
    #[serde(serialize_with = "known_thousandths")]
    pub seconds: Option<f64>,
    /// How many findings chance gives a search; of digests that were given it is not known whether they are digests of
    /// candidates. `None` of a task that is no search.
    pub expected_findings: Option<f64>,
}

impl Estimate {
    /// Of so many inputs, which take so many compressions, with Drones that do `speed` compressions per second.
    pub fn new(total: u64, compressions: u64, speed: f64) -> Self {
        let rate = speed * total as f64 / (compressions as f64).max(1.0);
        let seconds = (rate > 0.0).then(|| total as f64 / rate);
        Self { total, compressions, rate, seconds, expected_findings: None }
    }

    /// Of a search, likewise.
    pub fn of_search(search: &Search, speed: f64) -> Self {
        let total = search.space.total().unwrap_or(u64::MAX);
        let expected_findings = Some(search.sought.expected(total));
        Self { expected_findings, ..Self::new(total, search.compressions().unwrap_or(u64::MAX), speed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_words() {
        let number = |start: &str, fill: &str| {
            let mut text = start.to_owned();
            text.extend(std::iter::repeat_n(fill, 64 - start.len()));
            const_hex::decode_to_array(text).unwrap()
        };
        let words = |from: &str, to: &str| in_words(&number(from, "0"), &number(to, "f"));
        assert_eq!(words("", ""), "any digest");
        assert_eq!(words("0", "0"), "4 leading zero bits");
        assert_eq!(words("00000", "00000"), "20 leading zero bits");
        assert_eq!(words("0", "7"), "1 leading zero bit");
        assert_eq!(words("d455", "d455"), "begins with d455");
        assert_eq!(words("a", "b"), "begins with the bits 101");
        assert_eq!(words("", "ab0c"), format!("at most ab0c{}", "f".repeat(60)));
        assert_eq!(words("ffd", ""), format!("at least ffd{}", "0".repeat(61)));
        assert!(words("1", "3a").starts_with("from 1000"));
        let one = number("", "0");
        assert_eq!(in_words(&one, &one), "256 leading zero bits");
    }

    #[test]
    fn what_is_searched_has_a_few_words() {
        let masks = |masks: &[&str], mask_count| {
            let masks = masks.iter().map(|mask| (*mask).to_owned()).collect();
            SpaceView::Masks { masks, mask_count }.brief()
        };
        assert_eq!(masks(&["?u?l?d"], 1), "?u?l?d");
        assert_eq!(masks(&["?d", "?l"], 2), "?d and another mask");
        assert_eq!(masks(&["?d", "?l"], 2000), "?d and 1999 other masks");
        assert_eq!(masks(&[&"ä".repeat(41)], 1), format!("{}…", "ä".repeat(40)));
        let counter = CounterView { from: 5, to: 70, format: "hex".to_owned() };
        assert_eq!(SpaceView::Counter { counter }.brief(), "5..70");
    }

    #[test]
    fn bytes_are_shown_as_text_or_in_part() {
        assert_eq!(BytesView::of(b"honey"), BytesView::Text("honey".to_owned()));
        assert_eq!(BytesView::of(b"\xff"), BytesView::Hex { hex: "ff".to_owned(), length: 1 });
        assert_eq!(BytesView::of(&[b'a'; 300]), BytesView::Hex { hex: "61".repeat(256), length: 300 });
    }
}
