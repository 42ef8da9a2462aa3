//! Pages of the browser, as its script reads them: what each takes, and what many that are open take together.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::api::Api;
use super::client::Client;
use super::report::Times;

/// As a browser asks.
const HEADERS: &str = "accept: text/html\r\naccept-encoding: gzip\r\n";

/// As the script of a page reads it again.
const AGAIN: &str = "accept: text/html\r\naccept-encoding: gzip\r\nhive-refresh: 1\r\n";

/// Between two readings, as in the script.
const PAUSE: Duration = Duration::from_secs(1);

/// Pages that are open; they are read again whenever something changes, until this is dropped.
pub struct Open {
    /// Readings so far.
    reads: Arc<AtomicU64>,
    _pages: JoinSet<anyhow::Result<()>>,
}

/// How long a page took each of so many times, and how many bytes it is long as it is sent.
pub async fn read(api: &Api, path: &str, times: u64) -> anyhow::Result<(Times, usize)> {
    let (mut client, mut taken, mut length) = (Client::connect(api).await?, Vec::new(), 0);
    for _ in 0..times {
        let (begun, mut bytes) = (Instant::now(), 0);
        client
            .download(path, HEADERS, |piece| {
                bytes += piece.len();
                Ok(())
            })
            .await?;
        taken.push(begun.elapsed());
        length = bytes;
    }
    Ok((Times::of(taken), length))
}

impl Open {
    /// Opens so many pages, of these paths in turn.
    pub async fn pages(api: &Api, paths: &[&'static str], count: u64) -> anyhow::Result<Self> {
        let (reads, mut pages) = (Arc::new(AtomicU64::new(0)), JoinSet::new());
        for &path in paths.iter().cycle().take(count as usize) {
            let (change, api) = (Arc::new(Notify::new()), api.clone());
            let mut events = Client::connect(&api).await?;
            let changed = Arc::clone(&change);
            pages.spawn(async move {
                let told = |_: &[u8]| {
                    changed.notify_one();
                    Ok(())
                };
                events.download("/events", "accept: text/event-stream\r\n", told).await
            });
            let (mut client, reads) = (Client::connect(&api).await?, Arc::clone(&reads));
            pages.spawn(async move {
                loop {
                    change.notified().await;
                    client.download(path, AGAIN, |_| Ok(())).await?;
                    reads.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        Ok(Self { reads, _pages: pages })
    }

    /// How often pages were read so far.
    pub fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }
}
