//! Exit codes, and what is said with them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::support::programs::output;
use super::{Client, Hive, lines, numbers};

/// The exit code of a client, and its complaint.
fn exit(hive: &Hive, arguments: &[&str]) -> (Option<i32>, String) {
    let (code, said, complaint) = output(&mut hive.client(arguments));
    assert_eq!(said, "", "{arguments:?}");
    (code, complaint)
}

#[test]
fn each_kind_of_failure_has_its_exit_code() {
    let hive = Hive::on("127.0.0.1");
    assert_eq!(exit(&hive, &["tasks", "--output", "quiet"]), (Some(0), String::new()));
    let code = |arguments: &[&str]| exit(&hive, arguments).0;
    assert_eq!(code(&["results", "first"]), Some(2));
    assert_eq!(code(&["submit"]), Some(2));
    assert_eq!(code(&["submit", "/nowhere/at/all"]), Some(2));
    assert_eq!(code(&["tasks", "--profile", "none"]), Some(2));
    let (code, complaint) = exit(&hive, &["task", "99"]);
    assert!(code == Some(4) && complaint.contains("there is no task 99"), "{complaint}");
    let (code, complaint) = exit(&hive, &["results", "last"]);
    assert!(code == Some(4) && complaint.contains("no task yet"), "{complaint}");
    // Nobody listens behind a port that was given back.
    let closed = TcpListener::bind("127.0.0.85:0").unwrap().local_addr().unwrap();
    let (code, complaint) = exit(&hive, &["stats", "--no-retry", "--url", &format!("http://{closed}")]);
    assert!(code == Some(3) && complaint.contains("nobody listens there"), "{complaint}");
    // A label of a name has at most 63 characters, so that nobody has to be asked for this one.
    let mistyped = format!("http://{}.invalid:1", "x".repeat(64));
    let (code, complaint) = exit(&hive, &["watch", "--url", &mistyped]);
    assert!(code == Some(3) && complaint.contains("is not found"), "{complaint}");
    let (code, said, complaint) = output(hive.client(&["tasks"]).env("HIVE_URL", "nonsense"));
    assert!(code == Some(2) && said.is_empty() && complaint.contains("HIVE_URL"), "{complaint}");
}

#[test]
fn a_task_that_is_cancelled_while_it_is_waited_for_is_a_failure() {
    let hive = Hive::on("127.0.0.1");
    let mut client = Client::start(&mut hive.client(&["submit", "--wait", "--progress", "lines", "--input", "honey"]));
    client.until_said("no drone is connected");
    hive.done(&["cancel", "last"]);
    let output = client.end();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("task 1 was cancelled"));
    assert_eq!(exit(&hive, &["results", "last", "--wait"]).0, Some(1));
    assert_eq!(exit(&hive, &["results", "last"]).0, Some(4), "that is refused");
}

#[test]
fn who_stops_waiting_is_told_how_to_go_on() {
    let hive = Hive::on("127.0.0.1");
    let mut client = Client::start(&mut hive.client(&["submit", "--wait", "--progress", "lines", "--input", "honey"]));
    client.until_said("no drone is connected");
    client.signal("-INT");
    let output = client.end();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hive results 1 --wait"));
    let _drone = hive.drone("maja");
    assert!(hive.done(&["results", "1", "--wait"]).ends_with("  honey\n"));
}

#[test]
fn a_wrong_line_in_a_long_file_is_named() {
    let hive = Hive::on("127.0.0.1");
    let mut inputs = numbers(1_500_000);
    inputs[70_000] = "no hexadecimal".to_owned();
    let path = hive.path("inputs");
    std::fs::write(&path, lines(&inputs)).unwrap();
    let (code, complaint) = exit(&hive, &["submit", path.to_str().unwrap(), "--encoding", "hex"]);
    assert!(code == Some(4) && complaint.contains("line 70001: "), "{complaint}");
    assert_eq!(hive.done(&["tasks", "--output", "quiet"]), "");
}

#[test]
fn who_reads_only_the_beginning_ends_it_quietly() {
    let hive = Hive::on("127.0.0.1");
    let _drone = hive.drone("maja");
    let mut client = Client::start(&mut hive.client(&["submit", "-", "--wait", "--progress", "none"]));
    let mut pipe = client.input();
    pipe.write_all(lines(&numbers(300_000)).as_bytes()).unwrap();
    drop(pipe);
    let mut first = String::new();
    BufReader::new(client.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.ends_with("  00000000\n"), "{first}");
    let output = client.end();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), b"".as_slice()));
}
