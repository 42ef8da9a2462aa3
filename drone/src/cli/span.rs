//! Lengths of time, as people write them.

use std::str::FromStr;
use std::time::Duration;

/// A length of time, written as `90s`, `15m`, `12h` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "it has to be a time such as 90s, 15m, 12h or 7d".to_owned();
        let digits = text.find(|char: char| !char.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor = match unit.trim().to_ascii_lowercase().as_str() {
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return Err(wrong()),
        };
        let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        seconds.map(|seconds| Self(Duration::from_secs(seconds))).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let seconds = |text: &str| text.parse::<Span>().map(|span| span.0.as_secs());
        assert_eq!((seconds("90s"), seconds("2 h"), seconds("7d")), (Ok(90), Ok(7200), Ok(604_800)));
        // Seven seconds, or seven days?
        assert!(seconds("7").is_err() && seconds("soon").is_err() && seconds("").is_err() && seconds("3w").is_err());
    }
}
