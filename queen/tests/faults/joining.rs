//! Drones as their users start them, with a join file or without, and what they say of a Queen who is not theirs.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wire::join::JoinFile;

use super::lines;
use super::support::Hive;
use super::support::programs::{Program, drone, output, smallest_drone};
use super::support::protection::{Authority, Shield};

/// Writes a join file as it is to be kept.
fn keep(directory: &Path, file: &JoinFile) -> PathBuf {
    let path = directory.join("hive.join");
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
    opened.unwrap().write_all(file.to_string().as_bytes()).unwrap();
    path
}

fn start(queen: SocketAddr, join: &[&Path]) -> Program {
    let mut drone = drone();
    drone.args(["--name", "maja", "--threads", "1", "--queen", &queen.to_string()]);
    join.iter().for_each(|path| _ = drone.arg("--join").arg(path));
    Program::start(&mut drone)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_file_is_all_that_a_drone_needs() {
    let shield = Shield::new();
    let directory = tempfile::tempdir().unwrap();
    let path = keep(directory.path(), &shield.admit("attic"));
    let (hive, queen) = super::secrets::start(&shield).await;
    let mut maja = start(queen.drones, &[&path]);
    maja.line("Connected to the Queen!");
    let task = queen.submit("", &lines(500)).await;
    queen.until_done(task).await;
    queen.check(task, &lines(500)).await;
    maja.signal("-TERM");
    let (code, said) = maja.end();
    assert_eq!(code, Some(0), "{said}");
    // It may say no farewell, which is no different from one without TLS.
    let mut willi = drone();
    willi.env("HIVE_JOIN_FILE", &path).args(["--name", "willi", "--threads", "1"]);
    let mut willi = Program::start(willi.arg("--queen").arg(queen.drones.to_string()));
    willi.line("Connected to the Queen!");
    // A secret that is revoked is said to its operator, by the Queen as she closes and when it comes again.
    shield.revoke("attic");
    willi.line("its secret was revoked");
    willi.line("is not valid here");
    hive.stop().await;
    willi.signal("-TERM");
    assert_eq!(willi.end().0, Some(0));
}

/// A program that knows nothing of this one's code, TLS included.
#[tokio::test(flavor = "multi_thread")]
async fn the_smallest_drone_of_the_protocols_page_is_let_in_by_a_join_file() {
    let shield = Shield::new();
    let directory = tempfile::tempdir().unwrap();
    let path = keep(directory.path(), &shield.admit("attic"));
    let (hive, queen) = super::secrets::start(&shield).await;
    let mut smallest = smallest_drone(directory.path());
    let drone = Program::start(smallest.arg(queen.drones.to_string()).arg(path));
    let task = queen.submit("", &lines(2_500)).await;
    queen.until_done(task).await;
    queen.check(task, &lines(2_500)).await;
    drop(drone);
    hive.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drone_says_what_is_wrong_between_it_and_the_queen() {
    let shield = Shield::new();
    let attic = shield.admit("attic");
    let (hive, queen) = super::secrets::start(&shield).await;
    let open = Hive::start().await;
    let directory = tempfile::tempdir().unwrap();
    let says = |queen: SocketAddr, file: Option<&JoinFile>, what: &str| {
        let path = file.map(|file| keep(directory.path(), file));
        let line = start(queen, path.as_deref().as_slice()).line("No work from");
        assert!(line.contains(what) && line.contains("Trying again"), "{what:?} is not in {line}");
    };
    says(queen.drones, None, "start this one with --join FILE");
    says(queen.drones, Some(&JoinFile { secret: [7; 32], ..attic.clone() }), "is not valid here");
    says(
        queen.drones,
        Some(&Authority::new().join_file("attic", attic.secret)),
        "not of the Hive that the join file is of",
    );
    says(open.drones, Some(&attic), "nobody speaks TLS there");
    says(open.http, Some(&attic), "nobody speaks TLS there");
    shield.serve(shield.authority.certify_until(2020));
    says(queen.drones, Some(&attic), "her certificate has expired");
    open.stop().await;
    hive.stop().await;
}

#[test]
fn a_join_file_that_cannot_be_used_is_said_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = Authority::new().join_file("attic", [0xAB; 32]);
    let path = keep(directory.path(), &file);
    let complains = |what: &str| {
        let (code, said, error) = output(drone().arg("--join").arg(&path));
        assert_eq!((code, error.lines().count()), (Some(1), 1), "{error}");
        assert!(error.contains(what) && error.contains("hive.join") && !(said + &error).contains("abab"), "{error}");
    };
    for mode in [0o640, 0o604, 0o620, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        complains(&format!("run `chmod 600 {}`", path.display()));
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, file.to_string().replace("secret attic", "secret")).unwrap();
    complains("line 4 of the join file has to be `secret`");
    fs::write(&path, file.to_string().replace("MII", "MIJ")).unwrap();
    complains("what stands for the authority's certificate is none");
    fs::write(&path, "# nothing\n".repeat(2000)).unwrap();
    complains("more than 16384 bytes");
    fs::remove_file(&path).unwrap();
    complains("cannot read the join file");
}
