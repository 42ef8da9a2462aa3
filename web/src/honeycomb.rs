//! A task in equal cells: what its spans come to, so that all of it can be seen at once.

use crate::hive::{Coverage, Hive, HiveError, Span, SpanState};
use crate::model::{Cell, CellDrone, Honeycomb, TaskView};

/// Spans that are read at once.
const READ: usize = 4096;

/// Spans that are read at most: a task of more is shown as far as that.
const MOST: usize = 16 * READ;

/// Drones that a cell names.
const DRONES: usize = 4;

/// A task in honeycombs of at most so many cells each, fewer if it has fewer indices; `visit` sees each of its spans.
/// Of one with more than [`MOST`] spans, cells behind those lack.
pub(crate) async fn of<const N: usize>(
    hive: &dyn Hive,
    task: &TaskView,
    counts: [u64; N],
    mut visit: impl FnMut(&Span),
) -> Result<[Honeycomb; N], HiveError> {
    let mut combs = counts.map(|count| Comb::new(task.total, count));
    let (mut from, mut left) = (Some(0), MOST);
    while let Some(at) = from {
        let Coverage { spans, next, .. } = hive.coverage(task.id, at, READ).await?;
        for span in &spans {
            visit(span);
            combs.iter_mut().for_each(|comb| comb.add(span));
        }
        left = left.saturating_sub(spans.len());
        from = next.filter(|next| *next > at);
        if left == 0 {
            break;
        }
    }
    let until = from.unwrap_or(task.total);
    Ok(combs.map(|comb| comb.into_honeycomb(until)))
}

/// A honeycomb in the making.
struct Comb {
    total: u64,
    cells: Vec<Sum>,
}

/// What is known of a cell's indices so far.
#[derive(Debug, Clone, Default)]
struct Sum {
    done: u64,
    leases: u32,
    attempts: u32,
    state: Option<SpanState>,
    /// Of those in that state.
    drones: Vec<CellDrone>,
}

impl Comb {
    fn new(total: u64, count: u64) -> Self {
        Self { total, cells: vec![Sum::default(); count.min(total) as usize] }
    }

    /// Where a cell begins.
    fn edge(&self, cell: usize) -> u64 {
        (u128::from(self.total) * cell as u128 / (self.cells.len() as u128).max(1)) as u64
    }

    /// The cell that an index is in.
    fn cell_of(&self, index: u64) -> usize {
        let behind = (u128::from(index) + 1) * self.cells.len() as u128;
        behind.div_ceil(u128::from(self.total).max(1)).saturating_sub(1) as usize
    }

    fn add(&mut self, span: &Span) {
        for at in self.cell_of(span.from)..self.cells.len() {
            let (first, end) = (self.edge(at), self.edge(at + 1));
            if first >= span.to {
                break;
            }
            self.cells[at].add(span, end.min(span.to) - first.max(span.from));
        }
    }

    /// Of what was added, which is all before `until`.
    fn into_honeycomb(self, until: u64) -> Honeycomb {
        let cell = |(at, sum): (usize, &Sum)| Cell {
            from: self.edge(at),
            to: self.edge(at + 1),
            state: sum.state.unwrap_or(SpanState::Waiting),
            done: sum.done,
            leases: sum.leases,
            attempts: sum.attempts,
            drones: sum.drones.clone(),
        };
        let cells = self.cells.iter().enumerate().map(cell).take_while(|cell| cell.to <= until).collect();
        Honeycomb { total: self.total, cells }
    }
}

impl Sum {
    /// Adds so many indices of a span.
    fn add(&mut self, span: &Span, items: u64) {
        self.done += if span.state.is_done() { items } else { 0 };
        self.leases = self.leases.saturating_add(span.leases);
        self.attempts = self.attempts.max(span.attempts);
        if self.state < Some(span.state) {
            self.state = Some(span.state);
            self.drones.clear();
        }
        let Some((id, name)) = span.drone.zip(span.drone_name.as_ref()).filter(|_| self.state == Some(span.state))
        else {
            return;
        };
        if self.drones.len() < DRONES && self.drones.iter().all(|drone| drone.id != id) {
            self.drones.push(CellDrone { id, name: name.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::ids::DroneId;

    use super::*;

    fn span(from: u64, to: u64, state: SpanState, drone: Option<u64>) -> Span {
        Span {
            from,
            to,
            state,
            leases: u32::from(state == SpanState::Leased),
            attempts: 1,
            drone: drone.map(DroneId),
            drone_name: drone.map(|drone| format!("drone {drone}")),
            marks: 0,
            expected: 0.0,
            verdict: None,
            rate: None,
            at: None,
        }
    }

    fn honeycomb(total: u64, count: u64, spans: &[Span]) -> Vec<Cell> {
        let mut comb = Comb::new(total, count);
        spans.iter().for_each(|span| comb.add(span));
        comb.into_honeycomb(total).cells
    }

    #[test]
    fn cells_have_every_index_once() {
        for (total, count) in [(1, 2000), (7, 3), (2000, 2000), (2001, 2000), (u64::MAX, 2000), (1 << 40, 7)] {
            let comb = Comb::new(total, count);
            assert_eq!(comb.edge(comb.cells.len()), total);
            for cell in 0..comb.cells.len() {
                let (first, end) = (comb.edge(cell), comb.edge(cell + 1));
                assert!(first < end);
                assert_eq!((comb.cell_of(first), comb.cell_of(end - 1)), (cell, cell), "{cell} of {count} of {total}");
            }
        }
    }

    #[test]
    fn a_cell_tells_what_is_most_remarkable() {
        use SpanState::{Done, Leased, Missing, Suspect, Verified, Waiting};
        let spans = [
            span(0, 10, Verified, Some(1)),
            span(10, 25, Done, Some(2)),
            span(25, 32, Leased, Some(3)),
            span(32, 34, Leased, Some(4)),
            span(34, 45, Waiting, None),
            span(45, 52, Suspect, Some(2)),
            span(52, 60, Missing, None),
        ];
        let cells = honeycomb(60, 6, &spans);
        let told: Vec<_> = cells.iter().map(|cell| (cell.state, cell.done, cell.leases, cell.drones.len())).collect();
        let expected = [
            (Verified, 10, 0, 1),
            (Done, 10, 0, 1),
            (Leased, 5, 1, 1),
            (Leased, 0, 2, 2),
            (Suspect, 0, 0, 1),
            (Suspect, 0, 0, 1),
        ];
        assert_eq!(told, expected);
        assert_eq!(cells[2].drones, [CellDrone { id: DroneId(3), name: "drone 3".into() }]);
    }

    #[test]
    fn what_was_not_looked_at_has_no_cell() {
        let mut comb = Comb::new(100, 10);
        comb.add(&span(0, 25, SpanState::Done, None));
        let cells = comb.into_honeycomb(25).cells;
        assert_eq!((cells.len(), cells[1].to), (2, 20));
    }

    #[test]
    fn a_cell_names_a_few_drones() {
        let spans: Vec<_> = (0..20).map(|at| span(at, at + 1, SpanState::Done, Some(at % 10))).collect();
        let cells = honeycomb(20, 1, &spans);
        assert_eq!((cells.len(), cells[0].drones.len(), cells[0].done), (1, DRONES, 20));
    }
}
