//! What has become of each part of a task, on its page.

use web::model::TaskState;

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

#[tokio::test]
async fn a_task_of_many_parts_is_not_large() {
    let (_, router) = world();
    let inputs: Vec<String> = (0..3000).map(|input| input.to_string()).collect();
    post(&router, "/tasks", "text/plain", inputs.join("\n")).await;
    let answer = get(&router, "/admin/tasks/1").await;
    let text = page(&answer);
    contains(text, &["data-cells=\"2000\"", "data-cells=\"480\"", "Of 2,000 equal parts"]);
    let packed = get_with(&router, "/admin/tasks/1", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.body.len() < 20 << 10, "{} bytes", packed.body.len());
}
