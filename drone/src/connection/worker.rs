//! What outlives connections: the session, the pool's reports, and the story.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Interval, interval};
use wire::message::ToDrone;

use crate::config::Shutdown;
use crate::console::story;
use crate::narrator::Narrator;
use crate::pool::{Assignment, Pool, Report};
use crate::session::{Effect, Session, Violation};

/// Reports taken from the pool at once.
const MAX_REPORTS: usize = 64;

/// How often the story looks for something to sum up.
const STORY_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct Worker<'a> {
    pool: &'a Pool,
    pub(super) shutdown: &'a Shutdown,
    pub(super) reports: mpsc::Receiver<Report>,
    pub(super) session: Session,
    pub(super) narrator: Narrator,
    pub(super) story: Interval,
}

impl<'a> Worker<'a> {
    pub(super) fn new(
        pool: &'a Pool,
        reports: mpsc::Receiver<Report>,
        shutdown: &'a Shutdown,
        show_words: bool,
    ) -> Self {
        let (session, narrator) = (Session::default(), Narrator::new(show_words));
        Self { pool, shutdown, reports, session, narrator, story: interval(STORY_INTERVAL) }
    }

    /// Waits for `future` without a Queen, while the threads go on; `None` when the Drone is to
    /// leave.
    pub(super) async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        let mut future = std::pin::pin!(future);
        let mut reports = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = self.shutdown.requested() => return None,
                outcome = &mut future => return Some(outcome),
                () = next_reports(&mut self.reports, &mut reports), if self.session.takes_reports() => {
                    self.receive(&mut reports);
                }
                _ = self.story.tick() => self.narrator.tick(Instant::now()),
            }
        }
    }

    pub(super) fn hear(&mut self, frame: &Bytes, message: &ToDrone<'_>) -> Result<(), Violation> {
        let mut effects = Vec::new();
        let heard = self.session.hear(frame, message, &mut effects);
        self.perform(effects);
        heard
    }

    /// Gives the session these reports, and those that are there already, while there is room.
    pub(super) fn receive(&mut self, reports: &mut Vec<Report>) {
        let mut effects = Vec::new();
        reports.drain(..).for_each(|report| self.session.report(report, &mut effects));
        for _ in 1..MAX_REPORTS {
            match self.session.takes_reports().then(|| self.reports.try_recv()) {
                Some(Ok(report)) => self.session.report(report, &mut effects),
                _ => break,
            }
        }
        self.perform(effects);
    }

    pub(super) fn heartbeat(&mut self) {
        self.session.heartbeat(&self.pool.standings(), self.pool.worked());
    }

    pub(super) fn drain(&mut self) {
        let mut effects = Vec::new();
        self.session.drain(&mut effects);
        self.perform(effects);
    }

    /// Hands everything back, except what was computed already.
    pub(super) fn give_up(&mut self) {
        let mut effects = Vec::new();
        while let Ok(report) = self.reports.try_recv() {
            self.session.report(report, &mut effects);
        }
        story!("🏁", "Leaving; chunks handed back: {}", self.session.computing());
        self.session.give_up(&mut effects);
        self.perform(effects);
    }

    /// Tells the operator what is lost because the Drone leaves while there is no Queen to give it back to.
    pub(super) fn abandon(&self) {
        let (all, unfinished) = (self.session.len(), self.session.computing());
        if all > 0 {
            let computed = all - unfinished;
            story!("🏁", "Leaving without a Queen; chunks dropped: {unfinished} unfinished, {computed} computed");
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let now = Instant::now();
        for effect in effects {
            self.narrator.tell(&effect, now);
            match effect {
                Effect::Start { assignment, .. } => self.start(assignment),
                Effect::Shrink { urgency, end } => self.pool.shrink(urgency, end),
                Effect::Recall => self.recall(),
                Effect::Results(_) | Effect::Failed { .. } | Effect::Ended { .. } | Effect::Adopted { .. } => {}
            }
        }
    }

    /// Has a lease computed; a brief one here, since it takes less time than a way to a thread and back.
    fn start(&mut self, assignment: Assignment) {
        if !self.session.takes_reports() {
            return self.pool.add(assignment);
        }
        match self.pool.compute_brief(assignment) {
            Ok(report) => {
                let mut effects = Vec::new();
                self.session.report(report, &mut effects);
                self.perform(effects);
            }
            Err(assignment) => self.pool.add(assignment),
        }
    }

    fn recall(&mut self) {
        let mut effects = Vec::new();
        self.session.hand_back(self.pool.recall(), &mut effects);
        story!("🏁", "Leaving; running chunks to finish first: {}", self.session.computing());
        self.perform(effects);
    }
}

/// Waits for the next report; never done when there will be no more. Safe to cancel.
pub(super) async fn next_reports(receiver: &mut mpsc::Receiver<Report>, reports: &mut Vec<Report>) {
    match receiver.recv().await {
        Some(report) => reports.push(report),
        None => std::future::pending().await,
    }
}
