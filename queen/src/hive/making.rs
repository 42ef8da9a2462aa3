//! What is needed to make tokens and secrets.

use web::access::{NewToken, SecretView, TokenId, TokenView};
use web::hive::HiveError;
use web::model::Timestamp;
use wire::join::JoinFile;

use crate::access::{Authority, JoinSecret, Token, random, token};
use crate::store::{AccessChange, Change, StoredAccess};

/// What is needed to make tokens and secrets. It is held by one at a time who makes some.
pub(super) struct Making {
    pub(super) next_token: u64,
    pub(super) next_secret: u64,
    pub(super) authority: Option<Authority>,
    /// Whether there was a secret, and an authority, when the Queen started: her ports serve by that.
    pub(super) had_secret: bool,
    pub(super) had_authority: bool,
}

impl Making {
    pub(super) fn new(stored: &StoredAccess) -> Self {
        Self {
            next_token: stored.next_token,
            next_secret: stored.next_secret,
            authority: stored.authority.clone(),
            had_secret: stored.has_secret(),
            had_authority: stored.authority.is_some(),
        }
    }
}

/// What is about to be made: what is written, and becomes valid then.
#[derive(Default)]
pub(super) struct Made {
    pub(super) changes: Vec<Change>,
    pub(super) token: Option<Token>,
    pub(super) secret: Option<(Box<str>, JoinSecret)>,
    pub(super) authority: Option<Authority>,
}

impl Made {
    pub(super) fn write(&mut self, change: AccessChange) {
        self.changes.push(Change::Access(Box::new(change)));
    }

    /// A new token, and its text.
    pub(super) fn token(
        &mut self,
        making: &Making,
        new: NewToken,
        now: Timestamp,
    ) -> Result<(TokenView, String), HiveError> {
        let id = TokenId(making.next_token);
        let text = token::text(id).map_err(unmade)?;
        let life = |seconds: u64| Timestamp(now.0.saturating_add_unsigned(seconds.saturating_mul(1000)));
        let token = Token {
            id,
            hash: token::hash(&text),
            name: new.name.into(),
            scopes: new.scopes,
            created_at: now,
            expires_at: new.expires_seconds.map(life),
            last_used_at: None,
        };
        self.write(AccessChange::Token(token.clone()));
        let view = token.view();
        self.token = Some(token);
        Ok((view, text))
    }

    /// A new secret, and its join file.
    pub(super) fn secret(
        &mut self,
        making: &Making,
        name: &str,
        now: Timestamp,
    ) -> Result<(SecretView, String), HiveError> {
        let secret = JoinSecret { id: making.next_secret, key: random().map_err(unmade)?, created_at: now };
        let authority = self.authority(making, now)?;
        let file = JoinFile { name: name.into(), secret: secret.key, authority: authority.pem() }.to_string();
        self.write(AccessChange::Secret(name.into(), secret.clone()));
        self.secret = Some((name.into(), secret));
        Ok((SecretView { name: name.into(), created_at: now, drones: 0 }, file))
    }

    /// The authority, which is made with the first that needs it.
    pub(super) fn authority(&mut self, making: &Making, now: Timestamp) -> Result<Authority, HiveError> {
        if let Some(authority) = making.authority.as_ref().or(self.authority.as_ref()) {
            return Ok(authority.clone());
        }
        let authority = Authority::generate(now).map_err(unmade)?;
        self.write(AccessChange::Authority(authority.clone()));
        Ok(self.authority.insert(authority).clone())
    }

    /// Notes what is on its way to the disk, so that no number is given twice and no authority made twice.
    pub(super) fn enter(&self, making: &mut Making) {
        making.next_token += u64::from(self.token.is_some());
        making.next_secret += u64::from(self.secret.is_some());
        if let Some(authority) = &self.authority {
            making.authority = Some(authority.clone());
        }
    }
}

/// What to answer when there is no randomness, or no certificate could be made.
fn unmade(error: impl std::fmt::Display) -> HiveError {
    HiveError::Internal(format!("nothing can be made that others cannot guess: {error}"))
}
