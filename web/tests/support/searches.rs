//! The fake's searches, which find everything at once.

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use web::hive::{Finding, HiveError, ResultBatch, Results, Span, SpanState, Verdict};
use web::kinds::Specification;
use web::kinds::search::{Algorithm, Search, Sought, Stop};
use web::model::{DroneView, TaskState, TaskView};

/// The most candidates that the fake looks at.
const SEARCHED: u64 = 1 << 17;

/// What is found among the first candidates, of which there are not many.
pub fn searched(search: &Search, done: u64) -> Vec<Finding> {
    let digest = |message: Vec<u8>| -> [u8; 32] {
        let digest = Sha256::digest(message);
        match search.algorithm {
            Algorithm::Sha256 => digest.into(),
            Algorithm::Sha256d => Sha256::digest(digest).into(),
        }
    };
    let is_sought = |digest: &[u8; 32]| match &search.sought {
        Sought::Targets { digests, .. } => digests.as_chunks::<32>().0.binary_search(digest).is_ok(),
        Sought::Interval { order, from, to } => (*from..=*to).contains(&order.number(digest)),
    };
    let findings = (0..done.min(SEARCHED)).map(|index| {
        let digest = digest(search.message(index).unwrap());
        Finding { index, plain: search.candidate(index).unwrap(), digest }
    });
    let most = if matches!(search.stop, Stop::First | Stop::Lowest) { 1 } else { search.max_findings };
    findings.filter(|finding| is_sought(&finding.digest)).take(most as usize).collect()
}

pub struct FakeFindings {
    pub findings: Vec<Finding>,
    pub first: u64,
}

#[async_trait]
impl Results for FakeFindings {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        let findings = std::mem::take(&mut self.findings);
        Ok((!findings.is_empty()).then_some(ResultBatch::Findings { first: self.first, findings }))
    }

    fn pause(&mut self, _next: u64) -> bool {
        true
    }
}

/// The digests that were given and not found; `None` if none were given.
pub fn not_found(specification: &Specification, findings: &[Finding]) -> Option<Vec<[u8; 32]>> {
    let Specification::Search(Search { sought: Sought::Targets { digests, .. }, .. }) = specification else {
        return None;
    };
    let is_found = |digest: &[u8; 32]| findings.iter().any(|finding| finding.digest == *digest);
    Some(digests.as_chunks().0.iter().filter(|digest| !is_found(digest)).copied().collect())
}

pub struct FakeNotFound {
    pub digests: Vec<[u8; 32]>,
    pub first: u64,
}

#[async_trait]
impl Results for FakeNotFound {
    async fn next(&mut self) -> Result<Option<ResultBatch>, HiveError> {
        let digests = std::mem::take(&mut self.digests);
        Ok((!digests.is_empty()).then_some(ResultBatch::NotFound { first: self.first, digests }))
    }

    fn pause(&mut self, _next: u64) -> bool {
        true
    }
}

/// Four spans, of which those are done that lie before what is done, and the next is leased while a task is computed;
/// what of them begins at `from`, and where the rest does.
pub fn covered(task: &TaskView, drone: &DroneView, from: u64, limit: usize) -> (Vec<Span>, Option<u64>) {
    let (step, end) = (task.total.div_ceil(4).max(1), task.total);
    let span = |at: u64| {
        let (from, to) = (from.max(at), (at + step).min(end));
        let state = match () {
            () if to <= task.done && at == 0 => SpanState::Verified,
            () if to <= task.done => SpanState::Done,
            () if task.state.has_ended() => SpanState::Missing,
            () if task.state == TaskState::Running && at <= task.done => SpanState::Leased,
            () => SpanState::Waiting,
        };
        let (is_done, is_search) = (state.is_done(), task.search.is_some());
        let verdict = match state {
            SpanState::Verified => Verdict::SearchedAgain,
            SpanState::Done => Verdict::Searched,
            SpanState::Missing => Verdict::NotSearched,
            _ => Verdict::Open,
        };
        let drone = (is_done || state == SpanState::Leased).then_some(drone);
        Span {
            from,
            to,
            state,
            leases: u32::from(state == SpanState::Leased),
            attempts: u32::from(drone.is_some()),
            drone: drone.map(|drone| drone.id),
            drone_name: drone.map(|drone| drone.name.clone()),
            marks: if is_search { 7 } else { 0 },
            expected: if is_search { 6.5 } else { 0.0 },
            verdict: is_search.then_some(verdict),
            rate: drone.filter(|_| is_done).map(|drone| drone.rate),
            at: drone.filter(|_| is_done).map(|drone| drone.last_seen_at),
        }
    };
    let starts = (0..4).map(|part| part * step).filter(|at| *at < end && (at + step).min(end) > from);
    let spans: Vec<Span> = starts.map(span).take(limit).collect();
    let next = spans.last().map(|span| span.to).filter(|to| *to < end);
    (spans, next)
}
