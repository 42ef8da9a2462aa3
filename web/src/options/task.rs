//! The task, or the change of one, that options ask for.

use serde_json::Value;

use super::fault::{fault, unknown};
use super::given::Options;
use super::names::SEARCH;
use super::{digest as options_digest, search as options_search};
use crate::error::{Problem, shown};
use crate::hive::{Amendment, DEADLINE_MAX, NewTask};
use crate::kinds::{KINDS, Specification, digest, search};
use crate::model::Verify;

/// The longest name of a task, in characters.
pub(crate) const NAME_MAX: usize = 200;

impl Options {
    /// Takes the name. An empty one is none.
    fn name(&mut self) -> Result<Option<String>, Problem> {
        let name = self.text("name")?.filter(|name| !name.is_empty());
        match &name {
            Some(name) if name.chars().count() > NAME_MAX || name.chars().any(char::is_control) => {
                let detail = format!("a name has at most {NAME_MAX} characters, and no control characters");
                Err(fault("name", detail))
            }
            _ => Ok(name),
        }
    }

    /// Takes the priority.
    fn priority(&mut self) -> Result<Option<i8>, Problem> {
        Ok(self.integer("priority", -100..=100)?.map(|priority| priority as i8))
    }

    /// Takes the deadline, in seconds.
    fn deadline(&mut self) -> Result<Option<u32>, Problem> {
        Ok(self.integer("deadline_seconds", 1..=i64::from(DEADLINE_MAX))?.map(|seconds| seconds as u32))
    }

    /// Takes how many results are computed a second time.
    fn verify(&mut self) -> Result<Verify, Problem> {
        match self.text("verify")?.as_deref() {
            None | Some("sample") => Ok(Verify::Sample),
            Some("all") => Ok(Verify::All),
            Some(other) => {
                let other = shown(other);
                let detail = format!(
                    "`verify` is `sample`, which computes some results a second time, or `all`, and not `{other}`"
                );
                Err(fault("verify", detail))
            }
        }
    }

    /// The task that they ask for.
    pub(crate) fn new_task(mut self) -> Result<Wanted, Problem> {
        let name = self.name()?;
        let priority = self.priority()?.unwrap_or(0);
        let deadline_seconds = self.deadline()?;
        let batch = match self.text("each")?.as_deref() {
            None => false,
            Some("task") => true,
            Some(other) => {
                let other = shown(other);
                let detail = format!("`each` is `task`, which makes a task of every input, and not `{other}`");
                return Err(fault("each", detail));
            }
        };
        let verify = self.verify()?;
        let kind = self.text("kind")?;
        let is_dry = self.flag("dry_run")?;
        let specification = match kind.as_deref().unwrap_or(digest::KIND) {
            digest::KIND => Specification::Digest(options_digest::specification(&mut self)?),
            search::KIND if batch => return Err(fault("each", "a search has no inputs to make tasks of".to_owned())),
            search::KIND if verify == Verify::All => {
                let detail = "a search is verified by its marks: leave `verify` out".to_owned();
                return Err(fault("verify", detail));
            }
            search::KIND => Specification::Search(options_search::specification(&mut self)?),
            other => return Err(unknown("kind", other, &KINDS.join(", "))),
        };
        self.end(match &specification {
            Specification::Digest(digest) => digest.algorithm.name(),
            Specification::Search(_) => SEARCH,
        })?;
        let (owner, address) = (None, None);
        let new = NewTask { specification, name, priority, deadline_seconds, batch, verify, owner, address };
        Ok(Wanted { new, is_dry })
    }
}

/// What a request asks for.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The task.
    pub(crate) new: NewTask,
    /// Only what it would take is to be told.
    pub(crate) is_dry: bool,
}

/// What is to change, by the options' names; null means the default.
pub(crate) fn amendment(members: impl IntoIterator<Item = (String, Value)>) -> Result<Amendment, Problem> {
    let mut amendment = Amendment::default();
    for (name, value) in members {
        let mut options = Options::default();
        let is_again = match name.as_str() {
            "priority" => {
                options.set("priority", value)?;
                amendment.priority.replace(options.priority()?.unwrap_or(0)).is_some()
            }
            "name" => {
                options.set("name", value)?;
                amendment.name.replace(options.name()?).is_some()
            }
            "deadline_seconds" => {
                options.set("deadline_seconds", value)?;
                amendment.deadline_seconds.replace(options.deadline()?).is_some()
            }
            _ => {
                let detail = format!("`{name}` cannot be changed; these can: priority, name, deadline_seconds");
                return Err(fault(&name, detail));
            }
        };
        if is_again {
            return Err(fault(&name, format!("`{name}` is given twice")));
        }
    }
    match amendment {
        Amendment { priority: None, name: None, deadline_seconds: None } => {
            Err(Problem::invalid("nothing is to change: give `priority`, `name` or `deadline_seconds`"))
        }
        amendment => Ok(amendment),
    }
}

/// A new deadline for a task that begins again, by the option's name; `None` if nothing is said of it.
pub(crate) fn renewed_deadline(
    members: impl IntoIterator<Item = (String, Value)>,
) -> Result<Option<Option<u32>>, Problem> {
    let mut options = Options::default();
    let mut is_given = false;
    for (name, value) in members {
        if name != "deadline_seconds" {
            return Err(fault(&name, format!("`{name}` is not for a retry, which takes deadline_seconds alone")));
        }
        options.set("deadline_seconds", value)?;
        is_given = true;
    }
    let deadline = options.deadline()?;
    Ok(is_given.then_some(deadline))
}
