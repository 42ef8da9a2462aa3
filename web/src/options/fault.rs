//! What is wrong with options.

use std::fmt::Display;

use crate::error::{Problem, shown};

/// An option has a value that means nothing.
pub(super) fn unknown(option: &str, value: &str, known: &str) -> Problem {
    fault(option, format!("there is no {option} `{}`; there are: {known}", shown(value)))
}

/// What is wrong with a number that no integer holds.
pub(super) fn too_large(name: &str, most: impl Display) -> String {
    format!("`{name}` is too large: it is at most {most}")
}

/// What is wrong with an option.
pub(super) fn fault(name: &str, detail: String) -> Problem {
    Problem::invalid(detail).with("path", name)
}

/// Why a value is no text.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("not UTF-8; other bytes go into the option whose name ends in `_hex`, where there is one")]
pub(super) struct NotText;
