//! Query strings of requests that read.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::form;
use crate::error::{Problem, shown};
use crate::model::Timestamp;

/// The named values of a query string, taken one by one; [`end`](Self::end) refuses the rest. An
/// empty value means the default, as in a form.
#[derive(Debug, Default)]
pub(crate) struct Query {
    given: BTreeMap<String, Vec<String>>,
    /// Names whose value is empty.
    empty: BTreeSet<String>,
    /// What was asked for so far.
    known: Vec<&'static str>,
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts.uri.query().unwrap_or_default()))
    }
}

impl Query {
    fn of(query: &str) -> Self {
        let mut given = BTreeMap::<_, Vec<_>>::new();
        let mut empty = BTreeSet::new();
        let text = |bytes: Cow<'_, [u8]>| String::from_utf8_lossy(&bytes).into_owned();
        for pair in query.split('&') {
            // A name alone says something of a flag.
            let is_empty = pair.ends_with('=') && pair.matches('=').count() == 1;
            for (name, value) in form::pairs(pair.as_bytes()) {
                match is_empty {
                    true => drop(empty.insert(text(name))),
                    false => given.entry(text(name)).or_default().push(text(value)),
                }
            }
        }
        Self { given, empty, known: Vec::new() }
    }

    /// The same of named values that stand elsewhere.
    pub(crate) fn of_fields(fields: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut given = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
            given.entry(name).or_default().push(value);
        }
        Self { given, ..Self::default() }
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.known.push(name);
        let mut values = self.given.remove(name).unwrap_or_default();
        match values.len() {
            0 | 1 => Ok(values.pop().filter(|value| !value.is_empty())),
            _ => Err(fault(name, format!("`{name}` is given twice"))),
        }
    }

    /// Takes a text that may be empty.
    pub(crate) fn any_text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let is_given = self.given.contains_key(name) || self.empty.contains(name);
        Ok(self.text(name)?.or_else(|| is_given.then(String::new)))
    }

    /// Takes a whole number.
    pub(crate) fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        // `parse` would take a sign as well.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| is_number);
        if is_number && number.is_none() {
            return Err(fault(name, format!("`{name}` is too large: it is at most {}", range.end())));
        }
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            let (low, high) = range.into_inner();
            let high = if high == u64::MAX { "on".to_owned() } else { format!("to {high}") };
            fault(name, format!("`{name}` is a whole number from {low} {high}, not {}", shown(&text)))
        })
    }

    /// Takes one of several things, by its name.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let found = all.iter().copied().find(|one| name_of(*one) == text);
        found.map(Some).ok_or_else(|| unknown(name, &text, all, name_of))
    }

    /// Takes some of several things, by their names with commas between them.
    pub(crate) fn some_of<T: Copy>(
        &mut self,
        name: &'static str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<Option<Vec<T>>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let mut some = Vec::new();
        for asked in text.split(',') {
            let Some(at) = all.iter().position(|one| name_of(*one) == asked) else {
                return Err(unknown(name, asked, all, name_of));
            };
            some.push(at);
        }
        some.sort_unstable();
        some.dedup();
        Ok(Some(some.into_iter().map(|at| all[at]).collect()))
    }

    /// Takes a moment: of RFC 3339, or a day with a time or without, which is in UTC then.
    pub(crate) fn moment(&mut self, name: &'static str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let in_utc = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
        let in_utc = || in_utc().map(|zoned| Timestamp(zoned.timestamp().as_millisecond()));
        text.parse().ok().or_else(in_utc).map(Some).ok_or_else(|| {
            let detail = format!("`{name}` is a moment such as 2026-01-31T23:59:00Z, or a day, not {}", shown(&text));
            fault(name, detail)
        })
    }

    /// Takes what is 1 or 0; its name alone is 1.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let is_given = self.given.contains_key(name);
        match self.text(name)?.as_deref() {
            None => Ok(is_given),
            Some("1" | "true") => Ok(true),
            Some("0" | "false") => Ok(false),
            Some(_) => Err(fault(name, format!("`{name}` is 1 or 0"))),
        }
    }

    /// Refuses what was not asked for.
    pub(crate) fn end(self) -> Result<(), Problem> {
        let Some(name) = self.given.into_keys().next() else { return Ok(()) };
        let (name, known) = (shown(&name), self.known.join(", "));
        Err(fault(&name, format!("there is no query parameter `{name}`; there are: {known}")))
    }
}

fn unknown<T: Copy>(name: &str, asked: &str, all: &[T], name_of: impl Fn(T) -> &'static str) -> Problem {
    let names: Vec<_> = all.iter().copied().map(name_of).collect();
    fault(name, format!("there is no {name} `{}`; there are: {}", shown(asked), names.join(", ")))
}

fn fault(name: &str, detail: String) -> Problem {
    Problem::invalid(detail).with("path", name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_by_their_names() {
        let mut query =
            Query::of("offset=7&empty=&partial&format=csv&download=0&absent=&twice=1&twice=2&more=%2e&sort=id");
        assert_eq!(query.number("offset", 0..=u64::MAX).unwrap(), Some(7));
        assert_eq!(query.text("empty").unwrap(), None);
        assert_eq!(query.any_text("empty").unwrap().as_deref(), Some(""));
        assert_eq!((query.any_text("sort").unwrap().as_deref(), query.any_text("none").unwrap()), (Some("id"), None));
        assert_eq!((query.flag("partial").unwrap(), query.flag("download").unwrap()), (true, false));
        assert!(!query.flag("absent").unwrap());
        assert_eq!(query.one_of("format", &["text", "csv"], |name| name).unwrap(), Some("csv"));
        assert!(query.text("twice").unwrap_err().detail.contains("twice"));
        assert_eq!(query.text("more").unwrap().as_deref(), Some("."));
        query.end().unwrap();
    }

    #[test]
    fn several_things_are_taken_once_and_in_their_order() {
        let taken = |query: &str| Query::of(query).some_of("series", &["a", "b", "c"], |name| name);
        assert_eq!(taken("series=c,a,c").unwrap(), Some(vec!["a", "c"]));
        assert_eq!(taken("series=").unwrap(), None);
        for wrong in ["series=a,d", "series=d"] {
            assert_eq!(taken(wrong).unwrap_err().detail, "there is no series `d`; there are: a, b, c");
        }
        assert_eq!(taken("series=a,,b").unwrap_err().detail, "there is no series ``; there are: a, b, c");
    }

    #[test]
    fn moments_are_in_utc_unless_they_say_otherwise() {
        let moment = |text: &str| Query::of(&format!("since={text}")).moment("since").map(|at| at.unwrap().to_string());
        let expected = "2026-01-31T23:59:00.000Z";
        for text in ["2026-01-31T23:59:00Z", "2026-02-01T00:59%2b01:00", "2026-01-31T23:59", "2026-01-31%2023:59:00"] {
            assert_eq!(moment(text).unwrap(), expected, "{text}");
        }
        assert_eq!(moment("2026-01-31").unwrap(), "2026-01-31T00:00:00.000Z");
        for wrong in ["yesterday", "1700000000", "2026-02-30", "23:59"] {
            assert!(moment(wrong).unwrap_err().detail.contains("`since` is a moment"), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let detail = |query: &str| {
            let mut query = Query::of(query);
            let read = query.number("limit", 1..=9).and_then(|_| query.one_of("state", &["a", "b"], |name| name));
            read.and_then(|_| query.end()).unwrap_err().detail
        };
        for wrong in ["-1", "+1", "0", "10", "1.5", "x"] {
            let text = wrong.replace('+', " ");
            assert_eq!(detail(&format!("limit={wrong}")), format!("`limit` is a whole number from 1 to 9, not {text}"));
        }
        assert_eq!(detail("limit=99999999999999999999"), "`limit` is too large: it is at most 9");
        assert_eq!(detail("state=c"), "there is no state `c`; there are: a, b");
        assert_eq!(detail("colour=red"), "there is no query parameter `colour`; there are: limit, state");
    }
}
