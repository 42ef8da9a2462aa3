//! History as bytes, for the file that keeps it: little-endian, each list behind its length.
//!
//! ```text
//! version u32 | newest second i64
//! series: name, then for each step a ring, and the open step: number i64, sum f64, weight f64
//! Drones: id u64, name, ring of rates, ring of utilisations, ring of compressions (from version 2 on)
//! tasks:  id u64, first and last second i64, step u32, points: sum f64, count u32, state u8
//! ring:   step behind the newest i64, values f32
//! name:   UTF-8
//! ```

use web::model::{Series, Step, TaskState};
use wire::ids::{DroneId, TaskId};

use super::course::{Course, Courses, Point, TASK_POINTS, TASKS};
use super::ring::Ring;
use super::rollup::{Open, Rollup};
use super::track::{DRONE_POINTS, DRONES, Track, Tracks};

/// The version of this layout; older ones are read as well.
const VERSION: u32 = 2;

/// From this version on it is known how many compressions Drones computed.
const HAS_COMPRESSIONS: u32 = 2;

/// Stands for the newest second where there is none.
const NO_SECOND: i64 = i64::MIN;

/// Stands for a state that is not known.
const NO_STATE: u8 = u8::MAX;

/// Why bytes are no history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Another version of the layout.
    #[error("it has version {0}, and this Queen reads versions up to {VERSION}")]
    Version(u32),
    /// They end early, or say what cannot be.
    #[error("it is damaged")]
    Damaged,
}

/// All that is kept, apart.
pub(super) struct Parts {
    pub(super) rollups: [Rollup; Series::COUNT],
    /// The second of the newest sample.
    pub(super) newest: Option<i64>,
    pub(super) drones: Tracks,
    pub(super) tasks: Courses,
}

/// Writes it.
pub(super) fn encode(
    rollups: &[Rollup; Series::COUNT],
    newest: Option<i64>,
    drones: &Tracks,
    tasks: &Courses,
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(VERSION.to_le_bytes());
    out.extend(newest.unwrap_or(NO_SECOND).to_le_bytes());
    length(&mut out, rollups.len());
    for (series, rollup) in Series::ALL.into_iter().zip(rollups) {
        name(&mut out, series.name());
        for (values, open) in &rollup.steps {
            ring(&mut out, values);
            out.extend(open.step.to_le_bytes());
            out.extend(open.sum.to_le_bytes());
            out.extend(open.weight.to_le_bytes());
        }
    }
    length(&mut out, drones.0.len());
    for (id, track) in &drones.0 {
        out.extend(id.0.to_le_bytes());
        name(&mut out, &track.name);
        ring(&mut out, &track.rate);
        ring(&mut out, &track.utilisation);
        ring(&mut out, &track.compressions);
    }
    length(&mut out, tasks.all.len());
    for (id, course) in &tasks.all {
        out.extend(id.0.to_le_bytes());
        out.extend(course.begun.to_le_bytes());
        out.extend(course.last.to_le_bytes());
        out.extend(course.step.to_le_bytes());
        length(&mut out, course.points.len());
        for point in &course.points {
            out.extend(point.sum.to_le_bytes());
            out.extend(point.count.to_le_bytes());
            out.push(point.state.map_or(NO_STATE, |state| state as u8));
        }
    }
    out
}

fn length(out: &mut Vec<u8>, length: usize) {
    out.extend((length as u32).to_le_bytes());
}

fn name(out: &mut Vec<u8>, name: &str) {
    length(out, name.len());
    out.extend(name.as_bytes());
}

fn ring(out: &mut Vec<u8>, ring: &Ring) {
    out.extend(ring.end().to_le_bytes());
    let values = ring.values();
    length(out, values.len());
    values.for_each(|value| out.extend(value.unwrap_or(f32::NAN).to_le_bytes()));
}

/// Reads what [`encode`] wrote. Series that are not known any more are left out.
///
/// # Errors
/// If it is none.
pub(super) fn decode(bytes: &[u8]) -> Result<Parts, Unreadable> {
    let mut from = Source(bytes);
    let version = from.u32()?;
    if !(1..=VERSION).contains(&version) {
        return Err(Unreadable::Version(version));
    }
    let newest = Some(from.i64()?).filter(|second| *second != NO_SECOND);
    let mut rollups = Series::ALL.map(Rollup::new);
    for _ in 0..from.u32()? {
        let name = from.name()?;
        let known = Series::ALL.into_iter().find(|series| *series.name() == *name);
        for step in Step::ALL {
            let ring = from.ring(step.points() - 1)?;
            let open = Open { step: from.i64()?, sum: from.f64()?, weight: from.f64()? };
            if let Some(series) = known {
                rollups[series as usize].steps[step as usize] = (ring, open);
            }
        }
    }
    let (mut drones, mut tasks) = (Tracks::default(), Courses::default());
    for _ in 0..from.count(DRONES)? {
        let (id, name) = (DroneId(from.u64()?), from.name()?);
        let (rate, utilisation) = (from.ring(DRONE_POINTS)?, from.ring(DRONE_POINTS)?);
        let compressions = match version >= HAS_COMPRESSIONS {
            true => from.ring(DRONE_POINTS)?,
            // All of a Drone is shown at the same steps.
            false => rate.without_values(),
        };
        let track = Track { name, rate, compressions, utilisation };
        drones.0.insert(id, track);
    }
    for _ in 0..from.count(TASKS)? {
        let id = TaskId(from.u64()?);
        let mut course = Course::new(from.i64()?);
        (course.last, course.step) = (from.i64()?, from.u32()?);
        if !course.step.is_power_of_two() {
            return Err(Unreadable::Damaged);
        }
        for _ in 0..from.count(TASK_POINTS)? {
            course.points.push(from.point()?);
        }
        tasks.all.insert(id, course);
    }
    if from.0.is_empty() { Ok(Parts { rollups, newest, drones, tasks }) } else { Err(Unreadable::Damaged) }
}

/// What is still to be read.
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Unreadable::Damaged)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Unreadable> {
        self.array().map(u64::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Unreadable> {
        self.array().map(i64::from_le_bytes)
    }

    fn f64(&mut self) -> Result<f64, Unreadable> {
        self.array().map(f64::from_le_bytes)
    }

    /// How many things follow, of which there may be so many.
    fn count(&mut self, most: usize) -> Result<usize, Unreadable> {
        let count = self.u32()? as usize;
        if count <= most { Ok(count) } else { Err(Unreadable::Damaged) }
    }

    fn name(&mut self) -> Result<Box<str>, Unreadable> {
        let length = self.u32()? as usize;
        let name = str::from_utf8(self.take(length)?).map_err(|_| Unreadable::Damaged)?;
        Ok(name.into())
    }

    fn ring(&mut self, most: usize) -> Result<Ring, Unreadable> {
        let (end, count) = (self.i64()?, self.count(most)?);
        let first = end.checked_sub(count as i64).ok_or(Unreadable::Damaged)?;
        let mut ring = Ring::new(most);
        for step in first..end {
            let value = self.array().map(f32::from_le_bytes)?;
            ring.push(step, Some(value));
        }
        Ok(ring)
    }

    fn point(&mut self) -> Result<Point, Unreadable> {
        let (sum, count, [state]) = (self.f64()?, self.u32()?, self.array()?);
        let known = TaskState::ALL.into_iter().find(|known| *known as u8 == state);
        if known.is_none() && state != NO_STATE {
            return Err(Unreadable::Damaged);
        }
        Ok(Point { sum, count, state: known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_version_before_is_read() {
        let mut rate = Ring::new(DRONE_POINTS);
        (7..10).for_each(|step| rate.push(step, Some(step as f32)));
        let mut old = Vec::new();
        old.extend(1_u32.to_le_bytes());
        old.extend(99_i64.to_le_bytes());
        length(&mut old, 0);
        length(&mut old, 1);
        old.extend(3_u64.to_le_bytes());
        name(&mut old, "meadow");
        ring(&mut old, &rate);
        ring(&mut old, &rate);
        length(&mut old, 0);
        let Parts { newest, drones, .. } = decode(&old).unwrap();
        let track = drones.get(DroneId(3)).unwrap();
        assert_eq!((newest, track.rate.at(9), track.utilisation.at(7)), (Some(99), Some(9.0), Some(7.0)));
        // All of a Drone stands at the same steps.
        assert_eq!(track.compressions.values().collect::<Vec<_>>(), [None; 3]);
        assert_eq!((track.compressions.first(), track.compressions.end()), (Some(7), 10));
    }
}
