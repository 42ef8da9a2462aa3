//! The connection to the Queen: making it, using it, and making it again for ever.

mod backoff;
mod dial;
mod serve;
mod trust;
mod worker;

use std::time::{Duration, Instant};
use std::{fmt, io};

use tokio::sync::mpsc;
use tokio::time::sleep;
use wire::codec::ConnectionError;
use wire::handshake::Rate;
use wire::preface::VERSION;

use self::backoff::Backoff;
use self::serve::Departure;
use self::trust::Untrusted;
use self::worker::Worker;
use crate::config::{Config, Shutdown};
use crate::pool::{Pool, Report};
use crate::session::{Session, Violation};
use crate::story;

/// A connection that lasted this long was a good one: the next is tried at once again.
const LASTING: Duration = Duration::from_secs(5);

/// Why there is no connection, or not any more.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("{0}")]
    Unreachable(io::Error),
    #[error("this is not a Queen's port for Drones: {0}")]
    Foreign(String),
    #[error(
        "the Queen speaks version {0} of the protocol, this Drone speaks version {VERSION}; use the same release of both"
    )]
    Version(u16),
    #[error("the Queen refuses this Drone: {0}")]
    Refused(String),
    #[error(transparent)]
    Untrusted(#[from] Untrusted),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the Queen closed it")]
    Closed,
    #[error("she said goodbye: {0}")]
    Goodbye(String),
    #[error("the Queen has not said a word for {} ms", .0.as_millis())]
    Silent(Duration),
    #[error("the Queen broke the protocol: {0}")]
    Violation(#[from] Violation),
    #[error("the operating system has no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
}

impl Trouble {
    /// Whether trying again soon is pointless: somebody has to change something first.
    fn is_lasting(&self) -> bool {
        match self {
            Self::Foreign(_) | Self::Version(_) | Self::Refused(_) | Self::Untrusted(_) | Self::Violation(_) => true,
            Self::Unreachable(_) | Self::Broken(_) | Self::Closed | Self::Goodbye(_) | Self::Silent(_) => false,
            Self::Randomness(_) => false,
        }
    }
}

impl From<ConnectionError> for Trouble {
    fn from(error: ConnectionError) -> Self {
        match error {
            // With TLS, that is what the end of a Queen looks like who had no time for a farewell.
            ConnectionError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => Self::Closed,
            error => Self::Broken(error.to_string()),
        }
    }
}

/// Serves the Queen until the Drone is asked to stop. While there is none, what was begun goes
/// on, and its results are kept for her.
pub(crate) async fn keep(
    config: &Config,
    rates: &[Rate<'static>],
    pool: &Pool,
    reports: mpsc::Receiver<Report>,
    shutdown: &Shutdown,
) {
    let mut worker = Worker::new(pool, reports, shutdown, config.show_words);
    let mut backoff = Backoff::default();
    let mut mood = Mood::new(config);
    loop {
        let Some(dialled) = worker.meanwhile(dial::dial(config, rates)).await else { break worker.abandon() };
        let trouble = match dialled {
            Err(trouble) => trouble,
            Ok(link) => {
                mood.connected(&link);
                let since = Instant::now();
                let trouble = match serve::serve(link, &mut worker).await {
                    Departure::Left => break,
                    Departure::Lost(trouble) => trouble,
                };
                if since.elapsed() >= LASTING {
                    backoff = Backoff::default();
                }
                trouble
            }
        };
        mood.trouble(&trouble, &worker.session);
        let pause = if trouble.is_lasting() { backoff.longest() } else { backoff.next() };
        let Some(()) = worker.meanwhile(sleep(pause)).await else { break worker.abandon() };
    }
    worker.teller.finish(Instant::now());
    story!("👋", "Left the Hive");
}

/// What the operator was told last, so that nothing is told twice.
struct Mood<'a> {
    config: &'a Config,
    state: State,
    /// Whether there was a connection before.
    has_met: bool,
}

enum State {
    /// Not connected yet.
    New,
    Connected,
    /// Not connected, and the operator knows.
    Away,
    /// Not connected, for a reason that stays: the one that was told.
    Stuck(String),
}

impl<'a> Mood<'a> {
    fn new(config: &'a Config) -> Self {
        story!("🐝", "Drone {} is looking for the Queen at {} …", config.name, config.queen);
        Self { config, state: State::New, has_met: false }
    }

    fn connected(&mut self, link: &dial::Link) {
        let (queen, drone, threads) = (&self.config.queen, link.drone, self.config.threads);
        self.state = State::Connected;
        match std::mem::replace(&mut self.has_met, true) {
            false => story!("✅", "Connected to the Queen! This is drone {drone}; compute threads: {threads}"),
            true => story!("✅", "Connected to the Queen at {queen} again, as drone {drone}"),
        }
    }

    fn trouble(&mut self, trouble: &Trouble, session: &Session) {
        let queen = &self.config.queen;
        let rest = Rest(session);
        if trouble.is_lasting() {
            let reason = trouble.to_string();
            if !matches!(&self.state, State::Stuck(told) if *told == reason) {
                tracing::warn!("No work from {queen}: {reason}. Trying again every few seconds{rest}");
                self.state = State::Stuck(reason);
            }
            return;
        }
        match self.state {
            State::New | State::Stuck(_) => {
                story!("💤", "No Queen at {queen} yet ({trouble}); trying until she is there")
            }
            State::Connected => story!("💔", "Lost the Queen at {queen}: {trouble}. Trying to find her again{rest} …"),
            State::Away => {}
        }
        self.state = State::Away;
    }
}

/// What goes on while there is no Queen.
struct Rest<'a>(&'a Session);

impl fmt::Display for Rest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (running, all) = (self.0.computing(), self.0.len());
        let chunks = |count| if count == 1 { "1 chunk".to_owned() } else { format!("{count} chunks") };
        match (running, all - running) {
            (0, 0) => Ok(()),
            (running, 0) => write!(f, "; {} of hers will be finished meanwhile", chunks(running)),
            (0, computed) => write!(f, "; the results of {} are kept for her", chunks(computed)),
            (running, computed) => write!(
                f,
                "; {} of hers will be finished meanwhile, the results of {} are kept for her",
                chunks(running),
                chunks(computed)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_version_names_both() {
        let text = Trouble::Version(VERSION + 1).to_string();
        assert!(text.contains(&format!("version {VERSION}")) && text.contains(&format!("version {}", VERSION + 1)));
    }
}
