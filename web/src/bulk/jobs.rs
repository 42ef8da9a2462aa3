//! What is being done to many tasks, and what was lately.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::access::{Caller, Scope, TokenId};
use crate::error::Problem;
use crate::model::{BulkState, BulkView};

/// So many are under way at most.
const RUNNING_MAX: usize = 8;

/// So many of a token that has not `control`, so that there is always a place for who has it.
const OWN_MAX: usize = 2;

/// So many are remembered; of those that are over the oldest are forgotten.
const KEPT: usize = 100;

/// When to ask again while too many are under way.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What is being done to many tasks, and what was lately.
#[derive(Default)]
pub(crate) struct Jobs {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    jobs: BTreeMap<u64, Job>,
}

struct Job {
    /// The token that asked for it; `None` where none was needed.
    owner: Option<TokenId>,
    report: watch::Receiver<BulkView>,
}

impl Job {
    fn is_running(&self) -> bool {
        // Who works on it and is gone has broken off.
        self.report.borrow().state == BulkState::Running && self.report.has_changed().is_ok()
    }
}

impl Jobs {
    /// One more, which is told of through what is returned.
    ///
    /// # Errors
    /// If too many are under way.
    pub(crate) fn begin(&self, caller: &Caller, first: BulkView) -> Result<watch::Sender<BulkView>, Problem> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { last, jobs } = &mut *inner;
        if jobs.values().filter(|job| job.is_running()).count() >= RUNNING_MAX {
            let detail = format!("{RUNNING_MAX} changes of many tasks are under way; ask again when one is over");
            return Err(Problem::unavailable(detail, RETRY_AFTER));
        }
        let owner = caller.holder().map(|holder| holder.id);
        let own = jobs.values().filter(|job| job.owner == owner && job.is_running()).count();
        if own >= OWN_MAX && !caller.may(Scope::Control) {
            let detail =
                format!("{OWN_MAX} changes of many tasks are under way with this token; ask again when one is over");
            return Err(Problem::unavailable(detail, RETRY_AFTER));
        }
        while jobs.len() >= KEPT
            && let Some(oldest) = jobs.iter().find(|(_, job)| !job.is_running()).map(|(id, _)| *id)
        {
            jobs.remove(&oldest);
        }
        *last += 1;
        let (sender, report) = watch::channel(BulkView { id: Some(*last), ..first });
        jobs.insert(*last, Job { owner, report });
        Ok(sender)
    }

    /// How far one is, for who asked for it, or may do everything to tasks.
    pub(crate) fn find(&self, caller: &Caller, id: u64) -> Option<BulkView> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_own = |owner: Option<TokenId>| owner.is_some() && owner == caller.holder().map(|holder| holder.id);
        let job = inner.jobs.get(&id).filter(|job| caller.may(Scope::Control) || is_own(job.owner))?;
        let view = job.report.borrow().clone();
        Some(match view.state == BulkState::Running && !job.is_running() {
            true => BulkView { state: BulkState::Stopped, error: Some("it broke off".to_owned()), ..view },
            false => view,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::access::Holder;
    use crate::model::BulkAction;

    fn caller(id: u64, scope: Scope) -> Caller {
        Caller::Holder(Arc::new(Holder { id: TokenId(id), name: "ci".into(), scopes: [scope].into_iter().collect() }))
    }

    fn first() -> BulkView {
        BulkView::new(BulkAction::Pause, BulkState::Running)
    }

    #[test]
    fn so_many_are_under_way_and_so_many_are_remembered() {
        let jobs = Jobs::default();
        let running: Vec<_> = (0..RUNNING_MAX).map(|_| jobs.begin(&Caller::Anyone, first()).unwrap()).collect();
        assert_eq!(jobs.begin(&Caller::Anyone, first()).unwrap_err().status, 503);
        assert_eq!(jobs.find(&Caller::Anyone, 1).unwrap().state, BulkState::Running);
        running.iter().skip(1).for_each(|sender| sender.send_modify(|view| view.state = BulkState::Done));
        for _ in 0..KEPT {
            drop(jobs.begin(&Caller::Anyone, first()).unwrap());
        }
        assert_eq!(jobs.inner.lock().unwrap().jobs.len(), KEPT);
        assert_eq!(jobs.find(&Caller::Anyone, 1).unwrap().state, BulkState::Running, "it is under way still");
        assert!(jobs.find(&Caller::Anyone, 2).is_none());
        let last = (RUNNING_MAX + KEPT) as u64;
        assert_eq!(jobs.find(&Caller::Anyone, last).unwrap().state, BulkState::Stopped, "it broke off");
    }

    #[test]
    fn each_sees_its_own() {
        let jobs = Jobs::default();
        let _running = jobs.begin(&caller(7, Scope::Submit), first()).unwrap();
        let sees = |caller| jobs.find(&caller, 1).is_some();
        assert!(sees(caller(7, Scope::Submit)) && sees(caller(8, Scope::Control)));
        assert!(!sees(caller(8, Scope::Submit)) && !sees(caller(8, Scope::Read)) && !sees(Caller::Unknown));
    }
}
