//! What follows from what the pool says, and from being asked to leave.

use std::collections::{BTreeMap, BTreeSet};

use wire::message::Progress;

use super::effect::{Effect, End};
use super::held::{HeldLease, Phase, size};
use super::outbox::Statement;
use super::part::{Key, Part};
use super::state::Session;
use crate::pool::{Outcome, Report, Standing, Ticket, Worked};

impl Session {
    /// A heartbeat is due, given how far the pool is and what it has computed since it started.
    /// One that was not sent yet makes way, since this one knows more.
    pub fn heartbeat(&mut self, pool: &[Standing], worked: Worked) {
        let Some(link) = &mut self.link else { return };
        let pool: BTreeMap<Ticket, &Standing> = pool.iter().map(|standing| (standing.ticket, standing)).collect();
        let unsaid: BTreeSet<Ticket> = link.unsaid();
        let progress = |(ticket, held): (&Ticket, &HeldLease)| {
            let standing = pool.get(ticket);
            let reached = standing.map_or(held.reported, |standing| standing.reached.max(held.reported));
            // What the pool does not know any more it has finished; the report is on its way.
            let begun = standing.is_none_or(|standing| standing.begun);
            let Key { lease, epoch } = held.key;
            let counts = held.phase == Phase::Computing || held.phase == Phase::Computed && unsaid.contains(ticket);
            counts.then(|| Progress { lease, epoch, reached: reached.min(held.to), begun })
        };
        // Before her answer the Queen knows none of the names.
        let progress = match link.is_open() {
            true => self.held.iter().filter_map(progress).collect(),
            false => Vec::new(),
        };
        link.heartbeat(Statement::Heartbeat { progress, worked });
    }

    /// Hears the pool. To be called only while [`takes_reports`](Self::takes_reports) says so.
    pub fn report(&mut self, report: Report, effects: &mut Vec<Effect>) {
        let Report { ticket, outcome } = report;
        let Some(held) = self.held.get_mut(&ticket).filter(|held| held.phase == Phase::Computing) else { return };
        match outcome {
            Outcome::Failed { reason } => {
                let key = held.key;
                effects.push(Effect::Failed { reason: reason.clone() });
                self.say_now(Statement::Failed { key, reason });
                self.end(ticket, End::Failed, effects);
            }
            Outcome::Output { from, output, spent_ns } => {
                debug_assert_eq!(from, held.reported, "parts come in order and without gaps");
                let whole = Part { task: held.task, ticket, from, spent_ns, output };
                whole.split().for_each(|part| self.computed(part, effects));
            }
        }
    }

    /// Keeps and says the next results of a lease.
    fn computed(&mut self, part: Part, effects: &mut Vec<Effect>) {
        let (ticket, from) = (part.ticket, part.from);
        let Some(held) = self.held.get_mut(&ticket) else { return };
        held.reported = part.to();
        let is_done = held.reported >= held.to;
        let is_whole = is_done && from <= held.from;
        if let Some(part) = held.add(part) {
            self.kept_bytes += size(&part);
            let key = held.key;
            if let Some(link) = self.open_link() {
                match is_whole {
                    true => link.say_whole(key, part.clone()),
                    false => link.say(Statement::Output(key, part.clone())),
                }
            }
            effects.push(Effect::Results(part));
        }
        if is_done {
            self.end(ticket, End::Done, effects);
        }
    }

    /// Takes nothing new from now on, and gives back what the pool has not begun.
    pub fn drain(&mut self, effects: &mut Vec<Effect>) {
        if !self.leave() {
            effects.push(Effect::Recall);
        }
    }

    /// Gives back leases that the pool has been relieved of.
    pub fn hand_back(&mut self, tickets: Vec<Ticket>, effects: &mut Vec<Effect>) {
        let mut keys = Vec::new();
        for ticket in tickets {
            if let Some(held) = self.held.get(&ticket).filter(|held| held.phase == Phase::Computing) {
                keys.push(held.key);
                self.end(ticket, End::HandedBack, effects);
            }
        }
        if !keys.is_empty() {
            self.say_now(Statement::HandBack(keys));
        }
    }

    /// Gives everything back at once that is not computed.
    pub fn give_up(&mut self, effects: &mut Vec<Effect>) {
        self.leave();
        let computing = self.held.iter().filter(|(_, held)| held.phase == Phase::Computing);
        let (tickets, urgencies): (Vec<_>, Vec<_>) = computing.map(|(ticket, held)| (*ticket, held.urgency)).unzip();
        effects.extend(urgencies.into_iter().map(|urgency| Effect::Shrink { urgency, end: 0 }));
        self.hand_back(tickets, effects);
    }

    /// Whether it was leaving already.
    fn leave(&mut self) -> bool {
        if !self.leaving
            && let Some(link) = &mut self.link
        {
            link.say(Statement::Leaving);
        }
        std::mem::replace(&mut self.leaving, true)
    }
}
