//! Options of every command: whom to ask, how, and what to print.

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};
use drone::cli::Span;

use super::output::Output;
use crate::connection::Url;

/// Whom to ask, how, and what to print.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Reach {
    /// Where the Queen serves HTTP [default: the profile's, or http://127.0.0.1:8081]
    #[arg(long, env = "HIVE_URL", global = true)]
    pub url: Option<Url>,
    /// The certificate of the Queen's authority: her authority.pem [default: the profile's, or the system's authorities]
    ///
    /// PEM, with one certificate or several.
    #[arg(long, env = "HIVE_CA", value_name = "FILE", global = true, hide_short_help = true)]
    pub ca: Option<PathBuf>,
    /// A file with the token in it [default: HIVE_TOKEN, the file HIVE_TOKEN_FILE, or the profile's]
    ///
    /// Its first line counts. A token on the command line could be seen by others on this machine.
    #[arg(long, value_name = "FILE", global = true, hide_short_help = true)]
    pub token_file: Option<PathBuf>,
    /// What `hive login` kept under this name [default: default]
    ///
    /// A profile's token goes to its own address alone.
    #[arg(long, env = "HIVE_PROFILE", value_name = "NAME", global = true, hide_short_help = true)]
    pub profile: Option<String>,
    /// Send the token over plain HTTP to another machine, where anybody in between can read it
    ///
    /// Without it, a token goes over plain HTTP to this machine alone.
    #[arg(long, env = "HIVE_ALLOW_PLAIN_HTTP", global = true, hide_short_help = true, value_parser = BoolishValueParser::new(), action = ArgAction::SetTrue)]
    pub allow_plain_http: bool,
    /// How long to try again when the Queen is away or busy, such as 90s or 1h [default: 5m for submit, results, watch
    /// and what waits, 5s for all else]
    ///
    /// It counts from when something went on last.
    #[arg(long, value_name = "TIME", global = true, hide_short_help = true, conflicts_with = "no_retry")]
    pub retry_for: Option<Span>,
    /// Do not try again, and send what comes from a pipe straight on
    ///
    /// What comes from a pipe is in no temporary file then, and cannot be sent twice.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_retry: bool,
    /// What to print: text for people, json as the REST API has it, quiet for ids alone or nothing
    #[arg(long, short, global = true, default_value = "text", hide_possible_values = true, value_name = "WHAT")]
    pub output: Output,
}

/// What is kept in a profile.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive login                                              asks for everything
  hive login --url https://hive.example.org:8081 --ca authority.pem < token
  hive login --profile lab --url http://127.0.0.1:8081    for `hive --profile lab …`

The token is asked for without being shown, or is the first line of standard input; it is never
taken from the command line, which others can see. It is shown to the Queen before it is kept.
Profiles are files for their owner alone in $XDG_CONFIG_HOME/hive, or else ~/.config/hive.")]
pub struct Login {}
