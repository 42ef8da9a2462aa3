//! A Hive without Drones, which hashes and searches at once.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Notify, broadcast};
use web::hive::{
    Action, Amended, Amendment, Amount, By, Claim, Claimed, Counted, Coverage, Deed, DronePage, DroneQuery, Estimate,
    Finding, Hive, HiveError, Identity, LineCounts, NewTask, NotFound, Original, ResultBatch, Results, ResultsFound,
    SearchProgress, Span, StreamQuery, Submitted, Subscription, TaskFilter, TaskPage, TaskQuery, Upload, is_called,
};
use web::kinds::Specification;
use web::metrics::{Histogram, JournalMeasures, Measures};
use web::model::{
    BlamedOn, Change, Data, DroneCounts, DroneHistory, DroneState, DroneView, Event, EventId, FailureGroup,
    HistoryView, Kernels, LeaseCounts, LeaseView, Overview, SearchView, Series, Step, StreamView, TaskCounts,
    TaskHistory, TaskState, TaskView, Throughput, Timestamp, VerifiedCounts,
};
use wire::blob::BlobBuf;
use wire::ids::{DroneId, Epoch, TaskId};

use super::searches::{FakeFindings, FakeNotFound, covered, not_found, searched};

/// How the fake behaves, and what it saw.
pub struct Inner {
    /// Forgotten ones are `None`.
    pub tasks: Vec<Option<Task>>,
    /// How many items of a new task are computed; all if `None`.
    pub computed: Option<u64>,
    /// What is computed is not on disk until [`Fake::complete`].
    pub is_slow_disk: bool,
    /// What is on disk.
    pub data: Option<Data>,
    /// The idempotency keys that were claimed; those under way are `None`.
    pub keys: HashMap<[u8; 32], Option<(TaskId, [u8; 32])>>,
    /// How many rows a batch of results has.
    pub batch: usize,
    /// After how many batches reading results fails.
    pub broken_after: Option<usize>,
    /// Pausing a task waits for [`Fake::release`].
    pub holds: bool,
    /// What every call answers, if anything.
    pub error: Option<HiveError>,
    /// What new tasks are refused with, if anything.
    pub refuses: Option<HiveError>,
    /// Uploads begun, tasks submitted in one call, pushed pieces' sizes, uploads finished.
    pub begun: usize,
    pub submitted: usize,
    pub pieces: Vec<(usize, usize)>,
    pub finished: usize,
    /// Panic in `overview`.
    pub panics: bool,
    pub events: Vec<Arc<Event>>,
    /// What users did.
    pub deeds: Vec<Deed>,
    /// Its only Drone.
    pub drone: DroneView,
    /// Drones that are connected, and those in quarantine, as the whole says.
    pub drones: u64,
    pub quarantined: u64,
    /// Where Drones connect.
    pub drone_addr: String,
    /// What was measured.
    pub drone_history: DroneHistory,
    pub task_history: TaskHistory,
    pub throughput: Throughput,
    pub stream: StreamView,
    pub leases: Vec<LeaseView>,
    /// The last page of the stream that was asked for.
    pub stream_query: Option<StreamQuery>,
    /// What has become of every task's parts, unless it is to follow from how many are done.
    pub spans: Vec<Span>,
}

pub struct Task {
    pub view: TaskView,
    pub new: NewTask,
    pub inputs: Vec<Vec<u8>>,
    /// Of a search.
    pub findings: Vec<Finding>,
}

pub struct Fake {
    inner: Arc<Mutex<Inner>>,
    sender: broadcast::Sender<Arc<Event>>,
    changed: Arc<Notify>,
}

/// A fake with room for so many events in a subscriber's queue.
pub fn fake(queue: usize) -> Arc<Fake> {
    let inner = Inner {
        tasks: Vec::new(),
        computed: None,
        is_slow_disk: false,
        data: None,
        keys: HashMap::new(),
        batch: 1000,
        broken_after: None,
        holds: false,
        error: None,
        refuses: None,
        begun: 0,
        submitted: 0,
        pieces: Vec::new(),
        finished: 0,
        panics: false,
        events: Vec::new(),
        deeds: Vec::new(),
        drone: drone(),
        drones: 1,
        quarantined: 0,
        drone_addr: "127.0.0.1:8080".to_owned(),
        drone_history: DroneHistory {
            step_seconds: 10,
            from: CREATED,
            rate: Vec::new(),
            compressions_per_second: Vec::new(),
            utilisation: Vec::new(),
        },
        task_history: TaskHistory::default(),
        spans: Vec::new(),
        throughput: Throughput { step_seconds: 10, from: CREATED, drones: Vec::new(), others: 0, rest: Vec::new() },
        stream: StreamView {
            step_seconds: 1,
            columns: 60,
            from: CREATED,
            drones: Vec::new(),
            tasks: Vec::new(),
            other_tasks: 0,
            next_page: None,
        },
        leases: Vec::new(),
        stream_query: None,
    };
    Arc::new(Fake { inner: Arc::new(Mutex::new(inner)), sender: broadcast::channel(queue).0, changed: Arc::default() })
}

impl Fake {
    pub fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// The inputs of a task, as it got them.
    pub fn inputs(&self, id: u64) -> Vec<Vec<u8>> {
        self.inner().tasks[id as usize - 1].as_ref().unwrap().inputs.clone()
    }

    /// Its only task.
    pub fn only(&self) -> (NewTask, Vec<Vec<u8>>) {
        let inner = self.inner();
        assert_eq!(inner.tasks.len(), 1);
        let task = inner.tasks[0].as_ref().unwrap();
        (task.new.clone(), task.inputs.clone())
    }

    pub fn tasks(&self) -> usize {
        self.inner().tasks.len()
    }

    /// Computes the rest of everything.
    pub fn complete(&self) {
        for task in self.inner().tasks.iter_mut().flatten() {
            task.view.done = task.view.total;
            task.view.state = TaskState::Done;
            task.view.finished_at = Some(Timestamp(1_700_000_000_500));
        }
        self.changed.notify_waiters();
    }

    /// Lets those go on who wait for it.
    pub fn release(&self) {
        self.inner().holds = false;
        self.changed.notify_waiters();
    }

    pub fn set_state(&self, id: u64, state: TaskState) {
        self.set(id, |view| view.state = state);
    }

    /// Changes what is shown of a task.
    pub fn set(&self, id: u64, change: impl FnOnce(&mut TaskView)) {
        change(&mut self.inner().tasks[id as usize - 1].as_mut().unwrap().view);
        self.changed.notify_waiters();
    }

    pub fn publish(&self, change: Change) {
        let mut inner = self.inner();
        let id = EventId { epoch: Epoch(3), seq: inner.events.len() as u64 + 1 };
        let event = Arc::new(Event::new(id, change));
        inner.events.push(event.clone());
        let _ = self.sender.send(event);
    }

    fn create(&self, new: NewTask, inputs: Vec<Vec<u8>>, identity: Option<Identity>) -> Result<TaskView, HiveError> {
        let search = match &new.specification {
            Specification::Digest(_) if inputs.is_empty() => return Err(HiveError::Empty),
            Specification::Digest(_) => None,
            Specification::Search(search) => {
                assert!(inputs.is_empty(), "a search has no inputs");
                Some(search)
            }
        };
        let mut inner = self.inner();
        if let Some(error) = &inner.refuses {
            return Err(error.clone());
        }
        let total = search.map_or(inputs.len() as u64, |search| search.space.total().unwrap());
        let done = inner.computed.unwrap_or(total).min(total);
        let findings = search.map(|search| searched(search, done)).unwrap_or_default();
        let (algorithm, encoding) = match &new.specification {
            Specification::Digest(digest) => (digest.algorithm.name(), Some(digest.encoding)),
            Specification::Search(search) => (search.algorithm.name(), None),
        };
        let progress = SearchProgress { found: findings.len() as u64, marks: 3, expected: 2.5, doubtful: 0 };
        let view = TaskView {
            id: TaskId(inner.tasks.len() as u64 + 1),
            batch: None,
            first_task: new.batch.then(|| TaskId(inner.tasks.len() as u64 + 2)),
            kind: new.specification.kind().into(),
            algorithm: algorithm.into(),
            encoding,
            iterations: None,
            name: new.name.clone(),
            owner: new.owner.as_ref().map(|owner| owner.name.to_string()),
            owner_id: new.owner.as_ref().map(|owner| owner.token),
            address: new.address,
            priority: new.priority,
            verify: new.verify,
            state: if done == total && !inner.is_slow_disk { TaskState::Done } else { TaskState::Running },
            waiting_because: None,
            total,
            done,
            suspect: false,
            corrected: 0,
            created_at: CREATED,
            started_at: None,
            deadline_at: new.deadline_seconds.map(|seconds| Timestamp(CREATED.0 + i64::from(seconds) * 1000)),
            finished_at: None,
            rate: 0.0,
            eta_seconds: None,
            error: None,
            search: search.map(|search| Box::new(SearchView::new(search, progress))),
        };
        inner.tasks.push(Some(Task { view: view.clone(), new, inputs, findings }));
        if let Some(Identity { key, fingerprint }) = identity {
            let claimed = inner.keys.insert(key, Some((view.id, fingerprint)));
            assert_eq!(claimed, Some(None), "the key of a new task is claimed for it");
        }
        Ok(view)
    }

    /// Waits until the task is as it is wanted.
    async fn wait(&self, id: TaskId, is_over: impl Fn(&TaskView) -> bool) -> Result<TaskView, HiveError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let view = self.task(id).await?;
            if is_over(&view) {
                return Ok(view);
            }
            changed.await;
        }
    }

    fn fails(&self) -> Result<(), HiveError> {
        self.inner().error.clone().map_or(Ok(()), Err)
    }

    fn with<T>(&self, id: TaskId, f: impl FnOnce(&mut Task) -> Result<T, HiveError>) -> Result<T, HiveError> {
        self.fails()?;
        let mut inner = self.inner();
        match (id.0 as usize).checked_sub(1).and_then(|at| inner.tasks.get_mut(at)) {
            None => Err(HiveError::NoTask(id)),
            Some(None) => Err(HiveError::TaskGone(id)),
            Some(Some(task)) => f(task),
        }
    }

    /// Changes a task that has not ended.
    fn with_open(&self, id: TaskId, change: impl FnOnce(&mut TaskView)) -> Result<TaskView, HiveError> {
        self.with(id, |task| match task.view.state.has_ended() {
            true => Err(HiveError::Conflict(format!("task {id} has ended"))),
            false => {
                change(&mut task.view);
                Ok(task.view.clone())
            }
        })
    }

    fn with_drone<T>(
        &self,
        id: DroneId,
        f: impl FnOnce(&mut DroneView) -> Result<T, HiveError>,
    ) -> Result<T, HiveError> {
        self.fails()?;
        match &mut self.inner().drone {
            drone if drone.id == id => f(drone),
            _ => Err(HiveError::NoDrone(id)),
        }
    }
}

fn renew(view: &mut TaskView, deadline_seconds: Option<Option<u32>>) {
    if let Some(deadline) = deadline_seconds {
        view.deadline_at = deadline.map(|seconds| Timestamp(Timestamp::now().0 + i64::from(seconds) * 1000));
    }
}

/// When every task is created.
const CREATED: Timestamp = Timestamp(1_700_000_000_000);

/// When the Queen started.
const STARTED_AT: Timestamp = CREATED;

fn strings(blob: &BlobBuf) -> Vec<Vec<u8>> {
    blob.as_blob().iter().map(<[u8]>::to_vec).collect()
}

struct FakeUpload {
    fake: Fake,
    new: NewTask,
    inputs: Vec<Vec<u8>>,
}

#[async_trait]
impl Upload for FakeUpload {
    async fn push(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        self.fake.inner().pieces.push((inputs.len(), inputs.layout_len()));
        self.inputs.extend(strings(&inputs));
        Ok(())
    }

    async fn finish(self: Box<Self>, identity: Option<Identity>) -> Result<TaskView, HiveError> {
        self.fake.inner().finished += 1;
        self.fake.create(self.new, self.inputs, identity)
    }
}

struct FakeResults {
    inputs: Vec<Vec<u8>>,
    /// The index of the first.
    first: u64,
    next: u64,
    batch: usize,
    broken_after: Option<usize>,
}

#[async_trait]
impl Results for FakeResults {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        match &mut self.broken_after {
            Some(0) => return Err(HiveError::Internal("the store is broken".to_owned())),
            Some(batches) => *batches -= 1,
            None => {}
        }
        let batch: Vec<_> = self.inputs.iter().skip((self.next - self.first) as usize).take(self.batch).collect();
        if batch.is_empty() {
            return Ok(None);
        }
        let digests: Vec<u8> = batch.iter().flat_map(Sha256::digest).collect();
        let first = self.next;
        self.next += batch.len() as u64;
        let inputs: BlobBuf = batch.iter().collect();
        Ok(Some(ResultBatch::Digest { first, inputs: inputs.freeze(), digests: digests.into() }))
    }

    /// Everything is read again, except where batches are counted.
    fn pause(&mut self, next: u64) -> bool {
        if self.broken_after.is_none() {
            self.next = next;
        }
        self.broken_after.is_some()
    }
}

#[async_trait]
impl Hive for Fake {
    async fn claim(&self, key: [u8; 32]) -> Result<Claimed, HiveError> {
        self.fails()?;
        let mut inner = self.inner();
        match inner.keys.get(&key) {
            Some(Some((task, fingerprint))) => Ok(Claimed::Known { task: *task, fingerprint: *fingerprint }),
            Some(None) => Err(HiveError::Conflict("the first request with this key is under way".to_owned())),
            None => {
                inner.keys.insert(key, None);
                let inner = self.inner.clone();
                Ok(Claimed::New(Claim::new(move || {
                    let mut inner = inner.lock().unwrap();
                    if inner.keys.get(&key) == Some(&None) {
                        inner.keys.remove(&key);
                    }
                })))
            }
        }
    }

    async fn submit(
        &self,
        new: NewTask,
        inputs: BlobBuf,
        identity: Option<Identity>,
        _waits: bool,
    ) -> Result<Submitted, HiveError> {
        self.fails()?;
        self.inner().submitted += 1;
        Ok(Submitted::Seen(self.create(new, strings(&inputs), identity)?.into()))
    }

    async fn begin(&self, new: NewTask) -> Result<Box<dyn Upload>, HiveError> {
        self.fails()?;
        self.inner().begun += 1;
        let fake = Fake { inner: self.inner.clone(), sender: self.sender.clone(), changed: self.changed.clone() };
        Ok(Box::new(FakeUpload { fake, new, inputs: Vec::new() }))
    }

    async fn task(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.with(id, |task| Ok(task.view.clone()))
    }

    async fn tasks(&self, query: TaskQuery) -> Result<TaskPage, HiveError> {
        self.fails()?;
        let inner = self.inner();
        let TaskQuery { filter, order, after, limit } = query;
        let views = inner.tasks.iter().flatten().map(|task| &task.view);
        let meant = views.filter(|view| order.by.has_state(view.state) && filter.lets(view));
        let mut places: Vec<_> = meant.map(|view| (order.position(view), view)).collect();
        places.retain(|(place, _)| order.is_behind(*place, after));
        places.sort_by(|(one, _), (other, _)| order.compare(*one, *other));
        let next = places.get(limit.wrapping_sub(1)).filter(|_| places.len() > limit).map(|(place, _)| *place);
        Ok(TaskPage { tasks: places.into_iter().take(limit).map(|(_, view)| view.clone()).collect(), next })
    }

    async fn count(&self, filter: TaskFilter) -> Result<TaskCounts, HiveError> {
        self.fails()?;
        let mut counts = TaskCounts::default();
        let inner = self.inner();
        let views = inner.tasks.iter().flatten().map(|task| &task.view);
        views.filter(|view| filter.lets(view)).for_each(|view| counts.add(view.state, 1));
        Ok(counts)
    }

    async fn lines(&self, filter: TaskFilter) -> Result<LineCounts, HiveError> {
        let counts = self.count(filter).await?;
        let mut lines = LineCounts::default();
        TaskState::ALL.into_iter().for_each(|state| lines.add(state, Counted::up_to_max(counts.of(state))));
        Ok(lines)
    }

    async fn failed_since(&self, since: Timestamp) -> Result<Counted, HiveError> {
        self.fails()?;
        let inner = self.inner();
        let failed = |view: &&TaskView| view.state == TaskState::Failed && view.finished_at >= Some(since);
        Ok(Counted::up_to_max(inner.tasks.iter().flatten().map(|task| &task.view).filter(failed).count() as u64))
    }

    async fn failures(&self) -> Result<Vec<FailureGroup>, HiveError> {
        self.fails()?;
        let inner = self.inner();
        let failed = inner.tasks.iter().flatten().filter_map(|task| Some((task.view.id, task.view.error.clone()?)));
        Ok(failed.map(|(last, reason)| FailureGroup { reason, blamed_on: BlamedOn::Task, count: 1, last }).collect())
    }

    async fn computed(&self, id: TaskId) -> Result<ResultsFound, HiveError> {
        self.wait(id, |view| view.done == view.total || view.state.has_ended()).await?;
        let mut found = self.results(id, 0..u64::MAX).await?;
        if !found.task.state.has_ended() {
            found.task.state = TaskState::Done;
        }
        Ok(found)
    }

    async fn ended(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.wait(id, |view| view.state.has_ended()).await
    }

    async fn results(&self, id: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError> {
        let (task, inputs, findings) =
            self.with(id, |task| Ok((task.view.clone(), task.inputs.clone(), task.findings.clone())))?;
        if task.search.is_some() {
            let end = range.end.min(findings.len() as u64).max(range.start);
            let findings = findings.into_iter().take(end as usize).skip(range.start as usize).collect();
            let results = FakeFindings { findings, first: range.start };
            return Ok(ResultsFound { task, range: range.start..end, is_whole: true, results: Box::new(results) });
        }
        let end = range.end.min(task.done).max(range.start);
        let inputs = inputs.into_iter().take(end as usize).skip(range.start as usize).collect();
        let inner = self.inner();
        let (first, batch, broken_after) = (range.start, inner.batch, inner.broken_after);
        let results = FakeResults { inputs, first, next: first, batch, broken_after };
        Ok(ResultsFound { task, range: range.start..end, is_whole: true, results: Box::new(results) })
    }

    async fn not_found(&self, id: TaskId, range: Range<u64>) -> Result<NotFound, HiveError> {
        let (task, new, findings) =
            self.with(id, |task| Ok((task.view.clone(), task.new.clone(), task.findings.clone())))?;
        let Some(digests) = not_found(&new.specification, &findings) else {
            return Err(HiveError::Conflict(format!("task {id} seeks no digests")));
        };
        let count = digests.len() as u64;
        let range = range.start.min(count)..range.end.min(count).max(range.start.min(count));
        let digests = digests[range.start as usize..range.end as usize].to_vec();
        let results = Box::new(FakeNotFound { digests, first: range.start });
        Ok(NotFound { results: ResultsFound { task, range, is_whole: true, results }, count })
    }

    async fn coverage(&self, id: TaskId, from: u64, limit: usize) -> Result<Coverage, HiveError> {
        let task = self.task(id).await?;
        let drone = self.inner().drone.clone();
        let given = self.inner().spans.clone();
        if !given.is_empty() {
            let spans: Vec<_> = given.into_iter().filter(|span| span.to > from).take(limit).collect();
            let next = spans.last().map(|span| span.to).filter(|to| *to < task.total);
            return Ok(Coverage { task, spans, next });
        }
        let (spans, next) = covered(&task, &drone, from, limit);
        Ok(Coverage { task, spans, next })
    }

    async fn original(&self, id: TaskId, most: usize) -> Result<Original, HiveError> {
        self.with(id, |task| {
            let search = match &task.new.specification {
                Specification::Search(search) => Some(Box::new(search.clone())),
                Specification::Digest(_) => None,
            };
            let is_few = task.inputs.iter().map(Vec::len).sum::<usize>() <= most && search.is_none();
            let inputs = is_few.then(|| task.inputs.iter().collect::<BlobBuf>().freeze());
            Ok(Original { task: task.view.clone(), search, inputs })
        })
    }

    async fn estimate(&self, new: &NewTask, inputs: &[Amount]) -> Result<Estimate, HiveError> {
        self.fails()?;
        let total = inputs.iter().map(|amount| amount.inputs).sum();
        match &new.specification {
            Specification::Search(search) => Ok(Estimate::of_search(search, 1_000_000.0)),
            Specification::Digest(_) if total == 0 => Err(HiveError::Empty),
            // As if each byte were a compression.
            Specification::Digest(_) => {
                Ok(Estimate::new(total, inputs.iter().map(|amount| amount.bytes).sum(), 1000.0))
            }
        }
    }

    async fn cancel(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.with(id, |task| match task.view.state {
            TaskState::Done | TaskState::Failed => Err(HiveError::Conflict(format!("task {id} has ended"))),
            _ => {
                task.view.state = TaskState::Cancelled;
                Ok(task.view.clone())
            }
        })
    }

    async fn pause(&self, id: TaskId) -> Result<TaskView, HiveError> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !self.inner().holds {
                break;
            }
            changed.await;
        }
        self.with_open(id, |view| {
            view.state = TaskState::Paused;
            view.waiting_because = Some("it is <paused>".to_owned());
        })
    }

    async fn resume(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.with_open(id, |view| {
            view.state = TaskState::Running;
            view.waiting_because = None;
        })
    }

    async fn retry(&self, id: TaskId, deadline_seconds: Option<Option<u32>>) -> Result<TaskView, HiveError> {
        self.with(id, |task| match task.view.state {
            TaskState::Failed | TaskState::Cancelled => {
                let is_passed = task.view.deadline_at.is_some_and(|at| at <= Timestamp::now());
                if is_passed && deadline_seconds.is_none() {
                    return Err(HiveError::Conflict(format!("the deadline of task {id} has passed")));
                }
                renew(&mut task.view, deadline_seconds);
                task.view.state = TaskState::Running;
                Ok(task.view.clone())
            }
            state => Err(HiveError::Conflict(format!("task {id} is {state}"))),
        })
    }

    async fn amend(&self, id: TaskId, amendment: Amendment) -> Result<Amended, HiveError> {
        let before = self.task(id).await?;
        let task = self.with_open(id, |view| {
            view.priority = amendment.priority.unwrap_or(view.priority);
            if let Some(name) = amendment.name {
                view.name = name;
            }
            renew(view, amendment.deadline_seconds);
        })?;
        Ok(Amended { before, task })
    }

    async fn remove(&self, id: TaskId) -> Result<(), HiveError> {
        self.with(id, |task| match task.view.state.has_ended() {
            true => Ok(()),
            false => Err(HiveError::Conflict(format!("task {id} is still running; cancel it first"))),
        })?;
        self.inner().tasks[id.0 as usize - 1] = None;
        Ok(())
    }

    async fn drones(&self, query: DroneQuery) -> Result<DronePage, HiveError> {
        self.fails()?;
        let drone = self.inner().drone.clone();
        let is_called_so = query.name.as_deref().is_none_or(|name| is_called(name, &drone.name, &drone.address));
        let is_there = drone.state.is_connected() || !query.is_connected;
        let is_meant = is_called_so && is_there && query.state.is_none_or(|state| state == drone.state);
        Ok(DronePage {
            has_more: false,
            counts: is_called_so.then_some((drone.state, 1)).into_iter().collect(),
            has_known: true,
            drones: is_meant.then_some(drone).into_iter().skip(query.skip).collect(),
        })
    }

    async fn drone_rates(&self) -> Result<BTreeMap<DroneId, f64>, HiveError> {
        let drone = self.inner().drone.clone();
        Ok([(drone.id, drone.compressions_per_second)].into())
    }

    async fn drone(&self, id: DroneId) -> Result<DroneView, HiveError> {
        self.with_drone(id, |drone| Ok(drone.clone()))
    }

    async fn drain(&self, id: DroneId) -> Result<DroneView, HiveError> {
        self.with_drone(id, |drone| match drone.state.is_connected() {
            true => {
                drone.state = DroneState::Leaving;
                Ok(drone.clone())
            }
            false => Err(HiveError::Conflict(format!("drone {id} is not connected"))),
        })
    }

    async fn disconnect(&self, id: DroneId, by: By) -> Result<DroneView, HiveError> {
        let drone = self.with_drone(id, |drone| match drone.state.is_connected() {
            true => {
                drone.state = DroneState::Lost;
                Ok(drone.clone())
            }
            false => Err(HiveError::Conflict(format!("drone {id} is not connected"))),
        })?;
        self.tell(Deed::done(by, Action::Disconnect, web::label("drone", id, Some(&drone.name))));
        Ok(drone)
    }

    async fn pardon(&self, id: DroneId) -> Result<DroneView, HiveError> {
        self.with_drone(id, |drone| {
            if drone.quarantined_because.take().is_some() {
                drone.state = DroneState::Idle;
            }
            Ok(drone.clone())
        })
    }

    async fn overview(&self) -> Result<Overview, HiveError> {
        self.fails()?;
        let panics = self.inner().panics;
        assert!(!panics, "as it was told");
        let inner = self.inner();
        let Inner { drones, quarantined, .. } = *inner;
        let (data, drone_addr) = (inner.data.clone(), inner.drone_addr.clone());
        Ok(Overview { data, drones, quarantined, drone_addr, ..overview() })
    }

    async fn history(&self, series: &[Series], step: Step) -> Result<HistoryView, HiveError> {
        self.fails()?;
        let values = vec![Some(1000.0), None, Some(2000.5)];
        Ok(HistoryView {
            step_seconds: step.seconds(),
            from: CREATED,
            series: series.iter().map(|series| (series.name().into(), values.clone())).collect(),
        })
    }

    async fn drone_history(&self, _id: DroneId) -> Result<DroneHistory, HiveError> {
        Ok(self.inner().drone_history.clone())
    }

    async fn drone_leases(&self, id: DroneId) -> Result<Vec<LeaseView>, HiveError> {
        let leases = self.inner().leases.clone();
        self.with_drone(id, |_| Ok(leases))
    }

    async fn stream(&self, query: StreamQuery) -> Result<StreamView, HiveError> {
        self.fails()?;
        let mut inner = self.inner();
        inner.stream_query = Some(query);
        Ok(inner.stream.clone())
    }

    async fn task_history(&self, _id: TaskId) -> Result<TaskHistory, HiveError> {
        Ok(self.inner().task_history.clone())
    }

    async fn throughput(&self) -> Result<Throughput, HiveError> {
        self.fails()?;
        Ok(self.inner().throughput.clone())
    }

    async fn measures(&self) -> Result<Measures, HiveError> {
        let (seconds, changes) = (Histogram::new([0.01]), Histogram::new([10.0]));
        seconds.observe(0.002);
        let journal = Some(JournalMeasures { waiting: 2, waiting_bytes: 64, seconds, changes });
        Ok(Measures { overview: self.overview().await?, recovering: false, journal, dropped_log_lines: 3 })
    }

    fn started_at(&self) -> Timestamp {
        STARTED_AT
    }

    fn tell(&self, deed: Deed) {
        self.inner().deeds.push(deed);
    }

    fn subscribe(&self, last: Option<EventId>) -> Subscription {
        let inner = self.inner();
        let at = EventId { epoch: Epoch(3), seq: inner.events.len() as u64 };
        let reset = last.is_some_and(|last| last.epoch != at.epoch || last.seq > at.seq);
        let backlog = match last {
            Some(last) if !reset => inner.events[last.seq as usize..].to_vec(),
            _ => Vec::new(),
        };
        Subscription { reset, backlog, events: self.sender.subscribe(), at }
    }
}

pub fn drone() -> DroneView {
    DroneView {
        id: DroneId(1),
        instance: "00112233445566778899aabbccddeeff".to_owned(),
        kernels: Kernels {
            short: Some("avx512".to_owned()),
            long: Some("sha-ni".to_owned()),
            sha256d: Some("avx512".to_owned()),
            hmac: Some("avx512".to_owned()),
            pbkdf2: None,
            search: Some("avx512".to_owned()),
            search_sha256d: Some("avx512".to_owned()),
            search_long: None,
        },
        name: "<b>worker</b>".to_owned(),
        address: "127.0.0.1:50000".to_owned(),
        software: "drone 0.1.0".to_owned(),
        state: DroneState::Busy,
        idle_because: None,
        quarantined_because: None,
        left_because: None,
        threads: 4,
        leases: 4,
        tasks: vec![TaskId(7)],
        benchmark: Some(2_500_000.0),
        failures: 0,
        outdated: false,
        rate: 1_000_000.0,
        compressions_per_second: 2_000_000.0,
        utilisation: Some(0.984),
        items_done: 12_345,
        checked: 0,
        wrong: 0,
        connections: 1,
        connected_at: Timestamp(1_700_000_000_000),
        last_seen_at: Timestamp(1_700_000_001_000),
    }
}

pub fn overview() -> Overview {
    Overview {
        version: "0.1.0".into(),
        epoch: Epoch(3),
        started_at: STARTED_AT,
        uptime_seconds: 1.5,
        tasks: TaskCounts::default(),
        drones: 1,
        quarantined: 0,
        drone_states: DroneCounts { busy: 1, ..DroneCounts::default() },
        threads: 4,
        items_queued: 0,
        items_done: 12_345,
        compressions_done: 24_690,
        leases: LeaseCounts { given: 7, ..LeaseCounts::default() },
        verified: VerifiedCounts { right: 9, wrong: 0 },
        oldest_pending_seconds: None,
        rate: 1_000_000.0,
        compressions_per_second: 2_000_000.0,
        eta_seconds: None,
        memory_used: 1 << 20,
        memory_limit: 1 << 30,
        data: None,
        drone_addr: "127.0.0.1:8080".to_owned(),
    }
}

pub fn data() -> Data {
    Data {
        directory: "/var/lib/<hive>".to_owned(),
        used: 3 << 20,
        unfinished: 1 << 20,
        limit: 1 << 40,
        removes_early: false,
        removed_early: 0,
        fault: None,
        recovered: 0,
        recovery_seconds: 0.0,
    }
}
