//! What has become of each part of a task, on its page.

use web::hive::{Span, SpanState};
use web::model::TaskState;
use wire::ids::DroneId;

use crate::support::*;
use crate::{contains, page};

#[tokio::test]
async fn a_task_is_a_honeycomb_without_scripts() {
    let (fake, router) = world();
    post(&router, "/tasks", "text/plain", "a\nb\nc\nd\ne\nf\ng\nh").await;
    fake.set(1, |view| (view.state, view.done) = (TaskState::Running, 4));
    let answer = get(&router, "/admin/tasks/1").await;
    let text = page(&answer);
    let summary = "Of 8 equal parts: 2 verified, 2 done, 2 waiting, 2 leased";
    contains(text, &["honeycomb.js?v=", &format!("aria-label=\"{summary}\"")]);
    let name = "&#60;b&#62;worker&#60;/b&#62;";
    contains(
        text,
        &[
            &format!("<title>verified: {name}</title>"),
            &format!("<title>leased: {name}; 1 lease</title>"),
            "<title>waiting</title>",
        ],
    );
    // What is leased is listed besides.
    contains(text, &["4 to 5</th>", "data-label=\"Leases\" class=\"number\">1<"]);
    assert!(!text.contains("id=\"coverage\""), "only a search has a ledger");
}

/// The page's size as it is sent, in bytes.
async fn sent(router: &web::Site) -> usize {
    let packed = get_with(router, "/admin/tasks/1", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    packed.body.len()
}

#[tokio::test]
async fn a_task_of_many_parts_is_not_large() {
    let (fake, router) = world();
    let inputs: Vec<String> = (0..4000).map(|input| input.to_string()).collect();
    post(&router, "/tasks", "text/plain", inputs.join("\n")).await;
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["data-cells=\"2000\"", "data-cells=\"480\"", "Of 2,000 equal parts"]);
    let bytes = sent(&router).await;
    assert!(bytes < 16 << 10, "{bytes} bytes");
    // Nothing is worse than when no two neighbours are alike.
    let spans = (0..4000).map(|at: u64| {
        let state = SpanState::ALL[at as usize % 6];
        let drone = (state != SpanState::Waiting && state != SpanState::Missing).then_some(at * 7919 % 100);
        Span {
            from: at,
            to: at + 1,
            state,
            leases: u32::from(state == SpanState::Leased),
            attempts: (at * 31 % 5) as u32,
            drone: drone.map(DroneId),
            drone_name: drone.map(|drone| format!("rack-{}-worker-{drone}", drone % 7)),
            marks: 0,
            expected: 0.0,
            verdict: None,
            rate: None,
            at: None,
        }
    });
    fake.inner().spans = spans.collect();
    contains(page(&get(&router, "/admin/tasks/1").await), &["suspect", "and 1,3"]);
    // With its style and scripts, which a browser keeps, it is below 60 KiB.
    let bytes = sent(&router).await;
    assert!(bytes < 48 << 10, "{bytes} bytes");
}
