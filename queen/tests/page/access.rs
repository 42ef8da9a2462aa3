//! Logging in, saying who may do what, and pages of other sites, in a real browser.

use std::net::SocketAddr;

use fantoccini::Locator;
use queen::Config;
use queen::store::Location;
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Hive, config};
use crate::{Browser, browser, check_page, until};

/// A Hive that needs a token, and one that may do everything.
async fn closed() -> (TempDir, Hive, String) {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(Location::new(folder.path().to_owned()));
    let hive = Hive::start_with(Config { data, ..config() }).await;
    let json = [("content-type", "application/json")];
    let made = hive.send("POST", "/tokens", &json, r#"{"name":"admin","scopes":["admin"]}"#).await;
    let token = made.json()["token"].as_str().unwrap().to_owned();
    (folder, hive, token)
}

async fn click(browser: &Browser, selector: &str) {
    browser.client.wait().for_element(Locator::Css(selector)).await.unwrap().click().await.unwrap();
}

async fn fill(browser: &Browser, selector: &str, text: &str) {
    browser.client.wait().for_element(Locator::Css(selector)).await.unwrap().send_keys(text).await.unwrap();
}

async fn log_in(browser: &Browser, hive: &Hive, token: &str) {
    browser.client.goto(&format!("http://{}/admin", hive.http)).await.unwrap();
    until(&browser.client, "h1", "Log in").await;
    fill(browser, "#token", token).await;
    click(browser, ".login button").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_in_says_who_may_do_what() {
    for (width, scheme) in [(1280, "light"), (360, "dark")] {
        let Some(browser) = browser(width, scheme).await else { return };
        let (_folder, hive, token) = closed().await;
        let client = &browser.client;
        log_in(&browser, &hive, "hive_1_wrong").await;
        until(client, "#token-error", "not valid").await;
        check_page(client, width, scheme).await;
        fill(&browser, "#token", &token).await;
        click(&browser, ".login button").await;
        until(client, "h1", "No drones yet").await;
        check_page(client, width, scheme).await;
        client.goto(&format!("http://{}/admin/access", hive.http)).await.unwrap();
        check_page(client, width, scheme).await;
        fill(&browser, "#new-token #name", "ci").await;
        click(&browser, "#new-token input[value=read]").await;
        click(&browser, "#new-token button").await;
        until(client, "main", "hive_2_").await;
        check_page(client, width, scheme).await;
        client.goto(&format!("http://{}/admin/log", hive.http)).await.unwrap();
        until(client, "main", "create-token").await;
        check_page(client, width, scheme).await;
        click(&browser, "form[action='/logout'] button").await;
        until(client, "h1", "Log in").await;
        client.goto(&format!("http://{}/admin/access", hive.http)).await.unwrap();
        until(client, "h1", "Log in").await;
        client.clone().close().await.unwrap();
        hive.stop().await;
    }
}

/// Serves one page to everybody, from another origin.
async fn foreign(page: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
            let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len());
            // A browser opens more connections than it needs, and asks for nothing on some of them.
            tokio::spawn(async move {
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(answer.as_bytes()).await;
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn another_sites_page_changes_nothing() {
    let Some(browser) = browser(1280, "light").await else { return };
    let (_folder, hive, token) = closed().await;
    let client = &browser.client;
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    assert_eq!(hive.send("POST", "/tasks", &headers, r#"{"input":"honey"}"#).await.status, 201);
    log_in(&browser, &hive, &token).await;
    until(client, "h1", "Work waits").await;
    let form = |path: &str, fields: &str| {
        format!(
            "<!doctype html><form method=post action='http://{}{path}'>{fields}<button id=go>Go</button></form>",
            hive.http
        )
    };
    let login = format!("<input name=token value='{token}'>");
    for page in [form("/admin/tasks/1/cancel", ""), form("/logout", ""), form("/login", &login)] {
        let address = foreign(page).await;
        // Another origin of the same site, with whose requests the cookie comes, and another site.
        for host in ["127.0.0.1", "localhost"] {
            client.goto(&format!("http://{host}:{}/", address.port())).await.unwrap();
            click(&browser, "#go").await;
            until(client, "body", "another site").await;
        }
    }
    assert_eq!(hive.send("GET", "/tasks/1", &headers, "").await.json()["state"], "pending");
    client.goto(&format!("http://{}/admin", hive.http)).await.unwrap();
    until(client, "h1", "Work waits").await;
    let cookie = client.execute("return document.cookie", vec![]).await.unwrap();
    assert_eq!(cookie, json!(""), "no script sees the session");
    client.clone().close().await.unwrap();
    hive.stop().await;
}
