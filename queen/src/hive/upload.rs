//! New tasks on their way in: in memory, or into a file of their own.

use std::sync::Arc;

use async_trait::async_trait;
use web::hive::{HiveError, Identity, NewTask, Upload};
use web::model::{TaskView, Timestamp};
use wire::blob::{BlobBuf, SharedBlob};

use super::SharedHive;
use super::record::{TASK, weight};
use super::state::New;
use crate::kinds::digest::DIGEST;
use crate::kinds::{self, Terms};
use crate::store::{Extent, Inputs, Large, NewFile, OverBudget, Place, Reservation, SMALL};

/// Inputs that have come so far.
pub(super) struct Incoming {
    hive: SharedHive,
    new: NewTask,
    extents: Vec<Extent>,
    place: Coming,
    memory: Reservation,
}

/// Where they go.
enum Coming {
    Memory(Vec<SharedBlob>),
    /// Taken out while it is written.
    File(Option<NewFile>, Cached),
}

/// Segments of a file that are in the cache already; dropped, they are forgotten.
struct Cached {
    hive: SharedHive,
    file: u64,
    segments: usize,
}

impl Drop for Cached {
    fn drop(&mut self) {
        // What goes is freed behind the lock.
        let gone = self.hive.lock().cache.forget(self.file, self.segments);
        drop(gone);
    }
}

impl Incoming {
    /// Begins with nothing.
    pub(super) async fn begin(hive: &SharedHive, new: NewTask) -> Result<Self, HiveError> {
        hive.admit()?;
        let mut memory = hive.inner.budget.reserve();
        memory.grow(TASK).map_err(full)?;
        let place = match &hive.inner.disk {
            None => Coming::Memory(Vec::new()),
            Some(_) => {
                let begun = hive.read(|reader| reader.bulk().begin()).await;
                let begun = begun.map_err(|error| hive.not_written(&error))?;
                let cached = Cached { hive: hive.clone(), file: begun.number(), segments: 0 };
                Coming::File(Some(begun), cached)
            }
        };
        Ok(Self { hive: hive.clone(), new, extents: Vec::new(), place, memory })
    }

    async fn add(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        if inputs.is_empty() {
            return Ok(());
        }
        let weight = kinds::weigh(&self.new.specification, inputs.as_blob());
        let before = self.extents.last().copied();
        let end = before.map_or(0, |extent| extent.end) + weight.items;
        let offset = before.map_or(0, |extent| extent.offset + u64::from(extent.bytes));
        let mut extent = Extent { end, offset, bytes: weight.bytes as u32, crc: 0, cost: weight.cost };
        let inputs = inputs.freeze();
        match &mut self.place {
            Coming::Memory(segments) => {
                // Room for the results as well, so that a task that was accepted can be done.
                let bytes = weight.bytes + weight.items * DIGEST as u64 + size_of::<Extent>() as u64;
                self.memory.grow(bytes).map_err(full)?;
                segments.push(inputs);
            }
            Coming::File(file, cached) => {
                self.memory.grow(size_of::<Extent>() as u64).map_err(full)?;
                self.hive.admit_bytes(offset + weight.bytes)?;
                let Some(mut written) = file.take() else { return Err(broken()) };
                let blob = inputs.clone();
                let writing = tokio::task::spawn_blocking(move || {
                    let mut layout = Vec::new();
                    blob.as_blob().write(&mut layout);
                    written.append(&layout).map(|_| (written, crc32fast::hash(&layout)))
                });
                let (written, crc) =
                    writing.await.map_err(|_| broken())?.map_err(|error| self.hive.not_written(&error))?;
                extent.crc = crc;
                *file = Some(written);
                self.hive.keep_if_room((cached.file, cached.segments), inputs);
                cached.segments += 1;
            }
        }
        self.extents.push(extent);
        Ok(())
    }

    async fn create(mut self, identity: Option<Identity>) -> Result<TaskView, HiveError> {
        if self.extents.is_empty() {
            return Err(HiveError::Empty);
        }
        let (place, file, mut cached) = match self.place {
            Coming::Memory(segments) => (Place::Memory(segments.into()), None, None),
            Coming::File(mut file, cached) => {
                let Some(mut written) = file.take() else { return Err(broken()) };
                let sealing = tokio::task::spawn_blocking(move || written.seal().map(|()| written));
                let sealed = sealing.await.map_err(|_| broken())?.map_err(|error| self.hive.not_written(&error))?;
                (Place::File(sealed.number()), Some(sealed), Some(cached))
            }
        };
        let segments = std::mem::take(&mut self.extents).into();
        let inputs = Inputs::Large(Arc::new(Large { segments, place }));
        let view = self.hive.create(self.new, inputs, self.memory, identity, file).await?;
        if let Some(cached) = &mut cached {
            // They are the task's now.
            cached.segments = 0;
        }
        Ok(view)
    }
}

#[async_trait]
impl Upload for Incoming {
    async fn push(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        self.add(inputs).await
    }

    async fn finish(self: Box<Self>, identity: Option<Identity>) -> Result<TaskView, HiveError> {
        self.create(identity).await
    }
}

impl SharedHive {
    /// Creates a task of a few inputs.
    pub(super) async fn submit_few(
        &self,
        new: NewTask,
        inputs: BlobBuf,
        identity: Option<Identity>,
    ) -> Result<TaskView, HiveError> {
        if inputs.is_empty() {
            return Err(HiveError::Empty);
        }
        if inputs.layout_len() + inputs.len() * DIGEST > SMALL {
            let mut incoming = Incoming::begin(self, new).await?;
            incoming.add(inputs).await?;
            return incoming.create(identity).await;
        }
        self.admit()?;
        let mut layout = Vec::with_capacity(inputs.layout_len());
        inputs.as_blob().write(&mut layout);
        let inputs = Inputs::Small(layout.into());
        let mut memory = self.inner.budget.reserve();
        memory.grow(weight(&inputs)).map_err(full)?;
        self.create(new, inputs, memory, identity, None).await
    }

    /// Enters a task; answers when it is on disk. `file` is what its inputs lie in.
    async fn create(
        &self,
        new: NewTask,
        inputs: Inputs,
        memory: Reservation,
        identity: Option<Identity>,
        file: Option<NewFile>,
    ) -> Result<TaskView, HiveError> {
        let NewTask { specification, name, priority } = new;
        let slot = self.slot(0).await.map_err(|_| stopping())?;
        let (view, ack) = self.change_durably(slot, |state, now| {
            memory.keep(weight(&inputs));
            if let Some(file) = file {
                file.keep();
            }
            let terms = Terms { specification, name: name.map(Into::into), priority, base: state.base };
            let new = New { terms, inputs, created_at: Timestamp::now(), identity };
            let id = state.submit(new, now);
            state.view(id, now).ok_or(HiveError::NoTask(id))
        });
        self.durable(ack).await?;
        view
    }

    /// Keeps a segment that was just written, for the Drones that are about to need it; what
    /// they need first must not be pushed out by what comes later.
    fn keep_if_room(&self, key: (u64, usize), inputs: SharedBlob) {
        let mut state = self.lock();
        if state.cache.has_room(inputs.as_blob().layout_len() as u64) {
            state.cache.insert(key, inputs);
        }
    }
}

fn full(over: OverBudget) -> HiveError {
    let reason = format!(
        "{over}; wait until queued tasks are done, delete finished ones if nothing is kept on disk, \
         or start the Queen with a larger --memory-limit"
    );
    HiveError::Unavailable { reason, retry_after: super::control::RETRY }
}

fn broken() -> HiveError {
    HiveError::Internal("writing the inputs was broken off".into())
}

/// The Queen takes nothing more.
pub(super) fn stopping() -> HiveError {
    HiveError::Unavailable { reason: "the Queen is stopping".into(), retry_after: super::control::RETRY }
}
