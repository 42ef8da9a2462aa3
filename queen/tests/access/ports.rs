//! What the ports show, and to whom.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use queen::access::{Authority, Certificates};
use queen::clock::Clock;
use rustls::pki_types::PrivateKeyDer;
use tokio::sync::Notify;
use web::model::Timestamp;

use super::support::clock::{Hands, WALL};
use super::support::programs::{Program, output};
use super::{Running, SetUp, https, queen};

/// An authority's certificate, and a certificate that it signed with its key, as files.
fn certificate(folder: &Path) -> (String, [PathBuf; 2]) {
    let authority = Authority::generate(Timestamp::now()).unwrap();
    let issued = authority.issue(&["page.test".into()], Timestamp::now()).unwrap();
    let PrivateKeyDer::Pkcs8(key) = issued.key else { panic!("another kind of key") };
    let files = [folder.join("page.pem"), folder.join("page.key")];
    let pem = |kind: &str, bytes: &[u8]| {
        let pem = Authority { certificate: bytes.to_vec(), key: Vec::new() }.pem();
        pem.replace("CERTIFICATE", kind)
    };
    fs::write(&files[0], pem("CERTIFICATE", &issued.certificate)).unwrap();
    fs::write(&files[1], pem("PRIVATE KEY", key.secret_pkcs8_der())).unwrap();
    fs::set_permissions(&files[1], fs::Permissions::from_mode(0o600)).unwrap();
    (authority.pem(), files)
}

#[test]
fn others_are_served_only_by_a_queen_who_is_protected() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let local = ["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
    for (flags, said) in [
        (vec!["--drone-addr", "0.0.0.0:0", "--http-addr", "127.0.0.1:0"], "--drone-addr"),
        (vec!["--http-addr", "0.0.0.0:0", "--drone-addr", "127.0.0.1:0"], "--http-addr"),
        ([&local[..], &["--host", "hive.test"]].concat(), "--host"),
        ([&local[..], &["--trusted-proxy", "10.0.0.0/8"]].concat(), "--trusted-proxy"),
    ] {
        let (code, _, error) = output(queen().args(&flags).arg("--data-dir").arg(&data));
        assert!(code == Some(1) && error.lines().count() == 1, "{error}");
        assert!(error.contains(said) && error.contains("queen init") && error.contains("--insecure"), "{error}");
        assert!(!data.exists(), "nothing is made where she does not serve");
        let (code, _, error) = output(queen().args(&flags).arg("--ephemeral"));
        assert!(code == Some(1) && error.contains("--ephemeral") && error.contains("--insecure"), "{error}");
    }
    let hive = SetUp::new();
    let mut queen = Program::start(&mut hive.queen(&["--drone-addr", "0.0.0.0:0", "--http-addr", "0.0.0.0:0"]));
    queen.line("admin page");
    queen.signal("-TERM");
    assert_eq!(queen.end().0, Some(0));
}

#[test]
fn a_port_that_was_closed_does_not_open_because_the_authority_is_lost() {
    let hive = SetUp::new();
    let records = rusqlite::Connection::open(hive.data().join("hive.db")).unwrap();
    assert_eq!(records.execute("DELETE FROM authority", []).unwrap(), 1);
    drop(records);
    let local = ["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
    for more in [&[][..], &["--insecure"]] {
        let error = hive.refused(&[&local[..], more].concat());
        assert!(error.contains("no certificate authority") && error.contains("queen check"), "{error}");
    }
}

#[test]
fn both_ports_prove_whose_they_are() {
    let hive = SetUp::new();
    let queen = hive.start(&[]);
    let authority = hive.join().authority;
    for name in ["hive.test", "localhost", "127.0.0.1", "queen.hive"] {
        assert_eq!(
            https::get(queen.http, &authority, name, "/healthz", None).map(|answer| answer.0).unwrap(),
            200,
            "{name}"
        );
    }
    https::certificate(queen.drones, &authority, "queen.hive").unwrap();
    assert!(https::certificate(queen.http, &authority, "other.test").is_err());
    let other = Authority::generate(Timestamp::now()).unwrap().pem();
    assert!(https::certificate(queen.http, &other, "hive.test").is_err());
    queen.stop();
    // Another name is there from the next start on.
    let queen = hive.start(&["--host", "other.test"]);
    for name in ["other.test", "hive.test"] {
        https::certificate(queen.http, &authority, name).unwrap();
    }
    queen.stop();
}

#[test]
fn the_operators_certificate_is_read_again_at_a_hangup() {
    let hive = SetUp::new();
    let (first, [certificate_file, key_file]) = certificate(hive.folder.path());
    let flags = ["--tls-cert", certificate_file.to_str().unwrap(), "--tls-key", key_file.to_str().unwrap()];
    let mut queen = hive.start(&flags);
    https::certificate(queen.http, &first, "page.test").unwrap();
    // Drones go on with the Hive's own.
    https::certificate(queen.drones, &hive.join().authority, "queen.hive").unwrap();
    fs::write(&certificate_file, "nonsense").unwrap();
    queen.program.signal("-HUP");
    queen.program.line("stays the one before");
    let mut open = https::connect(queen.http, &first, "page.test").unwrap();
    let (second, _) = certificate(hive.folder.path());
    queen.program.signal("-HUP");
    queen.program.line("read again");
    https::certificate(queen.http, &second, "page.test").unwrap();
    assert!(https::certificate(queen.http, &first, "page.test").is_err());
    // Who is connected stays so.
    use std::io::{Read, Write};
    write!(open, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    queen.stop();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).unwrap();
    let ports = ["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0"];
    let error = hive.refused(&[&ports[..], &flags[..]].concat());
    assert!(error.contains("chmod 600"), "{error}");
    assert_eq!(output(&mut hive.queen(&["--tls-cert", "x.pem"])).0, Some(2));
}

#[test]
fn consoles_beyond_loopback_show_no_word() {
    use super::support::programs::drone;
    let folder = tempfile::tempdir().unwrap();
    for (more, shows) in [(&[][..], false), (&["--show-words"][..], true)] {
        let mut command = queen();
        command.args(["--insecure", "--drone-addr", "0.0.0.0:0", "--http-addr", "127.0.0.1:0"]).args(more);
        let mut program = Program::start(command.arg("--ephemeral").current_dir(folder.path()));
        program.line("anybody who reaches this Queen");
        let line = program.line("listening for drones");
        let port = line.trim().rsplit_once(':').unwrap().1.to_owned();
        let http = super::address(&program.line("admin page"));
        let drone = Program::start(drone().args(["--threads", "1", "--queen", &format!("127.0.0.1:{port}")]));
        program.line("drone connected");
        let word = "royaljelly";
        let answer = super::support::request(
            http,
            "POST",
            "/tasks",
            &[super::support::WAIT],
            &format!("{{\"input\":\"{word}\"}}"),
        );
        let digest = answer.json()["results"][0]["digest"].as_str().unwrap().to_owned();
        drone.signal("-TERM");
        drone.end();
        program.signal("-TERM");
        let (_, said) = program.end();
        assert_eq!((said.contains(word), said.contains(&digest)), (shows, shows), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends() {
    const DAY: u64 = 24 * 60 * 60;
    let hands = Hands::new();
    let authority = Authority::generate(Timestamp(WALL)).unwrap();
    let certificates = Certificates::begin(Some(authority), Vec::new(), None, Timestamp(WALL)).unwrap();
    let (mut drones, mut http) = (certificates.drones().unwrap(), certificates.http().unwrap());
    let first = drones.borrow_and_update().leaf;
    http.mark_unchanged();
    let clock: Arc<dyn Clock> = Arc::new(hands.clone());
    let reload = Arc::new(Notify::new());
    let keeping = tokio::spawn(certificates.maintain(clock, Arc::clone(&reload)));
    let mut leaves = vec![first];
    // It is valid for a year, and looked at every minute.
    for (days, is_new) in [(334, false), (336, true), (336 + 334, false), (336 + 336, true)] {
        hands.set_wall(WALL + (days * DAY * 1000) as i64);
        hands.advance(Duration::from_secs(60));
        match is_new {
            true => {
                drones.changed().await.unwrap();
                http.changed().await.unwrap();
                leaves.push(drones.borrow_and_update().leaf);
            }
            false => {
                tokio::task::yield_now().await;
                assert!(!drones.has_changed().unwrap());
            }
        }
    }
    // Whoever is hung up often does not miss it.
    hands.set_wall(WALL + (3 * 336 * DAY * 1000) as i64);
    reload.notify_one();
    drones.changed().await.unwrap();
    leaves.push(drones.borrow_and_update().leaf);
    leaves.sort_unstable();
    leaves.dedup();
    assert_eq!(leaves.len(), 4);
    keeping.abort();
}

#[test]
fn what_was_made_while_she_runs_counts_from_her_next_start_on() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let start = || {
        let mut command = queen();
        command.args(["--drone-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--data-dir"]).arg(&data);
        Running::start(&mut command)
    };
    let open = start();
    let mut create = queen();
    create.args(["token", "create", "--name", "first", "--scope", "admin", "--data-dir"]).arg(&data);
    let (code, token, said) = output(&mut create);
    assert!(code == Some(0) && said.contains("start her again"), "{said}");
    // Her port is still a plain one, but asks for a token.
    let get = |token: &[(&str, &str)]| super::support::request(open.http, "GET", "/stats", token, "").status;
    let bearer = format!("Bearer {}", token.trim());
    assert_eq!((get(&[]), get(&[("authorization", bearer.as_str())])), (401, 200));
    open.stop();
    let closed = start();
    let authority = fs::read_to_string(data.join("authority.pem")).unwrap();
    assert_eq!(https::get(closed.http, &authority, "localhost", "/stats", Some(token.trim())).unwrap().0, 200);
    closed.stop();
}
