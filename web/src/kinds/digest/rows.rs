//! A digest task's results: a row an item, with its input as it was given.
//!
//! Rows are formatted straight into a buffer, whose writes cannot fail.

use std::io::Write as _;
use std::str;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The first line of a CSV file.
pub(crate) const CSV_HEADER: &[u8] = b"index,input,digest,input_base64\r\n";

/// Bytes of an input that are written at once: whole groups of base64, and six times as many when all of them
/// have to be escaped.
const STEP: usize = 1536;

/// What a piece may have beyond the length that was asked for, in bytes.
pub(crate) const OVER: usize = 6 * STEP + 256;

/// A row, and how far it is written: a row may be far longer than what can be sent at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    form: Form,
    is_begun: bool,
    /// Bytes of the input that are written.
    written: usize,
}

/// How a row looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `{"index":0,"input":"…","digest":"…"}`
    Json,
    /// `{"index":0,"input_base64":"…","digest":"…"}`, for an input that is not UTF-8.
    JsonBase64,
    /// A record of RFC 4180.
    Csv,
    /// The same, where the input needs quotes.
    CsvQuoted,
    /// The same, where the input is not UTF-8 and stands in the last column.
    CsvBase64,
    /// The digest, two spaces and the input with all its bytes: what `sha256sum` prints for names.
    Text,
}

impl Row {
    /// An object of JSON.
    pub(crate) fn json(input: &[u8]) -> Self {
        Self::new(if str::from_utf8(input).is_ok() { Form::Json } else { Form::JsonBase64 })
    }

    /// A line of CSV.
    pub(crate) fn csv(input: &[u8]) -> Self {
        Self::new(match str::from_utf8(input) {
            Err(_) => Form::CsvBase64,
            Ok(_) if needs_quotes(input) => Form::CsvQuoted,
            Ok(_) => Form::Csv,
        })
    }

    /// A line of text.
    pub(crate) fn text() -> Self {
        Self::new(Form::Text)
    }

    fn new(form: Form) -> Self {
        Self { form, is_begun: false, written: 0 }
    }

    /// Appends what comes next of the row, which is always of the same item, until `out` has `most` bytes or a
    /// little more; whether that was the end of the row.
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        most: usize,
        index: u64,
        input: &[u8],
        digest: &[u8; 32],
    ) -> bool {
        if !self.is_begun {
            self.form.begin(out, index, digest);
            self.is_begun = true;
        }
        while let Some(rest) = input.get(self.written..).filter(|rest| !rest.is_empty()) {
            if out.len() >= most {
                return false;
            }
            let step = &rest[..rest.len().min(STEP)];
            self.form.write(out, step);
            self.written += step.len();
        }
        self.form.end(out, digest);
        true
    }
}

impl Form {
    fn begin(self, out: &mut Vec<u8>, index: u64, digest: &[u8; 32]) {
        match self {
            Self::Json | Self::JsonBase64 => {
                out.extend_from_slice(b"{\"index\":");
                number(out, index);
                out.extend_from_slice(if self == Self::Json { b",\"input\":\"" } else { b",\"input_base64\":\"" });
            }
            Self::Csv | Self::CsvQuoted | Self::CsvBase64 => {
                number(out, index);
                out.push(b',');
                match self {
                    Self::CsvQuoted => out.push(b'"'),
                    Self::CsvBase64 => {
                        out.push(b',');
                        hex(out, digest);
                        out.push(b',');
                    }
                    _ => {}
                }
            }
            Self::Text => {
                hex(out, digest);
                out.extend_from_slice(b"  ");
            }
        }
    }

    fn write(self, out: &mut Vec<u8>, part: &[u8]) {
        match self {
            Self::Json if !is_plain_json(part) => escape(out, part),
            Self::Json | Self::Csv | Self::Text => out.extend_from_slice(part),
            Self::JsonBase64 | Self::CsvBase64 => out.extend_from_slice(STANDARD.encode(part).as_bytes()),
            Self::CsvQuoted => {
                for part in part.split_inclusive(|byte| *byte == b'"') {
                    out.extend_from_slice(part);
                    if part.ends_with(b"\"") {
                        out.push(b'"');
                    }
                }
            }
        }
    }

    fn end(self, out: &mut Vec<u8>, digest: &[u8; 32]) {
        match self {
            Self::Json | Self::JsonBase64 => {
                out.extend_from_slice(b"\",\"digest\":\"");
                hex(out, digest);
                out.extend_from_slice(b"\"}");
            }
            Self::Csv | Self::CsvQuoted => {
                if self == Self::CsvQuoted {
                    out.push(b'"');
                }
                out.push(b',');
                hex(out, digest);
                out.extend_from_slice(b",\r\n");
            }
            Self::CsvBase64 => out.extend_from_slice(b"\r\n"),
            Self::Text => out.push(b'\n'),
        }
    }
}

/// Appends a part of a string of JSON (RFC 8259, section 7). What needs escaping is ASCII, so that a part may
/// end anywhere.
fn escape(out: &mut Vec<u8>, part: &[u8]) {
    for byte in part {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\x08' => out.extend_from_slice(b"\\b"),
            b'\x0c' => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(*byte),
        }
    }
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

// Without an early exit these loops are vectorised.
fn is_plain_json(input: &[u8]) -> bool {
    !input.iter().fold(false, |special, byte| special | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'))
}

/// Appends a field of CSV, in quotes where it needs them.
pub(crate) fn csv_field(out: &mut Vec<u8>, text: &[u8]) {
    match needs_quotes(text) {
        false => out.extend_from_slice(text),
        true => {
            out.push(b'"');
            Form::CsvQuoted.write(out, text);
            out.push(b'"');
        }
    }
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
        let csv = |input: &[u8]| row(|out| assert!(Row::csv(input).write(out, usize::MAX, 7, input, &DIGEST)));
        assert_eq!(csv(b""), format!("7,,{hex},\r\n"));
        assert_eq!(csv(b"a b"), format!("7,a b,{hex},\r\n"));
        assert_eq!(csv(b"a,\"b\"\r\n"), format!("7,\"a,\"\"b\"\"\r\n\",{hex},\r\n"));
        assert_eq!(csv(b"\xff\""), format!("7,,{hex},/yI=\r\n"));
    }

    #[test]
    fn a_row_in_pieces_is_the_same_row_and_no_piece_is_long() {
        let long = 100_000;
        let inputs =
            [b"\x01".repeat(long), b"\xff".repeat(long), b"\"".repeat(long), "ä\n".repeat(long).into(), vec![]];
        for input in inputs {
            for begun in [Row::json(&input), Row::csv(&input), Row::text()] {
                let (mut whole, mut pieces) = (Vec::new(), Vec::new());
                assert!({ begun }.write(&mut whole, usize::MAX, 7, &input, &DIGEST));
                let (mut row, most) = (begun, 4096);
                loop {
                    let mut piece = Vec::new();
                    let is_over = row.write(&mut piece, most, 7, &input, &DIGEST);
                    assert!(piece.len() <= most + OVER, "{} bytes", piece.len());
                    pieces.extend(piece);
                    if is_over {
                        break;
                    }
                }
                assert!(pieces == whole, "{:?}", begun.form);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_input_is_a_line_of_json(index: u64, input: Vec<u8>, text: String) {
            for input in [input, text.into_bytes()] {
                let line = row(|out| assert!(Row::json(&input).write(out, usize::MAX, index, &input, &DIGEST)));
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
