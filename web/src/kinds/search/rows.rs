//! A search's results: a row a finding.

use std::io::Write as _;
use std::str;

use super::finding::Finding;

/// The first line of a CSV file.
pub(crate) const CSV_HEADER: &[u8] = b"index,plain,digest,plain_base64\r\n";

/// What stands between the digest and the candidate in a line of a potfile.
const SEPARATOR: u8 = b':';

/// Appends a line of a potfile, as hashcat writes it: `digest:plain`. Where that would be ambiguous or could not be
/// read by people, the candidate stands as `$HEX[…]`.
pub(crate) fn potfile(out: &mut Vec<u8>, finding: &Finding) {
    let Finding { plain, digest, .. } = finding;
    // Writes into memory cannot fail.
    let _ = write!(out, "{}:", const_hex::encode(digest));
    match needs_hex(plain) {
        true => {
            let _ = write!(out, "$HEX[{}]", const_hex::encode(plain));
        }
        false => out.extend_from_slice(plain),
    }
    out.push(b'\n');
}

fn needs_hex(plain: &[u8]) -> bool {
    let is_printable = |text: &str| !text.bytes().any(|byte| byte.is_ascii_control());
    !str::from_utf8(plain).is_ok_and(is_printable) || plain.contains(&SEPARATOR) || is_hex(plain)
}

/// Whether it would be taken for one that is written in hexadecimal.
fn is_hex(plain: &[u8]) -> bool {
    let digits = plain.strip_prefix(b"$HEX[").and_then(|rest| rest.strip_suffix(b"]"));
    digits.is_some_and(|digits| digits.len().is_multiple_of(2) && digits.iter().all(u8::is_ascii_hexdigit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_potfile_can_be_read_again() {
        let line = |plain: &[u8]| {
            let mut out = Vec::new();
            potfile(&mut out, &Finding { index: 1, plain: plain.to_vec(), digest: [0xab; 32] });
            let line = String::from_utf8(out).unwrap();
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
