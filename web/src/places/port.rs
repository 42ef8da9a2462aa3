//! The places of a port, as its connections share them.

use std::future::pending;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::holders::{Activity, Entered, PlaceId, Places};

/// The most spare places of a port.
pub const SPARE_MAX: usize = 64;

/// A port has one spare place for so many sockets.
const SPARE_PART: usize = 16;

/// A port's places. Besides those for everybody there are some spare ones, for newcomers for whom nobody yields: what
/// they want can be read and answered, and no more.
#[derive(Debug)]
pub struct Port {
    sockets: usize,
    usual: Arc<Shared>,
    spare: Arc<Shared>,
}

impl Port {
    /// Of so many open sockets: places, spare ones, and as many for those who have lost their places and are about to
    /// end.
    pub fn new(sockets: usize) -> Self {
        let spare = (sockets / SPARE_PART).clamp(1, SPARE_MAX);
        let usual = sockets.saturating_sub(2 * spare).max(1);
        Self { sockets, usual: Shared::new(usual, false), spare: Shared::new(spare, true) }
    }

    /// The most sockets that may be open.
    pub fn sockets(&self) -> usize {
        self.sockets
    }

    /// How many places are held.
    pub fn held(&self) -> usize {
        self.usual.lock().held() + self.spare.lock().held()
    }

    /// A place for who comes from there, at the expense of somebody else if need be. `None` if there is not even a
    /// spare one.
    pub fn enter(&self, address: IpAddr) -> Option<Place> {
        Shared::enter(&self.usual, address, false).or_else(|| Shared::enter(&self.spare, address, false))
    }

    /// The same for who keeps the place whatever it is at.
    pub fn enter_to_stay(&self, address: IpAddr) -> Option<Place> {
        Shared::enter(&self.usual, address, true).or_else(|| Shared::enter(&self.spare, address, false))
    }
}

#[derive(Debug)]
struct Shared {
    places: Mutex<Places<CancellationToken>>,
    is_spare: bool,
}

impl Shared {
    fn new(most: usize, is_spare: bool) -> Arc<Self> {
        Arc::new(Self { places: Mutex::new(Places::new(most)), is_spare })
    }

    fn enter(this: &Arc<Self>, address: IpAddr, stays: bool) -> Option<Place> {
        let lost = CancellationToken::new();
        let mut places = this.lock();
        let Entered { id, displaced } = places.enter(address.into(), lost.clone())?;
        if stays {
            places.set(id, Activity::Working);
        }
        drop(places);
        if let Some(displaced) = displaced {
            displaced.cancel();
        }
        let activity = AtomicU8::new(Activity::Idle as u8);
        Some(Place(Some(Arc::new(HeldPlace { shared: Arc::clone(this), id, stays, activity, lost }))))
    }

    /// What is done under it leaves the places as they have to be wherever it ends.
    fn lock(&self) -> MutexGuard<'_, Places<CancellationToken>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, until its last clone is dropped. The default is none: of what comes over no network.
#[derive(Debug, Clone, Default)]
pub struct Place(Option<Arc<HeldPlace>>);

#[derive(Debug)]
struct HeldPlace {
    shared: Arc<Shared>,
    id: PlaceId,
    /// It counts as at work all the time.
    stays: bool,
    /// As its connection said last.
    activity: AtomicU8,
    /// Somebody else has the place.
    lost: CancellationToken,
}

impl Place {
    /// The connection is at something else now.
    pub fn set(&self, activity: Activity) {
        let Some(held) = &self.0 else { return };
        if held.activity.swap(activity as u8, Relaxed) != activity as u8 && !held.stays {
            held.shared.lock().set(held.id, activity);
        }
    }

    /// Its holder has proved who it is: it yields only when nobody yields who has not.
    pub fn admit(&self) {
        if let Some(held) = &self.0
            && !held.stays
        {
            held.shared.lock().admit(held.id);
        }
    }

    /// Whether that is what the connection is at.
    pub fn is(&self, activity: Activity) -> bool {
        self.0.as_ref().is_some_and(|held| held.activity.load(Relaxed) == activity as u8)
    }

    /// Whether it is a spare one.
    pub fn is_spare(&self) -> bool {
        self.0.as_ref().is_some_and(|held| held.shared.is_spare)
    }

    /// Resolves when the place has gone to somebody else: the connection is to end, as is fitting for what it is at.
    pub async fn lost(&self) {
        match &self.0 {
            Some(held) => held.lost.cancelled().await,
            None => pending().await,
        }
    }
}

impl Drop for HeldPlace {
    fn drop(&mut self) {
        self.shared.lock().leave(self.id);
    }
}
