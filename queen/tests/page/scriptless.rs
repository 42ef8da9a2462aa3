//! A day's work in a browser that runs no scripts.

use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use queen::Config;
use queen::store::Location;
use serde_json::{Value, json};

use super::support::{Hive, config};
use super::{Browser, browser_with, check_width, text, until};

/// Results that a task's page shows at once, and some more.
const LINES: u64 = 130;

async fn browser() -> Option<Browser> {
    let preferences = json!({ "profile.managed_default_content_settings.javascript": 2 });
    browser_with(360, "light", preferences).await
}

async fn open(client: &Client, hive: &Hive, path: &str) {
    client.goto(&format!("http://{}{path}", hive.http)).await.unwrap();
}

/// Presses a button, or follows a link. With keys: before it clicks, the driver waits for a script of its own, which ends
/// late where none runs.
async fn press(client: &Client, selector: &str) {
    press_key(client, Locator::Css(selector), Key::Enter.into()).await;
}

async fn follow(client: &Client, link: &str) {
    press_key(client, Locator::LinkText(link), Key::Enter.into()).await;
}

async fn tick(client: &Client, selector: &str) {
    press_key(client, Locator::Css(selector), ' ').await;
}

async fn press_key(client: &Client, at: Locator<'_>, key: char) {
    let element = client.find(at).await.unwrap_or_else(|_| panic!("no {at:?}"));
    element.send_keys(&key.to_string()).await.unwrap();
}

async fn fill(client: &Client, id: &str, text: &str) {
    let field = client.find(Locator::Id(id)).await.unwrap_or_else(|_| panic!("no {id}"));
    field.clear().await.unwrap();
    field.send_keys(text).await.unwrap();
}

async fn choose(client: &Client, id: &str, value: &str) {
    client.find(Locator::Id(id)).await.unwrap().select_by_value(value).await.unwrap();
}

/// Reloads, as a reader does who waits for something.
async fn reload_until(client: &Client, selector: &str, contains: &str) {
    while !text(client, selector).await.contains(contains) {
        press(client, "#reload").await;
    }
}

async fn value(client: &Client, id: &str) -> String {
    client.find(Locator::Id(id)).await.unwrap().prop("value").await.unwrap().unwrap()
}

async fn is_shown(client: &Client, selector: &str) -> bool {
    client.find(Locator::Css(selector)).await.unwrap().is_displayed().await.unwrap()
}

/// What is wrong stands beside its field, and nothing that was typed is lost.
async fn make_a_mistake(client: &Client, hive: &Hive) {
    open(client, hive, "/admin").await;
    choose(client, "algorithm", "pbkdf2-hmac-sha256").await;
    fill(client, "salt_hex", "abc").await;
    fill(client, "iterations", "1").await;
    press(client, "#submit-form summary").await;
    fill(client, "name", "a mistake").await;
    fill(client, "text", "honey\nwax").await;
    press(client, "#submit-button").await;
    until(client, "#salt_hex-error", "odd number of digits").await;
    assert!(is_shown(client, "#salt_hex-error").await && is_shown(client, "#name").await);
    let kept = [value(client, "salt_hex").await, value(client, "iterations").await, value(client, "name").await];
    assert_eq!(
        (kept, value(client, "text").await.as_str()),
        (["abc", "1", "a mistake"].map(str::to_owned), "honey\nwax")
    );
    check_width(client, 360).await;
    fill(client, "salt_hex", "abcd").await;
    press(client, "#submit-button").await;
    until(client, "h1", "a mistake").await;
    reload_until(client, "#state", "done").await;
}

async fn submit_and_read(client: &Client, hive: &Hive) {
    open(client, hive, "/admin").await;
    let scripts = "return document.documentElement.classList.contains('js')";
    assert_eq!(client.execute(scripts, vec![]).await.unwrap(), json!(false), "no script of the page runs");
    assert!(!is_shown(client, "#keys-show").await && is_shown(client, "#reload").await);
    let lines: Vec<_> = (0..LINES).map(|line| line.to_string()).collect();
    fill(client, "text", &lines.join("\n")).await;
    press(client, "#submit-button").await;
    until(client, "h1", "Task 1").await;
    reload_until(client, "#state", "done").await;
    follow(client, "Next").await;
    until(client, "#results nav", "100 to 129 of 130").await;
    fill(client, "find", "77").await;
    press(client, ".find button").await;
    until(client, "#found", "1 of 130 results matches.").await;
}

async fn find_and_change_many(client: &Client, hive: &Hive) {
    for name in ["nectar", "necklace", "pollen"] {
        hive.submit_endless(&format!("&name={name}")).await;
    }
    open(client, hive, "/admin/tasks").await;
    fill(client, "find-text", "nec").await;
    press(client, "#find button").await;
    until(client, "#find", "Clear").await;
    assert!(!text(client, "#tasks").await.contains("pollen"));
    press(client, "#find summary").await;
    let algorithm = client.find(Locator::Id("find-algorithm")).await.unwrap();
    algorithm.select_by_label("pbkdf2-hmac-sha256").await.unwrap();
    choose(client, "find-sort", "id").await;
    press(client, "#find button").await;
    until(client, "#tasks", "nectar").await;
    // Nothing was ticked: the list stays as it was asked for.
    press(client, "button[value=pause]").await;
    until(client, "#unticked", "Nothing was ticked.").await;
    assert!(!text(client, "#tasks").await.contains("pollen"));
    // Selected ones.
    tick(client, "#task-3 [name=id]").await;
    tick(client, "#task-4 [name=id]").await;
    press(client, "button[value=pause]").await;
    until(client, "#bulk-notice", "2 tasks were paused").await;
    change_all(client, "resume", ["Resume 2 tasks?", "2 tasks were resumed"]).await;
    tick(client, "#task-4 [name=id]").await;
    fill(client, "many-priority", "9").await;
    press(client, "button[value=priority]").await;
    until(client, "#bulk-notice", "1 task was given the new priority").await;
    until(client, "#task-4", "9").await;
    change_all(client, "cancel", ["Cancel 2 tasks?", "2 tasks were cancelled"]).await;
    press(client, "nav.filter [href*='state=cancelled']").await;
    until(client, "#task-4", "cancelled").await;
}

/// Changes all tasks that match, on every page: it is asked first.
async fn change_all(client: &Client, action: &str, [question, told]: [&str; 2]) {
    tick(client, "#pick-all").await;
    press(client, &format!("button[value={action}]")).await;
    until(client, "h1", question).await;
    press(client, "#bulk form button").await;
    until(client, "#bulk-notice", told).await;
}

async fn retry_and_clone(client: &Client) {
    press(client, "#task-4 th a").await;
    until(client, "h1", "necklace").await;
    press(client, "#retry button").await;
    until(client, "#cancel", "Cancel").await;
    // It is not done before somebody is sure.
    press(client, "#cancel button").await;
    assert!(is_shown(client, "#cancel [required]").await && !text(client, "#state").await.contains("cancelled"));
    tick(client, "#cancel [required]").await;
    press(client, "#cancel button").await;
    until(client, "#state", "cancelled").await;
    press(client, "#clone").await;
    until(client, "#missing", "Give the salt again").await;
    assert_eq!(value(client, "name").await, "necklace");
    fill(client, "salt", "s").await;
    fill(client, "iterations", "1").await;
    fill(client, "text", "honey").await;
    press(client, "#submit-button").await;
    until(client, "h1", "Task 6").await;
    reload_until(client, "#state", "done").await;
}

/// What charts show stands in words as well.
async fn look_at_log_and_stream(client: &Client) {
    follow(client, "Log").await;
    until(client, "#log", "maja").await;
    follow(client, "Stream").await;
    reload_until(client, "table.streams .words", "task").await;
    follow(client, "Overview").await;
    until(client, "#drones", "maja").await;
}

async fn drain(client: &Client, hive: &Hive) {
    follow(client, "Drones").await;
    press(client, "#drones tbody a").await;
    until(client, "h1", "maja").await;
    tick(client, "#drain [required]").await;
    press(client, "#drain button").await;
    let has_left = |drone: &Value| drone["state"] == "left";
    while !has_left(&hive.drone("maja").await) {
        super::support::look_again().await;
    }
    reload_until(client, "#state", "left").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_work_needs_no_scripts() {
    let Some(browser) = browser().await else { return };
    // Without a disk there is no log.
    let directory = tempfile::tempdir().unwrap();
    let location = Location::new(directory.path().join("data"));
    let hive = Hive::start_with(Config { data: Some(location), ..config() }).await;
    let worker = hive.worker("maja");
    hive.until_drones(1).await;
    let client = &browser.client;
    submit_and_read(client, &hive).await;
    make_a_mistake(client, &hive).await;
    find_and_change_many(client, &hive).await;
    retry_and_clone(client).await;
    look_at_log_and_stream(client).await;
    drain(client, &hive).await;
    worker.end().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}
