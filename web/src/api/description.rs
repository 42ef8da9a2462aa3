//! `/openapi.json`: what can be asked for here, and what is answered, for programs (OpenAPI 3.1).
//!
//! What is asked stands in the site map, and who may ask it too: both are taken from there. The operations stand in
//! this folder, one file a noun; the things that they show are described by the types that are served.

mod access;
mod bulk;
mod drones;
mod examples;
mod operation;
mod options;
mod schemas;
mod search;
mod tasks;
mod whole;

use axum::body::Bytes;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use self::operation::{Operation, shared_answers};
use crate::assets::is_known;
use crate::routes::Route;

/// What stands at the head of the description, in Markdown.
const ABOUT: &str = include_str!("description/about.md");

/// Bytes of the description's SHA-256 that name its version.
const VERSION_BYTES: usize = 8;

/// The description, as it is served.
pub(crate) struct Description {
    body: Bytes,
    /// The name of its version.
    tag: HeaderValue,
}

impl Description {
    /// Of these routes.
    pub(crate) fn of(routes: &[Route]) -> Self {
        let mut body = serde_json::to_vec(&document(routes)).unwrap_or_default();
        body.push(b'\n');
        let version = const_hex::encode(&Sha256::digest(&body)[..VERSION_BYTES]);
        // Weak, because what is sent may be compressed on its way.
        let tag = HeaderValue::try_from(format!("W/\"{version}\"")).unwrap_or(HeaderValue::from_static("W/\"\""));
        Self { body: body.into(), tag }
    }

    /// Answers `GET /openapi.json`.
    pub(crate) fn answer(&self, headers: &HeaderMap) -> Response {
        let Self { body, tag } = self;
        let head = [(ETAG, tag.clone()), (CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
        if tag.to_str().is_ok_and(|tag| is_known(headers, tag)) {
            return (StatusCode::NOT_MODIFIED, head).into_response();
        }
        let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        (head, kind, body.clone()).into_response()
    }
}

/// In the order of OpenAPI's own examples.
#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    servers: Value,
    tags: Value,
    paths: Map<String, Value>,
    components: Value,
}

/// What is described of these routes: those of which there is an operation.
fn document(routes: &[Route]) -> Document {
    let mut operations: Vec<Operation> = Vec::new();
    for of_noun in [tasks::operations(), drones::operations(), access::operations(), whole::operations()] {
        operations.extend(of_noun);
    }
    let mut paths = Map::new();
    for operation in operations {
        let is_it = |route: &&Route| route.method == operation.method && route.path == operation.path;
        let Some(route) = routes.iter().find(is_it) else { continue };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] = operation.described(route.needs);
    }
    Document {
        openapi: "3.1.0",
        info: json!({
            "title": "The Hive",
            "summary": "Submits CPU-heavy hashing to a Queen, whose Drones compute it, and reads what came of it.",
            "description": ABOUT,
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
        }),
        servers: json!([{ "url": "/", "description": "The Queen who serves this description" }]),
        tags: json!([
            { "name": bulk::TAG, "description": "Strings to hash, and their digests; digests to search, and the strings that they are of" },
            { "name": drones::TAG, "description": "Who computes" },
            { "name": whole::TAG, "description": "The whole, what changes, and whether she is well" },
            { "name": access::TAG, "description": "Who may do what, and what was done" },
        ]),
        paths,
        components: json!({
            "schemas": schemas::all(),
            "responses": shared_answers(),
            "headers": {
                "RequestId": {
                    "description": "How the request is called: as its own `X-Request-Id` says, if it has one of at \
                                    most 64 letters, digits and `-._~:+/=@`",
                    "schema": { "type": "string" },
                    "required": true,
                },
            },
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "hive_ID_SECRET",
                    "description": "A token, as `POST /tokens` or `queen token create` makes it. The scopes that an \
                                    operation is listed with are what a token needs for it; of several lists, one is \
                                    enough. A Queen for whom no token was ever made needs none.",
                },
            },
        }),
    }
}
