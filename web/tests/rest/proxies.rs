//! Proxies that are trusted, and such that are not.

use std::sync::Arc;

use web::hive::Action;
use web::places::Place;
use web::{Config, Site};

use crate::support::*;

fn behind_a_proxy() -> (Arc<Fake>, Site) {
    let fake = fake(1);
    let proxies = vec!["192.0.2.0/24".parse().unwrap()];
    let config = Config { hosts: vec!["hive.example".to_owned()], trusted_proxies: proxies, ..config() };
    (fake.clone(), web::site(fake, Arc::new(web::hive::Open), config))
}

#[tokio::test]
async fn whom_a_proxy_asks_for_is_told_if_it_is_trusted() {
    let (fake, site) = behind_a_proxy();
    fake.inner().computed = Some(0);
    post(&site, "/tasks", "text/plain", "a").await;
    let pause = async |peer: &str| {
        let site = site.for_connection(peer.parse().unwrap(), Place::default());
        let headers = [("x-forwarded-for", "198.51.100.7, 203.0.113.9, 192.0.2.2")];
        assert_eq!(send(&site, request("POST", "/tasks/1/pause", &headers, "")).await.status, 200);
        let deed = fake.inner().deeds.pop().unwrap();
        assert_eq!(deed.action, Action::Pause);
        deed.by.address.unwrap().to_string()
    };
    assert_eq!(pause("192.0.2.1:4711").await, "203.0.113.9");
    assert_eq!(pause("198.51.100.1:4711").await, "198.51.100.1");
}

#[tokio::test]
async fn what_came_over_tls_to_a_proxy_is_secure() {
    let (_, site) = behind_a_proxy();
    let write = async |peer: &str, proto: &str, origin: &str| {
        let site = site.for_connection(peer.parse().unwrap(), Place::default());
        let headers = [("x-forwarded-proto", proto), ("origin", origin), ("content-type", "text/plain")];
        let mut request = request("POST", "/tasks", &headers, "a");
        request.headers_mut().insert("host", "hive.example".parse().unwrap());
        let answer = send(&site, request).await;
        (answer.status.as_u16(), answer.header("strict-transport-security").to_owned())
    };
    let pinned = "max-age=31536000".to_owned();
    let (proxy, stranger) = ("192.0.2.1:4711", "198.51.100.1:4711");
    assert_eq!(write(proxy, "https", "https://hive.example").await, (201, pinned.clone()));
    assert_eq!(write(proxy, "https", "http://hive.example").await, (403, pinned), "a page that came in the clear");
    assert_eq!(write(proxy, "http", "http://hive.example").await, (201, String::new()));
    assert_eq!(write(stranger, "https", "http://hive.example").await, (201, String::new()));
    assert_eq!(write(stranger, "https", "https://evil.example").await, (403, String::new()));
}
