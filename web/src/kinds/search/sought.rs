//! What is sought, as people write it: digests, or where they lie as numbers.

use std::collections::BTreeSet;

use crate::kinds::digest::{Encoding, EncodingError};

/// The most digests that are sought at once.
pub const MAX_TARGETS: usize = 100_000;

/// Bytes of a digest.
const DIGEST: usize = 32;

/// Hexadecimal digits of a digest.
const DIGITS: usize = 2 * DIGEST;

/// Bits of a digest.
const BITS: usize = 8 * DIGEST;

/// A digest, or the number that it is, most significant byte first.
pub type Number = [u8; DIGEST];

/// The first and the last of numbers that follow each other.
pub type Bounds = (Number, Number);

/// What is wrong with what is sought.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SoughtError {
    /// A target has another length.
    #[error("a target is a SHA-256 digest of {DIGITS} hexadecimal digits, and this has {0} characters")]
    Length(usize),
    /// What stands behind a target in its line makes it neither a line of `sha256sum` nor one of a potfile.
    #[error(
        "a line has a digest alone, a digest and a file's name as sha256sum prints them, or `digest:plain` as in a \
         potfile, and this has something else behind its digest"
    )]
    Line,
    /// A target, or the beginning of a digest, is not in hexadecimal.
    #[error("{0}")]
    Hex(EncodingError),
    /// There are too many targets.
    #[error("one search seeks at most {MAX_TARGETS} different digests; make several searches of them")]
    TooMany,
    /// The beginning of a digest is empty, or longer than a digest.
    #[error("the beginning of a digest has 1 to {DIGITS} hexadecimal digits, and this has {0}")]
    Digits(usize),
    /// Bits are something else than zeros and ones.
    #[error("bits are 1 to {BITS} characters `0` and `1`, such as 0101")]
    Bits,
}

/// Digests that are sought, ascending and without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets(BTreeSet<Number>);

impl Targets {
    /// Adds one that is written in hexadecimal, of either case.
    ///
    /// # Errors
    /// If it is no digest, or one too many.
    pub fn add(&mut self, text: &[u8]) -> Result<(), SoughtError> {
        match Encoding::Hex.check(text) {
            Ok(()) | Err(EncodingError::OddHex(_)) if text.len() != DIGITS => {
                return Err(SoughtError::Length(text.len()));
            }
            checked => checked.map_err(SoughtError::Hex)?,
        }
        let target = const_hex::const_decode_to_array(text).map_err(|_| SoughtError::Length(text.len()))?;
        self.0.insert(target);
        if self.0.len() > MAX_TARGETS {
            return Err(SoughtError::TooMany);
        }
        Ok(())
    }

    /// Adds those that stand in lines, each alone, with a file's name as `sha256sum` prints it, or with a candidate as in a
    /// potfile. Blank lines are nothing, and neither are spaces around a line.
    ///
    /// # Errors
    /// What is wrong, and in which line, from 1.
    pub fn add_lines(&mut self, text: &[u8]) -> Result<(), (usize, SoughtError)> {
        for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let text = text.trim_ascii();
            if !text.is_empty() {
                digest_of_line(text).and_then(|digest| self.add(digest)).map_err(|error| (line, error))?;
            }
        }
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Their bytes, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().copied().collect()
    }
}

/// The digest that a line begins with. Behind it may stand a file's name, as GNU's `sha256sum` prints it: a space, a
/// space or an asterisk, and the name, in a line that begins with a backslash if the name is escaped. Or what a potfile
/// has: a colon and the candidate. What begins with no digest is left to [`Targets::add`] to refuse.
fn digest_of_line(line: &[u8]) -> Result<&[u8], SoughtError> {
    let (is_escaped, line) = match line.strip_prefix(b"\\") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let end = line.iter().position(|byte| *byte == b':' || byte.is_ascii_whitespace()).unwrap_or(line.len());
    let (digest, rest) = line.split_at(end);
    match rest {
        [] | [b':', ..] if !is_escaped => Ok(digest),
        [b' ', b' ' | b'*', _, ..] => Ok(digest),
        _ if digest.len() != DIGITS => Err(SoughtError::Length(digest.len())),
        _ => Err(SoughtError::Line),
    }
}

/// First and last number with so many leading zero bits, at most 256.
pub fn leading_zero_bits(bits: usize) -> Bounds {
    let mut last = [0xff; DIGEST];
    for (at, byte) in last.iter_mut().enumerate() {
        let zeros = bits.saturating_sub(8 * at).min(8) as u32;
        *byte = 0xff_u8.checked_shr(zeros).unwrap_or(0);
    }
    ([0; DIGEST], last)
}

/// First and last number that begins with these bits, written as `0` and `1`.
///
/// # Errors
/// If it is something else, or longer than a digest.
pub fn bits(text: &str) -> Result<Bounds, SoughtError> {
    if text.is_empty() || text.len() > BITS || !text.bytes().all(|bit| matches!(bit, b'0' | b'1')) {
        return Err(SoughtError::Bits);
    }
    let (mut first, mut last) = ([0; DIGEST], [0xff; DIGEST]);
    for (at, bit) in text.bytes().enumerate() {
        let mask = 0x80 >> (at % 8);
        match bit {
            b'1' => first[at / 8] |= mask,
            _ => last[at / 8] &= !mask,
        }
    }
    Ok((first, last))
}

/// First and last number that begins with these hexadecimal digits.
///
/// # Errors
/// If these are none, or more than a digest has.
pub fn hex(text: &str) -> Result<Bounds, SoughtError> {
    match Encoding::Hex.check(text.as_bytes()) {
        Ok(()) | Err(EncodingError::OddHex(_)) => {}
        Err(error) => return Err(SoughtError::Hex(error)),
    }
    if !(1..=DIGITS).contains(&text.len()) {
        return Err(SoughtError::Digits(text.len()));
    }
    let filled = |digit: &str| {
        let text = format!("{text}{}", digit.repeat(DIGITS - text.len()));
        const_hex::const_decode_to_array(text.as_bytes()).map_err(|_| SoughtError::Digits(text.len()))
    };
    Ok((filled("0")?, filled("f")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(start: &str, fill: &str) -> Number {
        let text = format!("{start}{}", fill.repeat(DIGITS - start.len()));
        const_hex::const_decode_to_array(text.as_bytes()).unwrap()
    }

    #[test]
    fn targets_are_sorted_and_once() {
        let mut targets = Targets::default();
        let (one, other) = ("ab".repeat(32), "12".repeat(32));
        targets.add_lines(format!("{one}\r\n\n  {other} \n{}", one.to_uppercase()).as_bytes()).unwrap();
        assert_eq!(targets.bytes(), [[0x12; 32], [0xab; 32]].as_flattened());
        let fault = |text: &str| Targets::default().add_lines(text.as_bytes()).unwrap_err();
        assert_eq!(fault(&format!("\n{one}0")), (2, SoughtError::Length(65)));
        assert_eq!(fault("abc"), (1, SoughtError::Length(3)));
        let not_hex = SoughtError::Hex(EncodingError::NotHex { at: 1, byte: b'g' });
        assert_eq!(fault(&format!("g{}", &one[1..])), (1, not_hex));
        let mut many = Targets::default();
        for number in 0..MAX_TARGETS {
            many.add(format!("{number:064x}").as_bytes()).unwrap();
        }
        many.add(format!("{:064x}", 7).as_bytes()).unwrap();
        assert_eq!(many.add(one.as_bytes()), Err(SoughtError::TooMany));
    }

    #[test]
    fn lines_of_sha256sum_and_potfiles_begin_with_a_digest() {
        let digest = "ab".repeat(32);
        for line in ["", "  name", " *name", "  two words", "   name", ":plain", ":", ":p:l", ":$HEX[3a]", "\r"] {
            let mut targets = Targets::default();
            targets.add_lines(format!("{digest}{line}").as_bytes()).unwrap();
            assert_eq!(targets.bytes(), [0xab; 32], "{line:?}");
        }
        let mut targets = Targets::default();
        targets.add_lines(format!("\\{digest}  a\\nb\n{digest}: \n").as_bytes()).unwrap();
        assert_eq!(targets.len(), 1);
        let fault = |line: &str| Targets::default().add_lines(format!("\n{line}").as_bytes()).unwrap_err();
        for line in [" name", "\tname", " *", " (name)"] {
            assert_eq!(fault(&format!("{digest}{line}")), (2, SoughtError::Line), "{line:?}");
        }
        assert_eq!(fault(&format!("\\{digest}")), (2, SoughtError::Line), "nothing is escaped");
        assert_eq!(fault(&format!("\\{digest}:plain")), (2, SoughtError::Line), "potfiles escape nothing so");
        assert_eq!(fault(&format!("SHA256 (name) = {digest}")), (2, SoughtError::Length(6)));
        assert_eq!(fault("abc:plain"), (2, SoughtError::Length(3)));
        assert_eq!(fault(&format!("{digest}0  name")), (2, SoughtError::Length(65)));
        let alone = SoughtError::Hex(EncodingError::NotHex { at: 65, byte: b':' });
        assert_eq!(
            Targets::default().add(format!("{digest}:plain").as_bytes()),
            Err(alone),
            "an array's are digests alone"
        );
    }

    #[test]
    fn the_beginning_of_a_digest_is_an_interval() {
        assert_eq!(leading_zero_bits(0), (number("", "0"), number("", "f")));
        assert_eq!(leading_zero_bits(20), (number("", "0"), number("00000", "f")));
        assert_eq!(leading_zero_bits(17), (number("", "0"), number("00007", "f")));
        assert_eq!(leading_zero_bits(256), (number("", "0"), number("", "0")));
        assert_eq!(bits("0101"), Ok((number("5", "0"), number("5", "f"))));
        assert_eq!(bits("1"), Ok((number("8", "0"), number("", "f"))));
        assert_eq!(bits(&"1".repeat(256)), Ok((number("", "f"), number("", "f"))));
        for lie in ["", "012", &"1".repeat(257)] {
            assert_eq!(bits(lie), Err(SoughtError::Bits));
        }
        assert_eq!(hex("D455"), Ok((number("d455", "0"), number("d455", "f"))));
        assert_eq!(hex("d45"), Ok((number("d45", "0"), number("d45", "f"))));
        assert_eq!(hex(""), Err(SoughtError::Digits(0)));
        assert_eq!(hex(&"0".repeat(65)), Err(SoughtError::Digits(65)));
        assert!(matches!(hex("0x12"), Err(SoughtError::Hex(_))));
    }
}
