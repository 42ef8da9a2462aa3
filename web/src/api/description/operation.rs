//! One operation: a method at a path, what it takes, and what it answers.

use std::collections::BTreeMap;

use axum::http::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::error::Problem;
use crate::model::{PAGE_DEFAULT, PAGE_MAX};
use crate::needs::Needs;

/// A header's name, and how it is described.
type AnswerHeader = (&'static str, fn() -> Value);

/// An answer that many operations have in common, and whose words are the same in all.
struct Shared {
    status: StatusCode,
    /// Its name among the components.
    name: &'static str,
    when: &'static str,
    detail: &'static str,
    /// A header that comes with it.
    header: Option<AnswerHeader>,
}

const SHARED: [Shared; 13] = [
    Shared {
        status: StatusCode::BAD_REQUEST,
        name: "Malformed",
        when: "The request cannot be read: more than one `Host` or `Authorization`, or a body that is not what it says",
        detail: "a request has exactly one `Host` header",
        header: None,
    },
    Shared {
        status: StatusCode::UNAUTHORIZED,
        name: "Unauthorized",
        when: "There is no token where one is needed, or one that is not valid, be one needed or not",
        detail: "this needs a token: send `Authorization: Bearer TOKEN`, or log in at /login",
        header: Some(("WWW-Authenticate", challenge)),
    },
    Shared {
        status: StatusCode::FORBIDDEN,
        name: "Forbidden",
        when: "A scope lacks, which `detail` names; or, of a write, a page of another site made a browser send it",
        detail: "this needs the scope `control`; token `ci` has submit",
        header: None,
    },
    Shared {
        status: StatusCode::REQUEST_TIMEOUT,
        name: "TooSlow",
        when: "The body stopped coming: nothing of it came in 30 seconds; or, while bodies take nearly all the room \
               there is, less than 1 KiB a second",
        detail: "the body stopped coming; nothing was created",
        header: None,
    },
    Shared {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        name: "TooLarge",
        when: "The body is too long; `limit` says how long it may be",
        detail: "the body is longer than the 65536 bytes that are allowed",
        header: None,
    },
    Shared {
        status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        name: "UnsupportedMediaType",
        when: "A body of this type cannot be read here, or it is encoded in a way that is not undone",
        detail: "`Content-Encoding: br` is not undone here; send the bytes as they are, or tasks with `Content-Encoding: gzip`",
        header: None,
    },
    Shared {
        status: StatusCode::EXPECTATION_FAILED,
        name: "ExpectationFailed",
        when: "The request has an `Expect` other than `100-continue`",
        detail: "`Expect: tea` is not known here; only `100-continue` is",
        header: None,
    },
    Shared {
        status: StatusCode::MISDIRECTED_REQUEST,
        name: "Misdirected",
        when: "The `Host` is not this Queen",
        detail: "`hive.example` is not served here; this is http://127.0.0.1:8081/ and http://localhost:8081/. A \
                 Queen with `--host hive.example` serves that name too",
        header: None,
    },
    Shared {
        status: StatusCode::TOO_MANY_REQUESTS,
        name: "TooMany",
        when: "One token, or one address without one, asks for more than it may",
        detail: "one token, or one address without a token, may have 64 event streams at a time; try again when there \
                 are fewer",
        header: Some(("Retry-After", retry_after)),
    },
    Shared {
        status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        name: "HeadTooLarge",
        when: "The head of the request is longer than 32 KiB; there is no body",
        detail: "",
        header: None,
    },
    Shared {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        name: "Internal",
        when: "Something is wrong on this side, or what is on disk is damaged; the Queen's log says more",
        detail: "the Queen failed at this; her log says more",
        header: None,
    },
    Shared {
        status: StatusCode::NOT_IMPLEMENTED,
        name: "NotImplemented",
        when: "The request has a `Transfer-Encoding` other than `chunked`",
        detail: "`Transfer-Encoding: gzip` is not undone here; send the body as it is, or in chunks",
        header: None,
    },
    Shared {
        status: StatusCode::SERVICE_UNAVAILABLE,
        name: "Unavailable",
        when: "Not now, for the reason given: she takes over what was on disk at her start, the disk takes no writes, \
               memory or disk space is used up, there is no room for the body, or every place is taken",
        detail: "every place is taken by a request that is being worked on",
        header: Some(("Retry-After", retry_after)),
    },
];

/// Those of [`SHARED`] by their status.
fn shared(status: StatusCode) -> Option<&'static Shared> {
    SHARED.iter().find(|shared| shared.status == status)
}

/// What many operations answer, for the components.
pub(super) fn shared_answers() -> Map<String, Value> {
    let described = |shared: &Shared| {
        // What is refused before it is read gets a bare answer.
        let mut answer = match shared.detail {
            "" => json!({ "description": shared.when }),
            detail => problem(shared.when, &Problem::new(shared.status, detail)),
        };
        if let Some((name, header)) = shared.header {
            answer["headers"][name] = header();
        }
        if !shared.detail.is_empty() {
            name(&mut answer);
        }
        (shared.name.to_owned(), answer)
    };
    SHARED.iter().map(described).collect()
}

/// Lets an answer say how its request is called.
fn name(answer: &mut Value) {
    answer["headers"]["X-Request-Id"] = json!({ "$ref": "#/components/headers/RequestId" });
}

fn challenge() -> Value {
    json!({
        "description": "How to say who asks (RFC 6750)",
        "schema": { "type": "string", "const": "Bearer realm=\"hive\"" },
    })
}

fn retry_after() -> Value {
    json!({
        "description": "After how many seconds it may help to try again",
        "schema": { "type": "integer", "minimum": 1 },
    })
}

/// A problem as an answer.
fn problem(when: &str, example: &Problem) -> Value {
    json!({
        "description": when,
        "content": {
            "application/problem+json": {
                "schema": reference("Problem"),
                "example": example.clone().with("request_id", "0d5c3a8e6f1b2794000000000000002a").body(),
            },
        },
    })
}

/// A schema that stands among the components.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A method at a path of the site map.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    tag: &'static str,
    id: &'static str,
    summary: &'static str,
    about: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
}

impl Operation {
    /// `id` is what a generated client calls it.
    pub(super) fn new(
        tag: &'static str,
        (method, path): (Method, &'static str),
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        let operation = Self {
            method,
            path,
            tag,
            id,
            summary,
            about: "",
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
        };
        match path {
            path if path.contains("{id}") => operation.takes(json!({
                "name": "id",
                "in": "path",
                "required": true,
                "description": "Which one; what is not written as ids are names nothing",
                "schema": { "type": "integer", "format": "int64", "minimum": 1 },
            })),
            _ => operation,
        }
    }

    /// What else is to be said, in Markdown.
    pub(super) fn about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// A parameter, as OpenAPI describes it.
    pub(super) fn takes(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// One in the query string, which may be left out, or be empty, which means the same.
    pub(super) fn query(self, name: &str, about: &str, schema: Value) -> Self {
        self.takes(json!({
            "name": name,
            "in": "query",
            "description": about,
            "schema": schema,
            "allowEmptyValue": true,
        }))
    }

    /// One in a header, which may be left out.
    pub(super) fn header(self, name: &str, about: &str, schema: Value) -> Self {
        self.takes(json!({ "name": name, "in": "header", "description": about, "schema": schema }))
    }

    /// A body, in one of these media types.
    pub(super) fn body(self, is_required: bool, about: &str, content: Value) -> Self {
        let body = json!({ "required": is_required, "description": about, "content": content });
        let with_body = Self { body: Some(body), ..self };
        [StatusCode::REQUEST_TIMEOUT, StatusCode::UNSUPPORTED_MEDIA_TYPE].into_iter().fold(with_body, Self::shared)
    }

    /// An answer without a body.
    pub(super) fn answers(mut self, status: u16, about: &str) -> Self {
        self.answers.insert(status, json!({ "description": about }));
        self
    }

    /// An answer with one in one of these media types.
    pub(super) fn answers_with(self, status: u16, about: &str, content: Value) -> Self {
        let mut answered = self.answers(status, about);
        answered.answer(status)["content"] = content;
        answered
    }

    /// An answer in JSON.
    pub(super) fn answers_json(self, status: u16, about: &str, schema: Value, example: Value) -> Self {
        self.answers_with(status, about, json!({ "application/json": { "schema": schema, "example": example } }))
    }

    /// A header of an answer that was described.
    pub(super) fn answer_header(mut self, status: u16, name: &str, about: &str, schema: Value) -> Self {
        self.answer(status)["headers"][name] = json!({ "description": about, "schema": schema });
        self
    }

    /// What can be done with what an answer shows: these operations take its `member` as their parameter `name`.
    pub(super) fn leads_to(mut self, status: u16, name: &str, member: &str, operations: &[&str]) -> Self {
        for id in operations {
            let parameters = json!({ name: format!("$response.body#/{member}") });
            self.answer(status)["links"][id] = json!({ "operationId": id, "parameters": parameters });
        }
        self
    }

    /// A problem that is this operation's own, or has reasons of its own.
    pub(super) fn refuses(self, status: StatusCode, when: &str, detail: &str) -> Self {
        self.refuses_with(when, Problem::new(status, detail))
    }

    /// The same with a whole problem as its example.
    pub(super) fn refuses_with(mut self, when: &str, example: Problem) -> Self {
        let status = example.status;
        let mut answer = problem(when, &example);
        if let Some((name, header)) = shared(status).and_then(|shared| shared.header) {
            answer["headers"][name] = header();
        }
        self.answers.insert(status.as_u16(), answer);
        self
    }

    /// 422 for what its query has.
    pub(super) fn invalid_query(self) -> Self {
        let when = "A query parameter is unknown, given twice, or has a value that is none; `path` names it";
        let detail = "`limit` is a whole number from 1 to 1000, not 0";
        self.refuses_with(when, Problem::invalid(detail).with("path", "limit"))
    }

    /// 422 for what its body has, as JSON of at most 64 KiB.
    pub(super) fn invalid_body(self, detail: &str) -> Self {
        let when = "It is JSON, but makes no sense: a member is unknown, given twice, or has a value that is none; \
                    `path` names it";
        self.refuses_with(when, Problem::invalid(detail))
    }

    /// The query of a list that is shown in parts.
    pub(super) fn page(self) -> Self {
        let limit = json!({ "type": "integer", "minimum": 1, "maximum": PAGE_MAX, "default": PAGE_DEFAULT });
        let cursor = "Where this part begins: the `next_cursor` of the one before";
        self.query("limit", "The most entries", limit)
            .query("cursor", cursor, json!({ "type": "string" }))
            .invalid_query()
    }

    fn answer(&mut self, status: u16) -> &mut Value {
        self.answers.entry(status).or_insert_with(|| json!({}))
    }

    /// An answer that it shares with others, unless it has one of its own.
    fn shared(mut self, status: StatusCode) -> Self {
        if let Some(Shared { name, .. }) = shared(status) {
            let answer = || json!({ "$ref": format!("#/components/responses/{name}") });
            self.answers.entry(status.as_u16()).or_insert_with(answer);
        }
        self
    }

    /// What every operation that needs this answers as well.
    fn with_shared_answers(self, needs: Needs) -> Self {
        let is_read = self.method == Method::GET;
        // Whether she is well, a load balancer asks by whatever name it has, and without a place of its own.
        let is_probe = matches!(self.path, "/healthz" | "/readyz");
        let always = [
            StatusCode::BAD_REQUEST,
            StatusCode::UNAUTHORIZED,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::EXPECTATION_FAILED,
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            StatusCode::INTERNAL_SERVER_ERROR,
            StatusCode::NOT_IMPLEMENTED,
        ];
        let at_times = [
            (StatusCode::FORBIDDEN, needs != Needs::Nothing || !is_read),
            (StatusCode::MISDIRECTED_REQUEST, !is_probe),
            (StatusCode::SERVICE_UNAVAILABLE, !is_probe),
        ];
        let at_times = at_times.into_iter().filter_map(|(status, comes)| comes.then_some(status));
        always.into_iter().chain(at_times).fold(self, Self::shared)
    }

    /// As OpenAPI describes it, for who has what it needs.
    pub(super) fn described(self, needs: Needs) -> Value {
        let Self { tag, id, summary, about, parameters, body, answers, .. } = self.with_shared_answers(needs);
        let about = match needs {
            Needs::Nothing => about.to_owned(),
            needs => format!("{about}\n\nNeeds {}.", needs.scope()).trim_start().to_owned(),
        };
        let answers = answers.into_iter().map(|(status, mut answer)| {
            if answer.get("$ref").is_none() {
                name(&mut answer);
            }
            (status.to_string(), answer)
        });
        let answers: Map<String, Value> = answers.collect();
        let mut described = json!({
            "tags": [tag],
            "operationId": id,
            "summary": summary,
            "parameters": parameters,
            "responses": answers,
            "security": security(needs),
        });
        if !about.is_empty() {
            described["description"] = about.into();
        }
        if let Some(body) = body {
            described["requestBody"] = body;
        }
        described
    }
}

/// What a token has to have: one of these lists of scopes. What they include is not said again.
fn security(needs: Needs) -> Value {
    match needs {
        Needs::Nothing => json!([]),
        Needs::Read => json!([{ "bearer": ["read"] }]),
        Needs::SeeTasks => json!([{ "bearer": ["read"] }, { "bearer": ["submit"] }]),
        Needs::Submit | Needs::ChangeTask => json!([{ "bearer": ["submit"] }]),
        Needs::Control => json!([{ "bearer": ["control"] }]),
        Needs::Admin => json!([{ "bearer": ["admin"] }]),
    }
}
