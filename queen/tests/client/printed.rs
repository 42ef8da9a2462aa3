//! What is printed: JSON as the API has it, events, and what the programs say of themselves.

use std::fs;
use std::process::Command;

use web::model::{Change, DroneList, Overview, TaskState, TaskView};

use super::support::programs::{drone, hive, output, queen};
use super::{Client, Hive};

#[test]
fn json_is_the_apis() {
    let hive = Hive::on("127.0.0.1");
    let mut watched = Client::start(&mut hive.client(&["watch", "--output", "json"]));
    let mut events = std::io::BufRead::lines(std::io::BufReader::new(watched.0.stdout.take().unwrap()));
    // Before it watches, it may be told nothing.
    let drone = hive.drone("maja");
    let mut next = |name: &str| loop {
        let line = events.next().unwrap().unwrap();
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        let read = Change::read(event["event"].as_str().unwrap(), &event["data"].to_string()).unwrap().unwrap();
        if event["event"] == name {
            return read;
        }
    };
    assert!(matches!(next("overview"), Change::Overview(_)));
    let task: TaskView = hive.json(&["submit", "--input", "honey", "--wait", "--output", "json"]);
    assert_eq!((task.id.0, task.state), (1, TaskState::Done));
    assert!(matches!(next("task"), Change::Task(task) if task.id.0 == 1));
    let drones: DroneList = hive.json(&["drones", "--output", "json"]);
    assert_eq!(drones.drones[0].name, "maja");
    assert_eq!(hive.json::<Overview>(&["stats", "-o", "json"]).drones, 1);
    let table = hive.done(&["drones"]);
    assert!(table.starts_with("ID  STATE") && table.contains("maja"), "{table}");
    hive.done(&["pardon", "1"]);
    hive.done(&["drain", "1"]);
    assert_eq!(drone.end().0, Some(0));
    watched.signal("-KILL");
}

/// A command of a program.
type Start = fn() -> Command;

#[test]
fn the_programs_document_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let programs: [(Start, &str, &str); 3] =
        [(hive, "hive", "hive-submit.1"), (queen, "queen", "queen-init.1"), (drone, "drone", "drone-bench.1")];
    for (program, name, page) in programs {
        for shell in ["bash", "zsh", "fish"] {
            let (code, script, complaint) = output(program().args(["completions", shell]));
            assert!(code == Some(0) && script.contains(name) && script.contains("completions"), "{complaint}");
        }
        let (code, said, _) = output(program().arg("man"));
        assert!(code == Some(0) && said.contains(".TH ") && said.contains(name), "{said}");
        let directory = folder.path().join(name);
        assert_eq!(output(program().arg("man").arg(&directory)).0, Some(0));
        for page in [format!("{name}.1"), page.to_owned()] {
            assert!(fs::read_to_string(directory.join(&page)).unwrap().contains(".SH NAME"), "{page}");
        }
    }
}
