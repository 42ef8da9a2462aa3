//! Large bodies, and those that are too large, too slow or broken.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use serde_json::json;
use web::hive::SEGMENT;
use web::kinds::digest::MAX_INPUT;

use crate::submit::{FORM, NDJSON, TEXT, inputs, multipart};
use crate::support::*;

#[tokio::test]
async fn long_inputs_are_whole_and_longer_ones_are_found_early() {
    let longest = Bytes::from(vec![b'x'; MAX_INPUT]);
    let cut = frames([Bytes::from_static(b"a\n"), longest.slice(..100), longest.slice(100..), "\r\nb".into()]);
    assert_eq!(inputs(TEXT, cut).await, [&b"a"[..], &longest, b"b"]);
    let (fake, router) = world();
    // It never ends: only an early answer ends the test.
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536])));
    let body = futures_util::StreamExt::chain(futures_util::stream::iter([Ok("a\n".into())]), endless);
    let problem = post(&router, "/tasks", TEXT, Body::from_stream(body)).await.problem(422);
    assert_eq!(problem["line"], 2);
    let mut longer = longest.to_vec();
    longer.push(b'x');
    let problem = post(&router, "/tasks", TEXT, longer.clone()).await.problem(422);
    assert_eq!(problem["line"], 1);
    let text = String::from_utf8(longer).unwrap();
    let problem = post_json(&router, json!({"inputs": ["a", text]})).await.problem(422);
    assert_eq!(problem["path"], "inputs[1]");
    let problem = post(&router, "/tasks", NDJSON, json!(text).to_string()).await.problem(422);
    assert_eq!(problem["line"], 1);
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn a_fields_head_that_does_not_end_is_found_early() {
    let (fake, router) = world();
    let begun = Bytes::from_static(b"--border\r\nContent-Disposition: form-data; name=\"");
    // It never ends, as above.
    let endless = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 4096])));
    let body = futures_util::StreamExt::chain(futures_util::stream::iter([Ok(begun)]), endless);
    let form = "multipart/form-data; boundary=border";
    let problem = post(&router, "/tasks", form, Body::from_stream(body)).await.problem(413);
    assert!(problem["detail"].as_str().unwrap().contains("65536 bytes"), "{problem}");
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn an_answer_does_not_repeat_all_of_a_request() {
    let (_, router) = world();
    let long = "x".repeat(60_000);
    let (form, fields) = multipart(&[(&long, b"1"), ("text", b"a")]);
    let answers = [
        post_json(&router, json!({"input": "a", "name": vec![0; 100_000]})).await,
        post_json(&router, json!({"input": "a", "priority": {&*long: 0}})).await,
        post_json(&router, json!({"input": "a", "priority": long})).await,
        post_json(&router, json!({"input": "a", "kind": long})).await,
        post_json(&router, json!({"input": "a", "algorithm": long})).await,
        post_json(&router, json!({"input": "a", "each": long})).await,
        post_json(&router, json!({&*long: "a"})).await,
        post(&router, "/tasks", NDJSON, json!({&*long: "a"}).to_string()).await,
        post(&router, "/tasks", FORM, format!("{long}=a")).await,
        post(&router, "/tasks", &form, fields).await,
        post(&router, &format!("/tasks?{long}=1"), TEXT, "a").await,
    ];
    for answer in answers {
        answer.problem(422);
        assert!(answer.body.len() < 1000, "{}", answer.text());
    }
}

#[tokio::test]
async fn bulk_goes_in_pieces() {
    let (fake, router) = world();
    let lines: String = (0..400_000).map(|number| format!("line {number}\n")).collect();
    let cut: Vec<Bytes> = lines.as_bytes().chunks(65_536).map(Bytes::copy_from_slice).collect();
    assert_eq!(post(&router, "/tasks", TEXT, frames(cut)).await.status, 201);
    assert!(fake.only().1.iter().map(|line| line.as_slice()).eq(lines.lines().map(str::as_bytes)));
    let inner = fake.inner();
    assert_eq!((inner.begun, inner.finished), (1, 1));
    assert!(inner.pieces.len() > 5);
    for (at, (_, size)) in inner.pieces.iter().enumerate() {
        assert!(*size <= SEGMENT);
        assert!(*size > SEGMENT - 32 || at + 1 == inner.pieces.len());
    }
}

#[tokio::test]
async fn bulk_may_be_json_too() {
    let (fake, router) = world();
    let inputs: Vec<String> = (0..200_000).map(|number| format!("input {number}")).collect();
    assert_eq!(post_json(&router, json!({"inputs": inputs})).await.status, 201);
    assert!(fake.only().1.iter().map(|line| line.as_slice()).eq(inputs.iter().map(String::as_bytes)));
    assert!(fake.inner().pieces.iter().all(|(_, size)| *size <= SEGMENT));
}

#[tokio::test]
async fn a_broken_upload_creates_nothing() {
    let (fake, router) = world();
    let line = Bytes::from("x".repeat(1000) + "\n");
    let parts = std::iter::repeat_n(line, 5000).map(Ok).chain([Err(std::io::Error::other("gone"))]);
    let body = Body::from_stream(futures_util::stream::iter(parts.collect::<Vec<_>>()));
    post(&router, "/tasks", TEXT, body).await.problem(400);
    let inner = fake.inner();
    assert_eq!((inner.begun, inner.finished, inner.tasks.len()), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stops_coming_is_given_up() {
    let (fake, router) = world();
    let (form, begun) = multipart(&[("text", b"a")]);
    let begun = Bytes::copy_from_slice(&begun[..begun.len() - 20]);
    for (content_type, begun) in [(TEXT, "a\n".into()), ("application/json", "{".into()), (form.as_str(), begun)] {
        let stalled = futures_util::stream::pending();
        let body =
            futures_util::StreamExt::chain(futures_util::stream::iter([Ok::<_, std::io::Error>(begun)]), stalled);
        let body = Body::from_stream(body);
        post(&router, "/tasks", content_type, body).await.problem(408);
    }
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn bodies_share_the_room_there_is() {
    let (fake, router) = world();
    let (sender, receiver) = tokio::sync::watch::channel(());
    // Each holds its 50 MiB until the sender is gone.
    let part = Bytes::from(vec![b' '; 50 << 20]);
    let held = (0..5).map(|_| {
        let mut receiver = receiver.clone();
        let rest = futures_util::stream::once(async move {
            let _ = receiver.changed().await;
            Ok(Bytes::from_static(b"{\"input\": \"x\"}"))
        });
        let body =
            futures_util::StreamExt::chain(futures_util::stream::iter([Ok::<_, std::io::Error>(part.clone())]), rest);
        let body = Body::from_stream(body);
        let router = router.clone();
        tokio::spawn(async move { post(&router, "/tasks", "application/json", body).await })
    });
    let mut held: futures_util::stream::FuturesUnordered<_> = held.collect();
    let refused = futures_util::StreamExt::next(&mut held).await.unwrap().unwrap();
    refused.problem(503);
    assert_eq!(refused.header("retry-after"), "2");
    // Something is left for what is small.
    assert_eq!(post_json(&router, json!({"input": "y".repeat(50_000)})).await.status, 201);
    drop(sender);
    while let Some(answer) = futures_util::StreamExt::next(&mut held).await {
        assert_eq!(answer.unwrap().status, 201);
    }
    assert_eq!(fake.tasks(), 5);
}

#[tokio::test]
async fn bodies_take_room_for_what_has_come() {
    let fake = fake(1);
    let router =
        web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), web::Config { room: 1 << 20, ..config() });
    let (sender, receiver) = tokio::sync::watch::channel(());
    let begun = (0..4096).map(|_| {
        let mut receiver = receiver.clone();
        let rest = futures_util::stream::once(async move {
            let _ = receiver.changed().await;
            Ok(Bytes::from_static(b"\"input\": \"x\"}"))
        });
        let begin = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let body = Body::from_stream(futures_util::StreamExt::chain(begin, rest));
        let router = router.clone();
        tokio::spawn(async move { post(&router, "/tasks", "application/json", body).await.status })
    });
    let begun: Vec<_> = begun.collect();
    tokio::task::yield_now().await;
    assert_eq!(post_json(&router, json!({"input": "y".repeat(500_000)})).await.status, 201);
    drop(sender);
    for answer in begun {
        assert_eq!(answer.await.unwrap(), 201);
    }
    assert_eq!(fake.tasks(), 4097);
}

/// A body that begins with so many spaces, of which more come every five seconds for a hundred, and ends with a task.
fn drip(first: usize, more: usize) -> Body {
    let frames = std::iter::once(first).chain(std::iter::repeat_n(more, 20)).map(|count| vec![b' '; count]);
    let frames: Vec<_> = frames.chain([b"{\"input\": \"x\"}".to_vec()]).collect();
    let paced = futures_util::stream::unfold(frames.into_iter(), async |mut frames| {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from(frames.next()?)), frames))
    });
    Body::from_stream(paced)
}

#[tokio::test(start_paused = true)]
async fn a_body_that_crawls_is_given_up_while_room_is_short() {
    let fake = fake(1);
    let router =
        web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), web::Config { room: 1 << 20, ..config() });
    let send = async |first, more| post(&router, "/tasks", "application/json", drip(first, more)).await;
    assert_eq!(send(1, 1).await.status, 201, "while nobody needs the room");
    // Its 35,000 bytes in half a minute are enough.
    let (large, crawls) = tokio::join!(send(800_000, 7_000), send(1, 1));
    assert_eq!(large.status, 201);
    let problem = crawls.problem(408);
    assert!(problem["detail"].as_str().unwrap().contains("1 KiB a second"), "{problem}");
    assert_eq!(fake.tasks(), 2);
}

#[tokio::test]
async fn a_body_that_no_room_can_hold_is_not_asked_for_again() {
    let fake = fake(1);
    let router =
        web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), web::Config { room: 100_000, ..config() });
    let body = |length| format!("{{\"input\": \"{}\"}}", "x".repeat(length));
    assert_eq!(post(&router, "/tasks", "application/json", body(93_000)).await.status, 201);
    let problem = post(&router, "/tasks", "application/json", body(94_000)).await.problem(413);
    assert_eq!(problem["limit"], 93_750, "the rest is for small bodies");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let fake = fake(1);
    let router =
        web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), web::Config { max_body: 1000, ..config() });
    let (content_type, form) = multipart(&[("text", &[b'\n'; 1000])]);
    for content_type in [TEXT, NDJSON, FORM, "", "application/json", &content_type] {
        // Announced, it is not even read.
        let headers = [("content-type", content_type), ("content-length", "1001")];
        let unread = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let problem = send(&router, request("POST", "/tasks", &headers, unread)).await.problem(413);
        assert_eq!(problem["limit"], 1000);
        let body = if content_type.starts_with("multipart") { form.clone() } else { vec![b'\n'; 1001] };
        post(&router, "/tasks", content_type, frames(body.chunks(10).map(Bytes::copy_from_slice))).await.problem(413);
    }
    assert_eq!(post(&router, "/tasks", TEXT, vec![b'\n'; 1000]).await.status, 201);
    assert_eq!(fake.tasks(), 1);
}

#[tokio::test]
async fn a_long_answer_counts_until_it_is_taken() {
    use tower::Service as _;
    let readers = web::budget::Budget::new(1 << 20);
    let router = web::site(
        fake(1),
        std::sync::Arc::new(web::hive::Open),
        web::Config { readers: Arc::clone(&readers), ..config() },
    );
    for _ in 0..200 {
        assert_eq!(post_json(&router, json!({"input": "x", "name": "n".repeat(200)})).await.status, 201);
    }
    let list = || request("GET", "/tasks?limit=200", &[], Body::empty());
    let first = router.clone().call(list()).await.unwrap();
    let taken = readers.used();
    assert!(taken > 64 << 10, "{taken} bytes");
    let mut others = Vec::new();
    let refused = loop {
        let answer = router.clone().call(list()).await.unwrap();
        if answer.status() != 200 {
            break answer;
        }
        others.push(answer);
    };
    assert_eq!((refused.status().as_u16(), readers.used() <= 1 << 19), (503, true));
    drop(others);
    assert_eq!(readers.used(), taken);
    // The bytes count, wherever they are.
    let bytes = axum::body::to_bytes(first.into_body(), usize::MAX).await.unwrap();
    assert_eq!((bytes.len() as u64, readers.used()), (taken, taken));
    drop(bytes);
    assert_eq!((readers.used(), send(&router, list()).await.status.as_u16()), (0, 200));
}
