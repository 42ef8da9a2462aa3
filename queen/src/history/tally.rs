//! What a Drone says of its work, gathered until a second is over and can be told in its [`Stream`].

use std::time::Duration;

use web::model::{Gap, StreamRun, Window};
use wire::ids::TaskId;

use super::cell::Cell;
use super::stream::Stream;

/// Tasks whose time is added up within a second; of those that come beyond, the last one replaces the shortest.
const TASKS: usize = 8;

/// What one Drone did, and what it has said that is not told yet. All times are since the Queen's start.
#[derive(Debug, Clone)]
pub struct Tally {
    stream: Stream,
    threads: u16,
    /// When it said for how long its threads had computed, and for how long, in nanoseconds.
    said: Option<(Duration, u64)>,
    /// Thread time of results that came since.
    computed: Vec<(TaskId, Duration)>,
    /// The task that it was at when it said so.
    before: Option<TaskId>,
    /// The task of which it held leases that have ended since; `Some(None)` if they were of several.
    ended: Option<Option<TaskId>>,
    /// Something that it held was taken back since.
    was_withdrawn: bool,
    /// Why it is not connected, and since which second.
    parted: Option<(Gap, u64)>,
}

impl Tally {
    /// The most that one takes of memory, in bytes.
    pub const MAX_BYTES: usize =
        size_of::<Self>() - size_of::<Stream>() + Stream::MAX_BYTES + TASKS * size_of::<(TaskId, Duration)>();

    /// A Drone that connects for the first time.
    pub fn new(threads: u16, now: Duration) -> Self {
        Self {
            stream: Stream::new(now.as_secs()),
            threads: threads.max(1),
            said: None,
            computed: Vec::new(),
            before: None,
            ended: None,
            was_withdrawn: false,
            parted: None,
        }
    }

    /// It has a new connection.
    pub fn connect(&mut self, threads: u16, now: Duration) {
        self.stream.tell(self.meanwhile(), now.as_secs());
        (self.threads, self.said, self.parted) = (threads.max(1), None, None);
        self.computed.clear();
    }

    /// It has none any more.
    pub fn part(&mut self, why: Gap, now: Duration) {
        self.stream.tell(self.meanwhile(), now.as_secs());
        self.parted = Some((why, now.as_secs()));
    }

    /// Results of a task came that took so much thread time.
    pub fn compute(&mut self, task: TaskId, spent: Duration, now: Duration) {
        let Some((since, _)) = self.said else { return };
        // What was spent before was told before.
        let spent = spent.min(now.saturating_sub(since));
        match self.computed.iter().position(|(other, _)| *other == task) {
            Some(at) => self.computed[at].1 += spent,
            None if self.computed.len() < TASKS => self.computed.push((task, spent)),
            None => {
                if let Some(shortest) = self.computed.iter_mut().min_by_key(|(_, sum)| *sum) {
                    *shortest = (task, spent);
                }
            }
        }
    }

    /// A lease that it held of a task has ended, perhaps because it was taken back.
    pub fn end_lease(&mut self, task: TaskId, was_withdrawn: bool) {
        self.ended = Some(self.ended.map_or(Some(task), |ended| ended.filter(|other| *other == task)));
        self.was_withdrawn |= was_withdrawn;
    }

    /// Its threads have computed for so many nanoseconds by now, counted from its start. `begun`: the task that they are
    /// at, as far as is known; `gap`: why they do nothing, if they do nothing.
    pub fn beat(&mut self, busy_ns: u64, begun: Option<TaskId>, gap: Option<Gap>, now: Duration) {
        let second = now.as_secs();
        let Some((since, before)) = self.said else {
            self.said = Some((now, busy_ns));
            return;
        };
        if second < self.stream.next() {
            return;
        }
        let passed = now.saturating_sub(since).as_secs_f64() * f64::from(self.threads);
        let said = Duration::from_nanos(busy_ns.saturating_sub(before));
        let results: Duration = self.computed.iter().map(|(_, spent)| *spent).sum();
        let part = if passed > 0.0 { said.max(results).as_secs_f64() / passed } else { 0.0 };
        let most = self.computed.iter().max_by_key(|(_, spent)| *spent).map(|(task, _)| *task);
        // What it has no lease of, and gives no result of, is what was taken back from it.
        let task = most.or(begun).or(self.ended.unwrap_or(self.before));
        let gap = match gap {
            Some(Gap::NoWork) if self.was_withdrawn => Some(Gap::Withdrawn),
            // It has work and is at it; what the rest of its time goes into is not known.
            Some(Gap::Starting | Gap::Disk) if part > 0.0 => None,
            gap => gap,
        };
        self.stream.tell(Cell::busy(task, part, gap), second + 1);
        (self.said, self.before, self.ended, self.was_withdrawn) = (Some((now, busy_ns)), task, None, false);
        self.computed.clear();
    }

    /// Whether it is here, or was in the last so many seconds.
    pub fn was_here(&self, seconds: u32, now: Duration) -> bool {
        match self.parted {
            Some((Gap::Gone, since)) => since + u64::from(seconds) > now.as_secs(),
            _ => true,
        }
    }

    /// Since which second it is gone, if it is.
    pub fn gone_since(&self) -> Option<u64> {
        self.parted.filter(|(why, _)| *why == Gap::Gone).map(|(_, since)| since)
    }

    /// All columns of a window, of which the last one has the last second that is over.
    pub fn read(&self, window: Window, now: Duration) -> Vec<StreamRun> {
        let mut stream = self.stream.clone();
        stream.tell(self.meanwhile(), now.as_secs());
        stream.read(window, now.as_secs())
    }

    /// What it takes of memory, in bytes.
    pub fn bytes(&self) -> usize {
        let own = size_of::<Self>() - size_of::<Stream>();
        own + self.stream.bytes() + self.computed.capacity() * size_of::<(TaskId, Duration)>()
    }

    /// What it does while nothing is heard of it.
    fn meanwhile(&self) -> Cell {
        self.parted.map_or_else(Cell::default, |(why, _)| Cell::idle(Some(why)))
    }
}

#[cfg(test)]
mod tests {
    use web::model::STREAM_COLUMNS;

    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn at(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// The newest columns, without those of which nothing is known.
    fn shown(tally: &Tally, ms: u64) -> Vec<(Option<u64>, f64, Option<Gap>, u32)> {
        let runs = tally.read(Window::Minute, at(ms));
        assert_eq!(runs.iter().map(|run| run.columns as usize).sum::<usize>(), STREAM_COLUMNS);
        let known = runs.iter().filter_map(|run| Some((run.task.map(|task| task.0), run.busy?, run.gap, run.columns)));
        known.collect()
    }

    #[test]
    fn a_second_is_told_when_it_is_over() {
        let mut tally = Tally::new(2, at(10_000));
        tally.beat(0, None, None, at(10_100));
        tally.compute(TaskId(7), at(300), at(10_700));
        tally.compute(TaskId(9), at(900), at(11_000));
        // It computed for 1.5 of the two seconds that its threads had.
        tally.beat(3 * SECOND_NS / 2, None, Some(Gap::NoWork), at(11_100));
        assert_eq!(shown(&tally, 11_900), [(Some(9), 0.8, Some(Gap::NoWork), 1)], "the second that is not over");
        tally.beat(3 * SECOND_NS / 2, None, Some(Gap::Paused), at(12_100));
        let expected = [(Some(9), 0.8, Some(Gap::NoWork), 2), (None, 0.0, Some(Gap::Paused), 1)];
        assert_eq!(shown(&tally, 13_000), expected);
    }

    #[test]
    fn what_takes_long_is_seen_while_it_is_computed() {
        let mut tally = Tally::new(1, at(0));
        for second in 0..=5 {
            tally.beat(second * SECOND_NS, Some(TaskId(7)), None, at(second * 1000 + 200));
        }
        // Its only result comes at the end, beside one of another task, which took most of this second.
        tally.compute(TaskId(7), at(5_300), at(5_500));
        tally.compute(TaskId(9), at(700), at(6_190));
        tally.beat(6 * SECOND_NS, None, None, at(6_200));
        assert_eq!(shown(&tally, 7_000), [(Some(7), 1.0, None, 6), (Some(9), 1.0, None, 1)]);
    }

    #[test]
    fn who_is_late_tells_of_all_the_time() {
        let mut tally = Tally::new(1, at(0));
        tally.beat(0, None, None, at(900));
        // Two in one second, and then none for three.
        tally.beat(SECOND_NS / 10, Some(TaskId(7)), None, at(1_000));
        tally.beat(SECOND_NS, Some(TaskId(7)), None, at(1_900));
        assert_eq!(shown(&tally, 2_000), [(Some(7), 1.0, None, 2)]);
        assert_eq!(shown(&tally, 4_000), [(Some(7), 1.0, None, 2)], "nothing is known yet");
        tally.beat(21 * SECOND_NS / 10, Some(TaskId(7)), None, at(5_000));
        assert_eq!(shown(&tally, 6_000), [(Some(7), 1.0, None, 2), (Some(7), 0.5, None, 4)]);
    }

    #[test]
    fn absence_has_its_reason() {
        let mut tally = Tally::new(1, at(0));
        tally.beat(0, None, None, at(500));
        tally.beat(SECOND_NS, Some(TaskId(7)), None, at(1_500));
        tally.part(Gap::Away, at(3_000));
        assert!(tally.was_here(60, at(500_000)) && tally.gone_since().is_none());
        tally.connect(1, at(6_000));
        tally.beat(9 * SECOND_NS, None, None, at(6_100));
        tally.beat(9 * SECOND_NS, None, Some(Gap::Disk), at(7_100));
        tally.part(Gap::Gone, at(8_000));
        let (computing, away) = ((Some(7), 1.0, None, 2), (None, 0.0, Some(Gap::Away), 3));
        let expected = [computing, away, (None, 0.0, Some(Gap::Disk), 2), (None, 0.0, Some(Gap::Gone), 2)];
        assert_eq!(shown(&tally, 10_000), expected);
        assert!(tally.was_here(60, at(67_900)) && !tally.was_here(60, at(68_000)));
        assert_eq!(tally.gone_since(), Some(8));
    }

    #[test]
    fn what_was_taken_back_is_told_once() {
        let mut tally = Tally::new(1, at(0));
        tally.beat(0, None, None, at(500));
        tally.end_lease(TaskId(7), true);
        tally.beat(0, None, Some(Gap::NoWork), at(1_500));
        tally.beat(0, None, Some(Gap::NoWork), at(2_500));
        let gaps: Vec<_> = shown(&tally, 3_000).into_iter().map(|(_, _, gap, columns)| (gap, columns)).collect();
        assert_eq!(gaps, [(Some(Gap::Withdrawn), 2), (Some(Gap::NoWork), 1)]);
    }

    #[test]
    fn what_was_taken_back_is_not_of_a_task_before() {
        let mut tally = Tally::new(1, at(0));
        tally.beat(0, Some(TaskId(12)), None, at(500));
        tally.compute(TaskId(12), at(1_000), at(1_400));
        tally.end_lease(TaskId(12), false);
        tally.beat(SECOND_NS, None, Some(Gap::NoWork), at(1_500));
        tally.beat(SECOND_NS, None, Some(Gap::NoWork), at(2_500));
        // It is given task 8, and begins; that is taken back, and a second is over before it hears that.
        tally.end_lease(TaskId(8), true);
        tally.beat(SECOND_NS * 3 / 2, None, Some(Gap::Paused), at(3_500));
        tally.beat(SECOND_NS * 2, None, Some(Gap::Paused), at(4_500));
        tally.beat(SECOND_NS * 2, None, Some(Gap::Paused), at(5_500));
        // Of which of two it was is not known.
        tally.end_lease(TaskId(8), true);
        tally.end_lease(TaskId(10), true);
        tally.beat(SECOND_NS * 5 / 2, None, Some(Gap::Paused), at(6_500));
        let tasks: Vec<_> = shown(&tally, 7_000).into_iter().map(|(task, busy, ..)| (task, busy)).collect();
        assert_eq!(tasks, [(Some(12), 1.0), (None, 0.0), (Some(8), 0.5), (None, 0.0), (None, 0.5)]);
    }

    #[test]
    fn it_is_bounded() {
        let mut tally = Tally::new(1, at(0));
        for second in 1..3000 {
            for task in 1..50 {
                tally.compute(TaskId(second + task), at(task), at(second * 1000));
            }
            tally.beat(second * SECOND_NS, None, None, at(second * 1000));
        }
        assert!(tally.bytes() <= Tally::MAX_BYTES, "{} of {}", tally.bytes(), Tally::MAX_BYTES);
    }
}
