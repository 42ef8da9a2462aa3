//! `queen backup`: one file with everything in it, taken while a Queen works or not.
//!
//! The records are copied first, all as of one moment. What they refer to in bulk files was
//! durable before they were, and stays as long as its task is there; so those files are copied
//! at leisure behind it, and what is written into them meanwhile does no harm. Results that
//! became suspect since may be replaced meanwhile, so they are suspect in the copy as well. A
//! file that is gone by then belonged to a task that was removed since; it leaves the copy too.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OptionalExtension, params};
use tar::{Builder, EntryType, Header};
use tempfile::{NamedTempFile, TempDir};

use super::bulk::{Bulk, result_offset};
use super::directory;
use super::disk::{NO_FOLLOW, System};
use super::error::StoreError;
use super::rows::{asked, large};
use super::{migrations, schema, whole_file};
use crate::kinds;

/// Bytes that are read and written at a time.
const BUFFER: usize = 1 << 20;

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// How many tasks are in it.
    pub tasks: u64,
    /// How long the file is.
    pub bytes: u64,
}

/// What the Queen did since the snapshot that its bulk files show.
#[derive(Debug, Default, PartialEq, Eq)]
struct Since {
    /// Tasks that she removed, with their files.
    removed: Vec<i64>,
    /// Results that are suspect or were replaced, by task and first index.
    suspect: Vec<(i64, i64)>,
}

type Archive = Builder<BufWriter<File>>;

/// Copies the data directory `from` into the file `to`; replaces one only with `force`.
///
/// # Errors
/// If `from` is no data directory or is damaged, if `to` is there or would lie in it, or if
/// anything cannot be read or written. There is no new file then.
pub fn run(from: &Path, to: &Path, force: bool) -> anyhow::Result<Written> {
    let from = &directory::find_used(from)?;
    let parent = place(from, to, force)?;
    let part = part(&parent, to)?;
    let source = schema::open_reader(&directory::database(from), None)?;
    let snapshot = snapshot(&source, &part)?;
    let (file, written) = pack(from, to, &part, &source, snapshot)?;
    publish(file, to, force)
        .and_then(|()| File::open(&parent)?.sync_all())
        .with_context(|| format!("{} cannot be written", to.display()))?;
    Ok(written)
}

/// Writes the whole archive, though not yet under its name.
fn pack(
    from: &Path,
    to: &Path,
    part: &TempDir,
    source: &Connection,
    snapshot: Connection,
) -> anyhow::Result<(NamedTempFile, Written)> {
    let file = NamedTempFile::new_in(part.path()).map_err(StoreError::io(part.path()))?;
    let mut archive = Archive::new(BufWriter::with_capacity(BUFFER, file.reopen()?));
    let unwritten = || format!("{} cannot be written", to.display());
    let since = bulk_files(from, source, &snapshot, &mut archive, &unwritten)?;
    let database = part.path().join("hive.db");
    let tasks = trim(snapshot, &since).map_err(StoreError::database(&database))?;

    let owner = fs::metadata(directory::database(from)).map_err(StoreError::io(from))?;
    let copied = File::open(&database).map_err(StoreError::io(&database))?;
    let length = copied.metadata().map_err(StoreError::io(&database))?.len();
    // What was measured over time, as it was written last.
    if let Some(bytes) = directory::history(from, Arc::new(System)).read().bytes {
        let whole = whole_file::whole(1, &bytes);
        append(&mut archive, directory::history_name(), &owner, whole.len() as u64, &*whole).with_context(unwritten)?;
    }
    let rest = append(&mut archive, "hive.db", &owner, length, copied).with_context(unwritten)?;
    ensure!(rest == 0, "{} changed while it was copied", database.display());
    let bytes = finish(archive).with_context(unwritten)?;
    Ok((file, Written { tasks, bytes }))
}

/// The folder that the file goes into, if it may be there.
fn place(from: &Path, to: &Path, force: bool) -> anyhow::Result<PathBuf> {
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let parent = parent
        .canonicalize()
        .with_context(|| format!("--to {}: there is no folder {} to write into", to.display(), parent.display()))?;
    if parent.starts_with(from.canonicalize().map_err(StoreError::io(from))?) {
        bail!("{} lies in the data directory itself: choose another place with --to", to.display());
    }
    match fs::symlink_metadata(to) {
        Ok(there) if !there.is_file() => bail!("{} is not a file: choose another name with --to", to.display()),
        Ok(_) if !force => bail!("{} exists: choose another name, or replace it with --force", to.display()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io(to)(error).into()),
        _ => Ok(parent),
    }
}

/// A folder beside the file for what is not complete; it goes with all that is in it.
fn part(parent: &Path, to: &Path) -> anyhow::Result<TempDir> {
    let Some(name) = to.file_name() else { bail!("{} is not the name of a file", to.display()) };
    let mut builder = tempfile::Builder::new();
    builder.suffix(".part").permissions(Permissions::from_mode(0o700));
    let mut prefix = name.to_owned();
    prefix.push(".");
    Ok(builder.prefix(&prefix).tempdir_in(parent).map_err(StoreError::io(parent))?)
}

/// Copies the records as of now into a database in `part`.
///
/// In one step, which is one read transaction of the length of a plain copy: her log cannot
/// begin anew for so long, and she notices nothing else. In several steps each of her commits
/// would begin the copy anew, so that it might never end while she works; and `VACUUM INTO`
/// holds its transaction for longer, since it builds every table and index again.
fn snapshot(source: &Connection, part: &TempDir) -> anyhow::Result<Connection> {
    let path = part.path().join("hive.db");
    let copy = || {
        let mut copy = Connection::open(&path)?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        copy.pragma_update(None, "journal_mode", "OFF")?;
        let step = Backup::new(source, &mut copy)?.step(-1)?;
        drop(copy);
        // Opened anew, since SQLite looks at some of the header only then.
        let copy = Connection::open(&path)?;
        copy.pragma_update(None, "synchronous", "OFF")?;
        copy.pragma_update(None, "journal_mode", "DELETE")?;
        let id: i32 = copy.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let sound: String = copy.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        Ok((step, migrations::version(&copy)?, id, sound, copy))
    };
    let (step, version, id, sound, copy) = copy().map_err(StoreError::database(&path))?;
    let database = source.path().unwrap_or("hive.db");
    ensure!(step == StepResult::Done, "{database} is busy: try again");
    ensure!(version > 0, "{database} is empty, so there is nothing to copy");
    migrations::check_version(Path::new(database), version)?;
    ensure!(id == migrations::APPLICATION_ID, "{database} belongs to another program");
    ensure!(sound == "ok", "{database} is damaged: {sound} (`queen check` lists everything that is wrong)");
    Ok(copy)
}

/// Puts the files that the snapshot names into the archive; returns what became of them since.
fn bulk_files(
    from: &Path,
    source: &Connection,
    snapshot: &Connection,
    archive: &mut Archive,
    unwritten: &dyn Fn() -> String,
) -> anyhow::Result<Since> {
    let folder = directory::bulk(from);
    let bulk = Bulk::new(folder.clone(), Arc::new(System), 0);
    let owner = fs::metadata(&folder).map_err(StoreError::io(&folder))?;
    append_folder(archive, &owner).with_context(unwritten)?;
    let broken = StoreError::database;
    let database = directory::database(from);
    let select = "SELECT id, file, (SELECT extents FROM segments WHERE task = id), \
                  coalesce((SELECT max(past) FROM results WHERE task = id), 0), specification \
                  FROM tasks WHERE file IS NOT NULL";
    let mut select = snapshot.prepare(select).map_err(broken(&database))?;
    let named = select.query_map([], |row| {
        let (task, number, past): (i64, u64, u64) = (row.get(0)?, row.get(1)?, row.get(3)?);
        let large = large(number, row.get_ref(2)?.as_blob()?)?;
        let asked = asked(row.get_ref(4)?.as_str()?)?;
        Ok((task, number, result_offset(&large, past, kinds::of(&asked.specification).width())))
    });
    let mut since = Since::default();
    for row in named.map_err(broken(&database))? {
        let (task, number, length) = row.map_err(broken(&database))?;
        let path = bulk.path(number);
        let damaged = |what: &str| StoreError::Damaged { path: path.clone(), what: what.into() };
        let file = match File::options().read(true).custom_flags(NO_FOLLOW).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A file goes only when its task's record is gone.
                let there = "SELECT 1 FROM tasks WHERE id = ?";
                let there = source.query_row(there, [task], |_| Ok(())).optional().map_err(broken(&database))?;
                if there.is_some() {
                    return Err(damaged(&format!("it is missing, though task {task} needs it")).into());
                }
                since.removed.push(task);
                continue;
            }
            opened => opened.map_err(StoreError::io(&path))?,
        };
        let owner = file.metadata().map_err(StoreError::io(&path))?;
        let context = || format!("{}, or {} cannot be read", unwritten(), path.display());
        let name = format!("bulk/{number:016x}");
        if append(archive, &name, &owner, length, file).with_context(context)? > 0 {
            return Err(damaged(&format!("it ends before byte {length}, which task {task} needs")).into());
        }
        replaced(source, snapshot, task, &mut since).map_err(broken(&database))?;
    }
    Ok(since)
}

/// Adds to `since` the results of a task that the source does not have any more as they were, or
/// does not trust any more: they may have been replaced while the file was copied.
fn replaced(source: &Connection, snapshot: &Connection, task: i64, since: &mut Since) -> rusqlite::Result<()> {
    if migrations::version(snapshot)? < migrations::HAS_DRONES {
        // No Queen of that version replaces any.
        return Ok(());
    }
    let mut there = source.prepare_cached("SELECT 1 FROM tasks WHERE id = ?")?;
    if !there.exists([task])? {
        since.removed.push(task);
        return Ok(());
    }
    let select = "SELECT first, past, crc FROM results WHERE task = ? AND checked <> 2";
    let same = "SELECT 1 FROM results WHERE task = ? AND first = ? AND past = ? AND crc = ? AND checked <> 2";
    let (mut select, mut same) = (snapshot.prepare_cached(select)?, source.prepare_cached(same)?);
    let mut rows = select.query([task])?;
    while let Some(row) = rows.next()? {
        let (first, past, crc): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if !same.exists([task, first, past, crc])? {
            since.suspect.push((task, first));
        }
    }
    Ok(())
}

fn append_folder(archive: &mut Archive, owner: &Metadata) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_metadata(owner);
    header.set_entry_type(EntryType::Directory);
    header.set_size(0);
    header.set_mode(0o700);
    archive.append_data(&mut header, "bulk/", io::empty())
}

/// Puts the first `length` bytes of a file into the archive, for `owner`'s owner alone; returns
/// how many of them are missing.
fn append(archive: &mut Archive, name: &str, owner: &Metadata, length: u64, file: impl Read) -> io::Result<u64> {
    let mut header = Header::new_gnu();
    header.set_metadata(owner);
    header.set_size(length);
    header.set_mode(0o600);
    let mut bytes = BufReader::with_capacity(BUFFER, file).take(length);
    archive.append_data(&mut header, name, &mut bytes)?;
    Ok(bytes.limit())
}

/// Does to the snapshot what the Queen did since; returns how many tasks are left.
fn trim(mut snapshot: Connection, since: &Since) -> rusqlite::Result<u64> {
    let step = snapshot.transaction()?;
    for task in &since.removed {
        let delete = "DELETE FROM tasks WHERE id = ? RETURNING state, bytes";
        let (state, bytes): (i64, i64) = step.query_row(delete, [task], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for table in ["segments", "results"] {
            step.execute(&format!("DELETE FROM {table} WHERE task = ?"), [task])?;
        }
        if migrations::version(&step)? >= migrations::HAS_BATCHES {
            step.execute("DELETE FROM detached WHERE batch = ?", [task])?;
        }
        step.execute("UPDATE counts SET tasks = tasks - 1 WHERE state = ?", [state])?;
        step.execute("UPDATE hive SET bulk_bytes = bulk_bytes - ?", params![bytes])?;
    }
    for (task, first) in &since.suspect {
        step.execute("UPDATE results SET checked = 2 WHERE task = ? AND first = ?", [task, first])?;
        step.execute("UPDATE tasks SET suspect = 1 WHERE id = ? AND state <> 0", [task])?;
    }
    if migrations::version(&step)? >= migrations::HAS_SECRETS {
        let delete =
            "DELETE FROM secrets WHERE hash NOT IN (SELECT secret_hash FROM tasks WHERE secret_hash IS NOT NULL)";
        step.execute(delete, [])?;
    }
    step.commit()?;
    let tasks = snapshot.query_row("SELECT count(*) FROM tasks", [], |row| row.get(0))?;
    snapshot.close().map_err(|(_, error)| error)?;
    Ok(tasks)
}

/// Makes the archive durable; returns its length.
fn finish(archive: Archive) -> io::Result<u64> {
    let mut buffer = archive.into_inner()?;
    buffer.flush()?;
    let file = buffer.get_ref();
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

/// Gives it its name. Whoever created a file of that name meanwhile keeps it, unless `force`.
fn publish(file: NamedTempFile, to: &Path, force: bool) -> io::Result<()> {
    match force {
        true => file.persist(to),
        false => file.persist_noclobber(to),
    }
    .map(drop)
    .map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use web::model::TaskState;
    use wire::ids::{DroneId, Instance, TaskId};

    use super::super::testing::{DIGEST, right};
    use super::super::{Change, Location, Store, check};
    use super::*;

    /// A task whose one input is in a file, and its end.
    fn submit(store: &mut Store, id: u64) {
        let end = store.submit(id, 1, true).end(TaskState::Cancelled, 0);
        store.write(&[end]);
    }

    fn is_sound(directory: &Path) -> (bool, String) {
        let mut said = Vec::new();
        let is_sound = check::run(directory, &mut said).unwrap();
        (is_sound, String::from_utf8(said).unwrap())
    }

    #[test]
    fn a_task_removed_meanwhile_leaves_the_copy_and_a_lost_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to, again) =
            (folder.path().join("data"), folder.path().join("hive.tar"), folder.path().join("again"));
        let mut store = Location::new(from.clone()).open().unwrap();
        (1..=3).for_each(|id| submit(&mut store, id));
        let part = part(folder.path(), &to).unwrap();
        let source = schema::open_reader(&directory::database(&from), None).unwrap();
        let copy = snapshot(&source, &part).unwrap();
        let removed = store.write(&[Change::Remove(TaskId(2))]);
        removed.iter().filter_map(|removed| removed.file).for_each(|file| store.reader.bulk().remove(file).unwrap());
        submit(&mut store, 4);
        let (file, written) = pack(&from, &to, &part, &source, copy).unwrap();
        assert_eq!(written.tasks, 2);
        tar::Archive::new(file.reopen().unwrap()).unpack(&again).unwrap();
        let (is_sound, said) = is_sound(&again);
        assert!(is_sound && said.starts_with("OK: 2 tasks"), "{said}");

        let lost = *store.reader.bulk().numbers().unwrap().first().unwrap();
        store.reader.bulk().remove(lost).unwrap();
        let error = run(&from, &to, false).unwrap_err().to_string();
        assert!(error.contains("is missing, though task 1 needs it") && !to.exists(), "{error}");
    }

    #[test]
    fn results_replaced_meanwhile_are_suspect_in_the_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to, again) =
            (folder.path().join("data"), folder.path().join("hive.tar"), folder.path().join("again"));
        let mut store = Location::new(from.clone()).open().unwrap();
        let drone = |id| Change::Drone { id: DroneId(id), instance: Instance([id as u8; 16]), name: "bee".into() };
        let task = store.submit(1, 6, true);
        let wrong = Bytes::from(vec![7; 2 * DIGEST]);
        store.write(&[drone(1), drone(2), task.results(0, wrong, 1), task.results(2, right(2, 6), 2)]);
        store.write(&[task.end(TaskState::Done, 6)]);
        let part = part(folder.path(), &to).unwrap();
        let source = schema::open_reader(&directory::database(&from), None).unwrap();
        let copy = snapshot(&source, &part).unwrap();
        store.write(&[Change::Suspect { drone: DroneId(1) }]);
        store.write(&[task.replacing(1, right(1, 2), 2)]);
        let (file, _) = pack(&from, &to, &part, &source, copy).unwrap();
        tar::Archive::new(file.reopen().unwrap()).unpack(&again).unwrap();
        let (is_sound, said) = is_sound(&again);
        assert!(is_sound && said.contains("task 1: 2 of its 6 results are suspect"), "{said}");
        let restored = Location::new(again).open().unwrap();
        assert!(restored.reader.task(TaskId(1)).unwrap().unwrap().suspect);
        assert_eq!(restored.reader.suspects(TaskId(0), 9).unwrap()[0].ranges, (0..2).into());
    }
}
