//! Standard output.

use std::io::{self, Write as _};

use crate::failure::Failure;

/// Prints to standard output.
///
/// # Errors
/// If nobody reads it, or it cannot be written.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes()).and_then(|()| output.flush()).map_err(|error| Failure::of_output(&error))
}
