//! Material that leases name: it is sent once, and kept until the Queen has it forgotten; beyond a connection only
//! what leases need.

use std::collections::BTreeMap;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use wire::material::{KeptMaterial, MAX_KEPT, MAX_PIECE, MaterialId};

use super::limits::MAX_MATERIAL_BYTES;
use super::violation::Violation;

/// Material that has come whole, and its number in [`Frames`](super::frames::Frames), which counts its leases.
#[derive(Clone)]
pub(super) struct Material {
    pub(super) bytes: Bytes,
    pub(super) number: u64,
}

/// Where a piece belongs.
pub(super) struct Piece<'a> {
    pub(super) id: MaterialId,
    /// Bytes of all of it.
    pub(super) total: u64,
    pub(super) offset: u64,
    pub(super) bytes: &'a [u8],
}

/// All material that may be named.
#[derive(Default)]
pub(super) struct Materials {
    whole: BTreeMap<MaterialId, Material>,
    /// What was forgotten while leases needed it: if it comes again, it is not kept twice.
    forgotten: BTreeMap<MaterialId, Material>,
    /// What is coming over this connection, if anything: one after the other.
    coming: Option<Coming>,
    /// What all of it takes, also what has yet to come, in bytes.
    bytes: u64,
}

struct Coming {
    id: MaterialId,
    total: u64,
    bytes: Vec<u8>,
    hash: Sha256,
}

impl Materials {
    pub(super) fn get(&self, id: &MaterialId) -> Option<&Material> {
        self.whole.get(id)
    }

    /// What the Queen is told of on a new connection.
    pub(super) fn kept(&self) -> Vec<KeptMaterial> {
        let kept = |(id, material): (&MaterialId, &Material)| KeptMaterial { id: *id, bytes: length(material) };
        self.whole.iter().map(kept).collect()
    }

    /// The next piece has come; `number` is what the material is called if it is whole now.
    pub(super) fn piece(&mut self, piece: Piece<'_>, number: impl FnOnce() -> u64) -> Result<(), Violation> {
        let Piece { id, total, offset, bytes } = piece;
        let (expected, next) = match &self.coming {
            Some(coming) => ((coming.id, coming.total), coming.bytes.len() as u64),
            None => ((id, total), 0),
        };
        let size = bytes.len() as u64;
        let is_piece = (1..=MAX_PIECE).contains(&bytes.len()) && offset == next && size <= total.saturating_sub(offset);
        if (id, total) != expected || !is_piece || self.whole.contains_key(&id) {
            return Err(Violation::Piece { id, offset, next });
        }
        if self.coming.is_none() {
            if self.whole.len() >= MAX_KEPT || total > MAX_MATERIAL_BYTES as u64 - self.bytes {
                return Err(Violation::TooMuchMaterial);
            }
            self.bytes += total;
        }
        let coming = self.coming.get_or_insert_with(|| {
            let bytes = Vec::with_capacity(total as usize);
            Coming { id, total, bytes, hash: Sha256::new() }
        });
        coming.bytes.extend_from_slice(bytes);
        coming.hash.update(bytes);
        if coming.bytes.len() as u64 == total {
            return self.complete(number);
        }
        Ok(())
    }

    /// All pieces have come.
    fn complete(&mut self, number: impl FnOnce() -> u64) -> Result<(), Violation> {
        let Some(Coming { id, total, bytes, hash }) = self.coming.take() else { return Ok(()) };
        if MaterialId(hash.finalize().into()) != id {
            self.bytes -= total;
            return Err(Violation::Digest(id));
        }
        let before = self.forgotten.remove(&id);
        self.whole.insert(id, before.unwrap_or_else(|| Material { bytes: bytes.into(), number: number() }));
        Ok(())
    }

    /// No lease to come names it; those that did go on with it.
    pub(super) fn forget(&mut self, id: MaterialId) -> Result<(), Violation> {
        let material = self.whole.remove(&id).ok_or(Violation::Unknown(id))?;
        self.bytes -= length(&material);
        self.forgotten.insert(id, material);
        Ok(())
    }

    /// Drops what was forgotten and no lease needs, by its number.
    pub(super) fn tidy(&mut self, is_needed: impl Fn(u64) -> bool) {
        self.forgotten.retain(|_, material| is_needed(material.number));
    }

    /// There is no connection: keeps what leases need, by its number.
    pub(super) fn retain(&mut self, is_needed: impl Fn(u64) -> bool) {
        self.coming = None;
        self.whole.retain(|_, material| is_needed(material.number));
        self.bytes = self.whole.values().map(length).sum();
    }

    /// What all of it takes, in bytes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn length(material: &Material) -> u64 {
    material.bytes.len() as u64
}
