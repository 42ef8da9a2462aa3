//! The REST API: one file a noun.

pub(crate) mod bulk;
pub(crate) mod coverage;
pub(crate) mod cursor;
pub(crate) mod description;
mod download;
pub(crate) mod drones;
pub(crate) mod events;
pub(crate) mod failures;
pub(crate) mod history;
pub(crate) mod json;
pub(crate) mod list;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod prefer;
pub(crate) mod results;
pub(crate) mod secrets;
pub(crate) mod stats;
pub(crate) mod submit;
pub(crate) mod tasks;
pub(crate) mod tokens;
