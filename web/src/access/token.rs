//! Tokens: what one is to be, and how it is seen.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::text::is_hidden;

use super::scope::{Scope, Scopes};
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
pub fn is_token_name(name: &str) -> bool {
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
    /// For people, see [`is_token_name`]; another valid one of this name is a conflict.
    pub name: String,
    /// What it may be used for; not empty.
    pub scopes: Scopes,
    /// After how many seconds it is not valid any more, at most [`EXPIRES_MAX`]; never if `None`.
    pub expires_seconds: Option<u64>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tokens_can_be_told_apart() {
        for name in ["ci", "Maja's laptop", "büro 2", &"x".repeat(NAME_MAX)] {
            assert!(is_token_name(name), "{name}");
        }
        for name in ["", " ci", "ci ", "7", "a\nb", "c\u{200b}i", "\u{202e}ci", &"x".repeat(NAME_MAX + 1)] {
            assert!(!is_token_name(name), "{name:?}");
        }
    }
}
