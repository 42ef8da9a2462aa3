//! Tables that fit the terminal: what is last in a row is cut where the terminal ends.

use console::{Alignment, Term, measure_text_width, pad_str, truncate_str};
use drone::console::{count, span};
use web::access::LogEntry;
use web::model::{DroneView, Span, TaskView};

use super::print::print;
use crate::failure::Failure;
use crate::text::{moment, per_second, percent, visible};

/// A column: its head, and on which side it is flush.
type Column = (&'static str, Alignment);

/// Rows of the same things, which may come in several parts; the first decides how wide the columns are.
pub struct Table<T> {
    columns: &'static [Column],
    row: fn(&T) -> Vec<String>,
    widths: Vec<usize>,
    width: Option<usize>,
}

impl Table<TaskView> {
    pub fn of_tasks() -> Self {
        use Alignment::{Left, Right};
        Self::new(
            &[
                ("ID", Right),
                ("STATE", Left),
                ("DONE", Right),
                ("ITEMS", Right),
                ("RATE", Right),
                ("LEFT", Left),
                ("ALGORITHM", Left),
                ("PRIORITY", Right),
                ("NAME", Left),
            ],
            |task| {
                let left = task.eta_seconds.filter(|_| !task.state.has_ended());
                vec![
                    task.id.to_string(),
                    task.state.to_string(),
                    percent(task),
                    count(task.total).to_string(),
                    if task.rate > 0.0 { per_second(task.rate) } else { String::new() },
                    left.map(|seconds| span(seconds).to_string()).unwrap_or_default(),
                    visible(&task.algorithm).into_owned(),
                    if task.priority == 0 { String::new() } else { task.priority.to_string() },
                    remark(task),
                ]
            },
        )
    }
}

/// Its name, or what it searches, and what there is to say of it.
fn remark(task: &TaskView) -> String {
    let searched = || task.search.as_ref().map(|search| search.space.brief());
    let name = task.name.clone().or_else(searched).unwrap_or_default();
    let name = visible(&name);
    let because = task.waiting_because.as_deref().map(|reason| format!("because {}", visible(reason)));
    let said = task.error.as_deref().map(|error| visible(error).into_owned()).or(because);
    match said {
        Some(said) if name.is_empty() => format!("({said})"),
        Some(said) => format!("{name} ({said})"),
        None => name.into_owned(),
    }
}

impl Table<DroneView> {
    pub fn of_drones() -> Self {
        use Alignment::{Left, Right};
        Self::new(
            &[
                ("ID", Right),
                ("STATE", Left),
                ("THREADS", Right),
                ("BUSY", Right),
                ("RATE", Right),
                ("DONE", Right),
                ("WRONG", Right),
                ("ADDRESS", Left),
                ("NAME", Left),
            ],
            |drone| {
                let because = drone.quarantined_because.as_ref().or(drone.idle_because.as_ref());
                let because = because.map(|reason| format!(" (because {})", visible(reason))).unwrap_or_default();
                vec![
                    drone.id.to_string(),
                    drone.state.to_string(),
                    drone.threads.to_string(),
                    drone.utilisation.map(|part| format!("{:.0} %", 100.0 * part)).unwrap_or_default(),
                    if drone.rate > 0.0 { per_second(drone.rate) } else { String::new() },
                    count(drone.items_done).to_string(),
                    if drone.wrong == 0 { String::new() } else { count(drone.wrong).to_string() },
                    visible(&drone.address).into_owned(),
                    format!("{}{because}", visible(&drone.name)),
                ]
            },
        )
    }
}

impl Table<LogEntry> {
    pub fn of_log() -> Self {
        use Alignment::{Left, Right};
        Self::new(
            &[
                ("WHEN (UTC)", Left),
                ("KIND", Left),
                ("WHO", Left),
                ("ADDRESS", Left),
                ("ACTION", Left),
                ("TIMES", Right),
                ("TARGET", Left),
                ("OUTCOME", Left),
            ],
            |entry| {
                let text = |text: &Option<String>| text.as_deref().map(visible).unwrap_or_default().into_owned();
                vec![
                    moment(entry.at),
                    entry.kind.name().to_owned(),
                    text(&entry.who),
                    text(&entry.address),
                    visible(&entry.action).into_owned(),
                    if entry.count == 1 { String::new() } else { count(entry.count).to_string() },
                    visible(&entry.target).into_owned(),
                    match &entry.changes {
                        Some(changes) => format!("{}: {}", visible(&entry.outcome), visible(changes)),
                        None => visible(&entry.outcome).into_owned(),
                    },
                ]
            },
        )
    }
}

impl Table<Span> {
    pub fn of_coverage() -> Self {
        use Alignment::{Left, Right};
        Self::new(
            &[
                ("FROM", Right),
                ("TO", Right),
                ("STATE", Left),
                ("VERDICT", Left),
                ("MARKS", Right),
                ("EXPECTED", Right),
                ("RATE", Right),
                ("WHEN (UTC)", Left),
                ("DRONE", Left),
            ],
            |part| {
                let name = part.drone_name.as_deref().map(visible).unwrap_or_default();
                let has_marks = part.verdict.is_some() && (part.marks > 0 || part.drone.is_some());
                vec![
                    part.from.to_string(),
                    part.to.to_string(),
                    part.state.name().to_owned(),
                    part.verdict.map(|verdict| verdict.name().to_owned()).unwrap_or_default(),
                    if has_marks { count(part.marks).to_string() } else { String::new() },
                    if has_marks { format!("{:.1}", part.expected) } else { String::new() },
                    part.rate.map(per_second).unwrap_or_default(),
                    part.at.map(moment).unwrap_or_default(),
                    part.drone.map(|id| format!("{id} ({name})")).unwrap_or_default(),
                ]
            },
        )
    }
}

impl<T> Table<T> {
    fn new(columns: &'static [Column], row: fn(&T) -> Vec<String>) -> Self {
        let terminal = Term::stdout();
        let width = terminal.is_term().then(|| usize::from(terminal.size().1));
        Self { columns, row, widths: Vec::new(), width }
    }

    /// Prints more rows.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn print(&mut self, things: &[T]) -> Result<(), Failure> {
        print(&self.text(things))
    }

    fn text(&mut self, things: &[T]) -> String {
        if things.is_empty() {
            return String::new();
        }
        let mut rows: Vec<_> = things.iter().map(self.row).collect();
        if self.widths.is_empty() {
            rows.insert(0, self.columns.iter().map(|(head, _)| (*head).to_owned()).collect());
            let width =
                |at: usize| rows.iter().map(|row: &Vec<String>| measure_text_width(&row[at])).max().unwrap_or(0);
            // A column in which there is nothing is left out.
            let used = |at: usize| rows.iter().skip(1).any(|row| !row[at].is_empty());
            self.widths = (0..self.columns.len()).map(|at| if used(at) { width(at) } else { 0 }).collect();
        }
        rows.iter().map(|row| self.line(row) + "\n").collect()
    }

    fn line(&self, row: &[String]) -> String {
        let cells = row.iter().zip(self.columns).zip(&self.widths).filter(|(_, width)| **width > 0);
        let padded = cells.map(|((cell, (_, alignment)), width)| pad_str(cell, *width, *alignment, None).into_owned());
        let line = padded.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        match self.width {
            Some(width) => truncate_str(line, width, "…").into_owned(),
            None => line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_they_have_to_be() {
        let columns = &[("ID", Alignment::Right), ("NONE", Alignment::Left), ("NAME", Alignment::Left)];
        let row = |(id, name): &(u32, &str)| vec![id.to_string(), String::new(), (*name).to_owned()];
        let mut table = Table { columns, row, widths: Vec::new(), width: Some(10) };
        assert_eq!(table.text(&[]), "");
        let text = table.text(&[(7, "蜂蜜"), (100, "a rather long name")]);
        assert_eq!(text, " ID  NAME\n  7  蜂蜜\n100  a ra…\n");
        assert_eq!(table.text(&[(8, "")]), "  8\n", "there is one head");
    }
}
