//! `/secrets`

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::json::{self, Json};
use super::submit;
use crate::access::NAME_MAX;
use crate::deeds::Administration;
use crate::error::{Problem, shown};
use crate::hive::Access;
use crate::model::SecretList;
use crate::room::Room;

/// `GET /secrets`: by name.
pub(crate) async fn list(State(access): State<Arc<dyn Access>>) -> Result<Json<SecretList>, Problem> {
    Ok(Json(SecretList { secrets: access.secrets().await? }))
}

/// `POST /secrets`: the answer has the join file, which nobody is shown again.
pub(crate) async fn create(
    administration: Administration,
    State(room): State<Room>,
    request: Request,
) -> Result<Response, Problem> {
    const DETAIL: &str = "a secret is asked for in JSON, such as {\"name\":\"lab\"}, sent as application/json";
    let members = submit::members(&room, request, DETAIL).await?;
    let (view, join_file) = administration.create_secret(name(members)?).await?;
    let join_file = Value::from(join_file).to_string();
    Ok((StatusCode::CREATED, json::object(&view, Some(("join_file", join_file.as_bytes())))).into_response())
}

/// `DELETE /secrets/{name}`
pub(crate) async fn revoke(administration: Administration, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    administration.revoke_secret(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The name of the secret that a request asks for.
pub(crate) fn name(members: Vec<(String, Value)>) -> Result<String, Problem> {
    let fault = |name: &str, detail: String| Problem::invalid(detail).with("path", name);
    let mut name = None;
    for (member, value) in members {
        if member != "name" {
            let detail = format!("a secret has no `{}`; it has a `name` alone", shown(&member));
            return Err(fault(&shown(&member), detail));
        }
        if name.replace(value).is_some() {
            return Err(fault("name", "`name` is given twice".to_owned()));
        }
    }
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    // What is all dots would be another path's name in an address.
    let is_name =
        |name: &&str| (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_part) && !name.starts_with('.');
    let name = name.as_ref().and_then(Value::as_str).filter(is_name);
    name.map(str::to_owned).ok_or_else(|| {
        let detail = format!(
            "a secret's name is 1 to {NAME_MAX} letters and digits of ASCII, dashes, underscores and dots, and begins \
             with no dot"
        );
        fault("name", detail)
    })
}
