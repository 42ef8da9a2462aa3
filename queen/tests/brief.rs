//! What is brief does not queue behind what is long, not even for a disk that stands still.
#![allow(clippy::unwrap_used, reason = "a failed test is what a panic is for")]

mod support;

use std::sync::Arc;

use queen::Config;
use queen::store::Location;
use serde_json::json;
use support::Hive;
use support::gate::{Gate, Held};

/// A long task of which the disk stands still in the middle, as seen from `begun` results on; words
/// that come then are answered before it goes on.
async fn words_pass(memory_limit: u64, strings: u64, held: Held, begun: u64) {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let location = Location { disk: Arc::new(gate.clone()), ..Location::new(directory.path().join("data")) };
    let hive = Hive::start_with(Config { memory_limit, data: Some(location), ..support::config() }).await;
    let lines: Vec<_> = (0..strings).map(|number| format!("string number {number}")).collect();
    let task = hive.submit_lines("", &lines).await;
    gate.set(held);
    let worker = hive.worker("drone");
    hive.until(task, |view| view["done"].as_u64() >= Some(begun)).await;
    for word in 0..50 {
        let word = hive.compute(json!({ "input": format!("word {word}") })).await;
        assert_eq!(word["state"], "done");
    }
    let view = hive.get(&format!("/tasks/{task}")).await.json();
    assert_eq!(view["state"], "running", "{view}");
    gate.set(Held::Nothing);
    hive.until_done(task).await;
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_does_not_wait_for_inputs_that_are_read() {
    // A quarter of the memory is for segments, so that most of them have to be read back.
    words_pass(8 << 20, 300_000, Held::Reads, 20_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_does_not_wait_for_results_that_are_written() {
    // An eighth of the memory is for results on their way to the disk; there are more of them.
    words_pass(64 << 20, 400_000, Held::Writes, 100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn inputs_that_cannot_be_read_for_a_while_fail_no_task() {
    let directory = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let location = Location { disk: Arc::new(gate.clone()), ..Location::new(directory.path().join("data")) };
    let hive = Hive::start_with(Config { memory_limit: 8 << 20, data: Some(location), ..support::config() }).await;
    let lines: Vec<_> = (0..300_000).map(|number| format!("string number {number}")).collect();
    let task = hive.submit_lines("", &lines).await;
    gate.set(Held::Opens);
    let worker = hive.worker("drone");
    while gate.refused() < 3 {
        support::look_again().await;
    }
    assert_ne!(hive.get(&format!("/tasks/{task}")).await.json()["state"], "failed");
    gate.set(Held::Nothing);
    hive.until_done(task).await;
    worker.leave().await;
    hive.stop().await;
}
