//! When something happens.

use std::time::Duration;

/// Time since the Queen's start.
pub type Time = Duration;
