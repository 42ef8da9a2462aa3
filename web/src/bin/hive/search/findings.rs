//! Findings of a search, printed as they come, each once.

use std::collections::HashSet;

use web::hive::Finding;
use web::model::TaskView;

use crate::arguments::Format;
use crate::connection::{Connection, Request};
use crate::failure::Failure;
use crate::show;

/// How they are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Lines of a potfile.
    Potfile,
    /// Objects.
    Ndjson,
}

/// What is printed of a search that goes on. A finding may come in between others, so that those that are printed are
/// known by their candidates.
pub struct Findings {
    form: Form,
    printed: HashSet<u64>,
}

impl Findings {
    /// `None` if this form is not written piece by piece.
    pub fn new(format: Format) -> Option<Self> {
        let form = match format {
            Format::Text => Form::Potfile,
            Format::Ndjson => Form::Ndjson,
            Format::Csv => return None,
        };
        Some(Self { form, printed: HashSet::new() })
    }

    /// Prints what is new. All are read for that, so that of many some have to be new.
    ///
    /// # Errors
    /// If they cannot be had, or not be written.
    pub fn catch_up(&mut self, connection: &Connection, task: &TaskView) -> Result<(), Failure> {
        let printed = self.printed.len() as u64;
        match task.results() > printed + printed / 4 {
            true => self.print(connection, task),
            false => Ok(()),
        }
    }

    /// Prints the rest.
    ///
    /// # Errors
    /// Likewise.
    pub fn finish(mut self, connection: &Connection, task: &TaskView) -> Result<(), Failure> {
        if task.results() > self.printed.len() as u64 {
            self.print(connection, task)?;
        }
        match self.form {
            Form::Potfile => Ok(()),
            Form::Ndjson => {
                let count = self.printed.len();
                let end = format!("{{\"end\":true,\"count\":{count},\"next_offset\":{count},\"complete\":true}}\n");
                show::print(&end)
            }
        }
    }

    fn print(&mut self, connection: &Connection, task: &TaskView) -> Result<(), Failure> {
        let answer = connection.ask(&Request::get(format!("/tasks/{}/results?format=ndjson", task.id)).long())?;
        let mut out = String::new();
        // The last line is none.
        for line in answer.text.lines() {
            let Ok(finding) = serde_json::from_str::<Finding>(line) else { continue };
            if !self.printed.insert(finding.index) {
                continue;
            }
            match self.form {
                Form::Potfile => out += &finding.potfile(),
                Form::Ndjson => {
                    out += line;
                    out.push('\n');
                }
            }
        }
        show::print(&out)
    }
}
