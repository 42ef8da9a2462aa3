//! A digest task's results: a row an item, with its input as it was given.
//!
//! Rows are formatted straight into a buffer, whose writes cannot fail.

use std::io::Write as _;
use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The first line of a CSV file.
pub(crate) const CSV_HEADER: &[u8] = b"index,input,digest,input_base64\r\n";

/// Appends `{"index":0,"input":"…","digest":"…"}`; an input that is not UTF-8 is `input_base64`.
pub(crate) fn ndjson(out: &mut Vec<u8>, index: u64, input: &[u8], digest: &[u8; 32]) {
    out.extend_from_slice(b"{\"index\":");
    number(out, index);
    match str::from_utf8(input) {
        Ok(_) if is_plain_json(input) => {
            out.extend_from_slice(b",\"input\":\"");
            out.extend_from_slice(input);
            out.push(b'"');
        }
        Ok(text) => {
            out.extend_from_slice(b",\"input\":");
            let _ = serde_json::to_writer(&mut *out, text);
        }
        Err(_) => {
            out.extend_from_slice(b",\"input_base64\":\"");
            base64(out, input);
            out.push(b'"');
        }
    }
    out.extend_from_slice(b",\"digest\":\"");
    hex(out, digest);
    out.extend_from_slice(b"\"}");
}

/// Appends a record of RFC 4180. An input that is not UTF-8 stands in the last column.
pub(crate) fn csv(out: &mut Vec<u8>, index: u64, input: &[u8], digest: &[u8; 32]) {
    number(out, index);
    out.push(b',');
    let is_text = str::from_utf8(input).is_ok();
    if is_text && needs_quotes(input) {
        out.push(b'"');
        for part in input.split_inclusive(|byte| *byte == b'"') {
            out.extend_from_slice(part);
            if part.ends_with(b"\"") {
                out.push(b'"');
            }
        }
        out.push(b'"');
    } else if is_text {
        out.extend_from_slice(input);
    }
    out.push(b',');
    hex(out, digest);
    out.push(b',');
    if !is_text {
        base64(out, input);
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends the digest, two spaces and the input with all its bytes: what `sha256sum` prints for names.
pub(crate) fn text(out: &mut Vec<u8>, input: &[u8], digest: &[u8; 32]) {
    hex(out, digest);
    out.extend_from_slice(b"  ");
    out.extend_from_slice(input);
    out.push(b'\n');
}

/// The first input, if any, that would tear a line of text apart.
pub(crate) fn first_with_line_feed(inputs: wire::blob::Blob<'_>) -> Option<usize> {
    memchr::memchr(b'\n', inputs.bytes())?;
    inputs.iter().position(|input| memchr::memchr(b'\n', input).is_some())
}

fn number(out: &mut Vec<u8>, number: u64) {
    let _ = write!(out, "{number}");
}

fn hex(out: &mut Vec<u8>, digest: &[u8; 32]) {
    let mut buffer = const_hex::Buffer::<32>::new();
    out.extend_from_slice(buffer.format(digest).as_bytes());
}

fn base64(out: &mut Vec<u8>, input: &[u8]) {
    out.extend_from_slice(STANDARD.encode(input).as_bytes());
}

// Without an early exit these loops are vectorised.
fn is_plain_json(input: &[u8]) -> bool {
    !input.iter().fold(false, |special, byte| special | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

fn needs_quotes(input: &[u8]) -> bool {
    let special = |byte: u8| (byte == b'"') | (byte == b',') | (byte == b'\r') | (byte == b'\n');
    input.iter().fold(false, |any, byte| any | special(*byte))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DIGEST: [u8; 32] = [0xab; 32];

    fn row(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn csv_is_quoted_where_it_must_be() {
        let hex = "ab".repeat(32);
        let csv = |input: &[u8]| row(|out| csv(out, 7, input, &DIGEST));
        assert_eq!(csv(b""), format!("7,,{hex},\r\n"));
        assert_eq!(csv(b"a b"), format!("7,a b,{hex},\r\n"));
        assert_eq!(csv(b"a,\"b\"\r\n"), format!("7,\"a,\"\"b\"\"\r\n\",{hex},\r\n"));
        assert_eq!(csv(b"\xff\""), format!("7,,{hex},/yI=\r\n"));
    }

    proptest::proptest! {
        #[test]
        fn any_input_is_a_line_of_json(index: u64, input: Vec<u8>, text: String) {
            for input in [input, text.into_bytes()] {
                let line = row(|out| ndjson(out, index, &input, &DIGEST));
                assert!(!line.contains('\n'));
                let mut expected = json!({ "index": index, "digest": "ab".repeat(32) });
                match str::from_utf8(&input) {
                    Ok(text) => expected["input"] = text.into(),
                    Err(_) => expected["input_base64"] = STANDARD.encode(&input).into(),
                }
                assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), expected);
            }
        }
    }
}
