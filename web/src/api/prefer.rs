//! `Prefer: wait=N` (RFC 7240): a client that would rather wait for the result.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::app::App;
use crate::client::Client;
use crate::config::Config;
use crate::entrance::Entrance;
use crate::error::Problem;
use crate::hive::HiveError;
use crate::places::Activity;

/// The longest wait, in seconds.
pub(crate) const WAIT_MAX: u64 = 60;

const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How many seconds a client likes to wait. What cannot be understood is no preference.
pub(crate) fn wait(headers: &HeaderMap) -> Option<u64> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(','));
    preferences.find_map(|preference| {
        let (name, seconds) = preference.split(';').next()?.split_once('=')?;
        let seconds: u64 = seconds.trim().trim_matches('"').parse().ok()?;
        name.trim().eq_ignore_ascii_case("wait").then_some(seconds.min(WAIT_MAX))
    })
}

/// The header that says that the wait was granted.
pub(crate) fn applied(seconds: u64) -> [(HeaderName, HeaderValue); 1] {
    let value = HeaderValue::from_str(&format!("wait={seconds}"));
    [(PREFERENCE_APPLIED, value.unwrap_or(HeaderValue::from_static("wait")))]
}

/// A client that may wait for something, for as long as its connection has its place and what it showed still counts.
pub(crate) struct Waiter {
    pub(crate) client: Client,
    entrance: Arc<Entrance>,
    config: Arc<Config>,
}

impl FromRequestParts<App> for Waiter {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let client = Client::from_request_parts(parts, app).await?;
        Ok(Self { client, entrance: Arc::clone(&app.entrance), config: Arc::clone(&app.config) })
    }
}

impl Waiter {
    /// What is waited for, if that is there within so many seconds.
    ///
    /// # Errors
    /// Those of what is waited for, and 401 if what the client showed has ended meanwhile.
    pub(crate) async fn in_time<T>(
        &self,
        seconds: u64,
        awaited: impl Future<Output = Result<T, HiveError>>,
    ) -> Result<Option<T>, Problem> {
        let Self { client, entrance, config } = self;
        client.place.set(Activity::Waiting);
        let awaited = tokio::select! {
            awaited = tokio::time::timeout(Duration::from_secs(seconds), awaited) => awaited.ok(),
            () = client.forgotten(entrance) => None,
            () = client.place.lost() => None,
            () = config.shutdown.cancelled() => None,
        };
        client.place.set(Activity::Working);
        match client.is_still_known(entrance) {
            true => Ok(awaited.transpose()?),
            false => Err(Problem::unauthorized()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        let wait = |values: &[&'static str]| {
            wait(&values.iter().map(|value| (PREFER, HeaderValue::from_static(value))).collect())
        };
        assert_eq!(wait(&[]), None);
        assert_eq!(wait(&["wait=5"]), Some(5));
        assert_eq!(wait(&["respond-async, Wait = \"7\"; x=y"]), Some(7));
        assert_eq!(wait(&["handling=lenient", "wait=600"]), Some(60));
        assert_eq!(wait(&["wait=soon"]), None);
        assert_eq!(wait(&["wait"]), None);
    }
}
