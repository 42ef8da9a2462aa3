//! What a request changes of a task that is there.

use axum::extract::Request;
use serde_json::Value;

use super::declared::{media_type, unsupported};
use super::frames::Frames;
use super::json;
use super::members::{self, BODY_MAX, value};
use crate::error::Problem;
use crate::hive::Amendment;
use crate::options::{self, renewed_deadline};
use crate::room::Room;

/// The changes that a body of JSON asks for (RFC 7396).
pub(crate) async fn amendment(room: &Room, request: Request) -> Result<Amendment, Problem> {
    const DETAIL: &str = "changes are JSON, such as {\"priority\":5}, sent as application/json or \
                          application/merge-patch+json";
    let media_types = ["application/json", "application/merge-patch+json"];
    options::amendment(json::members(&members::json(room, request, &media_types, DETAIL).await?)?)
}

/// The new deadline that a retry asks for: its body is JSON, or there is none.
pub(crate) async fn renewal(room: &Room, request: Request) -> Result<Option<Option<u32>>, Problem> {
    let media_type = media_type(request.headers())?;
    let body = Frames::new(request.into_body()).whole(BODY_MAX, &mut room.share()).await?;
    let body = body.trim_ascii();
    if body.is_empty() {
        return Ok(None);
    }
    let is_json = match media_type.as_str() {
        "application/json" => true,
        // As `curl -d '{…}'` calls it.
        "application/x-www-form-urlencoded" | "" => body.starts_with(b"{"),
        _ => false,
    };
    if !is_json {
        let detail = "a retry takes JSON, such as {\"deadline_seconds\":3600}, sent as application/json, or no body";
        return Err(unsupported(detail.to_owned()));
    }
    renewed_deadline(json::members(body)?)
}

/// The new deadline that the page's form asks for; an empty field leaves it as it is, unless the box takes it away.
pub(crate) fn renewal_of_form(values: &[(String, String)]) -> Result<Option<Option<u32>>, Problem> {
    let (boxes, fields): (Vec<_>, Vec<_>) = values.iter().partition(|(name, _)| name == "no_deadline");
    let said = fields.into_iter().filter(|(name, text)| name != "deadline_seconds" || !text.is_empty());
    Ok(renewed_deadline(said.map(value))?.or((!boxes.is_empty()).then_some(None)))
}

/// The changes that the page's form asks for; an empty field means the default, but for the
/// deadline, which stays then, and has a box for taking it away.
pub(crate) fn amendment_of_form(values: &[(String, String)]) -> Result<Amendment, Problem> {
    let is_said = |(name, text): &&(String, String)| name != "deadline_seconds" || !text.is_empty();
    let no_deadline = ("deadline_seconds".to_owned(), Value::Null);
    options::amendment(values.iter().filter(is_said).map(|pair| match pair.0.as_str() {
        "no_deadline" => no_deadline.clone(),
        _ => value(pair),
    }))
}
