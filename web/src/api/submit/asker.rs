//! How a task is asked for, apart from what it is.

use axum::http::HeaderMap;

use super::keyed::Keyed;
use crate::App;
use crate::error::Problem;

/// Who asks for a task.
#[derive(Default)]
pub(super) struct Asker {
    /// Has an idempotency key.
    pub(super) keyed: Option<Keyed>,
    /// Waits for what comes of it.
    pub(super) waits: bool,
}

impl Asker {
    /// Claims the key that a request has, if any.
    pub(super) async fn of(app: &App, headers: &HeaderMap, waits: bool) -> Result<Self, Problem> {
        Ok(Self { keyed: Keyed::of(app, headers).await?, waits })
    }
}
