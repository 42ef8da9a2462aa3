//! The REST API through its router, with a fake Hive behind it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod administration;
mod allowances;
mod bulk;
mod control;
mod description;
mod errors;
mod events;
mod guard;
mod history;
mod idempotency;
mod limits;
mod metrics;
mod places;
mod proxies;
mod results;
mod search;
mod search_results;
mod serve;
mod stream;
mod submit;
mod tasks;
mod tls;

#[path = "../support/mod.rs"]
mod support;
