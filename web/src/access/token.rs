//! Tokens: what one is to be, and how it is seen.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::text::is_hidden;

use super::scope::{Scope, Scopes};
use crate::label::label;
use crate::timestamp::Timestamp;

/// A token's number; no other one ever has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u64);

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The longest name of a token or a secret, in characters.
pub const NAME_MAX: usize = 64;

/// Whether this may be a token's name: 1 to [`NAME_MAX`] characters that can be seen, as it stands beside what is done
/// with the token; without spaces around it, and no number, which would be taken for another token's.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.chars().count())
        && !name.chars().any(|char| char.is_control() || is_hidden(char))
        && name.trim() == name
        && name.parse::<u64>().is_err()
}

/// The longest that a token may be valid if it expires, in seconds: ten years.
pub const EXPIRES_MAX: u64 = 315_360_000;

/// A token that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToken {
    /// For people; another valid one of this name is a conflict.
    pub name: String,
    /// What it may be used for; not empty.
    pub scopes: Scopes,
    /// After how many seconds it is not valid any more, at most [`EXPIRES_MAX`]; never if `None`.
    pub expires_seconds: Option<u64>,
}

impl NewToken {
    /// Whether it can be made. `is_first`: no token was ever made; the first one has to be able to make others, since
    /// nobody can do anything without a token from then on.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, is_first: bool) -> Result<(), NewTokenError> {
        match self {
            Self { name, .. } if !is_name(name) => Err(NewTokenError::Name),
            Self { scopes, .. } if *scopes == Scopes::default() => Err(NewTokenError::Scopes),
            Self { expires_seconds: Some(0 | EXPIRES_LONGER..), .. } => Err(NewTokenError::Expiry),
            Self { scopes, .. } if is_first && !scopes.has(Scope::Admin) => Err(NewTokenError::First),
            _ => Ok(()),
        }
    }
}

/// What is more than a token may be valid.
const EXPIRES_LONGER: u64 = EXPIRES_MAX + 1;

/// Why a token cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NewTokenError {
    /// Its name cannot be one.
    #[error("a token's name has 1 to {NAME_MAX} characters that can be seen, no space around it, and is no number")]
    Name,
    /// It has no scope, or one that is none.
    #[error("say what the token is for: one or more of read, submit, control, admin")]
    Scopes,
    /// It is the first one, and cannot make others.
    #[error("the first token needs the scope `admin`: once there is one, only such a token makes others")]
    First,
    /// When it expires is no time, or too late.
    #[error("a token expires after a whole number of seconds from 1 to {EXPIRES_MAX}, which are ten years, or never")]
    Expiry,
}

impl NewTokenError {
    /// The member of [`NewToken`] that is wrong.
    pub fn member(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Scopes | Self::First => "scopes",
            Self::Expiry => "expires_seconds",
        }
    }
}

/// A token as users see it: not what it is, which is shown once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// Its number.
    #[schema(value_type = u64)]
    pub id: TokenId,
    /// For people.
    pub name: String,
    /// What it may be used for.
    #[schema(value_type = Vec<Scope>)]
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not valid any more.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

impl TokenView {
    /// How it is called in the audit trail: `token 7 (ci)`.
    pub fn label(&self) -> String {
        label("token", self.id, Some(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tokens_can_be_told_apart() {
        for name in ["ci", "Maja's laptop", "büro 2", &"x".repeat(NAME_MAX)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", " ci", "ci ", "7", "a\nb", "c\u{200b}i", "\u{202e}ci", &"x".repeat(NAME_MAX + 1)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_token_is_checked_before_it_is_made() {
        let new =
            |scope, expires_seconds| NewToken { name: "ci".into(), scopes: Scopes::from_iter(scope), expires_seconds };
        for expires in [None, Some(1), Some(EXPIRES_MAX)] {
            assert_eq!(new(Some(Scope::Read), expires).check(false), Ok(()));
        }
        for expires in [0, EXPIRES_MAX + 1, u64::MAX] {
            assert_eq!(new(Some(Scope::Read), Some(expires)).check(false), Err(NewTokenError::Expiry));
        }
        assert_eq!(new(None, None).check(false), Err(NewTokenError::Scopes));
        assert_eq!(new(Some(Scope::Control), None).check(true), Err(NewTokenError::First));
        assert_eq!(new(Some(Scope::Admin), None).check(true), Ok(()));
    }
}
