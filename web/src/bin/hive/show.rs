//! What is printed for people.

pub mod details;
mod table;
mod text;

use std::fmt;
use std::io::{self, Write as _};

use drone::console::count;
use web::model::{TaskState, TaskView};

pub use self::table::Table;
pub use self::text::{bytes, moment, number_of, per_second, percent, visible};
use crate::failure::Failure;

/// Prints to standard output.
///
/// # Errors
/// If nobody reads it, or it cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| Failure::of_output(&error))
}

/// A task in a line.
pub struct Line<'a>(pub &'a TaskView);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TaskView { id, state, total, done, algorithm, first_task, name, .. } = self.0;
        write!(f, "Task {id}")?;
        if let Some(name) = name {
            write!(f, " ({})", visible(name))?;
        }
        write!(f, " is {state}:")?;
        match state {
            TaskState::Pending | TaskState::Done => {}
            _ => write!(f, " {} of", count(*done))?,
        }
        write!(f, " {}, {}", number_of(*total, "input"), visible(algorithm))?;
        match first_task {
            Some(first) => write!(f, ", as tasks {first} to {}", first.0.saturating_add(total.saturating_sub(1))),
            None => Ok(()),
        }
    }
}
