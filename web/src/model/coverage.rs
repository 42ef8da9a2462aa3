//! What was searched by whom: the ledger of a search, as users see it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::DroneId;

use super::rounded::{known_thousandths, thousandths};
use crate::timestamp::Timestamp;

/// Candidates that follow each other, and what is known of their search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// The index of the first.
    pub from: u64,
    /// Behind the index of the last.
    pub to: u64,
    /// Who searched them, or has them now.
    #[schema(value_type = Option<u64>)]
    pub drone: Option<DroneId>,
    /// That Drone's name.
    pub drone_name: Option<String>,
    /// Marks that were reported.
    pub marks: u64,
    /// How many there are on average among so many candidates.
    #[serde(serialize_with = "thousandths")]
    pub expected: f64,
    /// Whether they were searched.
    pub verdict: Verdict,
    /// Candidates per second.
    #[serde(serialize_with = "known_thousandths")]
    pub rate: Option<f64>,
    /// When they were reported.
    pub at: Option<Timestamp>,
}

/// Whether candidates were searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// They were.
    Searched,
    /// They were, and searched once more to compare, or because the first report was in doubt.
    SearchedAgain,
    /// It is in doubt, and they are to be searched again.
    Doubtful,
    /// They are still to be searched.
    Open,
    /// They were not, as the task had ended before.
    NotSearched,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Searched, Self::SearchedAgain, Self::Doubtful, Self::Open, Self::NotSearched];

    /// The name in views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Searched => "searched",
            Self::SearchedAgain => "searched-again",
            Self::Doubtful => "doubtful",
            Self::Open => "open",
            Self::NotSearched => "not-searched",
        }
    }
}

/// A page of `GET /tasks/{id}/coverage`: its spans have neither a gap nor an overlap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CoverageList {
    /// How many candidates the task has.
    pub total: u64,
    /// In the order of the candidates.
    pub spans: Vec<Span>,
    /// What `from` is to be for the next page; `None` on the last one.
    pub next: Option<u64>,
}
