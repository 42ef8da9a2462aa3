//! What a Prometheus is told, and how requests are called.

use axum::http::StatusCode;
use serde_json::Value;

use crate::support::*;

/// The value of a metric with its labels, as a line has it.
fn value(text: &str, metric: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn metrics_say_what_the_overview_says() {
    let (_, router) = world();
    let answer = get(&router, "/metrics").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text();
    let overview = overview();
    assert_eq!(value(text, "hive_items_done_total"), Some(overview.items_done as f64));
    assert_eq!(value(text, "hive_leases_given_total"), Some(overview.leases.given as f64));
    assert_eq!(value(text, "hive_results_verified_total{verdict=\"right\"}"), Some(9.0));
    assert_eq!(value(text, "hive_drones{state=\"busy\"}"), Some(1.0));
    assert_eq!(value(text, "hive_tasks{state=\"paused\"}"), Some(0.0));
    assert_eq!(value(text, "hive_journal_groups"), Some(2.0));
    assert_eq!(value(text, "hive_commit_duration_seconds_count"), Some(1.0));
    assert_eq!(value(text, "hive_connections_limit{port=\"http\"}"), Some(8.0));
    assert_eq!(value(text, "hive_log_lines_dropped_total"), Some(3.0));
    assert_eq!(value(text, "hive_data_bytes"), None, "nothing is kept");
    assert!(value(text, "process_resident_memory_bytes").unwrap() > 0.0);
    let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "each metric is told once");
}

#[tokio::test]
async fn requests_are_measured_by_route() {
    let (_, router) = world();
    for path in ["/tasks", "/tasks?limit=1", "/tasks?colour=red", "/tasks/7", "/nothing", "/static/nothing"] {
        get(&router, path).await;
    }
    let wait = [("prefer", "wait=1"), ("content-type", "application/json")];
    let waited = send(&router, request("POST", "/tasks", &wait, r#"{"input":"honey"}"#)).await;
    assert!(waited.headers.contains_key("preference-applied"));
    let text = get(&router, "/metrics").await.text().to_owned();
    let count = |labels: &str| value(&text, &format!("hive_http_requests_total{{{labels}}}"));
    assert_eq!(count(r#"method="GET",route="/tasks",code="200""#), Some(2.0));
    assert_eq!(count(r#"method="GET",route="/tasks",code="422""#), Some(1.0));
    assert_eq!(count(r#"method="GET",route="/tasks/{id}",code="404""#), Some(1.0));
    assert_eq!(count(r#"method="",route="",code="404""#), Some(1.0), "what somebody asks for is no label");
    let timed = |labels: &str| value(&text, &format!("hive_http_request_duration_seconds_count{{{labels}}}"));
    assert_eq!(timed(r#"method="GET",route="/tasks""#), Some(3.0));
    assert_eq!(timed(r#"method="POST",route="/tasks""#), Some(0.0), "it was asked to wait");
}

#[tokio::test]
async fn requests_have_names() {
    let (_, router) = world();
    let named = get_with(&router, "/tasks/7", &[("x-request-id", "trace-7")]).await;
    assert_eq!((named.status, &named.headers["x-request-id"]), (StatusCode::NOT_FOUND, &"trace-7".parse().unwrap()));
    assert_eq!(named.json()["request_id"], "trace-7");
    let ids = [get(&router, "/stats").await, get(&router, "/stats").await];
    let ids = ids.map(|answer| answer.headers["x-request-id"].to_str().unwrap().to_owned());
    assert_ne!(ids[0], ids[1]);
    let problem = get(&router, "/nothing").await;
    assert_eq!(problem.json()["request_id"], Value::from(problem.headers["x-request-id"].to_str().unwrap()));
}
