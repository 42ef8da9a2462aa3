//! Values as people like to read them.

use std::fmt::{self, Display, Write};

/// Characters shown of a word.
const WORD: usize = 60;

/// An input as people may see it: its beginning, without control characters.
pub fn word(input: &[u8]) -> impl Display + '_ {
    Word(input)
}

/// A number with a comma before each three digits.
pub fn count(number: u64) -> impl Display {
    Count(number)
}

struct Word<'a>(&'a [u8]);

impl Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character has at most four bytes.
        let start = &self.0[..self.0.len().min(4 * (WORD + 1))];
        for (index, char) in String::from_utf8_lossy(start).chars().enumerate() {
            if index == WORD {
                return f.write_char('…');
            }
            match char.is_control() {
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
        assert_eq!(shown(&[b'x'; 60]), "x".repeat(60));
        assert_eq!(shown(&[b'x'; 1000]), format!("{}…", "x".repeat(60)));
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(|number| count(number).to_string()),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
