//! The options of a search.

use serde_json::{Value, json};

use super::operation::reference;
use crate::kinds::search::{CHARSETS, FORMATS, KIND, MAX_AROUND, MAX_FINDINGS, MAX_MASKS, MAX_TARGETS, format_name};
use crate::options;

/// A digest.
const DIGEST: &str = "^[0-9A-Fa-f]{64}$";
/// The beginning of a digest.
const BEGINNING: &str = "^[0-9A-Fa-f]{1,64}$";
/// The same in bits.
const BITS: &str = "^[01]{1,256}$";
/// A number that may be written as a text.
const NUMBER: &str = "^[0-9]{1,20}$";

/// What an option is, and what its value is like in a query or a form.
pub(super) fn option(name: &str) -> (&'static str, Value) {
    let text = || json!({ "type": "string" });
    let charset = (
        "Of a search: a custom charset, for `?1` and so on in masks. It may have built-in ones in it, and custom ones \
         of lower number",
        text(),
    );
    match name {
        "mask" => (
            "Of a search: candidates of one length in hashcat's notation, such as `?u?l?l?d`. The leftmost position \
             changes fastest, as with `--markov-disable`",
            json!({ "type": "string", "examples": ["?u?l?l?d"] }),
        ),
        "masks" => (
            "Of a search: several masks, one after the other, as lines of an `.hcmask` file",
            json!({ "type": "string", "examples": ["?d?d?d?d\n?l?d,?1?1?1"] }),
        ),
        "min_length" => (
            "Of a search: also the beginnings of the mask that have at least so many characters, the shortest first",
            json!({ "type": "integer", "minimum": 1, "maximum": 256 }),
        ),
        "counter_from" => ("Of a search: the first number, 0 if it is left out", number(0)),
        "counter_to" => ("Of a search: the number behind the last one", number(1)),
        "counter_format" => (
            "Of a search: how numbers are written, `decimal` if it is left out",
            json!({ "type": "string", "enum": FORMATS.map(format_name) }),
        ),
        "prefix" => ("Of a search: what stands before each candidate, as text", around()),
        "prefix_hex" => ("The same in hexadecimal", text()),
        "prefix_base64" => ("The same in base64", text()),
        "suffix" => ("Of a search: what stands behind each candidate, as text", around()),
        "suffix_hex" => ("The same in hexadecimal", text()),
        "suffix_base64" => ("The same in base64", text()),
        "targets" => (
            "Of a search: the digests that are sought, in hexadecimal, one a line; duplicates count once. A line of a \
             form may have more behind its digest: a file's name, as sha256sum prints it, or a candidate, as in a potfile",
            json!({ "type": "string" }),
        ),
        "leading_zero_bits" => (
            "Of a search: every digest is sought that begins with so many zero bits",
            json!({ "type": "integer", "minimum": 0, "maximum": 256 }),
        ),
        "digest_prefix" => ("Of a search: every digest is sought that begins with these digits", beginning()),
        "digest_prefix_bits" => ("The same in bits, such as `0101`", json!({ "type": "string", "pattern": BITS })),
        "digest_at_most" => (
            "Of a search: every digest is sought that is as a number at most this one; digits that are left out at \
             its end are `f`",
            beginning(),
        ),
        "digest_at_least" => (
            "Of a search: every digest is sought that is as a number at least this one; digits that are left out at \
             its end are `0`",
            beginning(),
        ),
        "digest_order" => (
            "How a digest is a number: its first byte is the most significant one (`big`, if it is left out), or its \
             last one (`little`)",
            json!({ "type": "string", "enum": ["big", "little"] }),
        ),
        "stop" => (
            "When a search is over, unless all of it is searched before: at the `first` finding in time, which is the \
             default unless `targets` are sought; at the `lowest` one, when all candidates before it are searched; \
             when `all` targets are found, which is the default for these; or `never`",
            reference("Stop"),
        ),
        "max_findings" => (
            "A search is over when there are so many findings",
            json!({ "type": "integer", "minimum": 1, "maximum": MAX_FINDINGS, "default": MAX_FINDINGS }),
        ),
        name if options::CHARSETS.contains(&name) => charset,
        _ => ("", Value::Null),
    }
}

fn number(least: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": u64::MAX })
}

fn around() -> Value {
    json!({ "type": "string", "maxLength": MAX_AROUND })
}

fn beginning() -> Value {
    json!({ "type": "string", "pattern": BEGINNING })
}

/// An option that is more in JSON than in a form.
pub(super) fn member(name: &str) -> Option<Value> {
    let (about, _) = option(name);
    let mut schema = match name {
        "prefix" | "suffix" => json!({
            "oneOf": [around(), one("hex", "Two hexadecimal digits a byte"), one("base64", "RFC 4648"), nothing()],
        }),
        "digest_prefix" => json!({ "oneOf": [beginning(), one("bits", "Zeros and ones"), nothing()] }),
        "targets" => json!({
            "type": ["array", "null"],
            "maxItems": MAX_TARGETS,
            "items": { "type": "string", "pattern": DIGEST },
        }),
        "leading_zero_bits" | "max_findings" => {
            let mut schema = option(name).1;
            schema["type"] = json!(["integer", "string", "null"]);
            schema["pattern"] = NUMBER.into();
            schema
        }
        _ => return None,
    };
    schema["description"] = about.into();
    Some(schema)
}

fn nothing() -> Value {
    json!({ "type": "null" })
}

/// An object with one member, which is a text.
fn one(name: &str, about: &str) -> Value {
    json!({
        "type": "object",
        "properties": { name: { "type": "string", "description": about } },
        "required": [name],
        "additionalProperties": false,
    })
}

/// All candidates, which only JSON has as one member.
pub(super) fn space() -> Value {
    let described = |name: &str| {
        let (about, mut schema) = option(name);
        schema["description"] = about.into();
        if schema["type"] == "integer" {
            schema["type"] = json!(["integer", "string", "null"]);
            schema["pattern"] = NUMBER.into();
        } else {
            schema["type"] = json!(["string", "null"]);
        }
        schema
    };
    let list = |most: usize, about: &str| {
        let items = json!({ "type": "string" });
        json!({ "type": ["array", "null"], "maxItems": most, "items": items, "description": about })
    };
    let masks = "Several masks, one after the other, each as a line of an `.hcmask` file: its custom charsets and itself, \
                 with commas between them";
    let mut format = described("counter_format");
    format["enum"] = FORMATS.map(|format| Some(format_name(format))).into_iter().chain([None]).collect();
    let counter = json!({
        "type": ["object", "null"],
        "description": "Numbers; `to` is needed",
        "properties": { "from": described("counter_from"), "to": described("counter_to"), "format": format },
        "additionalProperties": false,
    });
    json!({
        "type": ["object", "null"],
        "description": "Of a search: all candidates, in one linear order. Either `mask`, `masks` or `counter` is needed",
        "properties": {
            "mask": described("mask"),
            "charsets": list(CHARSETS, option("charset1").0),
            "min_length": described("min_length"),
            "masks": list(MAX_MASKS, masks),
            "counter": counter,
        },
        "additionalProperties": false,
    })
}

/// A search that is asked for in JSON.
pub(super) fn example() -> Value {
    json!({
        "kind": KIND,
        "space": { "mask": "?l?l?l?l?l?l?l" },
        "targets": ["127e6fbfe24a750e72930c220a8e138275656b8e5d8f48a98c3c92df2caba935"],
    })
}
