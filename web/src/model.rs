//! One set of views, for JSON and for HTML: served by the Queen, read by her clients.

mod bulk;
mod coverage;
mod drone;
mod event;
mod failures;
mod history;
mod leases;
mod lists;
mod overview;
mod rounded;
mod search;
mod stream;
mod task;
#[cfg(test)]
mod tests;

pub use self::bulk::{BulkAction, BulkState, BulkView};
pub use self::coverage::{CELLS_MAX, Cell, CellDrone, CoverageList, Honeycomb, Span, SpanState, Verdict};
pub use self::drone::{DroneState, DroneView, Kernels};
pub use self::event::{Change, Event, EventId};
pub use self::failures::{BlamedOn, FailureGroup, FailureList};
pub use self::history::{DroneHistory, HistoryView, Series, Shift, Step, TaskHistory, Throughput, ThroughputOf};
pub use self::leases::{LEASES_SHOWN, LeaseState, LeaseView};
pub(crate) use self::lists::PAGE_DEFAULT;
pub use self::lists::{DroneList, Health, LeaseList, LogList, PAGE_MAX, SecretList, TaskList, TokenList};
pub use self::overview::{Data, DroneCounts, LeaseCounts, Overview, TaskCounts, VerifiedCounts};
pub use self::search::{
    BytesView, CounterView, Estimate, IntervalView, MarksView, SearchProgress, SearchView, SoughtView, SpaceView,
};
pub use self::stream::{
    Doing, Gap, STREAM_COLUMNS, STREAM_PAGE, STREAM_TASKS, StreamDrone, StreamRun, StreamTask, StreamView, Window,
};
pub use self::task::{TaskState, TaskView, Verify};
pub use crate::timestamp::Timestamp;
