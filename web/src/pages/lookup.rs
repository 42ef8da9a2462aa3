//! An input or a digest that is looked up among a task's results.

use wire::ids::TaskId;

use super::address::address_with;
use super::shown::{Row, Shown};
use super::viewer::Viewer;
use crate::error::Problem;
use crate::hive::Hive;
use crate::lookup::{Matches, Wanted, look_up};
use crate::own;

/// What was found.
#[derive(Debug)]
pub(super) struct LookUp {
    /// What was typed.
    pub(super) text: String,
    pub(super) rows: Vec<Row>,
    /// How many results there are, and which of them were looked at.
    pub(super) ready: u64,
    pub(super) from: u64,
    pub(super) next: u64,
}

impl LookUp {
    /// Looks for a text among the results that there are, from this one on.
    pub(super) async fn of(
        hive: &dyn Hive,
        viewer: &Viewer,
        id: TaskId,
        text: String,
        from: u64,
    ) -> Result<Self, Problem> {
        let mut found = own::results(hive, viewer.caller(), id, from..u64::MAX).await?;
        let (ready, from) = (found.range.end, found.range.start);
        let Matches { rows, next } = look_up(&mut found, &Wanted::either(&text)).await?;
        let rows = rows.into_iter().map(|row| Row {
            index: row.index,
            input: Shown::of(&row.input),
            digest: const_hex::encode(row.digest),
        });
        Ok(Self { text, rows: rows.collect(), ready, from, next })
    }

    /// Whether there are results that were not looked at, behind those that were.
    pub(super) fn goes_on(&self) -> bool {
        self.next < self.ready
    }

    /// Where the rest is looked at.
    pub(super) fn further(&self, id: &TaskId) -> String {
        let values = [("find", Some(self.text.clone())), ("find_from", Some(self.next.to_string()))];
        format!("{}#results", address_with(&format!("/admin/tasks/{id}"), values))
    }

    /// How many results were looked at.
    pub(super) fn looked_at(&self) -> u64 {
        self.next - self.from
    }
}
