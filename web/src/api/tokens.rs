//! `/tokens`

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::json::{self, Json};
use super::submit;
use crate::access::{NewToken, NewTokenError, Scope, Scopes, TokenId};
use crate::deeds::Administration;
use crate::error::{Problem, shown};
use crate::hive::Access;
use crate::model::TokenList;
use crate::options::whole;
use crate::request::id::Id;
use crate::room::Room;

/// `GET /tokens`: the valid ones, the oldest first.
pub(crate) async fn list(State(access): State<Arc<dyn Access>>) -> Result<Json<TokenList>, Problem> {
    Ok(Json(TokenList { tokens: access.tokens().await? }))
}

/// `POST /tokens`: the answer has the token itself, which nobody is shown again.
pub(crate) async fn create(
    administration: Administration,
    State(access): State<Arc<dyn Access>>,
    State(room): State<Room>,
    request: Request,
) -> Result<Response, Problem> {
    const DETAIL: &str = "a token is asked for in JSON, such as {\"name\":\"ci\",\"scopes\":[\"submit\"]}, sent as \
                          application/json";
    let members = submit::members(&room, request, DETAIL).await?;
    let (view, token) = administration.create_token(new_token(&*access, members)?).await?;
    let token = Value::from(token).to_string();
    Ok((StatusCode::CREATED, json::object(&view, Some(("token", token.as_bytes())))).into_response())
}

/// `DELETE /tokens/{id}`
pub(crate) async fn revoke(administration: Administration, Id(id): Id) -> Result<StatusCode, Problem> {
    administration.revoke_token(TokenId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token that a request asks for.
pub(crate) fn new_token(access: &dyn Access, members: Vec<(String, Value)>) -> Result<NewToken, Problem> {
    let new = read(members)?;
    new.check(!access.is_closed()).map_err(refused)?;
    Ok(new)
}

fn read(members: Vec<(String, Value)>) -> Result<NewToken, Problem> {
    let (mut name, mut scopes, mut expires_seconds) = (None, None, None);
    for (member, value) in members {
        let is_again = match member.as_str() {
            "name" => name.replace(read_name(&value).map_err(refused)?).is_some(),
            "scopes" => scopes.replace(read_scopes(&value).map_err(refused)?).is_some(),
            "expires_seconds" => expires_seconds.replace(read_expiry(&value).map_err(refused)?).is_some(),
            _ => {
                let detail = format!("a token has no `{}`; it has: name, scopes, expires_seconds", shown(&member));
                return Err(fault(&shown(&member), detail));
            }
        };
        if is_again {
            return Err(fault(&member, format!("`{member}` is given twice")));
        }
    }
    let lacks = |name: &str, what: &str| fault(name, format!("a token needs {what}: give `{name}`"));
    Ok(NewToken {
        name: name.ok_or_else(|| lacks("name", "a name"))?,
        scopes: scopes.ok_or_else(|| lacks("scopes", "something that it is for"))?,
        expires_seconds: expires_seconds.flatten(),
    })
}

fn read_name(value: &Value) -> Result<String, NewTokenError> {
    value.as_str().map(str::to_owned).ok_or(NewTokenError::Name)
}

fn read_scopes(value: &Value) -> Result<Scopes, NewTokenError> {
    let scopes = value.as_array().ok_or(NewTokenError::Scopes)?.iter();
    scopes.map(|scope| scope.as_str()?.parse::<Scope>().ok()).collect::<Option<_>>().ok_or(NewTokenError::Scopes)
}

fn read_expiry(value: &Value) -> Result<Option<u64>, NewTokenError> {
    if value.is_null() {
        return Ok(None);
    }
    let seconds = whole(value).and_then(|seconds| u64::try_from(seconds).ok());
    seconds.or_else(|| value.as_str()?.parse().ok()).map(Some).ok_or(NewTokenError::Expiry)
}

fn refused(error: NewTokenError) -> Problem {
    fault(error.member(), error.to_string())
}

fn fault(name: &str, detail: String) -> Problem {
    Problem::invalid(detail).with("path", name)
}
