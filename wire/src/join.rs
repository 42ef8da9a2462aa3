//! The join file: all that a machine needs, besides an address, for a Drone to be let in.
//!
//! It is a text. Lines that begin with `#` say something to people. The first line that does not names the format,
//! the second one the secret, and what follows is the certificate of the Hive's authority in PEM (RFC 7468).

use std::fmt;
use std::str::FromStr;

/// The longest join file, in bytes.
pub const MAX_FILE_BYTES: usize = 16 << 10;

/// The longest name of a secret, in bytes.
pub const MAX_SECRET_NAME: usize = 64;

/// The name in the Queen's certificate for Drones, whatever address they find her at.
pub const QUEEN_NAME: &str = "queen.hive";

/// The version of the format.
const VERSION: &str = "1";

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A secret that Drones prove to know, and by what they know the Queen.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinFile {
    /// What the secret is called; see [`check_name`].
    pub name: String,
    /// 32 random bytes.
    pub secret: [u8; 32],
    /// The certificate of the Hive's authority, in PEM. The Queen's own is signed by it.
    pub authority: String,
}

/// Without the secret, since what is logged may be read by others.
impl fmt::Debug for JoinFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Display for JoinFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# With this file a Drone joins the Hive: drone --queen HOST:PORT --join FILE")?;
        writeln!(f, "# Keep it secret: whoever has it is given work, and with it what users want to have hashed.")?;
        writeln!(f, "hive-join {VERSION}")?;
        writeln!(f, "secret {} {}", self.name, const_hex::encode(self.secret))?;
        self.authority.trim().lines().try_for_each(|line| writeln!(f, "{}", line.trim()))
    }
}

/// A text that no secret may have as its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a secret's name has 1 to {MAX_SECRET_NAME} letters, digits, dots, hyphens and underscores, all of them ASCII")]
pub struct NameError;

/// Checks the name of a secret: 1 to [`MAX_SECRET_NAME`] of `A` to `Z`, `a` to `z`, `0` to `9`, `.`, `_` and `-`.
///
/// # Errors
/// If it is anything else.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=MAX_SECRET_NAME).contains(&name.len()) && name.bytes().all(is_allowed);
    is_name.then_some(()).ok_or(NameError)
}

/// Why a text is not a join file. None of these shows what stands in it, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// It is longer than [`MAX_FILE_BYTES`].
    #[error("this is no join file: it has more than {MAX_FILE_BYTES} bytes")]
    TooLong,
    /// A part of it is missing at its end.
    #[error("the join file is not whole: {0} is missing at its end")]
    Short(&'static str),
    /// A line is not what has to stand there.
    #[error("line {line} of the join file has to be {expected}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What has to stand there.
        expected: &'static str,
    },
    /// The secret has a name that none may have.
    #[error("line {line} of the join file: {error}")]
    Name {
        /// Counted from 1.
        line: usize,
        /// Which names there may be.
        error: NameError,
    },
    /// It has another version of the format.
    #[error(
        "line {line} of the join file: it is of another version than {VERSION}, which is all that this release reads"
    )]
    Version {
        /// Counted from 1.
        line: usize,
    },
}

impl FromStr for JoinFile {
    type Err = JoinError;

    fn from_str(text: &str) -> Result<Self, JoinError> {
        if text.len() > MAX_FILE_BYTES {
            return Err(JoinError::TooLong);
        }
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        version(lines.next())?;
        let (name, secret) = secret(lines.next())?;
        let authority = certificate(lines)?;
        Ok(Self { name, secret, authority })
    }
}

/// A line and its number.
type Line<'a> = (usize, &'a str);

fn version(line: Option<Line<'_>>) -> Result<(), JoinError> {
    let (line, text) = line.ok_or(JoinError::Short("all of it"))?;
    match text.strip_prefix("hive-join ") {
        Some(VERSION) => Ok(()),
        Some(_) => Err(JoinError::Version { line }),
        None => Err(JoinError::Line { line, expected: "`hive-join 1`" }),
    }
}

fn secret(line: Option<Line<'_>>) -> Result<(String, [u8; 32]), JoinError> {
    let (line, text) = line.ok_or(JoinError::Short("the line with the secret"))?;
    let wrong =
        || JoinError::Line { line, expected: "`secret`, the secret's name, and the secret as 64 hexadecimal digits" };
    let mut words = text.split(' ');
    let (Some("secret"), Some(name), Some(hex), None) = (words.next(), words.next(), words.next(), words.next()) else {
        return Err(wrong());
    };
    check_name(name).map_err(|error| JoinError::Name { line, error })?;
    let is_hex = hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut secret = [0; 32];
    match is_hex && const_hex::decode_to_slice(hex, &mut secret).is_ok() {
        true => Ok((name.to_owned(), secret)),
        false => Err(wrong()),
    }
}

/// One certificate, and nothing behind it. Whether its bytes are one is seen where it is used.
fn certificate<'a>(lines: impl Iterator<Item = Line<'a>>) -> Result<String, JoinError> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    let mut pem = String::new();
    let (mut has_begun, mut has_ended) = (false, false);
    for (line, text) in lines {
        let expected = match (has_begun, has_ended) {
            (false, _) if text == BEGIN => None,
            (false, _) => Some(BEGIN),
            (true, false) if text == END || text.bytes().all(is_base64) => None,
            (true, false) => Some("a certificate in base64, and behind it `-----END CERTIFICATE-----`"),
            (true, true) => Some("left out: the certificate is the last thing in it"),
        };
        if let Some(expected) = expected {
            return Err(JoinError::Line { line, expected });
        }
        (has_begun, has_ended) = (true, text == END);
        pem.push_str(text);
        pem.push('\n');
    }
    if has_ended { Ok(pem) } else { Err(JoinError::Short("the authority's certificate or a part of it")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> JoinFile {
        JoinFile { name: "attic-2".into(), secret: [0xAB; 32], authority: format!("{BEGIN}\nMIIB+/8=\n{END}\n") }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = file().to_string();
        assert_eq!(text.parse(), Ok(file()));
        assert_eq!(text.replace('\n', "\r\n").parse(), Ok(file()), "copied by way of another system");
        assert!(text.starts_with("# ") && text.contains("Keep it secret"));
        assert!(!format!("{:?}", file()).to_lowercase().contains("abab"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_without_the_secret() {
        let text = file().to_string();
        let hex = "ab".repeat(32);
        let wrong = |from: &str, to: &str| {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            let error = changed.parse::<JoinFile>().unwrap_err().to_string();
            assert!(!error.contains("abab"), "{error}");
            error
        };
        assert!(wrong("hive-join 1", "hive-join 2").starts_with("line 3 of the join file: it is of another version"));
        assert!(wrong("hive-join 1", "join").contains("line 3 of the join file has to be `hive-join 1`"));
        assert!(
            wrong("secret attic-2", "secret b\u{e9}e").contains("line 4 of the join file: a secret's name has 1 to 64")
        );
        assert!(wrong("attic-2", "").contains("line 4"));
        for bad in ["abc", &"ag".repeat(32), &format!("0x{}", "a".repeat(62)), &format!("{hex} {hex}")] {
            assert!(wrong(&hex, bad).contains("line 4 of the join file has to be `secret`"), "{bad}");
        }
        assert!(wrong(BEGIN, "MII").contains("line 5 of the join file has to be -----BEGIN"));
        assert!(wrong("MIIB", "M!IB").contains("line 6"));
        assert!(wrong(END, &format!("{END}\n{BEGIN}")).contains("line 8 of the join file has to be left out"));
        assert!(wrong(END, "").contains("is missing"));
        for lines in 0..text.lines().count() {
            let part: Vec<&str> = text.lines().take(lines).collect();
            let error = part.join("\n").parse::<JoinFile>().unwrap_err();
            assert!(matches!(error, JoinError::Short(_)), "{lines}: {error}");
        }
        assert_eq!("#".repeat(MAX_FILE_BYTES + 1).parse::<JoinFile>(), Err(JoinError::TooLong));
    }
}
