//! Masks as people write them, in hashcat's notation (<https://hashcat.net/wiki/doku.php?id=mask_attack>).

mod charset;
mod error;
mod limits;
mod line;

use std::collections::HashMap;

use wire::space::MAX_CANDIDATE;

pub use self::charset::Charsets;
use self::charset::{Custom, Symbol, custom, defined, symbols};
pub use self::error::{MaskError, MaskFault};
pub use self::limits::{CHARSETS, MAX_MASKS};
use self::limits::{MAX_POSITIONS, MAX_SETS, MAX_TEXT};
use self::line::{fields, line};
use super::bytes::Bytes;
use super::space::{Mask, Set};

/// Reads masks.
#[derive(Debug)]
pub struct Masker {
    charsets: Charsets,
    custom: Custom,
    masks: Vec<Mask>,
    /// Each set once.
    sets: HashMap<Bytes, Set>,
    /// Of all masks.
    positions: usize,
    /// Of the texts of all masks.
    text: usize,
}

/// A mask, position by position.
struct Positions {
    sets: Vec<Set>,
    /// Where each position ends in the text, in bytes.
    ends: Vec<usize>,
    /// The highest custom charset in it, from 1.
    highest: usize,
}

impl Masker {
    /// With these custom charsets for masks that have none of their own.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(charsets: Charsets) -> Result<Self, MaskError> {
        let custom = custom(&charsets)?;
        Ok(Self { charsets, custom, masks: Vec::new(), sets: HashMap::new(), positions: 0, text: 0 })
    }

    /// Adds a mask; with `min_length` also those that are cut from the right, the shortest first.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add(&mut self, mask: &str, min_length: Option<usize>) -> Result<(), MaskError> {
        let Positions { sets, ends, highest } = self.positions(mask, &self.custom.clone())?;
        let length = sets.len();
        let least = min_length.unwrap_or(length);
        if !(1..=length).contains(&least) {
            return Err(MaskFault::MinLength { length, least }.whole());
        }
        for length in least..=length {
            let text = String::from_utf8_lossy(&mask.as_bytes()[..ends[length - 1]]);
            let text = line(&text, &self.charsets[..highest]);
            self.push(Mask { text, sets: sets[..length].to_vec() })?;
        }
        Ok(())
    }

    /// Adds a mask that is written as a line of an `.hcmask` file: its own custom charsets, if it has any, instead of
    /// the given ones, and the mask, with commas between them. A backslash takes its meaning from the character behind
    /// it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn add_line(&mut self, text: &str) -> Result<(), MaskError> {
        let mut fields = fields(text);
        let mask = fields.pop().unwrap_or_default();
        if fields.is_empty() {
            return self.add(&mask, None);
        }
        if fields.len() > CHARSETS {
            return Err(MaskFault::Fields(fields.len()).whole());
        }
        let mut charsets = Charsets::default();
        for (place, field) in charsets.iter_mut().zip(fields) {
            *place = field;
        }
        let Positions { sets, highest, .. } = self.positions(&mask, &custom(&charsets)?)?;
        self.push(Mask { text: line(&mask, &charsets[..highest]), sets })
    }

    /// All masks, in the order in which they were added.
    pub fn finish(self) -> Vec<Mask> {
        self.masks
    }

    fn push(&mut self, mask: Mask) -> Result<(), MaskError> {
        self.positions += mask.sets.len();
        self.text += mask.text.len();
        if self.masks.len() >= MAX_MASKS || self.positions > MAX_POSITIONS || self.text > MAX_TEXT {
            return Err(MaskFault::TooMany.whole());
        }
        self.masks.push(mask);
        Ok(())
    }

    fn positions(&mut self, mask: &str, custom: &Custom) -> Result<Positions, MaskError> {
        let mut positions = Positions { sets: Vec::new(), ends: Vec::new(), highest: 0 };
        let mut end = 0;
        for (character, symbol) in symbols(mask) {
            if positions.sets.len() >= MAX_CANDIDATE {
                return Err(MaskFault::TooLong.at(character));
            }
            let bytes = match symbol.map_err(|fault| fault.at(character))? {
                // A character of several bytes has as many positions.
                Symbol::Literal(text) => {
                    for byte in text.bytes() {
                        end += 1;
                        positions.ends.push(end);
                        positions.sets.push(self.set(Bytes::range(byte..=byte))?);
                    }
                    continue;
                }
                Symbol::Set(bytes) => bytes,
                Symbol::Custom(number) => {
                    positions.highest = positions.highest.max(number);
                    defined(custom, number).map_err(|fault| fault.at(character))?
                }
            };
            end += 2;
            positions.ends.push(end);
            positions.sets.push(self.set(bytes)?);
        }
        match positions.sets.len() {
            0 => Err(MaskFault::Empty.whole()),
            length if length > MAX_CANDIDATE => Err(MaskFault::TooLong.whole()),
            _ => Ok(positions),
        }
    }

    /// A set of these bytes, which all masks share.
    fn set(&mut self, bytes: Bytes) -> Result<Set, MaskError> {
        if let Some(known) = self.sets.get(&bytes) {
            return Ok(known.clone());
        }
        if self.sets.len() >= MAX_SETS {
            return Err(MaskFault::TooManySets.whole());
        }
        let set = Set::new(bytes.iter().collect());
        self.sets.insert(bytes, set.clone());
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::limits::MAX_CHARSET;
    use super::*;

    fn charsets(given: &[&str]) -> Charsets {
        std::array::from_fn(|at| given.get(at).copied().unwrap_or_default().to_owned())
    }

    /// A mask as text and as sets.
    type Shown = (String, Vec<Vec<u8>>);

    /// The masks.
    fn read(mask: &str, given: &[&str], min_length: Option<usize>) -> Result<Vec<Shown>, MaskError> {
        let mut masker = Masker::new(charsets(given))?;
        masker.add(mask, min_length)?;
        let sets = |mask: &Mask| mask.sets.iter().map(|set| set.bytes().to_vec()).collect();
        Ok(masker.finish().iter().map(|mask| (mask.text.clone(), sets(mask))).collect())
    }

    fn sets(mask: &str, given: &[&str]) -> Vec<String> {
        let masks = read(mask, given, None).unwrap();
        masks[0].1.iter().map(|set| String::from_utf8(set.clone()).unwrap()).collect()
    }

    fn fault(mask: &str, given: &[&str]) -> (MaskFault, Option<usize>, Option<usize>) {
        let MaskError { what, charset, character } = read(mask, given, None).unwrap_err();
        (what, charset, character)
    }

    #[test]
    fn charsets_are_those_of_hashcat() {
        let sizes: Vec<usize> = sets("?l?u?d?h?H?s?a??", &[]).iter().map(String::len).collect();
        assert_eq!(sizes, [26, 26, 10, 16, 16, 33, 95, 1]);
        assert_eq!(sets("?H", &[]), ["0123456789ABCDEF"]);
        assert_eq!(sets("?s", &[]), [" !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"]);
        assert_eq!(read("?b", &[], None).unwrap()[0].1, [(0..=255).collect::<Vec<u8>>()]);
        assert_eq!(sets("a?1?2", &["dc?d?dc", "?1x"]), ["a", "0123456789cd", "0123456789cdx"]);
        assert_eq!(read("é", &[], None).unwrap()[0].1, [[0xc3], [0xa9]], "its bytes");
        assert_eq!(read("?1", &["é"], None).unwrap()[0].1, [[0xa9, 0xc3]]);
    }

    #[test]
    fn faults_have_a_place() {
        assert_eq!(fault("", &[]), (MaskFault::Empty, None, None));
        assert_eq!(fault("ab?", &[]), (MaskFault::LoneMark, None, Some(3)));
        assert_eq!(fault("é?x", &[]), (MaskFault::NoCharset('x'), None, Some(2)));
        assert_eq!(fault("?l?9", &[]), (MaskFault::NoCharset('9'), None, Some(3)));
        assert_eq!(fault("?1?2", &["a"]), (MaskFault::Undefined(2), None, Some(3)));
        assert_eq!(fault("?1", &["b?2", "a"]), (MaskFault::NotBefore(2), Some(1), Some(2)));
        assert_eq!(fault("?1", &["?1"]), (MaskFault::NotBefore(1), Some(1), Some(1)));
        assert_eq!(fault("?2", &["", "?1"]), (MaskFault::Undefined(1), Some(2), Some(1)));
        assert_eq!(fault("?l", &["a?"]), (MaskFault::LoneMark, Some(1), Some(2)));
        assert_eq!(fault(&"a".repeat(257), &[]), (MaskFault::TooLong, None, Some(257)));
        assert!(read(&"a".repeat(256), &[], None).is_ok());
        let least = |least| read("abc", &[], Some(least)).unwrap_err().what;
        assert_eq!([0, 4].map(least), [0, 4].map(|least| MaskFault::MinLength { length: 3, least }));
    }

    #[test]
    fn an_increment_cuts_from_the_right() {
        let masks = read("a?1?d??", &["x,y"], Some(2)).unwrap();
        let texts: Vec<&str> = masks.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["x\\,y,a?1", "x\\,y,a?1?d", "x\\,y,a?1?d??"]);
        let lengths: Vec<usize> = masks.iter().map(|(_, sets)| sets.len()).collect();
        assert_eq!(lengths, [2, 3, 4]);
    }

    #[test]
    fn lines_of_a_file_have_their_own_charsets() {
        let read = |line: &str, given: &[&str]| {
            let mut masker = Masker::new(charsets(given))?;
            masker.add_line(line).map(|()| {
                let mask = masker.finish().remove(0);
                let sets = mask.sets.iter().map(|set| String::from_utf8_lossy(set.bytes()).into_owned()).collect();
                (mask.text, sets)
            })
        };
        let both = |line: &str, text: &str, sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            assert_eq!(read(line, &[]), Ok((text.to_owned(), sets)));
            assert_eq!(read(text, &[]).map(|(text, _)| text), Ok(text.to_owned()), "it is read as it was written");
        };
        both("ab,?1,?2c", "ab,?1,?2c", &["ab", "c"]);
        both("a\\,b,?1x", "a\\,b,?1x", &[",ab", "x"]);
        both("\\#?d", "\\#?d", &["#", "0123456789"]);
        both("a\\\\b", "a\\\\b", &["a", "\\", "b"]);
        both("a\\b", "ab", &["a", "b"]);
        both(",x,?2", ",x,?2", &["x"]);
        assert_eq!(read("?1", &["xy"]).unwrap().1, ["xy"]);
        assert_eq!(read("z,?1", &["xy"]).unwrap().1, ["z"]);
        assert_eq!(read("1,2,3,4,5,6,7,8,9,a", &[]).unwrap_err().what, MaskFault::Fields(9));
        assert_eq!(read("x,", &[]).unwrap_err().what, MaskFault::Empty);
    }

    #[test]
    fn masks_share_their_sets_and_have_bounds() {
        let mut masker = Masker::new(charsets(&["a"])).unwrap();
        for _ in 0..MAX_MASKS {
            masker.add("?l?l", None).unwrap();
        }
        assert_eq!(masker.sets.len(), 1);
        assert_eq!(masker.add("a", None).unwrap_err().what, MaskFault::TooMany);
        let mut masker = Masker::new(charsets(&[])).unwrap();
        let long = "?d".repeat(256);
        let added = (0..).take_while(|_| masker.add(&long, None).is_ok()).count();
        assert_eq!(added, MAX_POSITIONS / 256);
        let mut masker = Masker::new(charsets(&["a".repeat(MAX_CHARSET).as_str()])).unwrap();
        let added = (0..).take_while(|_| masker.add("?1", None).is_ok()).count();
        assert_eq!(added, MAX_TEXT / (MAX_CHARSET + 3));
        let long = Masker::new(charsets(&["a", &"a".repeat(MAX_CHARSET + 1)])).unwrap_err();
        assert_eq!((long.what, long.charset), (MaskFault::LongCharset, Some(2)));
        let mut masker = Masker::new(charsets(&[])).unwrap();
        let some =
            |number: usize| (0..16).filter(|bit| number >> bit & 1 == 1).map(|bit| char::from(b'a' + bit)).collect();
        let sets = (1..).map(|number: usize| -> String { some(number) });
        let added = sets.take_while(|set| masker.add_line(&format!("{set},?1")).is_ok()).count();
        assert_eq!(added, MAX_SETS);
    }
}
