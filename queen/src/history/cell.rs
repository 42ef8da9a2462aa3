//! What a Drone did in one column of the task stream, and how short columns become a long one.

use std::num::NonZeroU64;

use web::model::{Gap, StreamRun};
use wire::ids::TaskId;

/// How busy a Drone is whose threads compute all the time, in hundredths. It is told in tenths, so that neighbours are
/// equal more often; what is no tenth in hundredths, so that many of little are not much.
pub const FULL: u8 = 100;

/// A tenth of it.
const TENTH: u8 = FULL / 10;

/// From then on nobody asks why it was not busier.
const BUSY_ENOUGH: u8 = FULL - TENTH;

/// What a Drone did in one column. The default is that nothing is known, for no reason that is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cell {
    /// The task of which most was computed. No task has the id 0.
    task: Option<NonZeroU64>,
    /// How busy it was, in hundredths.
    busy: Option<u8>,
    /// Why it was not busier.
    gap: Option<Gap>,
}

impl Cell {
    /// Nothing is known, since no Queen was here who would.
    pub fn before_start() -> Self {
        Self { gap: Some(Gap::BeforeStart), ..Self::default() }
    }

    /// It computed nothing.
    pub fn idle(gap: Option<Gap>) -> Self {
        Self { task: None, busy: Some(0), gap }
    }

    /// It computed for this `part` of its threads' time, 0 to 1, most of it `task`; where it is known of which.
    pub fn busy(task: Option<TaskId>, part: f64, gap: Option<Gap>) -> Self {
        let busy = match (part.clamp(0.0, 1.0) * f64::from(FULL)).round() as u8 {
            // What is little is still something.
            0 => u8::from(part > 0.0),
            little if little < TENTH / 2 => little,
            more => (more + TENTH / 2) / TENTH * TENTH,
        };
        let task = task.and_then(|task| NonZeroU64::new(task.0)).filter(|_| busy > 0);
        Self { task, busy: Some(busy), gap: gap.filter(|_| busy < BUSY_ENOUGH) }
    }

    /// The task of which most was computed.
    pub fn task(self) -> Option<TaskId> {
        self.task.map(|task| TaskId(task.get()))
    }

    /// What columns of equal length are together: coloured by the task that took most of them, busy as in their mean,
    /// and idle for the most frequent reason. In those of which nothing is known nothing was done.
    pub fn fold(cells: &[Self]) -> Self {
        if cells.iter().all(|cell| cell.busy.is_none()) {
            return Self::default();
        }
        let busy = |cell: &Self| u32::from(cell.busy.unwrap_or_default());
        let all: u32 = cells.iter().map(busy).sum();
        let task = most(cells, |cell| cell.busy.filter(|busy| *busy > 0).map(|_| cell.task), busy).flatten();
        let gap = most(cells, |cell| cell.gap, |cell| u32::from(FULL) - busy(cell));
        let part = f64::from(all) / (cells.len() as f64 * f64::from(FULL));
        Self::busy(task.map(|task| TaskId(task.get())), part, gap)
    }

    /// So many neighbours of this kind, as they are shown.
    pub fn shown(self, columns: u32) -> StreamRun {
        let busy = self.busy.map(|busy| f64::from(busy) / f64::from(FULL));
        StreamRun { columns, task: self.task(), busy, gap: self.gap }
    }
}

/// Neighbouring columns that are equal, in 16 bytes.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    task: Option<NonZeroU64>,
    busy: Option<u8>,
    gap: Option<Gap>,
    /// How many.
    pub columns: u8,
}

impl Run {
    /// So many of this kind.
    pub fn new(cell: Cell, columns: u8) -> Self {
        let Cell { task, busy, gap } = cell;
        Self { task, busy, gap, columns }
    }

    /// What each of them is.
    pub fn cell(self) -> Cell {
        let Self { task, busy, gap, columns: _ } = self;
        Cell { task, busy, gap }
    }
}

/// What weighs most among those that have it; of equal ones the latest.
fn most<T: PartialEq>(cells: &[Cell], of: impl Fn(&Cell) -> Option<T>, weight: impl Fn(&Cell) -> u32) -> Option<T> {
    let mut sums: Vec<(T, u32)> = Vec::new();
    for cell in cells {
        let Some(what) = of(cell) else { continue };
        let known = sums.iter().position(|(other, _)| *other == what);
        let before = known.map_or(0, |at| sums.remove(at).1);
        sums.push((what, before + weight(cell)));
    }
    sums.into_iter().max_by_key(|(_, sum)| *sum).map(|(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn busy(task: u64, tenths: u8) -> Cell {
        Cell::busy(Some(TaskId(task)), f64::from(tenths) / 10.0, None)
    }

    fn idle(gap: Gap) -> Cell {
        Cell::idle(Some(gap))
    }

    #[test]
    fn the_task_that_took_most_colours_a_column() {
        // Three short columns of one weigh less than two of another that were busy.
        let folded = Cell::fold(&[busy(7, 3), busy(9, 10), busy(7, 3), busy(9, 10), busy(7, 3)]);
        assert_eq!(folded, busy(9, 6));
        assert_eq!(Cell::fold(&[busy(7, 5), busy(9, 5)]).task(), Some(TaskId(9)), "of equal ones the latest");
        let unknown = Cell::busy(None, 1.0, None);
        assert_eq!(Cell::fold(&[unknown, unknown, busy(7, 10)]), unknown);
    }

    #[test]
    fn equal_columns_are_the_same_together() {
        let part = Cell::busy(Some(TaskId(7)), 0.4, Some(Gap::NoWork));
        for cell in [Cell::default(), busy(7, 10), idle(Gap::Paused), part, Cell::idle(None)] {
            assert_eq!(Cell::fold(&[cell; 5]), cell);
        }
    }

    #[test]
    fn gaps_are_told_where_they_matter() {
        let mostly = [idle(Gap::Paused), idle(Gap::NoWork), busy(7, 10), idle(Gap::Paused), busy(7, 10)];
        assert_eq!(Cell::fold(&mostly), Cell::busy(Some(TaskId(7)), 0.4, Some(Gap::Paused)));
        let hardly = [busy(7, 10), busy(7, 10), busy(7, 10), busy(7, 10), Cell::busy(None, 0.6, Some(Gap::Disk))];
        assert_eq!(Cell::fold(&hardly), busy(7, 9));
        // It came in the last of them.
        assert_eq!(Cell::fold(&[Cell::default(), Cell::default(), busy(7, 10)]), busy(7, 3));
    }

    #[test]
    fn what_is_little_is_something() {
        let little = |part| Cell::busy(Some(TaskId(7)), part, Some(Gap::NoWork)).shown(1).busy;
        let parts = [0.0, 1e-9, 0.014, 0.044, 0.046, 0.14, 0.15, 0.96].map(little);
        assert_eq!(parts, [0.0, 0.01, 0.01, 0.04, 0.1, 0.1, 0.2, 1.0].map(Some));
        assert_eq!(Cell::busy(Some(TaskId(7)), 0.0, Some(Gap::Disk)), idle(Gap::Disk));
        assert_eq!(Cell::busy(Some(TaskId(7)), 7.5, Some(Gap::Disk)), busy(7, 10));
        // A moment does not take over the column that it is in.
        let moment = Cell::busy(Some(TaskId(7)), 0.001, None);
        let five = Cell::fold(&[moment, idle(Gap::Disk), idle(Gap::Disk), idle(Gap::Disk), idle(Gap::Disk)]);
        let fifteen = Cell::fold(&[five, idle(Gap::Disk), idle(Gap::Disk)]);
        assert_eq!(fifteen, Cell::busy(Some(TaskId(7)), 0.01, Some(Gap::Disk)));
        assert_eq!(Cell::fold(&[busy(7, 1), idle(Gap::Disk), idle(Gap::Disk)]).shown(3).busy, Some(0.03));
    }
}
