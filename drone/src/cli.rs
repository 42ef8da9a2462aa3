//! Command lines of all programs.

mod documents;
mod span;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command, Error, Parser};

pub use documents::Documents;
pub use span::Span;

/// Reads this process's command line and its environment. What is wrong is told with its place, and
/// ends the process with exit code 2.
pub fn parse<T: Parser>() -> T {
    let arguments: Vec<_> = std::env::args_os().collect();
    T::try_parse_from(&arguments).unwrap_or_else(|error| {
        let mut command = T::command();
        // Only the built command knows how its arguments are written.
        command.build();
        name_source(error, &command, &arguments).exit()
    })
}

/// Names the environment variable that a wrong value came from, and not the flag that nobody gave.
fn name_source(mut error: Error, command: &Command, arguments: &[OsString]) -> Error {
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else { return error };
    let Some(arg) = find(command, flag) else { return error };
    let is_given = arg.get_long().is_none_or(|long| {
        let flag = format!("--{long}");
        let is_flag =
            |text: &str| text.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
        arguments.iter().any(|argument| argument.to_str().is_some_and(is_flag))
    });
    let variable = arg.get_env().filter(|name| !is_given && std::env::var_os(name).is_some());
    if let Some(variable) = variable {
        let variable = variable.display().to_string();
        error.insert(ContextKind::InvalidArg, ContextValue::String(variable));
    }
    error
}

/// The argument that the command line names `flag`.
fn find<'a>(command: &'a Command, flag: &str) -> Option<&'a Arg> {
    let own = command.get_arguments().find(|arg| arg.to_string() == flag);
    own.or_else(|| command.get_subcommands().find_map(|command| find(command, flag)))
}
