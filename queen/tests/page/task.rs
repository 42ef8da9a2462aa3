//! A task's page: what has become of its parts, and what it offers.

use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::support::Hive;
use crate::{browser, check_page, text, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_honeycomb_tells_what_a_cell_is() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let worker = hive.worker("maja");
    hive.compute(json!({ "inputs": (0..3000).map(|input| input.to_string()).collect::<Vec<_>>() })).await;
    let long = hive.submit_endless("").await;
    hive.until(long, |view: &Value| view["state"] == "running").await;
    client.goto(&format!("http://{}/admin/tasks/1", hive.http)).await.unwrap();
    until(client, "#live", "Live").await;
    let cursor = client.find(Locator::Css(".honeycomb.wide .cursor")).await.unwrap();
    let press = async |key: char| cursor.send_keys(&key.to_string()).await.unwrap();
    press(Key::Right.into()).await;
    assert_eq!(text(client, "#honeycomb-cell").await, "Strings 1 to 2: done: maja");
    press(Key::End.into()).await;
    assert_eq!(text(client, "#honeycomb-cell").await, "Strings 2,998 to 2,999: done: maja");
    let told = "return document.activeElement.getAttribute('aria-valuetext')";
    assert_eq!(client.execute(told, vec![]).await.unwrap(), "Strings 2,998 to 2,999: done: maja");
    // A cell is pointed at: the first one of the second row.
    let point = "const comb = document.querySelector('.honeycomb.wide .comb'), box = comb.getBoundingClientRect(); \
                 comb.dispatchEvent(new MouseEvent('click', { bubbles: true, clientX: box.left + box.width * 10 / 805, \
                 clientY: box.top + box.height * 15 / 228 }))";
    client.execute(point, vec![]).await.unwrap();
    assert_eq!(text(client, "#honeycomb-cell").await, "String 120: done: maja");
    check_page(client, 1280, "light").await;
    client.goto(&format!("http://{}/admin/tasks/{long}", hive.http)).await.unwrap();
    until(client, "#leased", "leased").await;
    until(client, "#leased", "maja").await;
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_found_and_copied() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let worker = hive.worker("maja");
    hive.compute(json!({ "inputs": (0..3000).map(|input| input.to_string()).collect::<Vec<_>>() })).await;
    client.goto(&format!("http://{}/admin/tasks/1", hive.http)).await.unwrap();
    client.find(Locator::Id("find")).await.unwrap().send_keys("2999").await.unwrap();
    client.find(Locator::Css(".find button")).await.unwrap().click().await.unwrap();
    until(client, "#found", "1 of 3,000 results matches.").await;
    client.find(Locator::Css("[data-copy='digest-2999']")).await.unwrap().click().await.unwrap();
    until(client, "[data-copy='digest-2999']", "ed").await;
    check_page(client, 1280, "light").await;
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_cloned_in_the_form() {
    let Some(browser) = browser(360, "dark").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let worker = hive.worker("maja");
    hive.compute(json!({ "algorithm": "hmac-sha256", "key": "k", "inputs": ["one", "two"], "name": "pair" })).await;
    client.goto(&format!("http://{}/admin/tasks/1", hive.http)).await.unwrap();
    client.find(Locator::Id("clone")).await.unwrap().click().await.unwrap();
    until(client, "#missing", "Give the key again").await;
    check_page(client, 360, "dark").await;
    let typed = "return [document.getElementById('text').value, document.getElementById('name').value]";
    assert_eq!(client.execute(typed, vec![]).await.unwrap(), json!(["one\ntwo\n", "pair"]));
    client.find(Locator::Id("key")).await.unwrap().send_keys("k").await.unwrap();
    client.find(Locator::Id("submit-button")).await.unwrap().click().await.unwrap();
    until(client, "h1", "Task 2").await;
    let digests = "return [...document.querySelectorAll('.digest > span')].map((digest) => digest.textContent)";
    until(client, "#results", "two").await;
    let again = client.execute(digests, vec![]).await.unwrap();
    client.goto(&format!("http://{}/admin/tasks/1", hive.http)).await.unwrap();
    assert_eq!(client.execute(digests, vec![]).await.unwrap(), again);
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}
