//! Who may ask.

use axum::body::Body;
use axum::http::Request;

use crate::support::*;

fn hosts(path: &str, hosts: &[&str]) -> Request<Body> {
    let mut request = Request::builder().uri(path);
    for host in hosts {
        request = request.header("host", *host);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn only_our_host_is_served() {
    let (_, router) = world();
    for host in ["127.0.0.1:8081", "localhost:8081", "LocalHost:8081", "[::1]:8081", "127.0.0.2:8081"] {
        assert_eq!(send(&router, hosts("/stats", &[host])).await.status, 200, "{host}");
    }
    for host in ["evil.example:8081", "127.0.0.1", "localhost:8080", "localhost.evil.example:8081", "10.0.0.1:8081"] {
        send(&router, hosts("/stats", &[host])).await.problem(421);
    }
    for bad in [&[][..], &["127.0.0.1:8081", "127.0.0.1:8081"], &[""], &["a b"], &["u@127.0.0.1:8081"]] {
        send(&router, hosts("/stats", bad)).await.problem(400);
    }
    let absolute = Request::builder().uri("http://evil.example/stats").header("host", HOST);
    send(&router, absolute.body(Body::empty()).unwrap()).await.problem(421);
}

#[tokio::test]
async fn probes_are_answered_whatever_they_call_us() {
    let (_, router) = world();
    for path in ["/healthz", "/readyz", "http://evil.example/healthz"] {
        for named in [&[][..], &["hive"], &["10.0.0.1:8081"], &["a b"], &["hive", "hive"]] {
            assert_eq!(send(&router, hosts(path, named)).await.status, 200, "{path} {named:?}");
        }
    }
    let write = Request::post("/healthz").header("host", "hive").body(Body::empty()).unwrap();
    send(&router, write).await.problem(421);
}

#[tokio::test]
async fn names_are_served_that_are_ours() {
    let config = web::Config { hosts: vec!["hive.example".to_owned()], ..config() };
    let router = web::site(fake(1), std::sync::Arc::new(web::hive::Open), config);
    for host in ["hive.example", "Hive.Example:443", "127.0.0.1:8081"] {
        assert_eq!(send(&router, hosts("/stats", &[host])).await.status, 200, "{host}");
    }
    for host in ["evil.example", "hive.example.evil.example", "10.0.0.1:8081", "xhive.example"] {
        send(&router, hosts("/stats", &[host])).await.problem(421);
    }
    send(&router, hosts("/stats", &[])).await.problem(400);
    let write = |origin: &str| {
        let request = Request::post("/tasks").header("host", "hive.example").header("origin", origin);
        request.header("content-type", "text/plain").body(Body::from("a")).unwrap()
    };
    assert_eq!(send(&router, write("https://hive.example")).await.status, 201);
    send(&router, write("https://evil.example")).await.problem(403);
}

#[tokio::test]
async fn another_sites_page_cannot_write() {
    let (fake, router) = world();
    let send_with = |method: &'static str, path: &'static str, header: (&'static str, &'static str)| {
        send(&router, request(method, path, &[header, ("content-type", "text/plain")], "a"))
    };
    for header in [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:9000"),
        ("origin", "http://127.0.0.1:8081.evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        for (method, path) in [
            ("POST", "/tasks"),
            ("PATCH", "/tasks/1"),
            ("DELETE", "/tasks/1"),
            ("POST", "/tasks/1/cancel"),
            ("POST", "/drones/1/drain"),
            ("PUT", "/x"),
        ] {
            send_with(method, path, header).await.problem(403);
        }
        let answer = send_with("POST", "/admin/tasks", header).await;
        assert_eq!(answer.status, 403);
        assert_eq!(send_with("GET", "/healthz", header).await.status, 200);
    }
    assert_eq!(fake.tasks(), 0);
    for header in [("origin", "http://127.0.0.1:8081"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")] {
        assert_eq!(send_with("POST", "/tasks", header).await.status, 201);
    }
}

#[tokio::test]
async fn every_answer_has_the_headers() {
    let (_, router) = world();
    for path in ["/healthz", "/tasks/1", "/nowhere", "/admin", "/admin/nowhere", "/"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
    assert_eq!(get(&router, "/tasks").await.header("cache-control"), "no-store");
    assert_eq!(send(&router, hosts("/stats", &[])).await.header("x-content-type-options"), "nosniff");
}
