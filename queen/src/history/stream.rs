//! What one Drone did, second by second, for as long as the task stream shows it.
//!
//! Seconds become columns of 1, 5 and 15 seconds, so many of each as a window shows, and neighbours that are equal are
//! one run: a Drone that goes on with the same takes next to nothing, and none takes more than [`Stream::MAX_BYTES`].

use std::collections::VecDeque;

use web::model::{STREAM_COLUMNS, StreamRun, Window};

use super::cell::{Cell, Run};

/// Columns that are kept of each length: one more than is shown, since some Drones are a second ahead of others, and
/// what is shown ends for all with the same column.
const KEPT: usize = STREAM_COLUMNS + 1;

/// Of how many columns of the window before each window makes one.
const FACTORS: [usize; Window::ALL.len()] = [1, 5, 3];

/// The longest column, in seconds.
const LONGEST: u64 = 15;

/// What one Drone did.
#[derive(Debug, Clone)]
pub struct Stream {
    /// The first second that is not told yet, counted from the Queen's start.
    next: u64,
    /// In the order of [`Window::ALL`].
    levels: [Level; Window::ALL.len()],
}

impl Stream {
    /// The most that one takes of memory, in bytes.
    pub const MAX_BYTES: usize = size_of::<Self>()
        + Window::ALL.len() * (KEPT + 1).next_power_of_two() * size_of::<Run>()
        + (FACTORS[1] + FACTORS[2]).next_power_of_two() * 2 * size_of::<Cell>();

    /// Nothing is known before this second, counted from the Queen's start.
    pub fn new(second: u64) -> Self {
        let mut stream = Self { next: second - second % LONGEST, levels: FACTORS.map(Level::new) };
        // Columns begin at multiples of their length.
        stream.tell(Cell::default(), second);
        stream
    }

    /// The first second that is not told yet, counted from time zero.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// What the Drone did in all seconds before `end` that were not told yet.
    pub fn tell(&mut self, cell: Cell, end: u64) {
        let seconds = end.saturating_sub(self.next);
        self.next += seconds;
        tell(&mut self.levels, cell, usize::try_from(seconds).unwrap_or(usize::MAX));
    }

    /// All columns of a window, the oldest first: the last one has the second before `end`. All seconds before that are
    /// told, and perhaps one more.
    pub fn read(&self, window: Window, end: u64) -> Vec<StreamRun> {
        let step = u64::from(window.step_seconds());
        let Some(level) = self.levels.get(window as usize) else { return Vec::new() };
        let begun = self.begun(window).map(|cell| Run::new(cell, 1));
        // Those behind the end are not shown.
        let ended = end.div_ceil(step);
        let mut surplus = self.next.div_ceil(step).saturating_sub(ended);
        // The Queen's start is the beginning of a column.
        let mut missing = ended.min(STREAM_COLUMNS as u64);
        let before = STREAM_COLUMNS as u64 - missing;
        let mut shown: Vec<(Cell, u64)> = Vec::new();
        for run in level.runs.iter().copied().chain(begun).rev() {
            let columns = u64::from(run.columns);
            let kept = columns.saturating_sub(surplus).min(missing);
            surplus = surplus.saturating_sub(columns);
            missing -= kept;
            add(&mut shown, run.cell(), kept);
        }
        add(&mut shown, Cell::default(), missing);
        add(&mut shown, Cell::before_start(), before);
        shown.into_iter().rev().map(|(cell, columns)| cell.shown(columns as u32)).collect()
    }

    /// What there is of the column that is not over.
    fn begun(&self, window: Window) -> Option<Cell> {
        let mut below = None;
        for level in self.levels.iter().take(window as usize + 1) {
            let cells: Vec<_> = level.begun.iter().copied().chain(below).collect();
            below = (!cells.is_empty()).then(|| Cell::fold(&cells));
        }
        below
    }

    /// What it takes of memory, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.levels.iter().map(Level::bytes).sum::<usize>()
    }
}

/// So many more columns behind, or before, those that there are.
fn add(shown: &mut Vec<(Cell, u64)>, cell: Cell, columns: u64) {
    match shown.last_mut() {
        _ if columns == 0 => {}
        Some((last, before)) if *last == cell => *before += columns,
        _ => shown.push((cell, columns)),
    }
}

/// Adds equal columns to the first level, and to the others what becomes of them.
fn tell(levels: &mut [Level], cell: Cell, columns: usize) {
    let Some((level, above)) = levels.split_first_mut() else { return };
    let completing = (level.factor - level.begun.len()) % level.factor;
    let single = completing.min(columns);
    for _ in 0..single {
        level.begin(cell, above);
    }
    let whole = (columns - single) / level.factor;
    if whole > 0 {
        level.push(cell, whole);
        tell(above, cell, whole);
    }
    for _ in 0..(columns - single) % level.factor {
        level.begin(cell, above);
    }
}

/// Columns of one length.
#[derive(Debug, Clone)]
struct Level {
    /// Of how many columns of the level before one is made.
    factor: usize,
    /// The oldest first.
    runs: VecDeque<Run>,
    /// Columns of all runs; at most [`KEPT`].
    columns: usize,
    /// What there is of the column that is not over.
    begun: Vec<Cell>,
}

impl Level {
    fn new(factor: usize) -> Self {
        Self { factor, runs: VecDeque::new(), columns: 0, begun: Vec::new() }
    }

    /// Adds a part of a column; one that is whole goes `above` as well.
    fn begin(&mut self, cell: Cell, above: &mut [Self]) {
        self.begun.push(cell);
        if self.begun.len() == self.factor {
            let whole = Cell::fold(&self.begun);
            self.begun.clear();
            self.push(whole, 1);
            tell(above, whole, 1);
        }
    }

    /// Adds columns, and forgets those that are too old.
    fn push(&mut self, cell: Cell, columns: usize) {
        let added = columns.min(KEPT);
        self.columns += added;
        match self.runs.back_mut() {
            // Twice as many fit into a byte.
            Some(last) if last.cell() == cell => last.columns += added as u8,
            _ => self.runs.push_back(Run::new(cell, added as u8)),
        }
        while self.columns > KEPT
            && let Some(first) = self.runs.front_mut()
        {
            let surplus = usize::from(first.columns).min(self.columns - KEPT);
            first.columns -= surplus as u8;
            self.columns -= surplus;
            if first.columns == 0 {
                self.runs.pop_front();
            }
        }
    }

    fn bytes(&self) -> usize {
        self.runs.capacity() * size_of::<Run>() + self.begun.capacity() * size_of::<Cell>()
    }
}

#[cfg(test)]
mod tests {
    use web::model::Gap;
    use wire::ids::TaskId;

    use super::*;

    fn busy(task: u64) -> Cell {
        Cell::busy(Some(TaskId(task)), 1.0, None)
    }

    /// Tasks, reasons of gaps, or nothing, with the number of their columns.
    fn shown(runs: &[StreamRun]) -> Vec<(String, u32)> {
        assert_eq!(runs.iter().map(|run| run.columns as usize).sum::<usize>(), STREAM_COLUMNS);
        let what = |run: &StreamRun| match (run.task, run.gap) {
            (Some(task), _) => task.to_string(),
            (None, Some(gap)) => gap.name().to_owned(),
            (None, None) => "-".to_owned(),
        };
        runs.iter().map(|run| (what(run), run.columns)).collect()
    }

    fn expected<const N: usize>(runs: [(&str, u32); N]) -> Vec<(String, u32)> {
        runs.map(|(what, columns)| (what.to_owned(), columns)).into()
    }

    #[test]
    fn windows_are_made_of_each_other() {
        let mut step = 1;
        for (window, factor) in Window::ALL.into_iter().zip(FACTORS) {
            step *= factor as u32;
            assert_eq!(window.step_seconds(), step);
        }
        assert_eq!(u64::from(step), LONGEST);
    }

    #[test]
    fn each_window_has_its_columns() {
        // It comes at second 100, computes a task for 20 seconds, is paused for 3, and computes another one.
        let mut stream = Stream::new(100);
        stream.tell(busy(7), 120);
        stream.tell(Cell::idle(Some(Gap::Paused)), 123);
        stream.tell(busy(9), 132);
        let read = |window| shown(&stream.read(window, 132));
        assert_eq!(read(Window::Minute), expected([("-", 28), ("7", 20), ("paused", 3), ("9", 9)]));
        // 120 to 125 is two seconds of task 9, and 130 to 135 is not over.
        assert_eq!(
            read(Window::FiveMinutes),
            expected([("before_start", 33), ("-", 20), ("7", 4), ("9", 1), ("9", 2)])
        );
        assert_eq!(read(Window::QuarterHour), expected([("before_start", 51), ("-", 6), ("7", 1), ("7", 1), ("9", 1)]));
        let column = stream.read(Window::FiveMinutes, 132)[3];
        assert_eq!((column.busy, column.gap, column.columns), (Some(0.4), Some(Gap::Paused), 1));
    }

    #[test]
    fn columns_do_not_depend_on_when_they_are_told() {
        let what = |second: u64| match second % 37 {
            0..12 => busy(second % 4 + 1),
            12..30 => busy(7),
            _ => Cell::idle(Some(Gap::NoWork)),
        };
        let mut one_by_one = Stream::new(3);
        let mut together = Stream::new(3);
        for second in 3..2000 {
            one_by_one.tell(what(second), second + 1);
            if what(second) != what(second + 1) {
                together.tell(what(second), second + 1);
                for window in Window::ALL {
                    assert_eq!(one_by_one.read(window, second + 1), together.read(window, second + 1), "{second}");
                }
            }
        }
    }

    #[test]
    fn one_that_is_ahead_ends_where_others_do() {
        let mut stream = Stream::new(0);
        stream.tell(busy(7), 300);
        let before = Window::ALL.map(|window| stream.read(window, 300));
        stream.tell(busy(9), 301);
        assert_eq!(Window::ALL.map(|window| stream.read(window, 300)), before);
        assert_eq!(shown(&stream.read(Window::Minute, 301)), expected([("7", 59), ("9", 1)]));
        assert_eq!(
            shown(&stream.read(Window::QuarterHour, 301)),
            expected([("before_start", 39), ("7", 20), ("9", 1)])
        );
    }

    #[test]
    fn time_does_not_go_back_and_may_jump() {
        let mut stream = Stream::new(50);
        stream.tell(busy(7), 60);
        stream.tell(busy(9), 55);
        assert_eq!((stream.next(), shown(&stream.read(Window::Minute, 60))[1].clone()), (60, ("7".to_owned(), 10)));
        stream.tell(Cell::idle(Some(Gap::Away)), 1 << 40);
        for window in Window::ALL {
            assert_eq!(shown(&stream.read(window, 1 << 40)), expected([("away", 60)]));
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut steady = Stream::new(0);
        let mut restless = Stream::new(0);
        for second in 1..5000 {
            steady.tell(busy(7), second);
            restless.tell(busy(second), second);
        }
        assert!(steady.bytes() < 800, "{}", steady.bytes());
        assert!(restless.bytes() <= Stream::MAX_BYTES, "{} of {}", restless.bytes(), Stream::MAX_BYTES);
        const { assert!(Stream::MAX_BYTES <= 3600) };
        assert_eq!(restless.read(Window::QuarterHour, 4999).len(), STREAM_COLUMNS);
    }
}
