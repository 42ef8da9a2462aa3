//! The log on its way to the disk: what users did, and what happened by itself. What is alike is counted behind the first lines of it, so that
//! whoever guesses tokens, or does the same again and again, writes little; and each kind of line has bounds of its own,
//! so that none pushes out another.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use web::access::{LogEntry, LogKind};
use web::hive::{Action, Deed};
use web::model::Timestamp;
use web::places::Origin;

use crate::core::Time;

/// For how long what is alike is counted before the count becomes a line.
const ALIKE: Duration = Duration::from_secs(10 * 60);

/// How often the same thing has a line of its own before it is counted: no person does it more often in [`ALIKE`].
const OWN: u64 = 10;

/// What happens to a Drone that is not trusted any more.
pub(super) const QUARANTINE: &str = "quarantine";

/// The target of lines that are counted together, where they had several.
const SEVERAL: &str = "several";

/// What is counted at a time of each kind.
const COUNTED: usize = 1000;

/// Lines of each kind that may wait for the disk; what comes then is only counted.
const WAITING: usize = 4096;

/// The longest text of a line, in bytes: the rest is not kept.
const TEXT: usize = 256;

/// The longest text of what was changed, in bytes: a task's name before and after it, and more.
const CHANGES: usize = 2048;

/// Something that nobody did, but that the operator may want to know later.
pub(super) struct LogEvent {
    /// One of [`LogKind::HAPPENINGS`].
    pub(super) kind: LogKind,
    /// What happened, in a word.
    pub(super) action: &'static str,
    /// To what, such as `drone 3 (meadow)`.
    pub(super) target: String,
    /// How, or why.
    pub(super) outcome: String,
}

/// Lines on their way to the disk, and what is counted meanwhile.
pub(super) struct Trail {
    /// Whether the trail is kept; it is not where nothing outlives the Queen.
    is_kept: bool,
    waiting: Vec<LogEntry>,
    by_kind: BTreeMap<LogKind, Tally>,
}

/// What is known of one kind of line.
#[derive(Default)]
struct Tally {
    waiting: usize,
    /// Lines for which there was no room.
    lost: u64,
    alike: HashMap<Alike, Counted>,
}

/// What lines have in common that are counted together.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
struct Alike {
    who: Option<String>,
    origin: Option<Origin>,
    action: &'static str,
    /// `None` for a guess, which may name whatever it likes: all of them would be different. Of tasks, of which any
    /// number may fail of the same, why they ended.
    target: Option<String>,
}

/// Lines that are alike.
struct Counted {
    first: Time,
    last: LogEntry,
    /// Those that are lines of their own.
    own: u64,
    /// Those that are counted.
    more: u64,
}

impl Trail {
    /// Nothing was done yet.
    pub(super) fn new(is_kept: bool) -> Self {
        Self { is_kept, waiting: Vec::new(), by_kind: BTreeMap::new() }
    }

    /// Something was done, or refused; its line, if it is one of its own.
    pub(super) fn record(&mut self, deed: &Deed, at: Timestamp, now: Time) -> Option<LogEntry> {
        let entry = entry(deed, at);
        let alike = Alike {
            who: entry.who.clone(),
            origin: deed.by.address.map(Origin::from),
            action: name(&deed.action),
            target: (entry.kind != LogKind::Guess).then(|| entry.target.clone()),
        };
        self.add(alike, entry, now)
    }

    /// Something happened by itself.
    pub(super) fn happened(&mut self, event: LogEvent, at: Timestamp, now: Time) {
        let LogEvent { kind, action, target, outcome } = event;
        let (target, outcome) = (cut(&target), cut(&outcome));
        let about = if kind == LogKind::Task { outcome.clone() } else { target.clone() };
        let alike = Alike { action, target: Some(about), ..Alike::default() };
        let action = action.to_owned();
        let entry = LogEntry {
            at,
            kind,
            who: None,
            address: None,
            action,
            target,
            outcome,
            changes: None,
            request_id: None,
            count: 1,
        };
        self.add(alike, entry, now);
    }

    /// Keeps a line, if it is not only counted; which one it is then.
    fn add(&mut self, alike: Alike, entry: LogEntry, now: Time) -> Option<LogEntry> {
        let is_own = self.by_kind.entry(entry.kind).or_default().has_own(alike, &entry, now);
        is_own.then(|| self.push(entry.clone()))?;
        Some(entry)
    }

    fn push(&mut self, entry: LogEntry) {
        if !self.is_kept {
            return;
        }
        let tally = self.by_kind.entry(entry.kind).or_default();
        match tally.waiting < WAITING {
            true => {
                tally.waiting += 1;
                self.waiting.push(entry);
            }
            false => tally.lost += entry.count,
        }
    }

    /// Whether there is something to be written.
    pub(super) fn has_lines(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Makes lines of what was counted for long enough, or of all that was; says which.
    pub(super) fn close(&mut self, all: bool, now: Time) -> Vec<LogEntry> {
        let is_over = |counted: &Counted| all || now >= counted.first + ALIKE;
        let counted = self.by_kind.values_mut().flat_map(|tally| tally.alike.extract_if(|_, counted| is_over(counted)));
        let counted = counted.filter(|(_, counted)| counted.more > 0);
        let lines: Vec<_> = counted.map(|(_, Counted { last, more, .. })| LogEntry { count: more, ..last }).collect();
        lines.iter().for_each(|line| self.push(line.clone()));
        lines
    }

    /// What is to be written.
    pub(super) fn drain(&mut self) -> Vec<LogEntry> {
        let mut lines = std::mem::take(&mut self.waiting);
        let last = lines.last().map(|line| line.at);
        for (kind, tally) in &mut self.by_kind {
            tally.waiting = 0;
            let lost = std::mem::take(&mut tally.lost);
            lines.extend(last.filter(|_| lost > 0).map(|at| lost_lines(at, *kind, lost)));
        }
        lines
    }
}

impl Tally {
    /// Whether this has a line of its own; if not, it is counted.
    fn has_own(&mut self, alike: Alike, entry: &LogEntry, now: Time) -> bool {
        let is_refused = matches!(entry.kind, LogKind::Refusal | LogKind::Guess);
        let has_room = self.alike.len() < COUNTED || self.alike.contains_key(&alike);
        // What was done is never counted together with something else.
        let is_done = !is_refused && !LogKind::HAPPENINGS.contains(&entry.kind);
        // Of these there are few, and each is one to look at.
        let is_grave = alike.action == QUARANTINE;
        let alike = match has_room {
            true => alike,
            false if !is_done && !is_grave => Alike { action: alike.action, ..Alike::default() },
            false => return true,
        };
        let counted = match self.alike.entry(alike) {
            Entry::Vacant(vacant) => vacant.insert(Counted { first: now, last: entry.clone(), own: 0, more: 0 }),
            Entry::Occupied(occupied) => occupied.into_mut(),
        };
        let is_own = counted.own < if is_refused { 1 } else { OWN };
        match is_own {
            true => counted.own += 1,
            false => {
                counted.more += 1;
                let is_same = counted.more == 1 || counted.last.target == entry.target;
                let target = if is_same { entry.target.clone() } else { SEVERAL.to_owned() };
                counted.last = LogEntry { target, ..entry.clone() };
            }
        }
        is_own
    }
}

/// Says how many lines of a kind are missing.
fn lost_lines(at: Timestamp, kind: LogKind, count: u64) -> LogEntry {
    let outcome = "these lines could not be kept while the disk took no writes".to_owned();
    let (action, target) = ("lose".to_owned(), "log".to_owned());
    LogEntry { at, kind, who: None, address: None, action, target, outcome, changes: None, request_id: None, count }
}

/// What is written of a deed.
fn entry(deed: &Deed, at: Timestamp) -> LogEntry {
    let Deed { by, action, target, refused } = deed;
    let kind = match (refused, action) {
        // Who has no token, and asks over a network.
        (Some(_), _) if by.name.is_none() && by.address.is_some() => LogKind::Guess,
        (Some(_), _) | (None, Action::Ask) => LogKind::Refusal,
        (None, Action::LogIn | Action::LogOut) => LogKind::Session,
        (None, Action::CreateToken | Action::RevokeToken | Action::CreateSecret | Action::RevokeSecret) => {
            LogKind::Administration
        }
        (None, _) => LogKind::Control,
    };
    LogEntry {
        at,
        kind,
        who: by.name.as_deref().map(cut),
        address: by.address.map(|address| address.to_string()),
        action: name(action).to_owned(),
        target: cut(target),
        outcome: cut(refused.as_deref().unwrap_or("done")),
        changes: match action {
            Action::Amend(changes) if !changes.is_empty() => Some(cut_to(changes, CHANGES)),
            _ => None,
        },
        request_id: by.request.as_deref().map(str::to_owned),
        count: 1,
    }
}

/// As much of a text as is kept.
fn cut(text: &str) -> String {
    cut_to(text, TEXT)
}

fn cut_to(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
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
        Action::Disconnect => "disconnect",
        Action::Pardon => "pardon",
        Action::CreateToken => "create-token",
        Action::RevokeToken => "revoke-token",
        Action::CreateSecret => "create-secret",
        Action::RevokeSecret => "revoke-secret",
        Action::LogIn => "log-in",
        Action::LogOut => "log-out",
        Action::Ask => "ask",
        Action::Join => "join",
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use web::hive::By;

    use super::*;

    fn refused(address: &str, why: &str) -> Deed {
        let address: IpAddr = address.parse().unwrap();
        let by = By { address: Some(address), ..By::default() };
        Deed { by, action: Action::LogIn, target: "session".into(), refused: Some(why.into()) }
    }

    fn lines(trail: &mut Trail) -> Vec<(LogKind, Option<String>, u64)> {
        trail.drain().into_iter().map(|line| (line.kind, line.address, line.count)).collect()
    }

    #[test]
    fn refusals_that_are_alike_are_counted() {
        let mut trail = Trail::new(true);
        let at = Timestamp(7);
        for number in 0..100 {
            let is_own = trail.record(&refused("192.0.2.1", "no such token"), at, Time::ZERO).is_some();
            assert_eq!(is_own, number == 0);
        }
        trail.record(&refused("192.0.2.2", "no such token"), at, Time::ZERO);
        let line = |address: &str, count| (LogKind::Guess, Some(address.to_owned()), count);
        assert_eq!(lines(&mut trail), [line("192.0.2.1", 1), line("192.0.2.2", 1)]);
        trail.close(false, ALIKE - Duration::from_secs(1));
        assert!(!trail.has_lines());
        assert_eq!(trail.close(false, ALIKE).len(), 1);
        assert_eq!(lines(&mut trail), [line("192.0.2.1", 99)]);
        assert!(trail.record(&refused("192.0.2.1", "no such token"), at, ALIKE).is_some(), "another time begins");
    }

    fn done(target: &str) -> Deed {
        Deed { by: By::default(), action: Action::Cancel, target: target.into(), refused: None }
    }

    #[test]
    fn what_is_done_again_and_again_is_counted() {
        let mut trail = Trail::new(true);
        let own = (0..100).filter(|_| trail.record(&done("task 7"), Timestamp(7), Time::ZERO).is_some()).count();
        assert_eq!(own as u64, OWN);
        assert!(trail.record(&done("task 8"), Timestamp(7), Time::ZERO).is_some());
        assert_eq!(trail.drain().len() as u64, OWN + 1);
        let counted = trail.close(true, Time::ZERO);
        assert_eq!(counted.iter().map(|line| (&*line.target, line.count)).collect::<Vec<_>>(), [("task 7", 100 - OWN)]);
        for number in 0..2 * COUNTED {
            assert!(trail.record(&done(&format!("task {number}")), Timestamp(7), ALIKE).is_some(), "none is left out");
        }
    }

    #[test]
    fn what_a_token_was_refused_is_not_hidden_by_guesses() {
        let mut trail = Trail::new(true);
        (0..3 * COUNTED).for_each(|number| {
            trail.record(&refused(&format!("2001:db8:{number:x}::1"), "no such token"), Timestamp(7), Time::ZERO);
        });
        let by = By { name: Some("ci".into()), address: Some([192, 0, 2, 1].into()), request: None };
        for target in ["DELETE /tasks/7", "POST /tokens"] {
            let (by, target, refused) = (by.clone(), target.to_owned(), Some("it has `read`".to_owned()));
            let line = trail.record(&Deed { by, action: Action::Ask, target, refused }, Timestamp(7), Time::ZERO);
            assert_eq!(line.map(|line| line.kind), Some(LogKind::Refusal));
        }
    }

    #[test]
    fn what_happens_to_many_tasks_alike_is_counted() {
        let mut trail = Trail::new(true);
        let failed = |number: u64, why: &str| LogEvent {
            kind: LogKind::Task,
            action: "fail",
            target: format!("task {number}"),
            outcome: why.to_owned(),
        };
        (0..1000).for_each(|number| trail.happened(failed(number, "its deadline passed"), Timestamp(7), Time::ZERO));
        trail.happened(failed(1000, "no Drone can compute it"), Timestamp(7), Time::ZERO);
        assert_eq!(trail.drain().len() as u64, OWN + 1);
        trail.close(true, Time::ZERO);
        let counted: Vec<_> = trail.drain().into_iter().map(|line| (line.target, line.outcome, line.count)).collect();
        assert_eq!(counted, [(SEVERAL.to_owned(), "its deadline passed".to_owned(), 1000 - OWN)]);
    }

    #[test]
    fn many_that_differ_are_bounded() {
        let mut trail = Trail::new(true);
        for number in 0..3 * COUNTED {
            let address = format!("2001:db8:{number:x}::1");
            trail.record(&refused(&address, "no such token"), Timestamp(7), Time::ZERO);
            lines(&mut trail);
        }
        assert_eq!(trail.by_kind[&LogKind::Guess].alike.len(), COUNTED + 1);
        trail.close(true, Time::ZERO);
        assert_eq!(lines(&mut trail).into_iter().map(|(_, _, count)| count).sum::<u64>() as usize, 2 * COUNTED - 1);
    }

    #[test]
    fn what_finds_no_room_is_told_of() {
        let mut trail = Trail::new(true);
        for number in 0..WAITING + 5 {
            trail.record(&done(&format!("task {number}")), Timestamp(7), Time::ZERO);
        }
        assert!(trail.record(&refused("192.0.2.1", "no such token"), Timestamp(7), Time::ZERO).is_some());
        let mut lines = trail.drain();
        assert_eq!(lines.remove(WAITING).kind, LogKind::Guess, "it has room of its own");
        assert_eq!((lines.len(), lines[0].kind, &*lines[0].outcome), (WAITING + 1, LogKind::Control, "done"));
        assert_eq!(lines.last().map(|line| (&*line.action, line.count)), Some(("lose", 5)));
        assert!(trail.drain().is_empty());
    }
}
