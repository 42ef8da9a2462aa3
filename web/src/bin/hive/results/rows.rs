//! Whole rows of what comes in pieces: what a connection broke off is not written, and comes again.

use std::io::{self, Write};
use std::ops::Range;

use crate::arguments::Format;

/// How the last line of NDJSON begins, which says how far it goes.
const END: &[u8] = b"{\"end\":true,";

/// How the names of the columns begin where the first one is the index.
const INDEXED: &[u8] = b"index,";

/// Rows on their way from the Queen to the output.
#[derive(Debug)]
pub struct Rows {
    format: Format,
    /// The first index that was asked for.
    first: u64,
    /// The index that is next.
    next: u64,
    /// What came of a row that is not whole yet.
    pending: Vec<u8>,
    /// How much of that was looked through.
    seen: usize,
    /// Whether that ends between quotes.
    is_quoted: bool,
    /// Whether the names of the columns come next.
    is_head: bool,
    /// Whether the first column is the index.
    is_indexed: bool,
    /// Whether they were written.
    has_head: bool,
    /// Whether NDJSON's last line was written.
    has_end: bool,
    /// Whether it was asked for more than once.
    has_gone_on: bool,
}

impl Rows {
    pub fn new(format: Format, first: u64) -> Self {
        Self {
            format,
            first,
            next: first,
            pending: Vec::new(),
            seen: 0,
            is_quoted: false,
            is_head: format == Format::Csv,
            is_indexed: false,
            has_head: false,
            has_end: false,
            has_gone_on: false,
        }
    }

    /// The index with which it goes on.
    pub fn next_index(&self) -> u64 {
        self.next
    }

    /// What comes now begins with the row that is next.
    pub fn go_on(&mut self) {
        self.pending.clear();
        (self.seen, self.is_quoted) = (0, false);
        (self.is_head, self.has_gone_on) = (self.format == Format::Csv, true);
    }

    /// Takes a piece, and writes the rows that are whole.
    pub fn take(&mut self, piece: &[u8], output: &mut impl Write) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(piece);
        let mut rows = 0..0;
        while let Some(row) = self.row(&pending, rows.end) {
            let is_written = match self.format {
                Format::Csv if std::mem::take(&mut self.is_head) => {
                    self.is_indexed = pending[row.clone()].starts_with(INDEXED);
                    !std::mem::replace(&mut self.has_head, true)
                }
                Format::Csv => {
                    let index = if self.is_indexed { index(&pending[row.clone()]) } else { None };
                    self.next = index.unwrap_or(self.next) + 1;
                    true
                }
                Format::Ndjson if pending[row.clone()].starts_with(END) => {
                    output.write_all(&pending[rows.clone()])?;
                    self.write_end(&pending[row.clone()], output)?;
                    false
                }
                Format::Ndjson | Format::Text => {
                    self.next += 1;
                    true
                }
            };
            // What is not written comes first, or last and behind what was.
            rows = if is_written { rows.start..row.end } else { row.end..row.end };
        }
        output.write_all(&pending[rows.clone()])?;
        pending.drain(..rows.end);
        (self.seen, self.pending) = (pending.len(), pending);
        Ok(())
    }

    /// The row that begins at `start`, if it ends.
    fn row(&mut self, pending: &[u8], start: usize) -> Option<Range<usize>> {
        let from = start.max(std::mem::take(&mut self.seen));
        let end = match self.format {
            Format::Text | Format::Ndjson => memchr::memchr(b'\n', &pending[from..])?,
            Format::Csv => memchr::memchr2_iter(b'"', b'\n', &pending[from..]).find(|at| {
                let is_quote = pending[from + at] == b'"';
                self.is_quoted ^= is_quote;
                !is_quote && !self.is_quoted
            })?,
        };
        Some(start..from + end + 1)
    }

    /// The last line counts what came of one request, and says so of all.
    fn write_end(&mut self, line: &[u8], output: &mut impl Write) -> io::Result<()> {
        self.has_end = true;
        let end = serde_json::from_slice::<serde_json::Value>(line).ok().filter(|_| self.has_gone_on);
        let Some(end) = end else { return output.write_all(line) };
        let (next, complete) = (end["next_offset"].as_u64().unwrap_or(self.next), &end["complete"]);
        let count = next.saturating_sub(self.first);
        writeln!(output, "{{\"end\":true,\"count\":{count},\"next_offset\":{next},\"complete\":{complete}}}")
    }

    /// Whether what came is whole, now that nothing more comes.
    pub fn is_whole(&self) -> bool {
        self.pending.is_empty() && (self.format != Format::Ndjson || self.has_end)
    }
}

/// The index that a record begins with.
fn index(record: &[u8]) -> Option<u64> {
    let digits = record.split(|byte| *byte == b',').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written when it comes in pieces of `size` bytes, and breaks off behind `at`.
    fn broken(format: Format, whole: &[u8], rest: impl Fn(u64) -> Vec<u8>, at: usize, size: usize) -> String {
        let mut rows = Rows::new(format, 0);
        let mut output = Vec::new();
        for piece in whole[..at].chunks(size) {
            rows.take(piece, &mut output).unwrap();
        }
        if !(rows.is_whole() && at == whole.len()) {
            rows.go_on();
            for piece in rest(rows.next_index()).chunks(size) {
                rows.take(piece, &mut output).unwrap();
            }
        }
        assert!(rows.is_whole());
        String::from_utf8(output).unwrap()
    }

    /// Rows from an index on, as the Queen writes them.
    fn served(format: Format, rows: &[&str], from: u64) -> Vec<u8> {
        let rest = &rows[from as usize..];
        let end =
            format!("{{\"end\":true,\"count\":{},\"next_offset\":{},\"complete\":true}}\n", rest.len(), rows.len());
        let (head, end) = match format {
            Format::Text => ("", ""),
            Format::Csv => ("index,input,digest,input_base64\r\n", ""),
            Format::Ndjson => ("", end.as_str()),
        };
        (head.to_owned() + &rest.concat() + end).into_bytes()
    }

    #[test]
    fn each_row_is_written_once_wherever_it_breaks() {
        let all: [(Format, &[&str]); 3] = [
            (Format::Text, &["ab  one\n", "cd  \n", "ef  three \"quoted\n"]),
            (Format::Csv, &["0,one,ab,\r\n", "1,\"two\n\"\"lines\"\"\r\n\",cd,\r\n", "2,,ef,\r\n"]),
            (Format::Ndjson, &["{\"index\":0}\n", "{\"error\":null,\"index\":1}\n", "{\"index\":2}\n"]),
        ];
        for (format, rows) in all {
            let whole = served(format, rows, 0);
            for at in 0..=whole.len() {
                for size in [1, 5, 1000] {
                    let written = broken(format, &whole, |next| served(format, rows, next), at, size);
                    assert_eq!(written, String::from_utf8_lossy(&whole), "{format:?} {at} {size}");
                }
            }
        }
    }

    #[test]
    fn rows_that_are_left_out_are_not_asked_for_again() {
        let mut rows = Rows::new(Format::Csv, 5);
        rows.take(b"index,input,digest,input_base64\r\n7,a,ab,\r\n9,b,", &mut Vec::new()).unwrap();
        assert!(rows.next_index() == 8 && !rows.is_whole());
        let mut rows = Rows::new(Format::Csv, 5);
        let digest = format!("digest\r\n{:064}\r\n", 7);
        rows.take(digest.as_bytes(), &mut Vec::new()).unwrap();
        assert_eq!(rows.next_index(), 6, "a digest of decimal digits is no index");
    }
}
