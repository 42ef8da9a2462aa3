//! What is done to tokens, secrets and sessions.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::access::{NewToken, SecretView, TokenId, TokenView};
use crate::app::App;
use crate::entrance::Entrance;
use crate::hive::{Access, Action, By, Deed, Hive, HiveError};
use crate::label::label;
use crate::session::Session;

/// Says by a request who may do what.
pub(crate) struct Administration {
    hive: Arc<dyn Hive>,
    access: Arc<dyn Access>,
    entrance: Arc<Entrance>,
    /// Who sends the request.
    by: By,
}

impl FromRequestParts<App> for Administration {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let by = By::from_request_parts(parts, app).await?;
        let App { hive, access, entrance, .. } = app.clone();
        Ok(Self { hive, access, entrance, by })
    }
}

impl Administration {
    /// How the new token is seen, and itself. The first one, which locks everybody else out, is made by nobody from
    /// elsewhere.
    pub(crate) async fn create_token(self, new: NewToken) -> Result<(TokenView, String), HiveError> {
        let is_from_elsewhere = self.by.address.is_some_and(|address| !address.to_canonical().is_loopback());
        if is_from_elsewhere && !self.access.is_closed() {
            let reason =
                "the first token is made on the Queen's machine: `queen token create --name NAME --scope admin`";
            return Err(HiveError::Conflict(reason.into()));
        }
        let (view, token) = self.access.create_token(new).await?;
        self.tell(Action::CreateToken, view.label());
        Ok((view, token))
    }

    pub(crate) async fn revoke_token(self, id: TokenId) -> Result<TokenView, HiveError> {
        let view = self.access.revoke_token(id).await?;
        self.tell(Action::RevokeToken, view.label());
        Ok(view)
    }

    /// How the new secret is seen, and the join file that Drones need.
    pub(crate) async fn create_secret(self, name: String) -> Result<(SecretView, String), HiveError> {
        let (view, join_file) = self.access.create_secret(name).await?;
        self.tell(Action::CreateSecret, label("secret", &view.name, None));
        Ok((view, join_file))
    }

    pub(crate) async fn revoke_secret(self, name: &str) -> Result<SecretView, HiveError> {
        let view = self.access.revoke_secret(name).await?;
        self.tell(Action::RevokeSecret, label("secret", name, None));
        Ok(view)
    }

    /// Ends a session; one that has ended stays so.
    pub(crate) fn end_session(self, session: &Session) {
        if self.entrance.end(session.id) {
            let holder = self.access.holder(session.token);
            let token = label("token", session.token, holder.as_ref().map(|holder| &*holder.name));
            self.tell(Action::LogOut, format!("session of {token}"));
        }
    }

    fn tell(self, action: Action, target: String) {
        self.hive.tell(Deed::done(self.by, action, target));
    }
}
