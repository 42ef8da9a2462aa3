//! How a task that is submitted stands beside others.

use clap::Args;
use drone::cli::Span;

/// How a task stands beside others.
#[derive(Debug, Default, Args)]
pub struct Standing {
    /// What people see the task called
    #[arg(long, short)]
    pub name: Option<String>,
    /// -100 to 100: the larger is computed first, equals share [default: 0]
    #[arg(long, short, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(i8).range(-100..=100))]
    pub priority: Option<i8>,
    /// When it is to be done from now on, such as 90s, 2h or 1d; else it fails
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<Span>,
}

impl Standing {
    /// As the API has it.
    pub fn named(&self) -> [(&'static str, Option<String>); 3] {
        [
            ("name", self.name.clone()),
            ("priority", self.priority.map(|priority| priority.to_string())),
            ("deadline_seconds", self.deadline.map(|span| span.0.as_secs().to_string())),
        ]
    }
}
