//! What an idle Drone takes over from others, so that nobody waits for the slowest.
//!
//! Of the lease that is expected to end last it takes as much as makes both end together
//! (work stealing with known speeds); where nothing is left but what is being computed, or where
//! its Drone is overdue or away, it computes the same a second time, and whoever is first wins.
//! What a thread computes at once stays together, since it is not faster without a part of it;
//! only from one who is much slower a part is taken that is done sooner elsewhere.

use std::ops::Range;
use std::time::Duration;

use wire::ids::{DroneId, LeaseId};

use super::credit::CreditPool;
use super::dispatch::LeaseTerms;
use super::drone::Drone;
use super::effect::Effect;
use super::history::History;
use super::lease::Lease;
use super::scheduler::Core;
use super::status::LeaseEnd;
use super::task::Task;
use super::time::Time;

/// How many leases are looked at, those that end last first.
const LOOK: usize = 16;

/// A lease that ends no later than this from now is left where it is.
const GAIN: Duration = Duration::from_millis(20);

/// What is computed twice, or taken from a faster one, has to be done sooner here by more than this part of the
/// time that it takes.
const MARGIN_DIVISOR: u32 = 4;

/// A tail that takes less is not worth a message.
const TAIL_MIN: Duration = Duration::from_millis(2);

/// A lease that has not ended so long after it was expected to is overdue, if that is longer
/// than it was expected to take.
const SLACK: Duration = Duration::from_secs(1);

/// How far in the future the end of a lease is whose Drone is away.
pub(super) const FAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// What to do about one lease.
enum Theft {
    /// Take it from this index on.
    Tail(u64),
    /// Take all of it.
    Whole,
    /// Compute what is left of it, too.
    Twin,
}

impl Core {
    /// Gives a Drone that has nothing to do a part of what others have.
    pub(super) fn steal(&mut self, thief: DroneId, now: Time, effects: &mut Vec<Effect>) {
        while self.drones.get(thief).is_some_and(Drone::has_idle_thread) {
            let Some((id, theft)) = self.next_theft(thief, now) else { return };
            self.take_over(thief, id, theft, now, effects);
        }
    }

    fn next_theft(&self, thief: DroneId, now: Time) -> Option<(LeaseId, Theft)> {
        let last = self.leases.ending_after(now + GAIN).take(LOOK);
        let late = self.leases.due_before(now.saturating_sub(SLACK)).take(LOOK);
        last.chain(late).find_map(|id| Some((id, self.theft(thief, self.leases.get(id)?, now)?)))
    }

    fn theft(&self, thief_id: DroneId, lease: &Lease, now: Time) -> Option<Theft> {
        let (thief, task) = (self.drones.get(thief_id)?, self.tasks.get(lease.task)?);
        let victim = self.drones.get(lease.drone)?;
        let is_isolated = lease.history.as_deref().is_some_and(History::must_be_isolated);
        // A range at which a Drone was lost before, and whose Drone is away again, may be what ends Drones: it is not given
        // to a third one before it is known whether the second one comes back.
        let may_end_drones = lease.history.as_deref().is_some_and(History::has_losses) && victim.away_until.is_some();
        let may = |history: &History| self.may_try(task, history, thief_id, now);
        let suits = thief.has_room_for(task) && !task.is_paused;
        if lease.drone == thief_id || is_isolated || may_end_drones || !suits {
            return None;
        }
        if !lease.history.as_deref().is_none_or(may) {
            return None;
        }
        let rest = lease.range.start.max(lease.reached.min(lease.range.end - 1))..lease.range.end;
        let mine = Duration::from_nanos(thief.time_of(task, &rest));
        let overdue = now.saturating_sub(lease.finish);
        if victim.away_until.is_some() || overdue > SLACK.max(lease.finish.saturating_sub(lease.granted)) {
            return Some(Theft::Twin);
        }
        let theirs = lease.finish.saturating_sub(now);
        if !lease.begun && theirs > mine + Duration::from_nanos(victim.time_of(task, &rest)) {
            return Some(Theft::Whole);
        }
        let tail = tail(task, (thief, victim), &rest, theirs);
        match tail {
            Some(start) => Some(Theft::Tail(start)),
            // What is being computed: worth it only if it is clearly sooner here.
            None => (theirs > mine + mine / MARGIN_DIVISOR + GAIN).then_some(Theft::Twin),
        }
    }

    fn take_over(&mut self, thief: DroneId, id: LeaseId, theft: Theft, now: Time, effects: &mut Vec<Effect>) {
        let Some(lease) = self.leases.get(id) else { return };
        let (task, range) = (lease.task, lease.range.clone());
        let history = lease.history.clone();
        let pool = CreditPool::Ahead;
        match theft {
            Theft::Tail(start) => {
                self.shorten(id, start, now, effects);
                let terms = LeaseTerms { pool, range: start..range.end, history, twin: None };
                self.grant(task, thief, terms, now, effects);
            }
            Theft::Whole => {
                let Some(lease) = self.remove_lease(id, LeaseEnd::Withdrawn, effects) else { return };
                effects.push(Effect::Withdraw { drone: lease.drone, lease: id, end: lease.next });
                self.grant(task, thief, LeaseTerms { pool, range, history, twin: None }, now, effects);
            }
            Theft::Twin => {
                let twin = self.grant(task, thief, LeaseTerms { pool, range, history, twin: Some(id) }, now, effects);
                self.leases.change(id, |lease| lease.twin = twin);
            }
        }
    }
}

/// Where the tail of `rest` begins that is worth taking: both are done at the same time then.
fn tail(task: &Task, (thief, victim): (&Drone, &Drone), rest: &Range<u64>, theirs: Duration) -> Option<u64> {
    let items = rest.end - rest.start;
    if items < 2 {
        return None;
    }
    let lanes = victim.lanes(task.class);
    let mine = |start| Duration::from_nanos(thief.time_of(task, &(start..rest.end)));
    let (fast, slow) = (thief.rate(task.class) as f64, victim.rate(task.class) as f64);
    let cost = theirs.as_secs_f64() * fast * slow / (fast + slow);
    let taken = (cost / task.cost(rest).max(1) as f64 * items as f64) as u64;
    // What is being computed stays, and what is computed together with something that stays.
    let kept = (items - taken.min(items - 1)).next_multiple_of(lanes);
    if kept < items {
        let start = rest.start + kept;
        return (mine(start) > TAIL_MIN && mine(start) < theirs).then_some(start);
    }
    // Several who are much faster may do it in parts, where one would take long for all of it.
    let ours = thief.lanes(task.class);
    if items <= ours {
        return None;
    }
    let start = rest.end - (items / 2).next_multiple_of(ours).min(items - 1);
    (theirs > mine(start) + mine(start) / MARGIN_DIVISOR + GAIN).then_some(start)
}
