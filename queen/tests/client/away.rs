//! The Queen is killed at the worst moments, and started again.

use std::fs;
use std::io::Read;

use web::model::TaskList;

use super::support::look_again;
use super::{Client, Hive, lines, numbers, sums};

#[tokio::test]
async fn a_submission_survives_and_is_one_task() {
    let mut hive = Hive::on("127.0.0.81");
    let inputs = numbers(2_000_000);
    let path = hive.path("inputs");
    fs::write(&path, lines(&inputs)).unwrap();
    let mut client = Client::start(&mut hive.client(&["submit", path.to_str().unwrap(), "--wait"]));
    drop(client.input());
    let bulk = hive.path("data").join("bulk");
    // Some of it has arrived, and lies in a file.
    let has_some = || {
        let files = fs::read_dir(&bulk).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).any(|metadata| metadata.len() >= 1 << 20)
    };
    while !has_some() {
        look_again().await;
    }
    hive.kill();
    hive.restart();
    let _drone = hive.drone("maja");
    assert!(client.said() == sums(inputs.iter().map(String::as_str)));
    assert_eq!(hive.json::<TaskList>(&["tasks", "-o", "json"]).tasks.len(), 1);
}

#[test]
fn a_wait_survives() {
    let mut hive = Hive::on("127.0.0.82");
    let mut client = Client::start(&mut hive.client(&["submit", "--wait", "--progress", "lines", "--input", "honey"]));
    client.until_said("no drone is connected");
    hive.kill();
    hive.restart();
    let _drone = hive.drone("maja");
    assert_eq!(client.said(), sums(["honey"]));
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let mut hive = Hive::on("127.0.0.83");
    let drone = hive.drone("maja");
    let inputs = numbers(600_000);
    let path = hive.path("inputs");
    fs::write(&path, lines(&inputs)).unwrap();
    hive.done(&["submit", path.to_str().unwrap()]);
    hive.done(&["watch", "last"]);
    // Far more than sockets and pipes hold, so that she cannot have sent all of it.
    let mut command = hive.client(&["results", "last", "--wait"]);
    let mut client = Client::start(&mut command);
    drop(client.input());
    let mut output = client.0.stdout.take().unwrap();
    let mut beginning = vec![0; 100_000];
    output.read_exact(&mut beginning).unwrap();
    hive.kill();
    hive.restart();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(client.end().status.code(), Some(0));
    assert!(String::from_utf8(beginning).unwrap() + &rest == sums(inputs.iter().map(String::as_str)));
    drop(drone);
}

#[test]
fn a_watch_goes_on() {
    let mut hive = Hive::on("127.0.0.84");
    hive.done(&["submit", "--input", "honey"]);
    let mut client = Client::start(&mut hive.client(&["watch", "1"]));
    let mut output = client.0.stdout.take().unwrap();
    // How it is when the watch begins.
    let mut first = [0; 20];
    output.read_exact(&mut first).unwrap();
    hive.kill();
    hive.restart();
    let _drone = hive.drone("maja");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(client.end().status.code(), Some(0));
    assert!(rest.contains("task 1 is done"), "{rest}");
}
