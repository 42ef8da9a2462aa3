//! A world in which connections break at any time, and Queens store, adopt and withdraw as they
//! like; checked against what was promised to them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::session::held::HeldLease;

/// What may happen.
#[derive(Debug, Clone)]
enum Happening {
    Work(Vec<u64>),
    Compute {
        lease: usize,
        items: u64,
    },
    Fail {
        lease: usize,
    },
    Shrink {
        lease: usize,
        end: u64,
    },
    /// The network takes so many messages.
    Send(usize),
    /// So many more outputs are stored.
    Store(usize),
    Lose,
    /// A Queen is found; of her epoch it is said whether it is a new one.
    Find {
        new: bool,
    },
    /// She answers: for each lease whether she wants it, and what she cuts from both ends.
    Answer(Vec<Option<(u64, u64)>>),
    Drain {
        recall: bool,
    },
    GiveUp,
}

fn happening() -> impl Strategy<Value = Happening> {
    let answer = prop::option::weighted(0.8, (0..4_u64, 0..4_u64));
    prop_oneof![
        12 => prop::collection::vec(1..20_u64, 1..4).prop_map(Happening::Work),
        40 => (0..20_usize, 1..12_u64).prop_map(|(lease, items)| Happening::Compute { lease, items }),
        3 => (0..20_usize).prop_map(|lease| Happening::Fail { lease }),
        10 => (0..20_usize, 0..25_u64).prop_map(|(lease, end)| Happening::Shrink { lease, end }),
        20 => (0..6_usize).prop_map(Happening::Send),
        20 => (0..6_usize).prop_map(Happening::Store),
        10 => Just(Happening::Lose),
        20 => any::<bool>().prop_map(|new| Happening::Find { new }),
        20 => prop::collection::vec(answer, 20).prop_map(Happening::Answer),
        1 => any::<bool>().prop_map(|recall| Happening::Drain { recall }),
        1 => Just(Happening::GiveUp),
    ]
}

/// What the world knows of a lease.
#[derive(Debug, Default)]
struct Known {
    /// What it is called on this connection, if it may be named.
    name: Option<Key>,
    /// How far the modelled pool has come. It may be told of a shrink too late.
    pool: u64,
    total: u64,
    /// Results below it are stored or nobody wants them.
    stored: u64,
    /// Behind the last index that is wanted.
    wanted: u64,
    /// The next output begins here.
    next: u64,
    end: Option<End>,
    /// Nobody will ask for it: it failed, was handed back, or is not wanted at all.
    dropped: bool,
}

impl Known {
    /// Whether the Drone must still have it.
    fn is_owed(&self) -> bool {
        !self.dropped && self.stored < self.wanted
    }
}

#[derive(Default)]
struct World {
    session: Session,
    /// By ticket, beginning with 1.
    leases: BTreeMap<u64, Known>,
    epoch: u64,
    names: u64,
    is_connected: bool,
    /// The tickets that were offered, until they are answered.
    offer: Option<Vec<u64>>,
    /// Ticket and end of each output sent on this connection.
    sent: Vec<(u64, u64)>,
    receipted: usize,
}

impl World {
    fn is_open(&self) -> bool {
        self.is_connected && self.offer.is_none()
    }

    fn new_key(&mut self) -> Key {
        self.names += 1;
        Key { lease: LeaseId(self.names), epoch: Epoch(self.epoch) }
    }

    fn ticket_of(&self, key: Key) -> u64 {
        let named = self.leases.iter().find(|(_, known)| known.name == Some(key));
        *named.unwrap_or_else(|| panic!("{key:?} is no lease of this connection")).0
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Work(totals) if self.is_open() && !self.session.is_leaving() => self.work(&totals),
            Happening::Compute { lease, items } => self.compute(lease as u64, items),
            Happening::Fail { lease } => {
                let effects = report(&mut self.session, lease as u64, Outcome::Failed { reason: "chance".to_owned() });
                self.observe(effects);
            }
            Happening::Shrink { lease, end } if self.is_open() => self.shrink(lease as u64, end),
            Happening::Send(messages) => (0..messages).for_each(|_| self.send()),
            Happening::Store(outputs) if self.is_connected => self.store(outputs),
            Happening::Lose => self.lose(),
            Happening::Find { new } if !self.is_connected => self.find(new),
            Happening::Answer(answers) if self.offer.is_some() => self.answer(&answers),
            Happening::Drain { recall } => {
                let mut effects = Vec::new();
                self.session.drain(&mut effects);
                let untouched = self.leases.iter().filter(|(_, known)| recall && known.pool == 0);
                self.session.hand_back(untouched.map(|(ticket, _)| Ticket(*ticket)).collect(), &mut effects);
                self.observe(effects);
            }
            Happening::GiveUp => {
                let mut effects = Vec::new();
                self.session.give_up(&mut effects);
                self.observe(effects);
            }
            _ => {}
        }
        self.check();
    }

    fn work(&mut self, totals: &[u64]) {
        let leases: Vec<_> = totals.iter().map(|total| (self.new_key().lease.0, 0, *total as usize)).collect();
        let epoch = Epoch(self.epoch);
        for (lease, _, total) in &leases {
            let name = Some(Key { lease: LeaseId(*lease), epoch });
            let total = *total as u64;
            let ticket = self.leases.len() as u64 + 1;
            self.leases.insert(ticket, Known { name, total, wanted: total, ..Known::default() });
        }
        let effects = hear(&mut self.session, &work_of(&leases, epoch, Algorithm::Sha256)).unwrap();
        self.observe(effects);
    }

    fn compute(&mut self, ticket: u64, items: u64) {
        let Some(known) = self.leases.get_mut(&ticket) else { return };
        let (from, items) = (known.pool, items.min(known.total - known.pool));
        if items > 0 {
            known.pool += items;
            let effects = report(&mut self.session, ticket, computed(from, items));
            self.observe(effects);
        }
    }

    fn shrink(&mut self, ticket: u64, end: u64) {
        let Some(known) = self.leases.get_mut(&ticket) else { return };
        let Some(Key { lease, epoch }) = known.name else { return };
        known.wanted = known.wanted.min(end);
        let effects = hear(&mut self.session, &frame_of(&ToDrone::Shrink { lease, epoch, end })).unwrap();
        self.observe(effects);
    }

    fn send(&mut self) {
        let Some(message) = self.session.next_message() else { return };
        match message {
            Message::Outputs(parts) => parts.into_iter().for_each(|(key, part)| self.output(key, &part)),
            Message::Other(Statement::Offer(leases, _)) => {
                let owed = self.leases.iter().filter(|(_, known)| known.is_owed());
                let owed: Vec<_> = owed.map(|(ticket, known)| (*ticket, known.stored, known.wanted)).collect();
                let offered: Vec<_> = leases.iter().map(|offered| (offered.from, offered.to)).collect();
                assert!(owed.iter().map(|(_, from, to)| (*from, *to)).eq(offered), "all that is owed is offered");
                self.offer = Some(owed.iter().map(|(ticket, _, _)| *ticket).collect());
            }
            Message::Other(Statement::HandBack(keys)) => {
                for key in keys {
                    let ticket = self.ticket_of(key);
                    assert!(self.leases[&ticket].dropped);
                }
            }
            Message::Other(Statement::Failed { key, .. }) => {
                let ticket = self.ticket_of(key);
                assert!(self.leases[&ticket].dropped);
            }
            Message::Other(_) => {}
        }
    }

    fn output(&mut self, key: Key, part: &Part) {
        assert!(self.is_open(), "nothing is output before the answer");
        let ticket = self.ticket_of(key);
        let known = self.leases.get_mut(&ticket).unwrap();
        assert_eq!((ticket, part.from), (part.ticket.0, known.next), "in order, and without gaps");
        let Outcome::Output { output, .. } = computed(part.from, part.to() - part.from) else { unreachable!() };
        assert_eq!(part.output, output, "the right results");
        known.next = part.to();
        self.sent.push((ticket, part.to()));
    }

    fn store(&mut self, outputs: usize) {
        self.receipted = self.sent.len().min(self.receipted + outputs);
        for (ticket, to) in &self.sent[..self.receipted] {
            let known = self.leases.get_mut(ticket).unwrap();
            known.stored = known.stored.max(*to);
        }
        hear(&mut self.session, &stored(self.receipted as u64)).unwrap();
    }

    fn lose(&mut self) {
        self.session.disconnected();
        self.is_connected = false;
        self.offer = None;
        self.sent.clear();
        self.receipted = 0;
        self.leases.values_mut().for_each(|known| known.name = None);
    }

    fn find(&mut self, new: bool) {
        self.epoch += u64::from(new || self.epoch == 0);
        self.is_connected = true;
        self.session.connected(Epoch(self.epoch));
        self.send();
        assert!(self.offer.is_some(), "the offer comes first");
    }

    fn answer(&mut self, answers: &[Option<(u64, u64)>]) {
        let offer = self.offer.take().unwrap_or_default();
        let mut adoptions = Vec::new();
        for (at, ticket) in offer.into_iter().enumerate() {
            let key = self.new_key();
            let known = self.leases.get_mut(&ticket).unwrap();
            let cut = answers[at % answers.len()];
            let range = cut.map(|(first, last)| (known.stored + first, known.wanted.saturating_sub(last)));
            let range = range.filter(|(from, to)| from < to);
            adoptions.push(range.map(|(from, to)| (key.lease.0, from, to)));
            match range {
                None => known.dropped = true,
                Some((from, to)) => {
                    known.name = Some(key);
                    (known.stored, known.next, known.wanted) = (from, from, to);
                }
            }
        }
        let effects = hear(&mut self.session, &adopted(&adoptions)).unwrap();
        self.observe(effects);
    }

    fn observe(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Ended { ticket, end, .. } = effect {
                let known = self.leases.get_mut(&ticket.0).unwrap();
                assert_eq!(known.end.replace(end), None, "a lease ends once");
                known.dropped |= matches!(end, End::Failed | End::HandedBack);
                assert!(end != End::Done || known.pool >= known.wanted);
            }
        }
    }

    fn check(&self) {
        let computing = self.leases.values().filter(|known| known.end.is_none()).count();
        assert_eq!(self.session.computing(), computing);
        for (ticket, known) in &self.leases {
            assert!(!known.is_owed() || self.session.held.contains_key(&Ticket(*ticket)), "nothing owed is forgotten");
        }
        let kept: usize = self.session.held.values().map(HeldLease::kept_bytes).sum();
        assert_eq!(self.session.kept_bytes(), kept);
    }

    /// All goes well at last.
    fn finish(&mut self) {
        self.lose();
        self.happen(Happening::Find { new: true });
        self.happen(Happening::Answer(vec![Some((0, 0))]));
        for lease in 0..=self.leases.len() {
            self.happen(Happening::Compute { lease, items: u64::MAX });
        }
        while self.session.has_messages() {
            self.happen(Happening::Send(1));
        }
        for (ticket, known) in &self.leases {
            assert!(known.end.is_some(), "every lease ends");
            let was_said = known.name.is_none() || known.dropped || known.next >= known.wanted;
            assert!(was_said, "all that was adopted is said: {ticket} {known:?}");
        }
        self.happen(Happening::Store(usize::MAX / 2));
        assert!(is_free(&self.session), "memory returns");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn nothing_is_lost_and_nothing_is_left(happenings in prop::collection::vec(happening(), 1..80)) {
        let mut world = World::default();
        world.find(true);
        world.answer(&[None]);
        happenings.into_iter().for_each(|happening| world.happen(happening));
        world.finish();
    }
}
