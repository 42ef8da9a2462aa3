//! How requests were answered, by route.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use prometheus_client::metrics::histogram::Histogram;

use super::lines::Lines;

/// Bounds of buckets, in seconds: from what a look-up takes to what only large bodies do.
const SECONDS: [f64; 8] = [0.000_5, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0, 25.0];

/// The requests of one route. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct RouteMetrics(Arc<Of>);

#[derive(Debug)]
struct Of {
    method: Method,
    path: &'static str,
    seconds: Histogram,
    /// How many there were, by status.
    answers: Mutex<BTreeMap<u16, u64>>,
}

/// In an answer's extensions: the route that it is of.
#[derive(Clone)]
pub(crate) struct Answered(pub(crate) RouteMetrics);

impl RouteMetrics {
    pub(crate) fn new(method: Method, path: &'static str) -> Self {
        Self(Arc::new(Of { method, path, seconds: Histogram::new(SECONDS), answers: Mutex::default() }))
    }

    /// What is answered before a route is found, or without one.
    pub(crate) fn elsewhere() -> Self {
        Self::new(Method::default(), "")
    }

    /// A request was answered. How long it took says nothing if it was `asked` to wait.
    pub(crate) fn count(&self, status: StatusCode, took: Duration, is_asked_to_wait: bool) {
        if !is_asked_to_wait {
            self.0.seconds.observe(took.as_secs_f64());
        }
        *self.answers().entry(status.as_u16()).or_default() += 1;
    }

    fn answers(&self) -> MutexGuard<'_, BTreeMap<u16, u64>> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_used(&self) -> bool {
        !self.answers().is_empty()
    }

    fn labels(&self) -> [(&'static str, &str); 2] {
        [("method", if self.0.path.is_empty() { "" } else { self.0.method.as_str() }), ("route", self.0.path)]
    }
}

/// Writes what there is of routes that were asked for.
pub(super) fn encode(lines: &mut Lines, routes: &[RouteMetrics]) -> fmt::Result {
    let used = || routes.iter().filter(|route| route.is_used());
    let help = "From a request's head to its answer's, its body included, but not where it asked to wait";
    lines.histograms(
        "hive_http_request_duration_seconds",
        help,
        used().map(|route| (route.labels(), &route.0.seconds)),
    )?;
    let counts: Vec<_> = used().map(|route| (route.labels(), route.answers().clone())).collect();
    let codes: Vec<_> = counts
        .iter()
        .flat_map(|(labels, answers)| answers.iter().map(move |(code, count)| (*labels, code.to_string(), *count)))
        .collect();
    let counters =
        codes.iter().map(|([method, route], code, count)| ([*method, *route, ("code", code)], *count as f64));
    lines.counters("hive_http_requests", "Requests that were answered, by status", counters)
}
