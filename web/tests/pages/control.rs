//! Buttons, and what the pages say of what goes on.

use serde_json::json;
use web::Site;
use web::hive::HiveError;
use web::model::{DroneState, TaskState, Timestamp};

use super::support::*;
use super::{contains, html, page};

const FORM: &str = "application/x-www-form-urlencoded";

/// Where the forms of a page lead, apart from that which submits.
fn actions(page: &str) -> Vec<&str> {
    let forms = page.split("method=\"post\" action=\"").skip(1);
    forms.map(|rest| rest.split('"').next().unwrap()).filter(|action| *action != "/admin/tasks").collect()
}

#[track_caller]
fn assert_sent(answer: &Answer, to: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, to), "{:?}", answer.body);
}

#[tokio::test]
async fn a_task_has_the_buttons_that_its_state_allows() {
    let (fake, router) = world();
    post_json(&router, json!({"input": "x"})).await;
    for (state, allowed) in [
        (TaskState::Pending, &["pause", "cancel", "amend"][..]),
        (TaskState::Running, &["pause", "cancel", "amend"]),
        (TaskState::Paused, &["resume", "cancel", "amend"]),
        (TaskState::Done, &["delete"]),
        (TaskState::Failed, &["retry", "delete"]),
        (TaskState::Cancelled, &["retry", "delete"]),
    ] {
        fake.set_state(1, state);
        let answer = get(&router, "/admin/tasks/1").await;
        let expected: Vec<_> = allowed.iter().map(|action| format!("/admin/tasks/1/{action}")).collect();
        assert_eq!(actions(page(&answer)), expected, "{state}");
        contains(page(&answer), &[&format!("#icon-{state}\"/>"), &format!("Task 1 {state}")]);
    }
}

#[tokio::test]
async fn a_task_is_paused_resumed_and_tried_again() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x"})).await;
    let act = async |action: &str| post(&router, &format!("/admin/tasks/1/{action}"), FORM, "").await;
    assert_sent(&act("pause").await, "/admin/tasks/1");
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["Waiting because it is &#60;paused&#62;.", "progress class=\"paused\""]);
    let answer = get(&router, "/admin/tasks?state=paused").await;
    contains(page(&answer), &["id=\"task-1\"", "paused <span class=\"count\">"]);
    assert_sent(&act("resume").await, "/admin/tasks/1");
    assert!(!page(&get(&router, "/admin/tasks/1").await).contains("Waiting because"));
    let answer = act("retry").await;
    assert_eq!(answer.status, 409);
    contains(html(&answer), &["task 1 is running"]);
    act("cancel").await;
    assert_sent(&act("retry").await, "/admin/tasks/1");
    assert_eq!(get(&router, "/tasks/1").await.json()["state"], "running");
}

/// What a page says was done, of which a browser has this cookie.
async fn told(router: &Site, path: &str, cookie: &str) -> (Option<String>, Answer) {
    let answer = get_with(router, path, &[("cookie", cookie)]).await;
    let told = html(&answer).split("id=\"told\"").nth(1).and_then(|rest| rest.split("<span>").nth(1));
    (told.map(|rest| rest.split("</span>").next().unwrap().to_owned()), answer)
}

#[tokio::test]
async fn what_was_done_is_told_once_on_the_page_that_follows() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    let typed = super::form(&[("algorithm", "sha256"), ("text", "x")], None);
    let answer = post(&router, "/admin/tasks", "multipart/form-data; boundary=X", typed).await;
    let cookie = |answer: &Answer| answer.header("set-cookie").split(';').next().unwrap().to_owned();
    assert_eq!((answer.header("location"), &*cookie(&answer)), ("/admin/tasks/1", "hive-told=submit.1"));
    for (path, expected) in [
        ("/admin/tasks/1/pause", "Task 1 was paused."),
        ("/admin/tasks/1/resume", "Task 1 was resumed."),
        ("/admin/tasks/1/cancel", "Task 1 was cancelled."),
        ("/admin/tasks/1/retry", "Task 1 was begun again."),
        ("/admin/drones/1/drain", "Drone 1 was asked to finish what it has, and to leave."),
    ] {
        let answer = post(&router, path, FORM, "").await;
        assert_eq!(answer.status, 303, "{path}");
        let (words, shown) = told(&router, answer.header("location"), &cookie(&answer)).await;
        assert_eq!(words.as_deref(), Some(expected));
        assert_eq!(shown.header("set-cookie"), "hive-told=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
        assert_eq!(shown.header("cache-control"), "no-store");
    }
    let (words, shown) = told(&router, "/admin", "other=1").await;
    assert_eq!((words, shown.header("set-cookie")), (None, ""));
    // A way that leads on takes it along.
    let on = get_with(&router, "/admin/tasks?find=1", &[("cookie", "hive-told=pause.1")]).await;
    assert_eq!((on.status.as_u16(), on.header("set-cookie")), (303, ""));
    // What is refused was not done, and whatever else stands in the cookie is no text of ours.
    assert_eq!(post(&router, "/admin/tasks/9/pause", FORM, "").await.header("set-cookie"), "");
    assert_eq!(told(&router, "/admin", "hive-told=<b>evil</b>.1").await.0, None);
}

#[tokio::test]
async fn name_and_priority_are_changed_in_a_form() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x", "name": "a \"<b>\""})).await;
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["value=\"a &#34;&#60;b&#62;&#34;\"", "value=\"0\""]);
    let amend = async |body: &str| post(&router, "/admin/tasks/1/amend", FORM, body.to_owned()).await;
    assert_sent(&amend("name=b%C3%A9+1&priority=-5").await, "/admin/tasks/1");
    let task = get(&router, "/tasks/1").await.json();
    assert_eq!((&task["name"], &task["priority"]), (&json!("bé 1"), &json!(-5)));
    assert_sent(&amend("name=&priority=").await, "/admin/tasks/1");
    let task = get(&router, "/tasks/1").await.json();
    assert_eq!((&task["name"], &task["priority"]), (&json!(null), &json!(0)));
    for (body, detail) in
        [("priority=101", "from -100 to 100"), ("colour=red", "cannot be changed"), ("", "nothing is to change")]
    {
        let answer = amend(body).await;
        assert_eq!(answer.status, 422);
        contains(html(&answer), &[detail]);
    }
    let answer = amend("name=%3Cn%3E&priority=x").await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["<details id=\"amend\" class=\"amend\" open>", "value=\"&#60;n&#62;\"", "value=\"x\""]);
    contains(html(&answer), &["aria-describedby=\"priority-error\"", "id=\"priority-error\""]);
    assert!(!html(&answer).contains(" data-live=") && html(&answer).contains("href=\"/admin/tasks/1\">Reload"));
    // It has ended meanwhile, so that there is no form any more.
    fake.set_state(1, TaskState::Done);
    let answer = amend("priority=1").await;
    assert_eq!(answer.status, 409);
    contains(html(&answer), &["id=\"refused\"", "task 1 has ended"]);
    contains(html(&amend("priority=101").await), &["id=\"refused\"", "from -100 to 100"]);
    assert_eq!(post(&router, "/admin/tasks/9/amend", FORM, "priority=1").await.status, 404);
}

#[tokio::test]
async fn a_task_tells_of_its_deadline_and_of_wrong_results() {
    let (fake, router) = world();
    post_json(&router, json!({"input": "x", "deadline_seconds": 60})).await;
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["<dt>Deadline</dt><dd><time datetime=\"2023-11-14T22:14:20.000Z\""]);
    assert!(!page(&answer).contains("Suspect") && !page(&answer).contains("Corrected"));
    fake.set(1, |view| (view.suspect, view.corrected) = (true, 1200));
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["id=\"suspect\"", "1,200 results", &sha256("x"), "data-live=\"overview\""]);
    contains(page(&get(&router, "/admin/tasks").await), &["<small class=\"wrong\">suspect</small>"]);
}

#[tokio::test]
async fn a_task_without_drones_says_how_to_start_one() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    fake.inner().drones = 0;
    post_json(&router, json!({"input": "x"})).await;
    fake.set(1, |view| view.waiting_because = Some("no drone is connected".to_owned()));
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["Waiting because no drone is connected.", "How to start a drone"]);
    for path in ["/admin", "/admin/tasks"] {
        contains(page(&get(&router, path).await), &["waiting because no drone is connected"]);
    }
    fake.set_state(1, TaskState::Paused);
    assert!(!page(&get(&router, "/admin/tasks/1").await).contains("How to start a drone"));
}

#[tokio::test]
async fn a_drone_says_why_it_does_nothing() {
    let (fake, router) = world();
    let text = |state, idle: Option<&str>, quarantined: Option<&str>| {
        let drone = &mut fake.inner().drone;
        drone.state = state;
        drone.idle_because = idle.map(str::to_owned);
        drone.quarantined_because = quarantined.map(str::to_owned);
        let router = router.clone();
        async move {
            let all = page(&get(&router, "/admin/drones").await).to_owned();
            (page(&get(&router, "/admin/drones/1").await).to_owned(), all)
        }
    };
    let (one, _) = text(DroneState::Busy, None, None).await;
    assert_eq!(actions(&one), ["/admin/drones/1/drain", "/admin/drones/1/disconnect"]);
    contains(&one, &["00112233445566778899aabbccddeeff", "<dt>Connections</dt><dd>1</dd>"]);
    assert!(!one.contains("because"));
    let (one, all) = text(DroneState::Idle, Some("there is <no> work"), None).await;
    contains(&one, &["Idle because there is &#60;no&#62; work."]);
    contains(&all, &["<small>because there is &#60;no&#62; work</small>"]);
    let (one, all) = text(DroneState::Quarantined, None, Some("it gave 2 wrong results")).await;
    assert_eq!(actions(&one), ["/admin/drones/1/resume", "/admin/drones/1/drain", "/admin/drones/1/disconnect"]);
    contains(&one, &["Quarantined because it gave 2 wrong results.", "state quarantined"]);
    contains(&all, &["<small>because it gave 2 wrong results</small>"]);
    for (state, said) in [
        (DroneState::Leaving, "finishes what it has"),
        (DroneState::Away, "broke a moment ago"),
        (DroneState::Lost, "did not come back in time"),
        (DroneState::Left, "state left"),
    ] {
        let (one, _) = text(state, None, None).await;
        let ends = matches!(state, DroneState::Leaving | DroneState::Away);
        assert_eq!(actions(&one), ["/admin/drones/1/disconnect"][..usize::from(ends)], "{state}");
        contains(&one, &[said]);
    }
}

#[tokio::test]
async fn a_drone_is_drained_and_trusted_again() {
    let (fake, router) = world();
    fake.inner().drone.state = DroneState::Quarantined;
    fake.inner().drone.quarantined_because = Some("it gave a wrong result".to_owned());
    assert_sent(&post(&router, "/admin/drones/1/resume", FORM, "").await, "/admin/drones/1");
    assert_eq!(get(&router, "/drones/1").await.json()["state"], "idle");
    assert_sent(&post(&router, "/admin/drones/1/drain", FORM, "").await, "/admin/drones/1");
    assert_eq!(get(&router, "/drones/1").await.json()["state"], "leaving");
    assert_sent(&post(&router, "/admin/drones/1/disconnect", FORM, "").await, "/admin/drones/1");
    assert_eq!(get(&router, "/drones/1").await.json()["state"], "lost");
    fake.inner().drone.state = DroneState::Away;
    let answer = post(&router, "/admin/drones/1/drain", FORM, "").await;
    assert_eq!(answer.status, 409);
    contains(html(&answer), &["is not connected"]);
    fake.inner().error = Some(HiveError::Internal("odd".to_owned()));
    assert_eq!(post(&router, "/admin/drones/1/resume", FORM, "").await.status, 500);
}

#[tokio::test]
async fn what_a_drones_results_were_worth_is_shown() {
    let (fake, router) = world();
    assert!(!page(&get(&router, "/admin/drones").await).contains("checked"));
    (fake.inner().drone.checked, fake.inner().drone.wrong) = (1234, 5);
    contains(page(&get(&router, "/admin/drones").await), &["1,234 checked", "5 wrong"]);
    contains(page(&get(&router, "/admin/drones/1").await), &["<dd>1,234<small>", "<dd>5<small>"]);
}

#[tokio::test]
async fn the_overview_warns_of_a_quarantine() {
    let (fake, router) = world();
    assert!(!page(&get(&router, "/admin").await).contains("quarantined</"));
    assert!(!page(&get(&router, "/admin").await).contains("id=\"quarantined\""));
    for (quarantined, said) in [(1, "1 drone is quarantined"), (2, "2 drones are quarantined")] {
        fake.inner().quarantined = quarantined;
        contains(page(&get(&router, "/admin").await), &["id=\"quarantined\"", said]);
    }
}

#[tokio::test]
async fn drones_that_have_gone_are_not_forgotten() {
    let (fake, router) = world();
    (fake.inner().drones, fake.inner().drone.state) = (0, DroneState::Left);
    let answer = get(&router, "/admin").await;
    contains(page(&answer), &["No drone is connected</h1>", "have gone</a>", ">All drones</a>"]);
    assert!(!page(&answer).contains("No drones yet"));
    fake.inner().drone.left_because = Some("an operator <drained> it".to_owned());
    contains(page(&get(&router, "/admin/drones/1").await), &["Left because an operator &#60;drained&#62; it."]);
    fake.inner().drone.state = DroneState::Lost;
    contains(page(&get(&router, "/admin/drones/1").await), &["Lost because an operator &#60;drained&#62; it."]);
}

#[tokio::test]
async fn how_to_start_a_drone_begins_with_who_can_connect() {
    let (fake, router) = world();
    let local = page(&get(&router, "/admin/drones").await).to_owned();
    contains(
        &local,
        &[
            "listens on this machine alone",
            "<code>queen init</code>",
            "--drone-addr 0.0.0.0:8080",
            "--queen 127.0.0.1:8080",
        ],
    );
    assert!(local.find("this machine alone") < local.find("--queen 127"));
    fake.inner().drone_addr = "0.0.0.0:9090".to_owned();
    let config = web::Config { address: "0.0.0.0:8081".parse().unwrap(), ..config() };
    let site = web::site(fake.clone(), std::sync::Arc::new(web::hive::Open), config);
    let open = send(&site, request("GET", "/admin/drones", &[], "")).await;
    contains(page(&open), &["--queen 127.0.0.1:9090", "in place of its own name for itself"]);
}

#[tokio::test]
async fn a_retry_asks_for_a_deadline_where_the_old_one_has_passed() {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    post_json(&router, json!({"input": "x"})).await;
    fake.set_state(1, TaskState::Failed);
    let answer = get(&router, "/admin/tasks/1").await;
    assert_eq!(page(&answer).matches(">Retry</button>").count(), 1);
    assert!(!page(&answer).contains("name=\"deadline_seconds\""), "it has none that could be kept");
    fake.set(1, |view| view.deadline_at = Some(Timestamp(1)));
    let answer = get(&router, "/admin/tasks/1").await;
    assert_eq!(page(&answer).matches(">Retry</button>").count(), 1);
    contains(page(&answer), &["Its deadline has passed", "name=\"deadline_seconds\""]);
    let retry = async |body: &str| post(&router, "/admin/tasks/1/retry", FORM, body.to_owned()).await;
    let answer = retry("deadline_seconds=soon").await;
    assert_eq!(answer.status, 422);
    contains(html(&answer), &["id=\"deadline_seconds-error\"", "value=\"soon\"", "autofocus"]);
    assert_sent(&retry("deadline_seconds=3600").await, "/admin/tasks/1");
    assert!(get(&router, "/tasks/1").await.json()["deadline_at"].as_str() > Some("2026"));
    fake.set_state(1, TaskState::Failed);
    let answer = get(&router, "/admin/tasks/1").await;
    assert_eq!(page(&answer).matches(">Retry</button>").count(), 1);
    contains(page(&answer), &["placeholder=\"as it is\"", "type=\"checkbox\" name=\"no_deadline\""]);
    assert_sent(&retry("deadline_seconds=").await, "/admin/tasks/1");
    assert!(get(&router, "/tasks/1").await.json()["deadline_at"].as_str() > Some("2026"), "it stays as it is");
    fake.set_state(1, TaskState::Failed);
    assert_sent(&retry("deadline_seconds=&no_deadline=1").await, "/admin/tasks/1");
    assert_eq!(get(&router, "/tasks/1").await.json()["deadline_at"], json!(null));
    let amend = async |body: &str| {
        assert_sent(&post(&router, "/admin/tasks/1/amend", FORM, body.to_owned()).await, "/admin/tasks/1");
        get(&router, "/tasks/1").await.json()["deadline_at"].clone()
    };
    assert!(amend("name=a&deadline_seconds=60").await.is_string());
    assert!(amend("name=b&deadline_seconds=").await.is_string());
    assert_eq!(amend("name=b&deadline_seconds=&no_deadline=1").await, json!(null));
}

#[tokio::test]
async fn drones_are_found_sorted_and_told_apart() {
    let (fake, router) = world();
    fake.inner().drone.outdated = true;
    let all = get(&router, "/admin/drones").await;
    contains(
        page(&all),
        &[
            "href=\"/admin/drones?state=busy\"",
            "href=\"/admin/drones?sort=-rate\"",
            "<a href=\"/admin/tasks/7\">task 7</a>",
            "80.0 % of its benchmark",
            "drone 0.1.0, outdated",
        ],
    );
    let sorted = get(&router, "/admin/drones?sort=-rate&name=127.0").await;
    contains(page(&sorted), &["aria-sort=\"descending\"", "href=\"/admin/drones?name=127.0&#38;sort=rate\"", "#1"]);
    contains(page(&get(&router, "/admin/drones?name=nobody").await), &["No drone is like that."]);
    contains(page(&get(&router, "/admin/drones?state=idle").await), &["No drone is like that."]);
    contains(page(&get(&router, "/admin/drones?page=2").await), &["There are no more."]);
    assert_eq!(get(&router, "/admin/drones?sort=size").await.status, 422);
}
