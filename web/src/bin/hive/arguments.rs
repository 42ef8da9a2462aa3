//! The command line.

mod changing;
mod output;
mod reach;
mod search;
mod standing;
mod submit;
mod tasks;
mod values;

use clap::{Args, Parser, Subcommand};
use drone::cli::{Documents, Span};
use web::access::LogKind;

pub use self::changing::{Change, Retry};
pub use self::output::{Format, Output, Progress};
pub use self::reach::{Login, Reach};
pub use self::search::{Coverage, CoverageFormat, Search};
#[cfg(test)]
pub use self::standing::Standing;
pub use self::submit::{Each, Options, Submit, VerifyOption};
pub use self::tasks::{Bulk, Tasks};
pub use self::values::{Moment, TaskRef};

/// The Hive's client: submits SHA-256 work to a Queen, waits for it, and prints the results
#[derive(Debug, Parser)]
#[command(
    name = "hive",
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  hive submit lines.txt --wait                hash every line of a file, and print the digests
  cat words | hive submit - --wait > sums     the same of what comes from a pipe
  hive submit --input honey --wait            hash a word
  hive results last --format csv              the results of the newest task, in another form
  hive search --mask ?l?l?l?l --targets digests.txt --wait
                                              find the words of these digests
  hive tasks --state running                  what is being computed
  hive login --url https://hive.example.org:8081 --ca authority.pem
                                              keep where the Queen is, and a token for her

What is said first counts: options, then the environment (HIVE_URL, HIVE_CA, HIVE_TOKEN,
HIVE_TOKEN_FILE), then the profile, then http://127.0.0.1:8081. ID is a task's number, or
`last`, which is the newest one.

Exit codes: 0 done; 1 a task that was waited for failed or was cancelled; 2 a wrong command
line, or a file or profile here that cannot be used; 3 the Queen cannot be reached, or cannot
do it (5xx), after all tries; 4 she refused it (4xx); 5 a search that was waited for found
nothing; 130 after Ctrl-C."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub reach: Reach,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Submit inputs as a task, and wait for its results if asked to
    Submit(Box<Submit>),
    /// Search candidates for those whose digests are sought, and wait for findings if asked to
    Search(Box<Search>),
    /// Show what has become of each part of a task, and by whom
    Coverage(Coverage),
    /// Print a task's results, in the order of its inputs
    Results(Results),
    /// Follow what happens: to one task, until it has ended, or to everything
    Watch(Watch),
    /// List tasks, newest first unless said otherwise
    Tasks(Tasks),
    /// Show tasks with all that is known of them
    Task(Ids),
    /// Stop tasks; what is computed of them stays
    Cancel(Ids),
    /// Hold tasks back
    Pause(Ids),
    /// Go on with tasks that are held back
    Resume(Ids),
    /// Begin tasks again that failed or were cancelled; only what is missing is computed
    Retry(Retry),
    /// Change a task's name, priority or deadline
    Change(Change),
    /// Remove tasks that have ended, with their results
    Delete(Ids),
    /// Do something to many tasks: all that are in a state, or whose names begin so, and more
    Bulk(Box<Bulk>),
    /// List Drones, or show some of them
    Drones(Drones),
    /// Let Drones finish what they have, and leave
    Drain(DroneIds),
    /// End connections of Drones that hang, and give what they have to others
    Disconnect(DroneIds),
    /// Trust Drones again that are in quarantine
    Pardon(DroneIds),
    /// Show the whole at a glance
    Stats,
    /// Show what happened, and to admins who did what, and what was refused
    Log(Log),
    /// Keep a Queen's address, her authority's certificate and a token in a profile
    Login(Login),
    #[command(flatten)]
    Documents(Documents),
}

/// Which tasks.
#[derive(Debug, Args)]
pub struct Ids {
    /// Which tasks
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<TaskRef>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive results 7 > sums                  as sha256sum prints them
  hive results last --wait --format csv  wait for the task first
  hive results 7 --format ndjson         what is there by now, while the task runs
  hive results 7 --not-found > rest      digests that a search was given and has not found
  hive results 7 --input honey           its index and digest, if it is among the results

Text and CSV cannot say that they are incomplete, so that the results of a task that is not done
are refused in these forms, unless --partial is said. A connection that breaks in the middle is
taken up again where it broke.")]
pub struct Results {
    /// Which task
    pub id: TaskRef,
    /// In which form [default: text; ndjson with --output json]
    #[arg(long)]
    pub format: Option<Format>,
    /// Begin with the input of this index, counted from 0
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = values::whole::<{ u64::MAX }>)]
    pub offset: u64,
    /// Print at most so many
    #[arg(long, value_name = "N", value_parser = values::whole::<{ u64::MAX }>)]
    pub limit: Option<u64>,
    /// Print what is there, although it may not be all
    #[arg(long)]
    pub partial: bool,
    /// Of a search, print the digests that it has not found instead
    #[arg(long)]
    pub not_found: bool,
    /// Print only results of this input, or candidate, as it was given
    #[arg(long, conflicts_with_all = ["not_found", "wait"])]
    pub input: Option<String>,
    /// Print only results with this digest, in hexadecimal
    #[arg(long, conflicts_with_all = ["not_found", "wait", "input"])]
    pub digest: Option<String>,
    /// Wait until the task has ended
    #[arg(long, conflicts_with = "partial")]
    pub wait: bool,
    /// How to show progress while waiting
    #[arg(long, value_name = "HOW", default_value = "auto", hide_possible_values = true)]
    pub progress: Progress,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive watch                  everything, until Ctrl-C
  hive watch last             the newest task; the exit code is 1 unless it is done
  hive watch --output json    an object a line: event, id, and data as the API has it")]
pub struct Watch {
    /// Which task; everything if there is none
    pub id: Option<TaskRef>,
}

#[derive(Debug, Args)]
pub struct Drones {
    /// Which ones, with all that is known of them
    #[arg(value_name = "ID", value_parser = values::drone)]
    pub ids: Vec<u64>,
    /// Those that left or were lost, too
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
pub struct DroneIds {
    /// Which Drones
    #[arg(required = true, value_name = "ID", value_parser = values::drone)]
    pub ids: Vec<u64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive log --since 2h                 the last two hours
  hive log --kind refusal --who ci    what the token `ci` was refused
  hive log --target 'task 7'          what was done to task 7")]
pub struct Log {
    /// Only this: control, administration, session, refusal or guess
    #[arg(long, value_parser = values::kind)]
    pub kind: Option<LogKind>,
    /// Only of the token with this name
    #[arg(long, value_name = "NAME")]
    pub who: Option<String>,
    /// Only of this, such as `task 7`
    #[arg(long)]
    pub target: Option<String>,
    /// Only from then on: 2h for two hours ago, a day, or a moment such as 2026-01-31T23:59:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Moment>,
    /// Only before then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Moment>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "all", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// All there are
    #[arg(long)]
    pub all: bool,
}

/// How long it is tried again when nothing else is said.
pub const RETRY_FOR: Span = Span(std::time::Duration::from_secs(5 * 60));

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_of_the_api_is_there() {
        let command = Cli::command();
        let of = |name: &str| command.find_subcommand(name).unwrap().get_arguments();
        let names: Vec<_> = of("submit").chain(of("search")).filter_map(|argument| argument.get_long()).collect();
        for option in web::options::flat() {
            let name = crate::failure::option(option);
            assert!(names.contains(&name.trim_start_matches("--")), "{name}");
        }
    }

    #[test]
    fn examples_are_read() {
        let page = Cli::command().render_long_help().to_string();
        let lines = page.lines().filter_map(|line| line.trim().strip_prefix("hive "));
        let mut seen = 0;
        for line in lines {
            let words = line.split("   ").next().unwrap_or_default().split(" > ").next().unwrap_or_default();
            Cli::try_parse_from(std::iter::once("hive").chain(words.split_whitespace())).unwrap();
            seen += 1;
        }
        assert!(seen >= 5, "{seen}");
    }
}
