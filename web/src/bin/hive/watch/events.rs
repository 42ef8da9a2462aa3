//! Server-sent events out of bytes, as HTML's standard describes them ("Interpreting an event stream").

/// The longest event that is taken, in bytes; a longer one is dropped.
const LONGEST: usize = 16 << 20;

/// An event that has come as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: String,
}

/// What came so far.
#[derive(Debug, Default)]
pub struct Events {
    pending: Vec<u8>,
    name: String,
    data: String,
    /// What is to be asked for after a loss.
    pub last_id: Option<String>,
}

impl Events {
    pub fn take(&mut self, piece: &[u8]) {
        if self.pending.len() + self.data.len() > LONGEST {
            self.pending.clear();
            self.data.clear();
        }
        self.pending.extend_from_slice(piece);
    }

    /// The next one that is there.
    pub fn next(&mut self) -> Option<Event> {
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

    fn line(&mut self, line: &str) -> Option<Event> {
        if line.is_empty() {
            let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
            return (!data.is_empty()).then(|| Event { name, id: self.last_id.clone(), data });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "id" => self.last_id = Some(value.to_owned()),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // A comment, or how long to wait before coming back, which is known better here.
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
        let stream = "retry: 1000\nid: 4-1\n\n: kept alive\n\nevent: task-removed\r\nid:4-2\r\ndata: {\"id\":7}\r\n\r\n\
                      event: reset\ndata: {}\n\n";
        for size in [1, 3, 1000] {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                events.take(piece);
                seen.extend(std::iter::from_fn(|| events.next()));
            }
            let event = |name: &str, data: &str| Event { name: name.into(), id: Some("4-2".into()), data: data.into() };
            assert_eq!(seen, [event("task-removed", "{\"id\":7}"), event("reset", "{}")]);
            assert_eq!(events.last_id.as_deref(), Some("4-2"));
        }
    }
}
