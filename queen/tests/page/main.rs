//! The admin page in a real browser. Needs chromium and chromedriver, so it runs only when
//! `HIVE_BROWSER=1` is set, as `check.sh` does.
//!
//! `axe.min.js` beside this file is axe-core (MPL-2.0), as published.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod access;
mod keyboard;
mod operator;
mod scriptless;
#[path = "../support/mod.rs"]
mod support;
mod task;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::Hive;

const WORD: &str = "super_secret_password_123";
const DIGEST: &str = "292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d";
const AXE: &str = include_str!("axe.min.js");

struct Browser {
    driver: Child,
    client: Client,
    // The profile is deleted with it.
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Chromedriver takes a free port of one IP version, which may be taken in the other one.
const ATTEMPTS: u32 = 10;

/// A driver and its port, if it comes up.
fn driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        line.strip_prefix("ChromeDriver was started successfully on port ")?.strip_suffix('.')?.parse().ok()
    });
    if port.is_none() {
        let _ = driver.wait();
    }
    Some((driver, port?))
}

/// How long something is waited for before it is told what that is, and what the page shows: the runner ends a test that
/// hangs without a word.
const PATIENCE: Duration = Duration::from_secs(30);

/// `None` where no browser is asked for.
async fn browser(width: u32, scheme: &str) -> Option<Browser> {
    browser_with(width, scheme, json!({})).await
}

/// One with these preferences.
async fn browser_with(width: u32, scheme: &str, preferences: Value) -> Option<Browser> {
    if std::env::var_os("HIVE_BROWSER").is_none() {
        eprintln!("skipped: HIVE_BROWSER is not set");
        return None;
    }
    let (driver, port) = (0..ATTEMPTS).find_map(|_| driver()).expect("chromedriver says its port");
    let profile = tempfile::tempdir().unwrap();
    let args = [
        "--headless".to_owned(),
        "--no-sandbox".into(),
        "--disable-gpu".into(),
        "--disable-quic".into(),
        "--disable-dev-shm-usage".into(),
        "--no-first-run".into(),
        "--disable-background-networking".into(),
        "--disable-component-update".into(),
        "--disable-sync".into(),
        format!("--window-size={width},1200"),
        format!("--user-data-dir={}", profile.path().display()),
        format!("--blink-settings=preferredColorScheme={}", u8::from(scheme == "light")),
    ];
    let options = json!({ "args": args, "prefs": preferences, "mobileEmulation": { "deviceMetrics": { "width": width, "height": 1200, "pixelRatio": 1.0 } } });
    let capabilities = [("goog:chromeOptions".to_owned(), options)].into_iter().collect();
    let client = ClientBuilder::new(HttpConnector::new())
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .unwrap();
    Some(Browser { driver, client, _profile: profile })
}

async fn text(client: &Client, selector: &str) -> String {
    client.wait().for_element(Locator::Css(selector)).await.unwrap();
    // The page replaces what has changed, so an element may be gone before it is read.
    let script = "return document.querySelector(arguments[0])?.textContent ?? ''";
    // A form that was sent leads elsewhere meanwhile: then nothing is read.
    let Ok(found) = client.execute(script, vec![json!(selector)]).await else { return String::new() };
    found.as_str().unwrap().to_owned()
}

async fn until(client: &Client, selector: &str, contains: &str) {
    let mut told = Instant::now();
    while !text(client, selector).await.contains(contains) {
        if told.elapsed() > PATIENCE {
            told = Instant::now();
            let url = client.current_url().await;
            let shown = client.execute("return document.body.innerText", vec![]).await;
            eprintln!("{selector} is waited for to contain {contains:?}; {url:?} shows {shown:#?}");
        }
        support::look_again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_is_submitted_and_its_digest_appears() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    client.goto(&format!("http://{}/", hive.http)).await.unwrap();
    until(client, "h1", "No drones yet").await;
    client.find(Locator::Id("text")).await.unwrap().send_keys(WORD).await.unwrap();
    client.find(Locator::Id("submit-button")).await.unwrap().click().await.unwrap();
    until(client, "h1", "Task 1").await;
    until(client, "main", "pending").await;
    let worker = hive.worker("maja");
    until(client, "main", DIGEST).await;
    client.goto(&format!("http://{}/admin", hive.http)).await.unwrap();
    until(client, "#drones", "maja").await;
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_is_alive() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    client.goto(&format!("http://{}/admin", hive.http)).await.unwrap();
    until(client, "#live", "Live").await;
    let worker = hive.worker("willi");
    until(client, "#drones", "willi").await;
    client.find(Locator::Id("text")).await.unwrap().send_keys("half a thought").await.unwrap();
    hive.compute(json!({ "input": "<b>bold</b>", "name": "<script>alert(1)</script>" })).await;
    until(client, "#tasks", "<script>alert(1)</script>").await;
    until(client, "#tasks", "done").await;
    let kept = client.execute("return document.getElementById('text').value", vec![]).await.unwrap();
    assert_eq!(kept, "half a thought", "what a user is typing stays");
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_paused_and_changed() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let task = hive.submit_lines("", &[WORD.to_owned()]).await;
    client.goto(&format!("http://{}/admin/tasks/{task}", hive.http)).await.unwrap();
    until(client, "#live", "Live").await;
    client.find(Locator::Css("#pause button")).await.unwrap().click().await.unwrap();
    until(client, "#state", "paused").await;
    until(client, "#live", "Live").await;
    client.find(Locator::Css("#amend summary")).await.unwrap().click().await.unwrap();
    client.find(Locator::Id("name")).await.unwrap().send_keys("half a name").await.unwrap();
    let path = format!("/tasks/{task}");
    hive.send("PATCH", &path, &[("content-type", "application/json")], r#"{"priority":5}"#).await;
    until(client, "main", "Priority5").await;
    let kept = "return [document.getElementById('name').value, document.getElementById('amend').open]";
    let kept = client.execute(kept, vec![]).await.unwrap();
    assert_eq!(kept, json!(["half a name", true]), "what a user is typing stays");
    client.find(Locator::Css("#amend button")).await.unwrap().click().await.unwrap();
    until(client, "h1", "half a name").await;
    hive.send("POST", &format!("{path}/resume"), &[], "").await;
    until(client, "#state", "pending").await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_is_estimated_and_finds() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let worker = hive.worker("maja");
    client.goto(&format!("http://{}/admin/search", hive.http)).await.unwrap();
    let fill = async |id: &str, text: &str| {
        client.find(Locator::Id(id)).await.unwrap().send_keys(text).await.unwrap();
    };
    fill("mask", "bee?").await;
    until(client, "#estimate", "nothing stands behind the last `?`").await;
    fill("mask", "l?d").await;
    until(client, "#estimate", "260 candidates").await;
    let digest = const_hex::encode(Sha256::digest("beez7"));
    fill("targets", &digest).await;
    client.find(Locator::Css("button.main")).await.unwrap().click().await.unwrap();
    until(client, "h1", "Task 1").await;
    until(client, "#results", "beez7").await;
    until(client, "#coverage", "maja").await;
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

/// Everybody can use the page that is open: axe finds nothing, and nothing is wider than the screen.
async fn check_page(client: &Client, width: u32, scheme: &str) {
    let path = client.current_url().await.unwrap();
    client.execute(AXE, vec![]).await.unwrap();
    let run = "const done = arguments[arguments.length - 1]; axe.run().then(found => done(found.violations), error => done(String(error)))";
    let violations = client.execute_async(run, vec![]).await.unwrap();
    assert_eq!(violations, json!([]), "{path} at {width} in {scheme}");
    check_width(client, width).await;
}

/// Nothing is wider than the screen.
async fn check_width(client: &Client, width: u32) {
    let path = client.current_url().await.unwrap();
    let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    let wide = client.execute(wide, vec![]).await.unwrap();
    assert_eq!(wide, json!(0), "{path} is wider than {width}");
}

async fn check_pages(width: u32, scheme: &str) {
    let Some(browser) = browser(width, scheme).await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let address = hive.http;
    let visit = async |path: &str| {
        client.goto(&format!("http://{address}{path}")).await.unwrap();
        check_page(client, width, scheme).await;
    };
    visit("/admin").await;
    let worker = hive.worker("a-drone-with-quite-a-long-name-as-they-come");
    hive.compute(json!({ "inputs": ["a", "x".repeat(2000), "tab\tand\nline"], "name": "a task" })).await;
    let long = hive.submit_endless("").await;
    hive.until(long, |view: &Value| view["state"] == "running").await;
    hive.compute(json!({
        "kind": "search", "space": { "masks": ["?l?l?l", "ab,?1?1"] }, "prefix": "<b>", "digest_prefix": "00",
        "stop": "never", "priority": 1, "name": "a search",
    }))
    .await;
    for path in [
        "/admin",
        "/admin/search",
        "/admin/tasks",
        "/admin/tasks/1",
        "/admin/tasks/2",
        "/admin/tasks/3",
        "/admin/drones",
        "/admin/drones/1",
        "/admin/drones?sort=-rate&name=a-drone",
        "/admin/drones?name=nobody",
        "/admin/stream",
        "/admin/stream?window=15m&name=a-drone",
        "/admin/stream?name=nobody",
        "/admin/tasks/99",
        "/admin/access",
        "/admin/log",
        "/admin/log?who=nobody",
    ] {
        visit(path).await;
    }
    hive.send("POST", "/tasks/2/pause", &[], "").await;
    visit("/admin/tasks/2").await;
    client.goto(&format!("http://{address}/admin/stream")).await.unwrap();
    until(client, "#legend", "tasks paused").await;
    check_page(client, width, scheme).await;
    hive.send("POST", "/tasks/2/cancel", &[], "").await;
    for path in [
        "/admin/tasks/2",
        "/admin/tasks?state=cancelled",
        "/admin/tasks?name=a&kind=digest&sort=-ended",
        "/admin/tasks?name=nobody",
    ] {
        visit(path).await;
    }
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_accessible_in_light() {
    check_pages(1280, "light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_accessible_in_dark() {
    check_pages(1280, "dark").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_fit_a_phone() {
    check_pages(360, "light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filters_fields_stand_in_line() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let visit = async |path: &str| client.goto(&format!("http://{}{path}", hive.http)).await.unwrap();
    let tops = "const tops = (part) => new Set([...document.querySelectorAll(`.field ${part}`)]
        .map((one) => Math.round(one.getBoundingClientRect().top))).size;
        return [tops('label'), tops(':is(input, select)')]";
    for (path, rows) in [("/admin/log?target=drone+1", 1), ("/admin/tasks?owner=x", 2)] {
        visit(path).await;
        // A page may be laid out once more when the browser's window gets its width.
        while client.execute(tops, vec![]).await.unwrap() != json!([rows, rows]) {
            support::look_again().await;
        }
    }
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}
