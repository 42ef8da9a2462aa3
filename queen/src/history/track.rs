//! What the latest Drones did, each for a quarter of an hour and a little more.

use std::collections::BTreeMap;

use wire::ids::DroneId;

use super::ring::Ring;

/// The Drones that are remembered at most.
pub const DRONES: usize = 2000;

/// How far apart the values of a Drone are, in seconds.
pub const DRONE_STEP: u32 = 10;

/// The most values of each.
pub const DRONE_POINTS: usize = 120;

/// One Drone.
#[derive(Debug, Clone)]
pub struct Track {
    /// As it calls itself.
    pub name: Box<str>,
    /// Items per second.
    pub rate: Ring,
    /// SHA-256 compressions per second.
    pub compressions: Ring,
    /// The part of its threads' time in which they computed, 0 to 1.
    pub utilisation: Ring,
}

/// What is measured of a Drone at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct DroneSample {
    /// The Drone's id.
    pub id: DroneId,
    /// As it calls itself.
    pub name: String,
    /// Items per second.
    pub rate: f64,
    /// SHA-256 compressions per second.
    pub compressions: f64,
    /// The part of its threads' time in which they computed, 0 to 1, if that is known.
    pub utilisation: Option<f64>,
}

/// The latest Drones.
#[derive(Debug, Clone, Default)]
pub struct Tracks(pub(super) BTreeMap<DroneId, Track>);

impl Tracks {
    /// Adds what was measured of Drones in a step, counted from time zero.
    pub fn push(&mut self, step: i64, samples: &[DroneSample]) {
        for sample in samples.iter().take(DRONES) {
            let track = self.0.entry(sample.id).or_insert_with(|| Track::new(&sample.name));
            track.rate.push(step, Some(sample.rate as f32));
            track.compressions.push(step, Some(sample.compressions as f32));
            track.utilisation.push(step, sample.utilisation.map(|part| part as f32));
        }
        if let Some(surplus) = self.0.len().checked_sub(DRONES).filter(|surplus| *surplus > 0) {
            let mut ends: Vec<_> = self.0.iter().map(|(id, track)| (track.rate.end(), *id)).collect();
            ends.sort_unstable();
            for (_, id) in ends.into_iter().take(surplus) {
                self.0.remove(&id);
            }
        }
    }

    /// One of them.
    pub fn get(&self, id: DroneId) -> Option<&Track> {
        self.0.get(&id)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = (DroneId, &Track)> {
        self.0.iter().map(|(id, track)| (*id, track))
    }

    /// About what they take of memory, in bytes.
    pub fn bytes(&self) -> usize {
        let rings = |track: &Track| track.rate.bytes() + track.compressions.bytes() + track.utilisation.bytes();
        let of = |track: &Track| size_of::<(DroneId, Track)>() + rings(track);
        self.0.values().map(|track| of(track) + track.name.len()).sum()
    }
}

impl Track {
    pub(super) fn new(name: &str) -> Self {
        let ring = || Ring::new(DRONE_POINTS);
        Self { name: name.into(), rate: ring(), compressions: ring(), utilisation: ring() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: u64) -> DroneSample {
        let (name, rate) = (format!("meadow-{id}"), id as f64);
        DroneSample { id: DroneId(id), name, rate, compressions: 2.0 * rate, utilisation: Some(0.5) }
    }

    #[test]
    fn the_latest_drones_stay_within_their_room() {
        let mut tracks = Tracks::default();
        let all: Vec<_> = (0..DRONES as u64).map(sample).collect();
        (0..200).for_each(|step| tracks.push(step, &all));
        let bytes = tracks.bytes();
        assert!(bytes < 4 << 20, "{bytes}");
        // Two that are new take the places of those that were seen longest ago.
        tracks.push(200, &all[1..]);
        tracks.push(201, &all[2..]);
        tracks.push(202, &[sample(5000), sample(6000)]);
        assert_eq!(tracks.all().count(), DRONES);
        assert!([0, 1].iter().all(|id| tracks.get(DroneId(*id)).is_none()));
        assert!([2, 5000, 6000].iter().all(|id| tracks.get(DroneId(*id)).is_some()));
        let track = tracks.get(DroneId(7)).unwrap();
        assert_eq!(
            (track.rate.first(), track.rate.at(201), track.compressions.at(201)),
            (Some(82), Some(7.0), Some(14.0))
        );
    }
}
