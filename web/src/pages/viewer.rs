//! Who reads a page, as far as the page has to know: it offers only what they may do.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::access::{Caller, Scope};
use crate::app::App;
use crate::client::Client;
use crate::model::{TaskView, Timestamp};
use crate::told::Told;

/// Who reads a page. The default may see and do nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Viewer {
    caller: Caller,
    /// They have logged in, and can log out.
    pub(super) has_session: bool,
    /// They came over TLS.
    is_secure: bool,
    /// What is served is not protected, although others reach it.
    pub(super) insecure: bool,
    /// What they did by the form that led here.
    told: Option<Told>,
    /// When the Queen started, unless it is not known who they are.
    pub(super) started_at: Option<Timestamp>,
}

impl Viewer {
    /// Who sends a request.
    pub(crate) fn of(client: &Client, app: &App) -> Self {
        let Client { caller, session, is_secure, told, .. } = client;
        let (has_session, insecure) = (session.is_some(), app.config.insecure);
        let started_at = (*caller != Caller::Unknown).then(|| app.hive.started_at());
        Self { caller: caller.clone(), has_session, is_secure: *is_secure, insecure, told: *told, started_at }
    }

    /// Needs no token: what they see is no secret.
    pub(crate) fn is_anyone(&self) -> bool {
        self.caller == Caller::Anyone
    }

    /// As which addresses begin for them.
    pub(super) fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }

    /// What they did by the form that led here, as a sentence.
    pub(super) fn told(&self) -> Option<String> {
        self.told.map(Told::words)
    }

    /// What their token is called.
    pub(super) fn name(&self) -> Option<&str> {
        self.caller.holder().map(|holder| &*holder.name)
    }

    /// They see some tasks.
    pub(super) fn sees_tasks(&self) -> bool {
        self.sees_all() || self.submits()
    }

    /// They see everything.
    pub(super) fn sees_all(&self) -> bool {
        self.caller.may(Scope::Read)
    }

    /// They may create tasks.
    pub(super) fn submits(&self) -> bool {
        self.caller.may(Scope::Submit)
    }

    /// They may change what belongs to everybody.
    pub(super) fn controls(&self) -> bool {
        self.caller.may(Scope::Control)
    }

    /// They may say who may do what.
    pub(super) fn administers(&self) -> bool {
        self.caller.may(Scope::Admin)
    }

    /// They may change this task.
    pub(super) fn changes(&self, task: &TaskView) -> bool {
        self.caller.controls(task.owner_id)
    }

    /// Events after which a page is read again, as `GET /events` takes them. Whatever changes, who sees all is told of
    /// the whole soon afterwards, at most twice a second.
    pub(super) fn watched(&self) -> &'static str {
        if self.sees_all() { "overview" } else { "task,task-removed,result-changed,finding" }
    }

    /// Whose tasks they see.
    pub(super) fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        Ok(Client::of(&parts.extensions).map(|client| Self::of(client, app)).unwrap_or_default())
    }
}
