//! What people are told beside the output: on standard error, above a progress bar if there is one.

use std::io::Write as _;
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::ProgressBar;

use crate::failure::INTERRUPTED;

/// Standard error. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Notes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    bar: Option<ProgressBar>,
    /// What is said when somebody presses Ctrl-C; unless there is something to say, the process just ends.
    parting: Option<String>,
    /// Whether that is listened for.
    is_listening: bool,
}

impl Notes {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says something, in a line that begins with the program's name.
    pub fn note(&self, text: &str) {
        let bar = self.state().bar.clone();
        match bar {
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }

    /// Shows a bar; the one before goes.
    pub fn show(&self, bar: Option<ProgressBar>) {
        let before = std::mem::replace(&mut self.state().bar, bar);
        if let Some(before) = before {
            before.finish_and_clear();
        }
    }

    /// What Ctrl-C is answered with until that is dropped.
    #[must_use]
    pub fn on_interrupt(&self, parting: String) -> Parting {
        let mut state = self.state();
        state.parting = Some(parting);
        if !std::mem::replace(&mut state.is_listening, true) {
            let notes = self.clone();
            // Without it, Ctrl-C ends the process all the same, and only less is said.
            let _ = std::thread::Builder::new().name("signals".to_owned()).spawn(move || notes.listen());
        }
        Parting(self.clone())
    }

    fn listen(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let Ok(runtime) = runtime else { return };
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            self.show(None);
            if let Some(parting) = self.state().parting.take() {
                say(&parting);
            }
            process::exit(INTERRUPTED.into());
        }
    }
}

/// Takes back what Ctrl-C is answered with.
#[derive(Debug)]
pub struct Parting(Notes);

impl Drop for Parting {
    fn drop(&mut self) {
        self.0.state().parting = None;
    }
}

/// Nobody may be listening, which is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "hive: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parting_words_are_said_while_they_are_true() {
        let notes = Notes::default();
        let parting = notes.on_interrupt("it goes on".to_owned());
        assert_eq!(notes.state().parting.as_deref(), Some("it goes on"));
        drop(parting);
        assert_eq!(notes.state().parting, None);
    }
}
