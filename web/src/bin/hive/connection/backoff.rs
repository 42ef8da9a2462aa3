//! For how long, and how often, something is tried again.

use std::thread;
use std::time::{Duration, Instant};

use drone::console::span;

use crate::failure::Failure;
use crate::notes::Notes;

/// The first pause before it is tried again; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest, unless the Queen asks for a longer one.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Why a try came to nothing.
#[derive(Debug)]
pub struct RequestError {
    /// What it is if nothing helps.
    pub failure: Failure,
    /// What the answer was, if there was one.
    pub status: Option<u16>,
    /// Whether trying again may help.
    pub is_transient: bool,
    /// Before when it does not.
    pub after: Option<Duration>,
}

impl From<Failure> for RequestError {
    fn from(failure: Failure) -> Self {
        Self { failure, status: None, is_transient: false, after: None }
    }
}

/// When one thing is tried again, with exponential backoff, and for how long.
#[derive(Debug)]
pub struct Backoff {
    notes: Notes,
    /// How long nothing may come of it.
    limit: Duration,
    /// No pause is shorter, unless the Queen asks for that.
    least: Duration,
    since: Option<Instant>,
    tries: u32,
    /// What the user was told last.
    last_message: String,
}

impl Backoff {
    pub fn new(notes: Notes, limit: Duration) -> Self {
        Self { notes, limit, least: Duration::ZERO, since: None, tries: 0, last_message: String::new() }
    }

    /// Something came of it: what goes wrong next has all the time again.
    pub fn reset(&mut self) {
        (self.since, self.tries) = (None, 0);
        self.last_message.clear();
    }

    /// No pause is shorter from now on.
    pub fn pause_at_least(&mut self, least: Duration) {
        self.least = least;
    }

    /// Waits until it may be tried again.
    ///
    /// # Errors
    /// What is wrong, if trying again does not help, or not in time.
    pub fn wait(&mut self, error: RequestError) -> Result<(), Failure> {
        let RequestError { failure, is_transient, after, .. } = error;
        let since = *self.since.get_or_insert_with(Instant::now);
        let left = self.limit.saturating_sub(since.elapsed());
        let grown = PAUSE.saturating_mul(1 << self.tries.min(16)).min(PAUSE_MAX);
        let pause = after.unwrap_or_else(|| spread(grown).max(self.least));
        if !is_transient || left.is_zero() || after.is_some_and(|after| after > left) {
            return Err(failure);
        }
        let text = failure.to_string();
        // A moment's absence is not worth a word.
        if self.tries >= 3 && text != self.last_message {
            self.notes.note(&format!("{text}\nTrying again for {}", span(left.as_secs_f64())));
            self.last_message = text;
        }
        self.tries += 1;
        thread::sleep(pause.min(left));
        Ok(())
    }
}

/// A little more or less, so that many who lost the same Queen do not come back at once.
fn spread(pause: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without randomness they do.
    let _ = getrandom::fill(&mut byte);
    pause.mul_f64(0.75 + f64::from(byte[0]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request_error(is_transient: bool, after: Option<u64>) -> RequestError {
        let failure = Failure::Unreachable("she is away".to_owned());
        RequestError { failure, status: None, is_transient, after: after.map(Duration::from_secs) }
    }

    #[test]
    fn what_does_not_pass_is_not_tried_again() {
        let mut backoff = Backoff::new(Notes::default(), Duration::from_secs(60));
        assert!(backoff.wait(request_error(false, None)).is_err());
        assert!(backoff.wait(request_error(true, Some(61))).is_err(), "that is too late");
        assert!(backoff.wait(request_error(true, Some(0))).is_ok());
        assert!(Backoff::new(Notes::default(), Duration::ZERO).wait(request_error(true, None)).is_err());
    }
}
