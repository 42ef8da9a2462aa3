//! The event stream.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use tower::ServiceExt as _;
use web::Site;
use web::hive::Finding;
use web::model::Change;
use wire::ids::{DroneId, TaskId};

use crate::support::*;

/// Reads a stream event by event.
struct Reader {
    stream: BodyDataStream,
    text: String,
}

impl Reader {
    async fn open(router: &Site, last: Option<&str>) -> Self {
        let last = last.map(|last| ("last-event-id", last));
        let headers: Vec<_> = last.into_iter().chain([("accept-encoding", "gzip")]).collect();
        let request = request("GET", "/events", &headers, Body::empty());
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert!(!response.headers().contains_key("content-encoding"));
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        Self { stream: response.into_body().into_data_stream(), text: String::new() }
    }

    /// The lines of the next event; `None` at the end.
    async fn next(&mut self) -> Option<Vec<String>> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let lines = event.lines().map(str::to_owned).collect();
                self.text = rest.to_owned();
                return Some(lines);
            }
            let frame = self.stream.next().await?.unwrap();
            self.text.push_str(std::str::from_utf8(&frame).unwrap());
        }
    }
}

fn removed(id: u64) -> Change {
    Change::TaskRemoved { id: TaskId(id), owner: None }
}

fn event(seq: u64) -> Vec<String> {
    vec!["event: task-removed".to_owned(), format!("id: 3-{seq}"), format!("data: {{\"id\":{seq}}}")]
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[track_caller]
fn assert_event(lines: Option<Vec<String>>, seq: u64) {
    assert_eq!(sorted(lines.unwrap()), sorted(event(seq)));
}

#[track_caller]
fn assert_reset(lines: Option<Vec<String>>, seq: u64) {
    let expected = vec!["event: reset".to_owned(), format!("id: 3-{seq}"), "data: {}".to_owned()];
    assert_eq!(sorted(lines.unwrap()), sorted(expected));
}

#[tokio::test]
async fn changes_are_told_as_they_come() {
    let (fake, router) = world();
    fake.publish(removed(1));
    let mut reader = Reader::open(&router, None).await;
    assert_eq!(sorted(reader.next().await.unwrap()), ["id: 3-1", "retry: 1000"]);
    fake.publish(removed(2));
    fake.publish(removed(3));
    assert_event(reader.next().await, 2);
    assert_event(reader.next().await, 3);
    fake.publish(Change::Drone(drone()));
    assert!(reader.next().await.unwrap().contains(&"event: drone".to_owned()));
    fake.publish(Change::Overview(overview()));
    assert!(reader.next().await.unwrap().contains(&"event: overview".to_owned()));
    fake.publish(Change::ResultChanged { task: TaskId(7), from: 10, to: 20, drone: DroneId(3), owner: None });
    let event = reader.next().await.unwrap();
    assert!(event.contains(&"event: result-changed".to_owned()));
    assert!(event.contains(&r#"data: {"task":7,"from":10,"to":20,"drone":3}"#.to_owned()));
    for (plain, shown) in [(&b"honey"[..], r#""plain":"honey""#), (b"\xff", r#""plain_base64":"/w==""#)] {
        let finding = Finding { index: 10, plain: plain.to_vec(), digest: [0xab; 32] };
        fake.publish(Change::Finding { task: TaskId(7), finding, owner: None });
        let event = reader.next().await.unwrap();
        assert!(event.contains(&"event: finding".to_owned()));
        let digest = "ab".repeat(32);
        assert!(event.contains(&format!(r#"data: {{"task":7,"index":10,{shown},"digest":"{digest}"}}"#)), "{event:?}");
    }
}

#[tokio::test]
async fn a_client_that_comes_back_misses_nothing() {
    let (fake, router) = world();
    for seq in 1..=3 {
        fake.publish(removed(seq));
    }
    let mut reader = Reader::open(&router, Some("3-1")).await;
    assert_eq!(reader.next().await.unwrap(), ["retry: 1000"]);
    assert_event(reader.next().await, 2);
    assert_event(reader.next().await, 3);
    fake.publish(removed(4));
    assert_event(reader.next().await, 4);
}

#[tokio::test]
async fn an_unknown_event_means_reading_anew() {
    let (fake, router) = world();
    fake.publish(removed(1));
    for last in ["2-1", "3-9", "nonsense", ""] {
        let mut reader = Reader::open(&router, Some(last)).await;
        reader.next().await;
        assert_reset(reader.next().await, 1);
    }
}

#[tokio::test]
async fn a_slow_reader_reads_anew() {
    let fake = fake(2);
    let router = web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), config());
    let mut reader = Reader::open(&router, None).await;
    reader.next().await;
    for seq in 1..=5 {
        fake.publish(removed(seq));
    }
    assert_reset(reader.next().await, 5);
    fake.publish(removed(6));
    assert_event(reader.next().await, 6);
}

#[tokio::test]
async fn a_shutdown_ends_the_stream() {
    let config = config();
    let router = web::site(fake(2), std::sync::Arc::new(web::hive::Open), config.clone());
    let mut reader = Reader::open(&router, None).await;
    reader.next().await;
    config.shutdown.cancel();
    assert_eq!(reader.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_is_kept_alive() {
    let (_fake, router) = world();
    let mut reader = Reader::open(&router, None).await;
    reader.next().await;
    assert!(reader.next().await.unwrap()[0].starts_with(':'));
}
