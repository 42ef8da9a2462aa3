//! Who is told what becomes of changes.

use wire::ids::DroneId;

use crate::store::change::{Change, Removed, Submission};
use crate::store::error::StoreError;
use crate::store::writer::Tidied;

/// Goes on with what becomes of changes. It is called on the journal's thread, which writes
/// nothing meanwhile.
pub trait Follower: Send {
    /// These changes were committed together, with these receipts, and removed these tasks.
    fn committed(&self, changes: &[Change], receipts: &[Receipt], removed: &[Removed]);

    /// This new task will never be on disk.
    fn refused(&self, submission: &Submission);

    /// An attempt to commit has failed for this reason; or, with `None`, one has succeeded behind others that failed.
    fn fault(&self, error: Option<&StoreError>);

    /// What is left on disk when it was tidied up.
    fn tidied(&self, tidied: Tidied);
}

/// What can be told to a Drone when the changes that it comes with are on disk, and all before them: the first
/// so many outputs of this connection are safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The Drone.
    pub drone: DroneId,
    /// The number of its connection.
    pub connection: u64,
    /// How many outputs came on it.
    pub outputs: u64,
}
