//! Small bodies: members of a JSON object, or the fields of a form of the page.

use axum::body::Bytes;
use axum::extract::Request;
use serde_json::Value;

use super::declared::{media_type, unsupported};
use super::frames::{Frames, Start};
use super::json;
use crate::error::Problem;
use crate::request::form;
use crate::room::Room;

/// The longest body, in bytes.
pub(super) const BODY_MAX: u64 = 64 << 10;

/// The members of the object that a body of JSON is.
///
/// # Errors
/// 415 with this detail if it is something else.
pub(crate) async fn members(room: &Room, request: Request, detail: &str) -> Result<Vec<(String, Value)>, Problem> {
    json::any_members(&json(room, request, &["application/json"], detail).await?)
}

/// A body of JSON, which is of one of these media types.
///
/// # Errors
/// 415 with this detail if it is something else.
pub(super) async fn json(room: &Room, request: Request, media_types: &[&str], detail: &str) -> Result<Bytes, Problem> {
    let media_type = media_type(request.headers())?;
    let mut frames = Frames::new(request.into_body());
    let is_json = match media_type.as_str() {
        // As `curl -d '{…}'` calls it.
        "application/x-www-form-urlencoded" | "" => frames.start().await? == Start::Json,
        media_type => media_types.contains(&media_type),
    };
    if !is_json {
        return Err(unsupported(detail.to_owned()));
    }
    frames.whole(BODY_MAX, &mut room.share()).await
}

/// What stands in the fields of a small form of the page.
pub(crate) async fn form_values(room: &Room, request: Request) -> Result<Vec<(String, String)>, Problem> {
    let body = Frames::new(request.into_body()).whole(BODY_MAX, &mut room.share()).await?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(form::pairs(&body).map(|(name, value)| (text(&name), text(&value))).collect())
}

/// A field of a form as an option; an empty one is null.
pub(crate) fn value((name, text): &(String, String)) -> (String, Value) {
    (name.clone(), if text.is_empty() { Value::Null } else { Value::from(text.as_str()) })
}
