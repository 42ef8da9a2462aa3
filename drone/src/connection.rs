//! The connection to the Queen: making it, using it, and making it again for ever.

mod announcer;
mod backoff;
mod dial;
mod outage;
mod serve;
mod tls;
mod worker;

use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::sleep;
use wire::handshake::Rate;

use self::announcer::Announcer;
use self::backoff::Backoff;
use self::serve::Departure;
use self::worker::Worker;
use crate::config::{Config, Shutdown};
use crate::console::story;
use crate::pool::{Pool, Report};

/// A connection that lasted this long was a good one: the pauses between attempts begin anew behind it.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// Serves the Queen until the Drone is asked to stop. While there is none, what was begun goes
/// on, and its results are kept for her.
pub(crate) async fn run(
    config: &Config,
    rates: &[Rate<'static>],
    pool: &Pool,
    reports: mpsc::Receiver<Report>,
    shutdown: &Shutdown,
) {
    let mut worker = Worker::new(pool, reports, shutdown, config.show_words);
    let mut backoff = Backoff::default();
    let mut announcer = Announcer::new(config);
    loop {
        let Some(dialled) = worker.meanwhile(dial::dial(config, rates)).await else { break worker.abandon() };
        let outage = match dialled {
            Err(outage) => outage,
            Ok(welcome) => {
                announcer.connected(welcome.drone);
                let since = Instant::now();
                let outage = match serve::serve(welcome, &mut worker).await {
                    Departure::Left => break,
                    Departure::Lost(outage) => outage,
                };
                if since.elapsed() >= STABLE_AFTER {
                    backoff = Backoff::default();
                }
                outage
            }
        };
        announcer.lost(&outage, &worker.session);
        let pause = if outage.is_lasting() { backoff.longest() } else { backoff.next() };
        let Some(()) = worker.meanwhile(sleep(pause)).await else { break worker.abandon() };
    }
    worker.narrator.finish(Instant::now());
    story!("👋", "Left the Hive");
}
