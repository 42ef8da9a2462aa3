//! Who may do what, as far as the Hive keeps it.

use web::access::{LogFilter, LogPage};
use web::hive::HiveError;

use super::SharedHive;

impl SharedHive {
    /// The audit trail.
    ///
    /// # Errors
    /// If the Queen does not serve yet, or the disk cannot be read.
    pub async fn log(&self, filter: LogFilter) -> Result<LogPage, HiveError> {
        self.read_log(filter).await
    }
}
