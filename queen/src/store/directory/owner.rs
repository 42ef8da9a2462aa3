//! Whose a data directory is.
//!
//! What is in it is believed, overwritten and removed, so that nobody else may have put it there:
//! the directory and all in it belong to the user who runs the Queen, nobody else can write into
//! it, and nothing in it is a link. A directory that is shared with others, as a container's volume
//! is, holds a folder that is not.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::process::{getegid, geteuid, getgroups};

use super::names::{BULK, OURS, names, require_ours};
use crate::store::error::StoreError;

/// The folder of ours in a directory that is shared.
const FOLDER: &str = "hive";

/// The superuser's number.
const ROOT: u32 = 0;

/// Rights of others to write, and to do anything.
const WRITE_BY_OTHERS: u32 = 0o002;
const WRITE_BY_GROUP: u32 = 0o020;
const ANY_BUT_OWNER: u32 = 0o077;

/// Who may have put something into a data directory.
pub(super) struct User {
    id: u32,
    groups: Vec<u32>,
}

/// How far a directory can be trusted.
#[derive(Debug, PartialEq, Eq)]
enum Trust {
    /// Nobody else can write into it.
    Private,
    /// Others can, but may be trusted with a folder in it.
    Shared,
    /// It is another user's.
    Foreign,
    /// Others can.
    Open,
}

impl User {
    /// The user who runs this process.
    pub(super) fn current() -> Self {
        let mut groups: Vec<u32> = getgroups().unwrap_or_default().into_iter().map(|group| group.as_raw()).collect();
        groups.push(getegid().as_raw());
        Self { id: geteuid().as_raw(), groups }
    }

    /// The same for who only looks at the directory at `path`; the superuser looks at what is its owner's.
    pub(super) fn looking_at(path: &Path) -> Self {
        let user = Self::current();
        match fs::symlink_metadata(path.join(FOLDER)).or_else(|_| fs::metadata(path)) {
            Ok(found) if user.id == ROOT => Self { id: found.uid(), groups: Vec::new() },
            _ => user,
        }
    }

    /// How far a directory can be trusted that has this owner, group and mode.
    fn trust(&self, owner: u32, group: u32, mode: u32) -> Trust {
        let is_writable = mode & (WRITE_BY_GROUP | WRITE_BY_OTHERS) != 0;
        let by_our_group = mode & WRITE_BY_GROUP != 0 && self.groups.contains(&group);
        match owner {
            _ if owner == self.id && !is_writable => Trust::Private,
            _ if owner == ROOT || by_our_group && mode & WRITE_BY_OTHERS == 0 => Trust::Shared,
            _ if owner == self.id => Trust::Open,
            _ => Trust::Foreign,
        }
    }
}

/// Where everything lies of the data directory at `path`: there, or in a folder of ours in it,
/// which is made with `create`.
///
/// # Errors
/// If others could change what is there, or the file system refuses.
pub(super) fn home(path: &Path, user: &User, create: bool) -> Result<PathBuf, StoreError> {
    let found = fs::metadata(path).map_err(StoreError::io(path))?;
    let names = names(path)?;
    let folder = path.join(FOLDER);
    if names == [FOLDER] {
        require_trusted(user, &folder, &symlink_metadata(&folder)?, true)?;
        return Ok(folder);
    }
    // What is another program's is to stay its own.
    require_ours(path, &names)?;
    let (owner, mode) = (found.uid(), found.mode());
    match user.trust(owner, found.gid(), mode) {
        Trust::Private => Ok(path.to_owned()),
        Trust::Shared if names.is_empty() && create => {
            DirBuilder::new().mode(0o700).create(&folder).map_err(StoreError::io(&folder))?;
            tracing::warn!("{} is not ours alone, so everything is kept in {}", path.display(), folder.display());
            Ok(folder)
        }
        Trust::Shared if names.is_empty() => Ok(path.to_owned()),
        _ if owner != user.id => Err(foreign(path, owner)),
        _ => Err(open(path, mode)),
    }
}

/// Looks whether all that lies in `home` is the user's.
///
/// # Errors
/// If something is a link, is no file of ours, or is in the place of a folder, or the file system refuses.
pub(super) fn check(home: &Path, user: &User) -> Result<(), StoreError> {
    each(home, user, |_, _| Ok(()))
}

/// Takes all rights from others that they have in `home`, and says so.
///
/// # Errors
/// As for [`check`].
pub(super) fn tighten(home: &Path, user: &User) -> Result<(), StoreError> {
    each(home, user, |path, found| {
        if found.mode() & ANY_BUT_OWNER == 0 {
            return Ok(());
        }
        let private = Permissions::from_mode(found.mode() & 0o7777 & !ANY_BUT_OWNER);
        fs::set_permissions(path, private).map_err(StoreError::io(path))?;
        tracing::warn!("others could read {}: it is its owner's alone from now on", path.display());
        Ok(())
    })
}

/// Hands the directory to `take`, and everything in it that is there.
fn each(home: &Path, user: &User, take: impl Fn(&Path, &Metadata) -> Result<(), StoreError>) -> Result<(), StoreError> {
    // The way there may be a link.
    take(home, &fs::metadata(home).map_err(StoreError::io(home))?)?;
    for name in OURS {
        let path = home.join(name);
        let found = match symlink_metadata(&path) {
            Err(StoreError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found?,
        };
        require_trusted(user, &path, &found, name == BULK)?;
        take(&path, &found)?;
    }
    Ok(())
}

fn symlink_metadata(path: &Path) -> Result<Metadata, StoreError> {
    fs::symlink_metadata(path).map_err(StoreError::io(path))
}

/// Something in a directory is a folder, or a file, of ours.
fn require_trusted(user: &User, path: &Path, found: &Metadata, is_folder: bool) -> Result<(), StoreError> {
    let untrusted = |why: &str, advice: &str| {
        Err(StoreError::Untrusted { path: path.to_owned(), why: why.into(), advice: advice.into() })
    };
    if found.is_symlink() {
        return untrusted("is a symbolic link", "put in its place what it leads to, or remove it");
    }
    if is_folder && !found.is_dir() {
        return untrusted("is not a directory", "move it away");
    }
    if !is_folder && !found.is_file() {
        return untrusted("is not a file", "move it away");
    }
    if found.uid() != user.id {
        return Err(foreign(path, found.uid()));
    }
    match is_folder && found.mode() & (WRITE_BY_GROUP | WRITE_BY_OTHERS) != 0 {
        true => Err(open(path, found.mode())),
        false => Ok(()),
    }
}

fn foreign(path: &Path, owner: u32) -> StoreError {
    let advice = format!(
        "if all in it is to be trusted, make it yours with `chown -R {} {}`; else choose an empty or a new \
         directory with --data-dir",
        geteuid().as_raw(),
        path.display()
    );
    StoreError::Untrusted { path: path.to_owned(), why: format!("belongs to another user ({owner})"), advice }
}

fn open(path: &Path, mode: u32) -> StoreError {
    let advice = format!(
        "if all in it is to be trusted, take that right from them with `chmod go-w {}`; else choose an empty or a \
         new directory with --data-dir",
        path.display()
    );
    StoreError::Untrusted {
        path: path.to_owned(),
        why: format!("can be changed by others (mode {:04o})", mode & 0o7777),
        advice,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::store::directory::{Directory, bulk, database};

    #[test]
    fn who_can_write_decides_about_trust() {
        let (us, other, group, other_group) = (1000, 1001, 100, 101);
        let user = User { id: us, groups: vec![group] };
        for (owner, of_group, mode, trust) in [
            (us, other_group, 0o700, Trust::Private),
            (us, group, 0o755, Trust::Private),
            (us, group, 0o775, Trust::Shared),
            (us, other_group, 0o775, Trust::Open),
            (us, group, 0o777, Trust::Open),
            (ROOT, other_group, 0o755, Trust::Shared),
            (ROOT, other_group, 0o777, Trust::Shared),
            (other, group, 0o775, Trust::Shared),
            (other, group, 0o755, Trust::Foreign),
            (other, other_group, 0o777, Trust::Foreign),
        ] {
            assert_eq!(user.trust(owner, of_group, mode), trust, "{owner} {of_group} {mode:o}");
        }
        let root = User { id: ROOT, groups: vec![ROOT] };
        assert_eq!(root.trust(ROOT, ROOT, 0o755), Trust::Private);
        assert_eq!(root.trust(us, group, 0o755), Trust::Foreign);
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// What is said of a directory that cannot be opened.
    fn refused(path: &Path) -> String {
        let error = Directory::open(path).unwrap_err();
        assert!(matches!(&error, StoreError::Untrusted { .. }), "{error}");
        error.to_string()
    }

    #[test]
    fn a_shared_directory_holds_a_folder_of_ours() {
        let shared = tempfile::tempdir().unwrap();
        chmod(shared.path(), 0o770);
        fs::create_dir(shared.path().join("lost+found")).unwrap();
        for _ in 0..2 {
            let directory = Directory::open(shared.path()).unwrap();
            assert_eq!(directory.path(), shared.path().join(FOLDER));
            assert_eq!(mode(directory.path()), 0o700);
        }
        // It is found where nobody else can write any more.
        chmod(shared.path(), 0o700);
        assert_eq!(Directory::open(shared.path()).unwrap().path(), shared.path().join(FOLDER));
        chmod(&shared.path().join(FOLDER), 0o770);
        assert!(refused(shared.path()).contains("chmod go-w"));
    }

    #[test]
    fn what_others_could_have_changed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(Directory::open(folder.path()).unwrap());
        chmod(folder.path(), 0o720);
        let said = refused(folder.path());
        assert!(said.contains("mode 0720") && said.contains("chmod go-w"), "{said}");
        chmod(folder.path(), 0o702);
        refused(folder.path());
        chmod(folder.path(), 0o700);
        Directory::open(folder.path()).unwrap();
    }

    #[test]
    fn no_link_is_followed() {
        let outside = tempfile::tempdir().unwrap();
        let file = outside.path().join("thesis.txt");
        fs::write(&file, "years of work").unwrap();
        for name in OURS {
            let folder = tempfile::tempdir().unwrap();
            let target = if name == BULK { outside.path() } else { &file };
            symlink(target, folder.path().join(name)).unwrap();
            let said = refused(folder.path());
            assert!(said.contains(name) && said.contains("symbolic link"), "{said}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "years of work");
        // The directory itself may be reached by one.
        let link = outside.path().join("link");
        let real = tempfile::tempdir().unwrap();
        symlink(real.path(), &link).unwrap();
        Directory::open(&link).unwrap();
    }

    #[test]
    fn what_others_can_read_is_tightened() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(database(folder.path()), "").unwrap();
        fs::create_dir(bulk(folder.path())).unwrap();
        for path in [folder.path(), &bulk(folder.path())] {
            chmod(path, 0o755);
        }
        chmod(&database(folder.path()), 0o644);
        check(folder.path(), &User::current()).unwrap();
        assert_eq!(mode(&database(folder.path())), 0o644, "who only looks changes nothing");
        drop(Directory::open(folder.path()).unwrap());
        assert_eq!([folder.path(), &bulk(folder.path())].map(mode), [0o700; 2]);
        assert_eq!(mode(&database(folder.path())), 0o600);
    }
}
