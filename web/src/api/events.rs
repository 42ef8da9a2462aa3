//! `/events`: what changes, as it changes (server-sent events).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event as Sent, KeepAlive};
use axum::response::{IntoResponse as _, Response, Sse};
use futures_util::StreamExt as _;
use tokio::sync::broadcast::error::RecvError;

use crate::App;
use crate::hive::Subscription;
use crate::model::{Event, EventId};
use crate::places::{Activity, Place};

const KEEP_ALIVE: Duration = Duration::from_secs(15);
const RETRY: Duration = Duration::from_secs(1);

/// By which nginx is told to pass on what comes as it comes, instead of keeping it until it has a buffer full.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// `GET /events`
pub(crate) async fn events(State(app): State<App>, place: Place, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse::<EventId>().ok()));
    let mut subscription = app.hive.subscribe(last.flatten());
    // An id that cannot be read is one that is not known.
    subscription.reset |= last == Some(None);
    let greeting = greeting(&subscription);
    let told = VecDeque::from([greeting]);
    place.set(Activity::Watching);
    let stream = futures_util::stream::unfold(Teller { app, place, subscription, told }, async |mut teller| {
        let event = teller.next().await?;
        Some((Ok::<_, Infallible>(event), teller))
    });
    let told = Sse::new(stream.fuse()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([UNBUFFERED], told).into_response()
}

/// Has no data, so that it is no event; it sets what the client would ask for after a loss.
fn greeting(subscription: &Subscription) -> Sent {
    let greeting = Sent::default().retry(RETRY);
    match subscription.backlog.is_empty() {
        true => greeting.id(subscription.at.to_string()),
        false => greeting,
    }
}

struct Teller {
    app: App,
    place: Place,
    subscription: Subscription,
    /// What comes before the subscription's events.
    told: VecDeque<Sent>,
}

impl Teller {
    async fn next(&mut self) -> Option<Sent> {
        if let Some(sent) = self.told.pop_front() {
            return Some(sent);
        }
        if std::mem::take(&mut self.subscription.reset) {
            // Everything is to be read anew: what came before is of no interest.
            self.subscription.backlog.clear();
            return Some(Sent::default().event("reset").id(self.subscription.at.to_string()).data("{}"));
        }
        if !self.subscription.backlog.is_empty() {
            self.told = std::mem::take(&mut self.subscription.backlog).iter().map(sent).collect();
            return self.told.pop_front();
        }
        let event = tokio::select! {
            event = self.subscription.events.recv() => event,
            () = self.place.lost() => return None,
            () = self.app.config.shutdown.cancelled() => return None,
        };
        match event {
            Ok(event) => Some(sent(&event)),
            Err(RecvError::Closed) => None,
            Err(RecvError::Lagged(_)) => {
                self.subscription = self.app.hive.subscribe(None);
                Some(Sent::default().event("reset").id(self.subscription.at.to_string()).data("{}"))
            }
        }
    }
}

fn sent(event: &Arc<Event>) -> Sent {
    let data = serde_json::to_string(&event.change).unwrap_or_default();
    Sent::default().event(event.change.name()).id(event.id.to_string()).data(data)
}
