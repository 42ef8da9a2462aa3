//! Charts: what they are drawn of, and the words that say the same.

use web::model::{DroneHistory, Shift, TaskHistory, TaskState, Throughput, ThroughputOf, Timestamp};
use wire::ids::DroneId;

use crate::support::*;
use crate::{contains, page};

const NOON: Timestamp = Timestamp(1_700_000_000_000);

#[tokio::test]
async fn the_overview_draws_the_last_quarter_of_an_hour() {
    let (fake, router) = world();
    let text = get(&router, "/admin").await;
    contains(
        page(&text),
        &["aria-label=\"SHA-256 compressions per second in the last 15 minutes: at most 2.0 k\"", "one string"],
    );
    assert!(!text.text().contains("id=\"throughput\""), "nobody did anything");
    let one = |id, name: &str| ThroughputOf { id: DroneId(id), name: name.into(), compressions: vec![Some(500.0); 90] };
    fake.inner().throughput = Throughput {
        step_seconds: 10,
        from: NOON,
        drones: vec![one(7, "<meadow>"), one(9, "orchard")],
        others: 3,
        rest: vec![Some(1000.0); 90],
    };
    let text = get(&router, "/admin").await;
    let list = [
        "&#60;meadow&#62;",
        "href=\"/admin/drones/9\"",
        "all others",
        "0/s now, 500/s on average",
        "2.0 M/s now, 1.0 k/s on average",
        "compressions, at most 2.0 k/s",
    ];
    contains(page(&text), &list);
    assert_eq!(text.text().matches("class=\"layer-rest\"").count(), 2, "the chart and its legend");
}

#[tokio::test]
async fn a_drone_has_its_history() {
    let (fake, router) = world();
    assert!(!get(&router, "/admin/drones/1").await.text().contains("id=\"history\""));
    let (rate, utilisation) = (vec![Some(1.0), Some(2.0)], vec![Some(0.5), Some(0.75)]);
    let compressions_per_second = vec![Some(1.0), Some(3e6)];
    fake.inner().drone_history =
        DroneHistory { step_seconds: 10, from: NOON, rate, compressions_per_second, utilisation };
    contains(page(&get(&router, "/admin/drones/1").await), &["at most 3.0 M/s", "of 100 %, at most 75.0 %", "L600 25"]);
}

#[tokio::test]
async fn a_task_has_its_course() {
    let (fake, router) = world();
    assert_eq!(post_json(&router, serde_json::json!({ "input": "honey" })).await.status, 201);
    assert!(!get(&router, "/admin/tasks/1").await.text().contains("id=\"course\""), "it took but a moment");
    fake.set(1, |view| {
        view.started_at = Some(Timestamp(NOON.0 + 1000));
        view.finished_at = Some(Timestamp(NOON.0 + 10_000));
    });
    fake.inner().task_history = TaskHistory {
        step_seconds: 1,
        from: Some(Timestamp(NOON.0 + 1000)),
        rate: vec![Some(5.0), None, Some(7.0), Some(7.0)],
        shifts: vec![
            Shift { at: Timestamp(NOON.0 + 900), state: TaskState::Running },
            Shift { at: Timestamp(NOON.0 + 5000), state: TaskState::Paused },
        ],
    };
    let answer = get(&router, "/admin/tasks/1").await;
    let parts = [
        r#"<rect class="pending" x="0" y="0" width="60" height="10"/>"#,
        r#"<rect class="running" x="60" y="0" width="240" height="10"/>"#,
        r#"<rect class="paused" x="300" y="0" width="300" height="10"/>"#,
        "at most 7.0/s",
        // Its rate has the time of its states.
        r#"d="M90 28.6h1M210 0L270 0h1"/>"#,
    ];
    contains(page(&answer), &parts);
    assert!(!page(&answer).contains("Not known"));
    // The Queen was away at first.
    fake.inner().task_history.from = Some(Timestamp(NOON.0 + 7000));
    fake.inner().task_history.shifts.clear();
    let answer = get(&router, "/admin/tasks/1").await;
    let gap = r#"<rect class="unknown" x="60" y="0" width="360" height="100"/>"#;
    contains(page(&answer), &[gap, "Not known for 6 s of that"]);
    // Of a single string nothing is done until all of it is.
    fake.inner().task_history.rate = vec![Some(0.0); 9];
    let answer = get(&router, "/admin/tasks/1").await;
    contains(page(&answer), &["id=\"course\""]);
    assert!(!answer.text().contains("at most 0/s"));
}
