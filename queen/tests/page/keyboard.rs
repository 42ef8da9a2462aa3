//! A day's work with the keyboard alone.

use fantoccini::Client;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::{Value, json};

use super::support::{Hive, look_again};
use super::{DIGEST, WORD, browser, text, until};

async fn perform(client: &Client, actions: impl IntoIterator<Item = KeyAction>) {
    let keys = actions.into_iter().fold(KeyActions::new("keyboard".to_owned()), KeyActions::then);
    client.perform_actions(keys).await.unwrap();
}

/// Presses keys, one after the other.
async fn press(client: &Client, keys: &str) {
    let each = keys.chars().flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]);
    perform(client, each).await;
}

/// Presses a key until it was heard, which one is not while a page is left for another one.
async fn press_until(client: &Client, key: &str, script: &str) {
    loop {
        press(client, key).await;
        if client.execute(script, vec![]).await.is_ok_and(|is_so| is_so == json!(true)) {
            return;
        }
        look_again().await;
    }
}

/// What a script says; nothing while a page is left for another one.
async fn tell(client: &Client, script: &str) -> Value {
    client.execute(script, vec![]).await.unwrap_or_default()
}

/// Goes on from control to control until the one with this text has the focus, and presses it.
async fn reach(client: &Client, label: &str) {
    while tell(client, "return document.activeElement.textContent.trim()").await != label {
        press(client, &char::from(Key::Tab).to_string()).await;
    }
    press(client, &char::from(Key::Enter).to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_does_a_days_work() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let worker = hive.worker("maja");
    hive.until_drones(1).await;
    let client = &browser.client;
    client.goto(&format!("http://{}/admin/drones", hive.http)).await.unwrap();
    until(client, "#live", "Live").await;

    // Submit: from another page to the form.
    press(client, "n").await;
    until(client, "title", "Overview").await;
    while tell(client, "return document.activeElement.id").await != "text" {
        look_again().await;
    }
    press(client, WORD).await;
    let (control, enter) = (char::from(Key::Control), char::from(Key::Enter));
    let both = [KeyAction::Down { value: control }, KeyAction::Down { value: enter }];
    perform(client, both.into_iter().chain([enter, control].map(|value| KeyAction::Up { value }))).await;

    // Watch.
    until(client, "h1", "Task 1").await;
    until(client, "main", DIGEST).await;

    // Find, and retry.
    let task = hive.submit_endless("&name=nectar").await;
    hive.cancel(task).await;
    press(client, "gt").await;
    until(client, "title", "Tasks").await;
    until(client, "#live", "Live").await;
    press(client, "jjkx").await;
    until(client, "#picked", "1 selected").await;
    // What is selected stays while the page goes on.
    hive.compute(json!({ "input": "honey" })).await;
    until(client, "#tasks", "#3").await;
    assert!(text(client, "#picked").await.contains("1 selected"));
    let ticked = "return document.querySelectorAll('#many input[name=id]:checked').length";
    assert_eq!(tell(client, ticked).await, json!(1));
    press(client, "/").await;
    press(client, &format!("nect{}", char::from(Key::Enter))).await;
    until(client, "#find", "Clear").await;
    until(client, "#live", "Live").await;
    press(client, &format!("j{enter}")).await;
    until(client, "h1", "nectar").await;
    reach(client, "Retry").await;
    until(client, "#state", "running").await;

    // Who has which part of it.
    until(client, "#leased", "maja").await;
    while tell(client, "return document.activeElement.matches('.cursor')").await != json!(true) {
        press(client, &char::from(Key::Tab).to_string()).await;
    }
    let (shift, right) = (char::from(Key::Shift), char::from(Key::Right));
    while !text(client, "#honeycomb-cell").await.contains("leased: maja") {
        let keys = [KeyAction::Down { value: shift }, KeyAction::Down { value: right }];
        perform(client, keys.into_iter().chain([right, shift].map(|value| KeyAction::Up { value }))).await;
    }
    hive.cancel(task).await;

    // Hold the page, and go on.
    press_until(client, "p", "return document.getElementById('live').textContent === 'Paused'").await;
    press(client, "p").await;
    until(client, "#live", "Live").await;

    // Drain.
    press(client, "gd").await;
    until(client, "h1", "Drones").await;
    until(client, "#live", "Live").await;
    press(client, &format!("j{enter}")).await;
    until(client, "h1", "maja").await;
    reach(client, "Drain").await;
    reach(client, "Drain it").await;
    while hive.drone("maja").await["state"] != "left" {
        look_again().await;
    }

    // Help, and no keys any more for who wants none.
    press_until(client, "?", "return document.querySelector('dialog[open] .keys') !== null").await;
    tell(client, "document.getElementById('keys-on').click()").await;
    press(client, &char::from(Key::Escape).to_string()).await;
    press(client, "gtgo").await;
    assert!(text(client, "h1").await.contains("maja"));
    assert_eq!(tell(client, "return localStorage.getItem('keys')").await, json!("off"));
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}
