//! The clients of the API.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Child, Command, Stdio};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::support::programs::{Program, drone, output};
use super::{Hive, example, numbers, sums, until};

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

/// Waits until so many tasks are accepted.
fn until_tasks(hive: &Hive, count: usize) {
    until(|| hive.get("/tasks")["tasks"].as_array().unwrap().len() >= count);
}

/// The URL of a server that answers everything with this status.
fn always(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().map(Result::unwrap) {
            let answer = format!("HTTP/1.1 {status} So it is\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = client.write_all(answer.as_bytes()).and_then(|()| client.shutdown(Shutdown::Write));
            // What is closed before all is read breaks the answer off as well.
            let _ = std::io::copy(&mut client, &mut std::io::sink());
        }
    });
    url
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
    let free = TcpListener::bind("127.0.0.102:0").unwrap().local_addr().unwrap();
    away.env("HIVE_URL", format!("http://{free}")).env("HIVE_PATIENCE", "1").arg("-");
    let (code, _, error) = run(&mut away, "honey\n");
    assert!(code == Some(3) && error.contains("trying again"), "{error}");
    // There is no Drone, so that it waits until it is cancelled.
    let mut waiting = spawn(hive.client("submit.sh").arg("-"));
    waiting.stdin.take().unwrap().write_all(b"honey").unwrap();
    until_tasks(&hive, 1);
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
    let noticing = std::thread::spawn(move || events.any(is_told));
    until(|| {
        hive.until_done(hive.submit("?name=wax", &words[..1]));
        noticing.is_finished()
    });
    assert!(noticing.join().unwrap());
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
    until_tasks(&hive, clients.len());
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
fn a_handshake_that_breaks_off_is_tried_again() {
    for client in ["client.py", "submit.sh"] {
        let mut hive = Hive::start("127.0.0.111");
        hive.kill_queen();
        // As when she is killed while a client connects.
        let breaking = TcpListener::bind(hive.http).unwrap();
        let mut client = spawn(hive.client(client).arg("-"));
        client.stdin.take().unwrap().write_all(b"honey").unwrap();
        let both = std::thread::spawn(move || {
            for mut connection in breaking.incoming().map(Result::unwrap).take(2) {
                let _ = connection.read(&mut [0; 4096]);
            }
        });
        until(|| both.is_finished() || client.try_wait().unwrap().is_some());
        assert!(both.is_finished(), "{}", end(client).2);
        hive.start_queen();
        let drone = start_drone(&hive);
        let (code, said, error) = end(client);
        assert!(code == Some(0) && said.contains(&const_hex::encode(sha256(b"honey"))), "{error}");
        drop(drone);
    }
}

#[test]
fn what_lasts_longer_than_their_patience_has_an_exit_code() {
    let hive = Hive::start_open("127.0.0.107");
    for (status, code) in [(409, 4), (429, 4), (501, 3), (503, 3)] {
        for client in ["client.py", "submit.sh"] {
            let mut client = hive.client(client);
            let client = client.env("HIVE_URL", always(status)).env("HIVE_PATIENCE", "1").arg("-");
            let (ended, said, error) = run(client, "honey");
            assert_eq!((ended, said.as_str()), (Some(code), ""), "{status}: {error}");
            assert!(error.contains(&status.to_string()), "{error}");
        }
    }
}

#[test]
fn a_token_goes_over_plain_http_to_this_machine_alone() {
    let hive = Hive::start_open("127.0.0.108");
    let token = hive.write("a.token", "hive_1_secret");
    for (client, arguments) in [("client.py", &["-"][..]), ("submit.sh", &["-"]), ("pipeline.sh", &["/dev/null", "1"])]
    {
        let tried = |url: &str, allowed: &str| {
            let mut client = example(client);
            client.env("HIVE_URL", url).env("HIVE_TOKEN_FILE", &token).env("HIVE_PATIENCE", "1");
            run(client.env("HIVE_ALLOW_PLAIN_HTTP", allowed).args(arguments), "honey")
        };
        for url in ["http://hive.invalid:8081", "http://127.0.0.1@hive.invalid", "http://127.hive.invalid"] {
            let (code, said, error) = tried(url, "0");
            assert!(code != Some(0) && said.is_empty() && error.contains("the token is not sent to"), "{error}");
        }
        for (url, allowed) in [(&*always(403), ""), ("https://hive.invalid", ""), ("http://hive.invalid", "1")] {
            let (code, _, error) = tried(url, allowed);
            assert!(code != Some(0) && !error.contains("the token is not sent to"), "{url}: {error}");
        }
    }
}

#[test]
fn pipeline_sh_ends_when_it_is_refused() {
    let mut hive = Hive::start("127.0.0.109");
    let key = hive.write("key", "pepper\n");
    let json = ["--header", "content-type: application/json", "--data", r#"{"name":"ci","scopes":["submit"]}"#];
    let made: Value = serde_json::from_str(&hive.curl(&json, "/tokens")).unwrap();
    let token = hive.write("ci.token", made["token"].as_str().unwrap());
    let start = |token: &std::path::Path| {
        let mut client = hive.client("pipeline.sh");
        let mut client = spawn(client.env("HIVE_TOKEN_FILE", token).env("HIVE_PATIENCE", "1").arg(&key).arg("1"));
        client.stdin.take().unwrap().write_all(b"honey\n").unwrap();
        client
    };
    let (revoked, left) = (start(&token), start(&hive.path("admin.token")));
    until_tasks(&hive, 2);
    hive.curl(&["--request", "DELETE"], &format!("/tokens/{}", made["id"]));
    let (code, said, error) = end(revoked);
    assert!(code == Some(1) && said.is_empty() && error.contains("refused with 401"), "{error}");
    hive.kill_queen();
    let (code, said, error) = end(left);
    assert!(code == Some(1) && said.is_empty() && error.contains("cannot be reached"), "{error}");
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
