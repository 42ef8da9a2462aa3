//! Static files: in the binary (in debug builds read from `static/`), under addresses that
//! change with their content, so that a browser may keep them for ever.

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::error::Problem;
use crate::needs::Needs;
use crate::request::query::Query;
use crate::routes::Routes;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/../static"]
struct Files;

/// Bytes of a file's SHA-256 that name its version.
const VERSION_BYTES: usize = 8;

/// Everything under `/static`.
pub(crate) fn routes() -> Routes {
    Routes::new().get("/static/{*name}", Needs::Nothing, file)
}

/// The address of a static file, with its version.
pub(crate) fn url(name: &str) -> String {
    match Files::get(name) {
        Some(file) => format!("/static/{name}?v={}", version(&file)),
        None => format!("/static/{name}"),
    }
}

fn version(file: &EmbeddedFile) -> String {
    const_hex::encode(&file.metadata.sha256_hash()[..VERSION_BYTES])
}

async fn file(Path(name): Path<String>, mut query: Query, headers: HeaderMap) -> Result<Response, Problem> {
    let not_found = || Problem::new(StatusCode::NOT_FOUND, format!("there is no file {name:?}"));
    let file = Files::get(&name).ok_or_else(not_found)?;
    let version = version(&file);
    // Weak, because what is sent may be compressed on its way.
    let tag = format!("W/\"{version}\"");
    let caching = match query.text("v")?.is_some_and(|asked| asked == version) {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let head = [(ETAG, tag.clone()), (CACHE_CONTROL, caching.to_owned())];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    Ok((head, [(CONTENT_TYPE, content_type(&name))], file.data).into_response())
}

/// Whether the client has this version (RFC 9110, section 13.1.2: a weak comparison).
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = tag.trim_start_matches("W/");
    let mut tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.any(|list| list.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == opaque))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
