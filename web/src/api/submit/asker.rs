//! How a task is asked for, apart from what it is.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::HeaderMap;

use super::keyed::Keyed;
use crate::access::Owner;
use crate::client::Client;
use crate::error::Problem;
use crate::hive::Hive;

/// Who asks for a task.
#[derive(Default)]
pub(super) struct Asker {
    /// Whose the task will be.
    pub(super) owner: Option<Owner>,
    /// Where they are.
    pub(super) address: Option<IpAddr>,
    /// Has an idempotency key.
    pub(super) keyed: Option<Keyed>,
    /// Waits for what comes of it.
    pub(super) waits: bool,
}

impl Asker {
    /// Who sends a request. `waits`: for what comes of it.
    pub(super) fn of(request: &Request, waits: bool) -> Self {
        let client = Client::of(request.extensions());
        let owner = client.and_then(|client| client.caller.owner());
        Self { owner, address: client.and_then(|client| client.address), keyed: None, waits }
    }

    /// Claims the idempotency key that the request has, if any.
    pub(super) async fn claim(self, hive: &dyn Hive, headers: &HeaderMap) -> Result<Self, Problem> {
        let token = self.owner.as_ref().map(|owner| owner.token);
        Ok(Self { keyed: Keyed::of(hive, headers, token).await?, ..self })
    }
}
