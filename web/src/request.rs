//! What is read of requests by several handlers.

pub(crate) mod form;
pub(crate) mod id;
pub(crate) mod query;
