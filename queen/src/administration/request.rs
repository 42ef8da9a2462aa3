//! What the commands ask a Queen for, and what she replies.

use serde::{Deserialize, Serialize};
use web::access::Scope;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Make a token.
    CreateToken {
        /// See [`NewToken`](web::access::NewToken), as with the others.
        name: String,
        /// What it may be used for; at least one.
        scopes: Vec<Scope>,
        /// In how many seconds it expires; never if `None`.
        expires_seconds: Option<u64>,
    },
    /// List the valid tokens.
    ListTokens,
    /// Revoke the token with this number, or else with this name.
    RevokeToken(String),
    /// Make a secret.
    CreateSecret(String),
    /// List the valid secrets.
    ListSecrets,
    /// Revoke the secret with this name.
    RevokeSecret(String),
}

/// What came of a [`Request`].
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A token or a secret was made.
    Made {
        /// Which one, for people.
        what: String,
        /// The token, or the join file.
        text: String,
        /// The Queen who runs is to be started again before it counts in full.
        restart: bool,
    },
    /// One was revoked.
    Revoked(String),
    /// Those that there are: a heading, and a line of as many columns for each.
    List(Vec<Vec<String>>),
    /// Nothing was done, for this reason.
    Refused(String),
}
