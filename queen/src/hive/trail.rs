//! The audit trail on its way to the disk. Refusals that are alike are counted, so that whoever guesses
//! tokens writes little; and what was done is never pushed out by what was not.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use web::access::{LogEntry, LogFilter, LogKind, LogPage};
use web::hive::{Action, Deed, HiveError};
use web::model::Timestamp;
use web::places::Origin;

use super::SharedHive;
use super::reading::unreadable;
use super::story::Story;
use crate::core::Time;

/// For how long refusals that are alike are one line.
const ALIKE: Duration = Duration::from_secs(60 * 60);

/// How often it is looked whether that is over.
const CLOSED: Duration = Duration::from_secs(60);

/// Kinds of refusals that are counted at a time; further ones are counted together.
const COUNTED: usize = 1000;

/// Lines that may wait for the disk; what comes then is only counted.
const WAITING: usize = 4096;

/// The longest text of a line, in bytes: the rest is not kept.
const TEXT: usize = 256;

/// See the module.
#[derive(Default)]
pub(super) struct Trail {
    waiting: Vec<LogEntry>,
    /// Lines for which there was no room.
    lost: u64,
    refusals: HashMap<Alike, Counted>,
}

/// What refusals have in common that are counted together; nothing if there are too many that differ.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Alike {
    who: Option<String>,
    origin: Option<Origin>,
    action: &'static str,
}

/// Refusals that are alike, behind the first of them.
struct Counted {
    first: Time,
    last: LogEntry,
    more: u64,
}

impl Trail {
    /// Something was done, or refused; its line, if it is one of its own.
    pub(super) fn record(&mut self, deed: &Deed, at: Timestamp, now: Time) -> Option<LogEntry> {
        let entry = entry(deed, at);
        if entry.kind == LogKind::Refusal {
            let origin = deed.by.address.map(Origin::from);
            let alike = Alike { who: entry.who.clone(), origin, action: name(&deed.action) };
            if !self.is_first(alike, &entry, now) {
                return None;
            }
        }
        self.push(entry.clone());
        Some(entry)
    }

    /// Whether a refusal is the first of its kind; if not, it is counted.
    fn is_first(&mut self, alike: Alike, entry: &LogEntry, now: Time) -> bool {
        let is_known = self.refusals.len() < COUNTED || self.refusals.contains_key(&alike);
        match self.refusals.entry(if is_known { alike } else { Alike::default() }) {
            Entry::Vacant(vacant) => {
                vacant.insert(Counted { first: now, last: entry.clone(), more: 0 });
                true
            }
            Entry::Occupied(mut occupied) => {
                let counted = occupied.get_mut();
                counted.more += 1;
                counted.last = entry.clone();
                false
            }
        }
    }

    fn push(&mut self, entry: LogEntry) {
        match self.waiting.len() < WAITING {
            true => self.waiting.push(entry),
            false => self.lost += 1,
        }
    }

    /// Whether there is something to be written.
    pub(super) fn has_lines(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Makes lines of the refusals that were counted for long enough, or of all.
    pub(super) fn close(&mut self, all: bool, now: Time) {
        let is_over = |counted: &Counted| all || now >= counted.first + ALIKE;
        let over: Vec<_> = self.refusals.extract_if(|_, counted| is_over(counted)).collect();
        for (_, Counted { last, more, .. }) in over {
            if more > 0 {
                self.push(LogEntry { count: more, ..last });
            }
        }
    }

    /// What is to be written.
    pub(super) fn take(&mut self) -> Vec<LogEntry> {
        let mut lines = std::mem::take(&mut self.waiting);
        let lost = std::mem::take(&mut self.lost);
        if let Some(last) = lines.last().filter(|_| lost > 0) {
            let outcome = "these lines could not be kept while the disk took no writes".to_owned();
            let (who, address) = (None, None);
            let (action, target) = ("lose".to_owned(), "audit trail".to_owned());
            lines.push(LogEntry {
                at: last.at,
                kind: LogKind::Control,
                who,
                address,
                action,
                target,
                outcome,
                count: lost,
            });
        }
        lines
    }
}

impl SharedHive {
    /// A user did something, or wanted to: the operator is told, and it goes into the audit trail.
    pub(super) fn log_deed(&self, deed: Deed) {
        self.change(|state, now| {
            let at = Timestamp::now();
            if let Some(entry) = state.trail.record(&deed, at, now) {
                state.stories.extend([Story::Did(deed), Story::Logged(Box::new(entry))]);
            }
        });
        self.inner.logged.notify_one();
    }

    /// Writes the audit trail, as soon as there are lines, until the future is dropped.
    pub async fn keep_trail(&self) {
        loop {
            // Counted refusals become lines after an hour, with nobody doing anything.
            let _ = self.within(CLOSED, self.inner.logged.notified()).await;
            self.write_trail(false).await;
        }
    }

    /// Gives the journal the lines that there are. `all`: those as well of refusals that are still counted.
    pub(super) async fn write_trail(&self, all: bool) {
        let has_lines = {
            let mut state = self.lock();
            let now = self.now();
            state.trail.close(all, now);
            state.trail.has_lines()
        };
        if has_lines && let Ok(slot) = self.slot(0).await {
            self.change_durably(slot, |_, _| ());
        }
    }

    /// Reads the audit trail, as far as it is on disk.
    pub(super) async fn read_log(&self, filter: LogFilter) -> Result<LogPage, HiveError> {
        self.serving().map(drop)?;
        if self.inner.disk.is_none() {
            return Ok(LogPage::default());
        }
        let limit = filter.limit;
        // One more tells whether there are more.
        let filter = LogFilter { limit: limit.saturating_add(1), ..filter };
        let mut lines = self.read(move |reader| reader.log(&filter)).await.map_err(unreadable)?;
        let has_more = lines.len() > limit;
        lines.truncate(limit);
        let next = lines.last().filter(|_| has_more).map(|(number, _)| *number);
        Ok(LogPage { entries: lines.into_iter().map(|(_, entry)| entry).collect(), next })
    }
}

/// What is written of a deed.
fn entry(deed: &Deed, at: Timestamp) -> LogEntry {
    let Deed { by, action, target, refused } = deed;
    let kind = match (refused, action) {
        (Some(_), _) | (None, Action::Ask) => LogKind::Refusal,
        (
            None,
            Action::CreateToken
            | Action::RevokeToken
            | Action::CreateSecret
            | Action::RevokeSecret
            | Action::LogIn
            | Action::LogOut,
        ) => LogKind::Administration,
        (None, _) => LogKind::Control,
    };
    let cut = |text: &str| text[..text.floor_char_boundary(TEXT)].to_owned();
    LogEntry {
        at,
        kind,
        who: by.name.as_deref().map(cut),
        address: by.address.map(|address| address.to_string()),
        action: name(action).to_owned(),
        target: cut(target),
        outcome: cut(refused.as_deref().unwrap_or("done")),
        count: 1,
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::Pause => "pause",
        Action::Resume => "resume",
        Action::Cancel => "cancel",
        Action::Retry => "retry",
        Action::Amend(_) => "change",
        Action::Remove => "delete",
        Action::Drain => "drain",
        Action::Pardon => "pardon",
        Action::CreateToken => "create-token",
        Action::RevokeToken => "revoke-token",
        Action::CreateSecret => "create-secret",
        Action::RevokeSecret => "revoke-secret",
        Action::LogIn => "log-in",
        Action::LogOut => "log-out",
        Action::Ask => "ask",
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use web::hive::By;

    use super::*;

    fn refused(address: &str, why: &str) -> Deed {
        let address: IpAddr = address.parse().unwrap();
        let by = By { name: None, address: Some(address) };
        Deed { by, action: Action::LogIn, target: "session".into(), refused: Some(why.into()) }
    }

    fn lines(trail: &mut Trail) -> Vec<(LogKind, Option<String>, u64)> {
        trail.take().into_iter().map(|line| (line.kind, line.address, line.count)).collect()
    }

    #[test]
    fn refusals_that_are_alike_are_counted() {
        let mut trail = Trail::default();
        let at = Timestamp(7);
        for number in 0..100 {
            let is_own = trail.record(&refused("192.0.2.1", "no such token"), at, Time::ZERO).is_some();
            assert_eq!(is_own, number == 0);
        }
        trail.record(&refused("192.0.2.2", "no such token"), at, Time::ZERO);
        let line = |address: &str, count| (LogKind::Refusal, Some(address.to_owned()), count);
        assert_eq!(lines(&mut trail), [line("192.0.2.1", 1), line("192.0.2.2", 1)]);
        trail.close(false, ALIKE - Duration::from_secs(1));
        assert!(!trail.has_lines());
        trail.close(false, ALIKE);
        assert_eq!(lines(&mut trail), [line("192.0.2.1", 99)]);
        assert!(trail.record(&refused("192.0.2.1", "no such token"), at, ALIKE).is_some(), "the next hour begins");
    }

    #[test]
    fn many_that_differ_are_bounded() {
        let mut trail = Trail::default();
        for number in 0..3 * COUNTED {
            let address = format!("2001:db8:{number:x}::1");
            trail.record(&refused(&address, "no such token"), Timestamp(7), Time::ZERO);
            lines(&mut trail);
        }
        assert_eq!(trail.refusals.len(), COUNTED + 1);
        trail.close(true, Time::ZERO);
        assert_eq!(lines(&mut trail).into_iter().map(|(_, _, count)| count).sum::<u64>() as usize, 2 * COUNTED - 1);
    }

    #[test]
    fn what_finds_no_room_is_told_of() {
        let mut trail = Trail::default();
        let deed = Deed { by: By::default(), action: Action::Cancel, target: "task 7 (bees)".into(), refused: None };
        (0..WAITING + 5).for_each(|_| drop(trail.record(&deed, Timestamp(7), Time::ZERO)));
        let lines = trail.take();
        assert_eq!((lines.len(), lines[0].kind, &*lines[0].outcome), (WAITING + 1, LogKind::Control, "done"));
        assert_eq!(lines.last().map(|line| (&*line.action, line.count)), Some(("lose", 5)));
        assert!(trail.take().is_empty());
    }
}
