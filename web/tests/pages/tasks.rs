//! The list of tasks: how they are found and sorted, and what is done to many.

use serde_json::json;
use web::Site;
use web::hive::HiveError;
use web::model::{TaskState, Timestamp};

use super::support::*;
use super::{contains, html, page};

const FORM: &str = "application/x-www-form-urlencoded";

/// The ids of a list's tasks, in its order.
fn listed(answer: &Answer) -> Vec<u64> {
    let rows = page(answer).split("<tr id=\"task-").skip(1);
    rows.map(|row| row.split('"').next().unwrap().parse().unwrap()).collect()
}

/// Where the links lead that have these words.
fn links(answer: &Answer, words: &str) -> Vec<String> {
    let ends = page(answer).split(&format!(">{words}</a>")).map(str::to_owned).collect::<Vec<_>>();
    let (_, links) = ends.split_last().unwrap();
    links
        .iter()
        .map(|text| text.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&amp;", "&"))
        .collect()
}

async fn many(router: &Site, form: &str) -> Answer {
    post(router, "/admin/tasks/bulk", FORM, form.to_owned()).await
}

/// Six tasks: one in each state, called `bee-1` and so on.
async fn six() -> (std::sync::Arc<Fake>, Site) {
    let (fake, router) = world();
    fake.inner().computed = Some(0);
    for (id, state) in (1..).zip(TaskState::ALL) {
        post_json(&router, json!({"input": "x", "name": format!("bee-{id}"), "priority": id})).await;
        fake.set(id, |view| {
            view.state = state;
            view.finished_at = state.has_ended().then_some(Timestamp(1_700_000_010_000 - id as i64));
        });
    }
    (fake, router)
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let (fake, router) = world();
    contains(page(&get(&router, "/admin/tasks").await), &["Nothing was submitted yet"]);
    for _ in 0..120 {
        post_json(&router, json!({"input": "x"})).await;
    }
    fake.set_state(7, TaskState::Failed);
    let answer = get(&router, "/admin/tasks").await;
    assert_eq!(listed(&answer), (71..=120).rev().collect::<Vec<_>>());
    let answer = get(&router, &links(&answer, "Next")[0]).await;
    assert_eq!(listed(&answer), (21..=70).rev().collect::<Vec<_>>());
    let answer = get(&router, &links(&answer, "Next")[0]).await;
    assert_eq!(listed(&answer), (1..=20).rev().collect::<Vec<_>>());
    assert!(links(&answer, "Next").is_empty());
    assert_eq!(links(&answer, "First"), ["/admin/tasks"]);
    assert_eq!(listed(&get(&router, "/admin/tasks?state=failed").await), [7]);
    contains(page(&get(&router, "/admin/tasks?state=pending").await), &["No task is pending"]);
    contains(page(&get(&router, "/admin/tasks?name=bee").await), &["No task is like that"]);
}

#[tokio::test]
async fn tasks_are_found_by_number_and_by_name() {
    let (_, router) = six().await;
    for number in ["3", "%233", "+3+"] {
        let answer = get(&router, &format!("/admin/tasks?find={number}")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/admin/tasks/3"), "{number}");
    }
    assert_eq!(listed(&get(&router, "/admin/tasks?find=bee-3&state=").await), [3]);
    let answer = get(&router, "/admin/tasks?find=bee-&state=done&kind=digest").await;
    assert_eq!(listed(&answer), [4]);
    // What was asked for stands in the form, and goes along with the tabs.
    contains(
        page(&answer),
        &[
            "value=\"bee-\"",
            "<option selected>digest</option>",
            "href=\"/admin/tasks?state=failed&#38;name=bee-&#38;kind=digest\"",
            "href=\"/admin/tasks?name=bee-&#38;kind=digest\"",
        ],
    );
    contains(page(&get(&router, "/admin/tasks?find=99").await), &["No task is like that"]);
    let hostile = get(&router, "/admin/tasks?name=%22%3E%3Cscript%3E").await;
    assert!(!page(&hostile).contains("<script>"));
    assert_eq!(get(&router, "/admin/tasks?since=yesterday").await.status, 422);
}

#[tokio::test]
async fn columns_sort_the_list() {
    let (_, router) = six().await;
    let answer = get(&router, "/admin/tasks").await;
    contains(page(&answer), &["aria-sort=\"descending\"><a href=\"/admin/tasks?sort=-id\">Task</a>"]);
    let by = async |words: &str| get(&router, &links(&answer, words)[0]).await;
    let (ended, urgent) = (by("Ended").await, by("Priority").await);
    assert_eq!((listed(&ended), listed(&urgent)), (vec![4, 5, 6], vec![3, 2, 1]));
    contains(page(&urgent), &["these are the tasks that have not ended"]);
    assert_eq!(listed(&get(&router, &links(&ended, "Ended")[0]).await), [6, 5, 4]);
    // A tab without such tasks is sorted as at first, and cannot be sorted so.
    let done = get(&router, "/admin/tasks?state=done").await;
    assert_eq!((links(&done, "Priority").len(), links(&done, "Ended").len()), (0, 1));
    contains(
        page(&urgent),
        &["href=\"/admin/tasks?state=done\"", "href=\"/admin/tasks?state=paused&#38;sort=priority\""],
    );
}

/// What the tabs say, by their words.
fn tabs(answer: &Answer) -> Vec<String> {
    let tabs = page(answer).split("</nav>").find(|nav| nav.contains("Tasks by state")).unwrap().split("<li>").skip(1);
    let count = |tab: &str| tab.split("<span class=\"count\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    tabs.map(count).collect()
}

#[tokio::test]
async fn each_tab_says_how_many_lines_it_has() {
    let (fake, router) = six().await;
    // A batch is one line.
    post(&router, "/tasks?each=task&name=wax", "text/plain", "a\nb\nc").await;
    fake.set_state(7, TaskState::Pending);
    assert_eq!(tabs(&get(&router, "/admin/tasks").await), ["7", "2", "1", "1", "1", "1", "1"]);
    let found = get(&router, "/admin/tasks?name=bee-&state=done").await;
    assert_eq!(
        (tabs(&found), listed(&found)),
        (["6", "1", "1", "1", "1", "1", "1"].map(str::to_owned).into(), vec![4])
    );
    assert_eq!(tabs(&get(&router, "/admin/tasks?name=wax").await), ["1", "1", "0", "0", "0", "0", "0"]);
    // Sorted so, those that have ended are in their own tabs alone.
    assert_eq!(tabs(&get(&router, "/admin/tasks?sort=priority").await), ["4", "2", "1", "1", "1", "1", "1"]);
}

#[tokio::test]
async fn what_several_wait_for_is_said_once() {
    let (fake, router) = six().await;
    for (id, reason) in [(1, "no <drone>"), (2, "no <drone>"), (3, "it is paused")] {
        fake.set(id, |view| view.waiting_because = Some(reason.to_owned()));
    }
    for path in ["/admin", "/admin/tasks"] {
        let answer = get(&router, path).await;
        assert_eq!(page(&answer).matches("no &#60;drone&#62;").count(), 1, "{path}");
        contains(page(&answer), &["2 of these tasks wait because no &#60;drone&#62;.", "waiting because it is paused"]);
    }
    fake.set(4, |view| (view.state, view.waiting_because) = (TaskState::Paused, Some("it is paused".to_owned())));
    let answer = get(&router, "/admin/tasks").await;
    contains(page(&answer), &["(1) 2 of these tasks wait because they are paused.", "waiting (1)", "waiting (2)"]);
}

#[tokio::test]
async fn the_overview_says_what_waits_and_what_failed_lately() {
    let (fake, router) = six().await;
    let answer = get(&router, "/admin").await;
    contains(page(&answer), &["<a href=\"/admin/tasks?state=pending\">1 task waits</a>"]);
    assert!(!page(&answer).contains("in the last day"), "that which failed did so long ago");
    fake.set(5, |view| view.finished_at = Some(Timestamp::now()));
    fake.set_state(6, TaskState::Pending);
    let answer = get(&router, "/admin").await;
    contains(
        page(&answer),
        &["state=pending\">2 tasks wait</a>", "<a href=\"/admin/failures\">1 task failed</a> in the last day"],
    );
}

#[tokio::test]
async fn what_is_selected_is_changed() {
    let (fake, router) = six().await;
    let answer = many(&router, "action=pause&id=1&id=2&id=4&name=bee-&sort=-id").await;
    let back = "/admin/tasks?name=bee-&sort=-id&bulk=1";
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, back));
    contains(page(&get(&router, back).await), &["2 of 3 tasks were paused. 1 stayed as it was: task 4 is done"]);
    assert_eq!(fake.inner().tasks[0].as_ref().unwrap().view.state, TaskState::Paused);
    let answer = many(&router, "action=priority&priority=50&id=1").await;
    assert_eq!(answer.header("location"), "/admin/tasks?bulk=2");
    assert_eq!(fake.inner().tasks[0].as_ref().unwrap().view.priority, 50);
    let answer = many(&router, "action=pause&name=bee-&state=done").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/admin/tasks?state=done&name=bee-&unticked=1")
    );
    contains(page(&get(&router, answer.header("location")).await), &["Nothing was ticked.", "Select task 4"]);
    contains(html(&many(&router, "action=priority&id=1").await), &["priority"]);
    // What is not known any more is nothing to be told.
    assert!(!page(&get(&router, "/admin/tasks?bulk=77").await).contains("bulk-notice"));
}

#[tokio::test]
async fn what_cannot_be_undone_or_seen_is_confirmed() {
    let (fake, router) = six().await;
    let gone = |fake: &Fake| fake.inner().tasks.iter().filter(|task| task.is_none()).count();
    let answer = many(&router, "action=delete&id=4&id=1").await;
    contains(
        page(&answer),
        &[
            "Delete 1 task?",
            "only tasks that have ended are deleted",
            "<input type=\"hidden\" name=\"id\" value=\"4\">",
            "name=\"confirmed\"",
        ],
    );
    assert_eq!(gone(&fake), 0, "it was only asked");
    many(&router, "action=delete&id=4&id=1&confirmed=1").await;
    assert_eq!(gone(&fake), 1);
    let answer = many(&router, "action=retry&all=1&name=bee&state=").await;
    contains(
        page(&answer),
        &["Retry 2 tasks?", "name bee", "name=\"all\" value=\"1\"", "href=\"/admin/tasks?name=bee\""],
    );
    let answer = many(&router, "action=retry&all=1&name=bee&state=&confirmed=1").await;
    assert_eq!(answer.header("location"), "/admin/tasks?name=bee&bulk=2");
    contains(
        page(&get(&router, answer.header("location")).await),
        &["2 of 5 tasks were begun again. 3 stayed as they were"],
    );
    contains(page(&many(&router, "action=delete&id=1").await), &["There is nothing to delete"]);
}

#[tokio::test]
async fn only_what_its_reader_may_is_offered() {
    let (fake, access, site) = guarded_world();
    fake.inner().computed = Some(0);
    let owner = access.token("owner", "submit");
    let reader = access.token("reader", "read");
    let ask =
        async |token: &str, path: &str| get_with(&site, path, &[("authorization", &format!("Bearer {token}"))]).await;
    let headers = [("content-type", "text/plain"), ("authorization", &*format!("Bearer {owner}"))];
    send(&site, request("POST", "/tasks", &headers, "x")).await;
    contains(page(&ask(&owner, "/admin/tasks").await), &["Select task 1", "value=\"cancel\"", "Your tasks"]);
    let text = ask(&reader, "/admin/tasks").await;
    assert!(!page(&text).contains("Select task") && !page(&text).contains("value=\"cancel\""));
}

#[tokio::test]
async fn what_stopped_early_is_told() {
    let (fake, router) = six().await;
    let reason = "the disk is full".to_owned();
    fake.inner().error = Some(HiveError::Unavailable { reason, retry_after: std::time::Duration::from_secs(1) });
    let answer = many(&router, "action=pause&id=1").await;
    fake.inner().error = None;
    contains(
        page(&get(&router, answer.header("location")).await),
        &["0 tasks were paused.", "it stopped: the disk is full"],
    );
}

#[tokio::test]
async fn failures_are_grouped_by_their_reason() {
    let (fake, router) = world();
    contains(page(&get(&router, "/admin/failures").await), &["No task has failed."]);
    post_json(&router, json!({"input": "x"})).await;
    fake.set(1, |view| {
        view.state = TaskState::Failed;
        view.error = Some("its <deadline> passed".to_owned());
    });
    let failures = get(&router, "/admin/failures").await;
    contains(
        page(&failures),
        &[
            "href=\"/admin/tasks?state=failed&#38;reason=its%20%3Cdeadline%3E%20passed\"",
            "<bdi>its &#60;deadline&#62; passed</bdi>",
            "name=\"action\" value=\"renew\"",
            "<a href=\"/admin/tasks/1\">task 1</a>",
        ],
    );
    let failures = get(&router, "/tasks/failures").await.json();
    let expected = json!({ "reason": "its <deadline> passed", "blamed_on": "task", "count": 1, "last": 1 });
    assert_eq!(failures["failures"], json!([expected]));
}

#[tokio::test]
async fn many_are_begun_again_with_another_deadline() {
    let (fake, router) = six().await;
    contains(page(&get(&router, "/admin/tasks").await), &["Retry with deadline"]);
    let deadline = async || get(&router, "/tasks/5").await.json()["deadline_at"].clone();
    let answer = many(&router, "action=renew&id=5&id=6&deadline_seconds=3600").await;
    assert_eq!(answer.status, 303);
    assert!(deadline().await.is_string());
    fake.set_state(5, TaskState::Failed);
    // Where it is asked first, the question has the field.
    let asked = many(&router, "action=renew&all=1&deadline_seconds=60").await;
    contains(page(&asked), &["none if empty", "value=\"60\"", "name=\"action\" value=\"renew\""]);
    assert_eq!(page(&asked).matches("name=\"deadline_seconds\"").count(), 1);
    many(&router, "action=retry&id=5&deadline_seconds=60").await;
    assert!(deadline().await.is_string(), "a retry alone leaves it");
    fake.set_state(5, TaskState::Failed);
    many(&router, "action=renew&all=1&deadline_seconds=&confirmed=1").await;
    assert!(deadline().await.is_null(), "an empty field means none");
    assert_eq!(many(&router, "action=renew&id=5&deadline_seconds=soon").await.status, 422);
}

#[tokio::test]
async fn that_nothing_was_changed_is_a_warning_in_words_of_the_page() {
    let (fake, router) = six().await;
    let why = "its deadline has passed: give it a new one with `deadline_seconds`, or none with `null`";
    fake.inner().error = Some(HiveError::Conflict(why.to_owned()));
    let answer = many(&router, "action=retry&id=5&id=6").await;
    fake.inner().error = None;
    let answer = get(&router, answer.header("location")).await;
    contains(
        page(&answer),
        &[
            "id=\"bulk-notice\" class=\"notice bad\"",
            "2 stayed as they were: its deadline has passed: give it a new one with the deadline in seconds, or none.",
        ],
    );
}
