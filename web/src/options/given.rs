//! Named values, as a query, a form, headers and JSON give them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::http::HeaderMap;
use serde_json::Value;

use crate::error::{Problem, shown};
use crate::kinds::digest::Encoding;
use crate::request::form;

/// Every option there is; JSON members, query parameters and form fields have the same names.
pub const NAMES: [&str; 13] = [
    "kind",
    "algorithm",
    "key",
    "key_hex",
    "salt",
    "salt_hex",
    "iterations",
    "encoding",
    "name",
    "priority",
    "deadline_seconds",
    "each",
    "verify",
];

/// Options that are nobody else's business, and the headers that they may stand in. An address is kept in histories and
/// logs, so that none of them is taken from a query.
pub(crate) const SECRET_HEADERS: [(&str, &str); 4] =
    [("key", "Hive-Key"), ("key_hex", "Hive-Key-Hex"), ("salt", "Hive-Salt"), ("salt_hex", "Hive-Salt-Hex")];

/// The longest key or salt that goes into a header, in characters of the header, so that all of them fit in the head of
/// a request: 32 KiB.
pub const SECRET_HEADER_MAX: usize = 6 << 10;

/// Named values that were given. What is made of them takes those it knows, and
/// [`end`](Self::end) refuses the rest.
#[derive(Debug, Default)]
pub(crate) struct Options {
    given: BTreeMap<&'static str, Value>,
    /// What does not belong to the algorithm is no mistake.
    is_lenient: bool,
}

impl Options {
    /// Those of the page's form, which has fields for every algorithm.
    pub(crate) fn of_page() -> Self {
        Self { is_lenient: true, ..Self::default() }
    }

    /// Those of a request's query string, where an empty value means the default, and of its headers.
    pub(crate) fn of_head(query: &str, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut options = Self::default();
        for (name, value) in form::pairs(query.as_bytes()) {
            let name = String::from_utf8_lossy(&name);
            if let Some((name, header)) = SECRET_HEADERS.into_iter().find(|(secret, _)| *secret == name) {
                let detail = format!(
                    "`{name}` does not go into the address, which is kept in histories and logs; send it as the \
                     header `{header}`, as a field of a form, or in JSON"
                );
                return Err(Problem::malformed(detail).with("path", name));
            }
            options.set_text(&name, &value)?;
        }
        for (header, value) in headers {
            let is_this = |(_, known): &(&str, &str)| known.eq_ignore_ascii_case(header.as_str());
            if let Some((name, _)) = SECRET_HEADERS.into_iter().find(is_this) {
                options.set_text(name, value.as_bytes())?;
            }
        }
        Ok(options)
    }

    /// Sets what a query or a form says; an empty value means the default.
    pub(crate) fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), Problem> {
        let value = std::str::from_utf8(value).map_err(|_| {
            fault(name, format!("`{name}` is not UTF-8; binary keys and salts go into `key_hex` and `salt_hex`"))
        })?;
        let value = if value.is_empty() { Value::Null } else { Value::from(value) };
        self.set(name, value)
    }

    /// Sets one option; null means the default.
    pub(crate) fn set(&mut self, name: &str, value: Value) -> Result<(), Problem> {
        let known = NAMES.into_iter().find(|known| *known == name);
        let known = known.ok_or_else(|| unknown("option", name, &NAMES.join(", ")).with("path", &*shown(name)))?;
        if self.given.insert(known, value).is_some() {
            return Err(fault(name, format!("`{name}` is given twice")));
        }
        Ok(())
    }

    /// Takes what was given; null means the default.
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.given.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(fault(name, format!("`{name}` is a string, not {other}"))),
        }
    }

    /// Takes a whole number; queries and forms write it as text.
    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = whole(&value).or_else(|| value.as_str()?.trim().parse().ok());
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (low, high) = range.into_inner();
                let value = value.to_string();
                Err(fault(name, format!("`{name}` is a whole number from {low} to {high}, not {}", shown(&value))))
            }
        }
    }

    /// Takes bytes, written as text or, under the other name, in hexadecimal.
    pub(super) fn bytes(&mut self, name: &'static str, name_hex: &'static str) -> Result<Option<Vec<u8>>, Problem> {
        match (self.text(name)?, self.text(name_hex)?) {
            (Some(_), Some(_)) => Err(fault(name, format!("`{name}` and `{name_hex}` are two ways to give the same"))),
            (Some(text), None) => Ok(Some(text.into_bytes())),
            (None, Some(hex)) => {
                let mut bytes = Vec::new();
                let decoded = Encoding::Hex.decode(hex.as_bytes(), &mut bytes);
                decoded.map_err(|error| fault(name_hex, format!("`{name_hex}`: {error}")))?;
                Ok(Some(bytes))
            }
            (None, None) => Ok(None),
        }
    }

    /// Refuses what nobody took, unless that is no mistake. `owner`: what it does not belong to.
    pub(super) fn end(self, owner: &str) -> Result<(), Problem> {
        match self.given.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) if !self.is_lenient => Err(fault(name, format!("`{name}` does not belong to {owner}"))),
            _ => Ok(()),
        }
    }
}

/// A whole number of JSON, which may be written as `5.0` too.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    /// From here on not every whole number has a float.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() < EXACT_MAX;
    value.as_i64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as i64))
}

/// An option has a value that means nothing.
pub(crate) fn unknown(option: &str, value: &str, known: &str) -> Problem {
    fault(option, format!("there is no {option} `{}`; there are: {known}", shown(value)))
}

/// What is wrong with an option.
pub(crate) fn fault(name: &str, detail: String) -> Problem {
    Problem::invalid(detail).with("path", name)
}
