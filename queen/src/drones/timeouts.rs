//! How long a Drone's connection waits for its beginning and its end.

use std::time::Duration;

/// How long the handshake may take, and the Drone's first message after it.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the last messages may take to leave.
pub(super) const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
