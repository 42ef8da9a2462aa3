//! What JSON says of a search in more than plain values. Long lists go straight to where they are kept.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::scalar::Scalar;
use crate::error::Problem;
use crate::options::{Options, SPACE};

/// Where values go, and why one was refused: a problem says more than a reader's error can.
pub(super) struct Into<'a> {
    pub(super) options: &'a mut Options,
    pub(super) refused: &'a mut Option<Problem>,
}

impl Into<'_> {
    /// Does something with the options.
    fn with<E: Error>(&mut self, set: impl FnOnce(&mut Options) -> Result<(), Problem>) -> Result<(), E> {
        set(self.options).map_err(|problem| {
            *self.refused = Some(problem);
            E::custom("refused")
        })
    }
}

/// Whether a member is read here.
pub(super) fn is_member(name: &str) -> bool {
    matches!(name, SPACE | "targets" | "prefix" | "suffix" | "digest_prefix")
}

/// Reads the value of such a member. `index` is where in a list the reader is.
pub(super) fn read<'de, A: MapAccess<'de>>(
    name: &str,
    members: &mut A,
    into: Into<'_>,
    index: &mut Option<usize>,
) -> Result<(), A::Error> {
    let hex_or_base64 = "a text, {\"hex\":\"…\"} or {\"base64\":\"…\"}";
    match name {
        "targets" => members.next_value_seed(List { into, index, add: Options::add_target, about: "digests" }),
        "prefix" => members.next_value_seed(Written {
            into,
            text: "prefix",
            others: &[("hex", "prefix_hex"), ("base64", "prefix_base64")],
            about: hex_or_base64,
        }),
        "suffix" => members.next_value_seed(Written {
            into,
            text: "suffix",
            others: &[("hex", "suffix_hex"), ("base64", "suffix_base64")],
            about: hex_or_base64,
        }),
        "digest_prefix" => members.next_value_seed(Written {
            into,
            text: "digest_prefix",
            others: &[("bits", "digest_prefix_bits")],
            about: "a text of hexadecimal digits, or {\"bits\":\"0101\"}",
        }),
        _ => members.next_value_seed(Members { into, index, names: SPACE_MEMBERS, about: SPACE_ABOUT }),
    }
}

/// A text, or an object with one member that says how it is written.
struct Written<'a> {
    into: Into<'a>,
    /// The option that a text is.
    text: &'static str,
    /// Members, and the options that they are.
    others: &'static [(&'static str, &'static str)],
    about: &'static str,
}

impl<'de> DeserializeSeed<'de> for Written<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Written<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.about)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.into.with(|options| options.set(self.text, text.into()))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut is_given = false;
        while let Some(name) = members.next_key::<String>()? {
            is_given = true;
            let Some((_, option)) = self.others.iter().find(|(member, _)| *member == name) else {
                return Err(A::Error::custom(format_args!("expected {}", self.about)));
            };
            let value: String = members.next_value()?;
            self.into.with(|options| options.set(option, value.into()))?;
        }
        match is_given {
            true => Ok(()),
            false => Err(A::Error::custom(format_args!("expected {}", self.about))),
        }
    }
}

/// What is read of a member of an object.
#[derive(Clone, Copy)]
enum Read {
    /// A plain value is this option.
    Option(&'static str),
    /// Each of an array is added.
    List(fn(&mut Options, usize, &str) -> Result<(), Problem>, &'static str),
    /// Its members.
    Members(Names, &'static str),
}

type Names = &'static [(&'static str, Read)];

const SPACE_ABOUT: &str = "an object such as {\"mask\":\"?l?d\"}, {\"masks\":[\"?l\"]} or {\"counter\":{\"to\":1000}}";

const SPACE_MEMBERS: Names = &[
    ("mask", Read::Option("mask")),
    ("charsets", Read::List(Options::add_charset, "custom charsets")),
    ("min_length", Read::Option("min_length")),
    ("masks", Read::List(Options::add_mask, "masks")),
    (
        "counter",
        Read::Members(
            &[
                ("from", Read::Option("counter_from")),
                ("to", Read::Option("counter_to")),
                ("format", Read::Option("counter_format")),
            ],
            "an object such as {\"from\":0,\"to\":1000}",
        ),
    ),
];

/// An object.
struct Members<'a> {
    into: Into<'a>,
    index: &'a mut Option<usize>,
    names: Names,
    about: &'static str,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.about)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { into: Into { options, refused }, index, names, .. } = self;
        while let Some(name) = members.next_key::<String>()? {
            let mut into = Into { options, refused };
            match names.iter().find(|(member, _)| *member == name) {
                Some((_, Read::Option(option))) => {
                    let value: Value = members.next_value_seed(Scalar)?;
                    into.with(|options| options.set(option, value))?;
                }
                Some((_, Read::List(add, about))) => {
                    members.next_value_seed(List { into, index, add: *add, about })?;
                }
                Some((_, Read::Members(names, about))) => {
                    members.next_value_seed(Members { into, index, names, about })?;
                }
                None => {
                    let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                    let known = known.join(", ");
                    return Err(A::Error::custom(format_args!("there is no such member; there are: {known}")));
                }
            }
        }
        Ok(())
    }
}

/// An array of texts.
struct List<'a> {
    into: Into<'a>,
    index: &'a mut Option<usize>,
    add: fn(&mut Options, usize, &str) -> Result<(), Problem>,
    about: &'static str,
}

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an array of {} as texts", self.about)
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        for at in 0.. {
            *self.index = Some(at);
            let item =
                Item { into: Into { options: self.into.options, refused: self.into.refused }, at, add: self.add };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        *self.index = None;
        Ok(())
    }
}

/// One of an array.
struct Item<'a> {
    into: Into<'a>,
    at: usize,
    add: fn(&mut Options, usize, &str) -> Result<(), Problem>,
}

impl<'de> DeserializeSeed<'de> for Item<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for Item<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        self.into.with(|options| (self.add)(options, self.at, text))
    }
}
