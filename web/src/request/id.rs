//! Ids in paths.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use crate::error::{Problem, shown};

/// The number in the path. What is not a number as ids are written, such as `+1` or `01`, names nothing.
pub(crate) struct Id(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(id) = Path::<String>::from_request_parts(parts, state).await?;
        let number = id.parse().ok().filter(|number: &u64| number.to_string() == id);
        number.map(Self).ok_or_else(|| {
            let detail = format!("`{}` is not an id; ids are whole numbers, such as 7", shown(&id));
            Problem::new(StatusCode::NOT_FOUND, detail)
        })
    }
}
