//! What is written to one Drone, one after the other: messages, leases, and material before the leases that name it.

use std::collections::VecDeque;

use bytes::Bytes;
use wire::material::{MAX_PIECE, MaterialId};
use wire::message::ToDrone;

use super::loading::{LeasePayload, Loaded};
use super::sent_material::SentMaterial;
use crate::core::Grant;
use crate::hive::Outbound;
use crate::work::{Job, Material};

/// One thing that is written.
pub(super) enum Step {
    Lease(Grant, Job, LeasePayload),
    Other(Outbound),
    Forget(MaterialId),
    Piece(MaterialPiece),
}

/// A piece of material.
pub(super) struct MaterialPiece {
    id: MaterialId,
    total: u64,
    offset: u64,
    bytes: Bytes,
}

impl MaterialPiece {
    pub(super) fn message(&self) -> ToDrone<'_> {
        ToDrone::Material { id: self.id, total: self.total, offset: self.offset, bytes: &self.bytes }
    }
}

/// What is to be written of this, given what the Drone has.
pub(super) fn steps(loaded: Vec<Loaded>, sent_material: &mut SentMaterial) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    for loaded in loaded {
        match loaded {
            Loaded::Other(message) => steps.push_back(Step::Other(message)),
            Loaded::Lease(grant, job, payload) => {
                if let Some(material) = &payload.material
                    && let Some(gone) = sent_material.name(material.id, material.bytes.len() as u64)
                {
                    steps.extend(gone.into_iter().map(Step::Forget));
                    steps.extend(pieces(material));
                }
                steps.push_back(Step::Lease(grant, job, payload));
            }
        }
    }
    steps
}

fn pieces(Material { id, bytes }: &Material) -> impl Iterator<Item = Step> {
    let total = bytes.len();
    (0..total).step_by(MAX_PIECE).map(move |offset| {
        let bytes = bytes.slice(offset..total.min(offset + MAX_PIECE));
        Step::Piece(MaterialPiece { id: *id, total: total as u64, offset: offset as u64, bytes })
    })
}

/// Takes what is written at once: up to a piece of material, behind which leases of small tasks go first.
pub(super) fn next(steps: &mut VecDeque<Step>) -> Vec<Step> {
    let piece = steps.iter().position(|step| matches!(step, Step::Piece(_)));
    let count = piece.map_or(steps.len(), |at| at + 1);
    steps.drain(..count).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wire::blob::SharedBlob;
    use wire::ids::{DroneId, LeaseId, TaskId};

    use super::*;
    use crate::store::testing::terms;
    use crate::work::Inputs;

    fn lease(number: u64, material: Option<&[u8]>) -> Loaded {
        let (lease, task) = (LeaseId(number), TaskId(number));
        let grant = Grant { drone: DroneId(1), lease, task, range: 0..1, priority: 0, rank: 0 };
        let inputs = Inputs::Small(Arc::from([]));
        let material =
            material.map(|bytes| Material { id: MaterialId::of(bytes), bytes: Bytes::copy_from_slice(bytes) });
        let payload = LeasePayload { inputs: SharedBlob::default(), material };
        Loaded::Lease(grant, Job { task, terms: terms().into(), inputs }, payload)
    }

    /// What is written in each turn: a lease by its number, a piece by its offset, and so on.
    fn turns(mut steps: VecDeque<Step>) -> Vec<Vec<String>> {
        let mut turns = Vec::new();
        while !steps.is_empty() {
            let text = |step: &Step| match step {
                Step::Lease(grant, ..) => format!("lease {}", grant.lease),
                Step::Other(_) => "other".to_owned(),
                Step::Forget(_) => "forget".to_owned(),
                Step::Piece(MaterialPiece { total, offset, bytes, .. }) => {
                    format!("{offset} + {} of {total}", bytes.len())
                }
            };
            turns.push(next(&mut steps).iter().map(text).collect());
        }
        turns
    }

    #[test]
    fn material_is_sent_once_in_pieces_before_the_lease_that_names_it() {
        let mut sent_material = SentMaterial::new(600_000, &[]).unwrap();
        let (long, short) = (vec![7; 600_000], vec![8; 2_000]);
        let loaded = vec![lease(1, None), lease(2, Some(&long)), Loaded::Other(Outbound::Drain), lease(3, Some(&long))];
        assert_eq!(
            turns(steps(loaded, &mut sent_material)),
            [
                vec!["lease 1", "0 + 262144 of 600000"],
                vec!["262144 + 262144 of 600000"],
                vec!["524288 + 75712 of 600000"],
                vec!["lease 2", "other", "lease 3"],
            ]
        );
        let loaded = vec![lease(4, Some(&long)), lease(5, Some(&short)), lease(6, Some(&short))];
        assert_eq!(
            turns(steps(loaded, &mut sent_material)),
            [vec!["lease 4", "forget", "0 + 2000 of 2000"], vec!["lease 5", "lease 6"]]
        );
    }
}
