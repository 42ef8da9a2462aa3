//! A client of a router with a fake Hive behind it.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod access;
mod described;
mod fake;
mod searches;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use web::Config;
use web::Site;
use web::budget::Budget;
use web::limits::Limits;
use web::places::Port;

pub use access::*;
pub use fake::*;

pub const HOST: &str = "127.0.0.1:8081";

pub fn config() -> Config {
    Config {
        address: HOST.parse().unwrap(),
        max_body: 1 << 30,
        room: 256 << 20,
        hosts: Vec::new(),
        trusted_proxies: Vec::new(),
        insecure: false,
        tls: None,
        port: Arc::new(Port::new(8)),
        drone_port: Arc::new(Port::new(8)),
        compressing: 1,
        memory: Budget::new(1 << 20),
        readers: Budget::new(256 << 20),
        limits: Limits::default(),
        shutdown: CancellationToken::new(),
    }
}

/// A fake and the router to it.
pub fn world() -> (Arc<Fake>, Site) {
    let fake = fake(64);
    (fake.clone(), web::site(fake, std::sync::Arc::new(web::hive::Open), config()))
}

/// A fake, who may do what there, and the router to both. It is open until a token is made.
pub fn guarded_world() -> (Arc<Fake>, Arc<FakeAccess>, Site) {
    let (fake, access) = (fake(64), FakeAccess::new());
    let router = web::site(fake.clone(), access.clone(), config());
    (fake, access, router)
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// What came of the body, and whether it came to its end.
    pub body: Bytes,
    pub is_whole: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        assert!(self.is_whole);
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.text()).unwrap()
    }

    /// Its body, which must be a problem with this status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()));
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        problem
    }
}

pub async fn send(router: &Site, request: Request<Body>) -> Answer {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let mut stream = body.into_data_stream();
    let (mut body, mut is_whole) = (Vec::new(), true);
    while let Some(frame) = futures_util::StreamExt::next(&mut stream).await {
        match frame {
            Ok(frame) => body.extend_from_slice(&frame),
            Err(_) => is_whole = false,
        }
    }
    let answer = Answer { status: parts.status, headers: parts.headers, body: body.into(), is_whole };
    described::check(method.as_str(), &path, &answer);
    answer
}

/// A request of that many header pairs, to our host.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", HOST);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

pub async fn get(router: &Site, path: &str) -> Answer {
    send(router, request("GET", path, &[], Body::empty())).await
}

pub async fn get_with(router: &Site, path: &str, headers: &[(&str, &str)]) -> Answer {
    send(router, request("GET", path, headers, Body::empty())).await
}

/// Posts a body of that content type, or of none if that is empty.
pub async fn post(router: &Site, path: &str, content_type: &str, body: impl Into<Body>) -> Answer {
    let headers = [("content-type", content_type)];
    let headers = if content_type.is_empty() { &[] } else { &headers[..] };
    send(router, request("POST", path, headers, body)).await
}

pub async fn post_json(router: &Site, body: Value) -> Answer {
    post(router, "/tasks", "application/json", body.to_string()).await
}

/// A body of these frames, one after the other.
pub fn frames<T: Into<Bytes>>(frames: impl IntoIterator<Item = T>) -> Body {
    let frames: Vec<Result<Bytes, std::io::Error>> = frames.into_iter().map(|frame| Ok(frame.into())).collect();
    Body::from_stream(futures_util::stream::iter(frames))
}

/// The digest in hexadecimal, by another implementation than the one that is shown.
pub fn sha256(input: impl AsRef<[u8]>) -> String {
    Sha256::digest(input).iter().map(|byte| format!("{byte:02x}")).collect()
}
