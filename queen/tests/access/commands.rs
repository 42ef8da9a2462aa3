//! `queen init`, `queen token` and `queen secret`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use wire::join::JoinFile;

use super::support::programs::{Program, drone, output};
use super::{SetUp, https};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_hive_is_set_up_once_by_one_command() {
    let hive = SetUp::new();
    assert!(hive.admin.starts_with("hive_1_") && !hive.admin.contains('\n'), "{}", hive.admin);
    assert_eq!((mode(&hive.path("hive.join")), mode(&hive.data())), (0o600, 0o700));
    let authority = hive.data().join("authority.pem");
    assert_eq!(mode(&authority), 0o644);
    assert_eq!(fs::read_to_string(authority).unwrap().trim(), hive.join().authority.trim());
    let other = hive.path("other.join");
    let error = hive.refused(&["init", "--join-file", other.to_str().unwrap()]);
    for said in ["set up already", "queen token create", "queen secret create"] {
        assert!(error.contains(said), "{error}");
    }
    assert!(!other.exists());
    // Not even an empty directory is made if a join file would be overwritten, nor a token.
    let elsewhere = hive.path("elsewhere");
    let mut again = super::queen();
    again.args(["init", "--data-dir"]).arg(&elsewhere).arg("--join-file").arg(hive.path("hive.join"));
    let (code, said, error) = output(&mut again);
    assert!(code == Some(1) && said.is_empty() && error.contains("--join-file"), "{error}");
    let mut tokens = super::queen();
    assert!(output(tokens.args(["token", "list", "--data-dir"]).arg(&elsewhere)).1.lines().count() <= 1);
}

#[test]
fn what_init_leaves_behind_when_it_is_cut_off_can_be_gone_on_from() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("hive.join"));
    let init = |join_file: &Path| {
        let mut init = super::queen();
        init.args(["init", "--data-dir"]).arg(&data).arg("--join-file").arg(join_file);
        init
    };
    // In the directory itself it would be something foreign.
    fs::create_dir(&data).unwrap();
    let (code, _, error) = output(&mut init(&data.join("hive.join")));
    assert!(code == Some(1) && error.contains("in the data directory itself"), "{error}");
    assert_eq!(fs::read_dir(&data).unwrap().count(), 0);
    // One that others may read is not what a command leaves.
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, _, error) = output(&mut init(&file));
    assert!(code == Some(1) && error.contains("is not replaced"), "{error}");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    // Nobody takes the token.
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let cut_off = init(&file).stdout(full).output().unwrap();
    let error = String::from_utf8(cut_off.stderr).unwrap();
    assert_eq!(cut_off.status.code(), Some(1));
    for said in ["is set up now", "queen token create", "queen secret create"] {
        assert!(error.contains(said), "{error}");
    }
    assert!(fs::read_to_string(&file).unwrap().parse::<JoinFile>().is_ok());
    let mut token = super::queen();
    token.args(["token", "create", "--name", "other", "--scope", "admin", "--data-dir"]).arg(&data);
    assert!(output(&mut token).1.starts_with("hive_2_"));
    let mut secret = super::queen();
    secret.args(["secret", "create", "--name", "other", "--data-dir"]).arg(&data);
    let (code, _, error) = output(secret.arg("--join-file").arg(data.join("other.join")));
    assert!(code == Some(1) && error.contains("in the data directory itself"), "{error}");
}

#[test]
fn the_trail_begins_with_the_set_up_and_names_who_is_not_let_in() {
    let hive = SetUp::new();
    let queen = hive.start(&[]);
    let mut maja = drone();
    let mut maja = Program::start(maja.args(["--threads", "1", "--queen", &queen.drones.to_string()]));
    maja.line("start this one with --join FILE");
    queen.stop();
    let records = rusqlite::Connection::open(hive.data().join("hive.db")).unwrap();
    // What happens by itself has kinds from 5 on.
    let select = "SELECT action, target, address, outcome FROM log WHERE kind < 5 ORDER BY id";
    let mut lines = records.prepare(select).unwrap();
    let lines = lines.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    let lines: Vec<(String, String, Option<String>, String)> = lines.map(Result::unwrap).collect();
    let done = |action: &str, target: &str| (action.to_owned(), target.to_owned(), None, "done".to_owned());
    assert_eq!(lines[..2], [done("create-secret", "secret drones"), done("create-token", "token 1 (admin)")]);
    let (action, _, address, outcome) = &lines[2];
    assert_eq!((&**action, address.as_deref()), ("join", Some("127.0.0.1")));
    assert!(outcome.contains("--join FILE"), "{outcome}");
}

#[test]
fn tokens_and_secrets_are_made_and_revoked_without_a_queen() {
    let hive = SetUp::new();
    let made = hive.done(&["token", "create", "--name", "ci", "--scope", "submit,read", "--expires", "90d"]);
    assert!(made.starts_with("hive_2_"), "{made}");
    let list = hive.done(&["token", "list"]);
    assert!(list.contains("ci") && list.contains("read, submit") && !list.contains(&made), "{list}");
    assert!(hive.refused(&["token", "create", "--name", "ci", "--scope", "read"]).contains("already"));
    assert!(hive.refused(&["token", "revoke", "nobody"]).contains("queen token list"));
    hive.done(&["token", "revoke", "ci"]);
    // Numbers are not used again.
    assert!(hive.done(&["token", "create", "--name", "ci", "--scope", "read"]).starts_with("hive_3_"));
    hive.done(&["token", "revoke", "3"]);
    let file = hive.path("attic.join");
    hive.done(&["secret", "create", "--name", "attic", "--join-file", file.to_str().unwrap()]);
    assert_eq!(mode(&file), 0o600);
    let other = hive.path("other.join");
    let create = ["secret", "create", "--name", "attic", "--join-file", other.to_str().unwrap()];
    assert!(hive.refused(&create).contains("already") && !other.exists());
    let list = hive.done(&["secret", "list"]);
    assert!(list.contains("attic") && list.contains("drones"), "{list}");
    hive.done(&["secret", "revoke", "attic"]);
    assert!(hive.refused(&["secret", "revoke", "attic"]).contains("attic"));
    assert!(hive.done(&["check"]).contains("OK"));
    let late = ["token", "create", "--name", "x", "--scope", "read", "--expires", "4000d"];
    assert!(hive.refused(&late).contains("ten years"));
    let (code, ..) = output(&mut hive.queen(&["token", "create", "--name", "x", "--scope", "everything"]));
    assert_eq!(code, Some(2));
}

#[test]
fn beside_a_running_queen_they_count_at_once() {
    let hive = SetUp::new();
    let queen = hive.start(&[]);
    let socket = hive.data().join("control.sock");
    assert_eq!(mode(&socket), 0o600);
    let authority = hive.join().authority;
    let get = |token: &str| https::get(queen.http, &authority, "hive.test", "/stats", Some(token)).unwrap().0;
    assert_eq!(get(&hive.admin), 200);
    let ci = hive.done(&["token", "create", "--name", "ci", "--scope", "read"]);
    assert_eq!(get(&ci), 200);
    hive.done(&["token", "revoke", "ci"]);
    assert_eq!(get(&ci), 401);
    let file = hive.path("attic.join");
    hive.done(&["secret", "create", "--name", "attic", "--join-file", file.to_str().unwrap()]);
    let mut maja = drone();
    maja.args(["--name", "maja", "--threads", "1", "--queen", &queen.drones.to_string(), "--join"]).arg(&file);
    let mut maja = Program::start(&mut maja);
    maja.line("Connected to the Queen!");
    assert!(hive.done(&["secret", "list"]).lines().any(|line| line.starts_with("attic") && line.ends_with('1')));
    hive.done(&["secret", "revoke", "attic"]);
    maja.line("its secret was revoked");
    // What was acknowledged outlives her, and so does that it was revoked.
    let kept = hive.done(&["token", "create", "--name", "kept", "--scope", "read"]);
    queen.kill();
    assert!(socket.exists());
    let list = hive.done(&["token", "list"]);
    assert!(list.contains("kept") && !list.contains("ci") && !hive.done(&["secret", "list"]).contains("attic"));
    let queen = hive.start(&[]);
    let get = |token: &str| https::get(queen.http, &authority, "hive.test", "/stats", Some(token)).unwrap().0;
    assert_eq!((get(&kept), get(&ci)), (200, 401));
    queen.stop();
    assert!(!socket.exists());
}

#[test]
fn the_last_token_is_not_the_last_word() {
    let hive = SetUp::new();
    hive.done(&["token", "revoke", "admin"]);
    hive.done(&["secret", "revoke", "drones"]);
    let queen = hive.start(&[]);
    let authority = hive.join().authority;
    let get = |token| https::get(queen.http, &authority, "localhost", "/stats", token).unwrap().0;
    assert_eq!((get(None), get(Some(&hive.admin))), (401, 401));
    let lost = hive.done(&["token", "create", "--name", "admin", "--scope", "admin"]);
    assert_eq!(get(Some(&lost)), 200);
    queen.stop();
}

#[test]
fn a_backup_has_all_of_it() {
    let hive = SetUp::new();
    let (archive, restored) = (hive.path("hive.tar"), hive.path("restored"));
    hive.done(&["backup", "--to", archive.to_str().unwrap()]);
    fs::create_dir(&restored).unwrap();
    fs::set_permissions(&restored, fs::Permissions::from_mode(0o700)).unwrap();
    let mut tar = std::process::Command::new("tar");
    assert!(tar.arg("-xf").arg(&archive).arg("-C").arg(&restored).status().unwrap().success());
    fs::rename(hive.data(), hive.path("before")).unwrap();
    fs::rename(restored, hive.data()).unwrap();
    assert!(hive.done(&["check"]).contains("OK") && hive.done(&["secret", "list"]).contains("drones"));
    let queen = hive.start(&[]);
    let answer = https::get(queen.http, &hive.join().authority, "hive.test", "/stats", Some(&hive.admin)).unwrap();
    assert_eq!(answer.0, 200);
    assert_eq!(fs::read_to_string(hive.data().join("authority.pem")).unwrap().trim(), hive.join().authority.trim());
    queen.stop();
}

#[test]
fn a_long_path_is_as_good_and_nonsense_harms_nobody() {
    use std::io::{Read, Write};
    let parent = tempfile::tempdir().unwrap();
    let hive = SetUp::within(tempfile::Builder::new().prefix(&"x".repeat(120)).tempdir_in(parent.path()).unwrap());
    let queen = hive.start(&[]);
    assert!(hive.done(&["token", "list"]).contains("admin"));
    let opened = fs::File::open(hive.data()).unwrap();
    let path = format!("/proc/self/fd/{}/control.sock", std::os::fd::AsRawFd::as_raw_fd(&opened));
    for nonsense in [&b"nonsense\n"[..], &[b'x'; 100_000]] {
        let mut stream = UnixStream::connect(&path).unwrap();
        // She may have closed it before all of it was sent.
        let _ = stream.write_all(nonsense);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
    assert!(hive.done(&["token", "list"]).contains("admin"));
    queen.stop();
}
