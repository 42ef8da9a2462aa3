//! The task stream, and a Drone's leases: what is drawn, and the words that say the same.

use web::model::{
    DroneState, Gap, LEASES_SHOWN, LeaseState, LeaseView, StreamDrone, StreamRun, StreamTask, Timestamp, Window,
};
use wire::ids::{DroneId, TaskId};

use crate::support::*;
use crate::{contains, page};

fn run(columns: u32, task: Option<u64>, busy: Option<f64>, gap: Option<Gap>) -> StreamRun {
    StreamRun { columns, task: task.map(TaskId), busy, gap }
}

#[tokio::test]
async fn the_stream_is_drawn_and_told() {
    let (fake, router) = world();
    let runs = vec![
        run(25, None, None, Some(Gap::BeforeStart)),
        run(5, None, None, None),
        run(20, Some(27), Some(0.8), None),
        run(10, None, Some(0.0), Some(Gap::Paused)),
    ];
    fake.inner().stream.drones =
        vec![StreamDrone { id: DroneId(3), name: "<attic>".to_owned(), state: DroneState::Idle, runs }];
    fake.inner().stream.tasks = vec![StreamTask { id: TaskId(27), name: Some("<b>ees".to_owned()), share: 1.0 }];
    fake.inner().stream.other_tasks = 3;
    let answer = get(&router, "/admin/stream").await;
    let parts = [
        "viewBox=\"0 0 60 10\"",
        "<rect class=\"task-7\" x=\"30\" y=\"2\" width=\"20\" height=\"8\"><title>22:13:50 to 22:14:10 UTC: task 27, 80 % busy</title></rect>",
        "<path class=\"gap paused\" d=\"M50 5h10\"/>",
        "<title>22:14:10 to 22:14:20 UTC: tasks paused</title>",
        "<path class=\"gap before_start\" d=\"M0 5h25\"/>",
        "<span>unknown: before the Queen&#39;s start at 22:13:20 UTC</span>",
        "&#60;attic&#62;",
        "task 27 <bdi>&#60;b&#62;ees</bdi>",
        "and 3 other tasks",
        "<a href=\"/admin/tasks/27\">task 27</a> 53 %",
        "<li>tasks paused 33 %</li>",
        "data-live=\"overview\"",
    ];
    contains(page(&answer), &parts);
    assert!(!answer.text().contains("rel=\"next\""));
}

#[tokio::test]
async fn windows_and_pages_are_links() {
    let (fake, router) = world();
    contains(page(&get(&router, "/admin/stream").await), &["No drone was here in the last minute"]);
    let narrow = get(&router, "/admin/stream?window=5m&state=lost&name=at%26&page=2").await;
    contains(page(&narrow), &["There are no more.", "href=\"/admin/stream?window=5m&#38;state=lost&#38;name=at%26\""]);
    let query = fake.inner().stream_query.take().unwrap();
    assert_eq!((query.window, query.state, query.page), (Window::FiveMinutes, Some(DroneState::Lost), 2));
    contains(
        page(&get(&router, "/admin/stream?state=lost").await),
        &["is like that", "<option selected>lost</option>"],
    );
    let runs = vec![run(60, None, None, None)];
    fake.inner().stream.drones =
        vec![StreamDrone { id: DroneId(3), name: "attic".to_owned(), state: DroneState::Busy, runs }];
    fake.inner().stream.next_page = Some(2);
    let answer = get(&router, "/admin/stream?window=15m").await;
    let links = [
        "rel=\"next\" href=\"/admin/stream?window=15m&#38;page=2\"",
        "<a href=\"/admin/stream\">1 minute</a>",
        "aria-current=\"page\">15 minutes</a>",
        "<input type=\"hidden\" name=\"window\" value=\"15m\">",
        "nothing is known yet",
    ];
    contains(page(&answer), &links);
    get(&router, "/admin/stream?window=2m").await.text().contains("there is no window");
}

#[tokio::test]
async fn a_drone_shows_its_leases() {
    let (fake, router) = world();
    assert!(!get(&router, "/admin/drones/1").await.text().contains("id=\"leases\""));
    let now = Timestamp::now();
    let lease = |task, ended: Option<i64>, state| LeaseView {
        task: TaskId(task),
        from: 1000,
        to: 3000,
        reached: 2000,
        state,
        given_at: Timestamp(now.0 - 10_000),
        ended_at: ended.map(|ms| Timestamp(now.0 - ms)),
        busy_seconds: if ended.is_some() { 0.25 } else { 0.0 },
    };
    fake.inner().leases = vec![
        lease(8, None, LeaseState::Running),
        lease(8, None, LeaseState::Waiting),
        lease(27, Some(500), LeaseState::Expired),
    ];
    let answer = get(&router, "/admin/drones/1").await;
    let parts = [
        "<rect class=\"task-8 running\"",
        "<rect class=\"task-7 expired\"",
        "1 more waits for a thread",
        "3 leases as a table",
        "1,000 to 2,999<small>done before 2,000</small>",
        "class=\"wrong\">expired</td>",
        "250.0 ms",
    ];
    contains(page(&answer), &parts);
    contains(page(&answer), &["Leases of the last minute"]);
    // As many are remembered; there may have been more.
    fake.inner().leases.extend((1..LEASES_SHOWN).map(|_| lease(27, Some(500), LeaseState::Done)));
    contains(page(&get(&router, "/admin/drones/1").await), &["The last 66 leases"]);
}
