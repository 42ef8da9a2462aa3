//! A SQLite VFS that does what the unix VFS does, and records it in a [`World`].
//!
//! Each of its files is a [`Shim`] with the unix VFS's own file right behind it. Methods that change the file go
//! through the world, all others straight to the unix file. Temporary files are not recorded.

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use rusqlite::ffi;

use super::world::{FileId, World};

/// The files that a loss of power must not harm.
const DURABLE: c_int = ffi::SQLITE_OPEN_MAIN_DB | JOURNAL;

/// Those of them whose directory the unix VFS syncs along with a connection's first sync.
const JOURNAL: c_int = ffi::SQLITE_OPEN_MAIN_JOURNAL | ffi::SQLITE_OPEN_SUPER_JOURNAL | ffi::SQLITE_OPEN_WAL;

/// What the VFS's `pAppData` points to. The world is not kept alive by it, only by the files that are open.
struct App {
    unix: *mut ffi::sqlite3_vfs,
    world: Weak<World>,
}

/// A file that is recorded.
struct Watched {
    world: Arc<World>,
    file: FileId,
    path: PathBuf,
    /// Its next sync also syncs its directory.
    sync_dir: AtomicBool,
}

/// The `sqlite3_file` SQLite sees; behind it in the same memory is the unix VFS's.
#[repr(C)]
struct Shim {
    base: ffi::sqlite3_file,
    /// Null for a temporary file.
    watched: *mut Watched,
}

impl World {
    /// Registers a VFS of this name, through which SQLite lives in this world. It stays registered; the name must be
    /// new in this process.
    pub fn register_vfs(self: &Arc<World>, name: &str) {
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the name is a C string; finding a VFS has no other demand.
        let taken = unsafe { ffi::sqlite3_vfs_find(name.as_ptr()) };
        assert!(!name.is_empty() && taken.is_null(), "a VFS needs a new name");
        // SAFETY: null asks for the default VFS.
        let unix = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!unix.is_null(), "SQLite has no default VFS");
        let app = App { unix, world: Arc::downgrade(self) };
        // SAFETY: a VFS that was found stays valid, and this one is the unix VFS. Of its methods only `xOpen` looks at
        // the VFS it is called on, so the others may be called on the copy.
        let mut vfs = unsafe { ptr::read(unix) };
        vfs.szOsFile += size_of::<Shim>() as c_int;
        vfs.pNext = ptr::null_mut();
        vfs.zName = name.into_raw();
        vfs.pAppData = Box::into_raw(Box::new(app)).cast();
        vfs.xOpen = Some(open);
        vfs.xDelete = Some(delete);
        // SAFETY: the VFS, its name and its data are leaked, so they are valid for as long as it is registered.
        let code = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0) };
        assert_eq!(code, ffi::SQLITE_OK, "the VFS was not registered");
    }
}

/// # Safety
/// `vfs` must be one that `register_vfs` made.
unsafe fn app<'a>(vfs: *mut ffi::sqlite3_vfs) -> &'a App {
    // SAFETY: `register_vfs` leaked it for good.
    unsafe { &*(*vfs).pAppData.cast::<App>() }
}

/// # Safety
/// `name` must be null or a C string that outlives the path.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: as demanded of the caller.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) });
    name.map(|name| Path::new(OsStr::from_bytes(name.to_bytes())))
}

/// # Safety
/// `file` must have been opened by `open`.
unsafe fn watched<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Watched> {
    // SAFETY: it is a `Shim` then, whose `watched` is null or valid until the file is closed.
    unsafe { (*file.cast::<Shim>()).watched.as_ref() }
}

/// The unix VFS's file behind a shim.
fn behind(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    file.cast::<Shim>().wrapping_add(1).cast()
}

/// Calls a method of the unix VFS's file; to be used in an unsafe block, on a file that `open` opened.
macro_rules! unix {
    ($file:expr, $method:ident($($arg:expr),*)) => {{
        let file = behind($file);
        match (*(*file).pMethods).$method {
            Some(method) => method(file, $($arg),*),
            None => Default::default(),
        }
    }};
}

/// A method that only hands on to the unix VFS's file.
macro_rules! hand_on {
    ($name:ident, $method:ident($($arg:ident: $type:ty),*) $(-> $result:ty)?) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file, $($arg: $type),*) $(-> $result)? {
            // SAFETY: SQLite calls it on a file that `open` opened, with arguments that are good for the unix VFS.
            unsafe { unix!(file, $method($($arg),*)) }
        }
    };
}

hand_on!(read, xRead(into: *mut c_void, len: c_int, offset: i64) -> c_int);
hand_on!(file_size, xFileSize(size: *mut i64) -> c_int);
hand_on!(lock, xLock(level: c_int) -> c_int);
hand_on!(unlock, xUnlock(level: c_int) -> c_int);
hand_on!(check_reserved_lock, xCheckReservedLock(held: *mut c_int) -> c_int);
hand_on!(sector_size, xSectorSize() -> c_int);
hand_on!(device_characteristics, xDeviceCharacteristics() -> c_int);
hand_on!(shm_map, xShmMap(page: c_int, size: c_int, extend: c_int, at: *mut *mut c_void) -> c_int);
hand_on!(shm_lock, xShmLock(offset: c_int, n: c_int, flags: c_int) -> c_int);
hand_on!(shm_barrier, xShmBarrier());
hand_on!(shm_unmap, xShmUnmap(delete: c_int) -> c_int);

/// Version 2, which has no `xFetch`: a mapped file would be changed behind the log's back.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// A result of the unix VFS as the world wants it.
fn result(code: c_int) -> io::Result<()> {
    match code {
        ffi::SQLITE_OK => Ok(()),
        ffi::SQLITE_FULL => Err(io::ErrorKind::StorageFull.into()),
        _ => Err(io::Error::other(format!("SQLite's unix VFS: {code}"))),
    }
}

/// A result as SQLite wants it.
fn code(result: Result<(), c_int>) -> c_int {
    result.err().unwrap_or(ffi::SQLITE_OK)
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    let shim = file.cast::<Shim>();
    // SAFETY: SQLite gives `szOsFile` bytes, which begin with the shim; without methods it will not close the file.
    unsafe { shim.write(Shim { base: ffi::sqlite3_file { pMethods: ptr::null() }, watched: ptr::null_mut() }) };
    // SAFETY: SQLite calls this on our VFS.
    let app = unsafe { app(vfs) };
    let unix = || {
        // SAFETY: the unix VFS gets its own VFS, SQLite's arguments, and as much memory behind the shim as it asked for.
        let code = unsafe { (*app.unix).xOpen.map(|open| open(app.unix, name, behind(file), flags, out_flags)) };
        result(code.unwrap_or(ffi::SQLITE_CANTOPEN))
    };
    // SAFETY: SQLite's name is null or a C string for the time of the call.
    let watched = match unsafe { path(name) } {
        Some(path) if flags & DURABLE != 0 => {
            watch(app, path, flags, unix).map(|watched| Box::into_raw(Box::new(watched)))
        }
        _ => unix().map(|()| ptr::null_mut()),
    };
    let Ok(watched) = watched else {
        return ffi::SQLITE_CANTOPEN;
    };
    // SAFETY: as above; the unix file is open, so the shim can take over.
    unsafe { shim.write(Shim { base: ffi::sqlite3_file { pMethods: &METHODS }, watched }) };
    ffi::SQLITE_OK
}

/// Opens or creates a file that is recorded.
fn watch(app: &App, path: &Path, flags: c_int, unix: impl FnOnce() -> io::Result<()>) -> io::Result<Watched> {
    let world = app.world.upgrade().ok_or(io::ErrorKind::NotFound)?;
    let path = world.path(path)?;
    let may_create = flags & ffi::SQLITE_OPEN_CREATE != 0;
    let file = match world.file(&path) {
        Ok(file) => unix().map(|()| file)?,
        Err(_) if may_create => world.create(&path, unix)?.0,
        Err(error) => return Err(error),
    };
    Ok(Watched { world, file, path, sync_dir: AtomicBool::new(may_create && flags & JOURNAL != 0) })
}

unsafe extern "C" fn delete(vfs: *mut ffi::sqlite3_vfs, name: *const c_char, sync_dir: c_int) -> c_int {
    // SAFETY: SQLite calls this on our VFS.
    let app = unsafe { app(vfs) };
    let unix = || {
        // SAFETY: the unix VFS gets its own VFS and SQLite's name; without a sync, which is for the log alone.
        let code = unsafe { (*app.unix).xDelete.map(|delete| delete(app.unix, name, 0)) };
        match code {
            Some(ffi::SQLITE_OK) => Ok(()),
            other => Err(other.unwrap_or(ffi::SQLITE_IOERR_DELETE)),
        }
    };
    // SAFETY: SQLite's name is a C string for the time of the call.
    let path = unsafe { path(name) };
    let Some(world) = app.world.upgrade() else {
        return ffi::SQLITE_IOERR_DELETE;
    };
    let Some(path) = path.and_then(|path| world.path(path).ok()) else {
        return code(unix());
    };
    let removed = world.remove(&path, unix);
    if removed.is_ok() && sync_dir != 0 {
        world.sync_parent(&path);
    }
    code(removed)
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let shim = file.cast::<Shim>();
    // SAFETY: SQLite closes a file that `open` opened, once; the box was made there and nothing else frees it.
    unsafe {
        let code = unix!(file, xClose());
        if !(*shim).watched.is_null() {
            drop(Box::from_raw((*shim).watched));
        }
        shim.write(Shim { base: ffi::sqlite3_file { pMethods: ptr::null() }, watched: ptr::null_mut() });
        code
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, len: c_int, offset: i64) -> c_int {
    // SAFETY: SQLite writes to a file that `open` opened, from a buffer of this length.
    let (watched, bytes) = unsafe { (watched(file), slice::from_raw_parts(from.cast::<u8>(), len as usize)) };
    // SAFETY: as above, with a part of that buffer.
    let unix = |part: &[u8]| result(unsafe { unix!(file, xWrite(part.as_ptr().cast(), part.len() as c_int, offset)) });
    let written = match watched {
        Some(watched) => watched.world.write(watched.file, offset as u64, bytes, unix),
        None => unix(bytes),
    };
    code(written.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => ffi::SQLITE_FULL,
        _ => ffi::SQLITE_IOERR_WRITE,
    }))
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: i64) -> c_int {
    // SAFETY: SQLite truncates a file that `open` opened.
    let (watched, unix) = unsafe { (watched(file), || result(unix!(file, xTruncate(len)))) };
    let truncated = match watched {
        Some(watched) => watched.world.truncate(watched.file, len as u64, unix),
        None => unix(),
    };
    code(truncated.map_err(|_| ffi::SQLITE_IOERR_TRUNCATE))
}

/// Never reaches the unix VFS, for only the log knows what is durable. A file's own entry gets durable with it, as file
/// systems do in practice; like the unix VFS it syncs the whole directory of a journal or WAL the first time.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite syncs a file that `open` opened.
    let Some(watched) = (unsafe { watched(file) }) else {
        return ffi::SQLITE_OK;
    };
    if watched.world.sync(watched.file, Some(&watched.path)).is_err() {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if watched.sync_dir.swap(false, Ordering::Relaxed) {
        watched.world.sync_parent(&watched.path);
    }
    ffi::SQLITE_OK
}

/// Refuses what would let the unix VFS allocate space ahead, unseen by the log.
unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, op: c_int, arg: *mut c_void) -> c_int {
    if matches!(op, ffi::SQLITE_FCNTL_SIZE_HINT | ffi::SQLITE_FCNTL_CHUNK_SIZE) {
        return ffi::SQLITE_NOTFOUND;
    }
    // SAFETY: SQLite calls it on a file that `open` opened, with an argument that is good for the unix VFS.
    unsafe { unix!(file, xFileControl(op, arg)) }
}
