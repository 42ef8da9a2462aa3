//! What the control plane needs of a Queen to know, and to say, who may do what.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::error::HiveError;
use crate::access::{Holder, LogFilter, LogPage, NewToken, SecretView, TokenId, TokenView};

/// Says who may do what, and keeps it.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Whether requests need a token: one was made once.
    fn is_closed(&self) -> bool;

    /// Who shows this token; `None` if it is none, or none any more. It counts as used.
    fn authenticate(&self, token: &str) -> Option<Arc<Holder>>;

    /// The token with this number, as long as it is valid.
    fn holder(&self, id: TokenId) -> Option<Arc<Holder>>;

    /// Changes whenever a token or a secret is made or revoked: what was asked of [`holder`](Self::holder)
    /// may be otherwise then.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The valid tokens, the oldest first.
    async fn tokens(&self) -> Result<Vec<TokenView>, HiveError>;

    /// Makes a token: how it is seen, and itself, which is not kept. Answers when it is on disk.
    async fn create_token(&self, new: NewToken) -> Result<(TokenView, String), HiveError>;

    /// Revokes a token, at once; answers when that is on disk.
    async fn revoke_token(&self, id: TokenId) -> Result<TokenView, HiveError>;

    /// The Drones' secrets, by name.
    async fn secrets(&self) -> Result<Vec<SecretView>, HiveError>;

    /// Makes a secret: how it is seen, and the join file that Drones need. Answers when it is on disk.
    async fn create_secret(&self, name: String) -> Result<(SecretView, String), HiveError>;

    /// Revokes a secret, at once: connections that came with it end, and so do their leases. Answers when
    /// that is on disk.
    async fn revoke_secret(&self, name: &str) -> Result<SecretView, HiveError>;

    /// The audit trail.
    async fn log(&self, filter: LogFilter) -> Result<LogPage, HiveError>;
}

/// Nobody needs a token, and none can be made: nothing is kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Open;

/// Why no token or secret is made.
fn unkept() -> HiveError {
    HiveError::Conflict("this Queen keeps nothing on disk, so that there are no tokens and no secrets".into())
}

#[async_trait]
impl Access for Open {
    fn is_closed(&self) -> bool {
        false
    }

    fn authenticate(&self, _: &str) -> Option<Arc<Holder>> {
        None
    }

    fn holder(&self, _: TokenId) -> Option<Arc<Holder>> {
        None
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    async fn tokens(&self) -> Result<Vec<TokenView>, HiveError> {
        Ok(Vec::new())
    }

    async fn create_token(&self, _: NewToken) -> Result<(TokenView, String), HiveError> {
        Err(unkept())
    }

    async fn revoke_token(&self, id: TokenId) -> Result<TokenView, HiveError> {
        Err(HiveError::NoToken(id))
    }

    async fn secrets(&self) -> Result<Vec<SecretView>, HiveError> {
        Ok(Vec::new())
    }

    async fn create_secret(&self, _: String) -> Result<(SecretView, String), HiveError> {
        Err(unkept())
    }

    async fn revoke_secret(&self, name: &str) -> Result<SecretView, HiveError> {
        Err(HiveError::NoSecret(name.to_owned()))
    }

    async fn log(&self, _: LogFilter) -> Result<LogPage, HiveError> {
        Ok(LogPage::default())
    }
}
