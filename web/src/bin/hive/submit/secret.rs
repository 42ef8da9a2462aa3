//! Keys and salts, which are to be seen by nobody: from a file, the environment or a person.

use std::env;
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};

use crate::arguments::Options;
use crate::failure::Failure;

/// A key or a salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// The header that it goes into, in hexadecimal.
    pub header: &'static str,
    /// The same, as a field of a form.
    pub field: &'static str,
    pub bytes: Vec<u8>,
}

/// One of the two, as the options give it.
struct Given<'a> {
    name: &'static str,
    header: &'static str,
    field: &'static str,
    /// The algorithm that needs it, and takes it from the environment or a terminal if nothing else gives it.
    algorithm: &'static str,
    text: Option<&'a String>,
    hex: Option<&'a String>,
    file: Option<&'a std::path::PathBuf>,
    hex_file: Option<&'a std::path::PathBuf>,
}

/// What was given, and what the algorithm needs.
///
/// # Errors
/// If a file cannot be read, or something is no hexadecimal.
pub fn given(options: &Options) -> Result<Vec<Secret>, Failure> {
    let both = [
        Given {
            name: "key",
            header: "hive-key-hex",
            field: "key_hex",
            algorithm: "hmac-sha256",
            text: options.key.as_ref(),
            hex: options.key_hex.as_ref(),
            file: options.key_file.as_ref(),
            hex_file: options.key_hex_file.as_ref(),
        },
        Given {
            name: "salt",
            header: "hive-salt-hex",
            field: "salt_hex",
            algorithm: "pbkdf2-hmac-sha256",
            text: options.salt.as_ref(),
            hex: options.salt_hex.as_ref(),
            file: options.salt_file.as_ref(),
            hex_file: options.salt_hex_file.as_ref(),
        },
    ];
    let is_needed = |given: &Given<'_>| options.algorithm.as_deref() == Some(given.algorithm);
    let mut secrets = Vec::new();
    for given in &both {
        let bytes = match given.by_option()? {
            None if is_needed(given) => match given.by_environment()? {
                None => Some(given.by_person()?),
                found => found,
            },
            found => found,
        };
        secrets.extend(bytes.map(|bytes| Secret { header: given.header, field: given.field, bytes }));
    }
    Ok(secrets)
}

impl Given<'_> {
    fn by_option(&self) -> Result<Option<Vec<u8>>, Failure> {
        let name = self.name;
        if let Some(text) = self.text {
            return Ok(Some(text.clone().into_bytes()));
        }
        if let Some(hex) = self.hex {
            return decode(hex, &format!("--{name}-hex")).map(Some);
        }
        let read = |path: &std::path::Path| {
            fs::read(path)
                .map_err(|error| Failure::here(format!("the {name}'s file {} cannot be read", path.display()), &error))
        };
        if let Some(path) = self.file {
            let mut bytes = read(path)?;
            if bytes.ends_with(b"\n") {
                bytes.pop();
                bytes.pop_if(|last| *last == b'\r');
            }
            return Ok(Some(bytes));
        }
        let Some(path) = self.hex_file else { return Ok(None) };
        let text = String::from_utf8_lossy(&read(path)?).into_owned();
        decode(text.trim(), &path.display().to_string()).map(Some)
    }

    fn by_environment(&self) -> Result<Option<Vec<u8>>, Failure> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let variable = format!("HIVE_{}", self.name.to_uppercase());
        if let Some(text) = set(&variable) {
            return Ok(Some(text.into_encoded_bytes()));
        }
        let variable = variable + "_HEX";
        set(&variable).map(|hex| decode(&hex.to_string_lossy(), &variable)).transpose()
    }

    fn by_person(&self) -> Result<Vec<u8>, Failure> {
        let terminal = console::Term::stderr();
        if !terminal.is_term() || !io::stdin().is_terminal() {
            let (algorithm, name, variable) = (self.algorithm, self.name, self.name.to_uppercase());
            return Err(Failure::Here(format!(
                "{algorithm} needs a {name}: --{name}-file FILE, --{name}-hex-file FILE, or HIVE_{variable} or \
                 HIVE_{variable}_HEX in the environment"
            )));
        }
        let asked = write!(io::stderr(), "The {} (it is not shown): ", self.name);
        let read = asked.and_then(|()| terminal.read_secure_line());
        let text = read.map_err(|error| Failure::here(format!("the {} cannot be read", self.name), &error))?;
        Ok(text.into_bytes())
    }
}

fn decode(hex: &str, from: &str) -> Result<Vec<u8>, Failure> {
    const_hex::decode(hex).map_err(|_| Failure::Here(format!("{from} is not hexadecimal, two digits a byte")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_where_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let bytes =
            |options: &Options| given(options).map(|secrets| secrets.first().map(|secret| secret.bytes.clone()));
        let key = Options { key: Some("k\n".to_owned()), ..Options::default() };
        assert_eq!(bytes(&key).unwrap(), Some(b"k\n".to_vec()));
        let hex = Options { salt_hex: Some("00fF".to_owned()), ..Options::default() };
        assert_eq!(bytes(&hex).unwrap(), Some(vec![0, 255]));
        let file = Options { key_file: path("key", "secret\r\n"), ..Options::default() };
        assert_eq!(bytes(&file).unwrap(), Some(b"secret".to_vec()));
        let file = Options { key_hex_file: path("hex", "00\n"), ..Options::default() };
        assert_eq!(bytes(&file).unwrap(), Some(vec![0]));
        let wrong = Options { key_hex: Some("0".to_owned()), ..Options::default() };
        assert!(bytes(&wrong).err().unwrap().to_string().contains("--key-hex"));
        assert_eq!(bytes(&Options::default()).unwrap(), None);
    }
}
