//! The room that requests' bodies take of memory together: by the bytes that have come, not by those that may.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::Problem;

/// The part of the room that only small bodies may take, so that large ones do not shut them out.
const SMALL_PART: usize = 16;

/// The longest small body, in bytes.
const SMALL: usize = 64 << 10;

/// Room is short when less than this part of what is for all bodies is left.
const SHORT_PART: usize = 4;

/// When to send a body again that there was no room for.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Room for bodies. Clones are the same room.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// For bodies of any length, in bytes; the longest takes all of it.
    size: usize,
    common: Arc<Semaphore>,
    /// For small ones, while there is nothing left of the other part.
    small: Arc<Semaphore>,
}

impl Room {
    /// Of so many bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        let small = bytes / SMALL_PART;
        let size = bytes - small;
        Self { size, common: Arc::new(Semaphore::new(size)), small: Arc::new(Semaphore::new(small)) }
    }

    /// A share for one body, which is nothing at first.
    pub(crate) fn share(&self) -> Share {
        Share { room: self.clone(), common: None, small: None }
    }

    /// Whether there is so little left that bodies which hardly move have to go.
    pub(crate) fn is_short(&self) -> bool {
        self.common.available_permits() < self.size / SHORT_PART
    }
}

/// What one body takes of the room, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    room: Room,
    common: Option<OwnedSemaphorePermit>,
    small: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Makes sure that it is at least so many bytes.
    ///
    /// # Errors
    /// 413 if a body can never take so much, 503 if it cannot now.
    pub(crate) fn cover(&mut self, bytes: usize) -> Result<(), Problem> {
        let (common, small) = (held(&self.common), held(&self.small));
        if bytes <= common + small {
            return Ok(());
        }
        if bytes > self.room.size {
            return Err(Problem::too_large(self.room.size as u64));
        }
        if grow(&mut self.common, &self.room.common, bytes - common) {
            self.small = None;
            return Ok(());
        }
        if bytes <= SMALL && grow(&mut self.small, &self.room.small, bytes - common - small) {
            return Ok(());
        }
        Err(Problem::unavailable("the bodies that are on their way in take all the room; try again soon", RETRY_AFTER))
    }
}

fn held(permit: &Option<OwnedSemaphorePermit>) -> usize {
    permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
}

/// Takes so many bytes more; whether there are so many.
fn grow(held: &mut Option<OwnedSemaphorePermit>, part: &Arc<Semaphore>, bytes: usize) -> bool {
    let more = u32::try_from(bytes).ok().and_then(|bytes| Arc::clone(part).try_acquire_many_owned(bytes).ok());
    let Some(more) = more else { return false };
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sixteenth of it is for small bodies.
    const ROOM: usize = 16 << 20;
    const COMMON: usize = ROOM - ROOM / SMALL_PART;

    fn taken(room: &Room, bytes: usize) -> Share {
        let mut share = room.share();
        share.cover(bytes).unwrap();
        share
    }

    #[test]
    fn what_came_is_taken_and_no_more() {
        let room = Room::new(ROOM);
        let shares: Vec<_> = (0..100_000).map(|_| taken(&room, 1)).collect();
        assert_eq!(room.common.available_permits(), COMMON - 100_000);
        assert!(!room.is_short());
        drop(shares);
        let mut all = taken(&room, COMMON);
        assert!(room.is_short());
        all.cover(1).unwrap();
        assert_eq!(all.cover(COMMON + 1).unwrap_err().status, 413);
        drop(all);
        assert_eq!(room.common.available_permits(), COMMON);
    }

    #[test]
    fn large_bodies_leave_room_for_small_ones() {
        let room = Room::new(ROOM);
        let large = taken(&room, COMMON - 10);
        let mut small = taken(&room, 10);
        small.cover(SMALL).unwrap();
        assert_eq!(room.small.available_permits(), ROOM / SMALL_PART - (SMALL - 10));
        assert_eq!(small.cover(SMALL + 1).unwrap_err().status, 503);
        assert_eq!(room.share().cover(SMALL + 1).unwrap_err().status, 503);
        // It holds what it held, and grows when there is room.
        drop(large);
        small.cover(SMALL + 1).unwrap();
        assert_eq!(room.small.available_permits(), ROOM / SMALL_PART);
        assert_eq!(room.common.available_permits(), COMMON - SMALL - 1);
    }

    #[test]
    fn small_bodies_can_take_all_of_it() {
        let room = Room::new(ROOM);
        let shares: Vec<_> = (0..ROOM / SMALL).map(|_| taken(&room, SMALL)).collect();
        assert_eq!((room.common.available_permits(), room.small.available_permits()), (0, 0));
        assert_eq!(room.share().cover(1).unwrap_err().status, 503);
        drop(shares);
        assert!(!room.is_short());
    }
}
