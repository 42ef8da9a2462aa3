//! All candidates of a search, in one linear order.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use wire::blob::BlobBuf;
use wire::space::{Candidates, CounterFormat, MAX_CANDIDATES};

/// All candidates, in one linear order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// Those of each mask, one mask after the other.
    Masks(Masks),
    /// Numbers.
    Counter {
        /// The first one.
        from: u64,
        /// Behind the last one.
        to: u64,
        /// How they are written.
        #[serde(with = "Format")]
        format: CounterFormat,
    },
}

/// How a number is written; see [`CounterFormat`].
#[derive(Serialize, Deserialize)]
#[serde(remote = "CounterFormat", rename_all = "lowercase")]
enum Format {
    Decimal,
    Hex,
    U32Le,
    U32Be,
    U64Le,
    U64Be,
}

/// All formats.
pub const FORMATS: [CounterFormat; 6] = [
    CounterFormat::Decimal,
    CounterFormat::Hex,
    CounterFormat::U32Le,
    CounterFormat::U32Be,
    CounterFormat::U64Le,
    CounterFormat::U64Be,
];

/// The name of a format in requests and views.
pub fn format_name(format: CounterFormat) -> &'static str {
    match format {
        CounterFormat::Decimal => "decimal",
        CounterFormat::Hex => "hex",
        CounterFormat::U32Le => "u32le",
        CounterFormat::U32Be => "u32be",
        CounterFormat::U64Le => "u64le",
        CounterFormat::U64Be => "u64be",
    }
}

/// Strings of one length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// How it was written: a line of an `.hcmask` file.
    pub text: String,
    /// The bytes of each position.
    pub sets: Vec<Set>,
}

/// The bytes of one position of a mask: ascending and without duplicates, at least one. Positions share them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set(Arc<[u8]>);

impl Set {
    /// Of bytes in any order, with duplicates or without.
    pub fn new(mut bytes: Vec<u8>) -> Self {
        bytes.sort_unstable();
        bytes.dedup();
        Self(bytes.into())
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Mask {
    /// The sets as they are sent.
    pub fn blob(&self) -> BlobBuf {
        self.sets.iter().map(Set::bytes).collect()
    }

    /// How many strings there are; `None` if these are more than [`MAX_CANDIDATES`].
    pub fn count(&self) -> Option<u64> {
        let count = self.sets.iter().try_fold(1u64, |count, set| count.checked_mul(set.0.len() as u64))?;
        (count <= MAX_CANDIDATES).then_some(count)
    }
}

/// Masks, one after the other, and where each ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masks {
    masks: Vec<Mask>,
    /// Behind the last candidate of each.
    ends: Vec<u64>,
    /// About what they take of memory, in bytes.
    resident: usize,
}

/// Where a candidate is in a union of masks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskPosition {
    /// In which mask, from 0.
    pub mask: usize,
    /// The index of that mask's first candidate.
    pub first: u64,
    /// Behind the index of its last one.
    pub end: u64,
}

/// Why masks are no space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpaceError {
    /// There is no mask, or no candidate of one.
    #[error("there is no candidate")]
    Empty,
    /// There is more than can be counted.
    #[error("with mask number {} there are more than 2^63 candidates, which is the most of one search", mask + 1)]
    TooLarge {
        /// With which mask, from 0.
        mask: usize,
    },
}

impl Masks {
    /// # Errors
    /// If there is no candidate, or if there are more than [`MAX_CANDIDATES`].
    pub fn new(masks: Vec<Mask>) -> Result<Self, SpaceError> {
        let (mut ends, mut end) = (Vec::with_capacity(masks.len()), 0u64);
        for (at, mask) in masks.iter().enumerate() {
            let sum = mask.count().and_then(|count| end.checked_add(count)).filter(|sum| *sum <= MAX_CANDIDATES);
            end = sum.ok_or(SpaceError::TooLarge { mask: at })?;
            ends.push(end);
        }
        if end == 0 {
            return Err(SpaceError::Empty);
        }
        let each = |mask: &Mask| size_of::<Mask>() + size_of::<u64>() + mask.text.len() + size_of_val(&*mask.sets);
        let resident = masks.iter().map(each).sum();
        Ok(Self { masks, ends, resident })
    }

    /// All of them.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Mask> {
        self.masks.iter()
    }

    /// The mask number `at`, from 0.
    pub fn get(&self, at: usize) -> Option<&Mask> {
        self.masks.get(at)
    }

    /// About what they take of memory, in bytes.
    pub(super) fn resident(&self) -> usize {
        self.resident
    }

    /// How many candidates there are.
    pub fn total(&self) -> u64 {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Where the candidate of this index is; `None` behind the last one. It takes the logarithm of the number of masks.
    pub fn place(&self, index: u64) -> Option<MaskPosition> {
        let mask = self.ends.partition_point(|end| *end <= index);
        let end = *self.ends.get(mask)?;
        let first = mask.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(MaskPosition { mask, first, end })
    }
}

impl Space {
    /// How many candidates there are; `None` if these are more than [`MAX_CANDIDATES`].
    pub fn total(&self) -> Option<u64> {
        let total = match self {
            Self::Masks(masks) => masks.total(),
            Self::Counter { from, to, .. } => to.saturating_sub(*from),
        };
        (total <= MAX_CANDIDATES).then_some(total)
    }

    /// Appends candidate number `index`; whether there is one.
    pub(super) fn write(&self, index: u64, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Masks(masks) => {
                let Some((place, mask)) = masks.place(index).and_then(|at| Some((at, masks.get(at.mask)?))) else {
                    return false;
                };
                Candidates::Mask(mask.blob().as_blob()).write(index - place.first, out);
            }
            Self::Counter { from, to, format } => {
                if index >= to.saturating_sub(*from) {
                    return false;
                }
                Candidates::Counter { from: *from, format: *format }.write(index, out);
            }
        }
        true
    }

    /// Gives the candidates by their length in bytes: each length, and how many candidates in a row have it.
    pub(super) fn lengths(&self, mut each: impl FnMut(usize, u64)) {
        match self {
            Self::Masks(masks) => {
                masks.iter().for_each(|mask| each(mask.sets.len(), mask.count().unwrap_or(MAX_CANDIDATES)));
            }
            Self::Counter { from, to, format } => {
                let radix: u64 = if *format == CounterFormat::Hex { 16 } else { 10 };
                let mut next = *from;
                while next < *to {
                    let length = format.len_of(next);
                    let end = match format {
                        CounterFormat::Decimal | CounterFormat::Hex => radix.checked_pow(length as u32).unwrap_or(*to),
                        _ => *to,
                    };
                    let end = end.min(*to);
                    each(length, end - next);
                    next = end;
                }
            }
        }
    }
}

/// Masks as they are stored: each set once.
#[derive(Serialize, Deserialize)]
struct Table {
    /// In hexadecimal.
    sets: Vec<String>,
    /// Each mask's text, and of each position the set by its number.
    masks: Vec<(String, Vec<u32>)>,
}

impl Serialize for Masks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut sets, mut known) = (Vec::new(), HashMap::new());
        let mut number = |set| {
            *known.entry(set).or_insert_with(|| {
                sets.push(const_hex::encode(Set::bytes(set)));
                sets.len() as u32 - 1
            })
        };
        let masks = self.iter().map(|mask| (mask.text.clone(), mask.sets.iter().map(&mut number).collect())).collect();
        Table { sets, masks }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Masks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Table { sets, masks } = Table::deserialize(deserializer)?;
        let sets: Result<Vec<Set>, _> = sets.iter().map(|set| const_hex::decode(set).map(Set::new)).collect();
        let sets = sets.map_err(D::Error::custom)?;
        let mask = |(text, numbers): (String, Vec<u32>)| {
            let set = |number| sets.get(number as usize).cloned();
            let sets: Option<Vec<Set>> = numbers.into_iter().map(set).collect();
            Ok(Mask { text, sets: sets.ok_or_else(|| D::Error::custom("a mask has a set that is not there"))? })
        };
        let masks: Result<Vec<Mask>, D::Error> = masks.into_iter().map(mask).collect();
        Self::new(masks?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(sets: &[&str]) -> Mask {
        Mask { text: sets.concat(), sets: sets.iter().map(|set| Set::new(set.as_bytes().to_vec())).collect() }
    }

    fn candidates(space: &Space) -> Vec<String> {
        let candidate = |index| {
            let mut candidate = Vec::new();
            space.write(index, &mut candidate).then(|| String::from_utf8(candidate).unwrap())
        };
        let all: Vec<String> = (0..).map_while(candidate).collect();
        assert_eq!(space.total(), Some(all.len() as u64));
        all
    }

    #[test]
    fn masks_follow_each_other() {
        let masks = Masks::new(vec![mask(&["ab"]), mask(&["x"]), mask(&["ba", "a21"])]).unwrap();
        let place = |index| masks.place(index).map(|place| (place.mask, place.first, place.end));
        assert_eq!(place(0), Some((0, 0, 2)));
        assert_eq!(place(2), Some((1, 2, 3)));
        assert_eq!([3, 8, 9].map(place), [Some((2, 3, 9)), Some((2, 3, 9)), None]);
        let space = Space::Masks(masks);
        assert_eq!(candidates(&space), ["a", "b", "x", "a1", "b1", "a2", "b2", "aa", "ba"]);
        let stored = serde_json::to_string(&space).unwrap();
        assert_eq!(serde_json::from_str::<Space>(&stored).unwrap(), space);
        for lie in ["{\"masks\":{\"sets\":[],\"masks\":[[\"a\",[0]]]}}", "{\"masks\":{\"sets\":[],\"masks\":[]}}"] {
            assert!(serde_json::from_str::<Space>(lie).is_err());
        }
    }

    #[test]
    fn masks_are_counted() {
        let all: String = (b' '..=b'~').map(char::from).collect();
        let new = |lengths: &[usize]| {
            Masks::new(lengths.iter().map(|length| mask(&vec![all.as_str(); *length])).collect()).map(|it| it.total())
        };
        assert_eq!(new(&[]), Err(SpaceError::Empty));
        assert_eq!(new(&[9]), Ok(95u64.pow(9)));
        assert_eq!(new(&[10]), Err(SpaceError::TooLarge { mask: 0 }));
        assert_eq!(new(&[9; 15]), Err(SpaceError::TooLarge { mask: 14 }));
    }

    #[test]
    fn numbers_grow_longer() {
        let counter = |from, to, format| Space::Counter { from, to, format };
        assert_eq!(candidates(&counter(8, 12, CounterFormat::Decimal)), ["8", "9", "10", "11"]);
        let lengths = |space: Space| {
            let mut lengths = Vec::new();
            space.lengths(|length, count| lengths.push((length, count)));
            lengths
        };
        assert_eq!(lengths(counter(8, 1012, CounterFormat::Decimal)), [(1, 2), (2, 90), (3, 900), (4, 12)]);
        assert_eq!(lengths(counter(0, 17, CounterFormat::Hex)), [(1, 16), (2, 1)]);
        assert_eq!(lengths(counter(7, 1 << 40, CounterFormat::U64Le)), [(8, (1 << 40) - 7)]);
        let end = u64::MAX;
        assert_eq!(lengths(counter(end - 3, end, CounterFormat::Decimal)), [(20, 3)]);
        assert_eq!(lengths(counter(end - 3, end, CounterFormat::Hex)), [(16, 3)]);
    }
}
