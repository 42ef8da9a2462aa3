//! Where bulk bytes should lie: in rows of the database that holds the records, or in a file beside it.
//!
//! Each variant writes the same segments, some to a commit, each commit durable when it returns; reads them
//! back, deletes them, and writes again with small commits in between. `BULK_MIB` tells how much is written
//! (256), `TMPDIR` where, and `BULK_COLD=1` drops the system's page cache before reading (root only).

use std::error::Error;
use std::fs::{self, File};
use std::hint::black_box;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use std::{env, io, iter, thread};

use rusqlite::{Connection, Params};
use tempfile::TempDir;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MIB: usize = 1 << 20;

/// The size of a page, how many of them in the log set off a checkpoint, and whether bulk is in a file.
type Variant = (u32, u32, bool);

const VARIANTS: [Variant; 5] =
    [(4096, 1000, true), (4096, 1000, false), (4096, 16384, false), (16384, 1000, false), (16384, 16384, false)];

/// The plain file of one task, and where it ends.
struct Bulk(File, u64);

impl Bulk {
    fn create(dir: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create_new(true).open(dir.join("task"))?;
        File::open(dir)?.sync_all()?; // the name must last as well
        Ok(Self(file, 0))
    }

    /// Appends and syncs; returns where the group begins and ends, which is what its record holds.
    fn append(&mut self, group: &[&[u8]]) -> io::Result<[u64; 2]> {
        let begin = self.1;
        for segment in group {
            self.0.write_all_at(segment, self.1)?;
            self.1 += segment.len() as u64;
        }
        self.0.sync_data()?;
        Ok([begin, self.1])
    }
}

/// A database in a directory of its own, with a file beside it if that is where bulk lies.
struct Store {
    dir: TempDir,
    db: Connection,
    bulk: Option<Bulk>,
}

impl Store {
    fn create(parent: &Path, (page, checkpoint, in_file): Variant) -> Result<Self> {
        let dir = tempfile::tempdir_in(parent)?;
        let db = Connection::open(dir.path().join("db"))?;
        db.execute_batch(&format!(
            "PRAGMA page_size = {page}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
             PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = {checkpoint};
             CREATE TABLE small (n INTEGER PRIMARY KEY, body BLOB);
             CREATE TABLE bulk (n INTEGER PRIMARY KEY, task INTEGER, begin INTEGER, end INTEGER, body BLOB);"
        ))?;
        let bulk = if in_file { Some(Bulk::create(dir.path())?) } else { None };
        Ok(Self { dir, db, bulk })
    }

    /// One durable commit of a group of segments.
    fn append(&mut self, group: &[&[u8]]) -> Result<()> {
        if let Some(bulk) = &mut self.bulk {
            let span = bulk.append(group)?;
            return self.record(span);
        }
        let commit = self.db.unchecked_transaction()?;
        group.iter().try_for_each(|segment| self.insert("bulk (task, body) VALUES (1, ?)", [segment]))?;
        Ok(commit.commit()?)
    }

    fn record(&self, span: [u64; 2]) -> Result<()> {
        self.insert("bulk (task, begin, end) VALUES (1, ?, ?)", span.map(|at| at as i64))
    }

    fn small(&self) -> Result<()> {
        self.insert("small (body) VALUES (?)", [[7u8; 100]])
    }

    fn insert(&self, values: &str, params: impl Params) -> Result<()> {
        Ok(self.db.prepare_cached(&format!("INSERT INTO {values}"))?.execute(params).map(drop)?)
    }

    /// Reads all bulk in order over a connection of its own; returns how many bytes there were.
    fn read(&self) -> Result<usize> {
        let db = Connection::open(self.dir.path().join("db"))?;
        let mut statement = db.prepare("SELECT begin, end, body FROM bulk WHERE task = 1 ORDER BY n")?;
        let (mut rows, mut buffer, mut read) = (statement.query([])?, Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let Some(Bulk(file, _)) = &self.bulk else {
                read += black_box(row.get_ref(2)?.as_blob()?).len();
                continue;
            };
            let (begin, end): (i64, i64) = (row.get(0)?, row.get(1)?);
            buffer.resize((end - begin) as usize, 0);
            file.read_exact_at(&mut buffer, begin as u64)?;
            read += black_box(&buffer).len();
        }
        Ok(read)
    }

    /// Deletes all bulk and gives its space back to the file system; returns how long the log became.
    fn delete(&mut self) -> Result<u64> {
        self.db.execute_batch("DELETE FROM bulk WHERE task = 1")?;
        self.bulk.take().map_or(Ok(()), |_| fs::remove_file(self.dir.path().join("task")))?;
        // A few at a time: pages that do not fit SQLite's cache would go through the log.
        while self.db.pragma_query_value(None, "freelist_count", |row| row.get(0).map(|free: i64| free > 0))? {
            self.pragma("incremental_vacuum(100)")?;
        }
        let log = fs::metadata(self.dir.path().join("db-wal"))?.len(); // it never shrinks before this
        self.pragma("wal_checkpoint(TRUNCATE)")?;
        File::open(self.dir.path())?.sync_all()?;
        if self.on_disk()? < 4 * MIB as u64 { Ok(log) } else { Err("the space was not given back".into()) }
    }

    /// Runs a pragma to its end: some do their work row by row.
    fn pragma(&self, name: &str) -> Result<()> {
        Ok(self.db.prepare(&format!("PRAGMA {name}"))?.query_map([], |_| Ok(()))?.collect::<rusqlite::Result<()>>()?)
    }

    fn on_disk(&self) -> Result<u64> {
        fs::read_dir(self.dir.path())?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.blocks() * 512))
    }
}

/// Small commits, each asked for soon after the last was done: when the next is due, and how long they took from then.
struct Smalls(Instant, Vec<Duration>);

impl Smalls {
    fn turn(&mut self, store: &Store) -> Result<()> {
        if self.0 <= Instant::now() {
            store.small()?;
            self.1.push(self.0.elapsed());
            self.0 = Instant::now() + Duration::from_millis(3);
        }
        Ok(())
    }

    /// The writer does them between groups.
    fn between<'a>(store: &mut Store, mut groups: impl Iterator<Item = Vec<&'a [u8]>>) -> Result<String> {
        let mut smalls = Self(Instant::now(), Vec::new());
        groups.try_for_each(|group| store.append(&group).and_then(|()| smalls.turn(store)))?;
        Ok(spread(smalls.1))
    }

    /// The writer commits but records, while another thread appends to the file and syncs it.
    fn beside<'a>(store: &Store, mut groups: impl Iterator<Item = Vec<&'a [u8]>> + Send) -> Result<String> {
        let (mut smalls, mut bulk) = (Self(Instant::now(), Vec::new()), Bulk::create(store.dir.path())?);
        let (spans, written) = sync_channel(1);
        thread::scope(move |scope| {
            let writing = scope.spawn(move || groups.all(|group| spans.send(bulk.append(&group)).is_ok()));
            while !writing.is_finished() {
                if let Ok(span) = written.recv_timeout(smalls.0.saturating_duration_since(Instant::now())) {
                    store.record(span?)?;
                }
                smalls.turn(store)?;
            }
            written.iter().try_for_each(|span| store.record(span?))?;
            Ok(spread(smalls.1))
        })
    }
}

/// Median and 99th percentile in milliseconds.
fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |share| times.get(times.len() * share / 100).map_or(f64::NAN, |time: &Duration| time.as_secs_f64() * 1e3);
    format!("{:.1} / {:.1}", at(50), at(99))
}

/// What cannot be compressed, in groups of segments of 1 and 1.1 MiB in turn.
fn groups(pool: &[u8], size: usize, total: usize) -> impl Iterator<Item = Vec<&[u8]>> + Send {
    let segment = |number: usize| &pool[number * 7919 % (4 * MIB)..][..MIB + number % 2 * (MIB / 10)];
    (0..total / (size * MIB)).map(move |group| (group * size..(group + 1) * size).map(segment).collect())
}

/// Processor time of this process so far, user and system, in seconds, and how many bytes it sent to the disk.
fn spent() -> Result<(f64, f64)> {
    let (stat, io) = (fs::read_to_string("/proc/self/stat")?, fs::read_to_string("/proc/self/io")?);
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).flat_map(str::parse::<f64>).sum();
    let sent = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")).ok_or("no write_bytes")?;
    Ok((ticks / 100.0, sent.parse()?))
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<Duration> {
    let begun = Instant::now();
    work().map(|()| begun.elapsed())
}

/// Measures one variant with groups of one size and prints its line.
fn measure(parent: &Path, variant: Variant, pool: &[u8], size: usize, total: usize) -> Result<()> {
    let ((page, checkpoint, in_file), mut store) = (variant, Store::create(parent, variant)?);
    let bytes: usize = groups(pool, size, total).flatten().map(<[u8]>::len).sum();
    let rate = |time: Duration| bytes as f64 / 1e6 / time.as_secs_f64();
    let idle = spread((0..200).map(|_| timed(|| store.small())).collect::<Result<_>>()?);

    let (before, begun) = (spent()?, Instant::now());
    let commits = groups(pool, size, total).map(|group| timed(|| store.append(&group))).collect::<Result<_>>()?;
    store.pragma("wal_checkpoint(PASSIVE)")?;
    let (write, after, commit) = (rate(begun.elapsed()), spent()?, spread(commits));
    let (cpu, sent) = (after.0 - before.0, (after.1 - before.1) / bytes as f64);
    let (disk, place) = (store.on_disk()? as f64 / bytes as f64, if in_file { "file" } else { "rows" });
    print!("| {size} | {place}, {page}, {checkpoint} | {write:.0} | {commit} | {sent:.2} | {disk:.2} | {cpu:.2} ");

    if env::var_os("BULK_COLD").is_some() {
        fs::write("/proc/sys/vm/drop_caches", "1")?;
    }
    let read = rate(timed(|| if store.read()? == bytes { Ok(()) } else { Err("not all was read".into()) })?);
    let begun = Instant::now();
    print!("| {read:.0} | {1} | {0} ", store.delete()? / MIB as u64, begun.elapsed().as_millis());

    store.bulk = if in_file { Some(Bulk::create(store.dir.path())?) } else { None };
    let between = Smalls::between(&mut store, groups(pool, size, total / 4))?;
    store.delete()?;
    let beside = if in_file { Smalls::beside(&store, groups(pool, size, total / 4))? } else { "-".into() };
    println!("| {idle} | {between} | {beside} |");
    Ok(())
}

const HEADER: &str = "
| segments a commit | bulk in, page, checkpoint | MB/s | commit | sent/byte | disk/byte | cpu s | read MB/s | delete \
| log MiB | small, idle | small, one writer | small, bulk on a thread |
|---|---|---|---|---|---|---|---|---|---|---|---|---|";

fn main() -> Result<()> {
    let total = env::var("BULK_MIB").map_or(Ok(256), |mib| mib.parse::<usize>())? * MIB;
    let parent = env::var_os("TMPDIR").map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let xorshift = |x: &u64| Some(x ^ x << 13).map(|x| x ^ x >> 7).map(|x| x ^ x << 17);
    let pool: Vec<u8> = iter::successors(Some(1), xorshift).take(6 * MIB / 8).flat_map(u64::to_le_bytes).collect();

    // Whoever came first would pay for the page cache's memory.
    Smalls::between(&mut Store::create(&parent, VARIANTS[0])?, groups(&pool, 16, total))?;

    println!("{} MiB at {}; times in ms (median / p99)\n{HEADER}", total / MIB, parent.display());
    [1, 4, 16].iter().try_for_each(|size| VARIANTS.iter().try_for_each(|it| measure(&parent, *it, &pool, *size, total)))
}
