//! Every error is a problem, and under `/admin` a page.

use std::time::Duration;

use axum::body::Body;
use serde_json::json;
use web::hive::HiveError;

use crate::support::*;

#[tokio::test]
async fn what_is_not_there_is_404() {
    let (_, router) = world();
    for path in ["/nowhere", "/tasks/1/nothing", "/tasks/", "/static/none.css"] {
        get(&router, path).await.problem(404);
    }
}

#[tokio::test]
async fn a_method_that_is_not_taken_is_405() {
    let (_, router) = world();
    for (method, path, allowed) in [
        ("PUT", "/tasks", "POST"),
        ("GET", "/tasks/1/cancel", "POST"),
        ("PUT", "/tasks/1", "PATCH"),
        ("GET", "/drones/1/drain", "POST"),
        ("POST", "/healthz", "GET"),
        ("OPTIONS", "/stats", "GET"),
    ] {
        let answer = send(&router, request(method, path, &[], Body::empty())).await;
        let problem = answer.problem(405);
        assert!(answer.header("allow").contains(allowed));
        assert!(problem["detail"].as_str().unwrap().contains(allowed));
    }
}

#[tokio::test]
async fn what_the_hive_says_has_a_status() {
    let (fake, router) = world();
    let unavailable =
        HiveError::Unavailable { reason: "the memory is full".to_owned(), retry_after: Duration::from_secs(5) };
    for (error, status) in [
        (HiveError::Conflict("no".to_owned()), 409),
        (HiveError::Internal("odd".to_owned()), 500),
        (HiveError::Empty, 422),
        (unavailable, 503),
    ] {
        let detail = error.to_string();
        fake.inner().error = Some(error);
        let amended = request("PATCH", "/tasks/1", &[], "{\"priority\":1}");
        for answer in [send(&router, amended).await, post_json(&router, json!({"input": "x"})).await] {
            assert_eq!(answer.problem(status)["detail"], detail);
            assert_eq!(answer.header("retry-after"), if status == 503 { "5" } else { "" });
        }
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_too() {
    let (fake, router) = world();
    fake.inner().panics = true;
    let answer = get(&router, "/stats").await;
    answer.problem(500);
    assert!(!answer.text().contains("as it was told"));
    assert_eq!(get(&router, "/healthz").await.status, 200);
}

#[tokio::test]
async fn under_admin_errors_are_pages() {
    let (fake, router) = world();
    for path in ["/admin/nowhere", "/admin/tasks/9", "/admin/tasks?state=odd"] {
        let answer = get(&router, path).await;
        assert!(answer.status.is_client_error(), "{path}");
        assert!(answer.header("content-type").starts_with("text/html"), "{path}");
    }
    let answer = send(&router, request("PUT", "/admin", &[], Body::empty())).await;
    assert_eq!(answer.status, 405);
    assert!(answer.header("allow").contains("GET"));
    assert!(answer.header("content-type").starts_with("text/html"));
    fake.inner().panics = true;
    let answer = get(&router, "/admin").await;
    assert_eq!(answer.status, 500);
    assert!(answer.header("content-type").starts_with("text/html"));
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_told_in_words() {
    let (_, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    for (path, name, detail) in [
        ("/tasks/1/results?offset=-1", "offset", "`offset` is a whole number from 0 on, not -1"),
        ("/tasks/1/results?limit=1e3", "limit", "`limit` is a whole number from 0 on, not 1e3"),
        ("/tasks/1/results?format=xml", "format", "there is no format `xml`; there are: ndjson, csv, text"),
        ("/tasks/1/results?partial=maybe", "partial", "`partial` is 1 or 0"),
        ("/tasks/1/results?offset=1&offset=2", "offset", "`offset` is given twice"),
        (
            "/tasks?state=finished",
            "state",
            "there is no state `finished`; there are: pending, running, paused, done, failed, cancelled",
        ),
        ("/tasks?limit=0", "limit", "`limit` is a whole number from 1 to 1000, not 0"),
        (
            "/tasks?colour=red",
            "colour",
            "there is no query parameter `colour`; there are: state, name, owner, kind, algorithm, since, until, reason, \
             limit, sort, cursor",
        ),
    ] {
        let problem = get(&router, path).await.problem(422);
        assert_eq!((&problem["path"], &problem["detail"]), (&json!(name), &json!(detail)), "{path}");
    }
    for path in ["/tasks?state=&limit=&cursor=", "/tasks/1/results?offset=&format=text&partial=&download"] {
        assert_eq!(get(&router, path).await.status, 200, "{path}");
    }
}

/// What is called a form by curl alone, and is lines.
#[tokio::test]
async fn lines_that_pass_for_a_form_are_no_path() {
    let (_, router) = world();
    const FORM: &str = "application/x-www-form-urlencoded";
    for body in ["a line of some words\nanother\n".to_owned(), "x".repeat(60), "%ff=1".to_owned()] {
        let problem = post(&router, "/tasks", FORM, body.clone()).await.problem(422);
        assert_eq!(problem.get("path"), None, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains("text/plain"), "{problem}");
    }
    let problem = post(&router, "/tasks", FORM, "colour=red").await.problem(422);
    assert_eq!(problem["path"], "colour");
}

#[tokio::test]
async fn json_ends_in_a_line_feed() {
    let (_, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    for path in
        ["/tasks", "/tasks/1", "/drones", "/drones/1", "/stats", "/healthz", "/readyz", "/nowhere", "/tasks?x=1"]
    {
        let answer = get(&router, path).await;
        assert!(answer.text().ends_with("}\n") && answer.text().matches('\n').count() == 1, "{path}: {answer:?}");
    }
}
