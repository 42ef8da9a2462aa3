//! What a request says of a task besides its inputs.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use axum::http::HeaderMap;
use serde_json::Value;

use super::{Specification, digest};
use crate::error::{Problem, shown};
use crate::hive::{Amendment, DEADLINE_MAX, NewTask};
use crate::model::Verify;

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

/// The longest name of a task, in characters.
pub(crate) const NAME_MAX: usize = 200;

/// Named values that were given. What is made of them takes those it knows, and
/// [`new_task`](Self::new_task) refuses the rest.
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
        for (name, value) in crate::api::form::pairs(query.as_bytes()) {
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
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(fault(name, format!("`{name}` is a string, not {other}"))),
        }
    }

    /// Takes a whole number; queries and forms write it as text.
    pub(crate) fn integer(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
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
    pub(crate) fn bytes(&mut self, name: &'static str, name_hex: &'static str) -> Result<Option<Vec<u8>>, Problem> {
        match (self.text(name)?, self.text(name_hex)?) {
            (Some(_), Some(_)) => Err(fault(name, format!("`{name}` and `{name_hex}` are two ways to give the same"))),
            (Some(text), None) => Ok(Some(text.into_bytes())),
            (None, Some(hex)) => {
                let mut bytes = Vec::new();
                let decoded = digest::Encoding::Hex.decode(hex.as_bytes(), &mut bytes);
                decoded.map_err(|error| fault(name_hex, format!("`{name_hex}`: {error}")))?;
                Ok(Some(bytes))
            }
            (None, None) => Ok(None),
        }
    }

    /// Takes the name. An empty one is none.
    fn name(&mut self) -> Result<Option<String>, Problem> {
        let name = self.text("name")?.filter(|name| !name.is_empty());
        match &name {
            Some(name) if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) => {
                let detail = format!("a name has at most {NAME_MAX} characters, and no control characters");
                Err(fault("name", detail))
            }
            _ => Ok(name),
        }
    }

    /// Takes the priority.
    fn priority(&mut self) -> Result<Option<i8>, Problem> {
        Ok(self.integer("priority", -100..=100)?.map(|priority| priority as i8))
    }

    /// Takes the deadline, in seconds.
    fn deadline(&mut self) -> Result<Option<u32>, Problem> {
        Ok(self.integer("deadline_seconds", 1..=i64::from(DEADLINE_MAX))?.map(|seconds| seconds as u32))
    }

    /// Takes how many results are computed a second time.
    fn verify(&mut self) -> Result<Verify, Problem> {
        match self.text("verify")?.as_deref() {
            None | Some("sample") => Ok(Verify::Sample),
            Some("all") => Ok(Verify::All),
            Some(other) => {
                let other = shown(other);
                let detail = format!(
                    "`verify` is `sample`, which computes some results a second time, or `all`, and not `{other}`"
                );
                Err(fault("verify", detail))
            }
        }
    }

    /// The task that they ask for.
    pub(crate) fn new_task(mut self) -> Result<NewTask, Problem> {
        let name = self.name()?;
        let priority = self.priority()?.unwrap_or(0);
        let deadline_seconds = self.deadline()?;
        let batch = match self.text("each")?.as_deref() {
            None => false,
            Some("task") => true,
            Some(other) => {
                let other = shown(other);
                let detail = format!("`each` is `task`, which makes a task of every input, and not `{other}`");
                return Err(fault("each", detail));
            }
        };
        let verify = self.verify()?;
        let kind = self.text("kind")?;
        let specification = match kind.as_deref().unwrap_or(digest::KIND) {
            digest::KIND => Specification::Digest(digest::Digest::specified(&mut self)?),
            other => return Err(unknown("kind", other, digest::KIND)),
        };
        match self.given.iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) if !self.is_lenient => {
                Err(fault(name, format!("`{name}` does not belong to {}", specification.describe())))
            }
            _ => Ok(NewTask {
                specification,
                name,
                priority,
                deadline_seconds,
                batch,
                verify,
                owner: None,
                address: None,
            }),
        }
    }
}

impl Amendment {
    /// What is to change, by the options' names; null means the default.
    pub(crate) fn of(members: impl IntoIterator<Item = (String, Value)>) -> Result<Self, Problem> {
        let mut amendment = Self::default();
        for (name, value) in members {
            let mut options = Options::default();
            let is_again = match name.as_str() {
                "priority" => {
                    options.set("priority", value)?;
                    amendment.priority.replace(options.priority()?.unwrap_or(0)).is_some()
                }
                "name" => {
                    options.set("name", value)?;
                    amendment.name.replace(options.name()?).is_some()
                }
                "deadline_seconds" => {
                    options.set("deadline_seconds", value)?;
                    amendment.deadline_seconds.replace(options.deadline()?).is_some()
                }
                _ => {
                    let detail = format!("`{name}` cannot be changed; these can: priority, name, deadline_seconds");
                    return Err(fault(&name, detail));
                }
            };
            if is_again {
                return Err(fault(&name, format!("`{name}` is given twice")));
            }
        }
        match amendment {
            Self { priority: None, name: None, deadline_seconds: None } => {
                Err(Problem::invalid("nothing is to change: give `priority`, `name` or `deadline_seconds`"))
            }
            amendment => Ok(amendment),
        }
    }
}

/// A new deadline for a task that begins again, by the option's name; `None` if nothing is said of it.
pub(crate) fn renewed_deadline(
    members: impl IntoIterator<Item = (String, Value)>,
) -> Result<Option<Option<u32>>, Problem> {
    let mut options = Options::default();
    let mut is_given = false;
    for (name, value) in members {
        if name != "deadline_seconds" {
            return Err(fault(&name, format!("`{name}` is not for a retry, which takes deadline_seconds alone")));
        }
        options.set("deadline_seconds", value)?;
        is_given = true;
    }
    let deadline = options.deadline()?;
    Ok(is_given.then_some(deadline))
}

impl Specification {
    fn describe(&self) -> &'static str {
        match self {
            Self::Digest(digest) => digest.algorithm.name(),
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
