//! What is shown and asked for, for the components: views by their types, and what has no type of its own by hand.

use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::operation::reference;
use super::{access, bulk, options, whole};
use crate::kinds::search::FindingView;
use crate::model::{
    BulkView, CoverageList, DroneHistory, DroneList, Estimate, FailureList, Health, HistoryView, Honeycomb, LeaseList,
    LogList, Overview, SecretList, Series, StreamView, TaskHistory, TaskList, TokenList,
};

/// Members that are not there while there is nothing to say; all others of a view always are.
const AT_TIMES: [(&str, &str); 13] = [
    ("Bulk", "id"),
    ("Finding", "plain"),
    ("Finding", "plain_base64"),
    ("Search", "prefix"),
    ("Search", "suffix"),
    ("Task", "encoding"),
    ("Task", "search"),
    ("Task", "batch"),
    ("Task", "first_task"),
    ("Task", "iterations"),
    ("Task", "results"),
    ("LogEntry", "count"),
    ("Health", "recovered"),
];

/// All of them, by their names.
pub(super) fn all() -> Map<String, Value> {
    let mut all = views();
    for (name, schema) in [
        ("NewTask", options::new_task()),
        ("NewTaskForm", options::new_task_form()),
        ("NewTaskMultipart", options::new_task_multipart()),
        ("Amendment", options::amendment()),
        ("Renewal", options::renewal()),
        ("BulkRequest", bulk::request()),
        ("NewToken", access::new_token()),
        ("NewSecret", access::new_secret()),
        ("CreatedToken", created("Token", "token", "The token itself, which is shown this once")),
        ("CreatedSecret", created("Secret", "join_file", "What Drones are to be given with `--join`, shown this once")),
        ("Result", result()),
        ("DetachedResult", detached_result()),
        ("DigestNotFound", not_found()),
        ("ResultsEnd", results_end()),
        ("StreamEvent", whole::stream_event()),
        ("TaskRemoved", task_removed()),
        ("ResultChanged", result_changed()),
        ("FindingTold", finding_told()),
        ("Reset", object("Too much was missed, or changed at once: read everything anew", json!({}))),
        ("Problem", problem()),
    ] {
        all.insert(name.to_owned(), schema);
    }
    all.extend(options::names().map(|(name, schema)| (name.to_owned(), schema)));
    all
}

/// Those that are served, and what they have in them.
fn views() -> Map<String, Value> {
    let mut found = Vec::new();
    view::<TaskList>(&mut found);
    view::<FailureList>(&mut found);
    view::<DroneList>(&mut found);
    view::<StreamView>(&mut found);
    view::<LeaseList>(&mut found);
    view::<TokenList>(&mut found);
    view::<SecretList>(&mut found);
    view::<LogList>(&mut found);
    view::<Overview>(&mut found);
    view::<HistoryView>(&mut found);
    view::<DroneHistory>(&mut found);
    view::<TaskHistory>(&mut found);
    view::<Health>(&mut found);
    view::<BulkView>(&mut found);
    view::<CoverageList>(&mut found);
    view::<Honeycomb>(&mut found);
    view::<Estimate>(&mut found);
    view::<FindingView>(&mut found);
    let written = |(name, schema): (String, RefOr<Schema>)| {
        let schema = serde_json::to_value(schema).ok()?;
        Some((name, schema))
    };
    let mut views: Map<String, Value> = found.into_iter().filter_map(written).collect();
    if let Some(task) = views.get_mut("Task").and_then(|task| task.get_mut("properties")) {
        task["kind"] = reference("Kind");
        task["algorithm"] = reference("Algorithm");
        task["results"] = json!({
            "type": "array",
            "items": { "oneOf": [reference("Result"), reference("Finding")] },
            "description": "Its results once it is done, or a search's findings at once, if there are at most 100 in \
                            at most 64 KiB; where one task is shown alone",
        });
    }
    if let Some(history) = views.get_mut("History").and_then(|history| history.get_mut("properties")) {
        let about = history["series"]["description"].take();
        let values = json!({ "type": "array", "items": { "type": ["number", "null"] } });
        let named: Map<String, Value> =
            Series::ALL.iter().map(|series| (series.name().to_owned(), values.clone())).collect();
        history["series"] = json!({ "type": "object", "description": about, "properties": named });
    }
    for (name, view) in &mut views {
        finish(name, view);
    }
    views
}

fn view<T: ToSchema>(found: &mut Vec<(String, RefOr<Schema>)>) {
    found.push((T::name().into_owned(), T::schema()));
    T::schemas(found);
}

/// Says which members are always there, and what is nothing in the words of JSON.
fn finish(name: &str, view: &mut Value) {
    let is_always = |member: &&String| !AT_TIMES.contains(&(name, member.as_str()));
    if let Some(members) = view["properties"].as_object() {
        view["required"] = members.keys().filter(is_always).cloned().collect();
    }
    in_words_of_json(view);
}

fn in_words_of_json(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            for (name, member) in members {
                match member {
                    Value::String(text) if name == "description" => *text = text.replace("`None`", "null"),
                    member => in_words_of_json(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(in_words_of_json),
        _ => {}
    }
}

/// An object whose members are always there.
fn object(about: &str, members: Value) -> Value {
    let required: Value = members.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    json!({ "type": "object", "description": about, "properties": members, "required": required })
}

/// A view with what nobody is shown again.
fn created(view: &str, member: &str, about: &str) -> Value {
    json!({
        "allOf": [
            reference(view),
            {
                "type": "object",
                "properties": { member: { "type": "string", "description": about } },
                "required": [member],
            },
        ],
    })
}

fn number(about: &str) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0, "description": about })
}

fn result() -> Value {
    json!({
        "type": "object",
        "description": "A result, with its input as it was given: as `input` if it is UTF-8, else as `input_base64`",
        "properties": {
            "index": number("Of the input, from 0"),
            "input": { "type": "string", "description": "The input" },
            "input_base64": {
                "type": "string",
                "contentEncoding": "base64",
                "description": "The input, where it is not UTF-8",
            },
            "digest": { "type": "string", "pattern": "^[0-9a-f]{64}$", "description": "32 bytes in hexadecimal" },
        },
        "required": ["index", "digest"],
    })
}

fn detached_result() -> Value {
    object(
        "In place of a result of a batch: its task has left it, was deleted, or failed",
        json!({
            "index": number("Of the input in the batch, from 0"),
            "task": number("The task's id"),
            "state": { "type": "string", "enum": ["detached", "failed"], "description": "What became of it in the batch" },
            "error": { "type": ["string", "null"], "description": "Why it failed" },
        }),
    )
}

fn not_found() -> Value {
    object(
        "A digest that a search was given and has not found",
        json!({ "digest": { "type": "string", "description": "It, in hexadecimal" } }),
    )
}

fn results_end() -> Value {
    object(
        "The last line of results as NDJSON",
        json!({
            "end": { "type": "boolean", "const": true, "description": "That it is the last line" },
            "count": number("How many results came before it"),
            "next_offset": number("The index of the first that did not"),
            "complete": { "type": "boolean", "description": "Whether nothing more will ever come behind it" },
        }),
    )
}

fn task_removed() -> Value {
    object("A task was removed", json!({ "id": number("Which one") }))
}

fn result_changed() -> Value {
    object(
        "Results are others than they were, because a Drone had given wrong ones",
        json!({
            "task": number("Whose results"),
            "from": number("The index of the first"),
            "to": number("The index behind the last"),
            "drone": number("The Drone that had given wrong ones"),
        }),
    )
}

fn finding_told() -> Value {
    let task = json!({ "type": "object", "properties": { "task": number("Which search") }, "required": ["task"] });
    json!({ "description": "A search found something", "allOf": [reference("Finding"), task] })
}

/// Every error's body.
fn problem() -> Value {
    json!({
        "type": "object",
        "description": "An error (RFC 9457). Where it is, the members that are not required say, as far as that is \
                        known.",
        "properties": {
            "type": {
                "type": "string",
                "const": "about:blank",
                "description": "The status says all that a program needs",
            },
            "title": { "type": "string", "description": "What the status means" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status" },
            "detail": { "type": "string", "description": "What was wrong here, and what to do" },
            "line": number("The line of the body, from 1"),
            "column": number("The column in the line, from 1, in JSON and NDJSON"),
            "path": { "type": "string", "description": "The member, option, parameter or header" },
            "index": number("The index of the input"),
            "character": number("The character of a mask, from 1"),
            "limit": number("How many bytes there may be"),
            "request_id": { "type": "string", "description": "How the request is called, see `X-Request-Id`" },
        },
        "required": ["type", "title", "status", "detail", "request_id"],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wire::ids::{DroneId, TaskId};

    use super::*;
    use crate::model::Change;

    #[test]
    fn changes_without_a_view_are_described_as_they_are_told() {
        let removed = Change::TaskRemoved { id: TaskId(7), owner: None };
        let changed = Change::ResultChanged { task: TaskId(7), from: 0, to: 9, drone: DroneId(3), owner: None };
        for (change, schema) in [(removed, task_removed()), (changed, result_changed())] {
            let sent = serde_json::to_value(change).unwrap();
            let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
            assert_eq!(names(&sent), names(&schema["properties"]));
        }
    }

    #[test]
    fn what_is_there_at_times_is_described() {
        let all = all();
        for (view, member) in AT_TIMES {
            assert!(all[view]["properties"][member].is_object(), "{view} has no {member}");
        }
        assert!(!serde_json::to_string(&all).unwrap().contains("`None`"));
    }
}
