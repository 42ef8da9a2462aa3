//! The way in for people: a login with a token begins a session, and too many wrong ones have to wait.

pub(crate) mod cookie;
mod throttle;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::throttle::Throttle;
use crate::access::{Access, Holder};
use crate::session::{Session, SessionId, SessionSecret, Sessions};

/// Why nobody was let in.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LoginError {
    /// It is no token.
    #[error("this token is not valid")]
    NoToken,
    /// There were too many wrong ones from there.
    #[error("too many logins failed from your address; try again in a while")]
    TooEarly(Duration),
    /// The operating system gives no random numbers.
    #[error("no session can be made: {0}")]
    Random(#[from] getrandom::Error),
}

/// Sessions and failed logins, behind a lock of their own.
#[derive(Debug)]
pub(crate) struct Entrance {
    inner: Mutex<Inner>,
    /// Changes when a session was ended.
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: Sessions,
    throttle: Throttle,
}

impl Entrance {
    pub(crate) fn new() -> Self {
        Self { inner: Mutex::default(), changes: watch::Sender::default() }
    }

    /// Begins a session for who shows a token; what only their browser is to have.
    pub(crate) fn log_in(
        &self,
        access: &dyn Access,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<(Arc<Holder>, SessionSecret), LoginError> {
        // What comes over no network is one origin.
        let origin = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into();
        self.lock().throttle.begin(origin, Instant::now()).map_err(LoginError::TooEarly)?;
        let holder = access.authenticate(token).ok_or(LoginError::NoToken)?;
        let mut secret = SessionSecret::default();
        getrandom::fill(&mut secret)?;
        let mut inner = self.lock();
        inner.throttle.succeed(origin);
        inner.sessions.begin(&secret, holder.id, address, Instant::now());
        drop(inner);
        // Another one may have gone for it.
        self.changes.send_replace(());
        Ok((holder, secret))
    }

    /// The session with this secret, which is used now.
    pub(crate) fn session(&self, secret: &SessionSecret) -> Option<Session> {
        self.lock().sessions.find(secret, Instant::now())
    }

    /// Those that are open, the oldest first.
    pub(crate) fn sessions(&self) -> Vec<Session> {
        self.lock().sessions.open(Instant::now())
    }

    /// Whether a session is open.
    pub(crate) fn is_open(&self, id: SessionId) -> bool {
        self.lock().sessions.is_open(id, Instant::now())
    }

    /// Ends a session, and with it the event streams that were opened in it; whether it was there.
    pub(crate) fn end(&self, id: SessionId) -> bool {
        let is_ended = self.lock().sessions.end(id);
        if is_ended {
            self.changes.send_replace(());
        }
        is_ended
    }

    /// Changes when a session was ended.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// What is done under it leaves everything as it has to be wherever it ends.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
