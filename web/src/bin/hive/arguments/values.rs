//! Values of options, as people write them.

use std::fmt;
use std::str::FromStr;

use drone::cli::Span;
use web::access::LogKind;
use web::model::{BulkAction, TaskState, Timestamp};
use wire::ids::TaskId;

/// A task, by its number or as the newest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskRef {
    /// The newest one.
    Last,
    /// This one.
    Id(TaskId),
}

impl FromStr for TaskRef {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "last" => Ok(Self::Last),
            _ => text
                .parse()
                .map(|id| Self::Id(TaskId(id)))
                .map_err(|_| "a task is a number such as 7, or `last`".to_owned()),
        }
    }
}

/// When a task is to be done, from now: `none` takes a deadline away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(pub Option<u64>);

impl FromStr for Deadline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self(None)),
            _ => text.parse::<Span>().map(|span| Self(Some(span.0.as_secs()))),
        }
    }
}

/// A moment as the API takes it, or so long ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment(String);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ago = text.parse::<Span>().ok().and_then(|span| i64::try_from(span.0.as_millis()).ok());
        match ago {
            Some(ago) => Ok(Self(Timestamp(Timestamp::now().0.saturating_sub(ago)).to_string())),
            // What a moment looks like, the Queen says herself.
            None if text.starts_with(|char: char| char.is_ascii_digit()) => Ok(Self(text.to_owned())),
            None => Err("it has to be a time ago such as 2h, a day such as 2026-01-31, or a moment such as \
                         2026-01-31T23:59:00Z"
                .to_owned()),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A whole number. What is larger than `MOST` the Queen refuses, but for what 64 bits do not hold, which cannot be sent.
pub fn whole<const MOST: u64>(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| match is_whole(text) {
        true => format!("it is too large: it has to be at most {MOST}"),
        false => "it has to be a whole number".to_owned(),
    })
}

/// Whether it is written as a whole number, however large.
pub fn is_whole(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A Drone, by its number.
pub fn drone(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a Drone is a number such as 7; `hive drones` lists them".to_owned())
}

/// A state, by its name.
pub fn state(text: &str) -> Result<TaskState, String> {
    one_of(&TaskState::ALL, TaskState::name, text)
}

/// What is done to many tasks, by its name.
pub fn bulk(text: &str) -> Result<BulkAction, String> {
    one_of(&BulkAction::ALL, BulkAction::name, text)
}

/// What a line of the log is about, by its name.
pub fn kind(text: &str) -> Result<LogKind, String> {
    one_of(&LogKind::ALL, LogKind::name, text)
}

fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, text: &str) -> Result<T, String> {
    all.iter().copied().find(|one| name(*one) == text).ok_or_else(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        format!("it has to be one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_people_write_them() {
        assert_eq!("last".parse(), Ok(TaskRef::Last));
        assert_eq!("7".parse(), Ok(TaskRef::Id(TaskId(7))));
        assert!("first".parse::<TaskRef>().is_err() && "-1".parse::<TaskRef>().is_err());
        assert_eq!("2h".parse(), Ok(Deadline(Some(7200))));
        assert_eq!("none".parse(), Ok(Deadline(None)));
        assert!("2h".parse::<Moment>().unwrap().to_string() < Timestamp::now().to_string());
        assert_eq!("2026-01-31".parse::<Moment>().unwrap().to_string(), "2026-01-31");
        assert!("yesterday".parse::<Moment>().is_err());
        assert!(state("running").is_ok() && state("walking").unwrap_err().contains("paused"));
        assert!(kind("guess").is_ok());
        assert_eq!(whole::<9>("18446744073709551615"), Ok(u64::MAX));
        assert!(whole::<9>("18446744073709551616").unwrap_err().contains("at most 9"));
        assert!(whole::<9>("-1").unwrap_err().contains("whole number"));
    }
}
