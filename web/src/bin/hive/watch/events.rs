//! Server-sent events out of bytes, as HTML's standard describes them ("Interpreting an event stream").

use std::time::Duration;

/// The longest event that is taken, in bytes; a longer one is dropped.
const LONGEST: usize = 16 << 20;

/// An event that has come as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SseEvent {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
}

/// How long it is waited before coming back, unless the stream says so; and the longest that it may say.
const RECONNECT_DELAY: Duration = Duration::from_secs(1);
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(60);

/// What came so far.
#[derive(Debug)]
pub struct Events {
    pending: Vec<u8>,
    name: String,
    data: String,
    /// Of an event that has not come as a whole.
    id: Option<String>,
    /// What is to be asked for after a loss: the id of the last event that came as a whole.
    pub last_id: Option<String>,
    /// How long to wait after a loss.
    pub retry: Duration,
}

impl Default for Events {
    fn default() -> Self {
        let (pending, name, data) = (Vec::new(), String::new(), String::new());
        Self { pending, name, data, id: None, last_id: None, retry: RECONNECT_DELAY }
    }
}

impl Events {
    /// A stream begins; what the one before did not end is forgotten.
    pub fn begin(&mut self) {
        *self = Self { last_id: self.last_id.take(), retry: self.retry, ..Self::default() };
    }

    pub fn push(&mut self, piece: &[u8]) {
        if self.pending.len() + self.data.len() > LONGEST {
            self.pending.clear();
            self.data.clear();
        }
        self.pending.extend_from_slice(piece);
    }

    /// The next one that is there.
    pub fn next(&mut self) -> Option<SseEvent> {
        let mut done = 0;
        let mut event = None;
        while let Some(end) = memchr::memchr(b'\n', &self.pending[done..]) {
            let line = String::from_utf8_lossy(&self.pending[done..done + end]).into_owned();
            done += end + 1;
            event = self.line(line.trim_end_matches('\r'));
            if event.is_some() {
                break;
            }
        }
        self.pending.drain(..done);
        event
    }

    fn line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            // The greeting has an id and no data.
            self.last_id = self.id.take().or_else(|| self.last_id.take());
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!data.is_empty()).then(|| SseEvent { name, id: self.last_id.clone(), data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" => self.id = Some(value.to_owned()),
            "retry" => {
                let span = value.parse().map(Duration::from_millis);
                self.retry = span.map_or(self.retry, |span| span.min(MAX_RECONNECT_DELAY));
            }
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // A comment.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_whatever_pieces() {
        let stream = "retry: 3000\nid: 4-1\n\n: kept alive\n\nevent: task-removed\r\nid:4-2\r\ndata: {\"id\":7}\r\n\r\n\
                      event: reset\ndata: {}\n\n";
        for size in [1, 3, 1000] {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                events.push(piece);
                seen.extend(std::iter::from_fn(|| events.next()));
            }
            let event =
                |name: &str, data: &str| SseEvent { name: name.into(), id: Some("4-2".into()), data: data.into() };
            assert_eq!(seen, [event("task-removed", "{\"id\":7}"), event("reset", "{}")]);
            assert_eq!(events.last_id.as_deref(), Some("4-2"));
            assert_eq!(events.retry, Duration::from_secs(3));
        }
    }

    #[test]
    fn no_event_is_lost_wherever_a_stream_breaks() {
        let sent: Vec<_> = (1..4).map(|at| format!("event: overview\nid: 4-{at}\ndata: {at}\n\n")).collect();
        // As the Queen does: what came behind an id, or the greeting alone if nothing did.
        let stream = |last: Option<&str>| {
            let last = last.map_or(0, |id| id.strip_prefix("4-").unwrap().parse::<usize>().unwrap());
            let id = if last == sent.len() { "id: 4-3\n" } else { "" };
            format!("retry: 1000\n{id}\n{}", sent[last..].concat())
        };
        for cut in 0..stream(None).len() {
            let mut events = Events::default();
            events.push(&stream(None).as_bytes()[..cut]);
            let mut seen: Vec<_> = std::iter::from_fn(|| events.next()).collect();
            events.begin();
            let rest = stream(events.last_id.as_deref());
            events.push(rest.as_bytes());
            seen.extend(std::iter::from_fn(|| events.next()));
            let seen: Vec<_> = seen.into_iter().map(|event| event.data).collect();
            assert_eq!(seen, ["1", "2", "3"], "cut at {cut}");
        }
    }

    #[test]
    fn a_greeting_without_data_is_where_to_go_on() {
        let mut events = Events::default();
        events.push(b"retry: 1000\nid: 4-9\n");
        assert_eq!((events.next(), events.last_id.as_deref()), (None, None));
        events.push(b"\n");
        assert_eq!((events.next(), events.last_id.as_deref()), (None, Some("4-9")));
    }
}
