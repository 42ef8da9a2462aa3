//! The REST API: one file a noun.

mod cursor;
pub(crate) mod description;
pub(crate) mod drones;
pub(crate) mod events;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod log;
pub(crate) mod prefer;
pub(crate) mod query;
pub(crate) mod results;
pub(crate) mod secrets;
pub(crate) mod stats;
pub(crate) mod submit;
pub(crate) mod tasks;
pub(crate) mod tokens;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::{Problem, shown};

/// The number in the path. What is not a number as ids are written, such as `+1` or `01`, names nothing.
pub(crate) struct Id(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(id) = axum::extract::Path::<String>::from_request_parts(parts, state).await?;
        let number = id.parse().ok().filter(|number: &u64| number.to_string() == id);
        number.map(Self).ok_or_else(|| {
            let detail = format!("`{}` is not an id; ids are whole numbers, such as 7", shown(&id));
            Problem::new(axum::http::StatusCode::NOT_FOUND, detail)
        })
    }
}
