//! Masks as people write them, in hashcat's notation (<https://hashcat.net/wiki/doku.php?id=mask_attack>).

use std::collections::HashMap;

use wire::space::MAX_CANDIDATE;

use super::bytes::Bytes;
use super::space::{Mask, Set};

/// How many custom charsets a mask can have.
pub const CHARSETS: usize = 8;

/// The most masks of a search.
pub const MAX_MASKS: usize = 100_000;

/// The most positions of all masks of a search together.
pub const MAX_POSITIONS: usize = 1 << 20;

/// The most different sets of a search.
pub const MAX_SETS: usize = 1 << 14;

/// The longest custom charset, as it is written, in bytes.
pub const MAX_CHARSET: usize = 1023;

/// The most bytes of the texts of all masks together.
const MAX_TEXT: usize = 16 << 20;

/// What is wrong with a mask, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct MaskError {
    /// What is wrong, and what to do.
    pub what: MaskFault,
    /// In which custom charset, from 1; in the mask itself if `None`.
    pub charset: Option<usize>,
    /// At which character, from 1; none where all of it is wrong.
    pub character: Option<usize>,
}

/// What is wrong with a mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskFault {
    /// It has no position.
    #[error("the mask is empty: it needs at least one character")]
    Empty,
    /// Nothing stands behind a question mark.
    #[error("nothing stands behind the last `?`; a question mark itself is written `??`")]
    LoneMark,
    /// There is no such charset.
    #[error(
        "there is no charset `?{0}`; there are ?l ?u ?d ?h ?H ?s ?a ?b, ?1 to ?8, and ?? for a question mark itself"
    )]
    NoCharset(char),
    /// A custom charset is used that nobody defined.
    #[error("custom charset {0} is used, but not defined")]
    Undefined(usize),
    /// A custom charset uses one that comes after it.
    #[error("custom charset {0} does not come before this one; a custom charset may use those of lower number")]
    NotBefore(usize),
    /// It has too many positions.
    #[error("the mask is longer than {MAX_CANDIDATE} bytes")]
    TooLong,
    /// It cannot be so short.
    #[error("a mask of {length} characters has no candidates of {least}: `min_length` is 1 to {length}")]
    MinLength {
        /// How long the mask is.
        length: usize,
        /// What was asked for.
        least: usize,
    },
    /// A line of an `.hcmask` file has too many fields.
    #[error(
        "there are {0} commas, and at most {CHARSETS} charsets stand before a mask; write `\\,` for a comma itself"
    )]
    Fields(usize),
    /// There are too many masks, or too long ones.
    #[error(
        "these are more masks than one search can have: {MAX_MASKS}, of {MAX_POSITIONS} characters and {MAX_TEXT} bytes \
         of text in all"
    )]
    TooMany,
    /// There are too many different charsets.
    #[error("these are more different charsets than one search can have: {MAX_SETS}")]
    TooManySets,
    /// A custom charset is too long.
    #[error("a custom charset is longer than {MAX_CHARSET} bytes; charsets of others, such as ?l, make it shorter")]
    LongCharset,
}

impl MaskFault {
    fn at(self, character: usize) -> MaskError {
        MaskError { what: self, charset: None, character: Some(character) }
    }

    fn whole(self) -> MaskError {
        MaskError { what: self, charset: None, character: None }
    }
}

/// The custom charsets of a mask, as they are written; those that are not defined are empty.
pub type Charsets = [String; CHARSETS];

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

/// What custom charsets stand for; those that are not defined are empty.
type Custom = [Bytes; CHARSETS];

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

/// What custom charsets stand for.
fn custom(charsets: &Charsets) -> Result<Custom, MaskError> {
    let mut custom = Custom::default();
    for (at, charset) in charsets.iter().enumerate() {
        let in_charset = |error: MaskError| MaskError { charset: Some(at + 1), ..error };
        if charset.len() > MAX_CHARSET {
            return Err(in_charset(MaskFault::LongCharset.whole()));
        }
        for (character, symbol) in symbols(charset) {
            let in_charset = |fault: MaskFault| in_charset(fault.at(character));
            let bytes = match symbol.map_err(in_charset)? {
                Symbol::Literal(text) => {
                    text.bytes().for_each(|byte| custom[at].insert(byte));
                    continue;
                }
                Symbol::Set(bytes) => bytes,
                Symbol::Custom(number) if number > at => return Err(in_charset(MaskFault::NotBefore(number))),
                Symbol::Custom(number) => defined(&custom, number).map_err(in_charset)?,
            };
            custom[at] = custom[at].and(bytes);
        }
    }
    Ok(custom)
}

/// What a custom charset stands for, from 1.
fn defined(custom: &Custom, number: usize) -> Result<Bytes, MaskFault> {
    let bytes = custom.get(number - 1).copied().unwrap_or_default();
    if bytes.is_empty() { Err(MaskFault::Undefined(number)) } else { Ok(bytes) }
}

/// What stands at one place of a mask or of a charset.
enum Symbol<'a> {
    /// A character that stands for itself.
    Literal(&'a str),
    /// Any of these bytes.
    Set(Bytes),
    /// A custom charset, from 1.
    Custom(usize),
}

/// The symbols of a mask or a charset, and at which character each begins, from 1.
fn symbols(text: &str) -> impl Iterator<Item = (usize, Result<Symbol<'_>, MaskFault>)> {
    let mut characters = text.char_indices().zip(1..);
    std::iter::from_fn(move || {
        let ((start, character), at) = characters.next()?;
        let symbol = match character {
            '?' => characters.next().map_or(Err(MaskFault::LoneMark), |((_, name), _)| named(name)),
            other => Ok(Symbol::Literal(&text[start..start + other.len_utf8()])),
        };
        Some((at, symbol))
    })
}

/// What stands for `?` and this character.
fn named(name: char) -> Result<Symbol<'static>, MaskFault> {
    let (lower, upper) = (Bytes::range(b'a'..=b'z'), Bytes::range(b'A'..=b'Z'));
    let (digits, printable) = (Bytes::range(b'0'..=b'9'), Bytes::range(b' '..=b'~'));
    Ok(Symbol::Set(match name {
        'l' => lower,
        'u' => upper,
        'd' => digits,
        'h' => digits.and(Bytes::range(b'a'..=b'f')),
        'H' => digits.and(Bytes::range(b'A'..=b'F')),
        's' => printable.without(lower.and(upper).and(digits)),
        'a' => printable,
        'b' => Bytes::range(0..=0xff),
        '?' => Bytes::range(b'?'..=b'?'),
        '1'..='8' => return Ok(Symbol::Custom(name as usize - '0' as usize)),
        other => return Err(MaskFault::NoCharset(other)),
    }))
}

/// The fields of a line of an `.hcmask` file; there is at least one.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            ',' => {
                fields.push(String::new());
                continue;
            }
            '\\' => characters.next(),
            other => Some(other),
        };
        if let Some(field) = fields.last_mut() {
            field.extend(character);
        }
    }
    fields
}

/// A mask and the charsets that it needs as a line of an `.hcmask` file.
fn line(mask: &str, charsets: &[String]) -> String {
    let mut line = String::new();
    for (at, field) in charsets.iter().map(String::as_str).chain([mask]).enumerate() {
        if at > 0 {
            line.push(',');
        }
        for character in field.chars() {
            if matches!(character, ',' | '\\') || line.is_empty() && character == '#' {
                line.push('\\');
            }
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
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
