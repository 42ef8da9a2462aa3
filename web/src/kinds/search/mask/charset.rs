//! Charsets, built in and custom, and how they stand in the text of a mask.

use super::error::{MaskError, MaskFault};
use super::limits::{CHARSETS, MAX_CHARSET};
use crate::kinds::search::bytes::Bytes;

/// The custom charsets of a mask, as they are written; those that are not defined are empty.
pub type Charsets = [String; CHARSETS];

/// What custom charsets stand for; those that are not defined are empty.
pub(super) type Custom = [Bytes; CHARSETS];

/// What custom charsets stand for.
pub(super) fn custom(charsets: &Charsets) -> Result<Custom, MaskError> {
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
pub(super) fn defined(custom: &Custom, number: usize) -> Result<Bytes, MaskFault> {
    let bytes = custom.get(number - 1).copied().unwrap_or_default();
    if bytes.is_empty() { Err(MaskFault::Undefined(number)) } else { Ok(bytes) }
}

/// What stands at one place of a mask or of a charset.
pub(super) enum Symbol<'a> {
    /// A character that stands for itself.
    Literal(&'a str),
    /// Any of these bytes.
    Set(Bytes),
    /// A custom charset, from 1.
    Custom(usize),
}

/// The symbols of a mask or a charset, and at which character each begins, from 1.
pub(super) fn symbols(text: &str) -> impl Iterator<Item = (usize, Result<Symbol<'_>, MaskFault>)> {
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
