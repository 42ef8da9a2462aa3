//! Access and log.

use axum::body::Body;
use base64::Engine as _;
use web::Site;
use web::access::{LogEntry, LogKind};
use web::model::Timestamp;

use crate::support::*;
use crate::{contains, html, page};

const FORM: &str = "application/x-www-form-urlencoded";

/// Logs in with a token: the cookie of the session.
async fn log_in(router: &Site, token: &str) -> String {
    let answer = post(router, "/login", FORM, format!("token={token}")).await;
    assert_eq!(answer.status, 303, "{:?}", answer.body);
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn see(router: &Site, cookie: &str, path: &str) -> Answer {
    get_with(router, path, &[("cookie", cookie)]).await
}

async fn fill(router: &Site, cookie: &str, path: &str, fields: &'static str) -> Answer {
    send(router, request("POST", path, &[("cookie", cookie), ("content-type", FORM)], fields)).await
}

#[tokio::test]
async fn the_first_token_is_made_on_an_open_page() {
    let (_, access, router) = guarded_world();
    let text = get(&router, "/admin/access").await;
    contains(page(&text), &["id=\"open\"", "value=\"admin\" checked", "There is none. A token"]);
    assert!(!text.text().contains("id=\"sessions\""));
    let refused = fill(&router, "", "/admin/access/tokens", "name=me&scopes=read&expires_seconds=").await;
    assert_eq!(refused.status, 422);
    contains(html(&refused), &["id=\"scopes-error\"", "value=\"me\"", "value=\"read\" checked"]);
    assert!(!html(&refused).contains("value=\"admin\" checked"));
    let made = fill(&router, "", "/admin/access/tokens", "name=me&scopes=admin&expires_seconds=").await;
    assert_eq!(made.header("cache-control"), "no-store");
    let token = access.kept().tokens[0].as_ref().unwrap().1.clone();
    contains(page(&made), &[&token, "id=\"closed\"", "href=\"/login\"", "<dt>Expires</dt><dd>never</dd>"]);
    assert_eq!(get(&router, "/admin/access").await.status, 303, "a login is asked for");
    let cookie = log_in(&router, &token).await;
    let text = see(&router, &cookie, "/admin/access").await;
    contains(page(&text), &["id=\"token-1\"", "class=\"own\">yours<", "id=\"session-1\""]);
    assert!(!text.text().contains(&token) && !text.text().contains("id=\"open\""));
}

#[tokio::test]
async fn tokens_are_made_and_revoked_on_the_page() {
    let (fake, access, router) = guarded_world();
    let cookie = log_in(&router, &access.token("root", "admin")).await;
    let fields = "name=%3Cci%3E&scopes=read&scopes=submit&expires_seconds=86400";
    let made = fill(&router, &cookie, "/admin/access/tokens", fields).await;
    contains(
        page(&made),
        &["hive_2_", "&#60;ci&#62;", "read, submit", "2023-11-15T22:13:20.000Z", "/admin/access\">All"],
    );
    let list = see(&router, &cookie, "/admin/access").await;
    contains(page(&list), &["id=\"token-2\"", "&#60;ci&#62;", "action=\"/admin/access/tokens/2/revoke\""]);
    for (fields, field, typed) in [
        ("name=&scopes=read&expires_seconds=", "name", "value=\"read\" checked"),
        ("name=a&expires_seconds=2592000", "scopes", "value=\"2592000\" selected"),
        ("name=a&scopes=write&expires_seconds=", "scopes", "value=\"a\""),
        ("name=a&scopes=read&expires_seconds=x", "expires_seconds", "value=\"a\""),
    ] {
        let refused = fill(&router, &cookie, "/admin/access/tokens", fields).await;
        assert_eq!(refused.status, 422);
        contains(html(&refused), &[&format!("id=\"{field}-error\""), typed]);
    }
    let refused = fill(&router, &cookie, "/admin/access/tokens", "name=root&scopes=read&expires_seconds=").await;
    assert_eq!(refused.status, 409);
    contains(html(&refused), &["id=\"name-error\"", "already"]);
    let answer = fill(&router, &cookie, "/admin/access/tokens/2/revoke", "").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/access"));
    assert_eq!(fill(&router, &cookie, "/admin/access/tokens/2/revoke", "").await.status, 404);
    assert!(!see(&router, &cookie, "/admin/access").await.text().contains("id=\"token-2\""));
    // One's own ends one's session with it.
    assert_eq!(fill(&router, &cookie, "/admin/access/tokens/1/revoke", "").await.status, 303);
    assert_eq!(see(&router, &cookie, "/admin/access").await.status, 303);
    let targets: Vec<_> = fake.inner().deeds.iter().map(|deed| deed.target.clone()).collect();
    assert_eq!(targets, ["session", "token 2 (<ci>)", "token 2 (<ci>)", "token 1 (root)"]);
}

#[tokio::test]
async fn a_join_file_is_offered_once() {
    let (_, access, router) = guarded_world();
    let cookie = log_in(&router, &access.token("root", "admin")).await;
    let made = fill(&router, &cookie, "/admin/access/secrets", "name=lab").await;
    assert_eq!(made.header("cache-control"), "no-store");
    let text = page(&made);
    contains(text, &["download=\"hive-lab.join\"", "chmod 600 hive-lab.join", "--join hive-lab.join", "hive-join 1"]);
    let address = text.split("href=\"data:application/octet-stream;base64,").nth(1).unwrap().split('"').next().unwrap();
    // As a browser reads an attribute.
    let address = address.replace("&#43;", "+");
    let file = base64::engine::general_purpose::STANDARD.decode(address).unwrap();
    assert!(std::str::from_utf8(&file).unwrap().contains("\nhive-join 1\nsecret lab "));
    let list = see(&router, &cookie, "/admin/access").await;
    contains(page(&list), &["id=\"secret-lab\"", "action=\"/admin/access/secrets/lab/revoke\""]);
    assert!(!list.text().contains("hive-join"));
    for (fields, status) in [("name=a+b", 422), ("name=..", 422), ("name=lab", 409)] {
        let refused = fill(&router, &cookie, "/admin/access/secrets", fields).await;
        assert_eq!(refused.status, status);
        contains(html(&refused), &["id=\"secret-name-error\"", "aria-describedby=\"secret-name-error"]);
    }
    assert_eq!(fill(&router, &cookie, "/admin/access/secrets/lab/revoke", "").await.status, 303);
    assert_eq!(fill(&router, &cookie, "/admin/access/secrets/lab/revoke", "").await.status, 404);
    contains(page(&see(&router, &cookie, "/admin/access").await), &["There is none. With a secret"]);
}

#[tokio::test]
async fn sessions_are_ended_on_the_page() {
    let (fake, access, router) = guarded_world();
    let (root, ci) = (access.token("root", "admin"), access.token("ci", "read"));
    let (own, other) = (log_in(&router, &root).await, log_in(&router, &ci).await);
    let list = see(&router, &own, "/admin/access").await;
    contains(page(&list), &["id=\"session-1\"", "id=\"session-2\"", "/admin/access/sessions/2/end"]);
    assert_eq!(see(&router, &other, "/admin").await.status, 200);
    assert_eq!(fill(&router, &other, "/admin/access/sessions/1/end", "").await.status, 403);
    assert_eq!(fill(&router, &own, "/admin/access/sessions/2/end", "").await.status, 303);
    assert_eq!(fill(&router, &own, "/admin/access/sessions/2/end", "").await.status, 404);
    assert_eq!(see(&router, &other, "/admin").await.status, 303, "a login is asked for");
    let deed = fake.inner().deeds.last().unwrap().clone();
    assert_eq!((deed.target.as_str(), deed.by.name.as_deref()), ("session of token 2 (ci)", Some("root")));
}

#[tokio::test]
async fn access_and_log_are_offered_to_who_may_see_them() {
    let (_, access, router) = guarded_world();
    for (scopes, is_offered) in [("admin", true), ("control", false), ("read", false), ("submit", false)] {
        let cookie = log_in(&router, &access.token(scopes, scopes)).await;
        let home = see(&router, &cookie, "/admin").await;
        // What happened by itself is for all who may read.
        let reads = scopes != "submit";
        for (path, is_offered) in [("/admin/access", is_offered), ("/admin/log", reads)] {
            assert_eq!(page(&home).contains(&format!("href=\"{path}\"")), is_offered, "{path} to {scopes}");
            assert_eq!(see(&router, &cookie, path).await.status, if is_offered { 200 } else { 403 });
        }
    }
}

#[tokio::test]
async fn the_log_is_shown_filtered_and_paged() {
    let (fake, access, router) = guarded_world();
    contains(page(&get(&router, "/admin/log").await), &["<code>--ephemeral</code>: she keeps nothing"]);
    fake.inner().data = Some(data());
    contains(page(&get(&router, "/admin/log").await), &["Nothing yet."]);
    let entry = |number: i64| LogEntry {
        at: Timestamp(1_700_000_000_000 + number * 1000),
        kind: if number % 2 == 0 { LogKind::Control } else { LogKind::Refusal },
        who: (number % 2 == 0).then(|| "<b> & co".to_owned()),
        address: Some("192.0.2.7".to_owned()),
        action: "cancel".to_owned(),
        target: format!("task {number}"),
        outcome: if number % 2 == 0 { "done".to_owned() } else { "this <token> is none".to_owned() },
        changes: (number == 100).then(|| "name none → “<b>”".to_owned()),
        request_id: Some(format!("request-{number}")),
        count: if number == 101 { 1234 } else { 1 },
    };
    access.kept().log = (0..102).map(entry).collect();
    let first = get(&router, "/admin/log").await;
    let text = page(&first);
    contains(
        text,
        &[
            "<bdi>task 101</bdi>",
            "<bdi>task 2</bdi>",
            "href=\"/admin/log?cursor=2\"",
            "1,234 times",
            "request request-101",
            "cancel<small><bdi>name none → “&#60;b&#62;”</bdi></small>",
        ],
    );
    contains(text, &["this &#60;token&#62; is none", "without a token", "&#60;b&#62; &#38; co", "192.0.2.7"]);
    contains(text, &["href=\"/admin/log?who=%3Cb%3E%20%26%20co\""]);
    assert!(!text.contains("<bdi>task 1</bdi>") && !text.contains("rel=\"first\""));
    let next = get(&router, "/admin/log?cursor=2").await;
    contains(page(&next), &["<bdi>task 1</bdi>", "<bdi>task 0</bdi>", "rel=\"first\" href=\"/admin/log\""]);
    let refusals = get(&router, "/admin/log?kind=refusal&target=task+7&since=2023-11-14T22:13:20").await;
    let text = page(&refusals);
    contains(text, &["<bdi>task 7</bdi>", "name=\"kind\" value=\"refusal\"", "value=\"task 7\"", "seek\" open>"]);
    contains(
        text,
        &["value=\"2023-11-14T22:13:20\"", "kind=control&#38;target=task%207&#38;since=2023-11-14T22%3A13%3A20"],
    );
    assert_eq!(text.matches("<tr>").count(), 2, "its head and one line");
    contains(page(&get(&router, "/admin/log?who=nobody").await), &["There is nothing like that."]);
    contains(page(&get(&router, "/admin/log?cursor=0").await), &["There is nothing older."]);
    let refused = get(&router, "/admin/log?since=then").await;
    assert_eq!(refused.status, 422);
    contains(html(&refused), &["`since` is a moment"]);
    let sent = send(&router, request("POST", "/admin/log", &[], Body::empty())).await;
    assert_eq!(sent.status, 405, "nobody writes it");
}
