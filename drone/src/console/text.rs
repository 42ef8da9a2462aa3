//! Values as people like to read them.

use std::fmt::{self, Display, Write};

use wire::text::is_hidden;

/// Characters shown of a word.
const WORD_CHARS: usize = 60;

/// An input as people may see it: its beginning, with nothing that hides or reorders what is seen.
pub fn word(input: &[u8]) -> impl Display + '_ {
    Word(input)
}

/// A number with a comma before each three digits.
pub fn count(number: u64) -> impl Display {
    Count(number)
}

/// A time of so many seconds, in its two largest units.
pub fn span(seconds: f64) -> impl Display {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let whole = if seconds.is_finite() { seconds.ceil().max(1.0) as u64 } else { u64::MAX };
    let largest = UNITS.iter().position(|(size, _)| whole >= *size).unwrap_or(UNITS.len() - 1);
    let (size, name) = UNITS[largest];
    let rest = UNITS.get(largest + 1).map(|(next, name)| (whole % size / next, name));
    match rest.filter(|(rest, _)| *rest > 0) {
        Some((rest, next)) => format!("{} {name} {rest} {next}", count(whole / size)),
        None => format!("{} {name}", count(whole / size)),
    }
}

struct Word<'a>(&'a [u8]);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character has at most four bytes.
        let start = &self.0[..self.0.len().min(4 * (WORD_CHARS + 1))];
        for (index, char) in String::from_utf8_lossy(start).chars().enumerate() {
            if index == WORD_CHARS {
                return f.write_char('…');
            }
            match is_hidden(char) {
                true => write!(f, "{}", char.escape_default())?,
                false => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

struct Count(u64);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_shown_short_and_harmless() {
        let shown = |bytes: &[u8]| word(bytes).to_string();
        assert_eq!(shown(b"super_secret_password_123"), "super_secret_password_123");
        assert_eq!(shown(b"a\n\x1b\xff"), "a\\n\\u{1b}\u{fffd}");
        assert_eq!(shown("a\u{202e}b\u{200b}".as_bytes()), "a\\u{202e}b\\u{200b}");
        assert_eq!(shown(&[b'x'; 60]), "x".repeat(60));
        assert_eq!(shown(&[b'x'; 1000]), format!("{}…", "x".repeat(60)));
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn times_have_two_units() {
        assert_eq!(
            [0.0, 5.2e-8, 1.2, 60.0, 200.0, 7500.0, 86_400.0 * 3.2].map(|seconds| span(seconds).to_string()),
            ["1 s", "1 s", "2 s", "1 min", "3 min 20 s", "2 h 5 min", "3 d 4 h"]
        );
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(|number| count(number).to_string()),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
