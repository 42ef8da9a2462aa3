//! Who may do what.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use tokio::sync::mpsc;
use tower::ServiceExt as _;
use web::access::{Caller, Holder, Scope, TokenId};
use web::hive::Action;
use web::model::{Change, TaskState};
use web::{Needs, Site};
use wire::ids::TaskId;

use crate::support::*;

/// Sends a request with a token, or without one if that is empty.
async fn ask(site: &Site, token: &str, method: &str, path: &str, body: impl Into<Body>) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "text/plain"), ("authorization", &bearer)];
    send(site, request(method, path, &headers[..if token.is_empty() { 1 } else { 2 }], body)).await
}

/// Every set of scopes that a token may have.
const SCOPES: [&str; 5] = ["read", "submit", "read,submit", "control", "admin"];

#[tokio::test]
async fn each_route_is_reached_with_what_it_needs_and_refused_without() {
    for route in web::routes() {
        let path = route.path.replace("{id}", "1").replace("{name}", "main").replace("{*name}", "hive.css");
        let is_page = path.starts_with("/admin");
        for scopes in [""].iter().chain(&SCOPES) {
            // A world of its own: some of them remove things.
            let (_, access, site) = guarded_world();
            let owner = access.token("owner", "admin");
            assert_eq!(ask(&site, &owner, "POST", "/tasks", "a").await.status, 201);
            let token = if scopes.is_empty() { String::new() } else { access.token("one", scopes) };
            let caller = match scopes.is_empty() {
                true => Caller::Unknown,
                false => Caller::Holder(Arc::new(Holder {
                    id: TokenId(2),
                    name: "one".into(),
                    scopes: scopes.split(',').map(|scope| scope.parse::<Scope>().unwrap()).collect(),
                })),
            };
            let request = request(route.method.as_str(), &path, &[("authorization", &format!("Bearer {token}"))], "");
            let request = if scopes.is_empty() { without_token(request) } else { request };
            let response = site.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let what = format!("{} {path} with {scopes:?} is {status}", route.method);
            match route.needs.are_met_by(&caller) {
                // What it is given is no token.
                true if path == "/login" => assert_ne!(status, 403, "{what}"),
                true => assert!(status != 401 && (status != 403 || route.needs == Needs::ChangeTask), "{what}"),
                false if scopes.is_empty() && is_page => {
                    assert_eq!(status, 303, "{what}");
                    assert!(response.headers()["location"].to_str().unwrap().starts_with("/login"), "{what}");
                }
                false if scopes.is_empty() => {
                    assert_eq!(status, 401, "{what}");
                    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"hive\"", "{what}");
                }
                false => assert_eq!(status, 403, "{what}"),
            }
        }
    }
}

fn without_token(mut request: axum::http::Request<Body>) -> axum::http::Request<Body> {
    request.headers_mut().remove("authorization");
    request
}

#[test]
fn only_what_says_nothing_needs_nothing() {
    let open = web::routes().into_iter().filter(|route| route.needs == Needs::Nothing);
    let open: Vec<_> = open.map(|route| format!("{} {}", route.method, route.path)).collect();
    let expected =
        ["GET /", "GET /healthz", "GET /readyz", "GET /openapi.json", "GET /login", "POST /login", "POST /logout"];
    assert_eq!(open[..7], expected);
    assert_eq!(open[7..], ["GET /static/{*name}"]);
}

#[tokio::test]
async fn a_hive_without_tokens_is_everybodys() {
    let (_, access, site) = guarded_world();
    assert_eq!(ask(&site, "", "POST", "/tasks", "a").await.status, 201);
    assert_eq!(ask(&site, "", "GET", "/stats", "").await.status, 200);
    let token = access.token("first", "read");
    ask(&site, "", "GET", "/stats", "").await.problem(401);
    assert_eq!(ask(&site, &token, "GET", "/stats", "").await.status, 200);
    access.end(1);
    ask(&site, "", "GET", "/stats", "").await.problem(401);
    assert_eq!(ask(&site, "", "GET", "/healthz", "").await.status, 200);
    assert_eq!(ask(&site, "", "GET", "/readyz", "").await.status, 200);
}

#[tokio::test]
async fn a_wrong_token_is_refused_where_none_is_needed_too() {
    let (fake, access, site) = guarded_world();
    for path in ["/stats", "/tasks", "/nowhere"] {
        let answer = ask(&site, "hive_1_wrong", "GET", path, "").await;
        answer.problem(401);
        assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"hive\"");
    }
    let token = access.token("first", "read");
    for wrong in ["hive_1_wrong", &token[..token.len() - 1], &format!("{token}t"), "x y", "\u{e9}"] {
        ask(&site, wrong, "GET", "/stats", "").await.problem(401);
        let deed = fake.inner().deeds.pop().unwrap();
        assert_eq!((deed.action, deed.target.as_str()), (Action::Ask, "GET /stats"));
        assert!(deed.by.name.is_none() && !deed.refused.unwrap().contains(wrong));
    }
    let two = [("authorization", &*format!("Bearer {token}")), ("authorization", "Bearer x")];
    get_with(&site, "/stats", &two).await.problem(400);
    for (scheme, status) in [("bearer", 200), ("BEARER", 200), ("Basic", 401), ("Bearers", 401)] {
        let value = format!("{scheme} {token}");
        assert_eq!(get_with(&site, "/stats", &[("authorization", &value)]).await.status, status, "{scheme}");
    }
}

#[tokio::test]
async fn a_refusal_names_what_lacks_and_is_told() {
    let (fake, access, site) = guarded_world();
    let token = access.token("ci", "submit");
    let problem = ask(&site, &token, "POST", "/drones/1/drain", "").await.problem(403);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("scope `control`") && detail.contains("`ci` has submit"), "{detail}");
    let deed = fake.inner().deeds.pop().unwrap();
    assert_eq!(
        (deed.by.name.as_deref(), deed.action, &*deed.target),
        (Some("ci"), Action::Ask, "POST /drones/1/drain")
    );
    assert_eq!(deed.refused.as_deref(), Some(detail));
    // Whoever shows nothing is asked for it, and no more.
    ask(&site, "", "GET", "/stats", "").await.problem(401);
    assert!(fake.inner().deeds.is_empty());
}

#[tokio::test]
async fn tasks_are_of_who_submitted_them() {
    let (fake, access, site) = guarded_world();
    let token = access.token("ci", "submit");
    let task = ask(&site, &token, "POST", "/tasks", "a").await.json();
    assert_eq!(task["owner"], "ci");
    let owner = fake.only().0.owner.unwrap();
    assert_eq!((owner.token, &*owner.name), (TokenId(1), "ci"));
}

/// Two that may submit, and one who sees all; a task of the first and one of nobody.
struct Two {
    fake: Arc<Fake>,
    site: Site,
    own: String,
    other: String,
    reader: String,
}

async fn two() -> Two {
    let (fake, access, site) = guarded_world();
    fake.inner().computed = Some(0);
    assert_eq!(ask(&site, "", "POST", "/tasks", "a").await.status, 201);
    let (own, other) = (access.token("own", "submit"), access.token("other", "submit"));
    let reader = access.token("reader", "read,submit");
    assert_eq!(ask(&site, &own, "POST", "/tasks", "b").await.header("location"), "/tasks/2");
    Two { fake, site, own, other, reader }
}

#[tokio::test]
async fn anothers_task_is_as_if_it_had_never_been() {
    let Two { fake, site, own, other, reader } = two().await;
    let never = ask(&site, &other, "GET", "/tasks/9", "").await.problem(404)["detail"].to_string();
    for (method, path) in [
        ("GET", "/tasks/2"),
        ("GET", "/tasks/2/results"),
        ("PATCH", "/tasks/2"),
        ("DELETE", "/tasks/2"),
        ("POST", "/tasks/2/pause"),
        ("POST", "/tasks/2/resume"),
        ("POST", "/tasks/2/cancel"),
        ("POST", "/tasks/2/retry"),
    ] {
        let body = if method == "PATCH" { "{\"priority\":1}" } else { "" };
        let detail = ask(&site, &other, method, path, body).await.problem(404)["detail"].to_string();
        assert_eq!(detail.replace('2', "9"), never, "{method} {path}");
        let nobodys = path.replace('2', "1");
        ask(&site, &own, method, &nobodys, body).await.problem(404);
    }
    assert!(fake.inner().deeds.is_empty());
    // Who sees it and may submit, still may not change it.
    assert_eq!(ask(&site, &reader, "GET", "/tasks/2", "").await.status, 200);
    let problem = ask(&site, &reader, "POST", "/tasks/2/cancel", "").await.problem(403);
    assert!(problem["detail"].as_str().unwrap().contains("the task is another's"));
    assert_eq!(ask(&site, &own, "POST", "/tasks/2/pause", "").await.json()["state"], "paused");
    assert_eq!(ask(&site, &own, "POST", "/tasks/2/cancel", "").await.json()["state"], "cancelled");
    assert_eq!(ask(&site, &own, "DELETE", "/tasks/2", "").await.status, 204);
    ask(&site, &own, "GET", "/tasks/2", "").await.problem(404);
    ask(&site, &reader, "GET", "/tasks/2", "").await.problem(410);
}

#[tokio::test]
async fn lists_show_ones_own_alone() {
    let Two { site, own, other, reader, .. } = two().await;
    let ids = async |token: &str| {
        let list = ask(&site, token, "GET", "/tasks", "").await.json();
        list["tasks"].as_array().unwrap().iter().map(|task| task["id"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((ids(&own).await, ids(&other).await, ids(&reader).await), (vec![2], vec![], vec![2, 1]));
    for path in ["/stats", "/drones", "/drones/1"] {
        ask(&site, &own, "GET", path, "").await.problem(403);
        assert_eq!(ask(&site, &reader, "GET", path, "").await.status, 200);
    }
}

#[tokio::test]
async fn an_idempotency_key_is_each_tokens_own() {
    let Two { site, own, other, .. } = two().await;
    let submit = async |token: &str| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &*bearer), ("content-type", "text/plain"), ("idempotency-key", "k")];
        send(&site, request("POST", "/tasks", &headers, "c")).await.header("location").to_owned()
    };
    assert_eq!(submit(&own).await, "/tasks/3");
    assert_eq!(submit(&other).await, "/tasks/4");
    assert_eq!((submit(&own).await, submit(&other).await), ("/tasks/3".to_owned(), "/tasks/4".to_owned()));
}

/// An event stream, without what begins it.
async fn watch(site: &Site, token: &str) -> BodyDataStream {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    let request = request("GET", "/events", &headers[..usize::from(!token.is_empty())], Body::empty());
    let response = site.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut stream = response.into_body().into_data_stream();
    assert!(stream.next().await.is_some());
    stream
}

async fn next(stream: &mut BodyDataStream) -> Option<String> {
    Some(String::from_utf8(stream.next().await?.unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn events_tell_of_ones_own_alone() {
    let Two { fake, site, own, other, reader } = two().await;
    let (mut owns, mut others, mut all) =
        (watch(&site, &own).await, watch(&site, &other).await, watch(&site, &reader).await);
    let removed = |id, owner: Option<u64>| Change::TaskRemoved { id: TaskId(id), owner: owner.map(TokenId) };
    fake.publish(Change::Drone(drone()));
    fake.publish(Change::Overview(overview()));
    let view = fake.inner().tasks[1].as_ref().unwrap().view.clone();
    fake.publish(Change::Task(view));
    fake.publish(removed(1, None));
    fake.publish(removed(7, Some(1)));
    fake.publish(removed(8, Some(2)));
    assert!(next(&mut owns).await.unwrap().starts_with("event: task\n"));
    assert!(next(&mut owns).await.unwrap().contains("{\"id\":7}"));
    assert!(next(&mut others).await.unwrap().contains("{\"id\":8}"));
    for name in ["drone", "overview", "task", "task-removed", "task-removed", "task-removed"] {
        assert!(next(&mut all).await.unwrap().starts_with(&format!("event: {name}\n")));
    }
}

#[tokio::test]
async fn what_was_missed_is_told_of_ones_own_alone() {
    let Two { fake, site, own, .. } = two().await;
    for (id, owner) in [(5, Some(2)), (6, Some(1)), (7, None)] {
        fake.publish(Change::TaskRemoved { id: TaskId(id), owner: owner.map(TokenId) });
    }
    let headers = [("authorization", &*format!("Bearer {own}")), ("last-event-id", "3-0")];
    let response = site.clone().oneshot(request("GET", "/events", &headers, Body::empty())).await.unwrap();
    let mut stream = response.into_body().into_data_stream();
    next(&mut stream).await.unwrap();
    assert!(next(&mut stream).await.unwrap().contains("{\"id\":6}"));
    fake.publish(Change::TaskRemoved { id: TaskId(8), owner: Some(TokenId(1)) });
    assert!(next(&mut stream).await.unwrap().contains("{\"id\":8}"));
}

#[tokio::test]
async fn a_stream_ends_with_what_it_was_opened_with() {
    let (_, access, site) = guarded_world();
    let mut anybodys = watch(&site, "").await;
    let (one, two) = (access.token("one", "read"), access.token("two", "read"));
    assert_eq!(next(&mut anybodys).await, None, "the hive is closed now");
    let (mut ended, mut open) = (watch(&site, &one).await, watch(&site, &two).await);
    access.end(1);
    assert_eq!(next(&mut ended).await, None);
    access.end(2);
    assert_eq!(next(&mut open).await, None);
}

#[tokio::test]
async fn a_download_breaks_off_when_its_token_ends() {
    let (_, access, site) = guarded_world();
    let token = access.token("one", "read,submit");
    let lines: String = (0..10_000).map(|number| format!("{number}\n")).collect();
    ask(&site, &token, "POST", "/tasks", lines).await;
    let headers = [("authorization", &*format!("Bearer {token}"))];
    let response = site.oneshot(request("GET", "/tasks/1/results", &headers, Body::empty())).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body().into_data_stream();
    assert!(body.next().await.unwrap().is_ok());
    access.end(1);
    assert!(body.next().await.unwrap().is_err(), "it does not look complete");
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn a_waiting_client_is_answered_with_its_own() {
    let Two { fake, site, own, .. } = two().await;
    fake.set_state(2, TaskState::Done);
    let headers = [("authorization", &*format!("Bearer {own}")), ("prefer", "wait=60")];
    assert_eq!(get_with(&site, "/tasks/2", &headers).await.status, 200);
    get_with(&site, "/tasks/1", &headers).await.problem(404);
    fake.inner().computed = None;
    let headers = [headers[0], headers[1], ("content-type", "application/json")];
    let answer = send(&site, request("POST", "/tasks", &headers, json!({"input": "c"}).to_string())).await;
    assert_eq!((answer.status.as_u16(), answer.json()["owner"].clone()), (200, json!("own")));
}

/// A request whose body comes in two parts, with `between` done between them.
async fn in_parts(
    site: &Site,
    token: &str,
    kind: &str,
    path: &str,
    parts: [String; 2],
    between: impl FnOnce(),
) -> Answer {
    let (sender, receiver) = mpsc::channel(1);
    let frames = stream::unfold(receiver, async |mut frames: mpsc::Receiver<String>| {
        let frame = frames.recv().await?;
        Some((Ok::<_, Infallible>(frame), frames))
    });
    let headers = [("authorization", &*format!("Bearer {token}")), ("content-type", kind)];
    let answering = tokio::spawn(send_owned(site.clone(), request("POST", path, &headers, Body::from_stream(frames))));
    let [first, second] = parts;
    sender.send(first).await.unwrap();
    // The second one is taken when the first one was read.
    let permit = sender.reserve().await.unwrap();
    between();
    permit.send(second);
    drop(sender);
    answering.await.unwrap()
}

async fn send_owned(site: Site, request: axum::http::Request<Body>) -> Answer {
    send(&site, request).await
}

#[tokio::test]
async fn what_ends_within_a_body_does_nothing_any_more() {
    let form = "multipart/form-data; boundary=x";
    let field = "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nhoney\r\n";
    for (kind, path, parts) in [
        ("application/json", "/tokens", [r#"{"name":"another","#, r#""scopes":["admin"]}"#]),
        ("application/json", "/secrets", [r#"{"name":"#, r#""lab"}"#]),
        ("application/json", "/tasks", [r#"{"input":"#, r#""honey"}"#]),
        ("text/plain", "/tasks", ["honey\n", "wax\n"]),
        ("application/x-ndjson", "/tasks", ["\"honey\"\n", "\"wax\"\n"]),
        (form, "/tasks", [field, "--x--\r\n"]),
        ("application/x-www-form-urlencoded", "/admin/access/tokens", ["name=another&", "scopes=admin"]),
    ] {
        let parts = parts.map(str::to_owned);
        let (fake, access, site) = guarded_world();
        let token = access.token("one", "admin");
        let answer = in_parts(&site, &token, kind, path, parts.clone(), || access.end(1)).await;
        assert!(matches!(answer.status.as_u16(), 401 | 303), "{path} {kind}: {}", answer.status);
        let kept = {
            let kept = access.kept();
            kept.tokens.iter().flatten().count() + kept.secrets.len()
        };
        assert_eq!((fake.tasks(), kept), (0, 0), "{path} {kind}");
        let token = access.token("two", "admin");
        let answer = in_parts(&site, &token, kind, path, parts, || ()).await;
        assert!(answer.status.is_success(), "{path} {kind}: {}", answer.text());
    }
}

#[tokio::test]
async fn who_waits_is_told_nothing_when_their_token_has_ended() {
    let (fake, access, site) = guarded_world();
    fake.inner().computed = Some(0);
    let token = access.token("one", "submit");
    ask(&site, &token, "POST", "/tasks", "honey").await;
    let headers = [("authorization", &*format!("Bearer {token}")), ("prefer", "wait=60")];
    let waiting = request("GET", "/tasks/1", &headers, Body::empty());
    let waiting = tokio::spawn(send_owned(site.clone(), waiting));
    // On the only thread there is, it waits then.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    access.end(1);
    fake.set_state(1, TaskState::Done);
    waiting.await.unwrap().problem(401);
}
