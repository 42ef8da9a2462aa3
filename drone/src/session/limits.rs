//! How much a session may hold.

use wire::List;
use wire::message::Offered;

/// Leases that may be computed or wait for it; a Queen that deals out more breaks the protocol.
pub const MAX_LEASES: usize = 4096;

/// Bytes of the frames whose leases are computed or wait for it, and of the material that these need; a Queen that sends
/// more breaks the protocol.
pub const MAX_HELD_BYTES: usize = 256 << 20;

/// Material that leases to come may name, in bytes, as the hello says; a Queen that sends more breaks the protocol.
pub const MAX_MATERIAL_BYTES: usize = 32 << 20;

/// Results that are kept, in bytes: beyond it [`Session::takes_reports`](super::Session::takes_reports) is false.
pub const MAX_KEPT_BYTES: usize = 256 << 20;

/// Leases that are computed but not yet stored; beyond it [`Session::takes_reports`](super::Session::takes_reports) is
/// false. All that is held fits into one offer.
pub(super) const MAX_COMPUTED: usize = List::<Offered>::MAX - 2 * MAX_LEASES;

/// Outputs that were sent but not yet answered with a receipt; beyond it
/// [`Session::takes_reports`](super::Session::takes_reports) is false.
pub(super) const MAX_SENT: usize = 1 << 20;

/// Messages other than results that may wait; beyond it [`Session::listens`](super::Session::listens) is false.
pub(super) const MAX_WAITING: usize = 1024;
