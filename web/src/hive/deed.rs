//! What users do, of which the operator is told.

use std::net::IpAddr;
use std::sync::Arc;

/// Who did something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct By {
    /// The name of the token.
    pub name: Option<Arc<str>>,
    /// The address that the request came from, if that is known.
    pub address: Option<IpAddr>,
    /// How the request is called; `None` if it was none of HTTP.
    pub request: Option<Arc<str>>,
}

/// Something that a user did to what is there, or wanted to do, for the operator and the audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The user that did it.
    pub by: By,
    /// What was done.
    pub action: Action,
    /// To what, in words: `task 7 (bees)`.
    pub target: String,
    /// Why it was not done, if it was not.
    pub refused: Option<String>,
}

impl Deed {
    /// Something that was done.
    pub fn done(by: By, action: Action, target: String) -> Self {
        Self { by, action, target, refused: None }
    }
}

/// What a user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// To a task: [`Hive::pause`](super::Hive::pause).
    Pause,
    /// To a task: [`Hive::resume`](super::Hive::resume).
    Resume,
    /// To a task: [`Hive::cancel`](super::Hive::cancel).
    Cancel,
    /// To a task: [`Hive::retry`](super::Hive::retry).
    Retry,
    /// To a task: [`Hive::amend`](super::Hive::amend). From what to what, in words: `priority -5 → 7`.
    Amend(String),
    /// To a task: [`Hive::remove`](super::Hive::remove).
    Remove,
    /// To a Drone: [`Hive::drain`](super::Hive::drain).
    Drain,
    /// To a Drone: [`Hive::disconnect`](super::Hive::disconnect).
    Disconnect,
    /// To a Drone: [`Hive::pardon`](super::Hive::pardon).
    Pardon,
    /// A token was made: [`Access::create_token`](super::Access::create_token).
    CreateToken,
    /// A token was revoked: [`Access::revoke_token`](super::Access::revoke_token).
    RevokeToken,
    /// A secret was made: [`Access::create_secret`](super::Access::create_secret).
    CreateSecret,
    /// A secret was revoked: [`Access::revoke_secret`](super::Access::revoke_secret).
    RevokeSecret,
    /// A session was begun with a token, or was to be.
    LogIn,
    /// A session was ended.
    LogOut,
    /// A Drone wanted to be let in.
    Join,
    /// A request for which a scope lacks, or that shows a token that is none.
    Ask,
}
