//! The way in, and what a page offers to whom.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;
use tower::ServiceExt as _;
use web::hive::Action;
use web::model::TaskState;
use web::places::Place;
use web::{Config, Site};

use crate::support::*;
use crate::{contains, html, page};

const FORM: &str = "application/x-www-form-urlencoded";

async fn log_in(site: &Site, token: &str, next: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: Vec<_> = headers.iter().copied().chain([("content-type", FORM)]).collect();
    send(site, request("POST", "/login", &headers, format!("token={token}&next={next}"))).await
}

/// The cookie that an answer gives, as a browser sends it back.
fn cookie(answer: &Answer) -> String {
    answer.header("set-cookie").split(';').next().unwrap().to_owned()
}

async fn get_in(site: &Site, cookie: &str, path: &str) -> Answer {
    get_with(site, path, &[("cookie", cookie)]).await
}

#[tokio::test]
async fn who_wants_a_page_logs_in_first_and_gets_it_then() {
    let (fake, access, site) = guarded_world();
    let token = access.token("anna", "admin");
    let answer = get(&site, "/admin/tasks?state=done&cursor=7").await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (303, "no-store"));
    let login = answer.header("location");
    assert_eq!(login, "/login?next=/admin/tasks%3Fstate%3Ddone%26cursor%3D7");
    let asked = get(&site, login).await;
    contains(page(&asked), &["value=\"/admin/tasks?state=done&#38;cursor=7\"", "type=\"password\""]);
    assert!(!page(&asked).contains("Overview</a>") && !page(&asked).contains("Log out"), "nothing is offered yet");
    let answer = log_in(&site, &token, "/admin/tasks?state=done", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks?state=done"));
    let set = answer.header("set-cookie");
    assert!(set.starts_with("hive-session=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{set}");
    assert!(!set.contains(&token));
    let deed = fake.inner().deeds.pop().unwrap();
    assert_eq!((deed.by.name.as_deref(), deed.action, deed.refused), (Some("anna"), Action::LogIn, None));
    let shown = get_in(&site, &cookie(&answer), "/admin").await;
    contains(page(&shown), &["anna</bdi>", "Log out</button>", "Overview</a>"]);
    assert_eq!(shown.header("cache-control"), "no-store");
    // Programs may use it too, such as the page's own script.
    assert_eq!(get_in(&site, &cookie(&answer), "/tasks").await.status, 200);
    // Whoever is in, or needs not, is led on.
    assert_eq!(get_in(&site, &cookie(&answer), "/login?next=/admin/drones").await.header("location"), "/admin/drones");
    assert_eq!(get(&guarded_world().2, "/login").await.header("location"), "/admin");
}

#[tokio::test]
async fn what_changes_something_leads_to_the_login_and_not_on() {
    let (_, access, site) = guarded_world();
    access.token("anna", "admin");
    for path in ["/admin/tasks", "/admin/tasks/1/cancel", "/admin/drones/1/drain"] {
        let answer = post(&site, path, FORM, "").await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/login"), "{path}");
    }
    for next in ["//evil.example", "https://evil.example/admin", "/tasks", "/admin%5cx"] {
        let token = access.token(next, "read");
        assert_eq!(log_in(&site, &token, next, &[]).await.header("location"), "/admin", "{next}");
    }
}

#[tokio::test]
async fn a_login_begins_a_session_that_nobody_had_before() {
    let (_, access, site) = guarded_world();
    let token = access.token("anna", "read");
    let planted = format!("hive-session={}", "A".repeat(43));
    let answer = log_in(&site, &token, "", &[("cookie", &planted)]).await;
    let first = cookie(&answer);
    assert_ne!(first, planted);
    assert_eq!(get_in(&site, &planted, "/admin").await.status, 303);
    let second = cookie(&log_in(&site, &token, "", &[("cookie", &first)]).await);
    assert_ne!(first, second);
    assert_eq!(get_in(&site, &first, "/admin").await.status, 303, "it went on with nothing of the first");
    assert_eq!(get_in(&site, &second, "/admin").await.status, 200);
    // Two browsers do not concern each other.
    let third = cookie(&log_in(&site, &token, "", &[]).await);
    assert_eq!(get_in(&site, &second, "/admin").await.status, 200);
    assert_eq!(get_in(&site, &third, "/admin").await.status, 200);
}

#[tokio::test]
async fn a_session_ends_with_its_token() {
    let (_, access, site) = guarded_world();
    let token = access.token("anna", "read");
    let session = cookie(&log_in(&site, &token, "", &[]).await);
    access.end(1);
    assert_eq!(get_in(&site, &session, "/admin").await.status, 303);
    get_in(&site, &session, "/tasks").await.problem(401);
}

#[tokio::test]
async fn logging_out_ends_the_session_and_its_event_streams() {
    let (fake, access, site) = guarded_world();
    let token = access.token("anna", "read");
    let (session, other) =
        (cookie(&log_in(&site, &token, "", &[]).await), cookie(&log_in(&site, &token, "", &[]).await));
    let watch = async |cookie: &str| {
        let request = request("GET", "/events", &[("cookie", cookie)], Body::empty());
        let mut stream = site.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
        assert!(stream.next().await.is_some());
        stream
    };
    let (mut ended, mut open) = (watch(&session).await, watch(&other).await);
    let answer = send(&site, request("POST", "/logout", &[("cookie", &session)], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/login"));
    assert!(
        answer.header("set-cookie").starts_with("hive-session=;") && answer.header("set-cookie").ends_with("Max-Age=0")
    );
    assert!(ended.next().await.is_none());
    assert_eq!(fake.inner().deeds.pop().unwrap().action, Action::LogOut);
    assert_eq!(get_in(&site, &session, "/admin").await.status, 303);
    fake.publish(web::model::Change::Overview(overview()));
    assert!(open.next().await.is_some(), "the other one goes on");
    // Whoever is out already is so.
    assert_eq!(post(&site, "/logout", FORM, "").await.header("location"), "/login");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_it_is_idle_and_its_event_streams_with_it() {
    let (_, access, site) = guarded_world();
    let session = cookie(&log_in(&site, &access.token("anna", "read"), "", &[]).await);
    tokio::time::advance(Duration::from_secs(7000)).await;
    assert_eq!(get_in(&site, &session, "/admin").await.status, 200);
    let request = request("GET", "/events", &[("cookie", &session)], Body::empty());
    let mut stream = site.clone().oneshot(request).await.unwrap().into_body().into_data_stream();
    // Time goes on by itself while nothing else is to do.
    while stream.next().await.is_some() {}
    assert_eq!(get_in(&site, &session, "/admin").await.status, 303);
}

#[tokio::test(start_paused = true)]
async fn failed_logins_slow_down_where_they_come_from() {
    let (fake, access, site) = guarded_world();
    let token = access.token("anna", "read");
    let from = |peer: &str| site.for_connection(peer.parse().unwrap(), Place::default());
    let (here, there) = (from("[2001:db8::1]:1"), from("[2001:db8:0:1::1]:1"));
    for _ in 0..5 {
        let answer = log_in(&here, "hive_1_wrong", "/admin/tasks", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer realm=\"hive\""));
        contains(html(&answer), &["this token is not valid", "aria-invalid=\"true\"", "value=\"/admin/tasks\""]);
        assert!(!html(&answer).contains("hive_1_wrong"));
        let deed = fake.inner().deeds.pop().unwrap();
        assert!(deed.action == Action::LogIn && deed.refused.is_some() && deed.by.address.is_some());
    }
    // The right one has to wait as well, from the whole network.
    for site in [&here, &from("[2001:db8::ffff:0:0:2]:7")] {
        let answer = log_in(site, &token, "", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "1"));
        contains(html(&answer), &["too many logins"]);
    }
    assert_eq!(log_in(&there, &token, "", &[]).await.status, 303);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(log_in(&here, "hive_1_wrong", "", &[]).await.status, 401);
    assert_eq!(log_in(&here, &token, "", &[]).await.header("retry-after"), "2");
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(log_in(&here, &token, "", &[]).await.status, 303);
    assert_eq!(log_in(&here, "hive_1_wrong", "", &[]).await.status, 401, "it is forgiven");
}

#[tokio::test]
async fn another_sites_page_cannot_log_in_or_out() {
    let (_, access, site) = guarded_world();
    let token = access.token("anna", "read");
    let session = cookie(&log_in(&site, &token, "", &[]).await);
    for header in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(log_in(&site, &token, "", &[header]).await.status, 403);
        let answer = send(&site, request("POST", "/logout", &[header, ("cookie", &session)], "")).await;
        assert_eq!(answer.status, 403);
        let cancel = request("POST", "/admin/tasks/1/cancel", &[header, ("cookie", &session)], "");
        assert_eq!(send(&site, cancel).await.status, 403);
    }
    assert_eq!(get_in(&site, &session, "/admin").await.status, 200);
}

#[tokio::test]
async fn under_tls_the_cookie_is_bound_to_it() {
    let (fake, access) = (fake(1), FakeAccess::new());
    let proxies = vec!["192.0.2.1/32".parse().unwrap()];
    let site = web::site(fake, access.clone(), Config { trusted_proxies: proxies, ..config() });
    let site = site.for_connection("192.0.2.1:80".parse().unwrap(), Place::default());
    let secure = ("x-forwarded-proto", "https");
    let answer = log_in(&site, &access.token("anna", "read"), "", &[secure]).await;
    let set = answer.header("set-cookie");
    assert!(set.starts_with("__Host-hive=") && set.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{set}");
    let session = cookie(&answer);
    assert_eq!(get_with(&site, "/admin", &[secure, ("cookie", &session)]).await.status, 200);
    assert_eq!(get_in(&site, &session, "/admin").await.status, 303, "it counts for nothing in the clear");
    let renamed = session.replace("__Host-hive", "hive-session");
    assert_eq!(get_with(&site, "/admin", &[secure, ("cookie", &renamed)]).await.status, 303);
}

/// What a page offers: the forms on it, and where its links lead.
fn offers(page: &str, what: &[&str]) -> Vec<bool> {
    what.iter().map(|what| page.contains(what)).collect()
}

#[tokio::test]
async fn pages_offer_what_their_reader_may_do() {
    let (fake, access, site) = guarded_world();
    fake.inner().computed = Some(0);
    post(&site, "/tasks", "text/plain", "of nobody").await;
    let token = |name: &str, scopes: &str| (access.token(name, scopes), scopes.to_owned());
    let tokens = [token("r", "read"), token("s", "submit"), token("rs", "read,submit"), token("c", "control")];
    let own = [("authorization", &*format!("Bearer {}", tokens[1].0)), ("content-type", "text/plain")];
    assert_eq!(send(&site, request("POST", "/tasks", &own, "b")).await.header("location"), "/tasks/2");
    let mut seen = Vec::new();
    for (token, scopes) in &tokens {
        let session = cookie(&log_in(&site, token, "", &[]).await);
        let overview = get_in(&site, &session, "/admin").await;
        let list = get_in(&site, &session, "/admin/tasks").await;
        let tasks = [get_in(&site, &session, "/admin/tasks/1").await, get_in(&site, &session, "/admin/tasks/2").await];
        let drone = get_in(&site, &session, "/admin/drones/1").await;
        seen.push((
            scopes.as_str(),
            offers(
                page(&overview),
                &["id=\"glance\"", "id=\"submit-form\"", "/admin/tasks/1\"", "href=\"/admin/drones\""],
            ),
            offers(
                page(&list),
                &["Submit strings", ">All <span class=\"count\">2</span>", "/admin/tasks/1\"", "/admin/tasks/2\""],
            ),
            tasks.map(|task| {
                (task.status.as_u16(), task.text().contains("id=\"cancel\""), task.text().contains("id=\"amend\""))
            }),
            (drone.status.as_u16(), drone.text().contains("id=\"drain\"")),
        ));
    }
    let (yes, no) = (true, false);
    assert_eq!(seen[0], ("read", vec![yes, no, yes, yes], vec![no, yes, yes, yes], [(200, no, no); 2], (200, no)));
    let own = [(404, no, no), (200, yes, yes)];
    assert_eq!(seen[1], ("submit", vec![no, yes, no, no], vec![yes, no, no, yes], own, (403, no)));
    assert_eq!(seen[2], ("read,submit", vec![yes; 4], vec![yes; 4], [(200, no, no); 2], (200, no)));
    assert_eq!(seen[3], ("control", vec![yes; 4], vec![yes; 4], [(200, yes, yes); 2], (200, yes)));
}

#[tokio::test]
async fn the_pages_form_submits_for_who_is_logged_in() {
    let (fake, access, site) = guarded_world();
    let session = cookie(&log_in(&site, &access.token("anna", "submit"), "", &[]).await);
    let body = crate::form(&[("algorithm", "sha256"), ("text", "honey")], None);
    let headers = [("cookie", &*session), ("content-type", "multipart/form-data; boundary=X")];
    let answer = send(&site, request("POST", "/admin/tasks", &headers, body)).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks/1"));
    assert_eq!(&*fake.only().0.owner.unwrap().name, "anna");
    let shown = get_in(&site, &session, "/admin/tasks/1").await;
    contains(page(&shown), &["by <bdi>anna</bdi>"]);
    fake.set_state(1, TaskState::Failed);
    let answer = send(&site, request("POST", "/admin/tasks/1/delete", &[("cookie", &session)], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks"));
    // Refused, the form comes back.
    let headers = [("cookie", &*session), ("content-type", "multipart/form-data; boundary=X")];
    let refused = send(&site, request("POST", "/admin/tasks", &headers, crate::form(&[("text", "")], None))).await;
    assert_eq!(refused.status, 422);
    contains(html(&refused), &["anna</bdi>", "id=\"text-error\""]);
}

#[tokio::test]
async fn a_hive_that_is_open_to_all_says_so() {
    let site = web::site(fake(1), Arc::new(web::hive::Open), Config { insecure: true, ..config() });
    contains(page(&get(&site, "/admin").await), &["id=\"insecure\"", "queen init"]);
    assert!(!page(&get(&world().1, "/admin").await).contains("id=\"insecure\""));
}
