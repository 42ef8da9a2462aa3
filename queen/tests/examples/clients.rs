//! The clients of the API.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::support::programs::{Program, drone, output};
use super::{Hive, example, numbers, sums};

fn start_drone(hive: &Hive) -> Program {
    let mut drone = drone();
    drone.args(["--queen", &hive.drones.to_string(), "--name", "maja", "--threads", "1", "--join"]);
    Program::start(drone.arg(hive.path("hive.join")))
}

fn sha256(word: &[u8]) -> [u8; 32] {
    Sha256::digest(word).into()
}

/// A running client.
fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// All of its output, and how it ended, when this was its input.
fn run(command: &mut Command, input: &str) -> (Option<i32>, String, String) {
    let mut child = spawn(command);
    // What is refused is not read to its end.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    end(child)
}

fn end(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

/// A row of NDJSON for each of these lines.
fn rows(lines: &[String]) -> Vec<Value> {
    let row = |(index, line): (usize, &String)| serde_json::json!({ "index": index, "input": line, "digest": const_hex::encode(sha256(line.as_bytes())) });
    lines.iter().enumerate().map(row).collect()
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn submit_sh_prints_what_sha256sum_would() {
    let hive = Hive::start("127.0.0.100");
    let drone = start_drone(&hive);
    let words = numbers(3_000);
    let text = words.join("\n");
    let (code, said, error) = run(hive.client("submit.sh").args(["-", "name=a b&c", "priority=5"]), &text);
    assert!(code == Some(0) && said == sums(&words, sha256), "{error}");
    assert_eq!((&hive.get("/tasks/1")["name"], &hive.get("/tasks/1")["priority"]), (&"a b&c".into(), &5.into()));
    let file = hive.write("words", &text);
    let (code, said, error) = output(hive.client("submit.sh").arg(file).arg("algorithm=sha256d"));
    assert!(code == Some(0) && said == sums(&words, |word| sha256(&sha256(word))), "{error}");
    drop(drone);
}

#[test]
fn submit_sh_says_by_its_exit_code_what_went_wrong() {
    let hive = Hive::start("127.0.0.101");
    let outcome = |command: &mut Command| {
        let (code, said, error) = run(command, "honey\n");
        assert_eq!((said.as_str(), error.lines().count()), ("", 1), "{error}");
        (code, error)
    };
    for wrong in [&[][..], &["-", "nonsense"], &["/nowhere/words"]] {
        assert_eq!(outcome(hive.client("submit.sh").args(wrong)).0, Some(2), "{wrong:?}");
    }
    let (code, error) = outcome(hive.client("submit.sh").args(["-", "encoding=hex"]));
    assert!(code == Some(4) && error.contains("hexadecimal"), "{error}");
    let nobody = hive.write("nobody.token", "hive_1_guessed");
    let (code, error) = outcome(hive.client("submit.sh").env("HIVE_TOKEN_FILE", &nobody).arg("-"));
    assert!(code == Some(4) && error.contains("401"), "{error}");
    let mut away = hive.client("submit.sh");
    let free = std::net::TcpListener::bind("127.0.0.102:0").unwrap().local_addr().unwrap();
    away.env("HIVE_URL", format!("http://{free}")).env("HIVE_PATIENCE", "1").arg("-");
    assert_eq!(outcome(&mut away).0, Some(3));
    // There is no Drone, so that it waits until it is cancelled.
    let mut waiting = spawn(hive.client("submit.sh").arg("-"));
    waiting.stdin.take().unwrap().write_all(b"honey").unwrap();
    while hive.get("/tasks")["tasks"].as_array().unwrap().is_empty() {}
    hive.curl(&["--request", "POST"], "/tasks/1/cancel");
    let (code, _, error) = end(waiting);
    assert!(code == Some(1) && error.contains("cancelled"), "{error}");
}

#[test]
fn client_py_prints_results_as_they_come() {
    let hive = Hive::start("127.0.0.103");
    let mut watching = spawn(hive.client("client.py").arg("--watch"));
    let mut events = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    let drone = start_drone(&hive);
    let words = numbers(25_000);
    let (code, said, error) = run(hive.client("client.py").args(["--option", "name=bees"]), &words.join("\n"));
    assert!(code == Some(0) && parsed(&said) == rows(&words), "{error}");
    // Nobody knows when it has begun to watch.
    let is_told = |line: String| line.contains(r#""name": "wax""#) && line.contains(r#""state": "done""#);
    let told = std::thread::spawn(move || events.any(is_told));
    while !told.is_finished() {
        hive.until_done(hive.submit("?name=wax", &words[..1]));
    }
    assert!(told.join().unwrap());
    watching.kill().unwrap();
    watching.wait().unwrap();
    let (code, said, error) = run(hive.client("client.py").args(["--option", "encoding=hex"]), "00\nxx\n");
    assert!(code == Some(4) && said.is_empty() && error.contains("line 2") && error.contains("422"), "{error}");
    let (code, _, error) = run(hive.client("client.py").env_remove("HIVE_TOKEN_FILE").arg("-"), "honey");
    assert!(code == Some(4) && error.contains("401"), "{error}");
    let (code, _, error) = run(hive.client("client.py").env("HIVE_URL", "hive.example").arg("-"), "honey");
    assert!(code == Some(2) && error.contains("HIVE_URL"), "{error}");
    let (code, _, error) = run(hive.client("client.py").env_remove("HIVE_CA").arg("-"), "honey");
    assert!(code == Some(3) && error.contains("certificate verify failed"), "{error}");
    drop(drone);
}

#[test]
fn a_killed_queen_costs_them_nothing_but_time() {
    let mut hive = Hive::start("127.0.0.104");
    let words = numbers(2_000);
    let clients = ["client.py", "submit.sh"].map(|client| {
        let mut client = spawn(hive.client(client).arg("-"));
        client.stdin.take().unwrap().write_all(words.join("\n").as_bytes()).unwrap();
        client
    });
    while hive.get("/tasks")["tasks"].as_array().unwrap().len() < clients.len() {}
    hive.kill_queen();
    // One more is there before she is.
    let mut early = spawn(hive.client("client.py").arg("-"));
    early.stdin.take().unwrap().write_all(words.join("\n").as_bytes()).unwrap();
    hive.start_queen();
    let drone = start_drone(&hive);
    let [client, submit] = clients.map(end);
    assert!(client.0 == Some(0) && parsed(&client.1) == rows(&words), "{}", client.2);
    assert!(submit.0 == Some(0) && submit.1 == sums(&words, sha256), "{}", submit.2);
    let early = end(early);
    assert!(early.0 == Some(0) && parsed(&early.1) == rows(&words), "{}", early.2);
    assert_eq!(hive.get("/stats")["tasks"]["done"], 3);
    drop(drone);
}

#[test]
fn pipeline_sh_replaces_a_column() {
    let hive = Hive::start("127.0.0.105");
    let drone = start_drone(&hive);
    let key = hive.write("key", "pepper\n");
    let pseudonym = |word: &str| {
        let mac = Hmac::<Sha256>::new_from_slice(b"pepper").unwrap().chain_update(word);
        const_hex::encode(mac.finalize().into_bytes())
    };
    let table = "1\tMaja@hive.example\tgold\n2\twilli@hive.example\t\n3\tmaja@hive.example\tblue and red\n";
    let (maja, willi) = (pseudonym("maja@hive.example"), pseudonym("willi@hive.example"));
    let right = format!("1\t{maja}\tgold\n2\t{willi}\t\n3\t{maja}\tblue and red\n");
    let (code, said, error) = run(hive.client("pipeline.sh").arg(&key).arg("2"), table);
    assert_eq!((code, said), (Some(0), right), "{error}");
    let (code, said, error) = run(hive.client("pipeline.sh").arg(&key).arg("4"), table);
    assert!(code == Some(1) && said.is_empty() && error.contains("4 columns"), "{error}");
    let (code, _, error) = run(hive.client("pipeline.sh").arg(&key), table);
    assert!(code == Some(1) && error.contains("usage"), "{error}");
    let mut open = example("pipeline.sh");
    let (code, _, error) = run(open.env("HIVE_URL", "http://127.0.0.106:1").arg(&key).arg("2"), table);
    assert!(code == Some(1) && error.contains("did not take it"), "{error}");
    drop(drone);
}
