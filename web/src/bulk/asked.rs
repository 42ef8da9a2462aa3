//! What a request wants to be done to many tasks.

use serde_json::Value;
use wire::ids::TaskId;

use crate::api::list;
use crate::error::{Problem, shown};
use crate::hive::{Order, TaskFilter};
use crate::model::{BulkAction, TaskState};
use crate::options::{renewed_deadline, whole};
use crate::request::query::Query;

/// The most ids of one request.
const IDS_MAX: usize = 1000;

/// The action of the page's form that retries with the deadline in its field, or with none if that is empty.
pub(crate) const RENEW: &str = "renew";

/// The most urgent priority, and minus the least urgent.
const PRIORITY_MAX: i64 = 100;

/// What is to be done to many tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) action: BulkAction,
    /// The new priority, if that is what is to be done.
    pub(crate) priority: i8,
    /// The new deadline of those that are begun again, as [`renewed_deadline`] reads it.
    pub(crate) deadline_seconds: Option<Option<u32>>,
    pub(crate) tasks: Which,
}

/// Which tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// These; at most [`IDS_MAX`], each once.
    Ids(Vec<TaskId>),
    /// All that are meant by this.
    Filter(TaskFilter),
}

impl Asked {
    /// What an object of JSON asks for.
    pub(crate) fn of_json(members: Vec<(String, Value)>) -> Result<Self, Problem> {
        let (mut action, mut priority, mut deadline, mut ids, mut filter) = (None, None, None, None, None);
        for (name, value) in members {
            let is_again = match name.as_str() {
                "action" => action.replace(read_action(&value)?).is_some(),
                "priority" => priority.replace(read_priority(&value)?).is_some(),
                "deadline_seconds" => {
                    let renewed = renewed_deadline([(name.clone(), value)])?;
                    renewed.is_some_and(|renewed| deadline.replace(renewed).is_some())
                }
                "ids" => ids.replace(read_ids(&value)?).is_some(),
                "filter" => filter.replace(read_filter(value)?).is_some(),
                _ => {
                    let name = shown(&name);
                    return Err(fault(
                        &name,
                        format!("there is no `{name}`; there are: action, deadline_seconds, ids, filter, priority"),
                    ));
                }
            };
            if is_again {
                return Err(fault(&name, format!("`{name}` is given twice")));
            }
        }
        let tasks = match (ids, filter) {
            (Some(ids), None) => Which::Ids(ids),
            (None, Some(filter)) => Which::Filter(filter),
            _ => return Err(fault("ids", "say which tasks: give either `ids` or `filter`".to_owned())),
        };
        let asked = Self::new(action, priority, tasks)?;
        if deadline.is_some() && asked.action != BulkAction::Retry {
            let name = asked.action.name();
            return Err(fault("deadline_seconds", format!("`deadline_seconds` does not belong to {name}")));
        }
        Ok(Self { deadline_seconds: deadline, ..asked })
    }

    /// What the page's form asks for: `id`s, or with `all` what the fields of the filter say. Its action may be
    /// [`RENEW`] as well. `None` if no task is ticked.
    pub(crate) fn of_form(values: &[(String, String)]) -> Result<Option<Self>, Problem> {
        let value = |name: &str| values.iter().find(|(one, text)| one == name && !text.is_empty());
        let renews = value("action").is_some_and(|(_, action)| action == RENEW);
        let action = value("action").filter(|_| !renews).map(|(_, action)| read_action(&action.as_str().into()));
        let action = if renews { Some(BulkAction::Retry) } else { action.transpose()? };
        // Its field is there whatever is to be done.
        let priority = value("priority").filter(|_| action == Some(BulkAction::Priority));
        let priority = priority.map(|(_, priority)| read_priority(&typed(priority))).transpose()?;
        // So is this one.
        let deadline = value("deadline_seconds").filter(|_| renews);
        let deadline =
            deadline.map(|(name, text)| renewed_deadline([(name.clone(), text.as_str().into())])).transpose()?;
        let deadline = deadline.flatten().or(renews.then_some(None));
        let tasks = match value("all") {
            Some(_) => {
                let fields = list::FILTERS.into_iter().filter_map(|name| value(name).cloned());
                let mut filter = filter(fields)?;
                // A list that is sorted by what only some have shows no others, so that no others are meant.
                if let Some((_, sort)) = value("sort") {
                    let order: Order = sort.parse().map_err(|error| fault("sort", format!("{error}")))?;
                    let is_shown = |state: &TaskState| filter.has_state(*state) && order.by.has_state(*state);
                    let shown: Vec<_> = TaskState::ALL.into_iter().filter(is_shown).collect();
                    filter.states = if shown.len() == TaskState::ALL.len() { Vec::new() } else { shown };
                }
                Which::Filter(filter)
            }
            None => {
                let ids = values.iter().filter(|(name, _)| name == "id").map(|(_, id)| typed(id));
                let ids: Vec<_> = ids.collect();
                if ids.is_empty() {
                    return Ok(None);
                }
                Which::Ids(read_ids(&ids.into())?)
            }
        };
        Ok(Some(Self { deadline_seconds: deadline, ..Self::new(action, priority, tasks)? }))
    }

    fn new(action: Option<BulkAction>, priority: Option<i8>, tasks: Which) -> Result<Self, Problem> {
        let action = action.ok_or_else(|| fault("action", format!("say what is to be done: {}", actions())))?;
        match (action == BulkAction::Priority, priority) {
            (true, None) => Err(fault("priority", "say which: give `priority`, -100 to 100".to_owned())),
            (false, Some(_)) => Err(fault("priority", format!("`priority` does not belong to {}", action.name()))),
            (_, priority) => Ok(Self { action, priority: priority.unwrap_or_default(), deadline_seconds: None, tasks }),
        }
    }

    /// Whether a person is asked first: it cannot be undone, or not all that are meant are seen.
    pub(crate) fn is_to_be_confirmed(&self) -> bool {
        let is_final = matches!(self.action, BulkAction::Cancel | BulkAction::Delete);
        is_final || self.is_of_filter()
    }

    /// Whether those are meant that are like this when it is done, and not certain ones.
    pub(crate) fn is_of_filter(&self) -> bool {
        matches!(self.tasks, Which::Filter(_))
    }

    /// Which tasks, in a few words behind their number.
    pub(crate) fn words(&self) -> String {
        match &self.tasks {
            Which::Ids(ids) => listed(ids),
            Which::Filter(filter) => {
                let values = list::values(filter).into_iter().map(|(name, value)| match name {
                    "state" => (name, filter.states.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")),
                    _ => (name, value),
                });
                let words: Vec<_> = values.map(|(name, value)| format!("{name} {value}")).collect();
                if words.is_empty() { "all".to_owned() } else { words.join(", ") }
            }
        }
    }
}

/// These tasks in a few words.
pub(super) fn listed(ids: &[TaskId]) -> String {
    ids.iter().map(|id| format!("#{id}")).collect::<Vec<_>>().join(" ")
}

fn read_action(value: &Value) -> Result<BulkAction, Problem> {
    let is_it = |action: &BulkAction| value.as_str() == Some(action.name());
    BulkAction::ALL.into_iter().find(is_it).ok_or_else(|| fault("action", format!("`action` is one of {}", actions())))
}

fn actions() -> String {
    BulkAction::ALL.map(BulkAction::name).join(", ")
}

/// A number that a form has as text; what is none stays as it is, to be refused.
fn typed(text: &str) -> Value {
    text.trim().parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
}

fn read_priority(value: &Value) -> Result<i8, Problem> {
    let is_one = |number: &i64| (-PRIORITY_MAX..=PRIORITY_MAX).contains(number);
    let priority = whole(value).filter(is_one).and_then(|number| i8::try_from(number).ok());
    priority.ok_or_else(|| fault("priority", "`priority` is a whole number from -100 to 100".to_owned()))
}

fn read_ids(value: &Value) -> Result<Vec<TaskId>, Problem> {
    let id = |value: &Value| whole(value).and_then(|id| u64::try_from(id).ok()).map(TaskId);
    let ids = value.as_array().and_then(|ids| ids.iter().map(id).collect::<Option<Vec<_>>>());
    let mut ids = ids.ok_or_else(|| fault("ids", "`ids` is an array of tasks' ids, such as [3, 5]".to_owned()))?;
    if ids.is_empty() || ids.len() > IDS_MAX {
        return Err(fault("ids", format!("`ids` has 1 to {IDS_MAX} of them; more are meant by a `filter`")));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

fn read_filter(value: Value) -> Result<TaskFilter, Problem> {
    let none = || fault("filter", "`filter` is an object, such as {\"state\":\"failed\"}".to_owned());
    let Value::Object(members) = value else { return Err(none()) };
    let texts = members.into_iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value {
        Value::String(text) => Ok((name, text)),
        _ => Err(fault(&format!("filter.{}", shown(&name)), format!("`{}` is a text", shown(&name)))),
    });
    filter(texts.collect::<Result<Vec<_>, _>>()?)
}

/// The filter that these fields say.
fn filter(fields: impl IntoIterator<Item = (String, String)>) -> Result<TaskFilter, Problem> {
    let mut query = Query::of_fields(fields);
    let read = list::filter(&mut query).and_then(|filter| query.end().map(|()| filter));
    read.map_err(|problem| match problem.members.get("path").and_then(Value::as_str) {
        Some(name) => {
            let path = format!("filter.{name}");
            problem.with("path", path)
        }
        None => problem,
    })
}

fn fault(name: &str, detail: String) -> Problem {
    Problem::invalid(detail).with("path", name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> Result<Asked, (String, String)> {
        let Value::Object(members) = body else { panic!("an object") };
        Asked::of_json(members.into_iter().collect())
            .map_err(|problem| (problem.members["path"].as_str().unwrap().to_owned(), problem.detail))
    }

    #[test]
    fn what_is_wanted_is_read() {
        let asked = read(json!({"action": "cancel", "ids": [5, 3, 5]})).unwrap();
        let tasks = Which::Ids(vec![TaskId(3), TaskId(5)]);
        assert_eq!(asked, Asked { action: BulkAction::Cancel, priority: 0, deadline_seconds: None, tasks });
        assert_eq!(asked.words(), "#3 #5");
        let filter = json!({"state": "failed", "name": "night", "reason": null});
        let asked = read(json!({"action": "priority", "priority": -7, "filter": filter})).unwrap();
        let filter =
            TaskFilter { states: vec![TaskState::Failed], name: Some("night".to_owned()), ..TaskFilter::default() };
        assert_eq!(asked.words(), "state failed, name night");
        assert_eq!(
            asked,
            Asked { action: BulkAction::Priority, priority: -7, deadline_seconds: None, tasks: Which::Filter(filter) }
        );
        let deadline = |body: Value| read(body).unwrap().deadline_seconds;
        assert_eq!(deadline(json!({"action": "retry", "ids": [1], "deadline_seconds": 60})), Some(Some(60)));
        assert_eq!(deadline(json!({"action": "retry", "ids": [1], "deadline_seconds": null})), Some(None));
        assert_eq!(deadline(json!({"action": "retry", "ids": [1]})), None);
        let form = |text: &str| {
            let pairs = text.split('&').map(|pair| pair.split_once('=').unwrap());
            let values: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Asked::of_form(&values).map(Option::unwrap)
        };
        assert_eq!(form("action=pause&id=4&id=2&priority=9&name=x").unwrap().words(), "#2 #4");
        assert_eq!(form("action=delete&all=1&id=4&name=x&state=").unwrap().words(), "name x");
        assert_eq!(form("action=delete&all=1").unwrap().words(), "all");
        assert_eq!(form("action=delete&all=1&sort=-id").unwrap().words(), "all");
        let words = form("action=delete&all=1&sort=progress&name=x").unwrap().words();
        assert_eq!(words, "state pending or running or paused, name x");
        assert_eq!(form("action=delete&all=1&sort=ended&state=done").unwrap().words(), "state done");
        assert_eq!(form("action=priority&id=4&priority=-9").unwrap().priority, -9);
        let deadline = |text: &str| form(text).unwrap().deadline_seconds;
        assert_eq!(deadline("action=renew&id=4&deadline_seconds=60"), Some(Some(60)));
        assert_eq!(deadline("action=renew&id=4&deadline_seconds="), Some(None));
        assert_eq!(deadline("action=retry&id=4&deadline_seconds=60"), None);
        assert_eq!(deadline("action=pause&id=4&deadline_seconds=60"), None);
        assert_eq!(form("action=renew&id=4").unwrap().action, BulkAction::Retry);
        assert!(form("action=renew&id=4&deadline_seconds=soon").is_err());
        let nothing = [("action", "delete"), ("name", "x")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(Asked::of_form(&nothing).unwrap(), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let many: Vec<_> = (0..=IDS_MAX).collect();
        for (body, path, detail) in [
            (json!({"ids": [1]}), "action", "say what is to be done"),
            (json!({"action": "explode", "ids": [1]}), "action", "one of pause, resume"),
            (json!({"action": "pause"}), "ids", "either"),
            (json!({"action": "pause", "ids": [1], "filter": {}}), "ids", "either"),
            (json!({"action": "pause", "ids": []}), "ids", "1 to 1000"),
            (json!({"action": "pause", "ids": many}), "ids", "1 to 1000"),
            (json!({"action": "pause", "ids": [-1]}), "ids", "an array"),
            (json!({"action": "pause", "ids": ["1"]}), "ids", "an array"),
            (json!({"action": "pause", "ids": 7}), "ids", "an array"),
            (json!({"action": "pause", "filter": []}), "filter", "an object"),
            (json!({"action": "pause", "filter": {"state": 7}}), "filter.state", "a text"),
            (json!({"action": "pause", "filter": {"state": "lost"}}), "filter.state", "there is no state `lost`"),
            (json!({"action": "pause", "filter": {"colour": "red"}}), "filter.colour", "colour"),
            (json!({"action": "priority", "ids": [1]}), "priority", "say which"),
            (json!({"action": "priority", "priority": 101, "ids": [1]}), "priority", "-100 to 100"),
            (json!({"action": "pause", "priority": 1, "ids": [1]}), "priority", "does not belong"),
            (json!({"action": "pause", "deadline_seconds": 1, "ids": [1]}), "deadline_seconds", "does not belong"),
            (json!({"action": "retry", "deadline_seconds": 0, "ids": [1]}), "deadline_seconds", "1 to"),
            (json!({"action": "pause", "ids": [1], "colour": 1}), "colour", "there is no `colour`"),
        ] {
            let (at, why) = read(body).unwrap_err();
            assert!(at == path && why.contains(detail), "{at}: {why}");
        }
    }
}
