//! Requests with an `Idempotency-Key`, which may be sent again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use web::Site;
use web::hive::HiveError;

use crate::submit::{FORM, NDJSON, TEXT, multipart};
use crate::support::*;

const JSON: &str = "application/json";

/// Posts with a key.
async fn post_as(key: &str, router: &Site, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
    send(router, request("POST", path, &[("idempotency-key", key), ("content-type", content_type)], body)).await
}

/// A request whose body has begun with `a`, and what ends it.
struct Held {
    answer: JoinHandle<Answer>,
    end: oneshot::Sender<()>,
}

/// Sends a request of lines with a key, and waits until the key is claimed for it.
async fn hold(key: &'static str, fake: &Arc<Fake>, router: &Site) -> Held {
    let (end, ended) = oneshot::channel();
    let rest = futures_util::stream::once(async move {
        let _ = ended.await;
        Ok::<_, Infallible>(Bytes::from_static(b"b\n"))
    });
    let body = Body::from_stream(futures_util::StreamExt::chain(futures_util::stream::iter([Ok("a\n".into())]), rest));
    let router = router.clone();
    let answer = tokio::spawn(async move { post_as(key, &router, "/tasks", TEXT, body).await });
    while fake.inner().keys.is_empty() {
        tokio::task::yield_now().await;
    }
    Held { answer, end }
}

/// A body that never comes.
fn never() -> Body {
    Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>())
}

#[tokio::test]
async fn the_same_request_creates_one_task() {
    let (fake, router) = world();
    let body = json!({"inputs": ["a", "b"], "name": "once"}).to_string();
    let first = post_as("\"k\"", &router, "/tasks", JSON, body.clone()).await;
    assert_eq!((first.status.as_u16(), first.header("location")), (201, "/tasks/1"));
    for key in ["\"k\"", "k"] {
        let again = post_as(key, &router, "/tasks", JSON, body.clone()).await;
        assert_eq!((again.status.as_u16(), again.header("location")), (201, "/tasks/1"));
        assert_eq!(again.json(), first.json());
    }
    assert_eq!(post_as("other", &router, "/tasks", JSON, body.clone()).await.header("location"), "/tasks/2");
    // Without a key every request is a new one.
    assert_eq!(post(&router, "/tasks", JSON, body).await.header("location"), "/tasks/3");
    assert_eq!(fake.tasks(), 3);
}

#[tokio::test]
async fn what_is_asked_for_counts_and_not_how() {
    let (fake, router) = world();
    assert_eq!(post_as("k", &router, "/tasks?name=n", TEXT, "a\nbc\n").await.status, 201);
    let (content_type, form) = multipart(&[("name", b"n"), ("text", b"a"), ("file", b"bc\r\n")]);
    let bordered = String::from_utf8(form.clone()).unwrap().replace("border", "another");
    for (path, content_type, body) in [
        ("/tasks?name=n", TEXT, frames(["a", "\nb", "c"])),
        ("/tasks?name=n&algorithm=sha256&priority=0", TEXT, "a\r\nbc".into()),
        ("/tasks?name=n", NDJSON, "\"a\"\n\n{\"input\": \"bc\"}".into()),
        ("/tasks", JSON, r#"{"name": "n", "inputs": ["\u0061", "bc"]}"#.into()),
        ("/tasks", FORM, "input=a&name=n&input=bc".into()),
        ("/tasks", &content_type, form.into()),
        ("/tasks", "multipart/form-data; boundary=another", bordered.into()),
    ] {
        let again = post_as("k", &router, path, content_type, body).await;
        assert_eq!((again.status.as_u16(), again.header("location")), (201, "/tasks/1"), "{content_type}");
    }
    assert_eq!(fake.tasks(), 1);
    assert_eq!(fake.inner().submitted, 1);
}

#[tokio::test]
async fn another_task_needs_another_key() {
    let (fake, router) = world();
    let keyed = async |options: &str, secret: (&str, &str), body: &'static str| {
        let headers = [("idempotency-key", "k"), ("content-type", TEXT), secret];
        send(&router, request("POST", &format!("/tasks?{options}"), &headers, body)).await
    };
    let (hmac, key) = ("algorithm=hmac-sha256", ("hive-key", "k"));
    assert_eq!(keyed(hmac, key, "00\n11").await.status, 201);
    for body in ["00", "00\n11\n22", "11\n00", "001\n1", "0011", "00\n11\n\n"] {
        let problem = keyed(hmac, key, body).await.problem(422);
        assert_eq!(problem["path"], "Idempotency-Key");
        assert!(problem["detail"].as_str().unwrap().contains("another task, number 1"));
    }
    for options in ["", "algorithm=sha256d"] {
        post_as("k", &router, &format!("/tasks?{options}"), TEXT, "00\n11").await.problem(422);
    }
    for (options, secret) in [
        (hmac, ("hive-key", "l")),
        ("algorithm=hmac-sha256&encoding=hex", key),
        ("algorithm=hmac-sha256&name=n", key),
        ("algorithm=hmac-sha256&priority=1", key),
        ("algorithm=hmac-sha256&deadline_seconds=60", key),
        ("algorithm=pbkdf2-hmac-sha256&iterations=1", ("hive-salt", "k")),
    ] {
        keyed(options, secret, "00\n11").await.problem(422);
    }
    assert_eq!(fake.tasks(), 1);
    assert_eq!(fake.inner().submitted, 1);
}

#[tokio::test]
async fn a_repeated_upload_is_not_passed_on() {
    let (fake, router) = world();
    let lines: String = (0..400_000).map(|number| format!("line {number}\n")).collect();
    let cut = |size| frames(lines.as_bytes().chunks(size).map(Bytes::copy_from_slice));
    assert_eq!(post_as("k", &router, "/tasks", TEXT, cut(65_536)).await.status, 201);
    let seen = || {
        let inner = fake.inner();
        (inner.begun, inner.pieces.len(), inner.finished, inner.submitted)
    };
    let before = seen();
    assert!(before.1 > 5);
    for again in [
        post_as("k", &router, "/tasks", TEXT, cut(50_000)).await,
        post_as("k", &router, "/tasks", JSON, json!({"inputs": lines.lines().collect::<Vec<_>>()}).to_string()).await,
    ] {
        assert_eq!((again.status.as_u16(), again.header("location")), (201, "/tasks/1"));
    }
    post_as("k", &router, "/tasks", TEXT, lines.clone() + "x").await.problem(422);
    // It is read in the same way, up to its last line.
    let problem = post_as("k", &router, "/tasks", NDJSON, "\"a\"\nb").await.problem(400);
    assert_eq!(problem["line"], 2);
    assert_eq!(seen(), before);
}

#[tokio::test]
async fn a_key_is_busy_while_its_first_request_is_under_way() {
    let (fake, router) = world();
    let held = hold("k", &fake, &router).await;
    // Not even read.
    let problem = post_as("k", &router, "/tasks", TEXT, never()).await.problem(409);
    assert!(problem["detail"].as_str().unwrap().contains("under way"));
    assert_eq!(post_as("other", &router, "/tasks", TEXT, "a").await.header("location"), "/tasks/1");
    held.end.send(()).unwrap();
    assert_eq!(held.answer.await.unwrap().header("location"), "/tasks/2");
    let again = post_as("k", &router, "/tasks", TEXT, "a\nb").await;
    assert_eq!((again.status.as_u16(), again.header("location")), (201, "/tasks/2"));
    assert_eq!(fake.tasks(), 2);
}

#[tokio::test]
async fn a_client_that_goes_frees_the_key() {
    let (fake, router) = world();
    let held = hold("k", &fake, &router).await;
    held.answer.abort();
    assert!(held.answer.await.unwrap_err().is_cancelled());
    assert!(fake.inner().keys.is_empty());
    let broken = Body::from_stream(futures_util::stream::iter([Ok("a\n"), Err(std::io::Error::other("gone"))]));
    post_as("k", &router, "/tasks", TEXT, broken).await.problem(400);
    assert_eq!(post_as("k", &router, "/tasks", TEXT, "a").await.header("location"), "/tasks/1");
}

#[tokio::test]
async fn a_failed_request_frees_the_key() {
    let (fake, router) = world();
    for (path, content_type, body, status) in [
        ("/tasks?encoding=hex", TEXT, "0x", 422),
        ("/tasks?colour=red", TEXT, "a", 422),
        ("/tasks", TEXT, "", 422),
        ("/tasks", JSON, "{", 400),
        ("/tasks", "image/png", "a", 415),
    ] {
        post_as("k", &router, path, content_type, body).await.problem(status);
        assert!(fake.inner().keys.is_empty(), "{path} {content_type}");
    }
    // The Hive refuses it when all of it is there, and then already the claim.
    let held = hold("k", &fake, &router).await;
    let reason = "the disk is full".to_owned();
    fake.inner().error = Some(HiveError::Unavailable { reason, retry_after: Duration::from_secs(5) });
    held.end.send(()).unwrap();
    held.answer.await.unwrap().problem(503);
    post_as("k", &router, "/tasks", TEXT, never()).await.problem(503);
    fake.inner().error = None;
    assert!(fake.inner().keys.is_empty());
    assert_eq!(post_as("k", &router, "/tasks", TEXT, "a\nb").await.header("location"), "/tasks/1");
}

#[tokio::test]
async fn the_key_of_a_removed_task_is_not_free() {
    let (fake, router) = world();
    assert_eq!(post_as("k", &router, "/tasks", TEXT, "a").await.status, 201);
    send(&router, request("DELETE", "/tasks/1", &[], Body::empty())).await;
    post_as("k", &router, "/tasks", TEXT, "a").await.problem(410);
    let headers = [("idempotency-key", "k"), ("content-type", TEXT), ("prefer", "wait=5")];
    send(&router, request("POST", "/tasks", &headers, "a")).await.problem(410);
    post_as("k", &router, "/tasks", TEXT, "b").await.problem(422);
    assert_eq!(fake.tasks(), 1);
}

#[tokio::test]
async fn who_repeats_a_request_may_wait() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    let submit = |wait: &'static str| {
        let headers = [("idempotency-key", "k"), ("content-type", TEXT), ("prefer", wait)];
        send(&router, request("POST", "/tasks", &headers, "a"))
    };
    let first = submit("wait=0").await;
    assert_eq!((first.status.as_u16(), &first.json()["state"]), (201, &json!("running")));
    let complete = async { fake.complete() };
    let (again, ()) = tokio::join!(submit("wait=60"), complete);
    assert_eq!((again.status.as_u16(), again.header("preference-applied")), (200, "wait=60"));
    assert_eq!(again.header("location"), "/tasks/1");
    assert_eq!(again.json()["results"][0]["digest"], sha256("a"));
    // The task as it is now.
    let again = post_as("k", &router, "/tasks", TEXT, "a").await;
    assert_eq!((again.status.as_u16(), &again.json()["state"]), (201, &json!("done")));
    assert_eq!(fake.tasks(), 1);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_400() {
    let (fake, router) = world();
    let (longest, longer) = ("k".repeat(255), "k".repeat(256));
    for key in ["", "\"\"", "\"k", "k\"", "a b", "\"a b\"", "a, b", "k;x=1", "\"a\\b\"", "\u{e9}", &longer] {
        let problem = post_as(key, &router, "/tasks", TEXT, never()).await.problem(400);
        assert_eq!(problem["path"], "Idempotency-Key", "{key}");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a"), ("content-type", TEXT)];
    let problem = send(&router, request("POST", "/tasks", &twice, never())).await.problem(400);
    assert_eq!(problem["path"], "Idempotency-Key");
    assert_eq!(fake.tasks(), 0);
    for key in [longest.clone(), format!("\"{longest}\"")] {
        assert_eq!(post_as(&key, &router, "/tasks", TEXT, "a").await.header("location"), "/tasks/1");
    }
}

#[tokio::test]
async fn a_search_is_the_same_however_it_is_written() {
    let (fake, router) = world();
    let json = |bits: u8| {
        json!({
            "kind": "search", "space": { "mask": "?1?d", "charsets": ["ba"] }, "leading_zero_bits": bits, "stop": "first",
        })
        .to_string()
    };
    let form = "kind=search&mask=%3f1%3fd&charset1=ab&digest_prefix_bits=000";
    assert_eq!(post_as("one", &router, "/tasks", JSON, json(3)).await.header("location"), "/tasks/1");
    assert_eq!(post_as("one", &router, "/tasks", FORM, form).await.header("location"), "/tasks/1");
    post_as("one", &router, "/tasks", JSON, json(4)).await.problem(422);
    // What it would take may be asked for first.
    assert_eq!(post_as("two", &router, "/tasks?dry_run=1", JSON, json(3)).await.status, 200);
    assert_eq!(post_as("two", &router, "/tasks", JSON, json(3)).await.header("location"), "/tasks/2");
    assert_eq!(fake.tasks(), 2);
}
