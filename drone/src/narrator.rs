//! What the Drone tells its operator about its work.
//!
//! A single word is story from its arrival to its digest. Of a bulk task or a search there is one line at
//! its first chunk, one every few seconds, and a summary when nothing of it is left here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::{Duration, Instant};

use wire::ids::TaskId;
use wire::work::{Class, Kind};

use crate::console::story;
use crate::console::{count, word};
use crate::kernel::{Kernels, Output};
use crate::pool::Ticket;
use crate::session::{Effect, End, Note, Part};

/// Tells once which kernels were taken.
pub(crate) fn tell_kernels(kernels: &Kernels) {
    let mut work: Vec<(&str, Vec<&str>)> = Vec::new();
    for (class, name) in CLASSES {
        let kernel = kernels.of_class(class).name();
        match work.iter_mut().find(|(other, _)| *other == kernel) {
            Some((_, classes)) => classes.push(name),
            None => work.push((kernel, vec![name])),
        }
    }
    match &work[..] {
        [(kernel, _)] => story!("⚙️", "Computing with {kernel}"),
        several => {
            let each = |(kernel, classes): &(&str, Vec<&str>)| format!("{} with {kernel}", classes.join(", "));
            let each: Vec<_> = several.iter().map(each).collect();
            story!("⚙️", "Computing {}", each.join("; "));
        }
    }
}

/// The classes of work, for people.
const CLASSES: [(Class, &str); Class::ALL.len()] = [
    (Class::SHORT, "short strings"),
    (Class::LONG, "long strings"),
    (Class::SHA256D, "SHA-256d"),
    (Class::HMAC, "HMAC"),
    (Class::PBKDF2, "PBKDF2"),
    (Class::SEARCH, "searches"),
    (Class::SEARCH_SHA256D, "searches with SHA-256d"),
    (Class::SEARCH_LONG, "searches among long strings"),
];

/// How often at most a line tells the progress of one task.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// A task of which nothing is left here is summed up after this: the next chunk may be near.
const SUMMARY_DELAY: Duration = Duration::from_millis(500);

/// Tells the story of the work, over all connections.
pub(crate) struct Narrator {
    /// Whether words and digests are story, too.
    show_words: bool,
    words: BTreeSet<Ticket>,
    tasks: BTreeMap<TaskId, TaskStory>,
}

/// What this Drone did of one bulk task.
struct TaskStory {
    /// Whether its items are candidates of a search, and not words.
    is_search: bool,
    held: usize,
    items: u64,
    spent_ns: u64,
    since: Instant,
    progress_at: Instant,
    /// When the last lease ended, if none is held.
    idle_since: Option<Instant>,
}

impl Narrator {
    pub(crate) fn new(show_words: bool) -> Self {
        Self { show_words, words: BTreeSet::new(), tasks: BTreeMap::new() }
    }

    /// Tells what is worth telling of an effect.
    pub(crate) fn tell(&mut self, effect: &Effect, now: Instant) {
        match effect {
            Effect::Start { note, assignment } => self.received(note, assignment.urgency.ticket, now),
            Effect::Results(part) => self.computed(part, now),
            Effect::Failed { reason } => story!("💥", "Work failed: {reason}"),
            Effect::Ended { task, ticket, end } => self.ended(*task, *ticket, *end, now),
            Effect::Adopted { taken, offered: 1 } => match taken {
                0 => story!("🤷", "The Queen no longer wants the chunk that was left from before"),
                _ => story!("🤝", "The Queen took the chunk back that was left from before"),
            },
            Effect::Adopted { taken, offered } => story!("🤝", "The Queen took {taken} of {offered} chunks back"),
            Effect::Shrink { .. } | Effect::Recall => {}
        }
    }

    /// Sums up the tasks of which nothing has been left for a while.
    pub(crate) fn tick(&mut self, now: Instant) {
        let is_over =
            |_: &TaskId, story: &mut TaskStory| story.idle_since.is_some_and(|since| now - since >= SUMMARY_DELAY);
        self.tasks.extract_if(.., is_over).for_each(|(task, story)| story.sum_up(task, now));
    }

    /// Sums up everything: there will be no more.
    pub(crate) fn finish(&mut self, now: Instant) {
        std::mem::take(&mut self.tasks).into_iter().for_each(|(task, story)| story.sum_up(task, now));
    }

    fn received(&mut self, note: &Note, ticket: Ticket, now: Instant) {
        if let (Some(text), 0) = (&note.word, note.from) {
            match note.is_secret || !self.show_words {
                true => story!("🚨", "Received work: Hash a word"),
                false => story!("🚨", "Received work: Hash the word '{}'", word(text)),
            }
            story!("⏳", "Crunching numbers …");
            self.words.insert(ticket);
            return;
        }
        let story = self.tasks.entry(note.task).or_insert_with(|| {
            let story = TaskStory::new(note.kind == Kind::SEARCH, now);
            let (items, task, from) = (story.counted(note.to - note.from), note.task, count(note.from));
            story!("🚨", "Received work: {items} to {} (task {task}, from index {from} on)", story.verb());
            story!("⏳", "Crunching numbers …");
            story
        });
        story.held += 1;
        story.idle_since = None;
    }

    fn computed(&mut self, part: &Part, now: Instant) {
        if self.words.contains(&part.ticket) {
            match &part.output {
                Output::Digests(digest) if self.show_words => {
                    story!("✅", "Work done! Hash: {}", const_hex::display(&digest[..]));
                }
                _ => story!("✅", "Work done! The word is hashed"),
            }
        } else if let Some(story) = self.tasks.get_mut(&part.task) {
            story.items += part.output.items();
            story.spent_ns += part.spent_ns;
            if now - story.progress_at >= PROGRESS_INTERVAL {
                story.progress_at = now;
                let (task, items, rate, verb) = (part.task, story.counted(story.items), story.rate(now), story.verb());
                story!("📈", "Task {task}: {items} {verb}ed here so far, {rate} a second");
            }
        }
    }

    fn ended(&mut self, task: TaskId, ticket: Ticket, end: End, now: Instant) {
        if self.words.remove(&ticket) {
            match end {
                End::Done | End::Failed => {}
                End::HandedBack => story!("↩️", "Handed a word back"),
                End::Withdrawn => story!("🚫", "The Queen no longer wants a word hashed"),
            }
        } else if let Some(story) = self.tasks.get_mut(&task) {
            story.held -= 1;
            story.idle_since = (story.held == 0).then_some(now);
        }
    }
}

impl TaskStory {
    fn new(is_search: bool, now: Instant) -> Self {
        Self { is_search, held: 0, items: 0, spent_ns: 0, since: now, progress_at: now, idle_since: None }
    }

    /// What is done to its items.
    fn verb(&self) -> &'static str {
        if self.is_search { "search" } else { "hash" }
    }

    /// So many of its items, for people.
    fn counted(&self, items: u64) -> String {
        let noun = if self.is_search { "candidate" } else { "word" };
        format!("{} {noun}{}", count(items), if items == 1 { "" } else { "s" })
    }

    fn sum_up(self, task: TaskId, now: Instant) {
        let (items, rate) = (self.counted(self.items), self.rate(self.idle_since.unwrap_or(now)));
        let cpu = Duration::from_nanos(self.spent_ns).as_secs_f64();
        match self.items {
            0 => story!("🚫", "Nothing computed of task {task}"),
            _ => story!("✅", "Work done! {items} of task {task}, {rate} a second, {cpu:.1} s of compute time"),
        }
    }

    fn rate(&self, until: Instant) -> impl Display + use<> {
        let seconds = (until - self.since).as_secs_f64().max(1e-3);
        count((self.items as f64 / seconds) as u64)
    }
}
