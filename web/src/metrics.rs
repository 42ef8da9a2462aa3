//! What a Prometheus that asks for it is told: the numbers of `/stats` and a few besides, in the text format 0.0.4.
//!
//! Nothing is counted for it that is known already: each time somebody asks, it is made of what there is. Only what
//! has a distribution is kept in histograms, where it happens.

mod answers;
mod lines;
mod process;

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
pub use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub(crate) use self::answers::{Answered, RouteMetrics};
use self::lines::Lines;
pub(crate) use self::process::Process;
use crate::model::{DroneCounts, LeaseCounts, Overview, TaskState, VerifiedCounts};

/// The media type of what is told.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// What a Queen says of herself besides the [`Overview`].
#[derive(Debug, Clone)]
pub struct Measures {
    /// The whole at a glance.
    pub overview: Overview,
    /// She takes over what there is on disk, and knows a part of it.
    pub recovering: bool,
    /// Changes on their way to the disk; `None` if nothing is kept.
    pub journal: Option<JournalMeasures>,
    /// Lines of the log that were dropped because nobody read them in time, since the start.
    pub dropped_log_lines: u64,
}

/// Changes on their way to the disk, and how their commits went.
#[derive(Debug, Clone)]
pub struct JournalMeasures {
    /// Groups of changes that wait, or are being committed.
    pub waiting: u64,
    /// Results in them, in bytes.
    pub waiting_bytes: u64,
    /// What commits took, in seconds.
    pub seconds: Histogram,
    /// How many changes were committed together.
    pub changes: Histogram,
}

/// Connections of one port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    /// Who connects there.
    pub(crate) port: &'static str,
    /// How many there are.
    pub(crate) open: usize,
    /// How many there may be.
    pub(crate) most: usize,
}

/// All that is told at one time.
#[derive(Debug)]
pub(crate) struct Scrape {
    /// What the Queen says.
    pub(crate) measures: Measures,
    /// How requests were answered.
    pub(crate) routes: Arc<[RouteMetrics]>,
    /// Of each port.
    pub(crate) connections: [Connections; 2],
    /// What the kernel says, where it does.
    pub(crate) process: Option<Process>,
}

impl Scrape {
    /// All of it as Prometheus reads it: of the media type [`CONTENT_TYPE`].
    pub(crate) fn into_text(self) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut lines = Lines(encoder);
        let Measures { overview, recovering, journal, dropped_log_lines } = &self.measures;
        let help = "1 while the Queen takes over what there is on disk, and knows a part of it";
        lines.gauge("hive_recovering", help, f64::from(u8::from(*recovering)))?;
        work(&mut lines, overview)?;
        drones(&mut lines, overview)?;
        storage(&mut lines, overview)?;
        if let Some(journal) = journal {
            lines.gauge("hive_journal_groups", "Groups of changes on their way to the disk", journal.waiting as f64)?;
            let help = "Results on their way to the disk";
            lines.gauge("hive_journal_bytes", help, journal.waiting_bytes as f64)?;
            lines.histogram("hive_commit_duration_seconds", "What commits to the disk took", &journal.seconds)?;
            lines.histogram("hive_commit_changes", "How many changes were committed together", &journal.changes)?;
        }
        let open = self.connections.map(|of| ([("port", of.port)], of.open as f64));
        lines.gauges("hive_connections", "Open connections", open)?;
        let most = self.connections.map(|of| ([("port", of.port)], of.most as f64));
        lines.gauges("hive_connections_limit", "The most connections that may be open", most)?;
        answers::encode(&mut lines, &self.routes)?;
        let help = "Lines of the log that were dropped because nobody read them in time";
        lines.counter("hive_log_lines_dropped", help, *dropped_log_lines as f64)?;
        self.process.as_ref().map_or(Ok(()), |process| process.encode(&mut lines))
    }
}

/// Tasks, items and leases.
fn work(lines: &mut Lines, overview: &Overview) -> Result<(), std::fmt::Error> {
    let version = [([("version", &*overview.version)], 1.0)];
    lines.gauges("hive_build_info", "The Queen's version", version)?;
    lines.gauge("hive_epoch", "How often a Queen has taken over what is kept", overview.epoch.0 as f64)?;
    let tasks = TaskState::ALL.map(|state| ([("state", state.name())], overview.tasks.of(state) as f64));
    lines.gauges("hive_tasks", "Tasks that are kept, by state", tasks)?;
    let help = "How long ago the oldest task was submitted that is pending; 0 if there is none";
    lines.gauge("hive_queue_age_seconds", help, overview.oldest_pending_seconds.unwrap_or_default())?;
    lines.gauge("hive_items_queued", "Items that are to be computed", overview.items_queued as f64)?;
    lines.counter("hive_items_done", "Items that were computed", overview.items_done as f64)?;
    let help = "SHA-256 compressions that Drones computed, and that counted";
    lines.counter("hive_compressions", help, overview.compressions_done as f64)?;
    let LeaseCounts { given, twinned, adopted, expired, failed } = overview.leases;
    lines.counter("hive_leases_given", "Leases that were sent to Drones, twins among them", given as f64)?;
    lines.counter("hive_leases_twinned", "Leases of ranges that another Drone had too", twinned as f64)?;
    let help = "Leases of ranges that Drones which came back still had";
    lines.counter("hive_leases_adopted", help, adopted as f64)?;
    let help = "Leases that were taken back because their Drone was lost, silent, or did not know of them";
    lines.counter("hive_leases_expired", help, expired as f64)?;
    lines.counter("hive_leases_failed", "Leases that their Drones could not compute", failed as f64)?;
    let VerifiedCounts { right, wrong } = overview.verified;
    let verdicts = [("right", right), ("wrong", wrong)];
    let verdicts = verdicts.map(|(verdict, count)| ([("verdict", verdict)], count as f64));
    lines.counters("hive_results_verified", "Results that were computed a second time, to compare", verdicts)
}

/// Who computes.
fn drones(lines: &mut Lines, overview: &Overview) -> Result<(), std::fmt::Error> {
    let DroneCounts { idle, busy, leaving, quarantined, away } = overview.drone_states;
    let states = [("idle", idle), ("busy", busy), ("leaving", leaving), ("quarantined", quarantined), ("away", away)];
    let states = states.map(|(state, count)| ([("state", state)], count as f64));
    lines.gauges("hive_drones", "Drones that are connected, or waited for, by state", states)?;
    lines.gauge("hive_drone_threads", "Compute threads of connected Drones", overview.threads as f64)
}

/// Memory and disk against their limits.
fn storage(lines: &mut Lines, overview: &Overview) -> Result<(), std::fmt::Error> {
    let help = "What is held in memory of tasks, results and connections";
    lines.gauge("hive_memory_bytes", help, overview.memory_used as f64)?;
    lines.gauge("hive_memory_limit_bytes", "The most of that", overview.memory_limit as f64)?;
    let Some(data) = &overview.data else { return Ok(()) };
    lines.gauge("hive_data_bytes", "What is on disk", data.used as f64)?;
    lines.gauge("hive_data_unfinished_bytes", "What of it cannot go", data.unfinished as f64)?;
    lines.gauge("hive_data_limit_bytes", "The most that may be on disk", data.limit as f64)?;
    let help = "Finished tasks that went before their time, for want of room";
    lines.counter("hive_tasks_removed_early", help, data.removed_early as f64)?;
    let fault = f64::from(u8::from(data.fault.is_some()));
    lines.gauge("hive_disk_fault", "1 while nothing can be written to the disk", fault)
}
