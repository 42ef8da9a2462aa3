//! What one token, or one address, may ask for.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Request;
use tower::ServiceExt as _;
use web::Site;
use web::limits::{Limits, Rate};
use web::places::Place;

use crate::submit::TEXT;
use crate::support::*;

const FEW: Limits = Limits {
    requests: Rate { per_second: 5, burst: 3 },
    bytes: Rate { per_second: 1000, burst: 2000 },
    streams: 1,
    waits: 1,
};

/// A closed Hive, whose callers may ask for no more than that, and two tokens.
fn limited(limits: Limits) -> (Arc<Fake>, Site, [String; 2]) {
    let (fake, access) = (fake(64), FakeAccess::new());
    let tokens = ["one", "other"].map(|name| format!("Bearer {}", access.token(name, "control")));
    (fake.clone(), web::site(fake, access, web::Config { limits, ..config() }), tokens)
}

/// Enough requests for what else is limited.
const MANY: Limits = Limits { requests: Rate { per_second: 1_000_000, burst: 1_000_000 }, ..FEW };

fn asked(method: &str, path: &str, bearer: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    request(method, path, &[&[("authorization", bearer), ("content-type", TEXT)], headers].concat(), body)
}

#[tokio::test(start_paused = true)]
async fn too_many_requests_are_refused_to_who_sends_them() {
    let (_, router, [one, other]) = limited(FEW);
    let ask = async |path: &str, bearer: &str| send(&router, asked("GET", path, bearer, &[], "")).await;
    for _ in 0..3 {
        assert_eq!(ask("/tasks", &one).await.status, 200);
    }
    let refused = ask("/tasks", &one).await;
    let problem = refused.problem(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert!(problem["detail"].as_str().unwrap().contains("5 requests a second"), "{problem}");
    let page = ask("/admin", &one).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (429, "text/html; charset=utf-8"));
    assert_eq!(ask("/tasks", &other).await.status, 200);
    assert_eq!(ask("/readyz", &one).await.status, 200, "whether she is well, anybody may ask");
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(ask("/tasks", &one).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn who_shows_no_token_is_counted_by_address() {
    let (_, router, _) = limited(FEW);
    let ask = async |from: &str, bearer: &str| {
        let site = router.for_connection(from.parse().unwrap(), Place::default());
        send(&site, asked("GET", "/tasks", bearer, &[], "")).await.status.as_u16()
    };
    for bearer in ["", "Bearer hive_1_guess", ""] {
        assert_eq!(ask("192.0.2.1:1000", bearer).await, 401);
    }
    assert_eq!(ask("192.0.2.1:1001", "").await, 429);
    assert_eq!(ask("192.0.2.1:1001", "Bearer hive_1_guess").await, 429);
    assert_eq!(ask("192.0.2.2:1000", "").await, 401);
    for _ in 0..20 {
        assert_eq!(ask("127.0.0.1:1000", "").await, 401, "this machine has no limits");
    }
}

#[tokio::test]
async fn who_needs_no_token_on_this_machine_has_no_limits() {
    let fake = fake(64);
    let router = web::site(fake, FakeAccess::new(), web::Config { limits: FEW, ..config() });
    let site = router.for_connection("[::1]:1000".parse().unwrap(), Place::default());
    for _ in 0..20 {
        assert_eq!(post(&site, "/tasks", TEXT, "x".repeat(1000)).await.status, 201);
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_read_at_their_rate_and_refused_beyond() {
    let (fake, router, [one, other]) = limited(MANY);
    let submit = async |bearer: &str, frames_of: usize, count: usize| {
        let body = frames(vec![Bytes::from(vec![b'x'; frames_of]); count]);
        send(&router, asked("POST", "/tasks", bearer, &[], body)).await
    };
    let begun = tokio::time::Instant::now();
    assert_eq!(submit(&one, 1000, 2).await.status, 201);
    assert_eq!(begun.elapsed(), Duration::ZERO, "a burst is free");
    assert_eq!(submit(&one, 500, 4).await.status, 201);
    let waited = begun.elapsed().as_millis();
    assert!((2000..2100).contains(&waited), "{waited} ms");
    // While one body is far ahead, no other one is begun.
    let (ahead, (refused, without, others)) = tokio::join!(submit(&one, 4000, 1), async {
        let without = send(&router, asked("GET", "/tasks", &one, &[], "")).await;
        (submit(&one, 1, 1).await, without, submit(&other, 1, 1).await)
    });
    refused.problem(429);
    assert_eq!(refused.header("retry-after"), "4");
    assert_eq!([ahead, without, others].map(|answer| answer.status.as_u16()), [201, 200, 201]);
    assert_eq!(submit(&one, 1, 1).await.status, 201);
    assert_eq!(fake.tasks(), 5);
}

#[tokio::test]
async fn streams_and_waits_have_a_number() {
    let (fake, router, [one, other]) = limited(MANY);
    let stream = async |bearer: &str| router.clone().oneshot(asked("GET", "/events", bearer, &[], "")).await.unwrap();
    let first = stream(&one).await;
    assert_eq!(first.status(), 200);
    let refused = send(&router, asked("GET", "/events", &one, &[], "")).await;
    refused.problem(429);
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(stream(&other).await.status(), 200);
    drop(first);
    assert_eq!(stream(&one).await.status(), 200);

    fake.inner().computed = Some(0);
    let wait = ("prefer", "wait=60");
    let waiting = tokio::spawn({
        let (router, request) = (router.clone(), asked("POST", "/tasks", &one, &[wait], "a"));
        async move { send(&router, request).await }
    });
    while fake.tasks() < 1 {
        tokio::task::yield_now().await;
    }
    send(&router, asked("POST", "/tasks", &one, &[wait], "b")).await.problem(429);
    send(&router, asked("GET", "/tasks/1", &one, &[wait], "")).await.problem(429);
    assert_eq!(fake.tasks(), 1, "what is refused creates nothing");
    assert_eq!(send(&router, asked("GET", "/tasks/1", &one, &[], "")).await.status, 200);
    fake.complete();
    assert_eq!(waiting.await.unwrap().status, 200);
    assert_eq!(send(&router, asked("GET", "/tasks/1", &one, &[wait], "")).await.status, 200);
}
