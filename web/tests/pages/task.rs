//! What a task's page offers: looking up, commands, the same again, and another deadline.

use serde_json::json;
use web::model::TaskState;

use crate::support::*;
use crate::{contains, html, page};

const FORM: &str = "application/x-www-form-urlencoded";

/// The page from the element on that has this id.
fn element<'a>(text: &'a str, id: &str) -> &'a str {
    text.split(&format!("id=\"{id}\"")).nth(1).unwrap_or_else(|| panic!("no {id} in {text}"))
}

/// A command of the page as a shell would get it.
fn command(text: &str, id: &str) -> String {
    let code = element(text, id).split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    code.replace("&#39;", "'").replace("&#34;", "\"").replace("&#38;", "&").replace("&#60;", "<").replace("&#62;", ">")
}

#[tokio::test]
async fn an_input_or_a_digest_is_found() {
    let (fake, router) = world();
    let inputs: Vec<String> = (0..300).map(|input| (input % 150).to_string()).collect();
    post(&router, "/tasks", "text/plain", inputs.join("\n")).await;
    let find = async |query: &str| get(&router, &format!("/admin/tasks/1?find={query}")).await;
    let answer = find("149").await;
    let text = page(&answer);
    contains(
        text,
        &["value=\"149\"", "2 of 300 results match.", "id=\"digest-149\"", "id=\"digest-299\"", &sha256("149")],
    );
    assert_eq!(element(text, "results").matches("<th scope=\"row\"").count(), 2);
    assert!(!text.contains("data-live"), "it is not looked up again and again");
    contains(page(&find(&format!("%20{}", sha256("7"))).await), &["id=\"digest-7\"", "2 of 300 results match."]);
    contains(page(&find("nothing").await), &["None of 300 results matches."]);
    contains(page(&find("149%20").await), &["value=\"149 \"", "None of 300 results matches."]);
    contains(page(&find("149&find_from=150").await), &["1 of 150 results, from number 150 on, matches."]);
    fake.set(1, |view| (view.state, view.done) = (TaskState::Running, 100));
    contains(page(&find("149").await), &["None of 100 results matches. What is still to come was not looked at."]);
    fake.set(1, |view| (view.state, view.done) = (TaskState::Done, 300));
    let many = vec!["x"; 250].join("\n");
    post(&router, "/tasks", "text/plain", many).await;
    let answer = get(&router, "/admin/tasks/2?find=x").await;
    contains(
        page(&answer),
        &["100 of 100 results match.", "Behind them 150 were not looked at", "find_from=100#results"],
    );
}

#[tokio::test]
async fn commands_submit_the_same_and_print_results() {
    let (_, router) = world();
    let strange = json!({ "inputs": ["it's", "$HOME"], "name": "a & b", "priority": -3, "verify": "all" });
    post_json(&router, strange).await;
    let answer = get(&router, "/admin/tasks/1").await;
    assert_eq!(
        command(page(&answer), "curl-submit"),
        "curl http://127.0.0.1:8081/tasks \\\n  --form-string algorithm=sha256 \\\n  --form-string verify=all \\\n  \
         --form-string 'name=a & b' \\\n  --form-string priority=-3 \\\n  --form-string 'text=it'\\''s\n$HOME'"
    );
    assert_eq!(command(page(&answer), "curl-results"), "curl http://127.0.0.1:8081/tasks/1/results");
    contains(page(&answer), &["data-copy=\"curl-submit\"", "data-copy=\"task-id\"", "data-copy=\"digest-0\""]);
    post_json(&router, json!({ "algorithm": "hmac-sha256", "key": "hush", "inputs": ["a\nb", "c"] })).await;
    let answer = get(&router, "/admin/tasks/2").await;
    let text = page(&answer);
    assert!(!text.contains("hush"), "a key is shown to nobody");
    let said = command(text, "curl-submit");
    assert!(said.ends_with("-F 'key=<key.secret' \\\n  -F file=@strings.txt"), "{said}");
    contains(text, &["key.secret is a file with its key alone, which is not shown.", "strings.txt has its strings"]);
}

#[tokio::test]
async fn a_task_is_cloned() {
    let (_, router) = world();
    let first = json!({
        "algorithm": "pbkdf2-hmac-sha256", "salt": "hush", "iterations": 7, "encoding": "hex", "inputs": ["00", "ff", ""],
        "name": "<bees>", "priority": 9, "deadline_seconds": 60,
    });
    post_json(&router, first).await;
    contains(page(&get(&router, "/admin/tasks/1").await), &["href=\"/admin?clone=1#submit\""]);
    let answer = get(&router, "/admin?clone=1").await;
    let text = page(&answer);
    contains(
        text,
        &[
            "<option value=\"pbkdf2-hmac-sha256\" selected>",
            "<option value=\"hex\" selected>",
            "value=\"&#60;bees&#62;\"",
            "value=\"9\"",
            "value=\"60\"",
            "Task 1 was given 1 min in all.",
            "\n00\nff\n\n</textarea>",
            "Give the salt again: it is not shown.",
        ],
    );
    assert!(!text.contains("hush"));
    assert_eq!(get(&router, "/admin?clone=9").await.status, 404);
    let long: Vec<String> = (0..10_000).map(|input| format!("{input:010}")).collect();
    post(&router, "/tasks", "text/plain", long.join("\n")).await;
    contains(page(&get(&router, "/admin?clone=2").await), &["Give the strings again, as a file", ">\n</textarea>"]);
}

#[tokio::test]
async fn a_search_is_cloned() {
    let (_, router) = world();
    let digest = sha256("cab");
    let request = json!({
        "kind": "search", "space": { "mask": "?1?1?l", "charsets": ["abc,"] }, "targets": [digest], "prefix": "a\nb",
        "suffix": "end", "stop": "first", "max_findings": 5, "name": "hunt",
    });
    post_json(&router, request).await;
    contains(page(&get(&router, "/admin/tasks/1").await), &["href=\"/admin/search?clone=1\""]);
    let answer = get(&router, "/admin/search?clone=1").await;
    contains(
        page(&answer),
        &[
            "\nabc\\,,?1?1?l\n</textarea>",
            &format!("\n{digest}\n</textarea>"),
            "name=\"prefix_hex\" value=\"610a62\"",
            "name=\"suffix\" value=\"end\"",
            "<option value=\"first\" selected>",
            "name=\"max_findings\" value=\"5\"",
            "value=\"hunt\"",
        ],
    );
    let request = json!({
        "kind": "search", "space": { "counter": { "from": 5, "to": 70, "format": "hex" } }, "leading_zero_bits": 12,
        "digest_order": "little",
    });
    post_json(&router, request).await;
    let answer = get(&router, "/admin/search?clone=2").await;
    contains(
        page(&answer),
        &[
            "<option value=\"counter\" selected>",
            "<option value=\"zeros\" selected>",
            "name=\"counter_to\" value=\"70\"",
            "name=\"leading_zero_bits\" value=\"12\"",
            "<option value=\"little\" selected>",
        ],
    );
    let said = command(page(&get(&router, "/admin/tasks/2").await), "curl-submit");
    let expected = "curl http://127.0.0.1:8081/tasks \\\n  --form-string kind=search \\\n  --form-string counter_from=5 \\\n  \
                    --form-string counter_to=70";
    assert!(said.starts_with(expected), "{said}");
    post_json(&router, json!({ "kind": "search", "space": { "mask": "?l" }, "digest_at_most": "00ab" })).await;
    let answer = get(&router, "/admin/search?clone=3").await;
    contains(page(&answer), &["name=\"mask\" value=\"?l\"", &format!("value=\"00ab{}\"", "f".repeat(60))]);
}

#[tokio::test]
async fn a_retry_may_have_another_deadline() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({ "input": "x", "deadline_seconds": 60 })).await;
    fake.set_state(1, TaskState::Cancelled);
    let answer = post(&router, "/admin/tasks/1/retry", FORM, "deadline_seconds=soon").await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["id=\"deadline_seconds-error\"", "value=\"soon\""]);
    let answer = post(&router, "/admin/tasks/1/retry", FORM, "deadline_seconds=3600").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks/1"));
    assert!(get(&router, "/tasks/1").await.json()["deadline_at"].is_string());
}
