//! The tracing layer behind the story and the plain lines.

use std::fmt::{self, Write as _};
use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::{Context, Layer};
use wire::text::is_hidden;

use super::target::{STATUS, STORY};
use super::throttle::Throttle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Story,
    Plain,
}

pub(super) struct Console<W> {
    style: Style,
    colour: bool,
    out: W,
    throttle: Mutex<Throttle>,
    /// What stands below all lines, if that can be.
    status: Option<Mutex<String>>,
}

impl<W> Console<W> {
    pub(super) fn new(style: Style, colour: bool, out: W) -> Self {
        Self { style, colour, out, throttle: Mutex::default(), status: None }
    }

    /// Whether a line can stand below all others.
    pub(super) fn with_status(self, can_be: bool) -> Self {
        Self { status: can_be.then(Mutex::default), ..self }
    }

    /// What is to be written of an event, with the status below it.
    fn written(&self, event: &Event<'_>, skipped: u64) -> Option<String> {
        let Some(status) = &self.status else { return self.line(event, skipped) };
        let mut status = status.lock().unwrap_or_else(PoisonError::into_inner);
        let line = match event.metadata().target() == STATUS {
            true => {
                let mut found = Found::default();
                event.record(&mut found);
                if *status == found.message {
                    return None;
                }
                let shown = std::mem::replace(&mut *status, found.message);
                return Some(below(&shown, "", &status));
            }
            false => self.line(event, skipped)?,
        };
        Some(below(&status, &line, &status))
    }

    fn line(&self, event: &Event<'_>, skipped: u64) -> Option<String> {
        let level = *event.metadata().level();
        let is_story = event.metadata().target() == STORY;
        if event.metadata().target() == STATUS {
            return None;
        }
        let mut line = String::new();
        let mut found = Found::default();
        event.record(&mut found);
        let written = match self.style {
            Style::Story if is_story => write!(line, "{} {}", found.emoji, found.message),
            Style::Story if level <= Level::WARN => {
                write!(line, "{}  {}{}", self.painted(level, "⚠️"), found.message, found.fields)
            }
            Style::Story => return None,
            Style::Plain => {
                let time = SystemTime.format_time(&mut Writer::new(&mut line));
                let level = self.painted(level, level.as_str());
                time.and_then(|()| write!(line, " {level:>5} {}{}", found.message, found.fields))
            }
        };
        written.ok()?;
        if skipped > 0 {
            write!(line, " (and {skipped} more like this)").ok()?;
        }
        line.push('\n');
        Some(line)
    }

    fn painted(&self, level: Level, text: &str) -> String {
        let colour = match level {
            Level::ERROR => 31,
            Level::WARN => 33,
            _ => 0,
        };
        match self.colour && colour != 0 {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

impl<S: Subscriber, W: for<'w> MakeWriter<'w> + 'static> Layer<S> for Console<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut skipped = 0;
        if event.metadata().target() == STORY {
            let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
            match throttle.admit(event.metadata().callsite(), Instant::now()) {
                Some(count) => skipped = count,
                None => return,
            }
        }
        if let Some(line) = self.written(event, skipped) {
            // A log that cannot be written is no reason to stop working.
            let _ = self.out.make_writer().write_all(line.as_bytes());
        }
    }
}

/// A line above the status, which takes the place of `shown`.
fn below(shown: &str, line: &str, status: &str) -> String {
    // To the first column, and clear the line.
    let clear = if shown.is_empty() { "" } else { "\r\x1b[2K" };
    format!("{clear}{line}{status}")
}

/// The fields of an event, with nothing that hides or reorders what is seen.
#[derive(Default)]
struct Found {
    emoji: String,
    message: String,
    /// ` name=value` each.
    fields: String,
}

impl Visit for Found {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "emoji" => escape(value, &mut self.emoji),
            _ => self.record_debug(field, &format_args!("{value}")),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            escape(&text, &mut self.message);
            return;
        }
        self.fields.push(' ');
        self.fields.push_str(field.name());
        self.fields.push('=');
        escape(&text, &mut self.fields);
    }
}

/// Appends `text` as one line that does nothing to a terminal.
fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match is_hidden(char) {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use crate::console::story;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(style: Style, colour: bool, tell: impl FnOnce()) -> String {
        let paper = Paper::default();
        let out = paper.clone();
        let console = Console::new(style, colour, move || out.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(console), tell);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_story_is_emoji_and_message_and_warnings_stand_out() {
        let text = printed(Style::Story, false, || {
            let name = "Maja";
            story!("🐝", "A Drone connected: {name}");
            tracing::info!("not for this console");
            tracing::warn!(lease = 7, "odd");
        });
        assert_eq!(text, "🐝 A Drone connected: Maja\n⚠️  odd lease=7\n");
    }

    #[test]
    fn plain_lines_have_a_time_a_level_and_fields_but_no_emoji() {
        let text = printed(Style::Plain, false, || {
            story!("🐝", "hello");
            tracing::info!(drone = "Maja", count = 3, "hello again");
        });
        let lines: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
        assert!(lines.iter().all(|(time, _)| time.ends_with('Z') && time.contains('T')), "{text}");
        assert_eq!(lines[0].1, " INFO hello");
        assert_eq!(lines[1].1, " INFO hello again drone=Maja count=3");
    }

    #[test]
    fn colour_only_when_it_may_be() {
        let warn = || tracing::warn!("odd");
        assert!(printed(Style::Plain, true, warn).contains("\x1b[33m"));
        assert!(!printed(Style::Plain, false, warn).contains('\x1b'));
    }

    #[test]
    fn control_characters_of_others_are_escaped() {
        let name = "a\x1b[2Jb\nc\u{202e}d";
        let text = printed(Style::Story, false, || story!("🐝", "hello {name}"));
        assert_eq!(text, "🐝 hello a\\u{1b}[2Jb\\nc\\u{202e}d\n");
        let text = printed(Style::Story, false, || tracing::warn!(name, "odd"));
        assert_eq!(text, "⚠️  odd name=a\\u{1b}[2Jb\\nc\\u{202e}d\n");
    }

    #[test]
    fn the_status_stays_below_all_lines() {
        let paper = Paper::default();
        let out = paper.clone();
        let console = Console::new(Style::Story, false, move || out.clone()).with_status(true);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(console), || {
            story!("🐝", "one");
            crate::console::status("half");
            crate::console::status("half");
            story!("🐝", "two");
            crate::console::status("all");
            crate::console::status("");
            story!("🐝", "three");
        });
        let bytes = paper.0.lock().unwrap().clone();
        let clear = "\r\x1b[2K";
        let expected = format!("🐝 one\nhalf{clear}🐝 two\nhalf{clear}all{clear}🐝 three\n");
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        // Where there is no terminal, or no story, nothing of it is written.
        for style in [Style::Story, Style::Plain] {
            assert_eq!(printed(style, false, || crate::console::status("half")), "");
        }
    }

    #[test]
    fn many_lines_of_one_place_are_thinned_out() {
        let text = printed(Style::Story, false, || {
            for number in 0..10_000 {
                story!("🐝", "line {number}");
            }
            story!("🐝", "another place");
        });
        assert!(text.lines().count() < 10_000);
        assert!(text.starts_with("🐝 line 0\n") && text.ends_with("another place\n"));
    }

    #[test]
    fn skipped_lines_are_counted() {
        let mut throttle = Throttle::default();
        let callsite = tracing::callsite::Identifier(&CALLSITE);
        let start = Instant::now();
        let admitted = (0..25).filter_map(|_| throttle.admit(callsite.clone(), start)).collect::<Vec<_>>();
        assert_eq!(admitted, [0; 10]);
        let later = start + std::time::Duration::from_secs(1);
        assert_eq!(throttle.admit(callsite.clone(), later), Some(15));
        assert_eq!(throttle.admit(callsite, later), Some(0));
    }

    struct Callsite;
    static CALLSITE: Callsite = Callsite;

    impl tracing::Callsite for Callsite {
        fn set_interest(&self, _: tracing::subscriber::Interest) {}

        fn metadata(&self) -> &tracing::Metadata<'_> {
            unreachable!("only its address matters")
        }
    }
}
