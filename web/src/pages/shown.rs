//! Inputs on a page: any bytes, every one visible, long ones cut.

use super::filters::stand;

/// The most characters of an input that a page shows.
const CHARS_MAX: usize = 200;

/// The most bytes that a character of UTF-8 has.
const CHAR_BYTES: usize = 4;

/// A row of results.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) index: u64,
    pub(super) input: Shown,
    pub(super) digest: String,
}

impl Row {
    /// Whether it has a digest, and not the reason why there is none.
    pub(super) fn has_digest(&self) -> bool {
        self.digest.len() == 64 && self.digest.bytes().all(|byte| byte.is_ascii_hexdigit())
    }
}

/// The beginning of an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) pieces: Vec<Piece>,
    /// The whole input's size in bytes, if more of it follows.
    pub(super) cut_from: Option<u64>,
}

/// A part of an input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is.
    Text(String),
    /// Stands for characters that cannot be seen, or for bytes that are no text.
    Stand(String),
}

impl Shown {
    pub(super) fn of(input: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut left = CHARS_MAX;
        let mut shown = 0;
        // The end of this may be a part of a character; it lies behind the cut.
        let beginning = &input[..input.len().min((CHARS_MAX + 1) * CHAR_BYTES)];
        'input: for chunk in beginning.utf8_chunks() {
            for c in chunk.valid().chars() {
                if left == 0 {
                    break 'input;
                }
                left -= 1;
                shown += c.len_utf8();
                push(&mut pieces, c);
            }
            for byte in chunk.invalid() {
                if left == 0 {
                    break 'input;
                }
                left -= 1;
                shown += 1;
                push_stand(&mut pieces, &format!("\\x{byte:02X}"));
            }
        }
        Self { pieces, cut_from: (shown < input.len()).then_some(input.len() as u64) }
    }
}

fn push(pieces: &mut Vec<Piece>, c: char) {
    match (stand(c), pieces.last_mut()) {
        (Some(text), _) => push_stand(pieces, &text),
        (None, Some(Piece::Text(text))) => text.push(c),
        (None, _) => pieces.push(Piece::Text(c.to_string())),
    }
}

fn push_stand(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Stand(before)) => before.push_str(text),
        _ => pieces.push(Piece::Stand(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn standing(text: &str) -> Piece {
        Piece::Stand(text.to_owned())
    }

    #[test]
    fn every_byte_is_seen() {
        assert_eq!(Shown::of(b"").pieces, []);
        assert_eq!(Shown::of("naïve".as_bytes()).pieces, [text("naïve")]);
        assert_eq!(
            Shown::of(b"a\r\nb\xff\xc3").pieces,
            [text("a"), standing("\\r\\n"), text("b"), standing("\\xFF\\xC3")]
        );
    }

    #[test]
    fn long_ones_are_cut_between_characters() {
        let exact = "é".repeat(CHARS_MAX);
        assert_eq!(Shown::of(exact.as_bytes()), Shown { pieces: vec![text(&exact)], cut_from: None });
        let longer = "🐝".repeat(CHARS_MAX + 7);
        let shown = Shown::of(longer.as_bytes());
        assert_eq!(shown, Shown { pieces: vec![text(&"🐝".repeat(CHARS_MAX))], cut_from: Some(longer.len() as u64) });
        assert_eq!(Shown::of(&[0xff; 1 << 20]).cut_from, Some(1 << 20));
    }
}
