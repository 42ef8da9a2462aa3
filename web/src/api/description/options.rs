//! The options of a task, as JSON, a query and a form have them: one schema each.

use serde_json::{Map, Value, json};

use super::operation::{Operation, reference};
use super::search;
use crate::hive::DEADLINE_MAX;
use crate::kinds::KINDS;
use crate::kinds::digest::{ALGORITHMS, MAX_INPUT, MAX_ITERATIONS, MAX_KEY};
use crate::kinds::search::KIND;
use crate::options::{self, NAME_MAX, SECRET_HEADER_MAX, SECRET_HEADERS, SPACE};

/// Two hexadecimal digits a byte.
const HEX: &str = "^([0-9A-Fa-f]{2})*$";
/// RFC 4648, section 4, with padding; what does not stand for whole bytes is refused as well.
const BASE64: &str = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$";
/// No control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001f\u007f-\u009f]*$";

/// Names that stand for something, of which each is among the components.
pub(super) fn names() -> [(&'static str, Value); 3] {
    let names = |about: &str, names: &[&str]| json!({ "type": "string", "enum": names, "description": about });
    [
        ("Kind", names("A kind of work", &KINDS)),
        ("Algorithm", names("What turns an input into 32 bytes", &ALGORITHMS)),
        ("Each", names("What every input is on its own", &["task"])),
    ]
}

/// What an option is, and what its value is like, unless it is null or empty, which means the default.
fn option(name: &str) -> (&'static str, Value) {
    match name {
        "kind" => ("What is to be done; `digest` if it is left out. A `search` has no inputs", reference("Kind")),
        "algorithm" => (
            "What turns an input into 32 bytes; `sha256` if it is left out. `sha256d` is the SHA-256 of the SHA-256; \
             `hmac-sha256` needs a key, and `pbkdf2-hmac-sha256`, of which an input is the password, a salt and \
             iterations",
            reference("Algorithm"),
        ),
        "key" => ("The key of HMAC, as text", json!({ "type": "string", "maxLength": MAX_KEY })),
        "key_hex" => ("The key of HMAC, in hexadecimal", secret_hex()),
        "salt" => ("The salt of PBKDF2, as text", json!({ "type": "string", "maxLength": MAX_KEY })),
        "salt_hex" => ("The salt of PBKDF2, in hexadecimal", secret_hex()),
        "iterations" => ("Of PBKDF2", json!({ "type": "integer", "minimum": 1, "maximum": MAX_ITERATIONS })),
        "encoding" => (
            "How inputs are written; `utf8` if it is left out. What is hashed are the bytes they stand for; results \
             show them as they were given",
            reference("Encoding"),
        ),
        "name" => ("For people", json!({ "type": "string", "maxLength": NAME_MAX, "pattern": PRINTABLE })),
        "priority" => (
            "The larger is always computed first, equals share; 0 if it is left out",
            json!({ "type": "integer", "minimum": -100, "maximum": 100 }),
        ),
        "deadline_seconds" => (
            "If it is not done so long after it was submitted, it fails",
            json!({ "type": "integer", "minimum": 1, "maximum": DEADLINE_MAX }),
        ),
        "each" => (
            "`task`: every input is a task of its own, with the ids behind that of the batch, which is the answer",
            reference("Each"),
        ),
        "verify" => (
            "`sample`, if it is left out: some results are computed a second time, to compare; `all`: every one is \
             before it counts as done, which takes twice the computing",
            reference("Verify"),
        ),
        "dry_run" => (
            "1: nothing is created; the answer says what the task would take",
            json!({ "type": "boolean", "default": false }),
        ),
        other => search::option(other),
    }
}

fn secret_hex() -> Value {
    json!({ "type": "string", "maxLength": 2 * MAX_KEY, "pattern": HEX })
}

/// How a whole number may be written as a text in JSON; others that are read too are nothing to write.
const NUMBER: &str = "^[1-9][0-9]{0,6}$";
const PRIORITY: &str = "^-?(100|[1-9]?[0-9])$";

/// An option as a member of JSON: null means the default, and a number may be written as a text.
fn member(name: &str) -> Value {
    let (about, schema) = option(name);
    let mut schema = match schema["type"].as_str() {
        Some("boolean") => json!({ "enum": [true, false, 0, 1, "0", "1", "true", "false", null] }),
        Some("integer") => {
            let mut number = schema;
            number["type"] = json!(["integer", "string", "null"]);
            number["pattern"] = if name == "priority" { PRIORITY } else { NUMBER }.into();
            number
        }
        Some(_) => {
            let mut text = schema;
            text["type"] = json!(["string", "null"]);
            text
        }
        None => json!({ "oneOf": [{ "type": "null" }, schema] }),
    };
    schema["description"] = about.into();
    schema
}

/// All of them as members of JSON.
fn members() -> Map<String, Value> {
    options::names().map(|name| (name.to_owned(), search::member(name).unwrap_or_else(|| member(name)))).collect()
}

/// All of them as fields of a form.
fn fields() -> Map<String, Value> {
    let field = |name: &'static str| {
        let (about, mut schema) = option(name);
        schema["description"] = about.into();
        (name.to_owned(), schema)
    };
    options::flat().map(field).collect()
}

/// Takes them in the query, but for those that are nobody else's business, which it takes in headers.
pub(super) fn take_all(operation: Operation) -> Operation {
    options::flat().fold(operation, |operation, name| {
        let (about, schema) = option(name);
        match SECRET_HEADERS.iter().find(|(secret, _)| *secret == name) {
            Some((_, header)) => {
                let mut schema = schema;
                schema["maxLength"] = SECRET_HEADER_MAX.into();
                operation.header(header, about, schema)
            }
            None => operation.query(name, about, schema),
        }
    })
}

/// A task that is asked for in JSON.
pub(super) fn new_task() -> Value {
    let mut properties = members();
    let input = json!({ "type": "string", "maxLength": MAX_INPUT, "description": "The string to hash" });
    let inputs = json!({
        "type": "array",
        "minItems": 1,
        "items": { "type": "string", "maxLength": MAX_INPUT },
        "description": "The strings to hash; either these or `input`",
    });
    properties.extend([("input".to_owned(), input), ("inputs".to_owned(), inputs)]);
    properties.insert(SPACE.to_owned(), search::space());
    json!({
        "type": "object",
        "description": "A task: its options, and its inputs. Null means an option's default, and numbers may be \
                        written as strings.",
        "properties": properties,
        "additionalProperties": false,
        "allOf": [
            for_kind(json!({ "required": [SPACE], "properties": { "input": false, "inputs": false } }), {
                either("input", "inputs")
            }),
            for_algorithm("hmac-sha256", either_secret("key"), none_of(&["key", "key_hex"])),
            for_algorithm(
                "pbkdf2-hmac-sha256",
                json!({ "required": ["iterations"], "allOf": [either_secret("salt"), is_given("iterations")] }),
                none_of(&["salt", "salt_hex", "iterations"]),
            ),
            written_in("hex", HEX),
            written_in("base64", BASE64),
        ],
    })
}

/// `search` if it is one, and `otherwise` if it is not.
fn for_kind(search: Value, otherwise: Value) -> Value {
    json!({
        "if": { "required": ["kind"], "properties": { "kind": { "const": KIND } } },
        "then": search,
        "else": otherwise,
    })
}

/// One of two members is there, and the other one is not.
fn either(one: &str, other: &str) -> Value {
    let (only_one, only_other) = (json!({ other: false }), json!({ one: false }));
    json!({
        "if": { "required": [one] },
        "then": { "properties": only_one },
        "else": { "required": [other], "properties": only_other },
    })
}

/// A key or salt, as text or in hexadecimal.
fn either_secret(name: &str) -> Value {
    let hex = format!("{name}_hex");
    json!({
        "if": { "required": [name], "properties": { name: { "type": "string" } } },
        "then": none_of(&[&hex]),
        "else": { "required": [hex], "properties": { hex.clone(): { "type": "string" } } },
    })
}

fn is_given(name: &str) -> Value {
    json!({ "properties": { name: { "type": ["integer", "string"] } } })
}

/// If these members are there they are null.
fn none_of(names: &[&str]) -> Value {
    let properties: Map<String, Value> =
        names.iter().map(|name| ((*name).to_owned(), json!({ "type": "null" }))).collect();
    json!({ "properties": properties })
}

/// `then` if it is this algorithm, and `otherwise` if it is not.
fn for_algorithm(algorithm: &str, then: Value, otherwise: Value) -> Value {
    json!({
        "if": { "required": ["algorithm"], "properties": { "algorithm": { "const": algorithm } } },
        "then": then,
        "else": otherwise,
    })
}

/// What inputs look like in an encoding.
fn written_in(encoding: &str, pattern: &str) -> Value {
    json!({
        "if": { "required": ["encoding"], "properties": { "encoding": { "const": encoding } } },
        "then": {
            "properties": { "input": { "pattern": pattern }, "inputs": { "items": { "pattern": pattern } } },
        },
    })
}

/// A task that is asked for in a form, as `application/x-www-form-urlencoded`.
pub(super) fn new_task_form() -> Value {
    let mut properties = fields();
    let inputs = json!({
        "type": "array",
        "minItems": 1,
        "items": { "type": "string", "maxLength": MAX_INPUT },
        "description": "The string to hash, as often as you like",
    });
    properties.insert("input".to_owned(), inputs);
    json!({
        "type": "object",
        "description": "A task in a form: its options, and its inputs",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
    })
}

/// A task that is asked for in a form, as `multipart/form-data`.
pub(super) fn new_task_multipart() -> Value {
    let mut properties = fields();
    let lines = |about: &str| json!({ "type": "string", "format": "binary", "description": about });
    properties.insert("text".to_owned(), lines("Lines, of which each is an input"));
    properties.insert(
        "file".to_owned(),
        lines("A file of lines; of NDJSON if the part says that it is `application/x-ndjson`"),
    );
    json!({
        "type": "object",
        "description": "A task in a form with a file: its options first, and then its inputs as `text` or `file`",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
    })
}

/// What a request changes of a task that is there.
pub(super) fn amendment() -> Value {
    let changes = ["priority", "name", "deadline_seconds"];
    let properties: Map<String, Value> = changes.iter().map(|name| ((*name).to_owned(), member(name))).collect();
    json!({
        "type": "object",
        "description": "What is to change (RFC 7396). Null means the default; a deadline is so many seconds from now, \
                        and null takes it away.",
        "properties": properties,
        "additionalProperties": false,
        "minProperties": 1,
    })
}

/// What a retry may give a task.
pub(super) fn renewal() -> Value {
    json!({
        "type": "object",
        "description": "A new deadline, so many seconds from now; null takes it away",
        "properties": { "deadline_seconds": member("deadline_seconds") },
        "additionalProperties": false,
    })
}

/// As what lines are described, which stand in a body as they are.
pub(super) fn lines(about: &str) -> Value {
    json!({ "type": "string", "minLength": 1, "description": about })
}

/// The bodies in which a task can be asked for, by their media types.
pub(super) fn bodies() -> Value {
    json!({
        "application/json": {
            "schema": reference("NewTask"),
            "examples": {
                "one": { "summary": "One string", "value": { "input": "honey" } },
                "search": { "summary": "A search", "value": search::example() },
                "several": {
                    "summary": "Several, with options",
                    "value": {
                        "algorithm": "hmac-sha256",
                        "key": "secret",
                        "inputs": ["honey", "wax"],
                        "name": "bees",
                        "priority": 5,
                    },
                },
            },
        },
        "text/plain": {
            "schema": lines("Every line is an input, of any bytes; one CR before the LF is dropped, an empty line is \
                             the empty string, the last line may or may not end in LF"),
            "example": "honey\nwax\n",
        },
        "application/x-ndjson": {
            "schema": lines("Every line is a JSON string or an `{\"input\":\"…\"}`; blank lines are skipped"),
            "example": "\"honey\"\n{\"input\":\"wax\"}\n",
        },
        "multipart/form-data": {
            "schema": reference("NewTaskMultipart"),
            "example": { "algorithm": "sha256d", "text": "honey\nwax\n" },
        },
        "application/x-www-form-urlencoded": {
            "schema": reference("NewTaskForm"),
            "example": { "input": ["honey", "wax"], "name": "bees" },
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_described() {
        for name in options::flat() {
            let (about, schema) = option(name);
            let is_described = schema["type"].is_string() || schema["$ref"].is_string();
            assert!(!about.is_empty() && is_described, "{name}");
        }
    }
}
