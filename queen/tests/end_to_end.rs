//! A hash job from end to end: a Queen, Drones and clients over real sockets, in one process,
//! each result compared with an independent computation.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::Hive;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use wire::List;
use wire::codec::{FrameReader, FrameWriter, read_preface};
use wire::frame::{MAX_HANDSHAKE, decode};
use wire::handshake::{FromDrone, Rate};
use wire::ids::SeatSecret;
use wire::message::{Output, ToDrone, ToQueen};
use wire::preface::{Preface, Role};
use wire::work::{ChunkOutput, Class, Digests, Kind};

const WORD: &str = "super_secret_password_123";
const DIGEST: &str = "292e6640d6f984141f5e3685047fa5a7116be7aae035d0f299f95ee5af61ea3d";

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index}-{}", "x".repeat(index % 97))).collect()
}

/// What `?format=text` gives for these lines.
fn expected(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{}  {line}\n", const_hex::encode(Sha256::digest(line)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_comes_back_as_its_digest() {
    let hive = Hive::start().await;
    let worker = hive.worker("maja");
    let task = hive.compute(json!({ "input": WORD })).await;
    assert_eq!(task["state"], "done");
    assert_eq!(task["id"], 1);
    assert_eq!(task["results"], json!([{ "index": 0, "input": WORD, "digest": DIGEST }]));
    let drones = hive.get("/drones").await.json();
    assert_eq!(drones["drones"][0]["name"], "maja");
    assert_eq!(drones["drones"][0]["items_done"], 1);
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_is_shared_by_several_drones() {
    let hive = Hive::start().await;
    let lines = lines(120_000);
    let task = hive.submit_lines("?name=bulk", &lines).await;
    let workers = [hive.worker("willi"), hive.worker("flip")];
    let view = hive.until_done(task).await;
    assert_eq!((view["total"].as_u64(), view["done"].as_u64()), (Some(120_000), Some(120_000)));
    let results = hive.get(&format!("/tasks/{task}/results?format=text")).await;
    assert!(results.text() == expected(&lines), "every digest is right and in order");
    for worker in workers {
        worker.leave().await;
    }
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_computes_what_others_compute() {
    let hive = Hive::start().await;
    let worker = hive.worker("cassandra");
    let long = "k".repeat(200);
    let inputs = ["", "a", WORD, &long];
    let sha256d = |input: &str| Sha256::digest(Sha256::digest(input)).to_vec();
    let hmac = |input: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(long.as_bytes()).unwrap();
        mac.update(input.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let pbkdf2 = |input: &str| pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(input.as_bytes(), b"salt", 4096).to_vec();
    type Independent<'a> = &'a dyn Fn(&str) -> Vec<u8>;
    let cases: [(Value, Independent<'_>); 3] = [
        (json!({ "algorithm": "sha256d" }), &sha256d),
        (json!({ "algorithm": "hmac-sha256", "key": long }), &hmac),
        (json!({ "algorithm": "pbkdf2-hmac-sha256", "salt": "salt", "iterations": 4096 }), &pbkdf2),
    ];
    for (mut task, compute) in cases {
        task["inputs"] = json!(inputs);
        let done = hive.compute(task).await;
        for (index, input) in inputs.iter().enumerate() {
            assert_eq!(done["results"][index]["digest"], const_hex::encode(compute(input)), "{done}");
        }
    }
    let hex = hive.compute(json!({ "inputs": ["616263", "FF"], "encoding": "hex" })).await;
    assert_eq!(hex["results"][0]["digest"], const_hex::encode(Sha256::digest("abc")));
    assert_eq!(hex["results"][1]["digest"], const_hex::encode(Sha256::digest([0xff])));
    assert_eq!(hex["results"][1]["input"], "FF", "inputs are shown as they were given");
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_drones_leave_behind_is_done_by_others() {
    let hive = Hive::start().await;
    let endless = hive.submit_endless("").await;
    let [leaving, vanishing] = [hive.worker("leaving"), hive.worker("vanishing")];
    // Both are given something that they do not finish.
    hive.until_busy("leaving").await;
    hive.until_busy("vanishing").await;
    let lines = lines(600);
    let query = "?algorithm=pbkdf2-hmac-sha256&iterations=500";
    let task = hive.submit_lines(query, &lines).await;
    vanishing.vanish();
    leaving.leave().await;
    let worker = hive.worker("steady");
    hive.until_done(task).await;
    let results = hive.get(&format!("/tasks/{task}/results?format=text")).await.text();
    for (line, input) in results.lines().zip(&lines) {
        let digest = pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(input.as_bytes(), b"s", 500);
        assert_eq!(line, format!("{}  {input}", const_hex::encode(digest)));
    }
    assert_eq!(results.lines().count(), lines.len());
    hive.until_busy("steady").await;
    // What it had begun may still be kept for it, though others have done it.
    let vanished = hive.drone("vanishing").await;
    assert!(["lost", "away"].contains(&vanished["state"].as_str().unwrap()), "{vanished}");
    assert_eq!(hive.drone("leaving").await["state"], "left");
    hive.cancel(endless).await;
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_overtakes_a_long_task() {
    let hive = Hive::start().await;
    let worker = hive.worker("single");
    let task = hive.submit_endless("").await;
    hive.until(task, |view| view["state"] == "running").await;
    let word = hive.compute(json!({ "input": WORD })).await;
    assert_eq!(word["results"][0]["digest"], DIGEST);
    let view = hive.get(&format!("/tasks/{task}")).await.json();
    assert_eq!(view["state"], "running");
    hive.cancel(task).await;
    hive.compute(json!({ "inputs": ["after", "that"] })).await;
    worker.leave().await;
    hive.stop().await;
}

/// The runs of a Drone in the task stream.
async fn runs(hive: &Hive, name: &str, window: &str) -> Vec<Value> {
    let stream = hive.get(&format!("/drones/stream?window={window}&name={name}")).await.json();
    stream["drones"][0]["runs"].as_array().cloned().unwrap_or_default()
}

/// Waits until a window of a Drone's task stream has a run like that.
async fn until_run(hive: &Hive, name: &str, window: &str, is_it: impl Fn(&Value) -> bool) {
    loop {
        let runs = runs(hive, name, window).await;
        if runs.iter().any(&is_it) {
            let columns: u64 = runs.iter().map(|run| run["columns"].as_u64().unwrap()).sum();
            return assert_eq!(columns, 60, "{runs:?}");
        }
        support::look_again().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_task_stream_tells_what_drones_did_and_why_they_did_not() {
    let hive = Hive::start().await;
    let worker = hive.worker("maja");
    until_run(&hive, "maja", "1m", |run| run["gap"] == "no_work").await;
    let task = hive.submit_endless("&name=endless").await;
    for window in ["1m", "5m", "15m"] {
        until_run(&hive, "maja", window, |run| run["task"] == task && run["busy"].as_f64() > Some(0.0)).await;
    }
    let stream = hive.get("/drones/stream").await.json();
    assert_eq!((&stream["tasks"][0]["id"], &stream["tasks"][0]["name"]), (&json!(task), &json!("endless")));
    let lease = |leases: &Value, state: &str| {
        leases["leases"].as_array().unwrap().iter().find(|lease| lease["state"] == state).cloned()
    };
    let leases = hive.get("/drones/1/leases").await.json();
    assert_eq!(lease(&leases, "running").or(lease(&leases, "waiting")).unwrap()["task"], task, "{leases}");
    hive.send("POST", &format!("/tasks/{task}/pause"), &[], "").await;
    until_run(&hive, "maja", "1m", |run| run["gap"] == "paused" && run["busy"] == 0.0).await;
    let leases = hive.get("/drones/1/leases").await.json();
    assert_eq!(lease(&leases, "withdrawn").unwrap()["task"], task, "{leases}");
    let page = hive.get("/admin/stream").await.text();
    for part in [&format!("class=\"task-{}\"", task % 10), "class=\"gap paused\"", "tasks paused", "<bdi>endless</bdi>"]
    {
        assert!(page.contains(part), "{part} is not in {page}");
    }
    assert!(hive.get("/admin/drones/1").await.text().contains("Leases of the last minute"));
    hive.cancel(task).await;
    worker.leave().await;
    until_run(&hive, "maja", "1m", |run| run["gap"] == "gone").await;
    let stream = hive.get("/drones/stream").await.json();
    assert_eq!(stream["tasks"][0]["name"], "endless", "the name of a task that has ended is read from the disk");
    hive.stop().await;
}

/// More than what is stored of a Drone, in bytes.
const DRONE: u64 = 8 << 10;

/// What is used of memory, apart from what is set aside for each connection.
fn used_besides_connections(stats: &Value) -> u64 {
    stats["memory_used"].as_u64().unwrap() % web::serve::CONNECTION
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_can_be_removed_when_it_has_ended() {
    let hive = Hive::start().await;
    let used = async || used_besides_connections(&hive.get("/stats").await.json());
    let before = used().await;
    let task = hive.submit_lines("", &lines(3)).await;
    let path = format!("/tasks/{task}");
    assert_eq!(hive.send("DELETE", &path, &[], "").await.status, 409);
    let worker = hive.worker("thekla");
    hive.until_done(task).await;
    assert_eq!(hive.send("POST", &format!("{path}/cancel"), &[], "").await.status, 409);
    let form = hive.get(&format!("/admin?clone={task}")).await.text();
    assert!(form.contains(&format!(">\n{}\n</textarea>", lines(3).join("\n"))), "{form}");
    // What is stored is counted now and then.
    while used().await <= before {
        support::look_again().await;
    }
    assert_eq!(hive.send("DELETE", &path, &[], "").await.status, 204);
    assert_eq!(hive.get(&path).await.status, 410);
    assert_eq!(hive.get("/tasks/99").await.status, 404);
    worker.leave().await;
    // The Drone is remembered.
    while used().await > before + DRONE {
        support::look_again().await;
    }
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_has_a_limit() {
    let config = queen::Config { memory_limit: 1 << 20, ..support::config() };
    let hive = Hive::start_with(config).await;
    let before = used_besides_connections(&hive.get("/stats").await.json());
    let answer = hive.send("POST", "/tasks", &[("content-type", "text/plain")], lines(50_000).join("\n")).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_ne!(answer.header("retry-after"), "");
    assert!(answer.text().contains("memory"));
    let stats = hive.get("/stats").await.json();
    let pending = &stats["tasks"]["pending"];
    assert_eq!((used_besides_connections(&stats), pending), (before, &json!(0)), "nothing was created");
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_tell_of_tasks_and_drones() {
    let hive = Hive::start().await;
    let mut socket = TcpStream::connect(hive.http).await.unwrap();
    let request = format!("GET /events HTTP/1.1\r\nHost: {}\r\n\r\n", hive.http);
    socket.write_all(request.as_bytes()).await.unwrap();
    let worker = hive.worker("puck");
    hive.compute(json!({ "input": WORD })).await;
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !(seen.contains("event: drone") && seen.contains("\"state\":\"done\"")) {
        let read = socket.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "the stream ended: {seen}");
        seen += &String::from_utf8_lossy(&buffer[..read]);
    }
    assert!(seen.contains("id: 1-"), "{seen}");
    worker.leave().await;
    hive.stop().await;
}

/// The next message of a Queen to a scripted Drone.
async fn frame(reader: &mut FrameReader<OwnedReadHalf>) -> Bytes {
    reader.next(wire::frame::MAX_TO_DRONE).await.unwrap().expect("the Queen closed the connection")
}

#[tokio::test(flavor = "multi_thread")]
async fn several_parts_of_a_lease_may_share_a_frame() {
    let hive = Hive::start().await;
    let mut socket = TcpStream::connect(hive.drones).await.unwrap();
    socket.write_all(&Preface::ours(Role::Drone).encode()).await.unwrap();
    read_preface(&mut socket).await.unwrap();
    let (read, write) = socket.into_split();
    let (mut reader, mut writer) = (FrameReader::new(read), FrameWriter::new(write));
    let kinds = vec![Kind::DIGEST].into();
    let rate = |class| Rate { class, compressions_per_second: 1_000_000, lanes: 1, kernel: "none" };
    let rates = Class::ALL.map(rate).to_vec().into();
    let (seat, nonce, name, software) = (SeatSecret::random().unwrap(), [0; 32], "scripted", "a test");
    let hello = FromDrone::Hello { name, software, seat, threads: 1, kinds, rates, material: 0, nonce };
    writer.push(&hello, MAX_HANDSHAKE).unwrap();
    writer.flush().await.unwrap();
    frame(&mut reader).await;
    writer.push(&ToQueen::Offer { leases: List(vec![]), material: List(vec![]) }, wire::frame::MAX_TO_DRONE).unwrap();
    writer.flush().await.unwrap();
    let body = frame(&mut reader).await;
    assert_eq!(decode::<ToDrone<'_>>(&body).unwrap(), ToDrone::Adopted { leases: List(vec![]) });
    let task = hive.submit_lines("", &lines(3)).await;
    let body = frame(&mut reader).await;
    let ToDrone::Work { leases } = decode(&body).unwrap() else { panic!("work comes") };
    let [lease] = &leases.0[..] else { panic!("in one lease") };
    let digests: Vec<Vec<u8>> = lines(3).iter().map(|line| Sha256::digest(line).to_vec()).collect();
    let outputs = (0..).zip(&digests).map(|(from, digest)| Output {
        lease: lease.id,
        epoch: lease.epoch,
        from,
        to: from + 1,
        spent_ns: 1000,
        output: ChunkOutput::Digests(Digests::new(digest).unwrap()),
    });
    let outputs = outputs.collect::<Vec<_>>().into();
    writer.push(&ToQueen::Outputs { outputs }, wire::frame::MAX_TO_DRONE).unwrap();
    writer.flush().await.unwrap();
    hive.until_done(task).await;
    assert_eq!(hive.get(&format!("/tasks/{task}/results?format=text")).await.text(), expected(&lines(3)));
    drop((reader, writer));
    hive.stop().await;
}

async fn talk(hive: &Hive, what: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(hive.drones).await.unwrap();
    socket.write_all(what).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_on_the_drones_port_get_an_answer() {
    let hive = Hive::start().await;
    let browser = talk(&hive, b"GET /admin?x=1 HTTP/1.1\r\nHost: somewhere\r\n\r\n").await;
    let browser = String::from_utf8(browser).unwrap();
    assert!(browser.starts_with("HTTP/1.1 307 "), "{browser}");
    assert!(browser.contains(&format!("\r\nLocation: http://{}/admin?x=1\r\n", hive.http)), "{browser}");
    let other = String::from_utf8(talk(&hive, b"SSH-2.0-OpenSSH\r\n").await).unwrap();
    assert!(other.contains("F0 9F 90 9D") && other.lines().count() == 1, "{other}");
    let future = [0xF0, 0x9F, 0x90, 0x9D, 0xFF, 0x00, 1, 0];
    let refused = String::from_utf8_lossy(&talk(&hive, &future).await).into_owned();
    assert!(refused.contains("version 2") && refused.contains("version 255"), "{refused}");
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_that_breaks_the_protocol_costs_only_itself() {
    let hive = Hive::start().await;
    let worker = hive.worker("good");
    let hello = [&[0xF0, 0x9F, 0x90, 0x9D, 1, 0, 1, 0][..], &[0xFF, 0xFF, 0xFF, 0xFF]].concat();
    talk(&hive, &hello).await;
    let task = hive.compute(json!({ "input": WORD })).await;
    assert_eq!(task["results"][0]["digest"], DIGEST);
    worker.leave().await;
    hive.stop().await;
}

/// The value of a metric, as a line has it.
fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Asks Prometheus' own tool whether these are metrics as they should be.
fn check_metrics(promtool: std::ffi::OsString, metrics: &str) {
    use std::io::Write;
    use std::process::{Command, Stdio};

    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut check = check.spawn().unwrap();
    check.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = check.wait_with_output().unwrap();
    assert!(said.status.success() && said.stdout.is_empty() && said.stderr.is_empty(), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dashboards_and_alerts_ask_for_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(queen::store::Location::new(folder.path().join("data")));
    let hive = Hive::start_with(queen::Config { data, ..support::config() }).await;
    let worker = hive.worker("maja");
    hive.compute(json!({ "input": WORD })).await;
    let slow = r#"{"input":"honey","algorithm":"pbkdf2-hmac-sha256","salt":"pepper","iterations":10}"#;
    hive.compute(serde_json::from_str(slow).unwrap()).await;
    let (metrics, stats) = (hive.get("/metrics").await.text(), hive.get("/stats").await.json());
    assert_eq!(metric(&metrics, "hive_items_done_total"), Some(2.0));
    assert_eq!(metric(&metrics, "hive_leases_given_total"), stats["leases"]["given"].as_f64());
    // A word is one compression, and of PBKDF2 each iteration two.
    assert!(stats["compressions_done"].as_u64() > Some(20), "{stats}");
    assert!(metric(&metrics, "hive_commit_duration_seconds_count") > Some(0.0), "{metrics}");
    assert_eq!(metric(&metrics, "hive_connections{port=\"drones\"}"), Some(1.0));
    assert_eq!((&stats["drone_states"]["idle"], &stats["oldest_pending_seconds"]), (&json!(1), &Value::Null));
    let monitoring = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring");
    let mut asked_for = 0;
    for file in ["alerts.yml", "dashboard.json"] {
        let text = std::fs::read_to_string(monitoring.join(file)).unwrap();
        let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        for name in words.filter(|word| word.starts_with("hive_") || word.starts_with("process_")) {
            let is_told = [" ", "{"].into_iter().any(|end| metrics.contains(&format!("\n{name}{end}")));
            assert!(is_told, "{file} asks for {name}, which nobody tells");
            asked_for += 1;
        }
    }
    assert!(asked_for > 40);
    if let Some(promtool) = std::env::var_os("HIVE_PROMTOOL") {
        check_metrics(promtool, &metrics);
    }
    worker.leave().await;
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_tasks_are_found_and_changed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = Some(queen::store::Location::new(folder.path().join("data")));
    let hive = Hive::start_with(queen::Config { data, ..support::config() }).await;
    let json = [("content-type", "application/json")];
    let bulk = async |body: Value| hive.send("POST", "/tasks/bulk", &json, body.to_string()).await.json();
    for number in 0..150 {
        let name = if number % 3 == 0 { "bees" } else { "honey" };
        let task = json!({ "input": "x", "name": format!("{name}-{number}") });
        assert_eq!(hive.send("POST", "/tasks", &json, task.to_string()).await.status, 201);
    }
    let paused = bulk(json!({ "action": "pause", "filter": { "name": "bees" } })).await;
    assert_eq!((&paused["state"], &paused["changed"]), (&json!("done"), &json!(50)), "{paused}");
    let cancelled = bulk(json!({ "action": "cancel", "filter": { "name": "honey", "state": "pending" } })).await;
    assert_eq!((&cancelled["matched"], &cancelled["changed"]), (&json!(100), &json!(100)), "{cancelled}");
    let list = hive.get("/tasks?state=paused&sort=-id&limit=1000").await.json();
    assert_eq!((list["tasks"].as_array().map(Vec::len), &list["tasks"][0]["name"]), (Some(50), &json!("bees-0")));
    let list = hive.get("/tasks?name=honey-1&sort=ended&limit=1000").await.json();
    assert!(list["tasks"].as_array().unwrap().iter().all(|task| task["state"] == "cancelled"), "{list}");
    // What goes on is computed, what begins again too, and what is over goes.
    let resumed = bulk(json!({ "action": "resume", "filter": {} })).await;
    assert_eq!((&resumed["changed"], &resumed["skipped"]), (&json!(50), &json!(100)), "{resumed}");
    let retried = bulk(json!({ "action": "retry", "filter": { "name": "honey-1" } })).await;
    let worker = hive.worker("maja");
    let done = async || hive.get("/stats").await.json()["tasks"]["done"].as_u64();
    while done().await < Some(50 + retried["changed"].as_u64().unwrap()) {
        support::look_again().await;
    }
    let deleted = bulk(json!({ "action": "delete", "filter": { "kind": "digest" } })).await;
    assert_eq!(deleted["changed"], 150, "{deleted}");
    assert_eq!(hive.get("/tasks").await.json(), json!({ "tasks": [], "next_cursor": null }));
    worker.leave().await;
    hive.stop().await;
}
