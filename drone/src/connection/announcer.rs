//! What the operator is told of the connection.

use std::fmt;

use wire::ids::DroneId;

use super::outage::Outage;
use crate::config::Config;
use crate::console::story;
use crate::session::Session;

/// Tells the operator what becomes of the connection, and nothing twice.
pub(super) struct Announcer<'a> {
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

impl<'a> Announcer<'a> {
    pub(super) fn new(config: &'a Config) -> Self {
        story!("🐝", "Drone {} is looking for the Queen at {} …", config.name, config.queen);
        Self { config, state: State::New, has_met: false }
    }

    pub(super) fn connected(&mut self, drone: DroneId) {
        let (queen, threads) = (&self.config.queen, self.config.threads);
        self.state = State::Connected;
        match std::mem::replace(&mut self.has_met, true) {
            false => story!("✅", "Connected to the Queen! This is drone {drone}; compute threads: {threads}"),
            true => story!("✅", "Connected to the Queen at {queen} again, as drone {drone}"),
        }
    }

    pub(super) fn lost(&mut self, outage: &Outage, session: &Session) {
        let queen = &self.config.queen;
        let rest = Leftover(session);
        if outage.is_lasting() {
            let reason = outage.to_string();
            if !matches!(&self.state, State::Stuck(last) if *last == reason) {
                tracing::warn!("No work from {queen}: {reason}. Trying again every few seconds{rest}");
                self.state = State::Stuck(reason);
            }
            return;
        }
        match self.state {
            State::New | State::Stuck(_) => {
                story!("💤", "No Queen at {queen} yet ({outage}); trying until she is there")
            }
            State::Connected => story!("💔", "Lost the Queen at {queen}: {outage}. Trying to find her again{rest} …"),
            State::Away => {}
        }
        self.state = State::Away;
    }
}

/// What of the Queen's work goes on, or is kept, while she is away.
struct Leftover<'a>(&'a Session);

impl fmt::Display for Leftover<'_> {
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
