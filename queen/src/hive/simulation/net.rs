//! The network: each connection is two streams of bytes, which arrive in order, late and in
//! pieces. What is cut off by a partition arrives when it heals.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::context::{Context, Happening};

pub type LinkId = u64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Queen,
    Drone,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Queen => Self::Drone,
            Self::Drone => Self::Queen,
        }
    }
}

#[derive(Debug, Default)]
pub struct Net {
    links: BTreeMap<LinkId, Link>,
    opened: LinkId,
    /// Until when nothing gets through to this side, by machine.
    blocked: BTreeMap<(usize, Side), Duration>,
}

#[derive(Debug)]
struct Link {
    machine: usize,
    latency: Duration,
    ways: [Way; 2],
}

/// The stream towards one side.
#[derive(Debug, Default)]
struct Way {
    pieces: VecDeque<Vec<u8>>,
    bytes: usize,
    /// When what was sent last arrives.
    last: Duration,
    /// The receiver does not read it any more.
    is_closed: bool,
}

impl Net {
    pub fn open(&mut self, machine: usize, latency: Duration) -> LinkId {
        self.opened += 1;
        self.links.insert(self.opened, Link { machine, latency, ways: Default::default() });
        self.opened
    }

    pub fn block(&mut self, machine: usize, side: Side, until: Duration) {
        let blocked = self.blocked.entry((machine, side)).or_default();
        *blocked = until.max(*blocked);
    }

    pub fn heal(&mut self) {
        self.blocked.clear();
    }

    fn blocked_until(&self, machine: usize, side: Side, now: Duration) -> Option<Duration> {
        self.blocked.get(&(machine, side)).copied().filter(|until| *until > now)
    }

    /// Bytes on their way to `side`.
    pub fn in_flight(&self, link: LinkId, side: Side) -> usize {
        self.links.get(&link).map_or(0, |link| link.ways[side as usize].bytes)
    }
}

impl Context {
    /// Sends bytes towards `side`.
    pub fn send(&mut self, id: LinkId, side: Side, bytes: &[u8]) {
        let Some(link) = self.net.links.get_mut(&id).filter(|link| !link.ways[side as usize].is_closed) else { return };
        let mut rest = bytes;
        while !rest.is_empty() {
            let cut =
                if self.random.chance(800) { rest.len() } else { self.random.within(1..=rest.len() as u64) as usize };
            let (piece, after) = rest.split_at(cut);
            rest = after;
            let spike = if self.random.chance(5) { Duration::from_millis(300) } else { Duration::ZERO };
            let jitter = self.random.micros(0..=link.latency.as_micros() as u64);
            let way = &mut link.ways[side as usize];
            way.last = way.last.max(self.now + link.latency + jitter + spike);
            way.bytes += piece.len();
            way.pieces.push_back(piece.to_vec());
            let at = way.last;
            self.queue.push(at, Happening::Deliver { link: id, side });
        }
    }

    /// The next piece that arrives at `side`, if none is held up.
    pub fn arrival(&mut self, id: LinkId, side: Side) -> Option<Vec<u8>> {
        let link = self.net.links.get(&id)?;
        if let Some(until) = self.net.blocked_until(link.machine, side, self.now) {
            self.queue.push(until, Happening::Deliver { link: id, side });
            return None;
        }
        let way = &mut self.net.links.get_mut(&id)?.ways[side as usize];
        let piece = way.pieces.pop_front()?;
        way.bytes -= piece.len();
        Some(piece)
    }

    /// `side` closes its end; the other one learns of it, or not. What `side` has sent arrives.
    pub fn close(&mut self, id: LinkId, side: Side, silently: bool) {
        let Some(link) = self.net.links.get_mut(&id) else { return };
        let (own, others) = (side as usize, side.other() as usize);
        link.ways[own] = Way { is_closed: true, ..Way::default() };
        if link.ways[others].is_closed {
            self.net.links.remove(&id);
            return;
        }
        let at = link.ways[others].last.max(self.now + link.latency);
        let machine = link.machine;
        let is_cut = self.net.blocked_until(machine, side.other(), self.now).is_some();
        if !silently && !is_cut {
            self.queue.push(at, Happening::Notice { link: id, side: side.other() });
        }
    }

    /// The connection breaks by itself: what is on its way is lost, and each side learns of it
    /// when it does.
    pub fn break_link(&mut self, id: LinkId, notices: [Option<Duration>; 2]) {
        let Some(link) = self.net.links.get_mut(&id) else { return };
        for (way, (side, after)) in link.ways.iter_mut().zip([Side::Queen, Side::Drone].into_iter().zip(notices)) {
            (way.pieces, way.bytes) = Default::default();
            if let Some(after) = after {
                self.queue.push(self.now + after, Happening::Notice { link: id, side });
            }
        }
        // Nothing gets through any more.
        link.ways.iter_mut().for_each(|way| way.is_closed = true);
    }
}
