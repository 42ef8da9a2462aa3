//! The model itself: a careful program survives every loss of power, a careless one does not, and faults strike.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use queen::store::disk::Disk;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi, params};

use super::world::{Fault, Fired, World};

/// A new directory for one test, gone with it.
struct Temp(PathBuf);

impl Temp {
    fn new() -> Temp {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("hive-model-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let memory = Path::new("/dev/shm");
        let path = if memory.is_dir() { memory.join(name) } else { std::env::temp_dir().join(name) };
        fs::create_dir(&path).unwrap();
        Temp(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("world")
    }

    fn crash(&self) -> PathBuf {
        self.0.join("crash")
    }

    fn name(&self) -> String {
        self.0.file_name().unwrap().to_str().unwrap().to_owned()
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// How carefully the program under test works.
#[derive(Clone, Copy)]
struct Care {
    synchronous: &'static str,
    sync_files: bool,
    sync_dirs: bool,
}

const CAREFUL: Care = Care { synchronous: "FULL", sync_files: true, sync_dirs: true };

/// The program under test: records in SQLite, each with a bulk file that is durable before its record is.
struct Store {
    world: Arc<World>,
    disk: Arc<dyn Disk>,
    root: PathBuf,
    writer: Connection,
    reader: Connection,
    care: Care,
}

fn connect(root: &Path, vfs: &str, care: Care) -> Connection {
    let connection = Connection::open_with_flags_and_vfs(root.join("db"), OpenFlags::default(), vfs).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", care.synchronous).unwrap();
    connection.pragma_update(None, "wal_autocheckpoint", 25).unwrap();
    connection
}

/// The bytes of record `n`, of which no two sectors are alike.
fn content(n: u64) -> Vec<u8> {
    (0..700 + n * 37 % 3000).flat_map(|i| (i * 31 + n * 7).to_le_bytes()).collect()
}

impl Store {
    fn open(root: &Path, vfs: &str, care: Care) -> Store {
        let world = World::new(root).unwrap();
        fs::create_dir_all(world_bulk(root)).unwrap();
        world.register_vfs(vfs);
        let writer = connect(root, vfs, care);
        writer
            .execute_batch("CREATE TABLE IF NOT EXISTS record (n INTEGER PRIMARY KEY, sum INTEGER, filler BLOB)")
            .unwrap();
        let reader = connect(root, vfs, care);
        Store { disk: world.disk(), world, root: root.to_path_buf(), writer, reader, care }
    }

    fn path(&self, n: u64) -> PathBuf {
        world_bulk(&self.root).join(n.to_string())
    }

    fn put_file(&self, n: u64) -> io::Result<()> {
        if self.path(n).exists() {
            self.disk.remove(&self.path(n))?;
        }
        let file = self.disk.create(&self.path(n))?;
        let bytes = content(n);
        let middle = bytes.len() / 2 + 3;
        file.write_all_at(&bytes[middle..], middle as u64)?;
        file.write_all_at(&bytes[..middle], 0)?;
        if self.care.sync_files {
            file.sync_data()?;
        }
        if self.care.sync_dirs {
            self.disk.sync_dir(&world_bulk(&self.root))?;
        }
        let back = self.disk.open(&self.path(n))?.read_bytes(0, bytes.len())?;
        assert_eq!(back, bytes, "written bytes are read back");
        Ok(())
    }

    fn insert(&self, n: u64) -> rusqlite::Result<()> {
        let filler = vec![n as u8; (n * 997 % 9000) as usize];
        let values = params![n as i64, content(n).len() as i64, filler];
        self.writer.execute("INSERT INTO record VALUES (?1, ?2, ?3)", values).map(|_| ())
    }

    /// Mark 2n: record `n` is there; mark 2n + 1: it is removed.
    fn add(&self, n: u64) {
        self.put_file(n).unwrap();
        self.insert(n).unwrap();
        self.world.mark(2 * n);
        assert_eq!(count(&self.reader), count(&self.writer), "both connections see it");
    }

    fn remove(&self, n: u64) {
        self.writer.execute("DELETE FROM record WHERE n = ?1", [n as i64]).unwrap();
        self.world.mark(2 * n + 1);
        self.disk.remove(&self.path(n)).unwrap();
    }

    fn run(&self, from: u64, to: u64) {
        for n in from..to {
            self.add(n);
            if n % 3 == 2 {
                self.remove(n - 1);
            }
        }
    }
}

/// All files below a directory.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = [dir.to_path_buf(), world_bulk(dir)].into_iter().flat_map(|dir| fs::read_dir(dir).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    paths.map(|path| (path.strip_prefix(dir).unwrap().to_path_buf(), fs::read(path).unwrap())).collect()
}

fn count(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap()
}

fn world_bulk(root: &Path) -> PathBuf {
    root.join("bulk")
}

/// Opens what is left with plain SQLite, and says what is wrong with it.
fn check(left: &Path, marks: &[u64]) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    let connection = Connection::open(left.join("db")).map_err(text)?;
    connection.pragma_update(None, "synchronous", "OFF").map_err(text)?;
    let verdict: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(text)?;
    if verdict != "ok" {
        return Err(verdict);
    }
    let there = records(&connection);
    if there.is_err() && marks.is_empty() {
        return Ok(());
    }
    let there = there.map_err(text)?;
    for n in marks.iter().filter(|mark| *mark % 2 == 0).map(|mark| mark / 2) {
        // The last one may be on its way out, and its removal not acknowledged yet.
        let removed = marks.contains(&(2 * n + 1));
        let leaving = !removed && n % 3 == 1 && marks.contains(&(2 * n + 2));
        if there.contains_key(&n) == removed && !leaving {
            return Err(format!("record {n} should {}be there", if removed { "not " } else { "" }));
        }
    }
    for (n, len) in there {
        let bytes = fs::read(world_bulk(left).join(n.to_string())).map_err(|error| format!("file {n}: {error}"))?;
        if bytes != content(n) || bytes.len() as u64 != len {
            return Err(format!("file {n} is damaged"));
        }
    }
    Ok(())
}

fn records(connection: &Connection) -> rusqlite::Result<BTreeMap<u64, u64>> {
    let mut select = connection.prepare("SELECT n, sum FROM record")?;
    select.query_map([], |row| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64)))?.collect()
}

/// Loses power at every `step`-th position with several seeds; how often it was done, and all that was wrong.
fn crash(world: &World, temp: &Temp, step: usize, seeds: u64) -> (usize, Vec<String>) {
    let mut crashes = 0;
    let mut wrong = Vec::new();
    for position in (0..=world.position()).step_by(step) {
        let marks = world.marks_before(position);
        for seed in 0..seeds {
            world.lose_power(position, seed, &temp.crash()).unwrap();
            if let Err(error) = check(&temp.crash(), &marks) {
                wrong.push(format!("at {position}, seed {seed}: {error}; after\n{}", world.story(position, 12)));
            }
            fs::remove_dir_all(temp.crash()).unwrap();
            crashes += 1;
        }
    }
    (crashes, wrong)
}

fn workload(temp: &Temp, care: Care) -> Arc<World> {
    let store = Store::open(&temp.root(), &temp.name(), care);
    store.run(0, 30);
    store.writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    store.run(30, 36);
    // The last close removes the WAL, and the next transaction starts a new one.
    let Store { world, writer, reader, .. } = store;
    drop((writer, reader));
    let store = Store {
        disk: world.disk(),
        writer: connect(&temp.root(), &temp.name(), care),
        reader: connect(&temp.root(), &temp.name(), care),
        root: temp.root(),
        world,
        care,
    };
    store.run(36, 42);
    store.world
}

#[test]
fn a_careful_program_survives_every_loss_of_power() {
    let temp = Temp::new();
    let world = workload(&temp, CAREFUL);
    let (crashes, wrong) = crash(&world, &temp, 1, 2);
    println!("{} entries, {crashes} crashes", world.position());
    assert!(wrong.is_empty(), "{} of {crashes} wrong, the first {}", wrong.len(), wrong[0]);
}

#[test]
fn every_carelessness_is_caught() {
    for (what, care) in [
        ("SQLite does not sync", Care { synchronous: "OFF", ..CAREFUL }),
        ("SQLite does not sync every commit", Care { synchronous: "NORMAL", ..CAREFUL }),
        ("files are not synced", Care { sync_files: false, ..CAREFUL }),
        ("directories are not synced", Care { sync_dirs: false, ..CAREFUL }),
    ] {
        let temp = Temp::new();
        let world = workload(&temp, care);
        let (crashes, wrong) = crash(&world, &temp, 5, 3);
        let lost = wrong.iter().filter(|wrong| wrong.contains("should") || wrong.contains("no such table")).count();
        println!(
            "{what}: {} of {crashes} crashes are caught, {lost} by lost records, e.g. {}",
            wrong.len(),
            wrong.first().unwrap()
        );
        assert!(wrong.len() * 20 > crashes, "{what}: {} of {crashes}", wrong.len());
    }
}

#[test]
fn a_loss_of_power_is_the_same_for_the_same_seed_and_forgets_shared_memory() {
    let temp = Temp::new();
    let careless = Care { synchronous: "OFF", sync_files: false, sync_dirs: false };
    let store = Store::open(&temp.root(), &temp.name(), careless);
    store.run(0, 20);
    let world = &store.world;
    assert!(temp.root().join("db-shm").exists());
    let mut seen = Vec::new();
    let end = world.position();
    for (position, seed) in [(end, 1), (end / 2, 1), (end, 1), (end, 2)] {
        world.lose_power(position, seed, &temp.crash()).unwrap();
        seen.push(files(&temp.crash()));
        assert!(!temp.crash().join("db-shm").exists());
        fs::remove_dir_all(temp.crash()).unwrap();
    }
    assert_eq!(seen[0], seen[2]);
    assert_ne!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[3]);
}

#[test]
fn a_program_goes_on_in_what_is_left_and_survives_again() {
    let first = Temp::new();
    let world = workload(&first, CAREFUL);
    for (seed, position) in (1..=4).map(|part| world.position() * part / 4).enumerate() {
        let second = Temp::new();
        world.lose_power(position, seed as u64, &second.root()).unwrap();
        let before = world.marks_before(position);
        let store = Store::open(&second.root(), &second.name(), CAREFUL);
        store.run(1000, 1012);
        for position in 0..=store.world.position() {
            store.world.lose_power(position, 7, &second.crash()).unwrap();
            let marks = [before.clone(), store.world.marks_before(position)].concat();
            assert_eq!(check(&second.crash(), &marks), Ok(()), "at {position}: {}", store.world.story(position, 9));
            fs::remove_dir_all(second.crash()).unwrap();
        }
    }
}

/// With everything synced, a loss of power loses nothing: the log has all that was done, by whichever thread.
#[test]
fn the_log_is_complete() {
    let temp = Temp::new();
    let store = Store::open(&temp.root(), &temp.name(), CAREFUL);
    let (world, bulk) = (Arc::clone(&store.world), world_bulk(&temp.root()));
    let scribble = |thread: u64| {
        let (disk, world, path) = (world.disk(), Arc::clone(&world), bulk.join(format!("thread {thread}")));
        move || {
            let file = disk.create(&path).unwrap();
            for n in 0..300 {
                file.write_all_at(&[n as u8; 777], n * 131 % 50_000).unwrap();
                file.sync_data().unwrap();
                world.mark(1_000_000 * thread + n);
            }
        }
    };
    let read = || {
        let connection = connect(&temp.root(), &temp.name(), CAREFUL);
        let counts: Vec<_> = (0..200).map(|_| count(&connection)).collect();
        assert!(counts.is_sorted());
    };
    std::thread::scope(|scope| {
        scope.spawn(scribble(1));
        scope.spawn(scribble(2));
        scope.spawn(read);
        (0..40).for_each(|n| {
            store.put_file(n).unwrap();
            store.insert(n).unwrap();
        });
    });
    // Smaller, so that the database is truncated when the last connection closes.
    store.writer.execute_batch("DELETE FROM record WHERE n > 9; VACUUM").unwrap();
    let Store { writer, reader, disk, .. } = store;
    drop((writer, reader));
    disk.sync_dir(&temp.root()).unwrap();
    disk.sync_dir(&bulk).unwrap();
    for seed in 0..10 {
        world.lose_power(world.position(), seed, &temp.crash()).unwrap();
        assert!(files(&temp.crash()) == files(&temp.root()));
        fs::remove_dir_all(temp.crash()).unwrap();
    }
    assert_eq!(world.marks_before(world.position()).len(), 600);
}

fn extended_code(error: &rusqlite::Error) -> i32 {
    let rusqlite::Error::SqliteFailure(error, _) = error else { panic!("{error}") };
    error.extended_code
}

#[test]
fn sqlite_reports_each_fault_and_works_again() {
    for at in 1..=4 {
        let temp = Temp::new();
        let store = Store::open(&temp.root(), &temp.name(), CAREFUL);
        store.run(0, 3);
        for n in 105..109 {
            store.put_file(n).unwrap();
        }

        store.world.fail(Fault::NoSpace { at_write: at });
        let error = store.insert(105).unwrap_err();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DiskFull));
        assert_eq!(extended_code(&store.insert(106).unwrap_err()), ffi::SQLITE_FULL, "it stays full");
        assert_eq!(store.world.fired().no_space, 2);
        store.world.heal();
        store.add(10);

        store.world.fail(Fault::Torn { at_write: at });
        assert_eq!(extended_code(&store.insert(107).unwrap_err()), ffi::SQLITE_IOERR_WRITE);
        store.add(11);

        store.world.fail(Fault::SyncError { at_sync: 1 });
        assert_eq!(extended_code(&store.insert(108).unwrap_err()), ffi::SQLITE_IOERR_FSYNC);
        store.add(12);

        assert_eq!(store.world.fired(), Fired { no_space: 2, torn: 1, sync_error: 1 });
        let (crashes, wrong) = crash(&store.world, &temp, 1, 3);
        assert!(wrong.is_empty(), "{} of {crashes} wrong, the first {}", wrong.len(), wrong[0]);
    }
}

#[test]
fn plain_files_report_each_fault_and_work_again() {
    let temp = Temp::new();
    let world = World::new(&temp.root()).unwrap();
    let disk = world.disk();
    let path = temp.root().join("file");
    let file = disk.create(&path).unwrap();
    assert_eq!(disk.create(&path).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(disk.open(&temp.root().join("other")).err().unwrap().kind(), io::ErrorKind::NotFound);

    world.fail(Fault::NoSpace { at_write: 2 });
    file.write_all_at(b"first", 0).unwrap();
    for _ in 0..3 {
        assert_eq!(file.write_all_at(b"second", 5).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
    assert_eq!(disk.create(&temp.root().join("other")).err().unwrap().kind(), io::ErrorKind::StorageFull);
    assert_eq!(fs::read(&path).unwrap(), b"first");
    world.heal();

    world.fail(Fault::Torn { at_write: 1 });
    assert_eq!(file.write_all_at(b"second", 5).unwrap_err().raw_os_error(), Some(5));
    assert_eq!(fs::read(&path).unwrap(), b"firstsec");
    file.write_all_at(b"second", 5).unwrap();

    world.fail(Fault::SyncError { at_sync: 1 });
    world.fail(Fault::SyncError { at_sync: 3 });
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
    file.sync_data().unwrap();
    assert!(disk.sync_dir(&temp.root()).is_err());
    disk.sync_dir(&temp.root()).unwrap();
    assert_eq!(world.fired(), Fired { no_space: 4, torn: 1, sync_error: 2 });
    assert_eq!((world.writes(), world.syncs()), (6, 4));
}

#[test]
fn after_a_failed_sync_its_writes_are_lost_unless_written_again() {
    let temp = Temp::new();
    let world = World::new(&temp.root()).unwrap();
    let disk = world.disk();
    let file = disk.create(&temp.root().join("file")).unwrap();
    disk.sync_dir(&temp.root()).unwrap();
    file.write_all_at(&[1; 2048], 0).unwrap();
    file.sync_data().unwrap();
    file.write_all_at(&[2; 2048], 1024).unwrap();
    world.fail(Fault::SyncError { at_sync: 1 });
    file.sync_data().unwrap_err();
    let left = |seed| {
        world.lose_power(world.position(), seed, &temp.crash()).unwrap();
        let bytes = fs::read(temp.crash().join("file")).unwrap();
        fs::remove_dir_all(temp.crash()).unwrap();
        bytes
    };
    let sectors = |values: &[u8]| values.iter().flat_map(|value| [*value; 512]).collect::<Vec<_>>();

    assert_eq!(file.read_bytes(1024, 2048).unwrap(), [2; 2048], "still seen");
    assert!((0..50).all(|seed| left(seed) == sectors(&[1, 1, 1, 1])), "but lost");

    // A sync that succeeds does not bring them back, only the length.
    file.sync_data().unwrap();
    assert!((0..50).all(|seed| left(seed) == sectors(&[1, 1, 1, 1, 0, 0])));

    // What is written again is there.
    file.write_all_at(&[2; 1024], 1536).unwrap();
    file.sync_data().unwrap();
    assert!((0..50).all(|seed| left(seed) == sectors(&[1, 1, 1, 2, 2, 0])));
}

#[test]
fn unsynced_changes_survive_in_any_part() {
    let temp = Temp::new();
    let world = World::new(&temp.root()).unwrap();
    let disk = world.disk();
    let (kept, gone) = (temp.root().join("kept"), temp.root().join("gone"));
    disk.create(&gone).unwrap();
    disk.sync_dir(&temp.root()).unwrap();
    disk.remove(&gone).unwrap();
    let file = disk.create(&kept).unwrap();
    file.write_all_at(&[1; 1024], 0).unwrap();
    file.write_all_at(&[2; 512], 1024).unwrap();
    let mut seen = BTreeMap::new();
    for seed in 0..500 {
        world.lose_power(world.position(), seed, &temp.crash()).unwrap();
        let gone = temp.crash().join("gone").exists();
        let sectors = fs::read(temp.crash().join("kept")).ok().map(|bytes| bytes.chunks(512).map(|s| s[0]).collect());
        *seen.entry((gone, sectors)).or_insert(0) += 1;
        fs::remove_dir_all(temp.crash()).unwrap();
    }
    let kept: Vec<Option<Vec<u8>>> = seen.keys().map(|(_, kept)| kept.clone()).collect();
    let mut expected = vec![None, Some(vec![]), Some(vec![0, 0])];
    for first in [vec![1, 1], vec![1, 0], vec![0, 1], vec![0, 0]] {
        for third in [0, 2] {
            expected.push(Some([first.clone(), vec![third]].concat()));
        }
    }
    expected.push(Some(vec![1, 1]));
    for expected in expected {
        assert!(kept.contains(&expected), "{expected:?} never came up in {seen:?}");
    }
    assert!(seen.keys().any(|(gone, _)| *gone) && seen.keys().any(|(gone, _)| !gone));
    // Once synced, nothing is left to luck.
    file.sync_data().unwrap();
    disk.sync_dir(&temp.root()).unwrap();
    for seed in 0..50 {
        world.lose_power(world.position(), seed, &temp.crash()).unwrap();
        assert_eq!(fs::read(temp.crash().join("kept")).unwrap(), [vec![1; 1024], vec![2; 512]].concat());
        assert!(!temp.crash().join("gone").exists());
        fs::remove_dir_all(temp.crash()).unwrap();
    }
}

/// Any one sync or write of a run fails; the program tries again, and still nothing acknowledged is ever lost.
#[test]
fn a_program_that_tries_again_after_a_fault_survives_every_loss_of_power() {
    let mut fired = 0;
    for n in 1..=36 {
        for fault in
            [Fault::SyncError { at_sync: n }, Fault::Torn { at_write: n * 3 }, Fault::NoSpace { at_write: n * 3 }]
        {
            let temp = Temp::new();
            let store = Store::open(&temp.root(), &temp.name(), CAREFUL);
            store.world.fail(fault);
            for n in 0..12 {
                while store.put_file(n).is_err() {
                    store.world.heal();
                }
                while store.insert(n).is_err() {
                    store.world.heal();
                }
                store.world.mark(2 * n);
            }
            let Fired { no_space, torn, sync_error } = store.world.fired();
            fired += no_space + torn + sync_error;
            let (crashes, wrong) = crash(&store.world, &temp, 5, 2);
            assert!(wrong.is_empty(), "{fault:?}: {} of {crashes} wrong, the first {}", wrong.len(), wrong[0]);
        }
    }
    println!("{fired} faults struck");
    assert!(fired >= 90);
}
