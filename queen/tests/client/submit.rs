//! Inputs from everywhere become the digests that they have.

use std::fs;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use web::model::{CoverageList, TaskState, TaskView, Verify};

use super::{Hive, lines, numbers, piped, sums};

#[test]
fn words_files_and_pipes_are_hashed() {
    let hive = Hive::on("127.0.0.1");
    let _drone = hive.drone("maja");
    assert_eq!(hive.done(&["submit", "--wait", "--input", "honey", "", "b c"]), sums(["honey", "", "b c"]));
    assert_eq!(hive.done(&["results", "last", "--input", ""]), sums([""]));
    let refused = hive.client(&["results", "last", "--digest", ""]).output().unwrap();
    assert!(!refused.status.success() && refused.stdout.is_empty());
    let inputs = numbers(50_000);
    let expected = sums(inputs.iter().map(String::as_str));
    let path = hive.path("inputs");
    fs::write(&path, lines(&inputs)).unwrap();
    let path = path.to_str().unwrap();
    assert!(hive.done(&["submit", path, "--wait"]) == expected);
    let all = lines(&inputs);
    assert!(piped(&mut hive.client(&["submit", "-", "--wait"]), all.as_bytes()) == expected);
    assert!(piped(&mut hive.client(&["submit", "-", "--wait", "--no-retry"]), all.as_bytes()) == expected);
    let mut redirected = hive.client(&["submit", "-", "--wait"]);
    let output = redirected.stdin(fs::File::open(path).unwrap()).output().unwrap();
    assert!(output.stdout == expected.as_bytes());
    let coverage: CoverageList = hive.json(&["coverage", "last", "--output", "json"]);
    let ends: Vec<_> = coverage.spans.iter().map(|span| span.to).collect();
    assert!(
        coverage.spans.iter().map(|span| span.from).eq([0].into_iter().chain(ends.iter().copied()).take(ends.len()))
    );
    assert_eq!((ends.last(), coverage.next), (Some(&50_000), None));
    assert!(coverage.spans.iter().all(|span| span.state.is_done() && span.verdict.is_none()));
    assert_eq!(hive.done(&["results", "last", "--input", "00000007"]), sums(["00000007"]));
    let sum = sums(["00049999"]);
    let digest = sum.split(' ').next().unwrap();
    let ndjson = hive.done(&["results", "last", "--digest", digest, "--format", "ndjson"]);
    assert!(ndjson.starts_with("{\"index\":49999,\"input\":\"00049999\""), "{ndjson}");
    let nothing = hive.client(&["results", "last", "--input", "nothing"]).output().unwrap();
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(5), 0));
    let csv = hive.done(&["results", "last", "--format", "csv", "--offset", "7", "--limit", "2"]);
    let rows: Vec<_> = csv.lines().map(|row| row.split(',').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows, ["index input", "7 00000007", "8 00000008"]);
    let objects = "\"a\\nb\"\n{\"input\":\"c\"}\n";
    let said =
        piped(&mut hive.client(&["submit", "-", "--ndjson", "--wait", "--format", "ndjson"]), objects.as_bytes());
    assert!(said.starts_with("{\"index\":0,\"input\":\"a\\nb\"") && said.ends_with("\"complete\":true}\n"), "{said}");
    assert_eq!(said.lines().count(), 3);
}

#[test]
fn options_arrive() {
    let hive = Hive::on("127.0.0.1");
    let task: TaskView = hive.json(&[
        "submit",
        "--output",
        "json",
        "--kind",
        "digest",
        "--algorithm",
        "pbkdf2-hmac-sha256",
        "--salt-hex",
        "00ff",
        "--iterations",
        "5",
        "--encoding",
        "hex",
        "--name",
        "a & b",
        "--priority",
        "-7",
        "--deadline",
        "2h",
        "--verify",
        "all",
        "--each",
        "task",
        "--input",
        "00",
        "ff",
    ]);
    assert_eq!(
        (&*task.algorithm, task.iterations, task.encoding.unwrap().name()),
        ("pbkdf2-hmac-sha256", Some(5), "hex")
    );
    assert_eq!((task.name.as_deref(), task.priority, task.verify), (Some("a & b"), -7, Verify::All));
    assert_eq!((task.first_task.is_some(), task.total), (true, 2));
    assert_eq!(task.deadline_at.unwrap().0 - task.created_at.0, 7_200_000);
    let changed: TaskView =
        hive.json(&["change", "1", "--name", "c", "--priority", "3", "--deadline", "none", "--output", "json"]);
    assert_eq!((changed.name.as_deref(), changed.priority, changed.deadline_at), (Some("c"), 3, None));
    hive.done(&["pause", "last"]);
    assert_eq!(hive.json::<TaskView>(&["task", "1", "-o", "json"]).state, TaskState::Paused);
    hive.done(&["resume", "last"]);
    hive.done(&["cancel", "last"]);
    assert!(hive.done(&["retry", "1", "--deadline", "1d"]).contains("Task 1 (c) is pending"));
    hive.done(&["cancel", "1"]);
    assert_eq!(hive.done(&["delete", "last"]), "Task 1 is removed\n");
    assert_eq!(hive.done(&["tasks", "--all", "--output", "quiet"]), "");
}

#[test]
fn keys_come_from_files_and_the_environment() {
    let hive = Hive::on("127.0.0.1");
    let _drone = hive.drone("maja");
    let keyed = |key: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update("honey");
        format!("{}  honey\n", const_hex::encode(mac.finalize().into_bytes()))
    };
    let (short, long) = (b"secret".to_vec(), vec![0xfe; 60_000]);
    fs::write(hive.path("key"), "secret\n").unwrap();
    fs::write(hive.path("long"), const_hex::encode(&long)).unwrap();
    let submit = ["submit", "--algorithm", "hmac-sha256", "--wait", "--input", "honey"];
    let with = |option: &str, name: &str| {
        let path = hive.path(name);
        hive.done(&[submit.as_slice(), &[option, path.to_str().unwrap()]].concat())
    };
    assert_eq!(with("--key-file", "key"), keyed(&short));
    assert_eq!(with("--key-hex-file", "long"), keyed(&long), "a form has room for it");
    let mut command = hive.client(&submit);
    let output = command.env("HIVE_KEY", "secret").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), keyed(&short));
    let output = hive.client(&submit).output().unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && complaint.contains("--key-file"), "{complaint}");
}
