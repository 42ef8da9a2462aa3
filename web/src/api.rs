//! The REST API: one file a noun.

pub(crate) mod drones;
pub(crate) mod events;
pub(crate) mod form;
pub(crate) mod json;
pub(crate) mod prefer;
pub(crate) mod results;
pub(crate) mod stats;
pub(crate) mod submit;
pub(crate) mod tasks;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::Problem;

/// A query string; what is wrong with it comes out as a [`Problem`].
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Problem))]
pub(crate) struct Query<T>(pub(crate) T);

/// The number in the path. What is not a number names nothing.
pub(crate) struct Id(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let axum::extract::Path(id) = axum::extract::Path::<String>::from_request_parts(parts, state).await?;
        let number = id.parse().map_err(|_| {
            Problem::new(axum::http::StatusCode::NOT_FOUND, format!("`{id}` is not an id; ids are whole numbers"))
        })?;
        Ok(Self(number))
    }
}
