//! What was measured over time.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn series_and_step_are_chosen() {
    let (_, router) = world();
    let answer = get(&router, "/stats/history?series=drones_busy,rate&step=1m").await;
    let values = [json!(1000.0), json!(null), json!(2000.5)];
    let expected = json!({
        "step_seconds": 60,
        "from": "2023-11-14T22:13:20.000Z",
        "series": { "drones_busy": values, "rate": values },
    });
    assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
    let all = get(&router, "/stats/history").await.json();
    assert_eq!(all["step_seconds"], 1);
    assert_eq!(all["series"].as_object().unwrap().len(), 16);
}

#[tokio::test]
async fn what_is_not_known_is_refused_with_the_names() {
    let (_, router) = world();
    for (query, path, detail) in [
        ("series=rate,colour", "series", "there is no series `colour`; there are: rate, compressions_per_second, "),
        ("series=rate,", "series", "there is no series ``; there are: rate, "),
        ("step=5s", "step", "there is no step `5s`; there are: 1s, 1m, 1h"),
        ("since=1", "since", "there is no query parameter `since`; there are: series, step"),
    ] {
        let answer = get(&router, &format!("/stats/history?{query}")).await;
        let problem = answer.problem(422);
        assert!(problem["detail"].as_str().unwrap().starts_with(detail), "{problem}");
        assert_eq!(problem["path"], path);
    }
}

#[tokio::test]
async fn of_one_drone_and_one_task() {
    let (fake, router) = world();
    fake.inner().drone_history.rate = vec![Some(2.5), None];
    fake.inner().drone_history.compressions_per_second = vec![Some(5.0), None];
    let drone = get(&router, "/drones/1/history").await;
    let from = "2023-11-14T22:13:20.000Z";
    let expected = json!({
        "step_seconds": 10, "from": from, "rate": [2.5, null], "compressions_per_second": [5.0, null],
        "utilisation": []
    });
    assert_eq!((drone.status.as_u16(), drone.json()), (200, expected));
    get(&router, "/drones/99/history").await.problem(404);
    post_json(&router, json!({ "input": "honey" })).await;
    let task = get(&router, "/tasks/1/history").await;
    assert_eq!(
        (task.status.as_u16(), task.json()),
        (200, json!({ "step_seconds": 0, "from": null, "rate": [], "shifts": [] }))
    );
    get(&router, "/tasks/99/history").await.problem(404);
}
