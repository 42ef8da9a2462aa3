//! Where the Queen is, how she is known, and the token for her: kept by `hive login`.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::connection::Url;
use crate::failure::Failure;

/// The profile that is used when none is named.
pub const DEFAULT: &str = "default";

/// The longest file that is taken for a profile, in bytes.
const LONGEST: u64 = 1 << 20;

/// What one login keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Where the Queen is.
    pub url: Url,
    /// The certificate of her authority, in PEM; the system's authorities are trusted if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// The token; it is sent to `url` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// The file of a profile.
///
/// # Errors
/// If the name cannot be a file's, or there is no home for it.
pub fn path(name: &str) -> Result<PathBuf, Failure> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(is_part) {
        let text =
            format!("{name:?} is no profile's name: it has letters and digits of ASCII, dashes, underscores and dots");
        return Err(Failure::Here(text));
    }
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
    let config = config.or_else(|| Some(set("HOME")?.join(".config")));
    let config = config.ok_or_else(|| Failure::Here("profiles need a home: HOME is not set".to_owned()))?;
    Ok(config.join("hive").join(format!("{name}.json")))
}

impl Profile {
    /// Reads a profile; `None` if there is none.
    ///
    /// # Errors
    /// If others can read it too, or it is none.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let unreadable = |error: &dyn std::error::Error| {
            Failure::here(format!("the profile {} cannot be read", path.display()), error)
        };
        let file = match fs::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| unreadable(&error))?,
        };
        let metadata = file.metadata().map_err(|error| unreadable(&error))?;
        if metadata.mode() & 0o077 != 0 {
            let path = path.display();
            return Err(Failure::Here(format!(
                "the profile {path} is open to others, and has a token in it: close it with `chmod 600 {path}`, and have a \
                 new token made if somebody may have seen it"
            )));
        }
        let mut text = String::new();
        io::Read::read_to_string(&mut io::Read::take(file, LONGEST), &mut text).map_err(|error| unreadable(&error))?;
        serde_json::from_str(&text).map(Some).map_err(|error| unreadable(&error))
    }

    /// Writes it, for its owner alone; whoever reads it meanwhile sees the one before.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let written = || -> io::Result<()> {
            let folder = path.parent().unwrap_or(Path::new("."));
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = tempfile::Builder::new().prefix(".profile").tempfile_in(folder)?;
            serde_json::to_writer_pretty(&mut file, self)?;
            file.write_all(b"\n")?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        written().map_err(|error| Failure::here(format!("the profile {} cannot be written", path.display()), &error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_profile_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hive").join("lab.json");
        assert_eq!(Profile::read(&path).unwrap(), None);
        let url = "https://hive.example.org:8081".parse().unwrap();
        let profile = Profile { url, ca: Some("-----BEGIN".to_owned()), token: Some("hive_1_x".to_owned()) };
        profile.write(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(Profile::read(&path).unwrap(), Some(profile.clone()));
        let again = Profile { token: None, ..profile };
        again.write(&path).unwrap();
        assert_eq!(Profile::read(&path).unwrap(), Some(again));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Profile::read(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        for wrong in ["", "..", "a/b", ".hidden", "ä"] {
            assert!(path(wrong).is_err(), "{wrong}");
        }
    }
}
