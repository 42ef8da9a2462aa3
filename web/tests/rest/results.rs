//! Results in all their forms.

use std::io::Read as _;

use axum::body::Body;
use axum::http::Version;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use web::model::TaskState;

use crate::support::*;

async fn lines(router: &web::Site, path: &str) -> Vec<Value> {
    let answer = get(router, path).await;
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn row(index: u64, input: &str) -> Value {
    json!({"index": index, "input": input, "digest": sha256(input)})
}

#[tokio::test]
async fn ndjson_says_how_far_it_goes() {
    let (fake, router) = world();
    fake.inner().batch = 2;
    post(&router, "/tasks", "text/plain", "a\nb\nc\nd\ne\n").await;
    let end = |count: u64, next: u64, is_complete: bool| json!({"end": true, "count": count, "next_offset": next, "complete": is_complete});
    let all = ["a", "b", "c", "d", "e"];
    let rows = |from: usize, to: usize| (from..to).map(|at| row(at as u64, all[at]));
    for (query, from, to, is_complete) in [
        ("", 0, 5, true),
        ("?offset=2", 2, 5, true),
        ("?offset=1&limit=3", 1, 4, false),
        ("?limit=5", 0, 5, true),
        ("?limit=0", 0, 0, false),
        ("?offset=5", 5, 5, true),
        ("?offset=9&limit=3&format=ndjson", 9, 9, true),
    ] {
        let expected: Vec<Value> =
            rows(from.min(5), to.min(5)).chain([end((to - from) as u64, to as u64, is_complete)]).collect();
        assert_eq!(lines(&router, &format!("/tasks/1/results{query}")).await, expected, "{query}");
    }
    fake.inner().computed = Some(3);
    post(&router, "/tasks", "text/plain", "a\nb\nc\nd\ne\n").await;
    let expected: Vec<Value> = rows(0, 3).chain([end(3, 3, false)]).collect();
    assert_eq!(lines(&router, "/tasks/2/results").await, expected);
    assert_eq!(lines(&router, "/tasks/2/results?offset=4").await, [end(0, 4, false)]);
    fake.set_state(2, TaskState::Cancelled);
    assert_eq!(lines(&router, "/tasks/2/results").await, expected);
}

#[tokio::test]
async fn csv_and_text_are_what_they_should_be() {
    let (_, router) = world();
    post(&router, "/tasks", "text/plain", &b"a,\"b\"\n\xff\n\n"[..]).await;
    let [first, second, third] = [&b"a,\"b\""[..], b"\xff", b""].map(sha256);
    let answer = get(&router, "/tasks/1/results?format=csv").await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    let expected =
        format!("index,input,digest,input_base64\r\n0,\"a,\"\"b\"\"\",{first},\r\n1,,{second},/w==\r\n2,,{third},\r\n");
    assert_eq!(answer.text(), expected);
    let answer = get(&router, "/tasks/1/results?format=text").await;
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    let expected =
        [first.as_bytes(), b"  a,\"b\"\n", second.as_bytes(), b"  \xff\n", third.as_bytes(), b"  \n"].concat();
    assert_eq!(answer.body, expected);
    let answer = get(&router, "/tasks/1/results?format=csv&offset=3").await;
    assert_eq!(answer.text(), "index,input,digest,input_base64\r\n");
}

#[tokio::test]
async fn the_form_is_negotiated() {
    let (_, router) = world();
    post(&router, "/tasks", "text/plain", "a").await;
    for (accept, content_type) in [
        ("*/*", "application/x-ndjson"),
        ("application/json", "application/x-ndjson"),
        ("text/csv", "text/csv; charset=utf-8; header=present"),
        ("text/csv;q=0.1, text/plain", "text/plain; charset=utf-8"),
    ] {
        let answer = get_with(&router, "/tasks/1/results", &[("accept", accept)]).await;
        assert_eq!(answer.header("content-type"), content_type);
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary == "accept"));
    }
    get_with(&router, "/tasks/1/results", &[("accept", "text/html")]).await.problem(406);
    let answer = get_with(&router, "/tasks/1/results?format=text", &[("accept", "text/html")]).await;
    assert_eq!(answer.status, 200);
    for query in ["format=xml", "offset=-1", "limit=x", "partial=maybe", "colour=red"] {
        let problem = get(&router, &format!("/tasks/1/results?{query}")).await.problem(422);
        assert_eq!(problem["path"], query.split('=').next().unwrap(), "{problem}");
    }
    let answer = get_with(&router, "/tasks/1/results?format=&offset=&limit=", &[("accept", "text/csv")]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "text/csv; charset=utf-8; header=present")
    );
    // Where nothing else says that a body is over, it has to say so itself.
    for (format, status) in [("text", 505), ("csv", 505), ("ndjson", 200)] {
        let mut old = request("GET", &format!("/tasks/1/results?format={format}"), &[], Body::empty());
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(send(&router, old).await.status, status);
    }
}

#[tokio::test]
async fn an_unfinished_task_has_no_csv_unless_a_part_will_do() {
    let (fake, router) = world();
    fake.inner().computed = Some(1);
    post(&router, "/tasks", "text/plain", "a\nb\n").await;
    for format in ["csv", "text"] {
        let path = format!("/tasks/1/results?format={format}");
        let problem = get(&router, &path).await.problem(409);
        assert!(problem["detail"].as_str().unwrap().contains("partial=1"));
        let answer = get(&router, &format!("{path}&partial=1")).await;
        assert!(answer.text().contains(&sha256("a")) && !answer.text().contains(&sha256("b")));
    }
    get_with(&router, "/tasks/1/results", &[("accept", "text/csv")]).await.problem(409);
    fake.complete();
    assert!(get(&router, "/tasks/1/results?format=text").await.text().contains(&sha256("b")));
}

#[tokio::test]
async fn text_of_a_line_feed_is_refused() {
    let (fake, router) = world();
    post_json(&router, json!({"inputs": ["a", "b", "c\nd", "e"]})).await;
    let problem = get(&router, "/tasks/1/results?format=text").await.problem(406);
    assert_eq!(problem["index"], 2);
    assert_eq!(get(&router, "/tasks/1/results?format=text&limit=2").await.status, 200);
    // Found later, it breaks the answer off.
    fake.inner().batch = 2;
    let answer = get(&router, "/tasks/1/results?format=text").await;
    assert!(!answer.is_whole);
    assert!(!answer.body.windows(4).any(|part| part == b"c\nd\n"));
}

#[tokio::test]
async fn a_failure_midway_does_not_look_complete() {
    let (fake, router) = world();
    post(&router, "/tasks", "text/plain", "a\nb\nc\n").await;
    fake.inner().batch = 1;
    fake.inner().broken_after = Some(2);
    for (format, encoding) in [("ndjson", "identity"), ("csv", "identity"), ("text", "identity"), ("ndjson", "gzip")] {
        let path = format!("/tasks/1/results?format={format}");
        let answer = get_with(&router, &path, &[("accept-encoding", encoding)]).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.is_whole);
    }
    fake.inner().broken_after = Some(0);
    get(&router, "/tasks/1/results").await.problem(500);
}

#[tokio::test]
async fn downloads_have_names() {
    let (_, router) = world();
    post(&router, "/tasks", "text/plain", "a").await;
    for (query, name) in [("format=text", "txt"), ("format=csv", "csv"), ("format=ndjson", "ndjson")] {
        let answer = get(&router, &format!("/tasks/1/results?{query}&download=1")).await;
        assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"task-1.{name}\""));
    }
    assert_eq!(get(&router, "/tasks/1/results").await.header("content-disposition"), "");
}

#[tokio::test]
async fn many_rows_come_whole_in_every_form() {
    let (fake, router) = world();
    fake.inner().batch = 7_001;
    let inputs: Vec<String> = (0..30_000).map(|number| format!("{number:x}")).collect();
    post(&router, "/tasks", "text/plain", inputs.join("\n")).await;
    let expected: String = inputs.iter().map(|input| format!("{}  {input}\n", sha256(input))).collect();
    let text = "/tasks/1/results?format=text";
    assert!(get(&router, text).await.text() == expected);
    let rows = lines(&router, "/tasks/1/results").await;
    assert_eq!(rows.len(), 30_001);
    for (at, (got, input)) in rows.iter().zip(&inputs).enumerate() {
        assert_eq!(*got, row(at as u64, input));
    }
    assert_eq!(get(&router, "/tasks/1/results?format=csv").await.text().lines().count(), 30_001);
    let packed = get_with(&router, text, &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.starts_with(&[0x1f, 0x8b]));
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_string(&mut unpacked).unwrap();
    assert!(unpacked == expected);
}

#[tokio::test]
async fn no_more_is_compressed_at_once_than_may() {
    let (_, router) = world();
    post(&router, "/tasks", "text/plain", "a\nb").await;
    let ask = || request("GET", "/tasks/1/results", &[("accept-encoding", "gzip")], Body::empty());
    let coding = |answer: &Answer| answer.header("content-encoding").to_owned();
    // Of these no turn is taken for longer than it takes to see that they are not compressed.
    let identity = [("accept-encoding", "identity")];
    let plain = router.clone().oneshot(request("GET", "/tasks/1/results", &identity, Body::empty())).await.unwrap();
    let slow = router.clone().oneshot(ask()).await.unwrap();
    assert_eq!(slow.headers()["content-encoding"], "gzip");
    let other = send(&router, ask()).await;
    assert_eq!((coding(&other), other.text().lines().count()), (String::new(), 3));
    drop(slow);
    assert_eq!(coding(&send(&router, ask()).await), "gzip");
    assert_eq!(coding(&send(&router, ask()).await), "gzip", "a turn ends with its answer");
    drop(plain);
}

#[tokio::test]
async fn nothing_is_written_for_head() {
    let (_, router) = world();
    post(&router, "/tasks", "text/plain", "a").await;
    let head = send(&router, request("HEAD", "/tasks/1/results?format=csv", &[], Body::empty())).await;
    assert_eq!(head.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn an_input_or_a_digest_is_looked_up() {
    let (fake, router) = world();
    fake.inner().batch = 3;
    post(&router, "/tasks", "text/plain", "a\nb\n\"c\nb\nd\ne e").await;
    post(&router, "/tasks", "text/plain", "a\n\nb ").await;
    let found = async |query: &str| lines(&router, &format!("/tasks/1/results?{query}")).await;
    let end = |count: u64, next: u64, complete: bool| json!({ "end": true, "count": count, "next_offset": next, "complete": complete });
    assert_eq!(found("input=b").await, [row(1, "b"), row(3, "b"), end(2, 6, true)]);
    assert_eq!(found("input=e%20e").await, [row(5, "e e"), end(1, 6, true)]);
    assert_eq!(found(&format!("digest={}", sha256("\"c").to_uppercase())).await, [row(2, "\"c"), end(1, 6, true)]);
    assert_eq!(found("input=x").await, [end(0, 6, true)]);
    assert_eq!(found("input=").await, [end(0, 6, true)]);
    assert_eq!(found("input=b&offset=2&limit=1").await, [end(0, 3, false)]);
    let second = async |query: &str| lines(&router, &format!("/tasks/2/results?{query}")).await;
    assert_eq!(second("input=").await, [row(1, ""), end(1, 3, true)]);
    assert_eq!(second("input=b%20").await, [row(2, "b "), end(1, 3, true)]);
    assert_eq!(second("input=b").await, [end(0, 3, true)]);
    let text = get(&router, "/tasks/1/results?input=a&format=text").await;
    assert_eq!(text.text(), format!("{}  a\n", sha256("a")));
    let csv = get(&router, "/tasks/1/results?input=b&format=csv").await;
    assert_eq!(csv.text().lines().count(), 3);
    for wrong in
        ["digest=", "digest=00", "input=a&digest=00", &format!("input=a&digest={}", sha256("a")), "input=a&not_found=1"]
    {
        let answer = get(&router, &format!("/tasks/1/results?{wrong}")).await;
        assert!([409, 422].contains(&answer.status.as_u16()), "{wrong}: {}", answer.status);
    }
    fake.set(1, |view| (view.state, view.done) = (TaskState::Running, 2));
    assert_eq!(found("input=b").await, [row(1, "b"), end(1, 2, false)]);
    let refused = get(&router, "/tasks/1/results?input=b&format=csv").await.problem(409);
    assert!(refused["detail"].as_str().unwrap().contains("up to 2 of 6 were looked at"), "{refused}");
    assert_eq!(get(&router, "/tasks/1/results?input=b&format=csv&partial=1").await.text().lines().count(), 2);
}
