//! What waits to be sent to one Drone: a word need not wait behind strings by the thousand.

use std::collections::VecDeque;

use crate::hive::Outbound;

/// A round is closed when its leases bring so many bytes of inputs, keys and salts.
const ROUND_BYTES: u64 = 256 << 10;

/// Messages that are there at most, and so in one round.
const MAX_MESSAGES: usize = 512;

/// Messages in their order, except that leases of small tasks overtake those of large ones.
#[derive(Default)]
pub(super) struct Backlog {
    small: VecDeque<Outbound>,
    rest: VecDeque<Outbound>,
    /// How many of the rest are no leases. While there are any, no lease goes to `small`, as it would overtake them.
    others: usize,
}

impl Backlog {
    /// Whether there are leases of small tasks to be sent at once.
    pub(super) fn has_small(&self) -> bool {
        !self.small.is_empty()
    }

    /// Whether there is room for more.
    pub(super) fn has_room(&self) -> bool {
        self.small.len() + self.rest.len() < MAX_MESSAGES
    }

    pub(super) fn push(&mut self, message: Outbound) {
        match &message {
            Outbound::Lease(_, job) if job.is_at_hand() && self.others == 0 => self.small.push_back(message),
            Outbound::Lease(..) => self.rest.push_back(message),
            _ => {
                self.others += 1;
                self.rest.push_back(message);
            }
        }
    }

    /// A round's leases of small tasks.
    pub(super) fn next_small(&mut self) -> Vec<Outbound> {
        next_round(&mut self.small, |_| true)
    }

    /// A round of the rest. What is no lease overtakes no lease of a small task, and is not overtaken
    /// until it is [`said`](Self::said).
    pub(super) fn next_rest(&mut self) -> Vec<Outbound> {
        let has_small = self.has_small();
        next_round(&mut self.rest, |message| !has_small || matches!(message, Outbound::Lease(..)))
    }

    /// Counts so many messages that are no leases as sent: they hold up nothing any more.
    pub(super) fn said(&mut self, messages: usize) {
        self.others -= messages;
    }
}

fn next_round(queue: &mut VecDeque<Outbound>, may_go: impl Fn(&Outbound) -> bool) -> Vec<Outbound> {
    let (mut round, mut bytes) = (Vec::new(), 0);
    while bytes < ROUND_BYTES
        && let Some(message) = queue.pop_front_if(|message| may_go(message))
    {
        if let Outbound::Lease(grant, job) = &message {
            bytes += job.inputs.bytes_of(&grant.range) + job.terms.secret_bytes();
        }
        round.push(message);
    }
    round
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::blob::BlobBuf;
    use wire::ids::{DroneId, LeaseId, TaskId};

    use super::*;
    use crate::core::Grant;
    use crate::store::testing::terms;
    use crate::work::{Extent, Inputs, Job, Large};

    fn lease(number: u64, is_small: bool) -> Outbound {
        let inputs = match is_small {
            true => {
                let mut layout = Vec::new();
                ["honey"].iter().collect::<BlobBuf>().as_blob().write(&mut layout);
                Inputs::Small(layout.into())
            }
            false => {
                let extent = Extent { end: 1, offset: 0, bytes: 200 << 10, crc: 0, cost: 1 };
                Inputs::Large(Arc::new(Large { segments: [extent].into(), file: Some(1) }))
            }
        };
        let job = Job { task: TaskId(number), terms: terms().into(), inputs };
        let (lease, task) = (LeaseId(number), TaskId(number));
        Outbound::Lease(Grant { drone: DroneId(1), lease, task, range: 0..1, priority: 0, rank: 0 }, job)
    }

    fn others(messages: &[Outbound]) -> usize {
        messages.iter().filter(|message| !matches!(message, Outbound::Lease(..))).count()
    }

    /// The leases of each round; 0 is something else.
    fn rounds(backlog: &mut Backlog) -> Vec<Vec<u64>> {
        let mut rounds = Vec::new();
        loop {
            let (mut round, rest) = (backlog.next_small(), backlog.next_rest());
            backlog.said(others(&rest));
            round.extend(rest);
            if round.is_empty() {
                return rounds;
            }
            let number = |message: &Outbound| if let Outbound::Lease(grant, _) = message { grant.lease.0 } else { 0 };
            rounds.push(round.iter().map(number).collect());
        }
    }

    #[test]
    fn small_tasks_overtake_large_ones_and_nothing_else() {
        let mut backlog = Backlog::default();
        [lease(1, false), lease(2, false), lease(3, false), lease(4, true)].into_iter().for_each(|m| backlog.push(m));
        assert_eq!(rounds(&mut backlog), [vec![4, 1, 2], vec![3]]);
        [lease(1, false), Outbound::Drain, lease(2, true)].into_iter().for_each(|m| backlog.push(m));
        assert_eq!(rounds(&mut backlog), [[1, 0, 2]]);
        // That has been said, so that it holds up nobody any more; taken alone it would.
        backlog.push(Outbound::Drain);
        let taken = backlog.next_rest();
        backlog.push(lease(3, true));
        assert!(!backlog.has_small());
        backlog.said(others(&taken));
        assert_eq!(rounds(&mut backlog), [[3]]);
        [lease(1, false), lease(2, true)].into_iter().for_each(|m| backlog.push(m));
        assert_eq!(rounds(&mut backlog), [[2, 1]]);
    }

    #[test]
    fn what_is_said_of_a_small_task_stays_behind_it() {
        let mut backlog = Backlog::default();
        [lease(1, true), Outbound::Drain].into_iter().for_each(|message| backlog.push(message));
        assert!(backlog.next_rest().is_empty());
        assert_eq!(rounds(&mut backlog), [[1, 0]]);
    }

    #[test]
    fn large_tasks_get_on_behind_any_number_of_small_ones() {
        let mut backlog = Backlog::default();
        backlog.push(lease(1, false));
        (2..MAX_MESSAGES as u64).for_each(|number| backlog.push(lease(number, true)));
        assert!(backlog.has_room());
        backlog.push(lease(MAX_MESSAGES as u64, true));
        assert!(!backlog.has_room());
        let rounds = rounds(&mut backlog);
        assert_eq!((rounds.len(), rounds[0].last()), (1, Some(&1)));
    }
}
