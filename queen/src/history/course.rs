//! How tasks went: their rates and states from their beginning on, the coarser the longer they take.

use std::collections::BTreeMap;

use web::model::TaskState;
use wire::ids::TaskId;

/// The tasks that are remembered at most.
pub const TASKS: usize = 2000;

/// The most values of each; when there are so many, two become one.
pub const TASK_POINTS: usize = 120;

/// What a task did in one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Items per second, added up.
    pub(super) sum: f64,
    /// How often they were measured.
    pub(super) count: u32,
    /// Where it stood last; `None` if it was not looked at.
    pub state: Option<TaskState>,
}

impl Point {
    const NONE: Self = Self { sum: 0.0, count: 0, state: None };

    /// The mean of what was measured.
    pub fn rate(&self) -> Option<f32> {
        (self.count > 0).then(|| (self.sum / f64::from(self.count)) as f32)
    }

    fn with(self, later: Self) -> Self {
        let state = later.state.or(self.state);
        Self { sum: self.sum + later.sum, count: self.count.saturating_add(later.count), state }
    }
}

/// One task.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// The second in which it was looked at first, counted from time zero.
    pub begun: i64,
    /// The second in which it was looked at last.
    pub(super) last: i64,
    /// How many seconds each value is of: a power of two.
    pub step: u32,
    /// One for each step.
    pub points: Vec<Point>,
}

impl Course {
    pub(super) fn new(begun: i64) -> Self {
        Self { begun, last: begun, step: 1, points: Vec::with_capacity(TASK_POINTS) }
    }

    fn push(&mut self, second: i64, state: TaskState, rate: Option<f64>) {
        let Ok(passed) = usize::try_from(second.saturating_sub(self.begun)) else { return };
        while passed / self.step as usize >= TASK_POINTS && self.step < 1 << 30 {
            self.halve();
        }
        let at = (passed / self.step as usize).min(TASK_POINTS - 1);
        if at >= self.points.len() {
            self.points.resize(at + 1, Point::NONE);
        }
        let measured = Point { sum: rate.unwrap_or_default(), count: rate.is_some().into(), state: Some(state) };
        self.points[at] = self.points[at].with(measured);
        self.last = second;
    }

    fn halve(&mut self) {
        let halves: Vec<_> =
            self.points.chunks(2).map(|pair| pair.iter().fold(Point::NONE, |a, b| a.with(*b))).collect();
        self.points.clear();
        self.points.extend(halves);
        self.step *= 2;
    }
}

/// What is measured of a task at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TaskSample {
    /// The task's id.
    pub id: TaskId,
    /// Where it stands.
    pub state: TaskState,
    /// Items per second, while it runs.
    pub rate: Option<f64>,
}

/// The latest tasks that ran.
#[derive(Debug, Clone, Default)]
pub struct Courses {
    pub(super) all: BTreeMap<TaskId, Course>,
    /// Those that were looked at last and had not ended.
    unfinished: Vec<TaskId>,
}

impl Courses {
    /// Adds what was measured of tasks in a second, counted from time zero.
    pub fn push(&mut self, second: i64, samples: &[TaskSample]) {
        self.unfinished.clear();
        for sample in samples.iter().take(TASKS) {
            self.unfinished.extend((!sample.state.has_ended()).then_some(sample.id));
            let course = self.all.entry(sample.id).or_insert_with(|| Course::new(second));
            course.push(second, sample.state, sample.rate);
        }
        if let Some(surplus) = self.all.len().checked_sub(TASKS).filter(|surplus| *surplus > 0) {
            let mut seen: Vec<_> = self.all.iter().map(|(id, course)| (course.last, *id)).collect();
            seen.sort_unstable();
            for (_, id) in seen.into_iter().take(surplus) {
                self.all.remove(&id);
            }
        }
    }

    /// One of them.
    pub fn get(&self, id: TaskId) -> Option<&Course> {
        self.all.get(&id)
    }

    /// Those that were looked at last and had not ended.
    pub fn unfinished(&self) -> impl Iterator<Item = TaskId> {
        self.unfinished.iter().copied()
    }

    /// About what they take of memory, in bytes.
    pub fn bytes(&self) -> usize {
        let of = |course: &Course| size_of::<(TaskId, Course)>() + course.points.capacity() * size_of::<Point>();
        self.all.values().map(of).sum::<usize>() + self.unfinished.capacity() * size_of::<TaskId>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(id: u64, rate: f64) -> TaskSample {
        TaskSample { id: TaskId(id), state: TaskState::Running, rate: Some(rate) }
    }

    #[test]
    fn a_long_task_is_seen_from_its_beginning() {
        let mut courses = Courses::default();
        for second in 0..1000 {
            courses.push(5000 + second, &[running(7, second as f64)]);
        }
        let course = courses.get(TaskId(7)).unwrap();
        assert_eq!((course.begun, course.step, course.points.len()), (5000, 16, 63));
        assert_eq!((course.points[0].rate(), course.points[1].rate()), (Some(7.5), Some(23.5)));
        assert_eq!(course.points[62].rate(), Some(995.5), "the last one is not whole");
    }

    #[test]
    fn states_and_gaps_are_kept() {
        let mut courses = Courses::default();
        courses.push(10, &[running(1, 5.0)]);
        courses.push(12, &[TaskSample { id: TaskId(1), state: TaskState::Paused, rate: None }]);
        courses.push(9, &[running(1, 99.0)]);
        assert_eq!(courses.unfinished().collect::<Vec<_>>(), [TaskId(1)]);
        courses.push(14, &[TaskSample { id: TaskId(1), state: TaskState::Done, rate: None }]);
        assert_eq!(courses.unfinished().count(), 0);
        let points = courses.get(TaskId(1)).unwrap().points.iter().map(|point| (point.rate(), point.state));
        let (paused, done) = (Some(TaskState::Paused), Some(TaskState::Done));
        let expected =
            [(Some(5.0), Some(TaskState::Running)), (None, None), (None, paused), (None, None), (None, done)];
        assert_eq!(points.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn they_stay_within_their_room() {
        let mut courses = Courses::default();
        let all: Vec<_> = (0..TASKS as u64).map(|id| running(id, 1.0)).collect();
        (0..500).for_each(|second| courses.push(second, &all));
        assert!(courses.bytes() < 7 << 20, "{}", courses.bytes());
        courses.push(501, &all[1..]);
        courses.push(502, &[running(9000, 1.0)]);
        assert_eq!((courses.all.len(), courses.get(TaskId(0))), (TASKS, None));
    }
}
