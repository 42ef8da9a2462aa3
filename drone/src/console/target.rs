//! The tracing targets by which the console knows what an event is for.

/// Of [`story!`](crate::story!).
pub const STORY: &str = "story";

/// Of [`status`](super::status).
pub(super) const STATUS: &str = "status";
