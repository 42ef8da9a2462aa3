//! How a request says which tasks it means, and in which order.

use super::cursor;
use crate::error::Problem;
use crate::hive::{Order, Position, TaskFilter};
use crate::kinds::KINDS;
use crate::kinds::digest::ALGORITHMS;
use crate::model::{TaskState, Timestamp};
use crate::request::query::Query;

/// The names of all that tasks are found by.
pub(crate) const FILTERS: [&str; 8] = ["state", "name", "owner", "kind", "algorithm", "since", "until", "reason"];

/// Takes which tasks are meant, of whatever token.
pub(crate) fn filter(query: &mut Query) -> Result<TaskFilter, Problem> {
    let state = query.one_of("state", &TaskState::ALL, TaskState::name)?;
    let (name, owner) = (query.text("name")?, query.text("owner")?);
    let kind = query.one_of("kind", &KINDS, |kind| kind)?;
    let algorithm = query.one_of("algorithm", &ALGORITHMS, |algorithm| algorithm)?;
    let (since, until) = (query.moment("since")?, query.moment("until")?);
    let states = state.into_iter().collect();
    Ok(TaskFilter { states, token: None, name, owner, kind, algorithm, since, until, reason: query.text("reason")? })
}

/// What a filter says, by names and as it is written.
pub(crate) fn values(filter: &TaskFilter) -> Vec<(&'static str, String)> {
    let TaskFilter { states, token: _, name, owner, kind, algorithm, since, until, reason } = filter;
    let moment = |at: &Option<Timestamp>| at.map(|at| at.to_string());
    let text = |text: &Option<&str>| text.map(str::to_owned);
    let values = [
        states.first().map(|state| state.name().to_owned()),
        name.clone(),
        owner.clone(),
        text(kind),
        text(algorithm),
        moment(since),
        moment(until),
        reason.clone(),
    ];
    FILTERS.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Takes in which order they are listed, and behind which place the list begins.
pub(crate) fn order(query: &mut Query, filter: &TaskFilter) -> Result<(Order, Option<Position>), Problem> {
    let order: Order = match query.text("sort")? {
        Some(text) => text.parse().map_err(|error| Problem::invalid(format!("{error}")).with("path", "sort"))?,
        None => Order::default(),
    };
    if let [state] = filter.states[..]
        && !order.by.has_state(state)
    {
        let which = if state.has_ended() { "have not ended" } else { "have ended" };
        let detail = format!("sorted by {}, a list has only tasks that {which}, and none is {state}", order.by.name());
        return Err(Problem::invalid(detail).with("path", "sort"));
    }
    Ok((order, cursor::take_place(query, order)?))
}
