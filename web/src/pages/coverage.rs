//! What has become of each part of a task: as a honeycomb, a list of what is remarkable, and the ledger of a search.

use super::honeycomb::{Kind, Picture};
use crate::error::Problem;
use crate::hive::{Coverage, Hive, Span, SpanState};
use crate::honeycomb;
use crate::model::{CELLS_MAX, TaskView};

/// Cells on a phone.
const CELLS_NARROW: u64 = 480;

/// Leased and suspect spans that are listed.
const LISTED: usize = 12;

/// Spans in the ledger's table.
const TABLE: usize = 50;

/// What has become of each part of a task.
#[derive(Debug)]
pub(super) struct Covered {
    /// The task as a honeycomb: on a large screen, and on a small one.
    pub(super) pictures: [Picture; 2],
    /// How many indices are drawn, if that is not all.
    pub(super) drawn: Option<u64>,
    /// Which kinds of cells there are.
    pub(super) legend: Vec<Kind>,
    /// The first few spans that are leased or suspect.
    pub(super) listed: Vec<Span>,
    /// How many such spans there are besides.
    pub(super) unlisted: u64,
    /// Of a search.
    pub(super) ledger: Option<Ledger>,
}

/// A part of the ledger of a search.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) spans: Vec<Span>,
    /// The first candidate of that part.
    pub(super) from: u64,
    /// Where what follows begins.
    pub(super) next: Option<u64>,
}

impl Covered {
    /// What is known of a task, with the ledger of a search from candidate `from` on.
    pub(super) async fn of(hive: &dyn Hive, task: &TaskView, from: u64) -> Result<Self, Problem> {
        let (mut listed, mut unlisted) = (Vec::new(), 0);
        let list = |span: &Span| match span.state {
            SpanState::Leased | SpanState::Suspect if listed.len() < LISTED => listed.push(span.clone()),
            SpanState::Leased | SpanState::Suspect => unlisted += 1,
            _ => {}
        };
        let [wide, narrow] = honeycomb::of(hive, task, [CELLS_MAX, CELLS_NARROW], list).await?;
        let drawn = wide.cells.last().map_or(0, |cell| cell.to);
        let drawn = Some(drawn).filter(|drawn| *drawn < task.total);
        let pictures = [Picture::wide(&wide), Picture::narrow(&narrow)];
        let has = |kind: &Kind| pictures.iter().any(|picture| picture.has(*kind));
        let legend = Kind::ALL.into_iter().filter(has).collect();
        let ledger = match task.search {
            Some(_) => {
                let Coverage { spans, next, .. } = hive.coverage(task.id, from, TABLE).await?;
                Some(Ledger { spans, from, next })
            }
            None => None,
        };
        Ok(Self { pictures, drawn, legend, listed, unlisted, ledger })
    }
}
