//! Named values, as a query, a form, headers and JSON give them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::http::HeaderMap;
use serde_json::Value;

use super::fault::{NotText, fault, too_large, unknown};
use super::lists::{Listed, Lists};
use super::names::{CHARSETS, FLAT, LISTS, SEARCH, SPACE, flat, flat_text, is_of_search};
use crate::error::{Problem, shown};
use crate::kinds::digest::Encoding;
use crate::request::form;

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
    lists: Lists,
    /// They are JSON's, where some have other names.
    is_json: bool,
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

    /// Those of a request's head, to which a body of JSON adds its own.
    pub(crate) fn for_json(self) -> Self {
        Self { is_json: true, ..self }
    }

    /// Sets what a query or a form says; an empty value means the default.
    pub(crate) fn set_text(&mut self, name: &str, value: &[u8]) -> Result<(), Problem> {
        if let Some(list) = LISTS.into_iter().find(|list| *list == name) {
            return self.lists.add_lines(list, value);
        }
        let value = std::str::from_utf8(value).map_err(|_| fault(name, format!("`{name}` is {NotText}")))?;
        let value = if value.is_empty() { Value::Null } else { Value::from(value) };
        self.set(name, value)
    }

    /// Sets one option; null means the default.
    pub(crate) fn set(&mut self, name: &str, value: Value) -> Result<(), Problem> {
        let known = flat().find(|known| *known == name);
        let known = known.ok_or_else(|| unknown("option", name, &flat_text()).with("path", &*shown(name)))?;
        if self.given.insert(known, value).is_some() {
            let name = self.place(known);
            return Err(fault(name, format!("`{name}` is given twice")));
        }
        Ok(())
    }

    /// Adds a target that stands in an array of JSON.
    pub(crate) fn add_target(&mut self, index: usize, text: &str) -> Result<(), Problem> {
        self.lists.add_target(index, text)
    }

    /// Adds a mask that stands in an array of JSON.
    pub(crate) fn add_mask(&mut self, index: usize, text: &str) -> Result<(), Problem> {
        self.lists.add_mask(text.to_owned(), Listed::Index(index))
    }

    /// Sets the custom charset that stands at this place in an array of JSON.
    pub(crate) fn add_charset(&mut self, index: usize, text: &str) -> Result<(), Problem> {
        let Some(name) = CHARSETS.get(index) else {
            let detail = format!("`space.charsets` has at most {} custom charsets", CHARSETS.len());
            return Err(fault(&format!("space.charsets[{index}]"), detail));
        };
        self.set(name, text.into())
    }

    /// Takes the lists.
    pub(super) fn lists(&mut self) -> Lists {
        std::mem::take(&mut self.lists)
    }

    /// Where the request has an option.
    pub(super) fn place(&self, name: &'static str) -> &'static str {
        let nested = FLAT.iter().find(|(flat, _)| self.is_json && *flat == name);
        nested.map_or(name, |(_, nested)| nested)
    }

    /// Where the request has its candidates.
    pub(super) fn space(&self) -> &'static str {
        if self.is_json { SPACE } else { "mask" }
    }

    /// Whether an option is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given.get(name).is_some_and(|value| !value.is_null())
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
            Some(other) => {
                let name = self.place(name);
                Err(fault(name, format!("`{name}` is a string, not {other}")))
            }
        }
    }

    /// Takes a whole number; queries and forms write it as text.
    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = whole(&value).or_else(|| value.as_str()?.trim().parse().ok());
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            None if is_at_least(&value, *range.end() as f64) => Err(fault(name, too_large(name, range.end()))),
            _ => {
                let (low, high) = range.into_inner();
                let value = value.to_string();
                Err(fault(name, format!("`{name}` is a whole number from {low} to {high}, not {}", shown(&value))))
            }
        }
    }

    /// Takes a whole number that may be large; queries and forms write it as text, and JSON may.
    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, Problem> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let text = || value.as_str()?.trim().parse().ok();
        let number = value.as_u64().or_else(|| whole(&value)?.try_into().ok()).or_else(text);
        match number {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            None if is_at_least(&value, *range.end() as f64) => {
                let name = self.place(name);
                Err(fault(name, too_large(name, range.end())))
            }
            _ => {
                let (low, high) = range.into_inner();
                let (name, value) = (self.place(name), value.to_string());
                Err(fault(name, format!("`{name}` is a whole number from {low} to {high}, not {}", shown(&value))))
            }
        }
    }

    /// Takes what is either said or not.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, Problem> {
        let Some(value) = self.take(name) else { return Ok(false) };
        match (&value, whole(&value), value.as_str()) {
            (Value::Bool(is_said), ..) => Ok(*is_said),
            (_, Some(1), _) | (.., Some("1" | "true")) => Ok(true),
            (_, Some(0), _) | (.., Some("0" | "false")) => Ok(false),
            _ => Err(fault(name, format!("`{name}` is 1 or 0, not {}", shown(&value.to_string())))),
        }
    }

    /// Takes bytes, written as text or, under other names, in another encoding.
    pub(super) fn bytes(
        &mut self,
        name: &'static str,
        others: &[(&'static str, Encoding)],
    ) -> Result<Option<Vec<u8>>, Problem> {
        let mut given: Option<(&str, Vec<u8>)> = None;
        for (name, encoding) in [(name, Encoding::Utf8)].iter().chain(others) {
            let Some(text) = self.text(name)? else { continue };
            let name = self.place(name);
            let mut bytes = Vec::new();
            let decoded = encoding.decode(text.as_bytes(), &mut bytes);
            decoded.map_err(|error| fault(name, format!("`{name}`: {error}")))?;
            if let Some((other, _)) = given.replace((name, bytes)) {
                return Err(fault(other, format!("`{other}` and `{name}` are two ways to give the same")));
            }
        }
        Ok(given.map(|(_, bytes)| bytes))
    }

    /// Refuses what nobody took, unless that is no mistake. `owner`: what it does not belong to.
    pub(super) fn end(self, owner: &str) -> Result<(), Problem> {
        let left = self.given.iter().find(|(_, value)| !value.is_null()).map(|(name, _)| *name);
        match left.or(self.lists.name()) {
            Some(name) if !self.is_lenient => {
                let place = self.place(name);
                let place = if place.starts_with(SPACE) { SPACE } else { place };
                // Who asks for a search is likely to have forgotten to say so.
                let has_forgotten = owner != SEARCH && is_of_search(name);
                let hint = if has_forgotten { "; a search is asked for with `kind=search`" } else { "" };
                Err(fault(place, format!("`{place}` does not belong to {owner}{hint}")))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a number of JSON or a text is so large, be it too large for an integer.
fn is_at_least(value: &Value, most: f64) -> bool {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    number.is_some_and(|number| number.is_finite() && number >= most)
}

/// A whole number of JSON, which may be written as `5.0` too.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    /// From here on not every whole number has a float.
    const EXACT_MAX: f64 = (1_u64 << 53) as f64;
    let is_whole = |number: &f64| number.fract() == 0.0 && number.abs() < EXACT_MAX;
    value.as_i64().or_else(|| value.as_f64().filter(is_whole).map(|number| number as i64))
}
