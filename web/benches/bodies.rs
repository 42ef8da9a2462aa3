//! What bodies cost on their way through the control plane, without sockets and without a Queen: lines that become
//! the blobs of a task, and results that become lines. Beside each is what it cannot be faster than.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::http::Request;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use web::budget::Budget;
use web::hive::Open;
use web::hive::{
    Amended, Amendment, Amount, By, Claimed, Coverage, Deed, DronePage, DroneQuery, Estimate, Hive, HiveError,
    Identity, LineCounts, NewTask, NotFound, Original, ResultBatch, Results, ResultsFound, SEGMENT, StreamQuery,
    Submitted, Subscription, TaskFilter, TaskPage, TaskQuery, Upload,
};
use web::kinds::digest::Encoding;
use web::metrics::Measures;
use web::model::{
    DroneHistory, DroneView, EventId, FailureGroup, HistoryView, LeaseView, Overview, Series, Step, StreamView,
    TaskCounts, TaskHistory, TaskState, TaskView, Timestamp, Verify,
};
use web::places::Port;
use web::serve::CONNECTION;
use web::{Config, Site};
use wire::blob::{BlobBuf, SharedBlob};
use wire::ids::{DroneId, Epoch, TaskId};

/// Bytes of a body on its way in, of one of its frames, and how many results there are.
const BODY: usize = 16 << 20;
const FRAME: usize = 64 << 10;
const RESULTS: u64 = 200_000;

/// What the n-th input is.
type Inputs = fn(usize) -> String;

/// Takes inputs as they come and drops them; has results at hand.
#[derive(Clone)]
struct Ready {
    inputs: SharedBlob,
    digests: Bytes,
}

impl Ready {
    /// With a batch of results of such inputs.
    fn new(input: Inputs) -> Self {
        let mut inputs = BlobBuf::default();
        while inputs.layout_len() < SEGMENT {
            inputs.push(input(inputs.len()).as_bytes());
        }
        let digests = vec![0xab; 32 * inputs.len()].into();
        Self { inputs: inputs.freeze(), digests }
    }

    fn batch(&self, range: Range<u64>) -> ResultBatch {
        let items = (range.end - range.start) as usize;
        ResultBatch::Digest {
            first: range.start,
            inputs: self.inputs.slice(0..items),
            digests: self.digests.slice(..32 * items),
        }
    }
}

struct Counted(u64);

#[async_trait]
impl Upload for Counted {
    async fn push(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        self.0 += black_box(inputs).len() as u64;
        Ok(())
    }

    async fn finish(self: Box<Self>, _: Option<Identity>) -> Result<TaskView, HiveError> {
        Ok(view(self.0))
    }
}

struct Batches(Ready, Range<u64>);

#[async_trait]
impl Results for Batches {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        let Range { start, end } = self.1;
        let items = (self.0.inputs.as_blob().len() as u64).min(end - start);
        self.1.start += items;
        Ok((items > 0).then(|| self.0.batch(start..start + items)))
    }

    fn pause(&mut self, _: u64) -> bool {
        true
    }
}

fn view(total: u64) -> TaskView {
    TaskView {
        id: TaskId(1),
        batch: None,
        first_task: None,
        kind: "digest".into(),
        algorithm: "sha256".into(),
        encoding: Some(Encoding::Utf8),
        iterations: None,
        name: None,
        priority: 0,
        owner: None,
        owner_id: None,
        address: None,
        verify: Verify::Sample,
        state: TaskState::Done,
        waiting_because: None,
        total,
        done: total,
        suspect: false,
        corrected: 0,
        created_at: Timestamp(0),
        started_at: None,
        deadline_at: None,
        finished_at: None,
        rate: 0.0,
        eta_seconds: None,
        error: None,
        search: None,
    }
}

fn nothing<T>() -> Result<T, HiveError> {
    Err(HiveError::Internal("nobody asks for that here".into()))
}

#[async_trait]
impl Hive for Ready {
    async fn claim(&self, _: [u8; 32]) -> Result<Claimed, HiveError> {
        nothing()
    }
    async fn submit(&self, _: NewTask, inputs: BlobBuf, _: Option<Identity>, _: bool) -> Result<Submitted, HiveError> {
        Ok(Submitted::Seen(view(inputs.len() as u64).into()))
    }
    async fn begin(&self, _: NewTask) -> Result<Box<dyn Upload>, HiveError> {
        Ok(Box::new(Counted(0)))
    }
    async fn task(&self, _: TaskId) -> Result<TaskView, HiveError> {
        Ok(view(RESULTS))
    }
    async fn tasks(&self, _: TaskQuery) -> Result<TaskPage, HiveError> {
        nothing()
    }
    async fn count(&self, _: TaskFilter) -> Result<TaskCounts, HiveError> {
        nothing()
    }
    async fn lines(&self, _: TaskFilter) -> Result<LineCounts, HiveError> {
        nothing()
    }
    async fn failed_since(&self, _: Timestamp) -> Result<web::hive::Counted, HiveError> {
        nothing()
    }
    async fn failures(&self) -> Result<Vec<FailureGroup>, HiveError> {
        nothing()
    }
    async fn computed(&self, _: TaskId) -> Result<ResultsFound, HiveError> {
        nothing()
    }
    async fn ended(&self, _: TaskId) -> Result<TaskView, HiveError> {
        nothing()
    }
    async fn results(&self, _: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError> {
        let range = range.start..range.end.min(RESULTS);
        let results = Box::new(Batches(self.clone(), range.clone()));
        Ok(ResultsFound { task: view(RESULTS), range, is_whole: true, results })
    }
    async fn not_found(&self, _: TaskId, _: Range<u64>) -> Result<NotFound, HiveError> {
        nothing()
    }
    async fn original(&self, _: TaskId, _: usize) -> Result<Original, HiveError> {
        nothing()
    }

    async fn coverage(&self, _: TaskId, _: u64, _: usize) -> Result<Coverage, HiveError> {
        nothing()
    }
    async fn estimate(&self, _: &NewTask, _: &[Amount]) -> Result<Estimate, HiveError> {
        nothing()
    }
    async fn cancel(&self, _: TaskId) -> Result<TaskView, HiveError> {
        nothing()
    }
    async fn pause(&self, _: TaskId) -> Result<TaskView, HiveError> {
        nothing()
    }
    async fn resume(&self, _: TaskId) -> Result<TaskView, HiveError> {
        nothing()
    }
    fn started_at(&self) -> Timestamp {
        Timestamp(0)
    }
    fn tell(&self, _: Deed) {}

    async fn retry(&self, _: TaskId, _: Option<Option<u32>>) -> Result<TaskView, HiveError> {
        nothing()
    }
    async fn amend(&self, _: TaskId, _: Amendment) -> Result<Amended, HiveError> {
        nothing()
    }
    async fn remove(&self, _: TaskId) -> Result<(), HiveError> {
        nothing()
    }
    async fn drone_rates(&self) -> Result<BTreeMap<DroneId, f64>, HiveError> {
        nothing()
    }
    async fn drones(&self, _: DroneQuery) -> Result<DronePage, HiveError> {
        nothing()
    }
    async fn drone(&self, _: DroneId) -> Result<DroneView, HiveError> {
        nothing()
    }
    async fn drain(&self, _: DroneId) -> Result<DroneView, HiveError> {
        nothing()
    }
    async fn disconnect(&self, _: DroneId, _: By) -> Result<DroneView, HiveError> {
        nothing()
    }
    async fn pardon(&self, _: DroneId) -> Result<DroneView, HiveError> {
        nothing()
    }
    async fn overview(&self) -> Result<Overview, HiveError> {
        nothing()
    }
    async fn history(&self, _: &[Series], _: Step) -> Result<HistoryView, HiveError> {
        nothing()
    }
    async fn drone_history(&self, _: DroneId) -> Result<DroneHistory, HiveError> {
        nothing()
    }
    async fn drone_leases(&self, _: DroneId) -> Result<Vec<LeaseView>, HiveError> {
        nothing()
    }
    async fn stream(&self, _: StreamQuery) -> Result<StreamView, HiveError> {
        nothing()
    }
    async fn task_history(&self, _: TaskId) -> Result<TaskHistory, HiveError> {
        nothing()
    }
    async fn throughput(&self) -> Result<web::model::Throughput, HiveError> {
        nothing()
    }
    async fn measures(&self) -> Result<Measures, HiveError> {
        nothing()
    }
    fn subscribe(&self, _: Option<EventId>) -> Subscription {
        let at = EventId { epoch: Epoch(1), seq: 0 };
        Subscription { reset: false, backlog: Vec::new(), events: broadcast::channel(1).1, at }
    }
}

/// One thread, on which requests are answered.
struct Plane {
    runtime: Runtime,
    site: Site,
}

impl Plane {
    fn new(ready: Ready) -> Option<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], 8081));
        let config = Config {
            address,
            max_body: 1 << 30,
            room: 256 << 20,
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            insecure: false,
            tls: None,
            port: Arc::new(Port::new(64)),
            drone_port: Arc::new(Port::new(64)),
            compressing: 1,
            memory: Budget::new(64 * CONNECTION),
            readers: Budget::new(256 << 20),
            limits: web::limits::Limits::default(),
            shutdown: CancellationToken::new(),
        };
        let runtime = Builder::new_current_thread().enable_all().build().ok()?;
        Some(Self { runtime, site: web::site(Arc::new(ready), Arc::new(Open), config) })
    }

    /// Whether a request was answered well, and how many bytes that is.
    fn answer(&self, method: &str, path: &str, body: Body) -> (bool, usize) {
        let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1:8081");
        let Ok(request) = request.header("content-type", "text/plain").body(body) else { return (false, 0) };
        self.runtime.block_on(async {
            let Ok(response) = self.site.clone().oneshot(request).await;
            let is_well = response.status().is_success();
            let mut frames = response.into_body().into_data_stream();
            let mut bytes = 0;
            while let Some(Ok(frame)) = frames.next().await {
                bytes += black_box(frame).len();
            }
            (is_well, bytes)
        })
    }
}

fn email(at: usize) -> String {
    format!("person.{at:07}@example.org")
}

fn lines(c: &mut Criterion) {
    let Some(plane) = Plane::new(Ready::new(email)) else { return };
    let kinds: [(&str, Inputs); 2] = [("28 bytes", email), ("a kibibyte", |at| format!("{at:01023}"))];
    for (name, line) in kinds {
        let text: String = (0..)
            .map(|at| line(at) + "\n")
            .scan(0, |size, line| {
                *size += line.len();
                (*size <= BODY).then_some(line)
            })
            .collect();
        let text = Bytes::from(text);
        let frames: Vec<_> =
            (0..text.len()).step_by(FRAME).map(|at| text.slice(at..text.len().min(at + FRAME))).collect();
        let mut group = c.benchmark_group(format!("upload/lines of {name}"));
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function("text", |bench| {
            bench.iter(|| {
                let frames = frames.clone().into_iter().map(Ok::<_, std::io::Error>);
                let answer = plane.answer("POST", "/tasks", Body::from_stream(futures_util::stream::iter(frames)));
                assert!(answer.0);
            });
        });
        group.bench_function("yardstick: memchr", |bench| {
            bench.iter(|| {
                frames.iter().map(|frame| memchr::memchr_iter(b'\n', black_box(frame)).count()).sum::<usize>()
            });
        });
        group.bench_function("yardstick: memchr and a blob", |bench| {
            bench.iter(|| {
                let mut blob = BlobBuf::with_capacity(SEGMENT / 16, SEGMENT);
                for frame in &frames {
                    let mut start = 0;
                    for end in memchr::memchr_iter(b'\n', frame) {
                        if blob.layout_len() > SEGMENT {
                            black_box(std::mem::replace(&mut blob, BlobBuf::with_capacity(SEGMENT / 16, SEGMENT)));
                        }
                        blob.push(&frame[start..end]);
                        start = end + 1;
                    }
                }
                black_box(blob)
            });
        });
    }
}

fn results(c: &mut Criterion) {
    let kinds: [(&str, Inputs); 2] = [("digests and inputs", email), ("digests alone", |_| String::new())];
    for (name, input) in kinds {
        let ready = Ready::new(input);
        let Some(plane) = Plane::new(ready.clone()) else { return };
        let mut group = c.benchmark_group(format!("results/{name}"));
        for format in ["text", "csv", "ndjson"] {
            let path = format!("/tasks/1/results?format={format}");
            group.throughput(Throughput::Bytes(plane.answer("GET", &path, Body::empty()).1 as u64));
            group.bench_function(format, |bench| {
                bench.iter(|| assert!(plane.answer("GET", &path, Body::empty()).0));
            });
        }
        // As many digests, of which nothing but their digits is written.
        group.throughput(Throughput::Bytes(64 * RESULTS));
        group.bench_function("yardstick: hex", |bench| {
            let mut out = vec![0; 2 * ready.digests.len()];
            let rounds = RESULTS as usize * 32 / ready.digests.len();
            bench.iter(|| {
                for _ in 0..rounds {
                    assert!(const_hex::encode_to_slice(black_box(&ready.digests), &mut out).is_ok());
                    black_box(&out);
                }
                let rest = &ready.digests[..RESULTS as usize * 32 - rounds * ready.digests.len()];
                assert!(const_hex::encode_to_slice(rest, &mut out[..2 * rest.len()]).is_ok());
                black_box(&out);
            });
        });
    }
}

fn config() -> Criterion {
    let short = Duration::from_millis(300);
    Criterion::default().sample_size(10).warm_up_time(short).measurement_time(Duration::from_secs(1)).without_plots()
}

criterion_group! { name = benches; config = config(); targets = lines, results }
criterion_main!(benches);
