//! How what comes is printed.

use clap::ValueEnum;

/// What is printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// The JSON of the REST API, as it comes.
    Json,
    /// Ids alone, where something is listed or submitted, and nothing else.
    Quiet,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The digest, two spaces, the input: as sha256sum prints names; of a search, lines of a potfile.
    Text,
    /// RFC 4180, with a line of names first.
    Csv,
    /// An object a line, and one behind them that says how far they go.
    Ndjson,
}

impl Format {
    /// As the API calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Csv => "csv",
            Self::Ndjson => "ndjson",
        }
    }
}

/// How progress is shown on standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// A bar on a terminal, else lines.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// A line now and then.
    Lines,
    /// Not at all.
    None,
}
