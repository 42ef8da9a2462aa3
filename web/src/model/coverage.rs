//! What has become of each part of a task, and by whom: spans of its indices, and the same in equal cells.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::ids::DroneId;

use super::rounded::{known_thousandths, thousandths};
use crate::timestamp::Timestamp;

/// Indices that follow each other, and what is known of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// The first index.
    pub from: u64,
    /// Behind the last index.
    pub to: u64,
    /// What has become of them.
    pub state: SpanState,
    /// How many leases there are of them, or of a part of them.
    pub leases: u32,
    /// How often some of them were tried, as far as is known: what was lost or failed, and what is under way, counts.
    pub attempts: u32,
    /// Who computed them, or has them now.
    #[schema(value_type = Option<u64>)]
    pub drone: Option<DroneId>,
    /// That Drone's name.
    pub drone_name: Option<String>,
    /// Marks that were reported; 0 of a task that is no search.
    pub marks: u64,
    /// How many there are on average among so many candidates; 0 of a task that is no search.
    #[serde(serialize_with = "thousandths")]
    pub expected: f64,
    /// Whether they were searched; `None` of a task that is no search.
    pub verdict: Option<Verdict>,
    /// Candidates per second.
    #[serde(serialize_with = "known_thousandths")]
    pub rate: Option<f64>,
    /// When they were reported.
    pub at: Option<Timestamp>,
}

/// What has become of a part of a task, the most remarkable last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SpanState {
    /// It was computed twice, and both agreed.
    Verified,
    /// It was computed.
    Done,
    /// It is not computed, and will not be: the task ended before, or wants no more.
    Missing,
    /// It is to be computed.
    Waiting,
    /// A Drone, or the Queen herself, has it.
    Leased,
    /// Its Drone was wrong elsewhere: it is to be computed again.
    Suspect,
}

impl SpanState {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [Self::Verified, Self::Done, Self::Missing, Self::Waiting, Self::Leased, Self::Suspect];

    /// The name in views.
    pub fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Done => "done",
            Self::Missing => "missing",
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Suspect => "suspect",
        }
    }

    /// Whether there are results of it that nothing speaks against.
    pub fn is_done(self) -> bool {
        matches!(self, Self::Verified | Self::Done)
    }
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
    /// How many indices the task has.
    pub total: u64,
    /// In the order of the indices.
    pub spans: Vec<Span>,
    /// What `from` is to be for the next page; `None` on the last one.
    pub next: Option<u64>,
}

/// A task in this many cells at most.
pub const CELLS_MAX: u64 = 2000;

/// A task in equal cells, of which each has at least one index: `GET /tasks/{id}/coverage?cells=…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Honeycomb {
    /// How many indices the task has.
    pub total: u64,
    /// In the order of the indices, without a gap. Of a task in more than 65,536 spans those behind them lack.
    pub cells: Vec<Cell>,
}

/// Indices that follow each other, about as many as in every other cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cell {
    /// The first index.
    pub from: u64,
    /// Behind the last index.
    pub to: u64,
    /// The most remarkable that is true of some of them: `suspect`, `leased`, `waiting`, `missing`, `done`, and of all
    /// `verified`.
    pub state: SpanState,
    /// How many of them are done or verified.
    pub done: u64,
    /// How many leases there are of some of them.
    pub leases: u32,
    /// How often one of them was tried at most, as far as is known.
    pub attempts: u32,
    /// Who has those in this state, or computed them; the first four.
    pub drones: Vec<CellDrone>,
}

/// A Drone that has some of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CellDrone {
    /// Which one.
    #[schema(value_type = u64)]
    pub id: DroneId,
    /// As it calls itself.
    pub name: String,
}
