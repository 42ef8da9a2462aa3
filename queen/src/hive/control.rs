//! The Hive as the control plane sees it.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use web::hive::{Hive, HiveError, NewTask, ResultsFound, Subscription, TaskFilter, Upload};
use web::model::{DroneView, EventId, Overview, TaskView};
use wire::blob::BlobBuf;
use wire::ids::{DroneId, Instance, TaskId};

use super::record::{Record, specification};
use super::results::Reader;
use super::state::State;
use super::{SharedHive, label};
use crate::core::{Event, Time};
use crate::kinds::Job;
use crate::kinds::digest::{DIGEST, Work};
use crate::store::{Inputs, OverBudget, Reservation};

/// What a task takes besides its inputs and results, in bytes: rounded up.
const TASK: u64 = 1024;

/// When to try again that was refused for want of memory.
const RETRY: Duration = Duration::from_secs(10);

/// Inputs that have come so far.
struct Incoming {
    hive: SharedHive,
    new: NewTask,
    inputs: Inputs,
    memory: Reservation,
}

impl Incoming {
    fn new(hive: &SharedHive, new: NewTask) -> Result<Self, HiveError> {
        let mut memory = hive.inner.budget.reserve();
        memory.grow(TASK).map_err(full)?;
        Ok(Self { hive: hive.clone(), new, inputs: Inputs::default(), memory })
    }

    /// Reserves room for the results as well, so that a task that was accepted can be done.
    fn add(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        let bytes = inputs.layout_len() + inputs.len() * DIGEST;
        self.memory.grow(bytes as u64).map_err(full)?;
        self.inputs.push(inputs);
        Ok(())
    }

    fn create(self) -> Result<TaskView, HiveError> {
        if self.inputs.total() == 0 {
            return Err(HiveError::Empty);
        }
        let instance = Instance::random()
            .map_err(|error| HiveError::Internal(format!("the system has no randomness to give: {error}")))?;
        let work = Work { specification: specification(self.new.specification), inputs: self.inputs };
        let job = Arc::new(Job { instance, work });
        let record = Record::new(job, self.new.name, self.new.priority, self.memory);
        self.hive.change(|state, now| {
            let id = state.submit(record, now);
            state.view(id, now).ok_or(HiveError::NoTask(id))
        })
    }
}

#[async_trait]
impl Upload for Incoming {
    async fn push(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        self.add(inputs)
    }

    async fn finish(self: Box<Self>) -> Result<TaskView, HiveError> {
        self.create()
    }
}

fn full(over: OverBudget) -> HiveError {
    let reason = format!(
        "{over}; delete finished tasks that are no longer needed, or start the Queen with a larger --memory-limit"
    );
    HiveError::Unavailable { reason, retry_after: RETRY }
}

impl SharedHive {
    pub(super) fn overview_of(&self, state: &State, now: Time) -> Overview {
        let totals = state.core.totals(now);
        let (drones, threads) = state.fleet();
        Overview {
            version: env!("CARGO_PKG_VERSION"),
            epoch: self.inner.epoch,
            started_at: self.inner.started_at,
            uptime_seconds: now.as_secs_f64(),
            tasks: state.counts,
            drones,
            threads,
            items_queued: totals.items_queued,
            items_done: totals.items_done,
            rate: totals.rate,
            compressions_per_second: totals.cost_rate,
            eta_seconds: totals.eta.map(|eta| eta.as_secs_f64()),
            memory_used: self.inner.budget.used(),
            memory_limit: self.inner.budget.limit(),
            drone_addr: self.inner.drone_addr.clone(),
        }
    }
}

#[async_trait]
impl Hive for SharedHive {
    async fn submit(&self, new: NewTask, inputs: BlobBuf) -> Result<TaskView, HiveError> {
        let mut incoming = Incoming::new(self, new)?;
        incoming.add(inputs)?;
        incoming.create()
    }

    async fn begin(&self, new: NewTask) -> Result<Box<dyn Upload>, HiveError> {
        Ok(Box::new(Incoming::new(self, new)?))
    }

    async fn task(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let state = self.lock();
        Ok(state.record(id)?.view(id, state.core.task(id, self.now())))
    }

    async fn tasks(&self, filter: TaskFilter) -> Result<Vec<TaskView>, HiveError> {
        Ok(self.lock().list(filter, self.now()))
    }

    async fn ended(&self, id: TaskId) -> Result<TaskView, HiveError> {
        let waiting = self.lock().wait(id)?;
        if let Some(waiting) = waiting {
            // An error means that the task is gone, which the view below says.
            let _ = waiting.await;
        }
        self.task(id).await
    }

    async fn results(&self, id: TaskId, range: Range<u64>) -> Result<ResultsFound, HiveError> {
        let state = self.lock();
        let record = state.record(id)?;
        let running = state.core.task(id, self.now());
        let prefix = record.status(running).prefix;
        let end = range.end.min(prefix);
        let range = range.start.min(end)..end;
        let reader = Reader { hive: self.clone(), task: id, job: Arc::clone(&record.job), rest: range.clone() };
        Ok(ResultsFound { task: record.view(id, running), range, results: Box::new(reader) })
    }

    async fn cancel(&self, id: TaskId) -> Result<TaskView, HiveError> {
        self.change(|state, now| {
            let record = state.record(id)?;
            if record.state.has_ended() && record.state != web::model::TaskState::Cancelled {
                let label = label(id, record.name.as_deref());
                return Err(HiveError::Conflict(format!("{label} is {} already", record.state)));
            }
            state.handle(Event::Cancel { task: id }, now);
            state.view(id, now).ok_or(HiveError::NoTask(id))
        })
    }

    async fn remove(&self, id: TaskId) -> Result<(), HiveError> {
        // A large task's bytes are freed behind the lock.
        self.change(|state, _| state.remove(id)).map(drop)
    }

    async fn drones(&self) -> Result<Vec<DroneView>, HiveError> {
        Ok(self.lock().drones(self.now()))
    }

    async fn drone(&self, id: DroneId) -> Result<DroneView, HiveError> {
        self.lock().drone(id, self.now()).ok_or(HiveError::NoDrone(id))
    }

    async fn overview(&self) -> Result<Overview, HiveError> {
        Ok(self.overview_of(&self.lock(), self.now()))
    }

    fn subscribe(&self, last: Option<EventId>) -> Subscription {
        self.lock().feed.subscribe(last)
    }
}
