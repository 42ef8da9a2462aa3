//! Which tasks a list shows, in which order, and where its next part begins.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use wire::ids::TaskId;

use crate::access::TokenId;
use crate::model::{TaskState, TaskView};
use crate::timestamp::Timestamp;

/// Which tasks are meant: those of which all is true that is said here. A batch is one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskFilter {
    /// They stand in one of these; empty is anywhere.
    pub states: Vec<TaskState>,
    /// They were submitted with this token.
    pub token: Option<TokenId>,
    /// Their names begin so.
    pub name: Option<String>,
    /// The names of the tokens that they were submitted with begin so.
    pub owner: Option<String>,
    /// They are of this kind.
    pub kind: Option<&'static str>,
    /// They have this algorithm.
    pub algorithm: Option<&'static str>,
    /// They were submitted at this moment or later.
    pub since: Option<Timestamp>,
    /// They were submitted before this moment.
    pub until: Option<Timestamp>,
    /// The reason for which they failed begins so.
    pub reason: Option<String>,
}

/// What a [`TaskFilter`] looks at of a task, apart from its state and its token.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// Its name.
    pub name: Option<&'a str>,
    /// The name of the token that it was submitted with.
    pub owner: Option<&'a str>,
    /// Its kind.
    pub kind: &'a str,
    /// Its algorithm.
    pub algorithm: &'a str,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Why it failed.
    pub error: Option<&'a str>,
}

impl TaskFilter {
    /// Whether it looks at nothing but states and tokens.
    pub fn is_plain(&self) -> bool {
        let Self { states: _, token: _, name, owner, kind, algorithm, since, until, reason } = self;
        let texts = name.is_none() && owner.is_none() && reason.is_none();
        texts && kind.is_none() && algorithm.is_none() && since.is_none() && until.is_none()
    }

    /// Whether tasks in this state are meant.
    pub fn has_state(&self, state: TaskState) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }

    /// Whether a task with these traits is meant, if its state and its token are right.
    pub fn fits(&self, task: &Traits<'_>) -> bool {
        let begins = |text: Option<&str>, wanted: &Option<String>| {
            wanted.as_deref().is_none_or(|wanted| text.is_some_and(|text| text.starts_with(wanted)))
        };
        begins(task.name, &self.name)
            && begins(task.owner, &self.owner)
            && begins(task.error, &self.reason)
            && self.kind.is_none_or(|kind| kind == task.kind)
            && self.algorithm.is_none_or(|algorithm| algorithm == task.algorithm)
            && self.since.is_none_or(|since| task.created_at >= since)
            && self.until.is_none_or(|until| task.created_at < until)
    }

    /// Whether this task is meant.
    pub fn lets(&self, task: &TaskView) -> bool {
        self.has_state(task.state)
            && self.token.is_none_or(|token| task.owner_id == Some(token))
            && self.fits(&Traits {
                name: task.name.as_deref(),
                owner: task.owner.as_deref(),
                kind: &task.kind,
                algorithm: &task.algorithm,
                created_at: task.created_at,
                error: task.error.as_deref(),
            })
    }
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SortBy {
    /// The newest task first.
    #[default]
    Id,
    /// The task that ended last first; only those that have ended.
    Ended,
    /// The task of which most is done first, as a part of it; only those that have not ended.
    Progress,
    /// The most urgent task first; only those that have not ended.
    Priority,
}

impl SortBy {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Id, Self::Ended, Self::Progress, Self::Priority];

    /// The name in requests.
    pub fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Ended => "ended",
            Self::Progress => "progress",
            Self::Priority => "priority",
        }
    }

    /// Whether tasks in this state are in such a list.
    pub fn has_state(self, state: TaskState) -> bool {
        match self {
            Self::Id => true,
            Self::Ended => state.has_ended(),
            Self::Progress | Self::Priority => !state.has_ended(),
        }
    }
}

/// The order of a list, written as `ended`, or `-ended` for the reverse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Order {
    /// What it is sorted by.
    pub by: SortBy,
    /// The other way round.
    pub reversed: bool,
}

impl Order {
    /// Where a task has its place. Of equals the newer one is first, and the older one if it is reversed.
    pub fn position(self, task: &TaskView) -> Position {
        let key = match self.by {
            SortBy::Id => 0,
            SortBy::Ended => task.finished_at.map_or(0, |at| at.0),
            SortBy::Progress => progress(task.done, task.total),
            SortBy::Priority => task.priority.into(),
        };
        Position { key, id: task.id }
    }

    /// Which of two places comes first.
    pub fn compare(self, one: Position, other: Position) -> Ordering {
        if self.reversed { one.cmp(&other) } else { other.cmp(&one) }
    }

    /// Whether a place lies behind the one where a part of the list ended.
    pub fn is_behind(self, place: Position, end: Option<Position>) -> bool {
        end.is_none_or(|end| self.compare(place, end).is_gt())
    }
}

/// A part of the whole, as a number to sort by.
pub fn progress(done: u64, total: u64) -> i64 {
    const SHIFT: u32 = 32;
    let part = (u128::from(done) << SHIFT) / u128::from(total.max(1));
    i64::try_from(part).unwrap_or(i64::MAX)
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.reversed { "-" } else { "" }, self.by.name())
    }
}

/// A text that is no [`Order`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a list is sorted by id, ended, progress or priority, or by one of them with `-` before it, the other way round"
)]
pub struct OrderError;

impl FromStr for Order {
    type Err = OrderError;

    fn from_str(text: &str) -> Result<Self, OrderError> {
        let (reversed, name) = text.strip_prefix('-').map_or((false, text), |name| (true, name));
        let by = SortBy::ALL.into_iter().find(|by| by.name() == name).ok_or(OrderError)?;
        Ok(Self { by, reversed })
    }
}

/// A place in a list: what it is sorted by, and for equals the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// What the list is sorted by, as a number: 0 by id, milliseconds since 1970 by end, [`progress`], or the priority.
    pub key: i64,
    /// The task's id.
    pub id: TaskId,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TaskQuery {
    /// Of which tasks.
    pub filter: TaskFilter,
    /// In which order.
    pub order: Order,
    /// Behind this place; `None` is from the beginning on.
    pub after: Option<Position>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskPage {
    /// In the order that was asked for.
    pub tasks: Vec<TaskView>,
    /// Behind which place the list goes on. There may be no more tasks behind it: what is looked at for one part has a
    /// bound, so that a part may be short, or empty, although the list goes on.
    pub next: Option<Position>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_as_they_are_written() {
        for by in SortBy::ALL {
            for reversed in [false, true] {
                let order = Order { by, reversed };
                assert_eq!(order.to_string().parse(), Ok(order));
            }
        }
        for wrong in ["", "-", "--id", "+id", "name", "ID"] {
            assert_eq!(wrong.parse::<Order>(), Err(OrderError), "{wrong}");
        }
    }

    #[test]
    fn what_is_largest_comes_first() {
        let place = |key, id| Position { key, id: TaskId(id) };
        let mut places = vec![place(1, 5), place(2, 3), place(1, 7)];
        let order = Order::default();
        places.sort_by(|one, other| order.compare(*one, *other));
        assert_eq!(places, [place(2, 3), place(1, 7), place(1, 5)]);
        assert!(order.is_behind(place(1, 5), Some(place(1, 7))) && !order.is_behind(place(1, 7), Some(place(1, 7))));
        let order = Order { reversed: true, ..order };
        places.sort_by(|one, other| order.compare(*one, *other));
        assert_eq!(places, [place(1, 5), place(1, 7), place(2, 3)]);
        assert!(order.is_behind(place(1, 5), None) && order.is_behind(place(1, 7), Some(place(1, 5))));
    }

    #[test]
    fn progress_is_a_part_of_the_whole() {
        assert!(progress(1, 3) < progress(1, 2) && progress(1, 2) < progress(u64::MAX - 1, u64::MAX));
        assert_eq!((progress(0, 9), progress(0, 0), progress(2, 4)), (0, 0, progress(1, 2)));
    }
}
