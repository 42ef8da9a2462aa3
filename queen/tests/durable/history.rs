//! What was measured over time, and outlives the Queen who measured it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use queen::Config;
use queen::store::Location;
use serde_json::Value;

use super::support::clock::{Hands, WALL};
use super::support::programs::{output, queen};
use super::support::{Hive, config, look_again};

const SECOND: Duration = Duration::from_secs(1);

/// A Queen who starts so many seconds after the first one.
async fn start(data: &Path, after: i64) -> (Hive, Hands) {
    let clock = Hands::new();
    clock.set_wall(WALL + 1000 * after);
    let data = Some(Location::new(data.to_owned()));
    (Hive::start_with(Config { data, clock: Arc::new(clock.clone()), ..config() }).await, clock)
}

/// The strings that were queued, second by second.
async fn queued(hive: &Hive) -> Vec<Value> {
    let answer = hive.get("/stats/history?series=items_queued").await.json();
    answer["series"]["items_queued"].as_array().unwrap().clone()
}

/// Lets seconds pass until so many of them are known.
async fn pass(hive: &Hive, clock: &Hands, seconds: usize) {
    while queued(hive).await.len() < seconds {
        clock.advance(SECOND);
        look_again().await;
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&path, &to),
            kind if kind.is_file() => drop(fs::copy(&path, &to).unwrap()),
            // The socket of the Queen who is still there.
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_outlives_a_restart_and_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (hive, clock) = start(&data, 0).await;
    hive.submit_lines("", &["honey".to_owned(), "wax".to_owned()]).await;
    pass(&hive, &clock, 5).await;
    let before = queued(&hive).await;
    assert!(before.contains(&2.0.into()), "{before:?}");
    hive.stop().await;

    // She was away for ten minutes, of which nothing is known.
    let (hive, clock) = start(&data, 600).await;
    assert_eq!(queued(&hive).await, before);
    pass(&hive, &clock, before.len() + 1).await;
    let after = queued(&hive).await;
    assert!(after.len() > 500 && after.starts_with(&before) && after.last() == Some(&2.0.into()), "{after:?}");
    assert!(after.iter().filter(|value| value.is_null()).count() > 500, "{after:?}");

    // Nothing is lost that was there a minute before she was killed.
    let (one, other) = (data.join("history.a"), data.join("history.b"));
    let written = [fs::read(&one).unwrap_or_default(), fs::read(&other).unwrap_or_default()];
    while [fs::read(&one).unwrap_or_default(), fs::read(&other).unwrap_or_default()] == written {
        clock.advance(60 * SECOND);
        look_again().await;
    }
    let killed = folder.path().join("killed");
    copy(&data, &killed);
    let (again, _) = start(&killed, 2000).await;
    let known = queued(&again).await;
    assert!(known.iter().filter(|value| !value.is_null()).count() > 0, "{known:?}");
    again.stop().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_told_and_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let (hive, clock) = start(&data, 0).await;
    pass(&hive, &clock, 3).await;
    hive.stop().await;
    for name in ["history.a", "history.b"] {
        fs::write(data.join(name), "not what it was").unwrap();
    }
    let check = || output(queen().args(["check", "--data-dir"]).arg(&data));
    let (code, said, _) = check();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("note: ") && said.contains("history.a") && said.contains("OK"), "{said}");
    let (hive, clock) = start(&data, 10).await;
    assert!(queued(&hive).await.is_empty());
    pass(&hive, &clock, 3).await;
    hive.stop().await;
    assert!(!check().1.contains("history.a"), "it was written anew");
}
