//! `application/x-www-form-urlencoded`, as bytes: an input need not be UTF-8.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// The names and values of a form or a query string, in order.
pub(crate) fn pairs(form: &[u8]) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let equals = memchr::memchr(b'=', pair).unwrap_or(pair.len());
        (decode(&pair[..equals]), decode(pair.get(equals + 1..).unwrap_or_default()))
    })
}

/// `+` is a space; a `%` without two hexadecimal digits stands for itself, as in browsers.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        let escaped = after.first_chunk::<2>().filter(|_| *byte == b'%');
        match escaped.and_then(|digits| const_hex::const_decode_to_array::<1>(digits).ok()) {
            Some([escaped]) => {
                bytes.push(escaped);
                rest = &after[2..];
            }
            None => bytes.push(if *byte == b'+' { b' ' } else { *byte }),
        }
    }
    Cow::Owned(bytes)
}

/// What is escaped in a value of a query string: all but what never needs it (RFC 3986, section 2.3).
pub(crate) const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use percent_encoding::utf8_percent_encode;

    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["", "task 7 (bees)", "a&b=c%2f+d", "é🐝\n"] {
            let query = format!("a={}", utf8_percent_encode(text, VALUE));
            assert_eq!(pairs(query.as_bytes()).next().unwrap().1, text.as_bytes());
            assert!(query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&'), "{query}");
        }
    }

    #[test]
    fn forms_are_read_as_browsers_write_them() {
        let read = |form: &'static str| -> Vec<(Vec<u8>, Vec<u8>)> {
            pairs(form.as_bytes()).map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
        };
        let pair = |name: &str, value: &[u8]| (name.as_bytes().to_vec(), value.to_vec());
        assert_eq!(read(""), []);
        assert_eq!(read("a=1&&b=x+y%20z&c"), [pair("a", b"1"), pair("b", b"x y z"), pair("c", b"")]);
        assert_eq!(read("a=%ff%00%3D%26"), [pair("a", b"\xff\0=&")]);
        assert_eq!(read("a=100%&b=%4&c=%zz%"), [pair("a", b"100%"), pair("b", b"%4"), pair("c", b"%zz%")]);
    }
}
