//! How things are called in the log and in the audit trail.

use std::fmt::Display;

/// A thing of this kind in words, with its name if it has one: `task 7 (bees)`.
pub fn label(kind: &str, id: impl Display, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{kind} {id} ({name})"),
        None => format!("{kind} {id}"),
    }
}
