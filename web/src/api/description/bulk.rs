//! `/tasks/bulk`: what is done to many tasks at once, and which tasks are meant.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operation::{Operation, reference};
use crate::hive::DEADLINE_MAX;

pub(super) const TAG: &str = "tasks";

/// By what tasks are found: names, what they say, and what they are.
fn filters() -> Vec<(&'static str, &'static str, Value)> {
    let text = || json!({ "type": "string" });
    let moment = || json!({ "type": "string", "examples": ["2026-01-31T23:59:00Z", "2026-01-31"] });
    vec![
        ("state", "Only those that stand there", reference("TaskState")),
        ("name", "Only those whose names begin so", text()),
        ("owner", "Only those that were submitted with a token whose name begins so", text()),
        ("kind", "Only those of this kind", reference("Kind")),
        ("algorithm", "Only those with this algorithm", reference("Algorithm")),
        (
            "since",
            "Only those that were submitted at this moment or later: RFC 3339; without an offset it is in UTC, and a day \
             alone is its beginning",
            moment(),
        ),
        ("until", "Only those that were submitted before this moment", moment()),
        ("reason", "Only those whose `error` begins so", text()),
    ]
}

impl Operation {
    /// Takes which tasks are meant, as query parameters.
    pub(super) fn filtered(self) -> Self {
        filters().into_iter().fold(self, |operation, (name, about, schema)| operation.query(name, about, schema))
    }
}

/// What is asked for.
pub(super) fn request() -> Value {
    let described = |(name, about, schema): (&str, &str, Value)| {
        let schema = json!({ "oneOf": [schema, { "type": "null" }], "description": about });
        (name.to_owned(), schema)
    };
    let filter: serde_json::Map<_, _> = filters().into_iter().map(described).collect();
    json!({
        "type": "object",
        "description": "What is to be done to many tasks: those with these ids, or those that are meant by a filter",
        "properties": {
            "action": reference("BulkAction"),
            "priority": {
                "type": "integer", "minimum": -100, "maximum": 100,
                "description": "The new priority, for that action alone",
            },
            "deadline_seconds": {
                "type": ["integer", "null"], "minimum": 1, "maximum": DEADLINE_MAX,
                "description": "The new deadline of tasks that are begun again, from now; null for none. For `retry` alone",
            },
            "ids": {
                "type": "array",
                "items": { "type": "integer", "minimum": 0, "maximum": i64::MAX },
                "minItems": 1, "maxItems": 1000,
                "description": "These tasks",
            },
            "filter": {
                "type": "object",
                "description": "All tasks of which all of this is true; all there are if nothing is said",
                "properties": filter,
                "additionalProperties": false,
            },
        },
        "required": ["action"],
        "oneOf": [{ "required": ["ids"] }, { "required": ["filter"] }],
        "additionalProperties": false,
    })
}

fn example(state: &str) -> Value {
    json!({
        "id": 3, "action": "cancel", "state": state, "matched": 120, "changed": 118, "skipped": 2,
        "skipped_because": "only tasks that have not ended are cancelled", "error": null,
    })
}

pub(super) fn change() -> Operation {
    Operation::new(TAG, (Method::POST, "/tasks/bulk"), "changeTasks", "Does something to many tasks")
        .about(
            "Each task is changed as if it were asked for alone, and the operator is told once. A token that has not \
             `control` changes its own tasks alone: of a filter no others are meant, and others' ids are skipped. A \
             batch is one task.",
        )
        .query(
            "dry_run",
            "1: nothing is done, and `changed` says how many would be changed",
            json!({ "type": "boolean", "default": false }),
        )
        .body(
            true,
            "What is to be done, in at most 64 KiB",
            json!({
                "application/json": {
                    "schema": reference("BulkRequest"),
                    "example": { "action": "cancel", "filter": { "name": "nightly-" } },
                },
            }),
        )
        .answers_json(200, "It is done, and on disk; or it was only counted", reference("Bulk"), example("done"))
        .answers_json(202, "It takes longer than a second, and goes on", reference("Bulk"), example("running"))
        .answer_header(
            202,
            "Location",
            "Where it is told how far it is",
            json!({ "type": "string", "format": "uri-reference", "pattern": "^/tasks/bulk/[0-9]+$" }),
        )
        .leads_to(202, "id", "id", &["getChange"])
        .refuses(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many such changes are under way, or it stopped early, and `detail` says after how many tasks",
            "8 changes of many tasks are under way; ask again when one is over",
        )
        .invalid_body("there is no `colour`; there are: action, deadline_seconds, ids, filter, priority")
}

pub(super) fn show() -> Operation {
    Operation::new(TAG, (Method::GET, "/tasks/bulk/{id}"), "getChange", "Tells how far a change of many tasks is")
        .about("The last 100 are remembered, until the Queen ends; whoever has not `control` is told of its own alone.")
        .answers_json(200, "How far it is", reference("Bulk"), example("running"))
        .refuses(
            StatusCode::NOT_FOUND,
            "There is none, or not any more, or it is another's",
            "there is no change 3 of many tasks, or not any more",
        )
}
