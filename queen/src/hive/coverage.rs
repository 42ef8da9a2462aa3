//! What has become of each part of a task: what is on disk of it, and around that what the scheduler knows.

use std::ops::Range;

use web::hive::{Coverage, HiveError, Span, SpanState, Verdict};
use web::model::TaskView;
use wire::ids::TaskId;

use super::refusal::unreadable;
use super::shared::SharedHive;
use super::state::State;
use crate::core::Part;
use crate::kinds::search::share;
use crate::store;
use crate::store::Detached;
use crate::work::Trust;

/// What is known of a task from some index on.
struct Known {
    /// What is on disk, in order.
    rows: Vec<Row>,
    /// What the scheduler knows, in order; `None` of a task that it does not know.
    parts: Option<Vec<(Range<u64>, Part)>>,
    /// Nothing is computed of it any more, but what is suspect.
    has_ended: bool,
    /// Where the task ends.
    end: u64,
    /// The share of candidates that are marks, of a search.
    share: Option<f64>,
}

/// What is on disk of indices that follow each other.
enum Row {
    Computed(store::Span),
    /// A task that has left its batch.
    Left(u64),
}

impl Row {
    fn range(&self) -> Range<u64> {
        match self {
            Self::Computed(span) => span.range.clone(),
            Self::Left(index) => *index..*index + 1,
        }
    }
}

impl SharedHive {
    /// What has become of a task from index `from` on, in at most `limit` spans.
    ///
    /// # Errors
    /// If it is nowhere, or cannot be read.
    pub(super) async fn coverage_of(&self, id: TaskId, from: u64, limit: usize) -> Result<Coverage, HiveError> {
        let mut task = web::hive::Hive::task(self, id).await?;
        // A task of a batch is one index of that.
        let (whole, base) = task.batch.map_or((id, 0), |batch| (batch, id.0 - batch.0 - 1));
        let end = base + task.total;
        let from = base + from.min(task.total);
        let (mut known, mut until) = self.known_of(&task, whole, from..end, limit).await?;
        if known.parts.is_none() && !known.has_ended {
            // It ended after its rows were read: what was computed since is on disk, where it is found now.
            task = web::hive::Hive::task(self, id).await?;
            (known, until) = self.known_of(&task, whole, from..end, limit).await?;
        }
        let mut spans = known.spans(from..until);
        spans.truncate(limit);
        let until = spans.last().map_or(until, |span| span.to);
        self.name_drones(&mut spans);
        for span in &mut spans {
            (span.from, span.to) = (span.from - base, span.to - base);
        }
        Ok(Coverage { task, spans, next: (until < end).then(|| until - base) })
    }

    /// What is known of `range`, and where that ends: it is not more than about `limit` pieces of everything.
    async fn known_of(
        &self,
        task: &TaskView,
        id: TaskId,
        range: Range<u64>,
        limit: usize,
    ) -> Result<(Known, u64), HiveError> {
        let (from, is_search, is_batch) =
            (range.start, task.search.is_some(), id != task.id || task.first_task.is_some());
        let part = range.clone();
        let read = self.read(move |reader| {
            let rows = match is_search {
                true => reader.searched(id, from, limit)?,
                false => reader.computed(id, from, limit)?,
            };
            let left = if is_batch { reader.detached(id, &part, limit)? } else { Detached::new() };
            Ok((rows, left))
        });
        let (spans, left) = read.await.map_err(unreadable)?;
        let (parts, share) = {
            let state = self.lock();
            let share = state.tasks.get(id).and_then(|record| record.terms.kind().search().map(share));
            (state.parts(id, from, limit), share)
        };
        let share = match is_search {
            true if share.is_none() => {
                let (_, job) = self.search(id).await?;
                job.kind().search().map(crate::kinds::search::share)
            }
            _ => share,
        };
        let ends = [
            spans.last().filter(|_| spans.len() >= limit).map(|span| span.range.end),
            left.last().filter(|_| left.len() >= limit).map(|(index, _)| index + 1),
            parts.as_ref().filter(|parts| parts.len() >= limit).and_then(|parts| Some(parts.last()?.0.end)),
        ];
        let until = ends.into_iter().flatten().fold(range.end, u64::min);
        let mut rows: Vec<_> = spans.into_iter().map(Row::Computed).collect();
        rows.extend(left.into_iter().map(|(index, _)| Row::Left(index)));
        rows.sort_by_key(|row| row.range().start);
        Ok((Known { rows, parts, has_ended: task.state.has_ended(), end: range.end, share }, until))
    }

    fn name_drones(&self, spans: &mut [Span]) {
        let state = self.lock();
        for span in spans {
            span.drone_name = span.drone.map(|drone| state.fleet.name_of(drone));
        }
    }
}

impl State {
    /// What has become of a task in memory from index `from` on, at most `limit` parts.
    fn parts(&self, id: TaskId, from: u64, limit: usize) -> Option<Vec<(Range<u64>, Part)>> {
        if let Some(parts) = self.core.parts(id, from, limit) {
            return Some(parts);
        }
        // All of it is computed, which is on its way to the disk.
        let record = self.tasks.get(id)?;
        let total = record.inputs.total();
        record.ending().filter(|ending| ending.done == total).map(|_| vec![(from..total, Part::Done)])
    }
}

impl Known {
    /// Spans of `range` without a gap or an overlap; the last one is whole, and may reach beyond it.
    fn spans(&self, range: Range<u64>) -> Vec<Span> {
        let (mut spans, mut at) = (Vec::new(), range.start);
        for row in &self.rows {
            let own = row.range();
            let own = own.start.max(at)..own.end.min(self.end);
            if own.start >= range.end {
                break;
            }
            if own.is_empty() {
                continue;
            }
            self.fill(at..own.start, &mut spans);
            spans.push(self.of_row(row, &own));
            at = own.end;
        }
        self.fill(at..range.end, &mut spans);
        spans
    }

    /// Adds what the scheduler knows of a range of which nothing is on disk.
    fn fill(&self, range: Range<u64>, spans: &mut Vec<Span>) {
        if range.is_empty() {
            return;
        }
        let mut at = range.start;
        for (part, own) in self.parts_in(&range).filter(|_| !self.has_ended) {
            if at < own.start {
                spans.push(self.unknown(at..own.start, SpanState::Missing));
            }
            at = own.end;
            spans.push(match *part {
                Part::Pending { attempts } => Span { attempts, ..self.unknown(own, SpanState::Waiting) },
                Part::Leased { drone, leases, attempts } => {
                    Span { leases, attempts, drone: Some(drone), ..self.unknown(own, SpanState::Leased) }
                }
                Part::WithQueen => Span { attempts: 1, ..self.unknown(own, SpanState::Leased) },
                Part::Done => Span { attempts: 1, ..self.unknown(own, SpanState::Done) },
            });
        }
        if at < range.end {
            // What the scheduler does not know is either over, or about to be taken over.
            spans.push(self.unknown(at..range.end, SpanState::Missing));
        }
    }

    /// What the scheduler knows of a range, each with what of it lies in there.
    fn parts_in(&self, range: &Range<u64>) -> impl Iterator<Item = (&Part, Range<u64>)> {
        let (parts, range) = (self.parts.as_deref().unwrap_or_default(), range.clone());
        let first = parts.partition_point(|(part, _)| part.end <= range.start);
        let within = parts[first..].iter().take_while(move |(part, _)| part.start < range.end);
        let (start, end) = (range.start, range.end);
        within.map(move |(own, part)| (part, own.start.max(start)..own.end.min(end)))
    }

    /// What is on disk of `own`, which is a row, or a part of it at an end of what is asked for.
    fn of_row(&self, row: &Row, own: &Range<u64>) -> Span {
        let Row::Computed(row) = row else { return self.unknown(own.clone(), SpanState::Missing) };
        let state = match row.trust {
            Trust::Sampled => SpanState::Done,
            Trust::Checked => SpanState::Verified,
            Trust::Suspect => SpanState::Suspect,
        };
        let verdict = self.share.map(|_| match row.trust {
            Trust::Sampled => Verdict::Searched,
            Trust::Checked => Verdict::SearchedAgain,
            Trust::Suspect => Verdict::Doubtful,
        });
        let items = (row.range.end - row.range.start) as f64;
        let rate = (row.spent_ns > 0).then(|| items * 1e9 / row.spent_ns as f64);
        let (mut leases, mut attempts) = (0, 1);
        if state == SpanState::Suspect {
            for (part, _) in self.parts_in(own) {
                if let Part::Leased { leases: more, attempts: tried, .. } = *part {
                    (leases, attempts) = (leases + more, attempts.max(1 + tried));
                }
            }
        }
        let (drone, marks, at) = (row.drone, row.marks, row.at);
        Span { leases, attempts, drone, marks, verdict, rate, at, ..self.unknown(own.clone(), state) }
    }

    /// Indices in a state, of which no more is known.
    fn unknown(&self, range: Range<u64>, state: SpanState) -> Span {
        let open = if state == SpanState::Missing || self.has_ended { Verdict::NotSearched } else { Verdict::Open };
        Span {
            from: range.start,
            to: range.end,
            state,
            leases: 0,
            attempts: 0,
            drone: None,
            drone_name: None,
            marks: 0,
            expected: self.share.unwrap_or_default() * (range.end - range.start) as f64,
            verdict: self.share.map(|_| open),
            rate: None,
            at: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::ids::DroneId;

    use super::*;

    fn row(range: Range<u64>, trust: Trust) -> Row {
        Row::Computed(store::Span {
            range,
            drone: Some(DroneId(1)),
            trust,
            marks: 3,
            spent_ns: 1_000_000_000,
            at: None,
        })
    }

    fn leased(leases: u32) -> Part {
        Part::Leased { drone: DroneId(2), leases, attempts: 2 }
    }

    fn told(known: &Known, range: Range<u64>) -> Vec<(Range<u64>, SpanState)> {
        let spans = known.spans(range.clone());
        assert!(spans.iter().all(|span| span.from < span.to), "{spans:?}");
        assert!(spans.windows(2).all(|pair| pair[0].to == pair[1].from), "{spans:?}");
        spans.into_iter().map(|span| (span.from..span.to, span.state)).collect()
    }

    #[test]
    fn what_is_on_disk_stands_amid_what_the_scheduler_knows() {
        use SpanState::{Done, Leased, Missing, Suspect, Verified, Waiting};
        let rows = vec![
            row(0..10, Trust::Checked),
            row(10..20, Trust::Sampled),
            Row::Left(20),
            row(30..40, Trust::Suspect),
            row(70..80, Trust::Sampled),
        ];
        let parts = vec![
            (0..25, Part::Done),
            (25..33, leased(1)),
            (33..36, leased(2)),
            (36..60, Part::Pending { attempts: 1 }),
            (60..65, Part::WithQueen),
            (70..80, Part::Done),
        ];
        let mut known = Known { rows, parts: Some(parts), has_ended: false, end: 90, share: None };
        let expected = [
            (0..10, Verified),
            (10..20, Done),
            (20..21, Missing),
            (21..25, Done),
            (25..30, Leased),
            (30..40, Suspect),
            (40..60, Waiting),
            (60..65, Leased),
            (65..70, Missing),
            (70..80, Done),
            (80..90, Missing),
        ];
        assert_eq!(told(&known, 0..90), expected);
        let spans = known.spans(0..90);
        let of = |at: usize| (spans[at].drone, spans[at].leases, spans[at].attempts, spans[at].verdict);
        assert_eq!(of(4), (Some(DroneId(2)), 1, 2, None));
        assert_eq!(of(5), (Some(DroneId(1)), 3, 3, None), "what is suspect says how it is computed again");
        assert_eq!(of(6), (None, 0, 1, None));
        // A row is whole, so that its marks are its own.
        assert_eq!(told(&known, 15..35).last(), Some(&(30..40, Suspect)));
        (known.has_ended, known.share) = (true, Some(0.5));
        let expected = [(20..21, Missing), (21..30, Missing), (30..40, Suspect), (40..50, Missing)];
        assert_eq!(told(&known, 20..50), expected);
        let verdicts: Vec<_> = known.spans(10..50).iter().map(|span| span.verdict.unwrap()).collect();
        let expected = [Verdict::Searched, Verdict::NotSearched, Verdict::NotSearched, Verdict::Doubtful];
        assert_eq!(verdicts[..4], expected, "10..20, 20..21, 21..30, 30..40");
    }

    #[test]
    fn what_is_not_searched_yet_is_told_from_what_never_is() {
        let known = |has_ended| Known { rows: Vec::new(), parts: None, has_ended, end: 10, share: Some(0.5) };
        let verdict = |has_ended, state| known(has_ended).unknown(0..10, state).verdict;
        assert_eq!(verdict(false, SpanState::Waiting), Some(Verdict::Open));
        assert_eq!(verdict(false, SpanState::Missing), Some(Verdict::NotSearched));
        assert_eq!(verdict(true, SpanState::Waiting), Some(Verdict::NotSearched));
    }
}
