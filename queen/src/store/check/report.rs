//! What a check has to say.

use std::fmt::{Arguments, Display};
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Findings that are last_progress, and notes; of more there is a count.
const SHOWN: u64 = 100;

/// How often a person is last_progress how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// Tells findings as they come.
pub(super) struct Report<'out> {
    out: &'out mut dyn Write,
    findings: u64,
    notes: u64,
    /// The first failure to write; it is last_progress at the end.
    written: io::Result<()>,
    is_watched: bool,
    last_progress: Instant,
}

impl<'out> Report<'out> {
    /// With nothing found yet.
    pub(super) fn new(out: &'out mut dyn Write) -> Self {
        let (is_watched, last_progress) = (io::stderr().is_terminal(), Instant::now());
        Self { out, findings: 0, notes: 0, written: Ok(()), is_watched, last_progress }
    }

    /// Something is wrong.
    pub(super) fn finding(&mut self, what: Arguments<'_>) {
        self.findings += 1;
        if self.findings <= SHOWN {
            self.line(what);
        }
    }

    /// Something is worth knowing.
    pub(super) fn note(&mut self, what: Arguments<'_>) {
        self.notes += 1;
        if self.notes <= SHOWN {
            self.line(format_args!("note: {what}"));
        }
    }

    /// Says on a terminal how far it is, now and then.
    pub(super) fn progress(&mut self, what: impl FnOnce() -> String) {
        if self.is_watched && self.last_progress.elapsed() >= PROGRESS {
            eprintln!("{}", what());
            self.last_progress = Instant::now();
        }
    }

    /// Says on a terminal now and then that something is under way of which nobody knows how far it is,
    /// until what is returned is dropped.
    pub(super) fn waiting(&self, what: String) -> Option<mpsc::Sender<()>> {
        let begun = self.is_watched.then(Instant::now)?;
        let (going_on, ended) = mpsc::channel();
        std::thread::spawn(move || {
            while ended.recv_timeout(PROGRESS) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{what}, for {} s so far", begun.elapsed().as_secs());
            }
        });
        Some(going_on)
    }

    /// The last lines; returns whether nothing was wrong.
    ///
    /// # Errors
    /// If anything could not be written.
    pub(super) fn end(mut self, seen: impl Display) -> io::Result<bool> {
        for (count, what) in [(self.findings, "findings"), (self.notes, "notes")] {
            if count > SHOWN {
                self.line(format_args!("and {} more {what}", count - SHOWN));
            }
        }
        match self.findings {
            0 => self.line(format_args!("OK: {seen}")),
            1 => self.line(format_args!("DAMAGED: 1 finding")),
            count => self.line(format_args!("DAMAGED: {count} findings")),
        }
        self.written?;
        Ok(self.findings == 0)
    }

    fn line(&mut self, what: impl Display) {
        if self.written.is_ok() {
            self.written = writeln!(self.out, "{what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_findings_become_a_count() {
        let mut out = Vec::new();
        let mut report = Report::new(&mut out);
        (0..103).for_each(|number| report.finding(format_args!("no. {number}")));
        report.note(format_args!("by the way"));
        assert!(!report.end("everything").unwrap());
        let said = String::from_utf8(out).unwrap();
        assert!(said.starts_with("no. 0\n") && said.contains("no. 99\n") && !said.contains("no. 100"), "{said}");
        assert!(said.ends_with("note: by the way\nand 3 more findings\nDAMAGED: 103 findings\n"), "{said}");
    }
}
