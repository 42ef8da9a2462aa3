//! How the operator is told.

use std::fmt;

use crate::hive::{Action, By, Deed, Hive};

/// Tells of something that was done.
pub(super) fn tell(hive: &dyn Hive, by: By, action: Action, target: String) {
    hive.tell(Deed { by, action, target, refused: None });
}

/// `task 7 (bees)`
pub(super) fn named(what: &str, id: impl fmt::Display, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{what} {id} ({name})"),
        None => format!("{what} {id}"),
    }
}
