//! A task in a line.

use std::fmt;

use drone::console::count;
use web::model::{TaskState, TaskView};

use crate::text::{number_of, visible};

/// A task in a line.
pub struct Line<'a>(pub &'a TaskView);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskView { id, state, total, done, algorithm, first_task, name, search, .. } = self.0;
        write!(f, "Task {id}")?;
        if let Some(name) = name {
            write!(f, " ({})", visible(name))?;
        }
        write!(f, " is {state}:")?;
        match state {
            TaskState::Pending | TaskState::Done => {}
            _ => write!(f, " {} of", count(*done))?,
        }
        let items = if search.is_some() { "candidate" } else { "input" };
        write!(f, " {}, {}", number_of(*total, items), visible(algorithm))?;
        if let Some(search) = search {
            write!(f, ", {} found", count(search.found))?;
        }
        match first_task {
            Some(first) => write!(f, ", as tasks {first} to {}", first.0.saturating_add(total.saturating_sub(1))),
            None => Ok(()),
        }
    }
}
