//! `/tasks`: creating, watching and changing tasks, and reading their results.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operation::{Operation, reference};
use super::options;
use super::{bulk, examples};
use crate::api::download::{ListFormat, no_end};
use crate::api::prefer::WAIT_MAX;
use crate::error::Problem;
use crate::hive::{Order, SortBy};
use crate::model::{CELLS_MAX, PAGE_MAX};

const TAG: &str = bulk::TAG;

/// All of this noun.
pub(super) fn operations() -> Vec<Operation> {
    vec![
        create(),
        list(),
        failures(),
        bulk::change(),
        bulk::show(),
        show(),
        results(),
        coverage(),
        history(),
        amend(),
        pause(),
        resume(),
        cancel(),
        retry(),
        remove(),
    ]
}

fn of_a_task(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new(TAG, (method, path), id, summary)
        .refuses(
            StatusCode::NOT_FOUND,
            "There is no such task, or it is another's and the token sees its own alone",
            "there is no task 7",
        )
        .refuses(StatusCode::GONE, "There was such a task, and it was removed", "task 7 was removed")
}

fn create() -> Operation {
    let invalid = "It can be read, but makes no sense: an unknown option, a value that is none, an input that is too \
                   long or not in its encoding, no input, or another task under an `Idempotency-Key` that is taken. \
                   `line`, `column`, `path`, `index` and `character` say where";
    let operation = Operation::new(TAG, (Method::POST, "/tasks"), "createTask", "Creates a task")
        .about(
            "Or, with `each=task`, one for every input. In JSON, options are members beside the inputs; with every \
             other body they are query parameters, or fields of the form. Keys and salts are no query parameters \
             (400), since addresses are kept in histories and logs; beside a body that has no place for them they are \
             headers. An option that is unknown, given twice, or does not belong to the algorithm is refused.\n\nText, \
             NDJSON and files are streamed; JSON and forms are at most 64 MiB long. A body that breaks off creates \
             nothing. A body without a media type is JSON if it begins with `{`, else text; what says that it is a \
             form and begins with `{` is JSON.",
        )
        .body(true, "The inputs, of which there is at least one of at most 4 MiB each, or a search, which has none; and in some the options", {
            options::bodies()
        });
    let location = json!({ "type": "string", "format": "uri-reference", "pattern": "^/tasks/[0-9]+$" });
    options::take_all(operation)
        .header(
            "Idempotency-Key",
            "A name for this request, best a new UUID, so that it can be sent again without creating a second task, \
             for 24 hours: 1 to 255 visible ASCII characters, in quotes or without",
            json!({ "type": "string", "pattern": IDEMPOTENCY_KEY }),
        )
        .header("Prefer", PREFER, wait())
        .answers_json(201, "The task is on disk", reference("Task"), examples::pending_task())
        .answer_header(201, "Location", "Where the task is", location.clone())
        .answer_header(201, "Preference-Applied", APPLIED, wait())
        .answers_json(
            200,
            "With `Prefer: wait=N`: the task is on disk, all of it is computed, and here are its results if they are \
             few; whether they are on disk is not waited for. With `dry_run=1`: what the task would take",
            json!({ "oneOf": [reference("Task"), reference("Estimate")] }),
            examples::done_task(),
        )
        .answer_header(200, "Location", "Where the task is, if there is one", location)
        .leads_to(200, "id", "id", &WITH_A_TASK)
        .leads_to(201, "id", "id", &WITH_A_TASK)
        .answer_header(200, "Preference-Applied", APPLIED, wait())
        .refuses(
            StatusCode::BAD_REQUEST,
            "The body is not what it says, the `Idempotency-Key` is none, or a key or salt stands in the address",
            "this is not JSON: expected value (line 1, column 10)",
        )
        .refuses(
            StatusCode::CONFLICT,
            "The first request with this `Idempotency-Key` is still under way: try again when it is over",
            "a request with this idempotency key is still under way; try again when it is over",
        )
        .refuses(
            StatusCode::GONE,
            "The task that was created with this `Idempotency-Key` was removed since",
            "task 7 was removed",
        )
        .refuses(
            StatusCode::PAYLOAD_TOO_LARGE,
            "The body is too long, which `limit` says, or what stands before a form field's value; or the task alone \
             would take more than `--max-data` allows",
            "the body is longer than the 67108864 bytes that are allowed; more goes as text/plain or \
             application/x-ndjson",
        )
        .refuses_with(
            invalid,
            Problem::invalid("`priority` is a whole number from -100 to 100, not 101").with("path", "priority"),
        )
}

/// What can be done with a task.
const WITH_A_TASK: [&str; 9] = [
    "getTask",
    "getResults",
    "getCoverage",
    "amendTask",
    "pauseTask",
    "resumeTask",
    "cancelTask",
    "retryTask",
    "deleteTask",
];

/// A structured field's string (RFC 9651), or what needs no quotes.
const IDEMPOTENCY_KEY: &str = r#"^("[!#-\[\]-~]{1,255}"|[!#-+\--:<-\[\]-~]{1,255})$"#;

const PREFER: &str = "`wait=N` waits until the task has ended, for at most so many seconds (RFC 7240)";
const APPLIED: &str = "What was taken of `Prefer`";

/// What does not say how long to wait is no preference, and no mistake.
fn wait() -> Value {
    json!({ "type": "string", "examples": [format!("wait={WAIT_MAX}")] })
}

fn failures() -> Operation {
    let example = json!({ "failures": [{
        "reason": "its deadline passed before all of it was computed", "blamed_on": "deadline", "count": 12, "last": 7,
    }] });
    Operation::new(TAG, (Method::GET, "/tasks/failures"), "listFailures", "Says why tasks failed")
        .about("Reasons that begin alike are one; each finds its tasks as `reason` in `GET /tasks` and `POST /tasks/bulk`.")
        .answers_json(200, "The most frequent first", reference("FailureList"), example)
}

fn list() -> Operation {
    Operation::new(TAG, (Method::GET, "/tasks"), "listTasks", "Lists tasks, newest first")
        .about(
            "A batch is one entry. A token that has `submit` and not `read` gets its own tasks alone. What is looked at \
             for one part has a bound: a part may have fewer entries than `limit`, or none, and the list is over only \
             where `next_cursor` is null.",
        )
        .filtered()
        .query("sort", SORT, json!({ "type": "string", "enum": orders(), "default": "id" }))
        .page()
        .answers_json(
            200,
            "A part of the list",
            reference("TaskList"),
            json!({ "tasks": [examples::pending_task()], "next_cursor": "aWQ6MDo3" }),
        )
}

const SORT: &str = "By what the list is sorted, and with `-` the other way round: the newest task first; or the one that \
                    ended last, of those that have ended; or the one of which most is done, or the most urgent one, of \
                    those that have not";

/// The orders that a list can have.
fn orders() -> Vec<String> {
    let both = |by| [false, true].map(|reversed| Order { by, reversed }.to_string());
    SortBy::ALL.into_iter().flat_map(both).collect()
}

fn show() -> Operation {
    of_a_task(Method::GET, "/tasks/{id}", "getTask", "Shows a task")
        .about("With `Prefer: wait=N`, when the task has ended, on disk as well, or the time is over.")
        .header("Prefer", PREFER, wait())
        .answers_json(200, "The task, with its results if it is done and they are few", reference("Task"), {
            examples::done_task()
        })
        .answer_header(200, "Preference-Applied", APPLIED, wait())
}

fn results() -> Operation {
    let flag = || json!({ "type": "boolean", "default": false });
    of_a_task(Method::GET, "/tasks/{id}/results", "getResults", "Streams a task's results")
        .about(
            "In index order; those of a search are its findings, which `offset` and `limit` count, or with `not_found=1` \
             the digests that it was given and has not found, ascending. While the task runs, there is the finished part without gaps from the first input on; \
             NDJSON always ends with a line that says where it stands (`ResultsEnd`), and a body without that line was \
             cut off. In a batch's results, `DetachedResult` stands for a task that has left it, was deleted or failed. \
             The format may come from `Accept` as well.",
        )
        .query("format", "How they are written; `Accept` decides if it is left out, and else it is `ndjson`", json!({
            "type": "string",
            "enum": crate::api::results::formats(),
        }))
        .query("offset", "The index of the first", json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX, "default": 0 }))
        .query("limit", "The most results; all that there are if it is left out", json!({
            "type": "integer",
            "minimum": 0, "maximum": u64::MAX,
        }))
        .query(
            "partial",
            "1: CSV and text of a task that is not done, and without tasks that have left their batch, which they \
             cannot say of themselves",
            flag(),
        )
        .query(
            "not_found",
            "1: of a search for digests that were given, those that it has not found by now. They are complete when the \
             search is done and has searched all candidates: a search that has found enough has not",
            flag(),
        )
        .query("input", "Only results of this input, as it was given, or of this candidate of a search", json!({ "type": "string" }))
        .query(
            "digest",
            "Only results with this digest. At most 100 results of what is looked for are sent, and it is looked for \
             five seconds: `next_offset` says where that ended",
            json!({ "type": "string", "pattern": "^[0-9a-fA-F]{64}$" }),
        )
        .query("download", "1: browsers save it as a file", flag())
        .answers_with(200, "The results that there are", json!({
            "application/x-ndjson": {
                "schema": { "type": "string", "description": "A `Result` or a `DetachedResult`, or of a search a `Finding`, or a `DigestNotFound`, a line, and a `ResultsEnd`" },
                "example": examples::ndjson(),
            },
            "text/csv": {
                "schema": { "type": "string", "description": "RFC 4180, with a header line: `index,input,digest,input_base64`; of a search `index,plain,digest,plain_base64`, and of what it has not found `digest`" },
                "example": examples::csv(),
            },
            "text/plain": {
                "schema": { "type": "string", "description": "The digest, two spaces, the input with all its bytes; of a search a line of a potfile, `digest:plain`, and of what it has not found the digest" },
                "example": examples::text(),
            },
        }))
        .answer_header(200, "Content-Disposition", "With `download=1`: the name of the file", json!({ "type": "string" }))
        .answer_header(200, "Vary", "That `Accept` decides", json!({ "type": "string" }))
        .refuses(
            StatusCode::NOT_ACCEPTABLE,
            "None of the formats is accepted; or it is text, and an input has a line feed, whose `index` is told",
            "input 3 contains a line feed, so that lines of text are ambiguous; take `format=ndjson` or `csv`",
        )
        .refuses(
            StatusCode::CONFLICT,
            "CSV and text cannot say that they are incomplete: the task is not done, or tasks have left the batch; or it \
             is no search for digests that were given, and `not_found=1` asks for them",
            "task 7 is running with 10 of 20 inputs done, and csv cannot say that it is incomplete: ask again when it \
             is done, add `partial=1`, or take `format=ndjson`",
        )
        .invalid_query()
        .refuses_with("CSV and text are not sent over HTTP/1.0, where what broke off looks complete", no_end("csv"))
}

fn history() -> Operation {
    of_a_task(Method::GET, "/tasks/{id}/history", "getTaskHistory", "Shows how a task went since it began to run")
        .about("As far as it was seen, once a second: nothing of a task that ran for less.")
        .answers_json(200, "Its rate, and its states", reference("TaskHistory"), examples::task_history())
}

fn coverage() -> Operation {
    let lines = |about: &str| json!({ "type": "string", "description": about });
    of_a_task(
        Method::GET,
        "/tasks/{id}/coverage",
        "getCoverage",
        "Shows what has become of each part of a task, and by whom",
    )
    .about(
        "Spans of the task's indices, each with its state and who computed it or has it. Of a search they are the \
             ledger: with the marks that were reported, how many were to be expected, and whether that proves it. They \
             have neither a gap nor an overlap. As NDJSON and CSV all of it is sent, as JSON one page. With `cells`, \
             all of it comes at once in so many equal parts, and nothing else may be asked for.",
    )
    .query(
        "format",
        "How it is written; `json` if it is left out",
        json!({
            "type": "string",
            "enum": ListFormat::names(),
        }),
    )
    .query(
        "cells",
        "The task in so many cells, fewer if it has fewer indices",
        json!({
            "type": "integer", "minimum": 1, "maximum": CELLS_MAX,
        }),
    )
    .query("from", "The first index", json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX, "default": 0 }))
    .query(
        "limit",
        "The most spans of a page",
        json!({
            "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_MAX,
        }),
    )
    .query("download", "1: browsers save it as a file", json!({ "type": "boolean", "default": false }))
    .answers_with(
        200,
        "What is known of them",
        json!({
            "application/json": {
                "schema": { "oneOf": [reference("CoverageList"), reference("Honeycomb")] },
                "examples": {
                    "spans": { "value": examples::coverage() },
                    "cells": { "value": examples::honeycomb() },
                },
            },
            "application/x-ndjson": {
                "schema": lines("A `Span` a line, and a last line `{\"end\":true,\"count\":…,\"total\":…}`, without \
                                 which it was cut off"),
            },
            "text/csv": {
                "schema": lines("RFC 4180, with a header line: \
                                 `from,to,drone,drone_name,marks,expected,verdict,rate,at,state,leases,attempts`"),
            },
        }),
    )
    .answer_header(200, "Content-Disposition", "With `download=1`: the name of the file", json!({ "type": "string" }))
    .invalid_query()
    .refuses_with("CSV is not sent over HTTP/1.0, where what broke off looks complete", no_end("csv"))
}

fn changes(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    of_a_task(method, path, id, summary)
        .answers_json(200, "The task as it is now", reference("Task"), examples::pending_task())
        .refuses(StatusCode::CONFLICT, "Its state forbids it", "task 7 (bees) is done already")
}

fn amend() -> Operation {
    let body = || json!({ "schema": reference("Amendment"), "example": { "priority": 5, "deadline_seconds": null } });
    changes(Method::PATCH, "/tasks/{id}", "amendTask", "Changes a task's priority, name or deadline")
        .about(
            "Of a task that has not ended. A lower priority lets others go first at once: what Drones hold of the task \
             is taken back, and given anew.",
        )
        .body(
            true,
            "What is to change, in at most 64 KiB",
            json!({
                "application/json": body(),
                "application/merge-patch+json": body(),
            }),
        )
        .invalid_body("`colour` cannot be changed; these can: priority, name, deadline_seconds")
}

fn pause() -> Operation {
    changes(Method::POST, "/tasks/{id}/pause", "pauseTask", "Holds a task back")
        .about("Nothing more of it is given to Drones, until it is resumed. It may be repeated.")
}

fn resume() -> Operation {
    changes(Method::POST, "/tasks/{id}/resume", "resumeTask", "Goes on with a task")
        .about("One that is not paused is resumed already.")
}

fn cancel() -> Operation {
    changes(Method::POST, "/tasks/{id}/cancel", "cancelTask", "Stops a task")
        .about("Its Drones are free at once. One that is cancelled already stays so.")
}

fn retry() -> Operation {
    changes(Method::POST, "/tasks/{id}/retry", "retryTask", "Begins a failed or cancelled task again")
        .about(
            "The results that are there stay, and only what is missing is computed. A task whose deadline has passed \
             would fail again, so it is refused unless the body gives it a new one, or none.",
        )
        .body(
            false,
            "A new deadline, in at most 64 KiB",
            json!({
                "application/json": { "schema": reference("Renewal"), "example": { "deadline_seconds": 3600 } },
            }),
        )
        .invalid_body("`name` is not for a retry, which takes deadline_seconds alone")
}

fn remove() -> Operation {
    of_a_task(Method::DELETE, "/tasks/{id}", "deleteTask", "Forgets a task that has ended")
        .about("Its id answers 410 from then on.")
        .answers(204, "It is forgotten, on disk too")
        .refuses(StatusCode::CONFLICT, "It has not ended", "task 7 is running: cancel it first")
}
