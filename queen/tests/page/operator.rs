//! What an operator does with the page.

use std::io::Write as _;

use fantoccini::Locator;
use serde_json::json;

use super::support::{Hive, config};
use super::{browser, check_page, until};

/// Three lines, compressed with gzip.
const PACKED: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\xcf\x4b\xe5\x2a\x29\xcf\xe7\x2a\xc9\x28\x4a\x4d\xe5\x02\x00\xb6\xd5\xe6\x25\x0e\x00\x00\x00";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_has_in_it_is_told_before_it_is_sent() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let worker = hive.worker("maja");
    hive.until_drones(1).await;
    let client = &browser.client;
    client.goto(&format!("http://{}/admin", hive.http)).await.unwrap();
    let button = async || client.find(Locator::Id("submit-button")).await.unwrap().rectangle().await.unwrap();
    let stood = button().await;
    client.find(Locator::Id("text")).await.unwrap().send_keys("honey\nwax").await.unwrap();
    until(client, "#preview-text", "2 strings, less than a second").await;
    assert_eq!(button().await, stood, "what appears by itself moves it not");
    client.find(Locator::Id("text")).await.unwrap().clear().await.unwrap();
    let mut file = tempfile::Builder::new().suffix(".gz").tempfile().unwrap();
    file.write_all(PACKED).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    client.find(Locator::Id("file")).await.unwrap().send_keys(&path).await.unwrap();
    until(client, "#preview-text", "3 strings, less").await;
    until(client, "#preview-lines", "one\ntwo\nthree").await;
    client.find(Locator::Id("submit-button")).await.unwrap().click().await.unwrap();
    until(client, "h1", "Task 1").await;
    // Of `three`, by sha256sum.
    until(client, "main", "8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f").await;
    worker.leave().await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_told_beside_its_field_until_it_is_mended() {
    let Some(browser) = browser(360, "dark").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    client.goto(&format!("http://{}/admin", hive.http)).await.unwrap();
    until(client, "#live", "Live").await;
    let field = async |id: &str| client.find(Locator::Id(id)).await.unwrap();
    field("algorithm").await.select_by_value("pbkdf2-hmac-sha256").await.unwrap();
    field("iterations").await.send_keys("1").await.unwrap();
    field("text").await.send_keys("honey").await.unwrap();
    field("submit-button").await.click().await.unwrap();
    until(client, "#salt-error", "this algorithm needs the salt, or the salt in hexadecimal").await;
    let told = "return [document.activeElement.id, document.activeElement.getAttribute('aria-describedby'), \
                document.getElementById('submit-error').hidden]";
    assert_eq!(client.execute(told, vec![]).await.unwrap(), json!(["salt", "salt-error", true]));
    check_page(client, 360, "dark").await;
    field("salt").await.send_keys("s").await.unwrap();
    let left = "return document.querySelectorAll('.fault, [aria-invalid]').length";
    assert_eq!(client.execute(left, vec![]).await.unwrap(), json!(0));
    field("submit-button").await.click().await.unwrap();
    until(client, "h1", "Task 1").await;
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_is_found_and_disconnected() {
    let Some(browser) = browser(1280, "light").await else { return };
    let hive = Hive::start().await;
    let workers = [hive.worker("maja"), hive.worker("willy")];
    hive.until_drones(2).await;
    let client = &browser.client;
    client.goto(&format!("http://{}/admin/drones", hive.http)).await.unwrap();
    until(client, "#drones", "willy").await;
    client.find(Locator::Id("name")).await.unwrap().send_keys("MAJ\n").await.unwrap();
    until(client, "nav.filter", "All 1").await;
    client.find(Locator::Css("#drones tbody a")).await.unwrap().click().await.unwrap();
    until(client, "h1", "maja").await;
    let connections = "return document.querySelector('#disconnect') !== null";
    assert_eq!(client.execute(connections, vec![]).await.unwrap(), json!(true));
    client.find(Locator::Css("#disconnect button")).await.unwrap().click().await.unwrap();
    client.find(Locator::Id("confirm-yes")).await.unwrap().click().await.unwrap();
    // Its program runs, so that it is back at once.
    let view = async || hive.drone("maja").await;
    while view().await["connections"] != 2 {
        super::support::look_again().await;
    }
    for worker in workers {
        worker.leave().await;
    }
    browser.client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_told_until_another_page_comes() {
    let Some(browser) = browser(360, "dark").await else { return };
    let hive = Hive::start().await;
    let client = &browser.client;
    let task = hive.submit_lines("", &["honey".to_owned()]).await;
    client.goto(&format!("http://{}/admin/tasks/{task}", hive.http)).await.unwrap();
    client.find(Locator::Css("#pause button")).await.unwrap().click().await.unwrap();
    until(client, "#told", "Task 1 was paused.").await;
    until(client, "#live", "Live").await;
    check_page(client, 360, "dark").await;
    // The page reads itself again, and tells it still.
    hive.send("POST", &format!("/tasks/{task}/resume"), &[], "").await;
    until(client, "#state", "pending").await;
    until(client, "#told", "Task 1 was paused.").await;
    client.refresh().await.unwrap();
    until(client, "#state", "pending").await;
    let told = client.execute("return document.getElementById('told')", vec![]).await.unwrap();
    assert_eq!(told, json!(null), "it was told once");
    client.clone().close().await.unwrap();
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_that_the_queen_is_away_and_was_started_anew() {
    let Some(browser) = browser(360, "light").await else { return };
    let hive = Hive::start().await;
    let (client, http) = (&browser.client, hive.http);
    client.goto(&format!("http://{http}/admin")).await.unwrap();
    until(client, "#live", "Live").await;
    hive.stop().await;
    until(client, "#away:not([hidden])", "The Queen cannot be reached since").await;
    check_page(client, 360, "light").await;
    let hive = Hive::start_at(config(), http).await;
    until(client, "#anew:not([hidden])", "The Queen was started anew at").await;
    until(client, "#live", "Live").await;
    until(client, "#away[hidden]", "").await;
    check_page(client, 360, "light").await;
    client.goto(&format!("http://{http}/admin/tasks")).await.unwrap();
    until(client, "#anew:not([hidden])", "started anew at").await;
    client.find(Locator::Id("anew-close")).await.unwrap().click().await.unwrap();
    client.goto(&format!("http://{http}/admin")).await.unwrap();
    until(client, "#live", "Live").await;
    until(client, "#anew[hidden]", "").await;
    client.clone().close().await.unwrap();
    hive.stop().await;
}
