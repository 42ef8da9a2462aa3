//! Values as people like to read them.

use std::borrow::Cow;

use drone::console::count;
use web::model::{TaskView, Timestamp};
use wire::text::is_hidden;

/// Somebody else's text on one line, with nothing in it that hides, or that a terminal would obey.
pub fn visible(text: &str) -> Cow<'_, str> {
    match text.chars().any(is_hidden) {
        false => Cow::Borrowed(text),
        true => {
            let shown = |char: char| match is_hidden(char) {
                true => char.escape_default().collect(),
                false => String::from(char),
            };
            Cow::Owned(text.chars().map(shown).collect())
        }
    }
}

/// Somebody else's bytes, in hexadecimal where they are no text.
pub fn plain(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => visible(text).into_owned(),
        Err(_) => format!("0x{}", const_hex::encode(bytes)),
    }
}

/// `1 Drone`, `2,000 Drones`
pub fn number_of(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", count(number), if number == 1 { "" } else { "s" })
}

/// `1.2 M/s`
pub fn per_second(rate: f64) -> String {
    const PREFIXES: [&str; 5] = ["", "k", "M", "G", "T"];
    let mut rest = if rate.is_finite() { rate.max(0.0) } else { 0.0 };
    let mut power = 0;
    while rest >= 999.95 && power + 1 < PREFIXES.len() {
        rest /= 1000.0;
        power += 1;
    }
    match (power, rest) {
        (0, rest) if rest == 0.0 || rest >= 9.95 => format!("{rest:.0}/s"),
        (power, rest) => format!("{rest:.1} {}/s", PREFIXES[power]).replace(" /s", "/s"),
    }
}

/// `12.3 MiB`
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = (bytes.ilog2() / 10) as usize;
    format!("{:.1} {}", bytes as f64 / (1_u64 << (10 * power)) as f64, UNITS[power - 1])
}

/// `42.3 %`; 100 only when nothing is missing.
pub fn percent(task: &TaskView) -> String {
    match task.done == task.total {
        true => "100 %".to_owned(),
        false => format!("{:.1} %", ((task.percent() * 10.0).floor() / 10.0).min(99.9)),
    }
}

/// `2026-01-31 23:59:00`, in UTC.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string().replacen('T', " ", 1);
    text.split('.').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        assert_eq!(visible("bee\u{1b}[2J\u{202e}\n"), "bee\\u{1b}[2J\\u{202e}\\n");
        assert_eq!(visible("naïve 🐝"), "naïve 🐝");
        assert_eq!((number_of(1, "input"), number_of(2000, "input")), ("1 input".into(), "2,000 inputs".into()));
        let rates = [0.0, 0.25, 9.9, 42.0, 999.96, 1_234_567.0].map(per_second);
        assert_eq!(rates, ["0/s", "0.2/s", "9.9/s", "42/s", "1.0 k/s", "1.2 M/s"]);
        assert_eq!((bytes(1023), bytes(1536), bytes(u64::MAX)), ("1023 B".into(), "1.5 KiB".into(), "16.0 EiB".into()));
        assert_eq!(moment(Timestamp(0)), "1970-01-01 00:00:00");
    }
}
