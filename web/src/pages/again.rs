//! What was asked for with a task, as fields of a form that asks for the same again, or as a command.

use std::collections::BTreeMap;

use wire::ids::TaskId;
use wire::sieve::DigestOrder;

use super::filters::span;
use crate::hive::{DEADLINE_MAX, Original};
use crate::kinds::digest::Encoding;
use crate::kinds::search::{MAX_FINDINGS, Search, Sought, Space, Stop, format_name};
use crate::model::{TaskView, Verify};

/// The most bytes of inputs, digests or masks that are filled in.
pub(super) const FILLED_MAX: usize = 64 << 10;

const DEADLINE: &str = "deadline_seconds";

/// The same as what was asked for with a task.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Again {
    /// Fields of a form that differ from what they are at first, in their order.
    pub(super) fields: Vec<(&'static str, String)>,
    /// What could not be filled in.
    pub(super) lacks: Vec<Lack>,
}

/// What a form that asks for the same again lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// The key, which is secret.
    Key,
    /// The salt, which is secret.
    Salt,
    /// The inputs, which are too many, or no lines of text.
    Inputs,
    /// The digests that are sought, which are too many.
    Targets,
    /// The masks, which are too many.
    Masks,
    /// That each input is a task of its own, for which the form has no field.
    Batch,
}

impl Lack {
    /// It as a sentence.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Key => "Give the key again: it is not shown.",
            Self::Salt => "Give the salt again: it is not shown.",
            Self::Inputs => "Give the strings again, as a file: they are too many, or no lines of text.",
            Self::Targets => "Give the digests again, as a file: they are too many.",
            Self::Masks => "Give the masks again, as a file: they are too many.",
            Self::Batch => "It was a batch. Here it becomes one task of all its strings.",
        }
    }
}

impl Again {
    pub(super) fn of(original: &Original) -> Self {
        let mut again = Self::default();
        match &original.search {
            Some(search) => again.add_search(search),
            None if original.task.search.is_some() => again.lacks.extend([Lack::Masks, Lack::Targets]),
            None => again.add_digest(original),
        }
        again.add_rest(&original.task);
        again
    }

    /// The fields' values.
    pub(super) fn values(&self) -> BTreeMap<String, String> {
        self.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    /// What could not be filled in, as sentences.
    pub(super) fn missing(&self) -> Option<String> {
        let sentences: Vec<_> = self.lacks.iter().map(|lack| lack.text()).collect();
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    /// What its deadline is, as a sentence, if it has one: as long as the task `id` was given from its beginning, however
    /// often that was changed.
    pub(super) fn deadline(&self, id: TaskId) -> Option<String> {
        let (_, seconds) = self.fields.iter().find(|(name, _)| *name == DEADLINE)?;
        Some(format!("Task {id} was given {} in all.", span(seconds.parse().ok()?)))
    }

    pub(super) fn lacks(&self, lack: Lack) -> bool {
        self.lacks.contains(&lack)
    }

    fn add(&mut self, name: &'static str, value: impl Into<String>) {
        self.fields.push((name, value.into()));
    }

    fn add_rest(&mut self, task: &TaskView) {
        if let Some(name) = &task.name {
            self.add("name", name.as_str());
        }
        if task.priority != 0 {
            self.add("priority", task.priority.to_string());
        }
        if let Some(deadline) = task.deadline_at {
            let seconds = (deadline.0 - task.created_at.0) / 1000;
            // One that was renewed may be further away from the beginning than any may be.
            self.add(DEADLINE, seconds.clamp(1, DEADLINE_MAX.into()).to_string());
        }
    }

    fn add_digest(&mut self, Original { task, inputs, .. }: &Original) {
        self.add("algorithm", task.algorithm.as_ref());
        match task.algorithm.as_ref() {
            "hmac-sha256" => self.lacks.push(Lack::Key),
            "pbkdf2-hmac-sha256" => self.lacks.push(Lack::Salt),
            _ => {}
        }
        if let Some(iterations) = task.iterations {
            self.add("iterations", iterations.to_string());
        }
        match task.encoding {
            None | Some(Encoding::Utf8) => {}
            Some(Encoding::Hex) => self.add("encoding", "hex"),
            Some(Encoding::Base64) => self.add("encoding", "base64"),
        }
        if task.verify == Verify::All {
            self.add("verify", "all");
        }
        if task.first_task.is_some() {
            self.lacks.push(Lack::Batch);
        }
        let lines = inputs.as_ref().and_then(|inputs| lines_of(inputs.as_blob().iter()));
        match lines {
            Some(lines) => self.add("text", lines),
            None => self.lacks.push(Lack::Inputs),
        }
    }

    fn add_search(&mut self, search: &Search) {
        self.add_space(&search.space);
        self.add_around(("prefix", "prefix_hex"), &search.prefix);
        self.add_around(("suffix", "suffix_hex"), &search.suffix);
        self.add_sought(&search.sought);
        self.add("algorithm", search.algorithm.name());
        let is_default = match search.sought {
            Sought::Targets { .. } => search.stop == Stop::All,
            Sought::Interval { .. } => search.stop == Stop::First,
        };
        match search.stop {
            _ if is_default => {}
            Stop::First => self.add("stop", "first"),
            Stop::Lowest => self.add("stop", "lowest"),
            Stop::All => self.add("stop", "all"),
            Stop::Never => self.add("stop", "never"),
        }
        if search.max_findings != MAX_FINDINGS {
            self.add("max_findings", search.max_findings.to_string());
        }
    }

    fn add_space(&mut self, space: &Space) {
        match space {
            Space::Masks(masks) => {
                // Each is a line of an .hcmask file, in which charsets of its own and backslashes may stand.
                let lines = masks.iter().map(|mask| mask.text.as_bytes());
                let is_plain = |lines: &str| masks.iter().len() == 1 && !lines.contains([',', '\\']);
                match lines_of(lines) {
                    Some(lines) if is_plain(&lines) => self.add("mask", lines.trim_end_matches('\n')),
                    Some(lines) => self.add("masks", lines),
                    None => self.lacks.push(Lack::Masks),
                }
            }
            Space::Counter { from, to, format } => {
                self.add("counter_from", from.to_string());
                self.add("counter_to", to.to_string());
                self.add("counter_format", format_name(*format));
            }
        }
    }

    fn add_around(&mut self, (text, hex): (&'static str, &'static str), bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            _ if bytes.is_empty() => {}
            Ok(plain) if !plain.contains(is_hidden) => self.add(text, plain),
            _ => self.add(hex, const_hex::encode(bytes)),
        }
    }

    fn add_sought(&mut self, sought: &Sought) {
        match sought {
            Sought::Targets { digests, .. } => {
                let lines = digests.as_chunks::<32>().0.iter().map(const_hex::encode);
                let lines: Vec<_> = lines.collect();
                match lines_of(lines.iter().map(String::as_bytes)).filter(|_| !lines.is_empty()) {
                    Some(lines) => self.add("targets", lines),
                    None => self.lacks.push(Lack::Targets),
                }
            }
            Sought::Interval { order, from, to } => {
                match zeros(from, to) {
                    Some(bits) => self.add("leading_zero_bits", bits.to_string()),
                    None => {
                        self.add("digest_at_most", const_hex::encode(to));
                        self.add("digest_at_least", const_hex::encode(from));
                    }
                }
                if *order == DigestOrder::Little {
                    self.add("digest_order", "little");
                }
            }
        }
    }
}

/// With how many zero bits all numbers between these begin, if that is all that they have in common.
fn zeros(from: &[u8; 32], to: &[u8; 32]) -> Option<u32> {
    let bits: u32 = to.iter().take_while(|byte| **byte == 0).count() as u32 * 8
        + to.iter().find(|byte| **byte != 0).map_or(0, |byte| byte.leading_zeros());
    let ones: u32 = to.iter().map(|byte| byte.count_ones()).sum();
    (*from == [0; 32] && bits + ones == 256).then_some(bits)
}

/// Lines that a form gives as they are, if they are no longer than what is filled in. Characters that control a terminal,
/// or turn the direction of text, are not among them: who pastes a command has to see what it does.
fn lines_of<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut text = String::new();
    for line in lines {
        let line = std::str::from_utf8(line).ok().filter(|line| !line.contains(is_hidden))?;
        text.push_str(line);
        text.push('\n');
        if text.len() > FILLED_MAX {
            return None;
        }
    }
    Some(text)
}

/// Whether a character does something else than to be seen: it controls, or formats (Unicode, general category Cf, as
/// far as it turns the direction of text or takes no room).
fn is_hidden(char: char) -> bool {
    char != '\t' && char.is_control()
        || matches!(char, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
