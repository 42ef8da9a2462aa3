//! `queen check` and `queen backup` as their users start them, on what a real Queen has left.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use queen::Config;
use queen::store::Location;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, params};
use serde_json::json;
use sha2::{Digest, Sha256};
use support::Hive;
use support::scripted::Scripted;
use tempfile::TempDir;

const SLOW: &str = "?algorithm=pbkdf2-hmac-sha256&iterations=2000";

/// Makes the database one of version 1.
const OLDER: &str = "DROP INDEX tasks_by_name; DROP INDEX tasks_by_owner_name; DROP INDEX tasks_by_kind;
    DROP INDEX tasks_by_creation; DROP INDEX tasks_by_reason; DROP INDEX tasks_by_ending;
    ALTER TABLE tasks DROP COLUMN kind; ALTER TABLE tasks DROP COLUMN algorithm;
    DROP TABLE searched; DROP TABLE findings;
    ALTER TABLE tasks DROP COLUMN found; ALTER TABLE tasks DROP COLUMN marks;
    UPDATE tasks SET specification = json_set(specification,
    iif(specification ->> 'algorithm' = 'hmac-sha256', '$.key', '$.salt'), lower(hex(secret))) WHERE secret IS NOT NULL;
    DROP INDEX tasks_by_owner; ALTER TABLE tasks DROP COLUMN owner; ALTER TABLE tasks DROP COLUMN owner_name;
    ALTER TABLE tasks DROP COLUMN address; DROP TABLE log; DROP TABLE tokens; DROP TABLE join_secrets;
    DROP TABLE authority; DROP TABLE hosts;
    DROP INDEX tasks_by_secret; DROP TABLE secrets;
    ALTER TABLE tasks DROP COLUMN secret; ALTER TABLE tasks DROP COLUMN secret_hash;
    DROP INDEX tasks_by_finish; CREATE INDEX tasks_by_end ON tasks (finished_at);
    ALTER TABLE tasks DROP COLUMN created_on; ALTER TABLE tasks DROP COLUMN finished_on;
    ALTER TABLE hive DROP COLUMN clock; ALTER TABLE hive DROP COLUMN wall;
    DROP TABLE detached; DROP INDEX tasks_batch; ALTER TABLE tasks DROP COLUMN batch;
    DROP TABLE leases; DROP TABLE drones; DROP INDEX results_suspect; DROP INDEX tasks_suspect;
    ALTER TABLE results DROP COLUMN drone; ALTER TABLE results DROP COLUMN checked;
    ALTER TABLE tasks DROP COLUMN paused; ALTER TABLE tasks DROP COLUMN deadline;
    ALTER TABLE tasks DROP COLUMN suspect; ALTER TABLE tasks DROP COLUMN corrected;
    ALTER TABLE hive DROP COLUMN next_drone; DROP TABLE keys; PRAGMA user_version = 1";

fn durable(directory: &Path) -> Config {
    Config { data: Some(Location::new(directory.into())), ..support::config() }
}

fn lines(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("{index}-{}", "x".repeat(index % 61))).collect()
}

/// Exit code, stdout and stderr of a command on a data directory.
fn queen(command: &str, directory: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut queen = Command::new(env!("CARGO_BIN_EXE_queen"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HIVE_")) {
        queen.env_remove(name);
    }
    let output = queen.arg(command).arg("--data-dir").arg(directory).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A data directory, and tasks in it.
struct Filled {
    folder: TempDir,
    small: u64,
    large: u64,
    cancelled: u64,
}

impl Filled {
    /// By a Queen who has stopped.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hive = Hive::open(&folder.path().join("data")).await;
        let worker = hive.worker("maja");
        let key = [("content-type", "application/json"), ("idempotency-key", "\"once\"")];
        let word = hive.send("POST", "/tasks", &key, r#"{"input":"honey"}"#).await;
        assert_eq!(word.status, 201, "{}", word.text());
        let word = word.json()["id"].as_u64().unwrap();
        let small = hive.compute(json!({ "inputs": ["a", "b", "c"] })).await["id"].as_u64().unwrap();
        let hex = json!({ "inputs": ["00ff", "61"], "encoding": "hex", "algorithm": "hmac-sha256", "key": "k" });
        hive.compute(hex).await;
        let large = hive.submit_lines("", &lines(5000)).await;
        for task in [word, large] {
            hive.until_done(task).await;
        }
        worker.leave().await;
        let mut drone = Scripted::start(hive.drones, "flip").await;
        let cancelled = hive.submit_lines(SLOW, &lines(8000)).await;
        drone.begin(cancelled, 0).await;
        hive.cancel(cancelled).await;
        let unfinished = hive.submit_lines(SLOW, &lines(8000)).await;
        drone.begin(unfinished, 1).await;
        drone.leave().await;
        hive.until_drones(0).await;
        hive.compute_nothing(json!({ "inputs": ["never", "done"] })).await;
        hive.stop().await;
        Self { folder, small, large, cancelled }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn copy(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        fs::DirBuilder::new().mode(0o700).create(copy.path().join("bulk")).unwrap();
        for (name, bytes) in contents(&self.path()) {
            fs::write(copy.path().join(name), bytes).unwrap();
        }
        copy
    }
}

impl Hive {
    /// A Queen on a directory, when she has taken over what is in it.
    async fn open(directory: &Path) -> Self {
        Self::start_with(durable(directory)).await
    }

    /// Submits JSON that nobody is there to compute.
    async fn compute_nothing(&self, task: serde_json::Value) -> u64 {
        let answer = self.send("POST", "/tasks", &[("content-type", "application/json")], task.to_string()).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_u64().unwrap()
    }
}

/// All files but those that may change.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in ["", "bulk"] {
        for entry in fs::read_dir(directory.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(directory).unwrap();
            if path.is_file() && name != Path::new("lock") && name != Path::new("hive.db-shm") {
                files.insert(name.to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn database(directory: &Path) -> Connection {
    Connection::open(directory.join("hive.db")).unwrap()
}

fn sql(directory: &Path, statement: &str) {
    assert_eq!(database(directory).execute(statement, []).unwrap(), 1, "{statement}");
}

/// A task's bulk file, and how many bytes of it are inputs.
fn bulk(directory: &Path, task: u64) -> (PathBuf, u64) {
    let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u64>(0)?, row.get::<_, Vec<u8>>(1)?));
    let select = "SELECT file, extents FROM tasks JOIN segments ON task = id WHERE id = ?";
    let (number, extents) = database(directory).query_row(select, [task], row).unwrap();
    let bytes =
        extents.as_chunks::<20>().0.iter().map(|row| u64::from(u32::from_le_bytes(*row[4..].first_chunk().unwrap())));
    (directory.join(format!("bulk/{number:016x}")), bytes.sum())
}

fn open(path: &Path) -> File {
    File::options().read(true).write(true).open(path).unwrap()
}

fn flip(path: &Path, at: u64) {
    let (file, mut byte) = (open(path), [0]);
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}

fn last_line(text: &str) -> &str {
    text.lines().next_back().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sound_is_ok_and_stays_as_it_was() {
    let filled = Filled::new().await;
    let path = filled.path();
    let before = contents(&path);
    let (code, said, error) = queen("check", &path, &[]);
    assert_eq!(code, Some(0), "{said}{error}");
    assert!(said.starts_with("OK: 7 tasks, ") && said.lines().count() == 1, "{said}");
    let numbers: Vec<u64> = said.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    // Of each of the three large ones 64, but for what is chosen twice, and of all the cost.
    assert!(numbers[1] > 5006 && numbers[2] > 70 && numbers[2] <= 6 + 3 * 64, "{said}");
    assert!(contents(&path) == before);

    // What is in the log alone counts, and stays there.
    let open = database(&path);
    open.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    open.pragma_update(None, "journal_mode", "WAL").unwrap();
    open.execute("UPDATE hive SET next_task = 3", []).unwrap();
    drop(open);
    let before = contents(&path);
    assert!(!before[Path::new("hive.db-wal")].is_empty());
    let (code, said, _) = queen("check", &path, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("though the next is to be 3") && last_line(&said).starts_with("DAMAGED: "), "{said}");
    assert!(contents(&path) == before);
    sql(&path, "UPDATE hive SET next_task = 8");

    // Suspect results are no damage, whatever stands there: others may be half written in their place.
    let copy = filled.copy();
    let (small, large, cancelled) = (filled.small, filled.large, filled.cancelled);
    for task in [large, small] {
        sql(copy.path(), &format!("UPDATE results SET checked = 2, crc = 0 WHERE task = {task} AND first = 0"));
        sql(copy.path(), &format!("UPDATE tasks SET suspect = 1 WHERE id = {task}"));
    }
    sql(copy.path(), &format!("UPDATE results SET checked = 2, crc = 0 WHERE task = {cancelled} AND first = 0"));
    let first = format!("SELECT past FROM results WHERE task = {cancelled} AND first = 0");
    sql(copy.path(), &format!("UPDATE tasks SET done = done - ({first}) WHERE id = {cancelled}"));
    sql(copy.path(), &format!("UPDATE results SET bytes = zeroblob(96) WHERE task = {small}"));
    let (file, inputs) = bulk(copy.path(), large);
    flip(&file, inputs + 5);
    let (code, said, _) = queen("check", copy.path(), &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("note: task {small}: 3 of its 3 results are suspect")), "{said}");
    for task in [large, cancelled] {
        assert!(said.contains(&format!("note: task {task}: ")), "{said}");
    }

    // An older schema, and a file that nobody needs, are no damage.
    database(&path).execute_batch(OLDER).unwrap();
    fs::write(path.join("bulk/00000000000000ff"), "left over").unwrap();
    let (code, said, _) = queen("check", &path, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("note: ") && said.contains("00000000000000ff") && said.contains("older schema 1"), "{said}");

    // A Queen goes on with it, and while she does she is left alone.
    let hive = Hive::open(&path).await;
    let worker = hive.worker("willi");
    hive.until_drones(1).await;
    let (code, said, error) = queen("check", &path, &[]);
    assert_eq!((code, said.as_str()), (Some(1), ""), "{error}");
    assert!(error.contains("in use by another Queen"), "{error}");
    worker.leave().await;
    hive.stop().await;
}

#[test]
fn what_is_no_data_directory_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let to = folder.path().join("hive.tar");
    for (directory, why) in [
        (folder.path().join("none"), "does not exist"),
        (file, "not a directory"),
        (empty.clone(), "no hive.db"),
        (folder.path().into(), "it contains"),
    ] {
        for (command, args) in [("check", vec![]), ("backup", vec!["--to", to.to_str().unwrap()])] {
            let (code, said, error) = queen(command, &directory, &args);
            assert_eq!((code, said.as_str(), error.lines().count()), (Some(1), "", 1), "{error}");
            assert!(error.contains(why), "{error}");
        }
    }
    assert!(!to.exists() && fs::read_dir(empty).unwrap().count() == 0);
    for command in ["check", "backup"] {
        let (code, help, _) = queen(command, folder.path(), &["--help"]);
        assert!(code == Some(0) && help.contains("Examples:") && help.contains("HIVE_DATA_DIR"), "{help}");
    }
}

type Damage<'a> = (&'a str, Box<dyn Fn(&Path)>, Vec<String>);

fn in_files(filled: &Filled) -> Vec<Damage<'static>> {
    let (large, cancelled) = (filled.large, filled.cancelled);
    let name = bulk(&filled.path(), large).0.file_name().unwrap().to_str().unwrap().to_owned();
    let task = format!("task {large}: ");
    let lines = |what: &str| vec![task.clone(), name.clone(), what.to_owned()];
    let at = move |path: &Path| bulk(path, large);
    let shorten = move |path: &Path, length: u64| open(&at(path).0).set_len(length).unwrap();
    vec![
        ("an input", Box::new(move |path| flip(&at(path).0, 30_000)), lines("their checksum is wrong")),
        ("a result", Box::new(move |path| flip(&at(path).0, at(path).1 + 70)), lines("their checksum is wrong")),
        ("no last result", Box::new(move |path| shorten(path, at(path).1 + 4999 * 32)), lines("ends at byte")),
        ("half the inputs", Box::new(move |path| shorten(path, at(path).1 / 2)), lines("inputs from")),
        ("no file", Box::new(move |path| fs::remove_file(at(path).0).unwrap()), lines("cannot be read")),
        (
            "a digest with the checksum of what is there",
            Box::new(move |path| {
                let (file, inputs) = at(path);
                flip(&file, inputs);
                let database = database(path);
                let select = "SELECT past FROM results WHERE task = ? AND first = 0";
                let past: u64 = database.query_row(select, [large], |row| row.get(0)).unwrap();
                let mut results = vec![0; past as usize * 32];
                open(&file).read_exact_at(&mut results, inputs).unwrap();
                let update = "UPDATE results SET crc = ? WHERE task = ? AND first = 0";
                database.execute(update, params![crc32fast::hash(&results), large]).unwrap();
            }),
            vec![task.clone(), "input 0 ('0-'): its digest is another".into()],
        ),
        (
            "no records of results",
            Box::new(move |path| sql(path, &format!("DELETE FROM results WHERE task = {large} AND first = 0"))),
            vec![task.clone(), "the first that is missing is 0".into()],
        ),
        (
            "the file of another",
            Box::new(move |path| {
                sql(
                    path,
                    &format!(
                        "UPDATE tasks SET file = (SELECT file FROM tasks WHERE id = {large}) WHERE id = {cancelled}"
                    ),
                );
            }),
            vec![format!("task {cancelled}: "), name.clone(), "belongs to another task as well".into()],
        ),
    ]
}

fn in_records(filled: &Filled) -> Vec<Damage<'static>> {
    let Filled { small, large, cancelled, .. } = *filled;
    let statement = |statement: String| -> Box<dyn Fn(&Path)> { Box::new(move |path| sql(path, &statement)) };
    let small_one = |what: &str, set: String, said: &'static str| -> Damage<'static> {
        let damage = statement(format!("UPDATE {what} WHERE {set}"));
        ("a row", damage, vec![format!("task {small}: "), said.into()])
    };
    vec![
        small_one("results SET past = past - 1", format!("task = {small} AND first = 0"), "they have"),
        small_one("tasks SET inputs = substr(inputs, 1, 9)", format!("id = {small}"), "its inputs cannot be read"),
        small_one("tasks SET total = 4", format!("id = {small}"), "3 inputs, and should have 4"),
        small_one("tasks SET specification = '{}'", format!("id = {small}"), "hive.db"),
        small_one("tasks SET state = 9", format!("id = {small}"), "no such state"),
        small_one("results SET crc = -1", format!("task = {small} AND first = 0"), "hive.db"),
        small_one("results SET bytes = NULL", format!("task = {small} AND first = 0"), "not where the inputs are"),
        (
            "a digest with its checksum",
            Box::new(move |path| {
                let database = database(path);
                let select = "SELECT bytes FROM results WHERE task = ? AND first = 0";
                let mut results: Vec<u8> = database.query_row(select, [small], |row| row.get(0)).unwrap();
                results[0] ^= 1;
                let update = "UPDATE results SET bytes = ?, crc = ? WHERE task = ? AND first = 0";
                database.execute(update, params![results, crc32fast::hash(&results), small]).unwrap();
            }),
            vec![format!("task {small}: input 0 ('a'): its digest is another")],
        ),
        small_one("results SET checked = 7", format!("task = {small} AND first = 0"), "no such thing"),
        small_one("results SET drone = 99", format!("task = {small} AND first = 0"), "are of Drone 99"),
        (
            "fewer suspect results",
            statement(format!("UPDATE results SET checked = 2, bytes = zeroblob(64) WHERE task = {small}")),
            vec![format!("task {small}: results 0..3: they have 64 bytes")],
        ),
        (
            "a Drone of the future",
            statement("INSERT INTO drones (id, instance, name) VALUES (99, zeroblob(16), 'maja')".into()),
            vec!["the Drone 99 cannot be one".into()],
        ),
        (
            "a lease beyond its task",
            Box::new(move |path| {
                sql(path, &format!("INSERT INTO leases VALUES (5, {small}, 1, 2, 4)"));
                sql(path, &format!("INSERT INTO leases VALUES (6, {small}, 1, 2, 3)"));
            }),
            vec![format!("the lease 5 of task {small} cannot be one"), "DAMAGED: 1 finding".into()],
        ),
        (
            "a number of results",
            statement(format!("UPDATE tasks SET done = done - 1 WHERE id = {cancelled}")),
            vec![format!("task {cancelled}: it says")],
        ),
        (
            "results twice",
            statement(format!("INSERT INTO results (task, first, past, crc) VALUES ({large}, 1, 2, 0)")),
            vec![format!("task {large}: "), "which cannot be".into()],
        ),
        (
            "no segments",
            statement(format!("DELETE FROM segments WHERE task = {large}")),
            vec![format!("task {large}: "), "are not listed".into()],
        ),
        (
            "no task",
            statement(format!("DELETE FROM tasks WHERE id = {large}")),
            vec![format!("task {large} is not there"), "bulk files take".into(), "tasks are done".into()],
        ),
        ("a count", statement("UPDATE counts SET tasks = 70 WHERE state = 1".into()), vec!["70 tasks are done".into()]),
        (
            "a key of the future",
            statement("UPDATE keys SET task = 99".into()),
            vec!["for task 99 cannot be one".into()],
        ),
        (
            "a page",
            Box::new(|path| {
                let select = "SELECT rootpage FROM sqlite_schema WHERE name = 'tasks_by_state'";
                let page: u64 = database(path).query_row(select, [], |row| row.get(0)).unwrap();
                open(&path.join("hive.db")).write_all_at(&[0xa5; 4096], (page - 1) * 4096).unwrap();
            }),
            vec!["hive.db: ".into()],
        ),
        (
            "the page of tasks",
            Box::new(|path| {
                let select = "SELECT rootpage FROM sqlite_schema WHERE name = 'tasks'";
                let page: u64 = database(path).query_row(select, [], |row| row.get(0)).unwrap();
                open(&path.join("hive.db")).write_all_at(&[0xa5; 4096], (page - 1) * 4096).unwrap();
            }),
            vec!["hive.db: its tasks cannot be read".into()],
        ),
        (
            "the header",
            Box::new(|path| open(&path.join("hive.db")).write_all_at(b"garbage", 0).unwrap()),
            vec!["hive.db: it is not an SQLite database".into(), "DAMAGED: 1 finding".into()],
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_found() {
    let filled = Filled::new().await;
    for (what, damage, lines) in in_files(&filled).into_iter().chain(in_records(&filled)) {
        let copy = filled.copy();
        damage(copy.path());
        let before = contents(copy.path());
        let (code, said, error) = queen("check", copy.path(), &[]);
        assert_eq!(code, Some(1), "{what}, {lines:?}: {said}{error}");
        assert!(last_line(&said).starts_with("DAMAGED: ") && error.is_empty(), "{what}: {said}{error}");
        assert!(lines.iter().all(|line| said.contains(line)), "{what}: {lines:?} is not in {said}");
        assert!(contents(copy.path()) == before, "{what}: something was changed");
    }
}

/// Submits tasks and removes them as soon as they are done, until it is to stop.
async fn churn(hive: Arc<Hive>, stop: Arc<AtomicBool>) {
    while !stop.load(Relaxed) {
        let task = hive.submit_lines("", &lines(3000)).await;
        hive.until_done(task).await;
        assert_eq!(hive.send("DELETE", &format!("/tasks/{task}"), &[], "").await.status, 204);
    }
}

fn restore(archive: &Path, directory: &Path) {
    fs::DirBuilder::new().mode(0o700).create(directory).unwrap();
    let restored = Command::new("tar").arg("-xf").arg(archive).arg("-C").arg(directory).status().unwrap();
    assert!(restored.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_queen_at_work_is_served_by_another() {
    let folder = tempfile::tempdir().unwrap();
    let (data, to) = (folder.path().join("data"), folder.path().join("hive.tar"));
    let hive = Arc::new(Hive::open(&data).await);
    let mut drone = Scripted::start(hive.drones, "flip").await;
    let begun = hive.submit_lines("", &lines(9000)).await;
    drone.begin(begun, 0).await;
    assert_eq!(hive.send("POST", &format!("/tasks/{begun}/pause"), &[], "").await.status, 200);
    drone.leave().await;
    let workers = [hive.worker("maja"), hive.worker("willi")];
    let large = hive.submit_lines("", &lines(5000)).await;
    hive.until_done(large).await;
    let mut small = Vec::new();
    for index in 0..20 {
        small.push(hive.compute_nothing(json!({ "input": format!("bee {index}") })).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let churning = tokio::spawn(churn(Arc::clone(&hive), Arc::clone(&stop)));
    let (from, file) = (data.clone(), to.clone());
    let backup = move |args: &[&str]| queen("backup", &from, &[&["--to", file.to_str().unwrap()], args].concat());
    let (backup, (code, said, error)) = tokio::task::spawn_blocking(move || {
        let first = backup(&[]);
        (backup, first)
    })
    .await
    .unwrap();
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("tasks, ") && said.contains("bytes, "), "{said}");
    assert_eq!(fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);

    let written = fs::read(&to).unwrap();
    let (code, _, error) = backup(&[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(error.contains("exists") && error.contains("--force") && fs::read(&to).unwrap() == written, "{error}");
    let (code, _, error) = backup(&["--force"]);
    assert_eq!(code, Some(0), "{error}");
    let inside = data.join("bulk/hive.tar");
    let (code, _, error) = queen("backup", &data, &["--to", inside.to_str().unwrap()]);
    assert!(code == Some(1) && error.contains("in the data directory itself"), "{error}");
    stop.store(true, Relaxed);
    churning.await.unwrap();
    for worker in workers {
        worker.leave().await;
    }
    Arc::into_inner(hive).unwrap().stop().await;
    let (code, said, _) = queen("check", &data, &[]);
    assert_eq!(code, Some(0), "the Queen was disturbed: {said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left beside the file");

    fs::write(folder.path().join("first.tar"), &written).unwrap();
    for (number, archive) in ["first.tar", "hive.tar"].into_iter().enumerate() {
        let restored = folder.path().join(format!("restored-{number}"));
        restore(&folder.path().join(archive), &restored);
        let (code, said, error) = queen("check", &restored, &[]);
        assert_eq!(code, Some(0), "{said}{error}");
        serves(&restored, large, begun, &small).await;
    }
}

/// Whether a Queen has all of these tasks there, and brings them to their end.
async fn serves(directory: &Path, large: u64, begun: u64, small: &[u64]) {
    let hive = Hive::open(directory).await;
    let worker = hive.worker("heir");
    hive.until_drones(1).await;
    let view = hive.get(&format!("/tasks/{begun}")).await.json();
    assert!(view["state"] == "paused" && view["done"].as_u64() > Some(0), "{view}");
    assert_eq!(hive.send("POST", &format!("/tasks/{begun}/resume"), &[], "").await.status, 200);
    for (task, count) in [(large, 5000), (begun, 9000)] {
        assert_eq!(hive.until_done(task).await["total"], count);
        let results = hive.get(&format!("/tasks/{task}/results?format=text")).await.text();
        let right = |(line, input)| line == format!("{}  {input}", const_hex::encode(Sha256::digest(&input)));
        assert!(results.lines().count() == count && results.lines().zip(lines(count)).all(right));
    }
    for (index, task) in small.iter().enumerate() {
        let view = hive.until_done(*task).await;
        let digest = const_hex::encode(Sha256::digest(format!("bee {index}")));
        assert_eq!(view["results"][0]["digest"], digest, "{view}");
    }
    worker.leave().await;
    hive.stop().await;
}
