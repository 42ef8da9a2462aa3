//! Listing tasks that have ended, without ever looking at all of them.
//!
//! Each of the filter's conditions has an index. If one of them lets few tasks through, these are read and sorted.
//! Else the list is walked in its own order, for at most so many tasks: what comes then is the next part.

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, Statement};
use web::access::TokenId;
use web::hive::{COUNT_MAX, Counted, LineCounts, Order, Position, SortBy, TaskFilter, TaskQuery};
use web::model::{TaskCounts, TaskState, Timestamp};
use wire::ids::TaskId;

use crate::store::rows::{COLUMNS, Rows, Stored, state_number, state_of};

/// How many tasks are looked at for an answer at most.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// So many that a condition lets through are read and sorted.
    few: usize,
    /// Else so many of the list are walked.
    walk: usize,
}

/// For a part of a list.
const LISTED: Bounds = Bounds { few: 2000, walk: 5000 };

/// Where tasks are only counted.
const COUNTED: Bounds = Bounds { few: 2000, walk: 20_000 };

/// How many tasks the wall clock may have been set back for: whoever asks for those of some time finds them in spite
/// of it.
const ASTRAY: usize = 10_000;

/// Tasks that have ended.
#[derive(Debug)]
pub struct StoredPage {
    /// In the order that was asked for.
    pub tasks: Vec<Stored>,
    /// Behind which place the list may go on; `None` if all of it was looked at.
    pub next: Option<Position>,
}

/// A part of the list of tasks that have ended, with one task more than asked for if there is one.
pub(super) fn read(connection: &Connection, query: &TaskQuery) -> rusqlite::Result<StoredPage> {
    read_within(connection, query, LISTED)
}

fn read_within(connection: &Connection, query: &TaskQuery, bounds: Bounds) -> rusqlite::Result<StoredPage> {
    let Some(list) = List::of(connection, query, bounds)? else {
        return Ok(StoredPage { tasks: Vec::new(), next: None });
    };
    let List { values, branches, end, .. } = &list;
    let wanted = query.limit + 1;
    let selects: Vec<_> = branches.iter().map(|branch| format!("SELECT {COLUMNS} FROM tasks {branch}")).collect();
    let select = format!("{} {} LIMIT {wanted}", selects.join(" UNION ALL "), list.sorted());
    let mut select = connection.prepare_cached(&select)?;
    let mut reader = Rows::default();
    bind(&mut select, values)?;
    let mut rows = select.raw_query();
    let mut tasks: Vec<Stored> = Vec::new();
    while let Some(row) = rows.next()? {
        tasks.push(reader.read(row)?);
    }
    let last = tasks.last().filter(|_| tasks.len() == wanted).map(|task| place(query.order, task));
    Ok(StoredPage { next: last.or(*end), tasks })
}

/// Counts tasks that have ended, by their states, of a part of the list by id; and behind which place it goes on.
pub(super) fn count(
    connection: &Connection,
    filter: &TaskFilter,
    after: Option<Position>,
) -> rusqlite::Result<(TaskCounts, Option<Position>)> {
    count_within(connection, filter, after, COUNTED)
}

fn count_within(
    connection: &Connection,
    filter: &TaskFilter,
    after: Option<Position>,
    bounds: Bounds,
) -> rusqlite::Result<(TaskCounts, Option<Position>)> {
    let mut counts = TaskCounts::default();
    let query = TaskQuery { filter: filter.clone(), after, ..TaskQuery::default() };
    let Some(list) = List::of(connection, &query, bounds)? else { return Ok((counts, None)) };
    for branch in &list.branches {
        let select = format!("SELECT state, count(*) FROM tasks {branch} GROUP BY state");
        let mut select = connection.prepare_cached(&select)?;
        bind(&mut select, &list.values)?;
        let mut rows = select.raw_query();
        while let Some(row) = rows.next()? {
            if let Some(state) = state_of(row.get(0)?) {
                counts.add(state, row.get(1)?);
            }
        }
    }
    Ok((counts, list.end))
}

/// How many lines the list has of tasks that have ended. Of states alone there is an index for each of them; else as
/// many tasks are looked at as for one part of what is counted.
pub(super) fn lines(connection: &Connection, filter: &TaskFilter) -> rusqlite::Result<LineCounts> {
    let is_wanted = |state: TaskState| state.has_ended() && filter.has_state(state);
    if filter.is_plain() {
        let mut lines = LineCounts::default();
        for state in TaskState::ALL.into_iter().filter(|state| is_wanted(*state)) {
            let number = state_number(state);
            let counted = match filter.token {
                None => count_up_to_max(connection, "tasks_by_state", "state = ?", &[number]),
                Some(TokenId(owner)) => {
                    let owner = i64::try_from(owner).unwrap_or(i64::MAX);
                    count_up_to_max(connection, "tasks_by_owner", "owner = ? AND state = ?", &[owner, number])
                }
            };
            lines.add(state, counted?);
        }
        return Ok(lines);
    }
    let (counts, next) = count(connection, filter, None)?;
    let mut lines = LineCounts::from(counts);
    if next.is_some() {
        lines.cut(is_wanted);
    }
    Ok(lines)
}

/// How many tasks an index has for which this is true; none is looked at itself.
pub(super) fn count_up_to_max(
    connection: &Connection,
    index: &str,
    condition: &str,
    values: &[i64],
) -> rusqlite::Result<Counted> {
    let wanted = COUNT_MAX + 1;
    let select =
        format!("SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY {index} WHERE {condition} LIMIT {wanted})");
    let mut select = connection.prepare_cached(&select)?;
    select.query_row(rusqlite::params_from_iter(values), |row| row.get(0)).map(Counted::up_to_max)
}

fn place(order: Order, task: &Stored) -> Position {
    let ended = || task.ending.as_ref().map_or(0, |ending| ending.finished.at.0);
    Position { key: if order.by == SortBy::Ended { ended() } else { 0 }, id: task.id }
}

/// A list, as SQL says it.
struct List {
    order: Order,
    /// What stands for `?1`, `?2` and so on.
    values: Vec<Value>,
    /// What follows the table's name, of parts of the list that are sorted each, and are to be merged.
    branches: Vec<String>,
    /// Where it is cut off, if that is before its end.
    end: Option<Position>,
}

/// A condition.
struct Condition {
    /// By which the tasks are found that it lets through.
    index: &'static str,
    text: String,
}

impl List {
    /// What is to be read; `None` if there is nothing.
    fn of(connection: &Connection, query: &TaskQuery, bounds: Bounds) -> rusqlite::Result<Option<Self>> {
        let TaskQuery { filter, order, after, .. } = query;
        let states: Vec<_> = TaskState::ALL
            .into_iter()
            .filter(|state| state.has_ended() && filter.has_state(*state) && order.by.has_state(*state))
            .map(state_number)
            .collect();
        if states.is_empty() {
            return Ok(None);
        }
        let mut list = Self { order: *order, values: Vec::new(), branches: Vec::new(), end: None };
        let mut conditions = list.conditions(filter);
        let token = filter.token.map(|token| format!("owner = {}", list.value(token.0 as i64)));
        if let Some(token) = &token {
            conditions.push(Condition { index: "tasks_by_owner", text: token.clone() });
        }
        let texts: Vec<_> = conditions.iter().map(|condition| condition.text.clone()).collect();
        let mut part = Stretch::behind(*order, *after);
        if let Some(index) = list.few(connection, &conditions, bounds.few)? {
            let states = states.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
            // The plus keeps SQLite from another index.
            let wanted = [format!("+state IN ({states})")].into_iter().chain(texts).chain(list.within(&part));
            list.branches = vec![format!("INDEXED BY {index} WHERE {}", all(wanted))];
            return Ok(Some(list));
        }
        let (index, base) = match (order.by, token) {
            (SortBy::Ended, _) => ("tasks_by_ending", Some("finished_at IS NOT NULL".to_owned())),
            (_, None) => ("tasks_by_state", None),
            (_, token) => ("tasks_by_owner", token),
        };
        if order.by == SortBy::Id {
            part.narrow(list.ids_of(connection, filter)?);
        }
        let walk_of = |within: &Option<String>, state: &i64| {
            let state = format!("state = {state}");
            let texts = base.clone().into_iter().chain([state]).chain(within.clone());
            format!("INDEXED BY {index} WHERE {}", all(texts))
        };
        let mut within = list.within(&part);
        if conditions.iter().any(|condition| condition.index != index) {
            let walked: Vec<_> = states.iter().map(|state| walk_of(&within, state)).collect();
            list.end = list.nth(connection, &walked, bounds.walk)?;
            if let Some(end) = list.end {
                part.end(*order, end);
                within = list.within(&part);
            }
        }
        let texts: String = texts.iter().map(|text| format!(" AND {text}")).collect();
        list.branches = states.iter().map(|state| walk_of(&within, state) + &texts).collect();
        Ok(Some(list))
    }

    /// Has a value stand for what is returned.
    fn value(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("?{}", self.values.len())
    }

    fn conditions(&mut self, filter: &TaskFilter) -> Vec<Condition> {
        let TaskFilter { name, owner, kind, algorithm, since, until, reason, .. } = filter;
        let mut conditions = Vec::new();
        for (column, index, beginning) in [
            ("name", "tasks_by_name", name),
            ("owner_name", "tasks_by_owner_name", owner),
            ("error", "tasks_by_reason", reason),
        ] {
            let Some(beginning) = beginning else { continue };
            let mut text = format!("{column} >= {}", self.value(beginning.clone()));
            if let Some(past) = past(beginning) {
                text += &format!(" AND {column} < {}", self.value(past));
            }
            conditions.push(Condition { index, text });
        }
        if kind.is_some() || algorithm.is_some() {
            let kinds: Vec<_> =
                web::kinds::KINDS.into_iter().filter(|one| kind.is_none_or(|kind| kind == *one)).collect();
            let kinds: Vec<_> = kinds.into_iter().map(|kind| self.value(kind.to_owned())).collect();
            let mut text = format!("kind IN ({})", kinds.join(", "));
            if let Some(algorithm) = algorithm {
                text += &format!(" AND algorithm = {}", self.value((*algorithm).to_owned()));
            }
            conditions.push(Condition { index: "tasks_by_kind", text });
        }
        let since = since.map(|since| format!("created_at >= {}", self.value(since.0)));
        let until = until.map(|until| format!("created_at < {}", self.value(until.0)));
        let time: Vec<_> = since.into_iter().chain(until).collect();
        if !time.is_empty() {
            conditions.push(Condition { index: "tasks_by_creation", text: time.join(" AND ") });
        }
        conditions
    }

    /// The index by which few tasks are found, if there is one.
    fn few(
        &self,
        connection: &Connection,
        conditions: &[Condition],
        few: usize,
    ) -> rusqlite::Result<Option<&'static str>> {
        let mut least = None;
        for Condition { index, text } in conditions {
            let count =
                format!("SELECT count(*) FROM (SELECT 1 FROM tasks INDEXED BY {index} WHERE {text} LIMIT {})", few + 1);
            let count: usize = self.row(connection, &count, |row| row.get(0))?.unwrap_or_default();
            if count <= few && least.is_none_or(|(least, _)| count < least) {
                least = Some((count, *index));
            }
        }
        Ok(least.map(|(_, index)| index))
    }

    /// Between which ids tasks lie that were submitted in the filter's time.
    fn ids_of(&mut self, connection: &Connection, filter: &TaskFilter) -> rusqlite::Result<RangeInclusive<i64>> {
        let mut bound = |at: Option<Timestamp>, most: &str, comparison: &str, direction: &str| {
            let Some(at) = at else { return Ok(None) };
            let at = self.value(at.0);
            let select = format!(
                "SELECT {most}(id) FROM (SELECT id FROM tasks INDEXED BY tasks_by_creation \
                 WHERE created_at {comparison} {at} \
                 ORDER BY created_at {direction}, id {direction} LIMIT {ASTRAY})"
            );
            self.row(connection, &select, |row| row.get::<_, Option<i64>>(0)).map(Option::flatten).map(Some)
        };
        // Where there is no task in that time, there is none between these.
        let first = bound(filter.since, "min", ">=", "ASC")?.map_or(1, |id| id.unwrap_or(i64::MAX));
        let last = bound(filter.until, "max", "<", "DESC")?.map_or(i64::MAX, |id| id.unwrap_or(0));
        Ok(first..=last)
    }

    /// The place of the so-manieth task of all these, if there are so many.
    fn nth(&self, connection: &Connection, walked: &[String], count: usize) -> rusqlite::Result<Option<Position>> {
        let key = if self.order.by == SortBy::Ended { "finished_at" } else { "0 AS finished_at" };
        let selects: Vec<_> = walked.iter().map(|branch| format!("SELECT {key}, id FROM tasks {branch}")).collect();
        let select = format!("{} {} LIMIT 1 OFFSET {}", selects.join(" UNION ALL "), self.sorted(), count - 1);
        self.row(connection, &select, |row| Ok(Position { key: row.get(0)?, id: TaskId(row.get(1)?) }))
    }

    fn row<T>(
        &self,
        connection: &Connection,
        select: &str,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        let mut select = connection.prepare_cached(select)?;
        bind(&mut select, &self.values)?;
        let mut rows = select.raw_query();
        rows.next()?.map(read).transpose()
    }

    fn sorted(&self) -> String {
        let direction = if self.order.reversed { "ASC" } else { "DESC" };
        match self.order.by {
            SortBy::Ended => format!("ORDER BY finished_at {direction}, id {direction}"),
            SortBy::Id | SortBy::Progress | SortBy::Priority => format!("ORDER BY id {direction}"),
        }
    }

    /// What lies in this part of the list, unless that is all of it.
    fn within(&mut self, part: &Stretch) -> Option<String> {
        let texts: Vec<_> = match part {
            Stretch::Ids(ids) => {
                let bounds = [(">=", *ids.start(), 1), ("<=", *ids.end(), i64::MAX)];
                let bounds = bounds.into_iter().filter(|(_, bound, none)| bound != none);
                bounds.map(|(comparison, bound, _)| format!("id {comparison} {}", self.value(bound))).collect()
            }
            Stretch::Places(places) => {
                let mut text = |(comparison, place): &(&str, Position)| {
                    let (key, id) = (self.value(place.key), self.value(number(place.id)));
                    format!("(finished_at, id) {comparison} ({key}, {id})")
                };
                places.iter().map(&mut text).collect()
            }
        };
        (!texts.is_empty()).then(|| all(texts.into_iter()))
    }
}

/// A part of a list.
enum Stretch {
    /// Between two ids. Of several conditions on the ids SQLite would use one alone to find tasks.
    Ids(RangeInclusive<i64>),
    /// Before and behind places in the order by end.
    Places(Vec<(&'static str, Position)>),
}

impl Stretch {
    fn behind(order: Order, after: Option<Position>) -> Self {
        let all = 1..=i64::MAX;
        match (order.by, after) {
            (SortBy::Ended, after) => {
                Self::Places(after.map(|after| (if order.reversed { ">" } else { "<" }, after)).into_iter().collect())
            }
            (_, None) => Self::Ids(all),
            (_, Some(after)) if order.reversed => Self::Ids(number(after.id).saturating_add(1)..=i64::MAX),
            (_, Some(after)) => Self::Ids(1..=number(after.id) - 1),
        }
    }

    /// Leaves what has one of these ids.
    fn narrow(&mut self, to: RangeInclusive<i64>) {
        if let Self::Ids(ids) = self {
            *ids = *ids.start().max(to.start())..=*ids.end().min(to.end());
        }
    }

    /// Ends it with this place.
    fn end(&mut self, order: Order, end: Position) {
        match self {
            Self::Places(places) => places.push((if order.reversed { "<=" } else { ">=" }, end)),
            Self::Ids(_) if order.reversed => self.narrow(1..=number(end.id)),
            Self::Ids(_) => self.narrow(number(end.id)..=i64::MAX),
        }
    }
}

/// An id, as a row has it.
fn number(id: TaskId) -> i64 {
    i64::try_from(id.0).unwrap_or(i64::MAX)
}

/// All of these at once.
fn all(conditions: impl Iterator<Item = String>) -> String {
    conditions.collect::<Vec<_>>().join(" AND ")
}

/// Gives a statement the values that it asks for, which may be fewer than there are.
fn bind(statement: &mut Statement<'_>, values: &[Value]) -> rusqlite::Result<()> {
    let count = statement.parameter_count();
    (1..).zip(values.iter().take(count)).try_for_each(|(at, value)| statement.raw_bind_parameter(at, value))
}

/// The first text behind all that begin so, in the order of their bytes; `None` if there is none.
fn past(beginning: &str) -> Option<String> {
    let mut text = beginning.to_owned();
    while let Some(last) = text.pop() {
        // Between them lie the numbers that are no characters.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}
