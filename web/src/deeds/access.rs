//! What is done to tokens, secrets and sessions.

use super::named;
use crate::App;
use crate::access::{NewToken, SecretView, TokenId, TokenView};
use crate::hive::{Action, By, HiveError};
use crate::session::Session;

impl App {
    /// How the new token is seen, and itself. The first one, which locks everybody else out, is made by nobody from
    /// elsewhere.
    pub(crate) async fn create_token(&self, by: By, new: NewToken) -> Result<(TokenView, String), HiveError> {
        let is_from_elsewhere = by.address.is_some_and(|address| !address.to_canonical().is_loopback());
        if is_from_elsewhere && !self.access.is_closed() {
            let reason =
                "the first token is made on the Queen's machine: `queen token create --name NAME --scope admin`";
            return Err(HiveError::Conflict(reason.into()));
        }
        let (view, token) = self.access.create_token(new).await?;
        self.tell(by, Action::CreateToken, named("token", view.id, Some(&view.name)));
        Ok((view, token))
    }

    pub(crate) async fn revoke_token(&self, by: By, id: TokenId) -> Result<TokenView, HiveError> {
        let view = self.access.revoke_token(id).await?;
        self.tell(by, Action::RevokeToken, named("token", id, Some(&view.name)));
        Ok(view)
    }

    /// How the new secret is seen, and the join file that Drones need.
    pub(crate) async fn create_secret(&self, by: By, name: String) -> Result<(SecretView, String), HiveError> {
        let (view, join_file) = self.access.create_secret(name).await?;
        self.tell(by, Action::CreateSecret, named("secret", &view.name, None));
        Ok((view, join_file))
    }

    pub(crate) async fn revoke_secret(&self, by: By, name: &str) -> Result<SecretView, HiveError> {
        let view = self.access.revoke_secret(name).await?;
        self.tell(by, Action::RevokeSecret, named("secret", name, None));
        Ok(view)
    }

    /// Ends a session; one that has ended stays so.
    pub(crate) fn end_session(&self, by: By, session: &Session) {
        if self.entrance.end(session.id) {
            let holder = self.access.holder(session.token);
            let token = named("token", session.token, holder.as_ref().map(|holder| &*holder.name));
            self.tell(by, Action::LogOut, format!("session of {token}"));
        }
    }
}
