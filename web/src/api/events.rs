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
use tokio::time::{Instant, Interval, interval_at};

use crate::client::Client;
use crate::config::Config;
use crate::entrance::{Changes, Entrance};
use crate::error::Problem;
use crate::hive::{Hive, Subscription};
use crate::limits::Turn;
use crate::model::{Event, EventId};
use crate::own::is_told;
use crate::places::Activity;

const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often it is asked whether somebody may still watch.
const LOOK: Duration = Duration::from_secs(60);

/// How long a client waits before it connects again (`retry` of the event stream).
const RECONNECT_DELAY: Duration = Duration::from_secs(1);

/// By which nginx is told to pass on what comes as it comes, instead of keeping it until it has a buffer full.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// `GET /events`
pub(crate) async fn events(
    State(hive): State<Arc<dyn Hive>>,
    State(config): State<Arc<Config>>,
    State(entrance): State<Arc<Entrance>>,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let turn = client.allowance.stream()?;
    let last = headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse::<EventId>().ok()));
    let mut subscription = hive.subscribe(last.flatten());
    // An id that cannot be read is one that is not known.
    subscription.reset |= last == Some(None);
    let greeting = greeting(&subscription);
    let pending = VecDeque::from([greeting]);
    client.place.set(Activity::Watching);
    let (changes, due) = (entrance.changes(), interval_at(Instant::now() + LOOK, LOOK));
    let teller = Teller { hive, config, entrance, client, changes, due, subscription, pending, _turn: turn };
    let stream = futures_util::stream::unfold(teller, async |mut teller| {
        let event = teller.next().await?;
        Some((Ok::<_, Infallible>(event), teller))
    });
    let stream = Sse::new(stream.fuse()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(([UNBUFFERED], stream).into_response())
}

/// Has no data, so that it is no event; it sets what the client would ask for after a loss.
fn greeting(subscription: &Subscription) -> Sent {
    let greeting = Sent::default().retry(RECONNECT_DELAY);
    match subscription.backlog.is_empty() {
        true => greeting.id(subscription.at.to_string()),
        false => greeting,
    }
}

struct Teller {
    hive: Arc<dyn Hive>,
    config: Arc<Config>,
    entrance: Arc<Entrance>,
    client: Client,
    /// After what it is to be asked whether the client may still watch, and when in any case.
    changes: Changes,
    due: Interval,
    subscription: Subscription,
    /// What comes before the subscription's events.
    pending: VecDeque<Sent>,
    _turn: Turn,
}

impl Teller {
    async fn next(&mut self) -> Option<Sent> {
        if let Some(sent) = self.pending.pop_front() {
            return Some(sent);
        }
        if std::mem::take(&mut self.subscription.reset) {
            // Everything is to be read anew: what came before is of no interest.
            self.subscription.backlog.clear();
            return Some(self.reset());
        }
        if !self.subscription.backlog.is_empty() {
            let backlog = std::mem::take(&mut self.subscription.backlog);
            self.pending =
                backlog.iter().filter(|event| is_told(&self.client.caller, &event.change)).map(sent).collect();
        }
        if let Some(sent) = self.pending.pop_front() {
            return Some(sent);
        }
        loop {
            let doubted = async {
                tokio::select! {
                    () = self.changes.next() => {}
                    _ = self.due.tick() => {}
                }
            };
            let event = tokio::select! {
                event = self.subscription.events.recv() => event,
                () = doubted => match self.client.is_still_known(&self.entrance) {
                    true => continue,
                    false => return None,
                },
                () = self.client.place.lost() => return None,
                () = self.config.shutdown.cancelled() => return None,
            };
            match event {
                Ok(event) if is_told(&self.client.caller, &event.change) => return Some(sent(&event)),
                Ok(_) => {}
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    self.subscription = self.hive.subscribe(None);
                    return Some(self.reset());
                }
            }
        }
    }

    fn reset(&self) -> Sent {
        Sent::default().event("reset").id(self.subscription.at.to_string()).data("{}")
    }
}

fn sent(event: &Arc<Event>) -> Sent {
    Sent::default().event(event.change.name()).id(event.id.to_string()).data(event.data())
}
