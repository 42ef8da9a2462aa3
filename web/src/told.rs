//! What a form of the page did, for the page that follows to tell it once. A cookie carries it there: one of these
//! sentences and a number, so that whoever manages to set one cannot have the page say anything else.

use axum::http::{HeaderMap, HeaderValue};

use crate::cookie::Cookie;
use crate::request::REFRESH;

const TOLD: Cookie = Cookie { secure: "__Host-hive-told", plain: "hive-told" };

/// For so many seconds it waits for a page: what comes later is of no interest any more.
const WAITS: u32 = 60;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Did {
    /// A task was submitted.
    Submit,
    /// A task was paused.
    Pause,
    /// A paused task goes on.
    Resume,
    /// A task was cancelled.
    Cancel,
    /// A task was begun again.
    Retry,
    /// A task's name, priority or deadline was changed.
    Change,
    /// A task was deleted.
    Delete,
    /// A Drone was asked to leave.
    Drain,
    /// A Drone was disconnected.
    Disconnect,
    /// A Drone was trusted again.
    Trust,
    /// A token was revoked.
    RevokeToken,
    /// A secret was revoked; these have no numbers.
    RevokeSecret,
    /// A session was ended.
    EndSession,
}

impl Did {
    const ALL: [Self; 13] = [
        Self::Submit,
        Self::Pause,
        Self::Resume,
        Self::Cancel,
        Self::Retry,
        Self::Change,
        Self::Delete,
        Self::Drain,
        Self::Disconnect,
        Self::Trust,
        Self::RevokeToken,
        Self::RevokeSecret,
        Self::EndSession,
    ];

    /// How it is called in the cookie.
    fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Retry => "retry",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Drain => "drain",
            Self::Disconnect => "disconnect",
            Self::Trust => "trust",
            Self::RevokeToken => "revoke-token",
            Self::RevokeSecret => "revoke-secret",
            Self::EndSession => "end-session",
        }
    }
}

/// What was done, and to which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    did: Did,
    to: u64,
}

impl Told {
    /// This was done to the task, the Drone, the token or the session with this number.
    pub(crate) fn new(did: Did, to: u64) -> Self {
        Self { did, to }
    }

    /// What is to be told by the page that a request asks for. One that is read again by its script has told it, and
    /// may be another one than that which is to tell it. `is_secure`: the browser came over TLS.
    pub(crate) fn read(headers: &HeaderMap, is_secure: bool) -> Option<Self> {
        let text = TOLD.read(headers, is_secure).filter(|_| !headers.contains_key(REFRESH))?;
        let (name, to) = text.split_once('.')?;
        let did = Did::ALL.into_iter().find(|did| did.name() == name)?;
        Some(Self { did, to: to.parse().ok()? })
    }

    /// What has the page that follows tell it.
    pub(crate) fn given(self, is_secure: bool) -> HeaderValue {
        TOLD.given(&format!("{}.{}", self.did.name(), self.to), Some(WAITS), is_secure)
    }

    /// What has no other page tell it.
    pub(crate) fn taken(is_secure: bool) -> HeaderValue {
        TOLD.taken(is_secure)
    }

    /// It as a sentence. It stays true however long the page is open.
    pub(crate) fn words(self) -> String {
        let Self { did, to } = self;
        match did {
            Did::Submit => format!("Task {to} was submitted."),
            Did::Pause => format!("Task {to} was paused."),
            Did::Resume => format!("Task {to} was resumed."),
            Did::Cancel => format!("Task {to} was cancelled."),
            Did::Retry => format!("Task {to} was begun again."),
            Did::Change => format!("Task {to} was changed."),
            Did::Delete => format!("Task {to} and its results were deleted."),
            Did::Drain => format!("Drone {to} was asked to finish what it has, and to leave."),
            Did::Disconnect => format!("Drone {to} was disconnected."),
            Did::Trust => format!("Drone {to} was resumed: it may get work again."),
            Did::RevokeToken => format!("Token {to} was revoked."),
            Did::RevokeSecret => "The secret was revoked.".to_owned(),
            Did::EndSession => format!("Session {to} was ended."),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::header::COOKIE;

    use super::*;

    fn read(cookie: &str) -> Option<Told> {
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())]);
        Told::read(&headers, false)
    }

    #[test]
    fn what_was_done_comes_back_once() {
        for did in Did::ALL {
            let told = Told::new(did, 17);
            let given = told.given(false);
            let (cookie, rest) = given.to_str().unwrap().split_once(';').unwrap();
            assert_eq!(rest, " Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
            assert_eq!(read(cookie), Some(told));
            let mut again = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())]);
            assert_eq!(Told::read(&again, true), None, "another name");
            again.insert(REFRESH, HeaderValue::from_static("1"));
            assert_eq!(Told::read(&again, false), None, "a script reads the page again");
        }
        assert_eq!(Told::new(Did::Pause, 17).words(), "Task 17 was paused.");
    }

    #[test]
    fn nothing_else_is_told() {
        for cookie in ["", "pause", "pause.", "pause.-1", "pause.1.2", "<b>.1", "pause.<b>", ".1", "explode.1"] {
            assert_eq!(read(&format!("hive-told={cookie}")), None, "{cookie}");
        }
    }
}
