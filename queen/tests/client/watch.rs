//! What happens, told as it happens.

use std::io::Read;

use super::{Client, Hive};

#[test]
fn a_task_of_a_batch_is_watched_to_its_end() {
    let hive = Hive::on("127.0.0.1");
    hive.done(&["submit", "--each", "task", "--input", "honey", "wax", "bread"]);
    let mut client = Client::start(&mut hive.client(&["watch", "3"]));
    let mut output = client.0.stdout.take().unwrap();
    // How it is when the watch begins.
    let mut first = [0; 20];
    output.read_exact(&mut first).unwrap();
    let _drone = hive.drone("maja");
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(client.end().status.code(), Some(0));
    assert!(rest.contains("task 3 is done"), "{rest}");
}

#[test]
fn a_task_ends_with_its_batch() {
    let hive = Hive::on("127.0.0.1");
    hive.done(&["submit", "--each", "task", "--input", "honey", "wax"]);
    let mut client = Client::start(&mut hive.client(&["watch", "3"]));
    client.0.stdout.as_mut().unwrap().read_exact(&mut [0; 20]).unwrap();
    hive.done(&["cancel", "1"]);
    let output = client.end();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}
