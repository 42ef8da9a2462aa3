//! The Hive's server.
#![forbid(unsafe_code)]
pub mod core;
