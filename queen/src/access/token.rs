//! Tokens: their texts, and what is kept of them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use web::access::{Holder, Scopes, TokenId, TokenView};
use web::model::Timestamp;

use super::random::random;

/// What every token begins with, so that people and secret scanners recognise one.
const PREFIX: &str = "hive_";

/// A token without its text, which only who it was made for has.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: TokenId,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
    /// For people.
    pub name: Arc<str>,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is not valid any more.
    pub expires_at: Option<Timestamp>,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

impl Token {
    /// Whether this is its text. How much of it is right does not show in the time that this takes.
    pub fn is(&self, text: &str) -> bool {
        self.hash.ct_eq(&hash(text)).into()
    }

    /// Whether it may be used at this moment.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// What a request carries of it.
    pub fn holder(&self) -> Holder {
        Holder { id: self.id, name: Arc::clone(&self.name), scopes: self.scopes }
    }

    /// As users see it.
    pub fn view(&self) -> TokenView {
        TokenView {
            id: self.id,
            name: self.name.to_string(),
            scopes: self.scopes,
            created_at: self.created_at,
            expires_at: self.expires_at,
            last_used_at: self.last_used_at,
        }
    }
}

/// The text of a token with this number: `hive_`, the number, `_`, and 32 random bytes in base64url (RFC 4648,
/// section 5) without padding.
///
/// # Errors
/// If the system has no randomness to give.
pub fn text(id: TokenId) -> Result<String, getrandom::Error> {
    Ok(format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(random()?)))
}

/// What is kept of a text.
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// The number of the token that has this text, if it is one.
pub fn id(text: &str) -> Option<TokenId> {
    let (id, _) = text.strip_prefix(PREFIX)?.split_once('_')?;
    id.parse().ok().map(TokenId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_its_number_and_is_hard_to_guess() {
        let texts = [1, 70].map(|number| text(TokenId(number)).unwrap());
        assert_eq!(texts.each_ref().map(|text| id(text)), [Some(TokenId(1)), Some(TokenId(70))]);
        assert_eq!(texts[0].len(), "hive_1_".len() + 43);
        assert!(texts[1].starts_with("hive_70_") && texts[0][7..] != texts[1][8..]);
        for wrong in ["", "hive", "hive_", "hive_1", "hive__x", "hive_x_y", "hive_99999999999999999999_x", "Hive_1_x"] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }
}
