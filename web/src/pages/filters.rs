//! How numbers, times and strings of strangers are written on a page.

use std::borrow::Borrow;
use std::fmt::Display;
use std::time::Duration;

use askama::{Result, Values};
use jiff::Timestamp as Moment;
use wire::ids::TaskId;
use wire::text::is_hidden;

use super::words;
use crate::hive::Counted;
use crate::model::{TaskView, Timestamp};

/// `1,000,000`, of a whole number.
#[askama::filter_fn]
pub(super) fn grouped(number: impl Display, _: &dyn Values) -> Result<String> {
    Ok(group(&number.to_string()))
}

/// `10,000+`, of what is counted as far as that is quick.
#[askama::filter_fn]
pub(super) fn counted(counted: impl Borrow<Counted>, _: &dyn Values) -> Result<String> {
    let Counted { count, is_cut } = *counted.borrow();
    Ok(group(&count.to_string()) + if is_cut { "+" } else { "" })
}

/// `1.2 M/s`
#[askama::filter_fn]
pub(super) fn per_second(rate: &f64, _: &dyn Values) -> Result<String> {
    Ok(scaled(*rate) + "/s")
}

/// `13.2`, of a number of things that is only estimated.
#[askama::filter_fn]
pub(super) fn few(number: &f64, _: &dyn Values) -> Result<String> {
    Ok(scaled(*number))
}

/// `1,234`, or `3.2`, of a mean of things that stands beside their number.
#[askama::filter_fn]
pub(super) fn mean(number: &f64, _: &dyn Values) -> Result<String> {
    Ok(averaged(*number))
}

/// `98.4 %`, of a part of one.
#[askama::filter_fn]
pub(super) fn share(share: &f64, _: &dyn Values) -> Result<String> {
    Ok(format!("{:.1} %", 100.0 * share))
}

/// `3 min 20 s`, of seconds.
#[askama::filter_fn]
pub(super) fn duration(seconds: &f64, _: &dyn Values) -> Result<String> {
    Ok(span(*seconds))
}

/// `3 min 20 s`, of seconds that are only estimated.
#[askama::filter_fn]
pub(super) fn ahead(seconds: &f64, _: &dyn Values) -> Result<String> {
    Ok(span(seconds.ceil().max(1.0)))
}

/// `1.3 ms`, of seconds that are mostly few.
#[askama::filter_fn]
pub(super) fn latency(seconds: &f64, _: &dyn Values) -> Result<String> {
    Ok(if *seconds < 1.0 { format!("{:.1} ms", seconds * 1000.0) } else { span(*seconds) })
}

/// `12.3 MiB`
#[askama::filter_fn]
pub(super) fn bytes(bytes: &u64, _: &dyn Values) -> Result<String> {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if *bytes < 1024 {
        return Ok(format!("{bytes} B"));
    }
    let power = (bytes.ilog2() / 10) as usize;
    let scaled = *bytes as f64 / (1_u64 << (10 * power)) as f64;
    Ok(format!("{scaled:.1} {}", UNITS[power - 1]))
}

/// `42.3 %`; 100 only when nothing is missing.
#[askama::filter_fn]
pub(super) fn percent(task: &TaskView, _: &dyn Values) -> Result<String> {
    Ok(match task.done == task.total {
        true => "100 %".to_owned(),
        false => format!("{:.1} %", ((task.percent() * 10.0).floor() / 10.0).min(99.9)),
    })
}

/// `00:22:05 UTC`; with the date if that is not today's.
#[askama::filter_fn]
pub(super) fn moment(at: &Timestamp, _: &dyn Values) -> Result<String> {
    Ok(short(*at, Timestamp::now()))
}

/// `14 Nov 2023, 22:13:20 UTC`
#[askama::filter_fn]
pub(super) fn utc(at: &Timestamp, _: &dyn Values) -> Result<String> {
    let moment = Moment::from_millisecond(at.0);
    Ok(moment.map_or_else(|_| at.to_string(), |at| at.strftime("%-d %b %Y, %H:%M:%S UTC").to_string()))
}

/// `2023-11-14T22:13:20`, in UTC, as a field of a form has a moment; nothing of none.
#[askama::filter_fn]
pub(super) fn field(at: &Option<Timestamp>, _: &dyn Values) -> Result<String> {
    let moment = at.and_then(|at| Moment::from_millisecond(at.0).ok());
    Ok(moment.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default())
}

/// Text of a stranger on one line, every character visible.
#[askama::filter_fn]
pub(super) fn visible(text: &str, _: &dyn Values) -> Result<String> {
    Ok(shown(text))
}

/// What is wrong, in words of the page, shown like [`visible`] text.
#[askama::filter_fn]
pub(super) fn spoken(detail: &str, _: &dyn Values) -> Result<String> {
    Ok(shown(&words::spoken(detail)))
}

/// `53 %`, of a part of one that need not be known exactly.
#[askama::filter_fn]
pub(super) fn roughly(share: &f64, _: &dyn Values) -> Result<String> {
    Ok(rough(*share))
}

/// Text with every character visible.
fn shown(text: &str) -> String {
    text.chars().map(|c| stand(c).unwrap_or_else(|| c.to_string())).collect()
}

/// The class of a task in drawings.
#[askama::filter_fn]
pub(super) fn colour(task: &TaskId, _: &dyn Values) -> Result<String> {
    Ok(class_of(*task))
}

/// How many colours there are for tasks.
pub(super) const COLOURS: u64 = 10;

/// Of these that of a task: neighbours have different ones.
pub(super) fn colour_of(task: TaskId) -> u64 {
    task.0 % COLOURS
}

/// The class of a task's colour.
pub(super) fn class_of_colour(colour: u64) -> String {
    format!("task-{colour}")
}

/// The class of a task.
pub(super) fn class_of(task: TaskId) -> String {
    class_of_colour(colour_of(task))
}

/// `53 %`, of a part of one.
pub(super) fn rough(share: f64) -> String {
    if share < 0.01 { "under 1 %".into() } else { format!("{:.0} %", share * 100.0) }
}

/// `22:05:09`, in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    Moment::from_millisecond(at.0).map_or_else(|_| at.to_string(), |at| at.strftime("%H:%M:%S").to_string())
}

fn group(digits: &str) -> String {
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A whole number, or a few digits of a small one.
fn averaged(number: f64) -> String {
    if number >= 100.0 { group(&format!("{number:.0}")) } else { scaled(number) }
}

/// Three or four significant digits with an SI prefix.
fn scaled(number: f64) -> String {
    const PREFIXES: [&str; 7] = ["", " k", " M", " G", " T", " P", " E"];
    let mut rest = if number.is_finite() { number.max(0.0) } else { 0.0 };
    let mut power = 0;
    // 999.95 would be written 1000.0.
    while rest >= 999.95 && power + 1 < PREFIXES.len() {
        rest /= 1000.0;
        power += 1;
    }
    match power {
        0 if !(0.0005..9.95).contains(&rest) => format!("{rest:.0}"),
        0 if rest < 0.1 => format!("{rest:.3}"),
        _ => format!("{rest:.1}{}", PREFIXES[power]),
    }
}

/// The two largest units; what is shorter than a second in milliseconds.
pub(super) fn span(seconds: f64) -> String {
    const UNITS: [(u64, &str); 5] = [(31_536_000, "y"), (86_400, "d"), (3600, "h"), (60, "min"), (1, "s")];
    let Ok(exact) = Duration::try_from_secs_f64(seconds) else {
        return "unknown".to_owned();
    };
    if exact < Duration::from_secs(1) {
        return format!("{} ms", exact.as_millis());
    }
    let whole = exact.as_secs();
    let largest = UNITS.iter().position(|(size, _)| whole >= *size).unwrap_or(UNITS.len() - 1);
    let (size, name) = UNITS[largest];
    match UNITS.get(largest + 1) {
        Some((next, next_name)) if whole % size >= *next => {
            format!("{} {name} {} {next_name}", group(&(whole / size).to_string()), whole % size / next)
        }
        _ => format!("{} {name}", group(&(whole / size).to_string())),
    }
}

fn short(at: Timestamp, now: Timestamp) -> String {
    let (Ok(at), Ok(now)) = (Moment::from_millisecond(at.0), Moment::from_millisecond(now.0)) else {
        return at.to_string();
    };
    let day = |moment: Moment| moment.strftime("%Y-%m-%d").to_string();
    match day(at) == day(now) {
        true => at.strftime("%H:%M:%S UTC").to_string(),
        false => at.strftime("%-d %b %Y, %H:%M UTC").to_string(),
    }
}

/// What stands for a character that would not be seen, or would hide or reorder others.
pub(super) fn stand(c: char) -> Option<String> {
    is_hidden(c).then(|| match c {
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\0'..='\x1f' | '\x7f' => format!("\\x{:02X}", u32::from(c)),
        _ => format!("U+{:04X}", u32::from(c)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let written = [0, 12, 999, 1000, 1_000_000, u64::MAX].map(|number: u64| group(&number.to_string()));
        assert_eq!(written, ["0", "12", "999", "1,000", "1,000,000", "18,446,744,073,709,551,615"]);
    }

    #[test]
    fn means_are_as_exact_as_what_they_stand_beside() {
        assert_eq!([0.0, 3.25, 99.96, 2185.095, 1e9].map(averaged), ["0", "3.2", "100", "2,185", "1,000,000,000"]);
    }

    #[test]
    fn rates_have_a_prefix() {
        let written =
            [0.0, 5.2e-8, 0.02, 0.4, 3.25, 9.96, 532.0, 999.96, 1_234_567.0, 2e12, f64::NAN, -1.0].map(scaled);
        assert_eq!(written, ["0", "0", "0.020", "0.4", "3.2", "10", "532", "1.0 k", "1.2 M", "2.0 T", "0", "0"]);
    }

    #[test]
    fn durations_have_two_units() {
        let written = [0.0, 0.25, 1.0, 59.9, 60.0, 200.0, 7500.0, 86_400.0 * 3.2, 1e11, -1.0, f64::INFINITY].map(span);
        let expected =
            ["0 ms", "250 ms", "1 s", "59 s", "1 min", "3 min 20 s", "2 h 5 min", "3 d 4 h", "3,170 y 357 d"];
        assert_eq!(written[..9], expected);
        assert_eq!(written[9..], ["unknown", "unknown"]);
    }

    #[test]
    fn todays_times_are_short() {
        let noon = Timestamp(1_700_000_000_000);
        assert_eq!(short(noon, Timestamp(noon.0 + 1000)), "22:13:20 UTC");
        assert_eq!(short(noon, Timestamp(noon.0 + 86_400_000)), "14 Nov 2023, 22:13 UTC");
        assert_eq!(short(Timestamp(i64::MAX), noon), format!("{} ms", i64::MAX));
    }

    #[test]
    fn nothing_hides() {
        assert_eq!(
            ['\n', '\x1b', '\x7f', '\u{202e}'].map(stand),
            ["\\n", "\\x1B", "\\x7F", "U+202E"].map(|s| Some(s.to_owned()))
        );
        assert_eq!([' ', 'é', '🐝'].map(stand), [None, None, None]);
    }
}
