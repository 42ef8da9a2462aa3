//! What was searched of a search, as a comb of cells and a table.

use crate::error::Problem;
use crate::hive::{Coverage, Hive, Span, Verdict};
use crate::model::TaskView;

/// Cells in a row of the comb, and rows.
const COLUMNS: u64 = 40;
const ROWS: u64 = 12;

/// Spans that are read for the cells; of those behind them each cell shows the one in its middle.
const READ: usize = 4096;

/// Spans in the table.
const TABLE: usize = 50;

/// A cell's width and the distance of two rows, in the units of the comb.
const WIDTH: u64 = 10;
const HEIGHT: u64 = 9;

/// What was searched.
#[derive(Debug)]
pub(super) struct Covered {
    /// In the order of the candidates.
    pub(super) cells: Vec<Cell>,
    /// Which kinds of cells there are, and how many of each.
    pub(super) kinds: Vec<(Kind, usize)>,
    /// A part of the ledger.
    pub(super) spans: Vec<Span>,
    /// The first candidate of that part.
    pub(super) from: u64,
    /// Where what follows begins.
    pub(super) next: Option<u64>,
}

/// Candidates that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// Where it is in the comb.
    pub(super) x: u64,
    pub(super) y: u64,
    /// What there is to say of it.
    pub(super) kind: Kind,
}

/// What is known of a cell's candidates, the most important last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// All were searched.
    Searched,
    /// All were searched, and some again.
    Again,
    /// Some were searched.
    Partly,
    /// None was searched yet.
    Open,
    /// None was searched, as the task had ended.
    Not,
    /// Some are in doubt.
    Doubtful,
}

impl Kind {
    const ALL: [Self; 6] = [Self::Searched, Self::Again, Self::Partly, Self::Open, Self::Not, Self::Doubtful];

    /// Its class.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Searched => "searched",
            Self::Again => "again",
            Self::Partly => "partly",
            Self::Open => "open",
            Self::Not => "not",
            Self::Doubtful => "doubtful",
        }
    }

    /// It in words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Searched => "searched",
            Self::Again => "searched, in part again",
            Self::Partly => "searched in part",
            Self::Open => "open",
            Self::Not => "not searched",
            Self::Doubtful => "in doubt",
        }
    }

    /// Of candidates of which these verdicts are known.
    fn of(verdicts: impl Iterator<Item = Verdict>) -> Self {
        let kinds = verdicts.map(|verdict| match verdict {
            Verdict::Searched => Self::Searched,
            Verdict::SearchedAgain => Self::Again,
            Verdict::Doubtful => Self::Doubtful,
            Verdict::Open => Self::Open,
            Verdict::NotSearched => Self::Not,
        });
        let is_searched = |kind: Self| matches!(kind, Self::Searched | Self::Again | Self::Partly);
        let both = kinds.reduce(|one, other| match (one, other) {
            (Self::Doubtful, _) | (_, Self::Doubtful) => Self::Doubtful,
            (one, other) if is_searched(one) != is_searched(other) => Self::Partly,
            (one, other) => one.max(other),
        });
        both.unwrap_or(Self::Open)
    }
}

impl Covered {
    /// What is known of a search, with the table from candidate `from` on.
    pub(super) async fn of(hive: &dyn Hive, task: &TaskView, from: u64) -> Result<Self, Problem> {
        let Coverage { spans: read, next: read_to, .. } = hive.coverage(task.id, 0, READ).await?;
        let (spans, next) = match from {
            0 => (read.iter().take(TABLE).cloned().collect(), read.get(TABLE).map(|span| span.from).or(read_to)),
            from => {
                let Coverage { spans, next, .. } = hive.coverage(task.id, from, TABLE).await?;
                (spans, next)
            }
        };
        let count = task.total.min(COLUMNS * ROWS);
        let mut cells = Vec::with_capacity(count as usize);
        for at in 0..count {
            let edge = |at: u64| (u128::from(task.total) * u128::from(at) / u128::from(count)) as u64;
            let (first, end) = (edge(at), edge(at + 1));
            let kind = match read_to.is_none_or(|read_to| end <= read_to) {
                true => {
                    let begin = read.partition_point(|span| span.to <= first);
                    let within = read[begin..].iter().take_while(|span| span.from < end);
                    Kind::of(within.map(|span| span.verdict))
                }
                false => {
                    let middle = hive.coverage(task.id, first + (end - first) / 2, 1).await?;
                    Kind::of(middle.spans.iter().map(|span| span.verdict))
                }
            };
            let (column, row) = (at % COLUMNS, at / COLUMNS);
            cells.push(Cell { x: WIDTH * column + WIDTH / 2 * (row % 2), y: HEIGHT * row, kind });
        }
        let count = |kind: Kind| (kind, cells.iter().filter(|cell| cell.kind == kind).count());
        let kinds = Kind::ALL.map(count).into_iter().filter(|(_, count)| *count > 0).collect();
        Ok(Self { cells, kinds, spans, from, next })
    }

    /// The comb's size, in its units.
    pub(super) fn size(&self) -> (u64, u64) {
        let rows = (self.cells.len() as u64).div_ceil(COLUMNS).max(1);
        let columns = (self.cells.len() as u64).clamp(1, COLUMNS);
        (WIDTH * columns + if rows > 1 { WIDTH / 2 } else { 0 }, HEIGHT * rows + 3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_tells_what_matters_most() {
        let kind = |verdicts: &[Verdict]| Kind::of(verdicts.iter().copied());
        assert_eq!(kind(&[Verdict::Searched; 3]), Kind::Searched);
        assert_eq!(kind(&[Verdict::Searched, Verdict::SearchedAgain, Verdict::Searched]), Kind::Again);
        assert_eq!(kind(&[Verdict::Open, Verdict::Searched, Verdict::Open]), Kind::Partly);
        assert_eq!(kind(&[Verdict::NotSearched, Verdict::SearchedAgain]), Kind::Partly);
        assert_eq!(kind(&[Verdict::Open, Verdict::Doubtful, Verdict::Searched]), Kind::Doubtful);
        assert_eq!(kind(&[Verdict::Open, Verdict::Open]), Kind::Open);
        assert_eq!(kind(&[]), Kind::Open);
    }
}
