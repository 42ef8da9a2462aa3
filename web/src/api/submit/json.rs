//! JSON: a whole request, or one line of NDJSON. Strings go straight into their piece.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::de::SliceRead;
use serde_json::error::Category;
use serde_json::{Deserializer as Json, Value};

use super::frames::UTF8_MARK;
use super::intake::Pieces;
use super::scalar::Scalar;
use super::search;
use crate::error::{Problem, shown};
use crate::options::{self, Options};

/// Reads a request: its options, and its inputs, whose encoding is not checked yet. Also says which member has them:
/// `inputs`, an array, or `input`, one; `None` if there are none.
pub(super) fn request(json: &[u8], options: &mut Options) -> Result<(Pieces, Option<&'static str>), Problem> {
    let mut request =
        Request { options, pieces: Pieces::default(), given: None, place: JsonPosition::default(), refused: None };
    let mut reader = reader(json);
    let read = reader.deserialize_map(&mut request).and_then(|()| reader.end());
    if let Err(error) = read {
        return Err(request.refused.unwrap_or_else(|| request.place.fault(&error)));
    }
    Ok((request.pieces, request.given))
}

/// Reads an object's members, in their order; each is an option's value.
pub(super) fn members(json: &[u8]) -> Result<Vec<(String, Value)>, Problem> {
    members_of(json, Scalar)
}

/// Reads an object's members, in their order, whatever each is.
pub(super) fn any_members(json: &[u8]) -> Result<Vec<(String, Value)>, Problem> {
    members_of(json, PhantomData::<Value>)
}

fn members_of<'de, S>(json: &'de [u8], value: S) -> Result<Vec<(String, Value)>, Problem>
where
    S: DeserializeSeed<'de, Value = Value> + Copy,
{
    let mut reader = reader(json);
    let read = reader.deserialize_map(Members(value)).and_then(|members| reader.end().map(|()| members));
    read.map_err(|error| JsonPosition::default().fault(&error))
}

/// Reads a body, which some programs begin with a byte order mark (RFC 8259, 8.1).
fn reader(json: &[u8]) -> Json<SliceRead<'_>> {
    Json::from_slice(json.strip_prefix(UTF8_MARK).unwrap_or(json))
}

/// Reads a line of NDJSON; a blank one is nothing.
pub(super) fn line(pieces: &mut Pieces, line: &[u8]) -> Result<(), Problem> {
    if line.trim_ascii().is_empty() {
        return Ok(());
    }
    let mut reader = Json::from_slice(line);
    let read = reader.deserialize_any(Line(pieces)).and_then(|()| reader.end());
    read.map_err(|error| {
        let column = error.column();
        problem(&error, format!("{} (column {column})", what(&error))).with("column", column)
    })
}

/// Where in a request the reader is.
#[derive(Debug, Default)]
struct JsonPosition {
    member: Option<String>,
    index: Option<usize>,
}

impl JsonPosition {
    /// What is wrong there.
    fn fault(&self, error: &serde_json::Error) -> Problem {
        let (line, column) = (error.line(), error.column());
        let detail = format!("{} (line {line}, column {column})", what(error));
        let problem = match &self.member {
            None => problem(error, detail),
            Some(member) => {
                let path = self.index.map_or_else(|| member.clone(), |index| format!("{member}[{index}]"));
                problem(error, format!("{path}: {detail}")).with("path", path)
            }
        };
        problem.with("line", line).with("column", column)
    }
}

/// The reader's words, without the position that they end with.
fn what(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).map_or_else(|| text.clone(), str::to_owned)
}

fn problem(error: &serde_json::Error, detail: String) -> Problem {
    match error.classify() {
        Category::Data => Problem::invalid(detail),
        _ => Problem::malformed(format!("this is not JSON: {detail}")),
    }
}

struct Request<'a> {
    options: &'a mut Options,
    pieces: Pieces,
    /// The member that had the inputs.
    given: Option<&'static str>,
    place: JsonPosition,
    /// Why an option was refused: its problem says more than a reader's error can.
    refused: Option<Problem>,
}

impl Request<'_> {
    fn gives<E: serde::de::Error>(&mut self, member: &'static str) -> Result<(), E> {
        match self.given.replace(member) {
            None => Ok(()),
            Some(_) => Err(E::custom("the inputs are given twice; use either `input` or `inputs`, once")),
        }
    }
}

impl<'de> Visitor<'de> for &mut Request<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `input` or `inputs`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(member) = members.next_key::<String>()? {
            self.place.member = Some(shown(&member).into_owned());
            match member.as_str() {
                "input" => {
                    self.gives("input")?;
                    members.next_value_seed(Input(&mut self.pieces))?;
                }
                "inputs" => {
                    self.gives("inputs")?;
                    members.next_value_seed(Inputs { pieces: &mut self.pieces, index: &mut self.place.index })?;
                }
                name if search::is_member(name) => {
                    let into = search::Into { options: self.options, refused: &mut self.refused };
                    search::read(name, &mut members, into, &mut self.place.index)?;
                }
                name if options::names().any(|known| known == name) => {
                    let value = members.next_value_seed(Scalar)?;
                    if let Err(problem) = self.options.set(name, value) {
                        self.refused = Some(problem);
                        return Err(A::Error::custom("refused"));
                    }
                }
                _ => {
                    let known = options::names().collect::<Vec<_>>().join(", ");
                    let space = options::SPACE;
                    return Err(A::Error::custom(format!(
                        "there is no such member; there are: input, inputs, {space}, {known}"
                    )));
                }
            }
            self.place = JsonPosition::default();
        }
        Ok(())
    }
}

/// An object, whose values are read by this.
struct Members<S>(S);

impl<'de, S: DeserializeSeed<'de, Value = Value> + Copy> Visitor<'de> for Members<S> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(name) = members.next_key::<String>()? {
            all.push((shown(&name).into_owned(), members.next_value_seed(self.0)?));
        }
        Ok(all)
    }
}

struct Inputs<'a> {
    pieces: &'a mut Pieces,
    index: &'a mut Option<usize>,
}

impl<'de> DeserializeSeed<'de> for Inputs<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Inputs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut inputs: A) -> Result<(), A::Error> {
        *self.index = Some(0);
        while inputs.next_element_seed(Input(self.pieces))?.is_some() {
            *self.index = self.index.map(|index| index + 1);
        }
        *self.index = None;
        Ok(())
    }
}

struct Input<'a>(&'a mut Pieces);

impl<'de> DeserializeSeed<'de> for Input<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Input<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: serde::de::Error>(self, input: &str) -> Result<(), E> {
        self.0.add(input.as_bytes()).map_err(E::custom)
    }
}

struct Line<'a>(&'a mut Pieces);

impl<'de> Visitor<'de> for Line<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or {\"input\": \"…\"}")
    }

    fn visit_str<E: serde::de::Error>(self, input: &str) -> Result<(), E> {
        Input(self.0).visit_str(input)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut is_given = false;
        while let Some(member) = members.next_key::<String>()? {
            match member.as_str() {
                "input" if !is_given => members.next_value_seed(Input(self.0))?,
                "input" => return Err(A::Error::custom("`input` is given twice")),
                other => {
                    return Err(A::Error::custom(format!(
                        "a line has no member `{}`, only `input`; options are query parameters",
                        shown(other)
                    )));
                }
            }
            is_given = true;
        }
        if is_given { Ok(()) } else { Err(A::Error::missing_field("input")) }
    }
}
