//! Tokens, secrets and the audit trail.

use axum::body::Body;
use serde_json::{Value, json};
use web::Site;
use web::access::{LogEntry, LogKind};
use web::hive::{Action, HiveError};
use web::model::Timestamp;

use crate::submit::{FORM, TEXT};
use crate::support::*;

/// Sends JSON, or nothing, as who has this token.
async fn ask(router: &Site, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = body.map_or_else(Body::empty, |body| body.to_string().into());
    send(router, request(method, path, &headers, body)).await
}

#[tokio::test]
async fn a_token_is_made_shown_once_and_revoked() {
    let (fake, access, router) = guarded_world();
    let admin = access.token("root", "admin");
    let new = json!({"name": "ci", "scopes": ["submit", "read"], "expires_seconds": 3600});
    let made = ask(&router, &admin, "POST", "/tokens", Some(new)).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"));
    let mut view = made.json();
    let token = view.as_object_mut().unwrap().remove("token").unwrap();
    assert_eq!(Some(token.as_str().unwrap()), access.kept().tokens[1].as_ref().map(|(_, token)| token.as_str()));
    let expected = json!({
        "id": 2, "name": "ci", "scopes": ["read", "submit"], "created_at": "2023-11-14T22:13:20.000Z",
        "expires_at": "2023-11-14T23:13:20.000Z", "last_used_at": null,
    });
    assert_eq!(view, expected);
    let list = ask(&router, &admin, "GET", "/tokens", None).await;
    assert_eq!(list.json()["tokens"][1], expected);
    assert_eq!(list.json()["tokens"].as_array().unwrap().len(), 2);
    assert!(!list.text().contains("hive_"), "it is not shown again");

    let token = token.as_str().unwrap();
    assert_eq!(ask(&router, token, "GET", "/tasks", None).await.status, 200);
    assert_eq!(ask(&router, &admin, "DELETE", "/tokens/2", None).await.status, 204);
    ask(&router, token, "GET", "/tasks", None).await.problem(401);
    ask(&router, &admin, "DELETE", "/tokens/2", None).await.problem(404);
    ask(&router, &admin, "DELETE", "/tokens/x", None).await.problem(404);
    let deeds = fake.inner().deeds.clone();
    let logged: Vec<_> = deeds.iter().filter(|deed| deed.refused.is_none()).collect();
    let logged: Vec<_> =
        logged.iter().map(|deed| (&deed.action, deed.target.as_str(), deed.by.name.as_deref())).collect();
    let by = Some("root");
    assert_eq!(logged, [(&Action::CreateToken, "token 2 (ci)", by), (&Action::RevokeToken, "token 2 (ci)", by)]);
}

#[tokio::test]
async fn a_token_that_makes_no_sense_is_refused_by_name() {
    let (_, access, router) = guarded_world();
    let admin = access.token("root", "admin");
    let refused = async |body: Value, path: &str| {
        let problem = ask(&router, &admin, "POST", "/tokens", Some(body.clone())).await.problem(422);
        assert_eq!(problem["path"], path, "{body}");
    };
    let scopes = json!(["read"]);
    for name in [json!(""), json!("x".repeat(65)), json!("a\nb"), json!(7), Value::Null] {
        refused(json!({"name": name, "scopes": scopes}), "name").await;
    }
    refused(json!({"scopes": scopes}), "name").await;
    for wrong in [json!([]), json!("read"), json!(["write"]), json!([1]), Value::Null] {
        refused(json!({"name": "a", "scopes": wrong}), "scopes").await;
    }
    refused(json!({"name": "a"}), "scopes").await;
    for seconds in [json!(0), json!(-1), json!(315_360_001), json!("soon"), json!(1.5)] {
        refused(json!({"name": "a", "scopes": scopes, "expires_seconds": seconds}), "expires_seconds").await;
    }
    refused(json!({"name": "a", "scopes": scopes, "colour": "red"}), "colour").await;
    for (content_type, body, status) in [(TEXT, "{}", 415), (FORM, "name=a", 415), ("application/json", "{", 400)] {
        let bearer = format!("Bearer {admin}");
        let headers = [("authorization", bearer.as_str()), ("content-type", content_type)];
        send(&router, request("POST", "/tokens", &headers, body)).await.problem(status);
    }
    ask(&router, &admin, "POST", "/tokens", Some(json!({"name": "root", "scopes": scopes}))).await.problem(409);
    assert_eq!(access.kept().tokens.len(), 1);
}

#[tokio::test]
async fn the_first_token_closes_the_hive_and_can_make_others() {
    let (_, access, router) = guarded_world();
    let post = async |scope: &str| {
        let new = json!({"name": "first", "scopes": [scope]}).to_string();
        post(&router, "/tokens", "application/json", new).await
    };
    let problem = post("control").await.problem(422);
    assert_eq!(problem["path"], "scopes");
    assert!(access.kept().tokens.is_empty());
    let made = post("admin").await;
    assert_eq!(made.status, 201);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    post("admin").await.problem(401);
    get(&router, "/tokens").await.problem(401);
    assert_eq!(ask(&router, &token, "GET", "/tokens", None).await.status, 200);
}

#[tokio::test]
async fn a_secret_is_made_and_its_join_file_shown_once() {
    let (fake, access, router) = guarded_world();
    let made = post(&router, "/secrets", "application/json", json!({"name": "lab"}).to_string()).await;
    assert_eq!(made.status, 201);
    let view = made.json();
    assert!(view["join_file"].as_str().unwrap().contains("\nhive-join 1\nsecret lab "));
    assert_eq!((&view["name"], &view["drones"]), (&json!("lab"), &json!(0)));
    let list = get(&router, "/secrets").await;
    let expected = json!({"secrets": [{"name": "lab", "created_at": "2023-11-14T22:13:20.000Z", "drones": 0}]});
    assert_eq!(list.json(), expected);
    post(&router, "/secrets", "application/json", json!({"name": "lab"}).to_string()).await.problem(409);
    for wrong in
        [json!({}), json!({"name": "a b"}), json!({"name": "x".repeat(65)}), json!({"name": 1}), json!({"name": "é"})]
    {
        let problem = post(&router, "/secrets", "application/json", wrong.to_string()).await.problem(422);
        assert_eq!(problem["path"], "name", "{wrong}");
    }
    let problem = post(&router, "/secrets", "application/json", json!({"named": "a"}).to_string()).await.problem(422);
    assert_eq!(problem["path"], "named");
    let delete = async |path| send(&router, request("DELETE", path, &[], Body::empty())).await;
    assert_eq!(delete("/secrets/lab").await.status, 204);
    delete("/secrets/lab").await.problem(404);
    assert!(access.kept().secrets.is_empty());
    let deeds = fake.inner().deeds.clone();
    let logged: Vec<_> = deeds.iter().map(|deed| (&deed.action, deed.target.as_str())).collect();
    assert_eq!(logged, [(&Action::CreateSecret, "secret lab"), (&Action::RevokeSecret, "secret lab")]);
    assert!(deeds.iter().all(|deed| !format!("{deed:?}").contains("5555")), "nothing of it is logged");
}

#[tokio::test]
async fn nothing_is_made_where_it_cannot_be_kept() {
    let (fake, router) = world();
    assert_eq!(get(&router, "/tokens").await.json(), json!({"tokens": []}));
    let token = json!({"name": "a", "scopes": ["admin"]}).to_string();
    post(&router, "/tokens", "application/json", token.clone()).await.problem(409);
    post(&router, "/secrets", "application/json", json!({"name": "a"}).to_string()).await.problem(409);
    assert!(fake.inner().deeds.is_empty(), "what was not done is not logged");
    let (_, access, router) = guarded_world();
    access.kept().error = Some(HiveError::Internal("the disk is full".to_owned()));
    for (path, body) in [("/tokens", token), ("/secrets", json!({"name": "a"}).to_string())] {
        get(&router, path).await.problem(500);
        post(&router, path, "application/json", body).await.problem(500);
    }
}

fn entry(number: i64, kind: LogKind, who: Option<&str>, target: &str, count: u64) -> LogEntry {
    LogEntry {
        at: Timestamp(1_700_000_000_000 + number * 60_000),
        kind,
        who: who.map(str::to_owned),
        address: who.map(|_| "192.0.2.7".to_owned()),
        action: "cancel".to_owned(),
        target: target.to_owned(),
        outcome: "done".to_owned(),
        changes: (number == 2).then(|| "priority 0 → 7, name none → “a, b”".to_owned()),
        request_id: None,
        count,
    }
}

#[tokio::test]
async fn the_log_is_filtered_and_paged() {
    let (_, access, router) = guarded_world();
    access.kept().log = vec![
        entry(0, LogKind::Administration, None, "token 1 (root)", 1),
        entry(1, LogKind::Control, Some("root"), "task 7 (bees)", 1),
        entry(2, LogKind::Control, Some("ci"), "task 77", 1),
        entry(3, LogKind::Refusal, Some("ci"), "/drones/1/drain", 12),
    ];
    let first = json!({
        "at": "2023-11-14T22:16:20.000Z", "kind": "refusal", "who": "ci", "address": "192.0.2.7", "action": "cancel",
        "target": "/drones/1/drain", "outcome": "done", "changes": null, "request_id": null, "count": 12,
    });
    let all = get(&router, "/log").await.json();
    assert_eq!((&all["entries"][0], &all["next_cursor"]), (&first, &Value::Null));
    assert_eq!(all["entries"][3]["address"], Value::Null);
    assert!(all["entries"][3].get("count").is_none(), "one is not counted");
    let targets = async |query: &str| {
        let answer = get(&router, &format!("/log?{query}")).await.json();
        let entries = answer["entries"].as_array().unwrap().clone();
        let targets: Vec<_> = entries.iter().map(|entry| entry["target"].as_str().unwrap().to_owned()).collect();
        (targets, answer["next_cursor"].as_str().map(str::to_owned))
    };
    assert_eq!(targets("kind=control").await.0, ["task 77", "task 7 (bees)"]);
    assert_eq!(targets("who=ci&kind=control").await.0, ["task 77"]);
    assert_eq!(targets("target=task%207").await.0, ["task 7 (bees)"]);
    assert_eq!(targets("since=2023-11-14T22:15:20Z&until=2023-11-14T22:16:20Z").await.0, ["task 77"]);
    assert_eq!(targets("until=2023-11-14T22:14").await.0, ["token 1 (root)"]);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let (targets, next) = targets(&format!("limit=1&cursor={cursor}")).await;
        seen.extend(targets);
        match next {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(seen, ["/drones/1/drain", "task 77", "task 7 (bees)", "token 1 (root)"]);
    for (query, path) in [
        ("kind=all", "kind"),
        ("format=text", "format"),
        ("since=today", "since"),
        ("cursor=x", "cursor"),
        ("limit=0", "limit"),
        ("what=1", "what"),
    ] {
        assert_eq!(get(&router, &format!("/log?{query}")).await.problem(422)["path"], path);
    }
    let text = get(&router, "/log?format=csv&kind=control&download=1").await;
    assert_eq!(text.header("content-disposition"), "attachment; filename=\"log.csv\"");
    let expected = "at,kind,who,address,action,target,outcome,request_id,count,changes\r\n\
                    2023-11-14T22:15:20.000Z,control,ci,192.0.2.7,cancel,task 77,done,,1,\"priority 0 → 7, name none → “a, b”\"\r\n\
                    2023-11-14T22:14:20.000Z,control,root,192.0.2.7,cancel,task 7 (bees),done,,1,\r\n";
    assert_eq!(text.text(), expected);
    for (query, count) in [("", 4), ("&limit=1", 1)] {
        let lines = get(&router, &format!("/log?format=ndjson{query}")).await;
        let lines: Vec<Value> = lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[count]), (count + 1, &json!({ "end": true, "count": count })));
    }
    // Who may only read is logged what happened, and not who did what.
    let reader = access.token("reader", "read");
    access.kept().log.push(entry(4, LogKind::Drone, None, "drone 3 (meadow)", 1));
    let seen = ask(&router, &reader, "GET", "/log", None).await.json();
    assert_eq!((&seen["entries"][0]["target"], &seen["entries"][1]), (&json!("drone 3 (meadow)"), &Value::Null));
    let refused = ask(&router, &reader, "GET", "/log?kind=control", None).await.problem(422);
    assert_eq!(refused["detail"], "there is no kind `control`; there are: drone, task, queen");
}
