//! What follows from what the Queen says.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use wire::ids::Epoch;
use wire::material::MaterialId;
use wire::message::{Adoption, Lease, ToDrone};
use wire::work::{Algorithm, Chunk};

use super::effect::{Effect, Note};
use super::held::{HeldLease, Phase};
use super::limits::{MAX_HELD_BYTES, MAX_LEASES};
use super::material::{Material, Piece};
use super::outbox::Statement;
use super::part::Key;
use super::state::Session;
use super::violation::Violation;
use crate::kernel;
use crate::pool::{Assignment, Ticket, Urgency};

impl Session {
    /// Hears the Queen; `frame` is what `message` was decoded from. Without a connection nothing
    /// is heard.
    ///
    /// # Errors
    /// If she breaks the protocol; the connection is to be closed then.
    pub fn hear(&mut self, frame: &Bytes, message: &ToDrone<'_>, effects: &mut Vec<Effect>) -> Result<(), Violation> {
        match message {
            ToDrone::Work { leases } => self.work(frame, &leases.0, effects)?,
            ToDrone::Shrink { lease, epoch, end } => self.shrink(Key { lease: *lease, epoch: *epoch }, *end, effects),
            ToDrone::Adopted { leases } => self.adopted(&leases.0, effects)?,
            ToDrone::Stored { outputs } => self.stored(*outputs)?,
            ToDrone::Drain => self.drain(effects),
            ToDrone::Material { id, total, offset, bytes } => {
                self.material(Piece { id: *id, total: *total, offset: *offset, bytes })?;
            }
            ToDrone::Forget { id } => self.forget_material(*id)?,
            ToDrone::Heartbeat | ToDrone::Goodbye { .. } => {}
        }
        Ok(())
    }

    fn material(&mut self, piece: Piece<'_>) -> Result<(), Violation> {
        let Some(link) = &self.link else { return Ok(()) };
        if !link.is_open() {
            return Err(Violation::Early);
        }
        self.materials.piece(piece, || self.frames.arrived())
    }

    fn forget_material(&mut self, id: MaterialId) -> Result<(), Violation> {
        let Some(link) = &self.link else { return Ok(()) };
        if !link.is_open() {
            return Err(Violation::Early);
        }
        self.materials.forget(id)?;
        self.drop_material();
        Ok(())
    }

    fn work(&mut self, frame: &Bytes, leases: &[Lease<'_>], effects: &mut Vec<Effect>) -> Result<(), Violation> {
        let Some(link) = &self.link else { return Ok(()) };
        if !link.is_open() {
            return Err(Violation::Early);
        }
        if self.leaving {
            self.say_now(Statement::HandBack(leases.iter().map(key_of).collect()));
            return Ok(());
        }
        if self.computing + leases.len() > MAX_LEASES {
            return Err(Violation::TooManyLeases);
        }
        let mut materials = BTreeMap::new();
        for id in leases.iter().filter_map(|lease| lease.material) {
            let material = self.materials.get(&id).ok_or(Violation::Unknown(id))?;
            materials.insert(material.number, material.bytes.len());
        }
        let new_bytes = materials.iter().filter(|(number, _)| !self.frames.is_needed(**number));
        let new_bytes = frame.len() + new_bytes.map(|(_, bytes)| bytes).sum::<usize>();
        if self.frames.bytes() + new_bytes > MAX_HELD_BYTES {
            return Err(Violation::TooManyBytes);
        }
        let mut new = BTreeSet::new();
        for lease in leases {
            let key = key_of(lease);
            if link.ticket(key).is_some() || !new.insert(key) {
                return Err(Violation::Twice(lease.id.0));
            }
            let items = items(lease);
            if items == 0 || lease.to.checked_sub(lease.from) != Some(items) {
                return Err(Violation::Range { lease: lease.id.0, from: lease.from, to: lease.to, items });
            }
        }
        let number = self.frames.arrived();
        leases.iter().for_each(|lease| self.accept(number, frame, lease, effects));
        Ok(())
    }

    fn accept(&mut self, number: u64, frame: &Bytes, lease: &Lease<'_>, effects: &mut Vec<Effect>) {
        let key = key_of(lease);
        let material = lease.material.and_then(|id| self.materials.get(&id)).cloned();
        let job = match kernel::job(frame, &lease.chunk, material.as_ref().map(|material| &material.bytes)) {
            Ok(job) => job,
            Err(reason) => {
                effects.push(Effect::Failed { reason: reason.clone() });
                return self.say_now(Statement::Failed { key, reason });
            }
        };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let urgency = Urgency { priority: Reverse(lease.priority), rank: lease.rank, ticket };
        self.held
            .insert(ticket, HeldLease::new(key, urgency, lease, (number, material.as_ref().map(|one| one.number))));
        self.computing += 1;
        self.frames.add_lease(number, frame.len());
        if let Some(Material { bytes, number }) = material {
            self.frames.add_lease(number, bytes.len());
        }
        if let Some(link) = &mut self.link {
            link.name(key, ticket);
        }
        let (word, is_secret) = match &lease.chunk {
            Chunk::Digest(chunk) => {
                let word = (items(lease) == 1).then(|| frame.slice_ref(chunk.inputs.bytes()));
                (word, !matches!(chunk.algorithm, Algorithm::Sha256 | Algorithm::Sha256d))
            }
            Chunk::Search(_) => (None, false),
        };
        let Lease { task, from, to, chunk, .. } = lease;
        let note = Note { task: *task, from: *from, to: *to, kind: chunk.kind(), word, is_secret };
        effects.push(Effect::Start { note, assignment: Assignment { urgency, from: lease.from, job } });
    }

    fn shrink(&mut self, key: Key, end: u64, effects: &mut Vec<Effect>) {
        if let Some(ticket) = self.link.as_ref().and_then(|link| link.ticket(key)) {
            self.truncate(ticket, end, effects);
        }
    }

    fn adopted(&mut self, answers: &[Option<Adoption>], effects: &mut Vec<Effect>) -> Result<(), Violation> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let epoch = link.epoch();
        let offer = link.answered(answers)?;
        let (offered, taken) = (offer.len(), answers.iter().flatten().count());
        let mut over = Vec::new();
        for ((ticket, _), answer) in offer.into_iter().zip(answers) {
            match answer {
                None => self.withdraw(ticket, effects),
                Some(adoption) if self.held.contains_key(&ticket) => self.resume(ticket, epoch, adoption, effects),
                // It failed or was given back while the Queen thought about it.
                Some(adoption) => over.push(Key { lease: adoption.lease, epoch }),
            }
        }
        if !over.is_empty() {
            self.say_now(Statement::HandBack(over));
        }
        if offered > 0 {
            effects.push(Effect::Adopted { taken, offered });
        }
        Ok(())
    }

    /// Goes on with a lease under its new name, and says again what is not known to be stored.
    fn resume(&mut self, ticket: Ticket, epoch: Epoch, adoption: &Adoption, effects: &mut Vec<Effect>) {
        let (Some(held), Some(link)) = (self.held.get_mut(&ticket), &mut self.link) else { return };
        let key = Key { lease: adoption.lease, epoch };
        link.name(key, ticket);
        self.kept_bytes -= held.kept_bytes();
        held.adopt(key, adoption);
        self.kept_bytes += held.kept_bytes();
        match (held.phase, held.parts()) {
            (Phase::Computed, [whole]) => link.say_whole(key, whole.clone()),
            (_, parts) => parts.iter().for_each(|part| link.say(Statement::Output(key, part.clone()))),
        }
        self.truncate(ticket, adoption.to, effects);
    }

    fn stored(&mut self, outputs: u64) -> Result<(), Violation> {
        let Some(link) = &mut self.link else { return Ok(()) };
        for ticket in link.receipt(outputs)? {
            if let Some(held) = self.held.get_mut(&ticket) {
                self.kept_bytes -= held.pop_stored();
            }
            self.forget_if_over(ticket);
        }
        Ok(())
    }
}

fn key_of(lease: &Lease<'_>) -> Key {
    Key { lease: lease.id, epoch: lease.epoch }
}

fn items(lease: &Lease<'_>) -> u64 {
    match &lease.chunk {
        Chunk::Digest(chunk) => chunk.inputs.len() as u64,
        Chunk::Search(chunk) => chunk.items,
    }
}
