//! Tokens and secrets that were revoked, which is not on disk yet.

use std::collections::BTreeMap;

use web::access::{SecretView, TokenId, TokenView};

/// What was revoked, and is not on disk yet: it would be valid again if the Queen ended now.
#[derive(Default)]
pub(super) struct Revoking {
    pub(super) tokens: BTreeMap<TokenId, TokenView>,
    /// Secrets by name, with their numbers.
    pub(super) secrets: BTreeMap<String, (u64, SecretView)>,
}

impl Revoking {
    /// All of it, for people.
    pub(super) fn names(&self) -> Vec<String> {
        let tokens = self.tokens.values().map(TokenView::label);
        tokens.chain(self.secrets.keys().map(|name| format!("secret {name}"))).collect()
    }
}
