//! `/tokens`, `/secrets` and `/log`: who may do what, and what was done.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::examples;
use super::operation::{Operation, reference};
use crate::access::{EXPIRES_MAX, NAME_MAX};
use crate::api::download::{ListFormat, no_end};

pub(super) const TAG: &str = "access";

/// What a secret's name is made of.
const SECRET_NAME: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$";

/// All of these nouns.
pub(super) fn operations() -> Vec<Operation> {
    vec![list_tokens(), create_token(), revoke_token(), list_secrets(), create_secret(), revoke_secret(), log()]
}

fn list_tokens() -> Operation {
    Operation::new(TAG, (Method::GET, "/tokens"), "listTokens", "Lists the tokens that are valid, the oldest first")
        .answers_json(200, "All of them", reference("TokenList"), json!({ "tokens": [examples::token()] }))
}

fn create_token() -> Operation {
    Operation::new(TAG, (Method::POST, "/tokens"), "createToken", "Makes a token")
        .about(
            "The answer is the only one that shows it; what is kept is its hash. The first token of all has to have \
             `admin`, since nobody could make another one otherwise, and is made from the Queen's own machine alone. \
             From then on every request needs one.",
        )
        .body(
            true,
            "The token that is asked for, in at most 64 KiB",
            json!({
                "application/json": {
                    "schema": reference("NewToken"),
                    "example": { "name": "ci", "scopes": ["submit"], "expires_seconds": 86400 },
                },
            }),
        )
        .answers_json(201, "The token, which is on disk", reference("CreatedToken"), examples::created_token())
        .leads_to(201, "id", "id", &["revokeToken"])
        .refuses(
            StatusCode::CONFLICT,
            "There is a valid token of that name, or there are 1,000 of them; or it is the first one, and the request \
             does not come from the Queen's own machine",
            "there is a token \"ci\" already",
        )
        .invalid_body("say what the token is for: one or more of read, submit, control, admin")
}

fn revoke_token() -> Operation {
    Operation::new(TAG, (Method::DELETE, "/tokens/{id}"), "revokeToken", "Revokes a token")
        .about("At once, with its sessions and event streams.")
        .answers(204, "It is revoked, on disk too")
        .refuses(StatusCode::NOT_FOUND, "There is no such token, or none that is valid", "there is no token 7")
}

fn list_secrets() -> Operation {
    Operation::new(TAG, (Method::GET, "/secrets"), "listSecrets", "Lists the secrets that Drones prove to know")
        .answers_json(200, "All of them, by name", reference("SecretList"), json!({ "secrets": [examples::secret()] }))
}

fn create_secret() -> Operation {
    Operation::new(TAG, (Method::POST, "/secrets"), "createSecret", "Makes a secret for Drones")
        .about("The answer is the only one that shows its join file.")
        .body(
            true,
            "The secret that is asked for, in at most 64 KiB",
            json!({
                "application/json": { "schema": reference("NewSecret"), "example": { "name": "lab" } },
            }),
        )
        .answers_json(201, "The secret, which is on disk", reference("CreatedSecret"), examples::created_secret())
        .leads_to(201, "name", "name", &["revokeSecret"])
        .refuses(
            StatusCode::CONFLICT,
            "There is a secret of that name, or there are 64 of them",
            "there is a secret \"lab\" already: revoke it first",
        )
        .invalid_body("a secret has no `colour`; it has a `name` alone")
}

fn revoke_secret() -> Operation {
    Operation::new(TAG, (Method::DELETE, "/secrets/{name}"), "revokeSecret", "Revokes a secret")
        .about("At once: its Drones lose their connections and leases.")
        .takes(json!({
            "name": "name",
            "in": "path",
            "required": true,
            "description": "Which one",
            "schema": secret_name(),
        }))
        .answers(204, "It is revoked, on disk too")
        .refuses(StatusCode::NOT_FOUND, "There is no such secret", "there is no secret \"lab\"")
}

fn log() -> Operation {
    let text = || json!({ "type": "string" });
    let lines = |about: &str| json!({ "type": "string", "description": about });
    let moment = || json!({ "type": "string", "examples": ["2026-01-31T23:59:00Z", "2026-01-31"] });
    Operation::new(TAG, (Method::GET, "/log"), "listLog", "Lists what was done, was refused and happened, newest first")
        .about(
            "Without `admin`, only what happened by itself: the kinds `drone`, `task` and `queen`. A submission is not in \
             it: the task itself says whose it is.",
        )
        .query(
            "format",
            "`json`, the default, is a part of it; `ndjson` and `csv` are all of it from `cursor` on, streamed",
            json!({ "type": "string", "enum": ListFormat::names(), "default": ListFormat::Json.name() }),
        )
        .query("download", "1: browsers save it as a file", json!({ "type": "boolean", "default": false }))
        .query("kind", "Only these", reference("LogKind"))
        .query("who", "Only those of the token with this name", text())
        .query("target", "Only those to this: `task 7` finds `task 7 (bees)` as well", text())
        .query("since", MOMENT, moment())
        .query("until", "Only those before this moment", moment())
        .page()
        .answers_with(
            200,
            "A part of the list, or all of it",
            json!({
                "application/json": {
                    "schema": reference("LogList"),
                    "example": { "entries": [examples::log_entry()], "next_cursor": null },
                },
                "application/x-ndjson": {
                    "schema": lines("A `LogEntry` a line, and a last line `{\"end\":true,\"count\":…}`, without which it was \
                                     cut off"),
                },
                "text/csv": {
                    "schema": lines("RFC 4180, with a header line: \
                                     `at,kind,who,address,action,target,outcome,request_id,count,changes`"),
                },
            }),
        )
        .answer_header(200, "Content-Disposition", "With `download=1`: the name of the file", text())
        .refuses_with("CSV is not sent over HTTP/1.0, where what broke off looks complete", no_end("csv"))
}

const MOMENT: &str = "Only those at this moment or later: RFC 3339; without an offset it is in UTC, and a day alone is \
                      its beginning";

fn secret_name() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": NAME_MAX, "pattern": SECRET_NAME })
}

/// A token that is asked for.
pub(super) fn new_token() -> Value {
    json!({
        "type": "object",
        "description": "A token that is to be made",
        "properties": {
            "name": {
                "type": "string",
                "minLength": 1,
                "maxLength": NAME_MAX,
                "pattern": TOKEN_NAME,
                "description": "For people: characters that can be seen, without spaces around them and no number; \
                                no other valid token has it",
            },
            "scopes": {
                "type": "array",
                "minItems": 1,
                "items": reference("Scope"),
                "description": "What it is for",
            },
            "expires_seconds": {
                "type": ["integer", "string", "null"],
                "minimum": 1,
                "maximum": EXPIRES_MAX,
                "pattern": "^[1-9][0-9]{0,7}$",
                "description": "After how many seconds it is not valid any more; never if it is left out",
            },
        },
        "required": ["name", "scopes"],
        "additionalProperties": false,
    })
}

/// No number, and no character that is not seen or hides others, as far as patterns of every dialect can say so.
const TOKEN_NAME: &str = concat!(r"^(?!\+?[0-9]+$)[^\s", hidden!(), r"]([^", hidden!(), r"]*[^\s", hidden!(), r"])?$");

macro_rules! hidden {
    () => {
        concat!(
            r"\u0000-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e",
            r"\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
        )
    };
}
use hidden;

/// A secret that is asked for.
pub(super) fn new_secret() -> Value {
    let mut name = secret_name();
    name["description"] = "By which Drones name it: letters and digits of ASCII, dashes, underscores and dots, of \
                           which none at the beginning"
        .into();
    json!({
        "type": "object",
        "description": "A secret that is to be made",
        "properties": { "name": name },
        "required": ["name"],
        "additionalProperties": false,
    })
}
