//! The admin pages and the static files through the router, with a fake Hive behind it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod administration;
mod control;
mod coverage;
mod history;
mod search;
mod stream;
mod task;
mod tasks;

#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use serde_json::json;
use support::*;
use web::hive::HiveError;
use web::kinds::Specification;
use web::kinds::digest::Algorithm;
use web::model::{Data, TaskState, Timestamp, Verify};

const WORD: &str = "super_secret_password_123";
const DIGEST: &str = "292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d";

#[track_caller]
fn page(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    html(answer)
}

/// Its body, which must be a page of ours.
#[track_caller]
fn html(answer: &Answer) -> &str {
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    let text = answer.text();
    assert!(text.starts_with("<!doctype html>"));
    assert_eq!(text.matches("<h1").count(), 1);
    assert!(!text.contains(" style=") && !text.contains("javascript:") && !text.contains("onclick"));
    text
}

#[track_caller]
fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

/// A form as browsers send it: fields in order, files with a name.
fn form(fields: &[(&str, &str)], file: Option<&str>) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        body += &format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let (name, content) = file.map_or(("", ""), |content| ("words.txt", content));
    body += &format!("--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n");
    body + &format!("Content-Type: application/octet-stream\r\n\r\n{content}\r\n--X--\r\n")
}

async fn submit(router: &web::Site, form: String) -> Answer {
    post(router, "/admin/tasks", "multipart/form-data; boundary=X", form).await
}

/// Every field of the page's form, in its order there.
fn fields(page: &str) -> Vec<String> {
    let start = page.find("id=\"submit-form\"").unwrap();
    let form = &page[start..start + page[start..].find("</form>").unwrap()];
    form.split(" name=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_root_leads_to_the_overview() {
    let (_, router) = world();
    let answer = get(&router, "/").await;
    assert!(answer.status.is_redirection());
    assert_eq!(answer.header("location"), "/admin");
}

#[tokio::test]
async fn the_overview_shows_what_there_is_and_what_to_do() {
    let (_, router) = world();
    let answer = get(&router, "/admin").await;
    assert_eq!(answer.header("cache-control"), "no-cache");
    contains(
        page(&answer),
        &[
            "The Hive is ready",
            "2.0 M/s",
            "for 1.0 M items/s",
            "12,345",
            "since the Queen’s start at",
            "&#60;b&#62;worker",
            "of 1.0 GiB",
            "4 threads",
        ],
    );
    contains(page(&answer), &["Nothing was submitted yet", "curl http://127.0.0.1:8081/tasks -d"]);
    post_json(&router, json!({"inputs": ["a", "b"], "name": "<script>alert(1)</script>"})).await;
    let answer = get(&router, "/admin").await;
    let text = page(&answer);
    contains(
        text,
        &["id=\"task-1\"", "&#60;script&#62;alert(1)&#60;/script&#62;", "2 strings", "max=\"2\" value=\"2\""],
    );
    assert!(!text.contains("<script>alert"));
}

#[tokio::test]
async fn what_runs_stays_in_sight() {
    let (fake, router) = world();
    for _ in 0..20 {
        post_json(&router, json!({"input": "x"})).await;
    }
    fake.set_state(3, TaskState::Running);
    let answer = get(&router, "/admin").await;
    contains(page(&answer), &["id=\"task-3\"", "id=\"task-20\"", "id=\"task-14\""]);
    assert!(!page(&answer).contains("id=\"task-13\""));
}

#[tokio::test]
async fn the_form_is_what_the_router_reads() {
    let (fake, router) = world();
    let answer = get(&router, "/admin").await;
    let fields = fields(page(&answer));
    assert_eq!(fields[fields.len() - 2..], ["text", "file"], "options come first");
    let filled: Vec<_> = fields[..fields.len() - 1]
        .iter()
        .map(|name| match name.as_str() {
            "algorithm" => (name.as_str(), "pbkdf2-hmac-sha256"),
            "salt" => ("salt", "pepper"),
            "iterations" => ("iterations", "3"),
            "deadline_seconds" => ("deadline_seconds", "3600"),
            "text" => ("text", "one\r\ntwo"),
            name => (name, ""),
        })
        .collect();
    let answer = submit(&router, form(&filled, None)).await;
    assert_eq!(answer.status, 303, "{:?}", answer.body);
    assert_eq!(answer.header("location"), "/admin/tasks/1");
    let (new, inputs) = fake.only();
    let algorithm = Algorithm::Pbkdf2HmacSha256 { salt: b"pepper".to_vec(), iterations: 3 };
    assert!(matches!(&new.specification, Specification::Digest(digest) if digest.algorithm == algorithm));
    assert_eq!(inputs, [b"one", b"two"]);
    assert_eq!(new.deadline_seconds, Some(3600));
}

#[tokio::test]
async fn fields_of_another_algorithm_do_not_count() {
    let (fake, router) = world();
    let fields = [("algorithm", "sha256"), ("key", "typed before"), ("iterations", "3"), ("text", "one")];
    assert_eq!(submit(&router, form(&fields, None)).await.status, 303);
    assert!(
        matches!(&fake.only().0.specification, Specification::Digest(digest) if digest.algorithm == Algorithm::Sha256)
    );
}

#[tokio::test]
async fn the_form_asks_for_all_results_to_be_computed_twice() {
    let (fake, router) = world();
    let answer = submit(&router, form(&[("algorithm", "sha256"), ("verify", "all"), ("text", "one")], None)).await;
    assert_eq!(answer.status, 303, "{:?}", answer.body);
    assert_eq!(fake.only().0.verify, Verify::All);
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["<dt>Checked</dt><dd>all results: twice the computing</dd>"]);
    let typed = [("algorithm", "sha256"), ("priority", "101"), ("verify", "all"), ("text", "one")];
    let answer = submit(&router, form(&typed, None)).await;
    contains(html(&answer), &["value=\"all\" selected", "<details open>"]);
    let answer = submit(&router, form(&[("algorithm", "sha256"), ("verify", "some"), ("text", "one")], None)).await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["id=\"verify-error\"", "<details open>"]);
    post_json(&router, json!({"input": "x"})).await;
    assert!(!page(&get(&router, "/admin/tasks/2").await).contains("<dt>Checked</dt>"));
}

#[tokio::test]
async fn a_file_of_lines_is_submitted() {
    let (fake, router) = world();
    let content = "line\n".repeat(1_000_000);
    let answer = submit(&router, form(&[("algorithm", "sha256"), ("text", "")], Some(&content))).await;
    assert_eq!(answer.header("location"), "/admin/tasks/1", "{:?}", answer.body);
    assert_eq!(fake.only().1.len(), 1_000_000);
}

#[tokio::test]
async fn a_form_that_is_wrong_comes_back_as_it_was_typed() {
    let (fake, router) = world();
    let typed = [("algorithm", "hmac-sha256"), ("key", "\"<k>\""), ("name", "bees"), ("encoding", "hex")];
    let answer = submit(&router, form(&[&typed[..], &[("text", "\r\n00\r\n<b>")]].concat(), None)).await;
    assert_eq!(answer.status, 422);
    let text = html(&answer);
    contains(text, &["aria-describedby=\"text-error\"", "the strings, line 3: ", "not a hexadecimal digit"]);
    contains(text, &["value=\"hmac-sha256\" selected", "value=\"&#34;&#60;k&#62;&#34;\"", "value=\"bees\""]);
    contains(text, &["<details open>", "value=\"hex\" selected", "autofocus>\n\r\n00\r\n&#60;b&#62;</textarea>"]);
    assert!(!text.contains(" data-live=") && text.contains("href=\"/admin#submit\">Reload"));

    let typed = [("algorithm", "pbkdf2-hmac-sha256"), ("salt", "s"), ("iterations", "0"), ("text", "late")];
    let answer = submit(&router, form(&typed, Some("a line"))).await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["aria-describedby=\"iterations-error\"", "id=\"iterations-error\"", "value=\"0\""]);
    contains(html(&answer), &[">\nlate</textarea>", "Choose the file again."]);
    assert_eq!(html(&answer).matches("aria-invalid").count(), 1);

    let answer = submit(&router, form(&[("algorithm", "sha256"), ("text", "")], None)).await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["id=\"text-error\"", "there is nothing to hash: give the strings, or the file"]);
    assert!(!html(&answer).contains("Choose the file again"));
    for (content_type, body) in [("text/plain", "x".to_owned()), ("multipart/form-data; boundary=X", "--X".to_owned())]
    {
        let answer = post(&router, "/admin/tasks", content_type, body).await;
        assert!(answer.status.is_client_error());
        contains(html(&answer), &["id=\"submit-error\" class=\"notice bad\" role=\"alert\">"]);
    }
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn what_is_wrong_stands_beside_its_field_in_the_forms_words() {
    let (fake, router) = world();
    let hmac = ("algorithm", "hmac-sha256");
    let pbkdf2 = [("algorithm", "pbkdf2-hmac-sha256"), ("iterations", "1")];
    let long = "x".repeat(201);
    for (fields, field, words) in [
        (&[hmac][..], "key", "this algorithm needs the key, or the key in hexadecimal"),
        (&[hmac, ("key_hex", "abc")], "key_hex", "the key in hexadecimal: hexadecimal has two digits a byte"),
        (&[hmac, ("key", "a"), ("key_hex", "ab")], "key", "the key and the key in hexadecimal are two ways"),
        (&[pbkdf2[0], pbkdf2[1]], "salt", "this algorithm needs the salt, or the salt in hexadecimal"),
        (&[pbkdf2[0], pbkdf2[1], ("salt_hex", "xy")], "salt_hex", "the salt in hexadecimal: character 1"),
        (&[pbkdf2[0], ("salt", "s")], "iterations", "needs the number of iterations"),
        (&[pbkdf2[0], ("salt", "s"), ("iterations", "x")], "iterations", "the number of iterations is a whole number"),
        (&[("name", &long)], "name", "a name has at most 200 characters"),
        (&[("priority", "x")], "priority", "the priority is a whole number from -100 to 100"),
        (&[("deadline_seconds", "0")], "deadline_seconds", "the deadline in seconds is a whole number from 1"),
        (&[("encoding", "hex")], "text", "the strings, line 1: "),
    ] {
        let answer = submit(&router, form(&[fields, &[("text", "one")]].concat(), None)).await;
        assert_eq!(answer.status, 422, "{field}");
        let text = html(&answer);
        let fault = text.split(&format!("<p id=\"{field}-error\" class=\"fault\">")).nth(1);
        let fault = fault.unwrap_or_else(|| panic!("{field}: {text}")).split("</p>").next().unwrap();
        assert!(fault.contains(words) && !fault.contains('`'), "{field}: {fault}");
        contains(text, &[&format!("aria-describedby=\"{field}-error"), ">\none</textarea>"]);
        assert_eq!(text.matches("aria-invalid").count(), 1, "{field}");
    }
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn a_long_form_that_is_wrong_does_not_come_back_in_part() {
    let (fake, router) = world();
    let long = "word\n".repeat(200_000);
    let typed = [("algorithm", "sha256"), ("name", "bees"), ("priority", "101"), ("text", &long)];
    let answer = submit(&router, form(&typed, Some("a line"))).await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["id=\"priority-error\"", "value=\"bees\"", "too long to be shown again"]);
    assert!(answer.text().len() < 50_000);
    assert_eq!(fake.tasks(), 0);
}

#[tokio::test]
async fn a_form_comes_back_from_a_queen_that_takes_nothing_now() {
    let (fake, router) = world();
    fake.inner().refuses =
        Some(HiveError::Unavailable { reason: "the disk is <full>".to_owned(), retry_after: Duration::from_secs(7) });
    let answer = submit(&router, form(&[("algorithm", "sha256d"), ("text", "one")], None)).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after"), answer.header("refresh")), (503, "7", ""));
    contains(
        html(&answer),
        &["role=\"alert\">the disk is &#60;full&#62;</p>", "value=\"sha256d\" selected", ">\none<"],
    );
}

#[tokio::test]
async fn a_task_shows_its_results() {
    let (_, router) = world();
    post_json(&router, json!({"inputs": [WORD, "<script>alert(1)</script>", "a\n\u{202e}b", "", "é".repeat(5000)]}))
        .await;
    let answer = get(&router, "/admin/tasks/1").await;
    let text = page(&answer);
    contains(text, &["Task 1", WORD, DIGEST, "&#60;script&#62;alert(1)", "5 of 5", "100 %", "empty"]);
    contains(text, &["a<span class=\"stand\">\\nU+202E</span>b", "all 10,000 bytes", "offset=4&amp;limit=1"]);
    contains(text, &["action=\"/admin/tasks/1/delete\"", "/tasks/1/results?format=csv&amp;download=1\""]);
    assert!(!text.contains("<script>alert") && !text.contains("/cancel") && !text.contains("partial"));
    assert!(text.len() < 20_000, "a long input is cut");
    for link in text.split("href=\"/tasks/1/results").skip(1) {
        let path = format!("/tasks/1/results{}", link.split('"').next().unwrap().replace("&amp;", "&"));
        let status = get(&router, &path).await.status;
        assert_eq!(status, if path.contains("text") { 406 } else { 200 }, "{path}");
    }
}

#[tokio::test]
async fn inputs_that_are_no_text_are_shown() {
    let (_, router) = world();
    post(&router, "/tasks", "text/plain", &b"ok\xff\x1b[0m"[..]).await;
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["ok<span class=\"stand\">\\xFF\\x1B</span>[0m"]);
}

#[tokio::test]
async fn results_are_paged() {
    let (fake, router) = world();
    fake.inner().computed = Some(250);
    fake.inner().batch = 7;
    post(&router, "/tasks", "text/plain", "x\n".repeat(1000)).await;
    let answer = get(&router, "/admin/tasks/1?offset=100").await;
    let text = page(&answer);
    contains(
        text,
        &["100 to 199 of 1,000", "?offset=0#", "?offset=200#", "25.0 %", "action=\"/admin/tasks/1/cancel\""],
    );
    contains(text, &["format=text&amp;download=1&amp;partial=1"]);
    assert_eq!(text[text.find("id=\"results\"").unwrap()..].matches("<th scope=\"row\"").count(), 100);
    let answer = get(&router, "/admin/tasks/1?offset=200").await;
    contains(page(&answer), &["200 to 249 of 1,000", "?offset=100#"]);
    assert!(!page(&answer).contains("rel=\"next\""));
    let answer = get(&router, &format!("/admin/tasks/1?offset={}", u64::MAX)).await;
    contains(page(&answer), &["up to number 249 so far"]);
}

#[tokio::test]
async fn a_task_is_cancelled_and_deleted() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x"})).await;
    let answer = post(&router, "/admin/tasks/1/delete", "", "").await;
    assert_eq!(answer.status, 409);
    contains(html(&answer), &["cancel it first"]);
    let answer = post(&router, "/admin/tasks/1/cancel", "", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks/1"));
    contains(page(&get(&router, "/admin/tasks/1").await), &["cancelled", "the task ended before the first"]);
    let answer = post(&router, "/admin/tasks/1/delete", "", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks"));
    let answer = get(&router, "/admin/tasks/1").await;
    assert_eq!(answer.status, 410);
    contains(html(&answer), &["410", "removed"]);
}

#[tokio::test]
async fn drones_are_shown() {
    let (fake, router) = world();
    let answer = get(&router, "/admin/drones").await;
    contains(
        page(&answer),
        &[
            "&#60;b&#62;worker",
            "busy",
            "127.0.0.1:50000",
            "cargo run --release -p drone -- --queen 127.0.0.1:8080",
            "1.0 M items/s",
            "Counted since the Queen’s start at",
        ],
    );
    let answer = get(&router, "/admin/drones/1").await;
    contains(
        page(&answer),
        &["Drone 1", "&#60;b&#62;worker", "drone 0.1.0", "2.0 M/s", "short, sha256d, hmac", "sha-ni", "Counted since"],
    );
    assert!(!answer.text().contains("<b>"));
    let last = "the last figures known";
    let drones = get(&router, "/admin/drones").await;
    assert!(!page(&drones).contains(last));
    // It left before this Queen started.
    fake.inner().drone.last_seen_at = Timestamp(1_600_000_000_000);
    for path in ["/admin/drones", "/admin/drones/1"] {
        contains(page(&get(&router, path).await), &["not been back since", last]);
    }
}

#[tokio::test]
async fn errors_are_pages() {
    let (fake, router) = world();
    for (path, status) in [
        ("/admin/tasks/9", 404),
        ("/admin/tasks/x", 404),
        ("/admin/drones/9", 404),
        ("/admin/tasks?state=nope", 422),
        ("/admin/tasks?cursor=x", 422),
        ("/admin/tasks/1?offset=-1", 422),
        ("/admin/nothing", 404),
        ("/admin/tasks/1/cancel", 405),
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, status, "{path}");
        contains(html(&answer), &[&status.to_string(), "To the overview"]);
    }
    fake.inner().error = Some(HiveError::Unavailable {
        reason: "memory is <full>".to_owned(),
        retry_after: Duration::from_millis(1500),
    });
    let answer = get(&router, "/admin").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after"), answer.header("refresh")), (503, "2", "2"));
    contains(html(&answer), &["memory is &#60;full&#62;", "every 2 seconds"]);
    // The page with the form cannot be had either.
    let answer = submit(&router, form(&[("text", "a")], None)).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after"), answer.header("refresh")), (503, "2", ""));
    assert!(!html(&answer).contains("by itself"));
}

#[tokio::test]
async fn a_queen_that_takes_over_says_how_far_she_is() {
    let (fake, router) = world();
    let reason = "the Queen is taking over 1,000,000 tasks, 312,000 so far".to_owned();
    fake.inner().error = Some(HiveError::Unavailable { reason, retry_after: Duration::from_secs(1) });
    for path in ["/admin", "/admin/tasks", "/admin/tasks/1", "/admin/drones"] {
        let answer = get(&router, path).await;
        assert_eq!((answer.status.as_u16(), answer.header("refresh")), (503, "1"), "{path}");
        contains(html(&answer), &["The Queen cannot do that now", "1,000,000 tasks, 312,000 so far", "every second"]);
    }
    fake.inner().error = None;
    assert_eq!(get(&router, "/admin").await.header("refresh"), "");
}

#[tokio::test]
async fn the_overview_shows_what_is_on_disk() {
    let (fake, router) = world();
    let answer = get(&router, "/admin").await;
    contains(page(&answer), &["<dt>Disk</dt>", "nothing is kept", "The next task starts at once"]);
    assert!(!page(&answer).contains("notice bad\">") && !page(&answer).contains("took over"));
    fake.inner().data = Some(Data { recovered: 1_000_000, recovery_seconds: 0.8, ..data() });
    let answer = get(&router, "/admin").await;
    let text = page(&answer);
    contains(text, &["3.0 MiB<small>of 1.0 TiB", "took over 1,000,000 tasks in 0.8 s", "/var/lib/&#60;hive&#62;"]);
    assert!(!text.contains("nothing is kept") && !text.contains("notice bad\">"));
    let fault = Some("no space left on <device>".to_owned());
    // Finished tasks make room for new ones.
    fake.inner().data = Some(Data { limit: 3 << 20, removes_early: true, ..data() });
    assert!(!page(&get(&router, "/admin").await).contains("nearly used up"));
    fake.inner().data = Some(Data { limit: 3 << 20, unfinished: 3 << 20, fault, ..data() });
    let answer = get(&router, "/admin").await;
    let text = page(&answer);
    contains(text, &["3.0 MiB<small>of 3.0 MiB", "aria-label=\"Disk space used\"", "nearly used up"]);
    contains(text, &["until the disk takes writes again: no space left on &#60;device&#62;"]);
    assert!(!text.contains("The next task starts at once"));
}

#[tokio::test]
async fn what_pages_link_to_is_there() {
    let (_, router) = world();
    let answer = get(&router, "/admin").await;
    let text = page(&answer);
    for (name, content_type) in
        [("css", "text/css; charset=utf-8"), ("js", "text/javascript; charset=utf-8"), ("svg", "image/svg+xml")]
    {
        let start = text.find(&format!("/static/hive.{name}?v=")).unwrap();
        let url = text[start..].split('"').next().unwrap();
        let file = get(&router, url).await;
        assert_eq!((file.status.as_u16(), file.header("content-type")), (200, content_type));
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable");
        assert!(!file.body.is_empty());
    }
    for symbol in text.split("href=\"#icon-").skip(1) {
        contains(text, &[&format!("<symbol id=\"icon-{}\"", symbol.split('"').next().unwrap())]);
    }
}

#[tokio::test]
async fn static_files_are_sent_once() {
    let (_, router) = world();
    let first = get(&router, "/static/hive.css").await;
    assert_eq!(first.header("cache-control"), "no-cache");
    let tag = first.header("etag");
    for known in [tag, "*", &format!("\"other\", {tag}"), tag.trim_start_matches("W/")] {
        let again = get_with(&router, "/static/hive.css", &[("if-none-match", known)]).await;
        assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, tag), "{known}");
    }
    let other = get_with(&router, "/static/hive.css?v=old", &[("if-none-match", "\"other\"")]).await;
    assert_eq!((other.status.as_u16(), other.header("cache-control")), (200, "no-cache"));
    let head = send(&router, request("HEAD", "/static/hive.css", &[], "")).await;
    assert_eq!((head.status.as_u16(), head.body.len(), head.header("etag")), (200, 0, tag));
    assert_eq!(head.header("content-length"), first.body.len().to_string());
    for path in ["/static/nothing.css", "/static/", "/static/../web/Cargo.toml", "/static/%2e%2e/Cargo.toml"] {
        get(&router, path).await.problem(404);
    }
}
