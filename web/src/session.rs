//! The sessions of the page: each was begun with a token, and is kept here alone. This file is pure, without
//! randomness, clock and lock.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::access::TokenId;

/// The most sessions; the oldest goes for one more.
const SESSIONS_MAX: usize = 1000;

/// The most of one token; its oldest goes for one more.
const TOKEN_SESSIONS_MAX: usize = 32;

/// After how long without a request a session ends.
const IDLE_MAX: Duration = Duration::from_secs(2 * 60 * 60);

/// After how long it ends in any case.
const LENGTH_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What only the browser has that began a session.
pub(crate) type SessionSecret = [u8; 32];

/// A session's number, by which it is ended. Older ones are smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) u64);

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its number.
    pub(crate) id: SessionId,
    /// With which it was begun.
    pub(crate) token: TokenId,
    /// Where it was begun.
    pub(crate) address: Option<IpAddr>,
    /// The moment at which it was begun.
    pub(crate) begun: Instant,
    /// When the last request came in it.
    pub(crate) used: Instant,
}

impl Session {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.used) >= IDLE_MAX || now.saturating_duration_since(self.begun) >= LENGTH_MAX
    }
}

/// All of them, by the SHA-256 of their secrets: what is in memory opens none.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    begun: u64,
    by_hash: HashMap<[u8; 32], Session>,
}

impl Sessions {
    /// Begins one.
    pub(crate) fn begin(
        &mut self,
        secret: &SessionSecret,
        token: TokenId,
        address: Option<IpAddr>,
        now: Instant,
    ) -> SessionId {
        self.by_hash.retain(|_, session| !session.is_over(now));
        let of_token = self.by_hash.values().filter(|session| session.token == token);
        if of_token.clone().count() >= TOKEN_SESSIONS_MAX
            && let Some(oldest) = of_token.map(|session| session.id).min()
        {
            self.end(oldest);
        }
        if self.by_hash.len() >= SESSIONS_MAX
            && let Some(oldest) = self.by_hash.values().map(|session| session.id).min()
        {
            self.end(oldest);
        }
        self.begun += 1;
        let id = SessionId(self.begun);
        self.by_hash.insert(hash(secret), Session { id, token, address, begun: now, used: now });
        id
    }

    /// The one with this secret, which is used now.
    pub(crate) fn find(&mut self, secret: &SessionSecret, now: Instant) -> Option<Session> {
        let session = self.by_hash.get_mut(&hash(secret)).filter(|session| !session.is_over(now))?;
        session.used = now;
        Some(*session)
    }

    /// Those that are open, the oldest first.
    pub(crate) fn open(&self, now: Instant) -> Vec<Session> {
        let mut open: Vec<_> = self.by_hash.values().filter(|session| !session.is_over(now)).copied().collect();
        open.sort_unstable_by_key(|session| session.id);
        open
    }

    /// Whether it is open.
    pub(crate) fn is_open(&self, id: SessionId, now: Instant) -> bool {
        self.by_hash.values().any(|session| session.id == id && !session.is_over(now))
    }

    /// Ends one; whether it was there.
    pub(crate) fn end(&mut self, id: SessionId) -> bool {
        let before = self.by_hash.len();
        self.by_hash.retain(|_, session| session.id != id);
        self.by_hash.len() < before
    }
}

fn hash(secret: &SessionSecret) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn secret(number: u64) -> SessionSecret {
        Sha256::digest(number.to_le_bytes()).into()
    }

    #[test]
    fn sessions_end_when_idle_and_after_a_day() {
        let (mut sessions, start) = (Sessions::default(), Instant::now());
        let id = sessions.begin(&secret(1), TokenId(7), None, start);
        let found = sessions.find(&secret(1), start + IDLE_MAX - MINUTE).unwrap();
        assert_eq!((found.id, found.token), (id, TokenId(7)));
        assert_eq!(sessions.find(&secret(2), start), None);
        assert!(sessions.is_open(id, start + IDLE_MAX + MINUTE), "it was used in between");
        assert!(!sessions.is_open(id, start + 2 * IDLE_MAX));
        assert_eq!(sessions.find(&secret(1), start + 2 * IDLE_MAX), None);
        let mut now = start;
        let id = sessions.begin(&secret(3), TokenId(7), None, now);
        while now < start + LENGTH_MAX {
            assert!(sessions.find(&secret(3), now).is_some());
            now += IDLE_MAX / 2;
        }
        assert!(sessions.find(&secret(3), now).is_none() && !sessions.is_open(id, now));
        assert!(sessions.open(now).is_empty());
    }

    #[test]
    fn the_oldest_goes_for_one_more() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for number in 0..=TOKEN_SESSIONS_MAX as u64 {
            sessions.begin(&secret(number), TokenId(1), None, now);
        }
        assert!(sessions.find(&secret(0), now).is_none() && sessions.find(&secret(1), now).is_some());
        assert_eq!(sessions.open(now).len(), TOKEN_SESSIONS_MAX);
        for number in 100..100 + SESSIONS_MAX as u64 {
            sessions.begin(&secret(number), TokenId(number), None, now);
        }
        assert_eq!(sessions.open(now).len(), SESSIONS_MAX);
        assert!(sessions.find(&secret(1), now).is_none(), "the oldest of all");
        let ids = sessions.open(now).iter().map(|session| session.id).collect::<Vec<_>>();
        assert!(ids.is_sorted() && sessions.end(ids[0]) && !sessions.end(ids[0]));
        assert!(!sessions.is_open(ids[0], now));
    }
}
