//! The way in: by a token, or by a session. A login with a token begins one, and too many wrong ones have to wait.

pub(crate) mod cookie;
mod throttle;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::throttle::Throttle;
use crate::access::{Holder, TokenId};
use crate::hive::Access;
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

/// Who is known: by a token, or by a session that was begun with one.
pub(crate) struct Entrance {
    access: Arc<dyn Access>,
    /// Sessions and failed logins.
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
    /// Without any session yet, for tokens of which `access` knows.
    pub(crate) fn new(access: Arc<dyn Access>) -> Self {
        Self { access, inner: Mutex::default(), changes: watch::Sender::default() }
    }

    /// Whether requests need a token: one was made once.
    pub(crate) fn is_closed(&self) -> bool {
        self.access.is_closed()
    }

    /// Who shows this token; `None` if it is none, or none any more. It counts as used.
    pub(crate) fn authenticate(&self, token: &str) -> Option<Arc<Holder>> {
        self.access.authenticate(token)
    }

    /// The token with this number, as long as it is valid.
    pub(crate) fn holder(&self, id: TokenId) -> Option<Arc<Holder>> {
        self.access.holder(id)
    }

    /// Begins a session for who shows a token; what only their browser is to have.
    pub(crate) fn log_in(
        &self,
        token: &str,
        address: Option<IpAddr>,
    ) -> Result<(Arc<Holder>, SessionSecret), LoginError> {
        // What comes over no network is one origin.
        let origin = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).into();
        self.lock().throttle.begin(origin, Instant::now()).map_err(LoginError::TooEarly)?;
        let holder = self.access.authenticate(token).ok_or(LoginError::NoToken)?;
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

    /// Tells when somebody may not be known any more.
    pub(crate) fn changes(&self) -> Changes {
        let mut of_access = self.access.changes();
        // Something may have changed since it was asked for the last time.
        of_access.mark_changed();
        Changes { of_access, of_sessions: self.changes.subscribe() }
    }

    /// What is done under it leaves everything as it has to be wherever it ends.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells when tokens and sessions were made or ended.
pub(crate) struct Changes {
    of_access: watch::Receiver<u64>,
    of_sessions: watch::Receiver<()>,
}

impl Changes {
    /// Resolves at once the first time, and then when something has changed since the last time. That a token has
    /// expired, or a session was not used for long, is seen only by who asks.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            Ok(()) = self.of_access.changed() => {}
            Ok(()) = self.of_sessions.changed() => {}
            // Nothing changes where nothing can.
            else => std::future::pending().await,
        }
    }
}
