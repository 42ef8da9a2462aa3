//! A search's results: a row a finding.

use std::str;

use super::finding::Finding;

/// The first line of a CSV file.
pub(crate) const CSV_HEADER: &[u8] = b"index,plain,digest,plain_base64\r\n";

/// The first line of a CSV file of digests that were not found.
pub(crate) const NOT_FOUND_CSV_HEADER: &[u8] = b"digest\r\n";

/// What stands between the digest and the candidate in a line of a potfile.
const SEPARATOR: u8 = b':';

impl Finding {
    /// It as a line of a potfile, as hashcat writes it: `digest:plain`. Where that would be ambiguous or could not be
    /// read by people, the candidate stands as `$HEX[…]`.
    pub fn potfile(&self) -> String {
        let Self { plain, digest, .. } = self;
        let digest = const_hex::encode(digest);
        match str::from_utf8(plain) {
            Ok(text) if !needs_hex(text) => format!("{digest}:{text}\n"),
            _ => format!("{digest}:$HEX[{}]\n", const_hex::encode(plain)),
        }
    }
}

fn needs_hex(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_control() || byte == SEPARATOR) || is_hex(text)
}

/// Whether it would be taken for one that is written in hexadecimal.
fn is_hex(text: &str) -> bool {
    let digits = text.strip_prefix("$HEX[").and_then(|rest| rest.strip_suffix(']'));
    digits.is_some_and(|digits| digits.len().is_multiple_of(2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_potfile_can_be_read_again() {
        let line = |plain: &[u8]| {
            let line = Finding { index: 1, plain: plain.to_vec(), digest: [0xab; 32] }.potfile();
            line.strip_prefix(&"ab".repeat(32)).and_then(|rest| rest.strip_suffix('\n')).unwrap().to_owned()
        };
        assert_eq!(line(b"hashcat"), ":hashcat");
        assert_eq!(line(b""), ":");
        assert_eq!(line("héllo".as_bytes()), ":héllo");
        assert_eq!(line(b"p@ss:word"), ":$HEX[704073733a776f7264]");
        assert_eq!(line(b"\xff"), ":$HEX[ff]");
        assert_eq!(line(b"a\n"), ":$HEX[610a]");
        assert_eq!(line(b"\x7f"), ":$HEX[7f]");
        assert_eq!(line(b"$HEX[]"), ":$HEX[244845585b5d]");
        assert_eq!(line(b"$HEX[6A]"), ":$HEX[244845585b36415d]");
        assert_eq!(line(b"$HEX[6]"), ":$HEX[6]");
        assert_eq!(line(b"$HEX[zz]"), ":$HEX[zz]");
    }
}
