//! Who holds places, and who yields. There is no quota: while there is room everybody gets a place, and then those yield
//! who hold most. This file is pure, without sockets and time.

#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::origin::Origin;

/// What a connection is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Nothing: it is between requests, or their head is incomplete; a Drone has said no hello yet, or holds no lease.
    Idle,
    /// A request's body is incomplete.
    Receiving,
    /// A client waits for a task, and is answered in the end anyhow.
    Waiting,
    /// A client watches events.
    Watching,
    /// A request is worked on; a Drone holds leases.
    Working,
    /// An answer is complete, and has not left yet.
    Answered,
}

impl Activity {
    /// Whether its place can go to somebody else.
    fn yields(self) -> bool {
        !matches!(self, Self::Working | Self::Answered)
    }
}

/// The name of a place that is held. Older ones are smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceId(u64);

/// Who came in.
#[derive(Debug, PartialEq, Eq)]
pub struct Entered<T> {
    /// Its place.
    pub id: PlaceId,
    /// Who had to go for it: it holds no place any more.
    pub displaced: Option<T>,
}

/// A number of places. Each is held by a `T`, by which its holder can be reached.
#[derive(Debug)]
pub struct Places<T> {
    most: usize,
    next: PlaceId,
    held: HashMap<PlaceId, Holder<T>>,
    crowds: HashMap<Origin, Crowd>,
    /// A rank of each crowd of which somebody yields, by [`Standing`].
    yielding: [BTreeSet<Rank>; 2],
}

#[derive(Debug)]
struct Holder<T> {
    origin: Origin,
    activity: Activity,
    standing: Standing,
    handle: T,
}

/// Whether a holder has proved who it is. Those who have yield only when nobody else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stranger,
    Known,
}

/// All that come from one origin, by [`Standing`].
#[derive(Debug, Default)]
struct Crowd {
    places: [usize; 2],
    /// Those of them that yield.
    yielding: [BTreeSet<PlaceId>; 2],
}

/// The larger a crowd, the sooner it loses a place; of equal ones that goes first which has the oldest to lose.
type Rank = (usize, Reverse<PlaceId>, Origin);

impl Crowd {
    fn rank(&self, origin: Origin, standing: Standing) -> Option<Rank> {
        let standing = standing as usize;
        self.yielding[standing].first().map(|oldest| (self.places[standing], Reverse(*oldest), origin))
    }
}

impl<T> Places<T> {
    /// So many, none of which is held.
    pub fn new(most: usize) -> Self {
        let (held, crowds, yielding) = Default::default();
        Self { most, next: PlaceId(0), held, crowds, yielding }
    }

    /// Gives a newcomer a place. When all are held, that is the oldest of those that yield, of the origin that holds
    /// most; of those that were [admitted](Self::admit), who are counted by themselves, only if no others yield. `None`
    /// if nobody yields, or only origins that hold less than the newcomer's, all of whose are
    /// [at work](Activity::Working) then.
    pub fn enter(&mut self, origin: Origin, handle: T) -> Option<Entered<T>> {
        let displaced = match self.held.len() < self.most {
            true => None,
            false => Some(self.leave(self.first_to_yield(origin)?)?),
        };
        let id = self.next;
        self.next = PlaceId(id.0 + 1);
        let standing = Standing::Stranger;
        self.held.insert(id, Holder { origin, activity: Activity::Idle, standing, handle });
        self.change(origin, standing, |places, yielding| {
            *places += 1;
            yielding.insert(id);
        });
        Some(Entered { id, displaced })
    }

    fn first_to_yield(&self, newcomer: Origin) -> Option<PlaceId> {
        let of = |standing: Standing| {
            let (places, Reverse(oldest), _) = self.yielding[standing as usize].last()?;
            let own = self.crowds.get(&newcomer).map_or(0, |crowd| crowd.places[standing as usize]);
            (own <= *places).then_some(*oldest)
        };
        of(Standing::Stranger).or_else(|| of(Standing::Known))
    }

    /// A holder has proved who it is. Of who holds no place any more nothing changes.
    pub fn admit(&mut self, id: PlaceId) {
        let Some(holder) = self.held.get_mut(&id) else { return };
        let before = std::mem::replace(&mut holder.standing, Standing::Known);
        let (origin, yields) = (holder.origin, holder.activity.yields());
        self.change(origin, before, |places, yielding| {
            *places -= 1;
            yielding.remove(&id);
        });
        self.change(origin, Standing::Known, |places, yielding| {
            *places += 1;
            yielding.extend(yields.then_some(id));
        });
    }

    /// A holder is at something else now. Of who holds no place any more nothing changes.
    pub fn set(&mut self, id: PlaceId, activity: Activity) {
        let Some(holder) = self.held.get_mut(&id) else { return };
        let before = std::mem::replace(&mut holder.activity, activity);
        let (origin, standing) = (holder.origin, holder.standing);
        match (before.yields(), activity.yields()) {
            (false, true) => self.change(origin, standing, |_, yielding| _ = yielding.insert(id)),
            (true, false) => self.change(origin, standing, |_, yielding| _ = yielding.remove(&id)),
            _ => {}
        }
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// A place is free; who held it, if anybody did.
    pub fn leave(&mut self, id: PlaceId) -> Option<T> {
        let Holder { origin, standing, handle, .. } = self.held.remove(&id)?;
        self.change(origin, standing, |places, yielding| {
            *places -= 1;
            yielding.remove(&id);
        });
        Some(handle)
    }

    /// Changes a crowd, and its rank with it.
    fn change(&mut self, origin: Origin, standing: Standing, change: impl FnOnce(&mut usize, &mut BTreeSet<PlaceId>)) {
        let crowd = self.crowds.entry(origin).or_default();
        let before = crowd.rank(origin, standing);
        change(&mut crowd.places[standing as usize], &mut crowd.yielding[standing as usize]);
        let after = crowd.rank(origin, standing);
        if crowd.places == [0, 0] {
            self.crowds.remove(&origin);
        }
        if before != after {
            let yielding = &mut self.yielding[standing as usize];
            if let Some(rank) = before {
                yielding.remove(&rank);
            }
            yielding.extend(after);
        }
    }
}
