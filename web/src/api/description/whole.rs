//! The whole: `/stats`, `/events`, whether she is well, and this description.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::examples;
use super::operation::{Operation, reference};
use crate::model::{Series, Step};

pub(super) const TAG: &str = "whole";

/// All of this noun.
pub(super) fn operations() -> Vec<Operation> {
    vec![stats(), history(), metrics(), events(), healthz(), readyz(), description()]
}

fn stats() -> Operation {
    Operation::new(TAG, (Method::GET, "/stats"), "getStats", "Shows the whole at a glance")
        .about("Counts, rates, and what is used of memory and disk.")
        .answers_json(200, "The whole", reference("Overview"), examples::overview())
}

fn history() -> Operation {
    let names = Series::ALL.map(Series::name);
    let steps = Step::ALL.map(Step::name);
    Operation::new(TAG, (Method::GET, "/stats/history"), "getHistory", "Shows what was measured over time")
        .about(
            "Each second for 15 minutes, each minute for a day, each hour for 31 days; over restarts too. Minutes and \
             hours are means, those of `_max` and `items_done` the largest.",
        )
        .takes(json!({
            "name": "series",
            "in": "query",
            "description": "Only these, with commas between them",
            "schema": { "type": "array", "items": { "type": "string", "enum": names } },
            "explode": false,
            "allowEmptyValue": true,
        }))
        .query("step", "How far apart the values are", json!({ "type": "string", "enum": steps, "default": "1s" }))
        .invalid_query()
        .answers_json(200, "The values of each", reference("History"), examples::history())
}

fn metrics() -> Operation {
    let text = json!({
        "text/plain": {
            "schema": { "type": "string" },
            "example": "# HELP hive_items_done_total Items that were computed.\n# TYPE hive_items_done_total counter\n\
                        hive_items_done_total 1000000.0\n",
        },
    });
    Operation::new(TAG, (Method::GET, "/metrics"), "getMetrics", "Shows what there is to measure, for Prometheus")
        .about("In the text format 0.0.4: the numbers of `/stats`, commits, requests, connections and the process.")
        .answers_with(200, "All metrics", text)
}

fn events() -> Operation {
    Operation::new(TAG, (Method::GET, "/events"), "watchEvents", "Tells what changes, as it changes")
        .about(
            "A stream of server-sent events, which begins at once. When every place is taken it may end for a \
             newcomer; a client that comes back with `Last-Event-ID` within a minute is told what it missed. A token \
             that has `submit` and not `read` is told of its own tasks alone, and of no Drone and no overview.\n\nThe `schema` is of one event; `x-events` says \
             what its data is, by its name.",
        )
        .header(
            "Last-Event-ID",
            "The id of the last event that came, as `epoch-number`; what is not known (any more) is answered with \
             `reset`",
            json!({ "type": "string" }),
        )
        .answers_with(
            200,
            "Events, until the client, the Queen or the token goes",
            json!({
                "text/event-stream": {
                    "schema": reference("StreamEvent"),
                    "x-events": {
                        "task": reference("Task"),
                        "task-removed": reference("TaskRemoved"),
                        "result-changed": reference("ResultChanged"),
                        "finding": reference("FindingTold"),
                        "drone": reference("Drone"),
                        "overview": reference("Overview"),
                        "reset": reference("Reset"),
                    },
                    "example": { "event": "task-removed", "id": "1-8", "data": "{\"id\":7}" },
                },
            }),
        )
        .answer_header(
            200,
            "X-Accel-Buffering",
            "`no`: nginx passes it on as it comes",
            json!({
                "type": "string",
                "const": "no",
            }),
        )
}

/// One event of the stream, as its reader takes it apart.
pub(super) fn stream_event() -> Value {
    json!({
        "type": "object",
        "description": "A server-sent event",
        "properties": {
            "event": {
                "type": "string",
                "enum": ["task", "task-removed", "result-changed", "finding", "drone", "overview", "reset"],
                "description": "`task`, `drone` and `overview` have the newest view of the thing, at most some times \
                                a second for each; `reset` says that too much was missed, or changed at once: read \
                                everything anew",
            },
            "id": { "type": "string", "description": "For `Last-Event-ID`: `epoch-number`" },
            "data": { "type": "string", "contentMediaType": "application/json", "description": "What is told" },
        },
    })
}

fn healthz() -> Operation {
    Operation::new(TAG, (Method::GET, "/healthz"), "getHealth", "Tells whether the process answers")
        .about("By whatever `Host` it is asked.")
        .answers_json(200, "It does", reference("Health"), json!({ "status": "ok" }))
}

fn readyz() -> Operation {
    Operation::new(TAG, (Method::GET, "/readyz"), "getReadiness", "Tells whether new tasks are taken")
        .about("By whatever `Host` it is asked.")
        .answers_json(200, "They are", reference("Health"), json!({ "status": "ready", "recovered": 0 }))
        .refuses(
            StatusCode::SERVICE_UNAVAILABLE,
            "They are not: she takes over what was on disk at her start, nothing can be written, or tasks take all \
             that `--max-data` allows",
            "tasks take all that --max-data allows",
        )
}

fn description() -> Operation {
    let tag = || json!({ "type": "string" });
    Operation::new(TAG, (Method::GET, "/openapi.json"), "getDescription", "Shows this description")
        .header("If-None-Match", "The `ETag` of the version that is there already", tag())
        .answers_with(
            200,
            "A description in OpenAPI 3.1",
            json!({
                "application/json": { "schema": { "type": "object", "additionalProperties": true } },
            }),
        )
        .answer_header(200, "ETag", "The name of this version", tag())
        .answers(304, "The version that is there already is the newest")
        .answer_header(304, "ETag", "The name of this version", tag())
}
