//! What people read: a story with emoji, plain log lines, or JSON.
//!
//! `HIVE_LOG` filters what is logged (the syntax of `tracing_subscriber`'s `EnvFilter`; `info`
//! when it is not set). Text from other machines is never written raw: control characters,
//! and format characters such as U+202E, are escaped, so that nobody can play tricks on the terminal.

mod layer;
mod output;
mod target;
mod text;
mod throttle;

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use self::layer::{Console, Style};
use self::output::Output;
use self::target::STATUS;
pub use self::target::STORY;
pub use self::text::{count, span, word};

#[doc(hidden)]
pub use tracing as __tracing;

/// How a program speaks to its operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// What happens, told with emoji; warnings and errors besides.
    #[default]
    Story,
    /// One line an event: time, level, message, fields.
    Plain,
    /// One JSON object an event.
    Json,
}

/// Tells the operator something: `story!("🐝", "A Drone connected: {name}")`.
#[macro_export]
macro_rules! story {
    ($emoji:expr, $($message:tt)+) => {
        $crate::console::__tracing::info!(target: $crate::console::STORY, emoji = $emoji, $($message)+)
    };
}
pub(crate) use story;

/// Shows on a terminal, below all lines, how something goes; an empty text ends that. Nothing where
/// the console is no terminal, or tells no story.
pub fn status(text: &str) {
    tracing::info!(target: STATUS, "{text}");
}

/// Lines that are logged and not written yet: they are when this is dropped, unless nobody reads
/// them for a second.
#[must_use = "what is logged last is written when this is dropped"]
pub struct Unwritten(Output);

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.0.finish();
    }
}

/// Logs to standard output from now on, in this format, and waits for nobody to read it. Does
/// nothing if this process logs already.
///
/// # Errors
/// If there can be no thread that writes the log.
pub fn init(format: LogFormat) -> io::Result<Unwritten> {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).with_env_var("HIVE_LOG").from_env_lossy();
    let is_terminal = io::stdout().is_terminal();
    let colour = is_terminal && std::env::var_os("NO_COLOR").is_none();
    let output = Output::start(io::stdout(), |dropped| {
        tracing::warn!("{} lines of this log are missing here: they were not read in time", count(dropped));
    })?;
    let out = output.clone();
    let out = move || out.clone();
    let layer = match format {
        LogFormat::Story => Console::new(Style::Story, colour, out).with_status(is_terminal).boxed(),
        LogFormat::Plain => Console::new(Style::Plain, colour, out).boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            // It would complain on standard error, which may be closed just the same.
            .log_internal_errors(false)
            .with_writer(out)
            .with_filter(filter_fn(|event| event.target() != STATUS))
            .boxed(),
    };
    // An error means that a subscriber is there already.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    Ok(Unwritten(output))
}

/// Lines of the log that were dropped since this process began, because nobody read them in time.
pub fn dropped_lines() -> u64 {
    output::dropped()
}

/// Says why a program ends, on standard error; nobody has to read it for longer than a second.
pub fn complain(why: &str) {
    match Output::start(io::stderr(), |_| {}) {
        Ok(mut output) => {
            // Its queue takes this line.
            let _ = output.write_all(format!("{why}\n").as_bytes());
            output.finish();
        }
        Err(_) => eprintln!("{why}"),
    }
}
