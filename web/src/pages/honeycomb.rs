//! A honeycomb as shapes: rows of hexagons, of which those that follow each other and are alike are one shape.

use std::fmt::Write as _;

use crate::hive::SpanState;
use crate::model::{Cell, Honeycomb};

/// A cell's width and the distance of two rows, in the units of the picture.
const WIDTH: u64 = 10;
const HEIGHT: u64 = 9;

/// What a row of cells is higher than the distance to the next.
const TIP: u64 = 3;

/// From the uppermost corner of a cell around it, and back.
const HEXAGON: &str = "l4.6 2.7v5.4l-4.6 2.7-4.6-2.7v-5.4z";

/// A task as a honeycomb.
#[derive(Debug)]
pub(super) struct Picture {
    /// Its name in classes.
    pub(super) name: &'static str,
    /// Cells, and how many of them stand in a row.
    pub(super) cells: usize,
    pub(super) columns: u64,
    /// How wide it is shown where there is room, in CSS pixels.
    pub(super) pixels: u64,
    /// In the order of the cells.
    pub(super) runs: Vec<Run>,
    /// How many cells there are of each kind.
    pub(super) counts: Vec<(Kind, usize)>,
}

/// Cells that follow each other and of which there is the same to say.
#[derive(Debug)]
pub(super) struct Run {
    /// The number of the first cell.
    pub(super) first: usize,
    pub(super) kind: Kind,
    /// What there is to say of each.
    pub(super) words: String,
    /// Their outline.
    pub(super) path: String,
}

/// What is known of a cell, the most remarkable last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// All was computed twice.
    Verified,
    /// All was computed.
    Done,
    /// Some was computed, and nobody has the rest.
    Partly,
    /// None was computed, and none will be.
    Missing,
    /// None was computed yet.
    Waiting,
    /// Somebody has some of it.
    Leased,
    /// Some of it is in doubt.
    Suspect,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 7] =
        [Self::Verified, Self::Done, Self::Partly, Self::Missing, Self::Waiting, Self::Leased, Self::Suspect];

    /// Its class.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Missing => "missing",
            Self::Waiting => "waiting",
            Self::Leased => "leased",
            Self::Suspect => "suspect",
        }
    }

    /// It in words.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Partly => "done in part",
            Self::Missing => "not computed",
            other => other.name(),
        }
    }

    fn of(cell: &Cell) -> Self {
        match cell.state {
            SpanState::Waiting | SpanState::Missing if cell.done > 0 => Self::Partly,
            SpanState::Verified => Self::Verified,
            SpanState::Done => Self::Done,
            SpanState::Missing => Self::Missing,
            SpanState::Waiting => Self::Waiting,
            SpanState::Leased => Self::Leased,
            SpanState::Suspect => Self::Suspect,
        }
    }
}

impl Picture {
    /// For a screen on which it is wider than high.
    pub(super) fn wide(honeycomb: &Honeycomb) -> Self {
        Self::new("wide", honeycomb, 3.2, 1120)
    }

    /// For a phone.
    pub(super) fn narrow(honeycomb: &Honeycomb) -> Self {
        Self::new("narrow", honeycomb, 1.2, 480)
    }

    /// One of about so many columns a row, in so many pixels.
    fn new(name: &'static str, honeycomb: &Honeycomb, shape: f64, pixels: u64) -> Self {
        let cells = &honeycomb.cells;
        let columns = ((cells.len() as f64 * shape).sqrt().ceil() as u64).clamp(1, cells.len().max(1) as u64);
        let pixels = (pixels / columns).clamp(8, 24) * columns;
        let mut counts: Vec<_> = Kind::ALL.into_iter().map(|kind| (kind, 0)).collect();
        let mut runs: Vec<Run> = Vec::new();
        for (at, cell) in cells.iter().enumerate() {
            let kind = Kind::of(cell);
            counts.iter_mut().filter(|(counted, _)| *counted == kind).for_each(|(_, count)| *count += 1);
            let words = words(kind, cell);
            let (column, row) = (at as u64 % columns, at as u64 / columns);
            let is_alike = runs.last().is_some_and(|run| run.kind == kind && run.words == words);
            if !is_alike {
                runs.push(Run { first: at, kind, words, path: String::new() });
            }
            let Some(run) = runs.last_mut() else { continue };
            // Writes into memory cannot fail.
            let _ = match is_alike && column > 0 {
                true => write!(run.path, "m{WIDTH} 0{HEXAGON}"),
                false => {
                    let x = WIDTH * column + WIDTH / 2 * (1 + row % 2);
                    write!(run.path, "M{x} {}.6{HEXAGON}", HEIGHT * row)
                }
            };
        }
        counts.retain(|(_, count)| *count > 0);
        Self { name, cells: cells.len(), columns, pixels, runs, counts }
    }

    /// Whether there are cells of a kind.
    pub(super) fn has(&self, kind: Kind) -> bool {
        self.counts.iter().any(|(counted, _)| *counted == kind)
    }

    /// Its width and height, in its units.
    pub(super) fn size(&self) -> (u64, u64) {
        let rows = (self.cells as u64).div_ceil(self.columns).max(1);
        (WIDTH * self.columns + if rows > 1 { WIDTH / 2 } else { 0 }, HEIGHT * rows + TIP)
    }
}

/// What there is to say of a cell besides where it is.
fn words(kind: Kind, cell: &Cell) -> String {
    let state = match (kind, cell.state) {
        (Kind::Partly, SpanState::Waiting) => Kind::Waiting,
        (Kind::Partly, _) => Kind::Missing,
        (kind, _) => kind,
    };
    let mut words = state.text().to_owned();
    let mut add = |more: String| words.push_str(&more);
    if !cell.state.is_done() && cell.done > 0 {
        add(format!(", {} % done", u128::from(cell.done) * 100 / u128::from((cell.to - cell.from).max(1))));
    }
    for (at, drone) in cell.drones.iter().enumerate() {
        add(format!("{}{}", if at == 0 { ": " } else { ", " }, drone.name));
    }
    match cell.leases {
        0 => {}
        1 => add("; 1 lease".into()),
        leases => add(format!("; {leases} leases")),
    }
    if cell.attempts > 1 {
        add(format!("; attempt {}", cell.attempts));
    }
    words
}

#[cfg(test)]
mod tests {
    use wire::ids::DroneId;

    use super::*;
    use crate::model::CellDrone;

    fn cell(at: u64, state: SpanState, done: u64) -> Cell {
        Cell { from: 10 * at, to: 10 * at + 10, state, done, leases: 0, attempts: 0, drones: Vec::new() }
    }

    #[test]
    fn what_is_alike_is_one_shape() {
        let mut cells: Vec<_> = (0..6).map(|at| cell(at, SpanState::Done, 10)).collect();
        cells.extend((6..10).map(|at| cell(at, SpanState::Waiting, 0)));
        cells[7].done = 5;
        let picture = Picture::new("wide", &Honeycomb { total: 100, cells }, 2.5, 100);
        assert_eq!((picture.columns, picture.size()), (5, (55, 21)));
        let runs: Vec<_> = picture.runs.iter().map(|run| (run.first, run.kind.name(), &*run.words)).collect();
        assert_eq!(
            runs,
            [
                (0, "done", "done"),
                (6, "waiting", "waiting"),
                (7, "partly", "waiting, 50 % done"),
                (8, "waiting", "waiting"),
            ]
        );
        assert!(picture.runs[0].path.starts_with("M5 0.6l4.6 2.7v5.4l-4.6 2.7-4.6-2.7v-5.4zm10 0l"));
        assert!(picture.runs[0].path.contains("zM10 9.6l"), "the second row begins half a cell further");
        assert_eq!(picture.counts, [(Kind::Done, 6), (Kind::Partly, 1), (Kind::Waiting, 3)]);
    }

    #[test]
    fn a_cell_says_who_has_it() {
        let drone = |id, name: &str| CellDrone { id: DroneId(id), name: name.into() };
        let drones = vec![drone(1, "maja"), drone(2, "willi")];
        let cell = Cell { leases: 2, attempts: 3, drones, ..cell(0, SpanState::Leased, 1) };
        assert_eq!(words(Kind::of(&cell), &cell), "leased, 10 % done: maja, willi; 2 leases; attempt 3");
    }

    #[test]
    fn few_cells_are_not_stretched() {
        let one = Picture::wide(&Honeycomb { total: 1, cells: vec![cell(0, SpanState::Done, 10)] });
        assert_eq!((one.columns, one.pixels, one.size()), (1, 24, (10, 12)));
    }
}
