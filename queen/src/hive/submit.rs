//! New tasks on their way in: those of many inputs into a file of their own.

use std::sync::Arc;

use async_trait::async_trait;
use web::access::TokenId;
use web::budget::Reservation;
use web::hive::{Hive, HiveError, Identity, NewTask, Submitted, Upload};
use web::kinds::Specification;
use web::model::TaskView;
use wire::blob::{BlobBuf, SharedBlob};
use wire::ids::{Instance, TaskId};

use super::cache::CacheKey;
use super::on_disk::STORED_KEY;
use super::record::{Record, TASK, weight};
use super::refusal::{RETRY_AFTER, broken, full, too_many};
use super::shared::SharedHive;
use super::state::State;
use crate::clock::Now;
use crate::core::RangeSet;
use crate::kinds;
use crate::store::{Change, NewFile, Submission};
use crate::work::{Extent, Inputs, Large, LongSecret, Room, SMALL, Terms, hash_of, is_long};

/// Inputs that have come so far.
pub(super) struct Incoming {
    hive: SharedHive,
    new: NewTask,
    extents: Vec<Extent>,
    writing: Writing,
    memory: Reservation,
    /// What they will take where they are stored, with results.
    stored: Reservation,
}

/// A file in the making, and its segments that are in the cache already. Dropped before the
/// task is created, both go, on a thread that may wait.
struct Writing {
    hive: SharedHive,
    /// Not here while a thread writes it.
    file: Option<NewFile>,
    number: u64,
    segments: usize,
}

/// Inputs that are where they stay. Dropped before they are [handed over](Self::hand_over), they leave nothing.
pub(super) struct Ready {
    inputs: Inputs,
    /// Bytes of one result.
    width: usize,
    memory: Option<Reservation>,
    /// The file that they are in.
    writing: Option<Writing>,
    /// What they take where they are stored, until they are a task's.
    stored: Option<Reservation>,
}

impl Ready {
    /// Gives the inputs to a task: from here on they stay.
    pub(super) fn hand_over(&mut self) -> Inputs {
        if let Some(memory) = self.memory.take() {
            memory.commit(weight(&self.inputs, self.width));
        }
        if let Some(writing) = &mut self.writing {
            writing.segments = 0;
            if let Some(file) = writing.file.take() {
                file.persist();
            }
        }
        self.inputs.clone()
    }
}

/// A task whose inputs are all there.
struct Creation {
    new: NewTask,
    ready: Ready,
    identity: Option<Identity>,
}

impl Drop for Writing {
    fn drop(&mut self) {
        if self.file.is_none() && self.segments == 0 {
            return;
        }
        let gone = (self.file.take(), self.hive.lock().cache.forget(self.number, self.segments));
        self.hive.inner.disk.runtime.spawn_blocking(move || drop(gone));
    }
}

impl Incoming {
    /// Begins an upload, without inputs yet.
    pub(super) async fn begin(hive: &SharedHive, new: NewTask) -> Result<Self, HiveError> {
        hive.admit()?;
        hive.lock().admit_owner(new.owner.as_ref().map(|owner| owner.token), hive.inner.max_queued)?;
        let mut memory = hive.inner.memory.tasks.reserve();
        memory.grow(TASK + new.specification.secret().len() as u64).map_err(full)?;
        let begun = hive.read(|reader| reader.bulk().begin()).await;
        let begun = begun.map_err(|error| hive.not_written(&error))?;
        let number = begun.number();
        let writing = Writing { hive: hive.clone(), file: Some(begun), number, segments: 0 };
        let stored = hive.inner.disk.uploads.reserve();
        Ok(Self { hive: hive.clone(), new, extents: Vec::new(), writing, memory, stored })
    }

    async fn add(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        if inputs.is_empty() {
            return Ok(());
        }
        let kind = kinds::of(&self.new.specification);
        let (weight, width) = (kind.weigh(inputs.as_blob()), kind.width() as u64);
        let before = self.extents.last().copied();
        let end = before.map_or(0, |extent| extent.end) + weight.items;
        let offset = before.map_or(0, |extent| extent.offset + u64::from(extent.bytes));
        let mut extent = Extent { end, offset, bytes: weight.bytes as u32, crc: 0, cost: weight.cost };
        let inputs = inputs.freeze();
        self.memory.grow(size_of::<Extent>() as u64).map_err(full)?;
        // Room for the results as well, so that a task that was accepted can be done.
        self.stored.grow(weight.bytes + weight.items * width).map_err(full)?;
        self.hive.admit_bytes(offset + weight.bytes + end * width)?;
        let Some(mut file) = self.writing.file.take() else { return Err(broken()) };
        let blob = inputs.clone();
        let appending = tokio::task::spawn_blocking(move || {
            let mut layout = Vec::new();
            blob.as_blob().write(&mut layout);
            file.append(&layout).map(|_| (file, crc32fast::hash(&layout)))
        });
        let appended = appending.await.map_err(|_| broken())?;
        let (file, crc) = appended.map_err(|error| self.hive.not_written(&error))?;
        extent.crc = crc;
        self.writing.file = Some(file);
        self.hive.keep_if_room(CacheKey::Segment(self.writing.number, self.writing.segments), inputs);
        self.writing.segments += 1;
        self.extents.push(extent);
        Ok(())
    }

    async fn create(self, identity: Option<Identity>) -> Result<TaskView, HiveError> {
        let (hive, new) = (self.hive.clone(), self.new.clone());
        let ready = self.ready().await?;
        hive.create(Creation { new, ready, identity }, State::seen).await?
    }

    async fn ready(mut self) -> Result<Ready, HiveError> {
        if self.extents.is_empty() {
            return Err(HiveError::Empty);
        }
        let mut writing = self.writing;
        let Some(mut file) = writing.file.take() else { return Err(broken()) };
        let sealing = tokio::task::spawn_blocking(move || file.seal().map(|()| file));
        let sealed = sealing.await.map_err(|_| broken())?;
        writing.file = Some(sealed.map_err(|error| self.hive.not_written(&error))?);
        let (segments, file) = (std::mem::take(&mut self.extents).into(), Some(writing.number));
        let inputs = Inputs::Large(Arc::new(Large { segments, file }));
        let width = kinds::of(&self.new.specification).width();
        Ok(Ready { inputs, width, memory: Some(self.memory), writing: Some(writing), stored: Some(self.stored) })
    }
}

#[async_trait]
impl Upload for Incoming {
    async fn push(&mut self, inputs: BlobBuf) -> Result<(), HiveError> {
        self.add(inputs).await
    }

    async fn finish(self: Box<Self>, identity: Option<Identity>) -> Result<TaskView, HiveError> {
        let (hive, begun) = (self.hive.clone(), self.hive.inner.clock.elapsed());
        let task = self.create(identity).await?;
        hive.inner.recorder.submitted(hive.inner.clock.elapsed().saturating_sub(begun));
        Ok(task)
    }
}

impl SharedHive {
    /// Creates a task of a few inputs.
    pub(super) async fn submit_few(
        &self,
        new: NewTask,
        inputs: BlobBuf,
        identity: Option<Identity>,
        waits: bool,
    ) -> Result<Submitted, HiveError> {
        if inputs.is_empty() && kinds::of(&new.specification).implied().is_none() {
            return Err(HiveError::Empty);
        }
        let ready = self.ready(&new, inputs).await?;
        let creation = Creation { new, ready, identity };
        if !waits {
            return Ok(Submitted::Seen(self.create(creation, State::seen).await??.into()));
        }
        let (id, waiting) = self.create(creation, |state, id, _| (id, state.wait_for_results(id))).await?;
        let hive = self.clone();
        let computed = async move {
            match waiting {
                Some(waiting) => hive.awaited(id, waiting).await,
                None => hive.computed(id).await,
            }
        };
        Ok(Submitted::Awaited(id, Box::pin(computed)))
    }

    /// Puts a few inputs where they stay.
    pub(super) async fn ready(&self, new: &NewTask, inputs: BlobBuf) -> Result<Ready, HiveError> {
        let kind = kinds::of(&new.specification);
        let width = kind.width();
        if let Some(inputs) = kind.implied() {
            let mut memory = self.inner.memory.tasks.reserve();
            memory.grow(weight(&inputs, width)).map_err(full)?;
            return Ok(Ready { inputs, width, memory: Some(memory), writing: None, stored: None });
        }
        if inputs.layout_len() + inputs.len() * width > SMALL {
            let mut incoming = Incoming::begin(self, new.clone()).await?;
            incoming.add(inputs).await?;
            return incoming.ready().await;
        }
        let mut layout = Vec::with_capacity(inputs.layout_len());
        inputs.as_blob().write(&mut layout);
        let inputs = Inputs::Small(layout.into());
        let mut memory = self.inner.memory.tasks.reserve();
        memory.grow(weight(&inputs, width)).map_err(full)?;
        Ok(Ready { inputs, width, memory: Some(memory), writing: None, stored: None })
    }

    /// Enters a task; answers when it is on disk, with what is `found` of it as soon as it is there.
    async fn create<T>(
        &self,
        creation: Creation,
        found: impl FnOnce(&mut State, TaskId, Now) -> T,
    ) -> Result<T, HiveError> {
        let Creation { new, mut ready, identity } = creation;
        let NewTask { mut specification, name, priority, deadline_seconds, batch, verify, owner, address } = new;
        let secret = self.extract_secret(&mut specification)?;
        let mut terms = Terms {
            specification,
            secret: secret.as_ref().map(LongSecret::reference),
            name: name.map(Into::into),
            priority,
            deadline: deadline_seconds,
            batch,
            verify,
            owner,
            address,
            base: Instance([0; 16]),
            room: Room::default(),
        };
        let mut room = self.inner.memory.tasks.reserve();
        room.grow(terms.bytes()).map_err(full)?;
        terms.room = room.into();
        let slot = self.prompt_slot().await?;
        let (found, ack) = self.change_durably(slot, |state, now| {
            // From here on these bytes are counted with the task.
            drop(ready.stored.take());
            let key = identity.as_ref().map_or(0, |_| STORED_KEY);
            let bytes = terms.kind().on_disk(&ready.inputs)
                + terms.on_disk()
                + state.tasks.secrets.new_bytes(terms.secret)
                + key;
            self.admit_task(state, bytes)?;
            state.admit_owner(terms.owner_id(), self.inner.max_queued)?;
            let inputs = ready.hand_over();
            let id = state.submit(New { terms, inputs, identity, secret }, now);
            Ok(found(state, id, now))
        });
        let found = found?;
        self.durable(ack).await?;
        Ok(found)
    }

    /// Takes a key or salt that is too long to be kept with its task out of a specification.
    fn extract_secret(&self, specification: &mut Specification) -> Result<Option<LongSecret>, HiveError> {
        if !is_long(specification.secret()) {
            return Ok(None);
        }
        let mut room = self.inner.memory.tasks.reserve();
        room.grow(specification.secret().len() as u64).map_err(full)?;
        let bytes = specification.take_secret();
        Ok(Some(LongSecret { hash: hash_of(&bytes), bytes, room: room.into() }))
    }

    /// Caches a segment that was just written, for the Drones that are about to need it, if there is room: earlier
    /// segments, which are needed first, must not be pushed out by later ones.
    fn keep_if_room(&self, key: CacheKey, inputs: SharedBlob) {
        let mut state = self.lock();
        if state.cache.has_room(inputs.as_blob().layout_len() as u64) {
            state.cache.insert(key, inputs);
        }
    }
}

/// A new task, apart from its id.
pub(super) struct New {
    pub(super) terms: Terms,
    pub(super) inputs: Inputs,
    pub(super) identity: Option<Identity>,
    /// Its key or salt, if that is too long to be kept with it.
    pub(super) secret: Option<LongSecret>,
}

impl State {
    /// Creates a task, for whose memory the budget has been asked already.
    pub(super) fn submit(&mut self, new: New, now: Now) -> TaskId {
        let New { terms, inputs, identity, secret } = new;
        let id = self.tasks.allocate_ids(terms.members(inputs.total()));
        let (terms, created) = (self.tasks.share(terms), now.moment());
        let secret = secret.map(|secret| self.tasks.secrets.comes(secret));
        if let Some(identity) = &identity {
            self.keys.used(identity.key);
            self.disk.keys += 1;
        }
        let submission =
            Submission { id, terms: Arc::clone(&terms), inputs: inputs.clone(), created, identity, secret };
        self.disk.comes(submission.size());
        self.outgoing.push(Change::Submit(Box::new(submission)));
        self.enter(id, Record::new(terms, inputs, created), RangeSet::default(), now);
        id
    }

    /// A new task, as its creator sees it.
    fn seen(&mut self, id: TaskId, now: Now) -> Result<TaskView, HiveError> {
        self.view(id, now).ok_or(HiveError::NoTask(id))
    }

    /// Whether an owner may have one more task that has not ended.
    ///
    /// # Errors
    /// If there are `most` already.
    pub(super) fn admit_owner(&self, owner: Option<TokenId>, most: usize) -> Result<(), HiveError> {
        match owner.map_or(0, |owner| self.tasks.unfinished_of(owner)) {
            unfinished if unfinished < most || owner.is_none() => Ok(()),
            unfinished => Err(too_many(unfinished, most)),
        }
    }

    /// Whether a change can be written at present.
    ///
    /// # Errors
    /// If the disk does not take writes.
    pub(super) fn admit(&self) -> Result<(), HiveError> {
        match &self.disk.fault {
            Some(fault) => Err(HiveError::Unavailable { reason: fault.clone(), retry_after: RETRY_AFTER }),
            None => Ok(()),
        }
    }
}
