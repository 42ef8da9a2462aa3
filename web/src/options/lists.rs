//! Options that are lists, and may be long.

use super::fault::{NotText, fault};
use crate::error::Problem;
use crate::kinds::search::{MAX_MASKS, Targets};

/// What was given as lists.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// Digests that are sought.
    pub(super) targets: Targets,
    /// Lines of `.hcmask` files, as many as one search can have.
    pub(super) masks: Vec<MaskLine>,
}

/// A mask of several.
#[derive(Debug)]
pub(super) struct MaskLine {
    pub(super) text: String,
    pub(super) place: Listed,
}

/// Where something stands in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    /// In an array of JSON, from 0.
    Index(usize),
    /// In which line, from 1.
    Line(usize),
}

impl Listed {
    /// What is wrong there.
    pub(super) fn fault(self, path: &str, detail: &str) -> Problem {
        match self {
            Self::Index(index) => {
                let path = format!("{path}[{index}]");
                fault(&path, format!("`{path}`: {detail}"))
            }
            Self::Line(line) => fault(path, format!("`{path}`, line {line}: {detail}")).with("line", line),
        }
    }
}

impl Lists {
    /// The name of a list that is not empty.
    pub(super) fn name(&self) -> Option<&'static str> {
        match (self.targets.is_empty(), self.masks.is_empty()) {
            (true, true) => None,
            (false, _) => Some("targets"),
            (true, false) => Some("masks"),
        }
    }

    /// Adds what stands in lines.
    pub(super) fn add_lines(&mut self, name: &'static str, text: &[u8]) -> Result<(), Problem> {
        if name == "targets" {
            let added = self.targets.add_lines(text);
            return added.map_err(|(line, error)| Listed::Line(line).fault(name, &error.to_string()));
        }
        let text = std::str::from_utf8(text).map_err(|error| {
            let line = 1 + memchr::memchr_iter(b'\n', &text[..error.valid_up_to()]).count();
            Listed::Line(line).fault(name, &NotText.to_string())
        })?;
        for (line, text) in (1..).zip(text.split('\n')) {
            let text = text.strip_suffix('\r').unwrap_or(text);
            if !text.is_empty() && !text.starts_with('#') {
                self.add_mask(text.to_owned(), Listed::Line(line))?;
            }
        }
        Ok(())
    }

    /// Adds one of an array of JSON.
    pub(super) fn add_target(&mut self, index: usize, text: &str) -> Result<(), Problem> {
        let added = self.targets.add(text.as_bytes());
        added.map_err(|error| Listed::Index(index).fault("targets", &error.to_string()))
    }

    /// Adds a mask.
    pub(super) fn add_mask(&mut self, text: String, place: Listed) -> Result<(), Problem> {
        if self.masks.len() >= MAX_MASKS {
            return Err(place.fault("masks", &format!("a search has at most {MAX_MASKS} masks")));
        }
        self.masks.push(MaskLine { text, place });
        Ok(())
    }
}
