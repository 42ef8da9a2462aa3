//! Options of commands that change tasks.

use clap::Args;

use super::values::{Deadline, TaskRef};

#[derive(Debug, Args)]
pub struct Retry {
    /// Which tasks
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<TaskRef>,
    /// When they are to be done from now on, such as 90s, 2h or 1d; `none` for never
    ///
    /// A task whose deadline has passed needs it.
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Deadline>,
}

#[derive(Debug, Args)]
pub struct Change {
    /// Which task
    pub id: TaskRef,
    #[command(flatten)]
    pub what: What,
}

/// One of them at least.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct What {
    /// What people see it called; an empty one takes the name away
    #[arg(long)]
    pub name: Option<String>,
    /// -100 to 100; the larger is computed first
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i8).range(-100..=100))]
    pub priority: Option<i8>,
    /// When it is to be done from now on, such as 90s, 2h or 1d; `none` for never
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Deadline>,
}
