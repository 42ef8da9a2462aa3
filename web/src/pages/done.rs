//! The way back from a form that did something.

use axum::Extension;
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::told::{Did, Told};

/// Leads to a page, which tells what was done to the task, the Drone, the token or the session with this number.
pub(super) fn done(did: Did, to: u64, page: &str) -> Response {
    (Extension(Told::new(did, to)), Redirect::to(page)).into_response()
}
