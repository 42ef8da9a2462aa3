//! Tasks that failed, by why.

use std::collections::BTreeMap;

use web::hive::HiveError;
use web::model::FailureGroup;

use super::explain;
use super::refusal::unreadable;
use super::shared::SharedHive;
use crate::store::Failures;

/// So many groups are shown at most.
const GROUPS: usize = 100;

impl SharedHive {
    /// Tasks that failed, as far as that is on disk, by how the reasons begin.
    pub(super) async fn failures_by_reason(&self) -> Result<Vec<FailureGroup>, HiveError> {
        self.serving().map(drop)?;
        Ok(grouped(self.read(move |reader| reader.failures()).await.map_err(unreadable)?))
    }
}

/// Reasons that differ only in which items, Drones or numbers they name are one group.
fn grouped(failures: Vec<Failures>) -> Vec<FailureGroup> {
    let mut groups: BTreeMap<String, FailureGroup> = BTreeMap::new();
    for Failures { reason, count, last } in failures {
        let beginning = explain::beginning(&reason);
        match groups.get_mut(beginning) {
            Some(group) => {
                group.count += count;
                group.last = group.last.max(last);
            }
            None => {
                let blamed_on = explain::blamed_on(beginning);
                let group = FailureGroup { reason: beginning.to_owned(), blamed_on, count, last };
                groups.insert(beginning.to_owned(), group);
            }
        }
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse((group.count, group.last)));
    groups.truncate(GROUPS);
    groups
}

#[cfg(test)]
mod tests {
    use web::model::BlamedOn;
    use wire::ids::TaskId;

    use super::*;

    #[test]
    fn what_begins_alike_is_one_group() {
        let failed = |reason: &str, count, last| Failures { reason: reason.to_owned(), count, last: TaskId(last) };
        let groups = grouped(vec![
            failed("3 attempts to compute it failed (maja), the last one: it is cursed", 2, 9),
            failed("3 attempts to compute it failed (willy, maja), the last one: out of memory", 3, 7),
            failed("its deadline passed before all of it was computed", 4, 8),
        ]);
        let shown: Vec<_> =
            groups.iter().map(|group| (&*group.reason, group.blamed_on, group.count, group.last.0)).collect();
        let expected = [
            ("3 attempts to compute it failed", BlamedOn::Task, 5, 9),
            ("its deadline passed before all of it was computed", BlamedOn::Deadline, 4, 8),
        ];
        assert_eq!(shown, expected);
    }
}
