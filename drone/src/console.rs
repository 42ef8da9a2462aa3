//! What people read: a story with emoji, plain log lines, or JSON.
//!
//! `HIVE_LOG` filters what is logged (the syntax of `tracing_subscriber`'s `EnvFilter`; `info`
//! when it is not set). Text from other machines is never written raw: control characters
//! are escaped, so that nobody can play tricks on the terminal.

mod layer;
mod text;
mod throttle;

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use layer::{Console, Style};
pub use text::{count, word};

/// The tracing target of [`story!`](crate::story!).
pub const TARGET: &str = "story";

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
        $crate::__tracing::info!(target: "story", emoji = $emoji, $($message)+)
    };
}

/// Logs to standard output from now on, in this format. Does nothing if this process logs
/// already.
pub fn init(format: LogFormat) {
    let filter =
        EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).with_env_var("HIVE_LOG").from_env_lossy();
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let layer = match format {
        LogFormat::Story => Console::new(Style::Story, colour, std::io::stdout).boxed(),
        LogFormat::Plain => Console::new(Style::Plain, colour, std::io::stdout).boxed(),
        LogFormat::Json => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            // It would complain on standard error, which may be closed just the same.
            .log_internal_errors(false)
            .boxed(),
    };
    // An error means that a subscriber is there already.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
}
