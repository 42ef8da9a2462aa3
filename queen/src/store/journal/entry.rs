//! What goes through the journal's queue.

use tokio::sync::oneshot;

use super::commit::Commit;
use super::committer::Committer;

/// Something for the journal's thread.
pub(super) enum Entry {
    Commit(Commit),
    Errand(Errand),
    /// There may be nothing more to wait for.
    Wake,
}

/// Something to do while nothing is being committed, behind all commits that came before it.
pub(super) enum Errand {
    /// Forget what has expired, give back space, count what is left; then tell this.
    Tidy(oneshot::Sender<()>),
    /// Call this.
    Call(Box<dyn FnOnce() + Send>),
}

impl Errand {
    pub(super) fn run(self, committer: &mut Committer) {
        match self {
            Self::Call(work) => work(),
            Self::Tidy(done) => {
                committer.tidy();
                // Who asked may be gone.
                let _ = done.send(());
            }
        }
    }
}
