//! What is read of requests by several handlers.

pub(crate) mod form;
pub(crate) mod id;
pub(crate) mod query;

use axum::http::HeaderName;

/// The script of a page sends it when it reads the page again; its value says nothing.
pub(crate) const REFRESH: HeaderName = HeaderName::from_static("hive-refresh");
