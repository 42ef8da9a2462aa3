//! How far a task is, on standard error.

use std::io::{self, IsTerminal as _};
use std::time::Duration;

use drone::console::{count, span};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use web::model::TaskView;

use crate::arguments::{Output, Progress};
use crate::notes::Notes;
use crate::text::{per_second, visible};

/// How long the Queen may take to answer where nothing is shown meanwhile.
const WAIT: Duration = Duration::from_secs(60);

/// What a task's bar shows.
const TASK: &str = "{wide_bar} {percent:>3} %  {human_pos} of {human_len}{msg}";

/// Between two lines.
const LINES: Duration = Duration::from_secs(10);

/// Between two changes of a bar.
const BAR: Duration = Duration::from_secs(1);

/// The shortest body whose sending is shown, in bytes.
const LONG: u64 = 8 << 20;

/// A bar for a body that is sent, if it is long, and somebody looks.
pub fn of_upload(notes: &Notes, progress: Progress, output: Output, length: Option<u64>) -> Option<ProgressBar> {
    let length = length.filter(|length| *length >= LONG)?;
    let is_shown = match progress {
        Progress::Bar => true,
        Progress::Auto => output != Output::Quiet && io::stderr().is_terminal(),
        Progress::Lines | Progress::None => false,
    };
    let bar = is_shown.then(|| bar("{wide_bar} {percent:>3} %  sent {bytes} of {total_bytes}, {bytes_per_sec}"))?;
    bar.set_length(length);
    notes.show(Some(bar.clone()));
    Some(bar)
}

/// What is shown of a task while it is waited for.
pub struct Shown {
    notes: Notes,
    how: How,
}

enum How {
    Bar(ProgressBar),
    /// With what was said last.
    Lines(String),
    Nothing,
}

impl Shown {
    pub fn new(notes: Notes, progress: Progress, output: Output) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let how = match (progress, output) {
            (Progress::Auto, Output::Quiet) | (Progress::None, _) => How::Nothing,
            (Progress::Bar, _) => How::Bar(bar(TASK)),
            (Progress::Auto, _) if is_terminal => How::Bar(bar(TASK)),
            (Progress::Auto | Progress::Lines, _) => How::Lines(String::new()),
        };
        Self { notes, how }
    }

    /// How long the Queen may take to answer.
    pub fn pause(&self) -> Duration {
        match self.how {
            How::Bar(_) => BAR,
            How::Lines(_) => LINES,
            How::Nothing => WAIT,
        }
    }

    pub fn update(&mut self, task: &TaskView) {
        let text = describe(task);
        match &mut self.how {
            How::Nothing => {}
            How::Bar(bar) => {
                if bar.length() != Some(task.total) {
                    bar.set_length(task.total);
                    self.notes.show(Some(bar.clone()));
                }
                bar.set_position(task.done);
                bar.set_message(text);
            }
            How::Lines(before) => {
                let line = format!("task {}: {} of {}{text}", task.id, count(task.done), count(task.total));
                if *before != line {
                    self.notes.note(&line);
                    *before = line;
                }
            }
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.notes.show(None);
    }
}

fn bar(template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// How fast, and until when; or why not.
fn describe(task: &TaskView) -> String {
    let TaskView { state, waiting_because, rate, eta_seconds, .. } = task;
    if let Some(reason) = waiting_because {
        return format!(", {state} because {}", visible(reason));
    }
    let eta = eta_seconds.map(|seconds| format!(", {} left", span(seconds))).unwrap_or_default();
    format!(", {}{eta}", per_second(*rate))
}
