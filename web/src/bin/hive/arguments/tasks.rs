//! Options of commands that list tasks, or change many.

use clap::Args;
use web::hive::Order;
use web::kinds::KINDS;
use web::model::{BulkAction, TaskState};

use super::values::{self, Deadline, Moment};

/// Which tasks: those of which all is true that is said.
#[derive(Debug, Clone, Default, Args)]
pub struct Filter {
    /// Only those in this state: pending, running, paused, done, failed or cancelled
    #[arg(long, value_parser = values::state)]
    pub state: Option<TaskState>,
    /// Only those whose names begin so
    #[arg(long, value_name = "BEGINNING")]
    pub name: Option<String>,
    /// Only those that were submitted with a token whose name begins so
    #[arg(long, value_name = "BEGINNING")]
    pub owner: Option<String>,
    /// Only those of this kind
    #[arg(long, value_parser = KINDS)]
    pub kind: Option<String>,
    /// Only those with this algorithm, such as sha256
    #[arg(long)]
    pub algorithm: Option<String>,
    /// Only those that were submitted from then on: 2h for two hours ago, a day, or a moment such as
    /// 2026-01-31T23:59:00Z
    #[arg(long, value_name = "WHEN")]
    pub since: Option<Moment>,
    /// Only those that were submitted before then
    #[arg(long, value_name = "WHEN")]
    pub until: Option<Moment>,
    /// Only those whose reason of failure begins so
    #[arg(long, value_name = "BEGINNING")]
    pub reason: Option<String>,
}

impl Filter {
    /// What the API is told.
    pub fn values(&self) -> [(&'static str, Option<String>); 8] {
        let Self { state, name, owner, kind, algorithm, since, until, reason } = self.clone();
        let moment = |moment: Option<Moment>| moment.map(|moment| moment.to_string());
        [
            ("state", state.map(|state| state.name().to_owned())),
            ("name", name),
            ("owner", owner),
            ("kind", kind),
            ("algorithm", algorithm),
            ("since", moment(since)),
            ("until", moment(until)),
            ("reason", reason),
        ]
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive tasks --state failed --reason 'the deadline' --sort ended
  hive tasks --name nightly- --since 2d --all")]
pub struct Tasks {
    #[command(flatten)]
    pub filter: Filter,
    /// Sorted by id (newest first), ended (last one first), progress (most done first) or priority (most urgent
    /// first); with - before it, the other way round
    #[arg(long, value_name = "ORDER", allow_hyphen_values = true)]
    pub sort: Option<Order>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, conflicts_with = "all", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// All there are
    #[arg(long)]
    pub all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hive bulk cancel --name nightly- --dry-run      how many that would be
  hive bulk delete --state failed --until 2026-01-31
  hive bulk priority --priority 10 --owner ci
  hive bulk retry --all                           everything that failed or was cancelled
  hive bulk retry --reason 'its deadline' --deadline 2h

What an action does not concern, such as cancelling what has ended, is skipped.")]
pub struct Bulk {
    /// What is done: pause, resume, cancel, retry, delete or priority
    #[arg(value_parser = values::bulk)]
    pub action: BulkAction,
    #[command(flatten)]
    pub filter: Filter,
    /// All tasks, where nothing else says which
    #[arg(long, conflicts_with_all = ["state", "name", "owner", "kind", "algorithm", "since", "until", "reason"])]
    pub all: bool,
    /// The new priority, -100 to 100
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i8).range(-100..=100))]
    pub priority: Option<i8>,
    /// When those that are begun again are to be done from now on, such as 90s, 2h or 1d; `none` for never
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Deadline>,
    /// Only say how many tasks it would be
    #[arg(long)]
    pub dry_run: bool,
}
