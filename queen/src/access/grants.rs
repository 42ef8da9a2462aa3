//! What is valid at the moment: tokens, and the Drones' secrets. Every request looks here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::watch;
use web::access::{Holder, TokenId, TokenView};
use web::model::Timestamp;

use super::secrets::{JoinSecret, JoinSecrets};
use super::token::{self, Token};

/// The most tokens that there may be, those that have expired not counted.
pub const MAX_TOKENS: usize = 1000;

/// The most secrets that there may be.
pub const MAX_SECRETS: usize = 64;

/// The time of last use of a token that was never used.
const NEVER: i64 = i64::MIN;

/// The valid tokens and secrets. Readers hold up nobody: what changes is replaced as a whole.
pub struct Grants {
    tokens: watch::Sender<Arc<Tokens>>,
    secrets: watch::Sender<Arc<JoinSecrets>>,
    changes: watch::Sender<u64>,
    is_closed: AtomicBool,
}

type Tokens = BTreeMap<TokenId, Arc<LiveToken>>;

/// A token that was not revoked, though it may have expired.
struct LiveToken {
    token: Token,
    holder: Arc<Holder>,
    /// When it was last used, and what of that is on disk or on its way there; in milliseconds since 1970.
    used: AtomicI64,
    written: AtomicI64,
    /// Whether those who watch were told that it has expired.
    told_expired: AtomicBool,
}

impl LiveToken {
    fn new(token: Token) -> Arc<Self> {
        let used = token.last_used_at.map_or(NEVER, |time| time.0);
        let holder = Arc::new(token.holder());
        let (used, written) = (AtomicI64::new(used), AtomicI64::new(used));
        Arc::new(Self { token, holder, used, written, told_expired: AtomicBool::new(false) })
    }

    fn used(&self) -> Option<Timestamp> {
        Some(self.used.load(Ordering::Relaxed)).filter(|used| *used != NEVER).map(Timestamp)
    }
}

impl Grants {
    /// What is valid at the start. `is_closed`: there was a token once.
    pub fn new(tokens: Vec<Token>, secrets: JoinSecrets, is_closed: bool) -> Self {
        let tokens = tokens.into_iter().map(|token| (token.id, LiveToken::new(token))).collect();
        Self {
            tokens: watch::Sender::new(Arc::new(tokens)),
            secrets: watch::Sender::new(Arc::new(secrets)),
            changes: watch::Sender::new(0),
            is_closed: AtomicBool::new(is_closed),
        }
    }

    /// Whether there was a token once, so that nobody does without one any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Changes with every other thing here, but for when tokens are used.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Who has the token with this text, if it is valid now. It counts as used.
    pub fn authenticate(&self, text: &str, now: Timestamp) -> Option<Arc<Holder>> {
        let live = self.valid(token::id(text)?, now).filter(|live| live.token.is(text))?;
        live.used.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(&live.holder))
    }

    /// Who has the token with this number, if it is valid now. It counts as used: a session goes on with it.
    pub fn holder(&self, id: TokenId, now: Timestamp) -> Option<Arc<Holder>> {
        let live = self.valid(id, now)?;
        live.used.fetch_max(now.0, Ordering::Relaxed);
        Some(Arc::clone(&live.holder))
    }

    fn valid(&self, id: TokenId, now: Timestamp) -> Option<Arc<LiveToken>> {
        self.tokens.borrow().get(&id).filter(|live| live.token.is_valid(now)).cloned()
    }

    /// Those that are valid now, the oldest first.
    pub fn tokens(&self, now: Timestamp) -> Vec<TokenView> {
        let tokens = Arc::clone(&self.tokens.borrow());
        let valid = tokens.values().filter(|live| live.token.is_valid(now));
        valid.map(|live| TokenView { last_used_at: live.used(), ..live.token.view() }).collect()
    }

    /// Those that have expired; more of them than of valid ones are not worth to be kept.
    pub fn expired(&self, now: Timestamp) -> Vec<TokenId> {
        let tokens = Arc::clone(&self.tokens.borrow());
        tokens.values().filter(|live| !live.token.is_valid(now)).map(|live| live.token.id).collect()
    }

    /// Tells those who watch if a token has expired since they were last told.
    pub fn tell_expired(&self, now: Timestamp) {
        let tokens = Arc::clone(&self.tokens.borrow());
        let expired = tokens.values().filter(|live| !live.token.is_valid(now));
        if expired.map(|live| !live.told_expired.swap(true, Ordering::Relaxed)).fold(false, |any, ended| any | ended) {
            self.changed();
        }
    }

    /// Tokens that were used since this was last asked, and when.
    pub fn take_used(&self) -> Vec<(TokenId, Timestamp)> {
        let tokens = Arc::clone(&self.tokens.borrow());
        let used = |live: &Arc<LiveToken>| {
            let used = live.used()?;
            (live.written.swap(used.0, Ordering::Relaxed) != used.0).then_some((live.token.id, used))
        };
        tokens.values().filter_map(used).collect()
    }

    /// A token is valid from now on.
    pub fn add_token(&self, token: Token) {
        // Before it can be seen, so that nobody who sees it finds the Hive open.
        self.is_closed.store(true, Ordering::Release);
        self.tokens.send_modify(|tokens| drop(Arc::make_mut(tokens).insert(token.id, LiveToken::new(token))));
        self.changed();
    }

    /// A token is not valid any more; it is returned if it was.
    pub fn remove_token(&self, id: TokenId) -> Option<TokenView> {
        let mut removed = None;
        self.tokens.send_modify(|tokens| removed = Arc::make_mut(tokens).remove(&id));
        self.changed();
        removed.map(|live| TokenView { last_used_at: live.used(), ..live.token.view() })
    }

    /// The secrets that are valid.
    pub fn secrets(&self) -> watch::Receiver<Arc<JoinSecrets>> {
        self.secrets.subscribe()
    }

    /// A secret is valid from now on.
    pub fn add_secret(&self, name: Box<str>, secret: JoinSecret) {
        self.secrets.send_modify(|secrets| _ = Arc::make_mut(secrets).by_name.insert(name, secret));
        self.changed();
    }

    /// A secret is not valid any more; it is returned if it was.
    pub fn remove_secret(&self, name: &str) -> Option<JoinSecret> {
        let mut removed = None;
        self.secrets.send_modify(|secrets| removed = Arc::make_mut(secrets).by_name.remove(name));
        self.changed();
        removed
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

#[cfg(test)]
mod tests {
    use web::access::{Scope, Scopes};

    use super::*;

    fn token(id: u64, expires_at: Option<i64>) -> (Token, String) {
        let text = token::text(TokenId(id)).unwrap();
        let token = Token {
            id: TokenId(id),
            hash: token::hash(&text),
            name: "bees".into(),
            scopes: Scopes::from_iter([Scope::Read]),
            created_at: Timestamp(0),
            expires_at: expires_at.map(Timestamp),
            last_used_at: None,
        };
        (token, text)
    }

    #[test]
    fn only_the_whole_text_of_a_valid_token_is_one() {
        let ((lasting, text), (passing, other)) = (token(1, None), token(2, Some(100)));
        let grants = Grants::new(vec![lasting, passing], JoinSecrets::default(), true);
        let who = |text: &str, now| grants.authenticate(text, Timestamp(now)).map(|holder| holder.id.0);
        assert_eq!((who(&text, 200), who(&other, 99), who(&other, 100)), (Some(1), Some(2), None));
        let swapped = text.replacen("hive_1_", "hive_2_", 1);
        for wrong in [&text[..text.len() - 1], &format!("{text}A"), &swapped, "hive_3_x", ""] {
            assert_eq!(who(wrong, 0), None, "{wrong}");
        }
        assert_eq!(grants.holder(TokenId(2), Timestamp(99)).map(|holder| holder.id), Some(TokenId(2)));
        assert!(grants.holder(TokenId(2), Timestamp(100)).is_none());
        assert_eq!(grants.tokens(Timestamp(100)).len(), 1);
    }

    #[test]
    fn uses_are_written_once() {
        let (token, text) = token(7, None);
        let grants = Grants::new(vec![token], JoinSecrets::default(), true);
        assert_eq!(grants.take_used(), []);
        for now in [5, 9, 8] {
            grants.authenticate(&text, Timestamp(now));
        }
        assert_eq!(grants.take_used(), [(TokenId(7), Timestamp(9))]);
        assert_eq!(grants.take_used(), []);
        assert_eq!(grants.tokens(Timestamp(9))[0].last_used_at, Some(Timestamp(9)));
    }

    #[test]
    fn who_watches_learns_of_what_ends() {
        let (token, text) = token(1, Some(100));
        let grants = Grants::new(Vec::new(), JoinSecrets::default(), false);
        let mut changes = grants.changes();
        let mut changed = || {
            std::mem::take(&mut changes.has_changed().unwrap()) && {
                changes.mark_unchanged();
                true
            }
        };
        assert!(!grants.is_closed() && !changed());
        grants.add_token(token);
        assert!(grants.is_closed() && changed());
        grants.tell_expired(Timestamp(99));
        assert!(!changed());
        grants.tell_expired(Timestamp(100));
        assert!(changed());
        grants.tell_expired(Timestamp(101));
        assert!(!changed());
        assert!(grants.remove_token(TokenId(1)).is_some() && changed());
        assert!(grants.remove_token(TokenId(1)).is_none());
        assert!(grants.is_closed() && grants.authenticate(&text, Timestamp(0)).is_none());
    }
}
