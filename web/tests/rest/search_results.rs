//! Searches: their findings, and what was searched.

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::{Value, json};
use web::model::TaskState;

use crate::search::search;
use crate::support::*;

/// A task with findings whose candidates are no text, or would be taken for something else.
async fn some() -> (std::sync::Arc<Fake>, web::Site) {
    let (fake, router) = world();
    let request = search(json!({
        "space": { "masks": ["abc", "?b", "a:", "\"\\,"] },
        "targets": [sha256("abc"), sha256([0xff]), sha256([0]), sha256("a:"), sha256("\",")],
        "stop": "never",
    }));
    assert_eq!(post_json(&router, request).await.status, StatusCode::CREATED);
    (fake, router)
}

#[tokio::test]
async fn findings_are_the_results() {
    let (fake, router) = some().await;
    let ndjson = get(&router, "/tasks/1/results").await;
    let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let digests = [sha256("abc"), sha256([0]), sha256([0xff]), sha256("a:"), sha256("\",")];
    assert_eq!(lines[0], json!({ "index": 0, "plain": "abc", "digest": digests[0] }));
    assert_eq!(lines[1], json!({ "index": 1, "plain": "\0", "digest": digests[1] }));
    assert_eq!(lines[2], json!({ "index": 256, "plain_base64": "/w==", "digest": digests[2] }));
    assert_eq!(lines[3]["index"], 257);
    assert_eq!(lines[5], json!({ "end": true, "count": 5, "next_offset": 5, "complete": true }));
    let part = get(&router, "/tasks/1/results?offset=2&limit=2").await;
    assert_eq!(part.text().lines().count(), 3);
    assert!(part.text().starts_with("{\"index\":256,"));
    let [one, two, three, four, five] = &digests;
    let text = get(&router, "/tasks/1/results?format=text").await;
    assert_eq!(text.text(), format!("{one}:abc\n{two}:$HEX[00]\n{three}:$HEX[ff]\n{four}:$HEX[613a]\n{five}:\",\n"));
    let csv = get(&router, "/tasks/1/results?format=csv").await;
    let rows = format!(
        "index,plain,digest,plain_base64\r\n0,abc,{one},\r\n1,\0,{two},\r\n256,,{three},/w==\r\n257,a:,{four},\r\n\
         258,\"\"\",\",{five},\r\n"
    );
    assert_eq!(csv.text(), rows);
    assert_eq!(get(&router, "/tasks/1").await.json()["results"].as_array().unwrap().len(), 5);
    fake.set_state(1, TaskState::Running);
    assert_eq!(get(&router, "/tasks/1").await.json()["results"].as_array().unwrap().len(), 5, "at once");
    let early = get(&router, "/tasks/1/results?format=text").await.problem(409);
    assert!(early["detail"].as_str().unwrap().contains("candidates done"), "{early}");
    assert_eq!(get(&router, "/tasks/1/results?format=text&partial=1").await.status, StatusCode::OK);
    assert!(get(&router, "/tasks/1/results").await.text().ends_with("\"complete\":false}\n"));
}

#[tokio::test]
async fn a_search_says_that_it_stopped_at_its_most_findings() {
    let targets: Vec<_> = (0..9).map(|digit| sha256(digit.to_string())).collect();
    let space = json!({ "mask": "?d" });
    for (targets, stop, most, is_at_max) in [
        (&targets[..], "never", 5, true),
        (&targets, "all", 5, true),
        (&targets, "never", 10, false),
        (&targets, "first", 1, false),
        (&targets, "lowest", 1, true),
        (&targets[..5], "all", 5, false),
    ] {
        let (_, router) = world();
        let request = search(json!({ "space": space, "targets": targets, "stop": stop, "max_findings": most }));
        let task = post_json(&router, request).await.json();
        assert_eq!(task["search"]["at_max_findings"], is_at_max, "{stop} {most}: {task}");
        let page = get(&router, "/admin/tasks/1").await;
        assert_eq!(page.text().contains("the most that were asked for"), is_at_max);
    }
}

#[tokio::test]
async fn what_was_not_found_is_listed() {
    let (fake, router) = world();
    let mut missing = [sha256("x"), sha256("y"), sha256("z")];
    missing.sort_unstable();
    let request = search(json!({
        "space": { "mask": "?d?d" },
        "targets": [sha256("07"), missing[2], missing[0], sha256("42"), missing[1]],
    }));
    post_json(&router, request).await;
    let [one, two, three] = &missing;
    let path = "/tasks/1/results?not_found=1";
    let ndjson = get(&router, path).await;
    let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[..3], [one, two, three].map(|digest| json!({ "digest": digest })));
    assert_eq!(lines[3], json!({ "end": true, "count": 3, "next_offset": 3, "complete": true }));
    let text = get(&router, &format!("{path}&format=text&download=1")).await;
    assert_eq!(text.text(), format!("{one}\n{two}\n{three}\n"));
    assert_eq!(text.header("content-disposition"), "attachment; filename=\"task-1-not-found.txt\"");
    let csv = get(&router, &format!("{path}&format=csv&offset=1&limit=1")).await;
    assert_eq!(csv.text(), format!("digest\r\n{two}\r\n"));
    let part = get(&router, &format!("{path}&limit=2")).await;
    assert!(part.text().ends_with("\"count\":2,\"next_offset\":2,\"complete\":false}\n"));
    let beyond = get(&router, &format!("{path}&offset=9")).await;
    assert_eq!(beyond.text().lines().count(), 1);
    contains_link(&router, "not_found=1&amp;format=text&amp;download=1\" download>Not found</a>").await;
    // What is done without having searched everything does not know either.
    fake.set(1, |view| view.done = 50);
    let early = get(&router, &format!("{path}&format=text")).await.problem(409);
    assert!(early["detail"].as_str().unwrap().contains("50 of 100 candidates done"), "{early}");
    assert!(get(&router, path).await.text().ends_with("\"complete\":false}\n"));
    assert_eq!(get(&router, "/tasks/1/results?format=text").await.status, StatusCode::OK);
    fake.set_state(1, TaskState::Running);
    get(&router, &format!("{path}&format=csv")).await.problem(409);
    let partial = get(&router, &format!("{path}&format=csv&partial=1")).await;
    assert_eq!(partial.text().lines().count(), 4);
    contains_link(&router, "not_found=1&amp;format=text&amp;download=1&amp;partial=1\" download>Not found so far</a>")
        .await;
    let interval = search(json!({ "space": { "mask": "?d" }, "leading_zero_bits": 1 }));
    post_json(&router, interval).await;
    get(&router, "/tasks/2/results?not_found=1").await.problem(409);
    assert!(!get(&router, "/admin/tasks/2").await.text().contains("not_found"));
    get(&router, "/tasks/9/results?not_found=1").await.problem(404);
}

async fn contains_link(router: &web::Site, link: &str) {
    let page = get(router, "/admin/tasks/1").await;
    assert!(page.text().contains(link), "{}", page.text());
}

#[tokio::test]
async fn every_task_is_covered_in_spans_and_cells() {
    let (fake, router) = world();
    post(&router, "/tasks", "text/plain", "a\nb\nc\nd\ne\nf\ng\nh").await;
    fake.set(1, |view| (view.state, view.done) = (TaskState::Running, 4));
    let spans = get(&router, "/tasks/1/coverage").await.json()["spans"].clone();
    let told: Vec<_> = spans.as_array().unwrap().iter().map(|span| (&span["state"], &span["leases"])).collect();
    let (none, one) = (json!(0), json!(1));
    let states = ["verified", "done", "leased", "waiting"].map(Value::from);
    assert_eq!(told, [(&states[0], &none), (&states[1], &none), (&states[2], &one), (&states[3], &none)]);
    assert_eq!((&spans[2]["verdict"], &spans[2]["drone"], &spans[2]["attempts"]), (&Value::Null, &one, &one));
    let whole = get(&router, "/tasks/1/coverage?cells=2000").await.json();
    assert_eq!((&whole["total"], whole["cells"].as_array().unwrap().len()), (&8.into(), 8));
    let coarse = get(&router, "/tasks/1/coverage?cells=3").await.json();
    let drones = json!([{ "id": 1, "name": "<b>worker</b>" }]);
    assert_eq!(
        coarse["cells"],
        json!([
            { "from": 0, "to": 2, "state": "verified", "done": 2, "leases": 0, "attempts": 1, "drones": drones },
            { "from": 2, "to": 5, "state": "leased", "done": 2, "leases": 1, "attempts": 1, "drones": drones },
            { "from": 5, "to": 8, "state": "leased", "done": 0, "leases": 1, "attempts": 1, "drones": drones },
        ])
    );
    for wrong in ["cells=0", "cells=2001", "cells=3&from=1", "cells=3&format=csv"] {
        get(&router, &format!("/tasks/1/coverage?{wrong}")).await.problem(422);
    }
    get(&router, "/tasks/9/coverage?cells=3").await.problem(404);
}

#[tokio::test]
async fn coverage_is_shown_in_pages_or_as_a_whole() {
    let (_, router) = some().await;
    let page = get(&router, "/tasks/1/coverage?limit=3").await.json();
    assert_eq!((&page["total"], &page["next"]), (&259.into(), &195.into()));
    let spans = page["spans"].as_array().unwrap();
    assert_eq!(spans.len(), 3);
    assert_eq!(
        (&spans[0]["from"], &spans[0]["to"], &spans[0]["verdict"]),
        (&0.into(), &65.into(), &"searched-again".into())
    );
    assert_eq!(
        (&spans[2]["to"], &spans[2]["verdict"], &spans[2]["drone"]),
        (&195.into(), &"searched".into(), &1.into())
    );
    let rest = get(&router, "/tasks/1/coverage?from=195").await.json();
    assert_eq!((&rest["spans"][0]["to"], &rest["next"]), (&259.into(), &Value::Null));
    assert_eq!(get(&router, "/tasks/1/coverage?from=259").await.json()["spans"], json!([]));
    let ndjson = get(&router, "/tasks/1/coverage?format=ndjson&limit=1").await;
    let lines: Vec<Value> = ndjson.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    assert!((1..4).all(|at| lines[at]["from"] == lines[at - 1]["to"]));
    assert_eq!(lines[4], json!({ "end": true, "count": 4, "total": 259 }));
    let csv = get(&router, "/tasks/1/coverage?format=csv&download=1").await;
    assert!(csv.text().starts_with(
        "from,to,drone,drone_name,marks,expected,verdict,rate,at,state,leases,attempts\r\n\
         0,65,1,<b>worker</b>,7,6.500,searched-again,1000000.000,2023-11-14T22:13:21.000Z,verified,0,1\r\n"
    ));
    assert_eq!(csv.text().lines().count(), 5);
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"task-1-coverage.csv\"");
    post_json(&router, json!({ "input": "x" })).await;
    get(&router, "/tasks/1/coverage?format=text").await.problem(422);
    get(&router, "/tasks/9/coverage").await.problem(404);
    let mut old = request("GET", "/tasks/1/coverage?format=csv", &[], Body::empty());
    *old.version_mut() = axum::http::Version::HTTP_10;
    send(&router, old).await.problem(505);
}

#[tokio::test]
async fn a_candidate_is_looked_up_among_findings() {
    let (_, router) = some().await;
    let text = |answer: Answer| answer.text().to_owned();
    let path = |query: &str| format!("/tasks/1/results?{query}&format=text&partial=1");
    assert_eq!(text(get(&router, &path("input=abc")).await), format!("{}:abc\n", sha256("abc")));
    let expected = format!("{}:$HEX[ff]\n", sha256([0xff]));
    assert_eq!(text(get(&router, &path("input=%24HEX%5Bff%5D")).await), expected);
    assert_eq!(text(get(&router, &path(&format!("digest={}", sha256([0xff])))).await), expected);
    assert_eq!(text(get(&router, &path("input=nothing")).await), "");
}
