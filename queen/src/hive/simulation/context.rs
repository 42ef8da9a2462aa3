//! What all parts of a world share: time, chance, the network, and a record of what happened.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::net::{LinkId, Net, Side};
use super::plan::Action;
use super::random::Random;

/// What is due at some time.
#[derive(Debug)]
pub enum Happening {
    /// Bytes arrive at a side of a connection.
    Deliver { link: LinkId, side: Side },
    /// A side learns that its connection is gone.
    Notice { link: LinkId, side: Side },
    /// A process of a machine looks at its timers.
    Wake { machine: usize, process: u64 },
    /// A thread has done one step.
    Step { machine: usize, process: u64, thread: usize },
    /// A machine starts a Drone.
    Boot { machine: usize },
    /// The core's deadline.
    Tick { life: u64 },
    /// The Queen looks at her connections.
    Look { life: u64 },
    /// The disk has taken a group of changes.
    Commit { life: u64 },
    /// What the state asked for is done.
    Request { life: u64, number: u64 },
    /// A Queen starts.
    Start,
    /// What the plan has.
    Act(Action),
}

/// What is to come, in order; what is due at the same time comes in the order in which it was put in.
#[derive(Debug, Default)]
pub struct Agenda {
    entries: BTreeMap<(Duration, u64), Happening>,
    count: u64,
}

impl Agenda {
    pub fn push(&mut self, at: Duration, happening: Happening) {
        self.count += 1;
        self.entries.insert((at, self.count), happening);
    }

    pub fn pop(&mut self) -> Option<(Duration, Happening)> {
        self.entries.pop_first().map(|((at, _), happening)| (at, happening))
    }
}

macro_rules! faults {
    ($($name:ident,)*) => {
        /// All that can go wrong, and happens in other ways than by itself.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault {
            $($name,)*
        }

        pub const FAULTS: &[Fault] = &[$(Fault::$name,)*];
    };
}

faults! {
    DroneCrash,
    DroneVanishes,
    Break,
    HalfOpen,
    PartitionOneWay,
    PartitionTwoWay,
    Slow,
    WrongResult,
    WrongFound,
    DeafThreads,
    DeafSession,
    Failing,
    Mute,
    Silence,
    Drain,
    Poison,
    Impossible,
    QueenCrash,
    QueenCrashBehindCommit,
    QueenStall,
    SlowDisk,
    Stale,
    Readopted,
    Inherited,
    Twin,
    Stolen,
    Preempted,
    Cancel,
    DamageInputs,
    Pause,
    Priority,
    Deadline,
    Quarantined,
    Pardon,
    UnknownInstance,
    Claimed,
    ClaimedAlone,
    ClaimedWrong,
    Rechecked,
    Audited,
    Reworked,
    FailedInBatch,
    Searched,
    FoundEnough,
    MarkWithheld,
    FalseMark,
    SearchedAgain,
    MarksCompared,
    MissedMark,
}

#[derive(Debug)]
pub struct Context {
    pub now: Duration,
    pub random: Random,
    pub net: Net,
    pub queue: Agenda,
    /// How often each fault has come about.
    pub faults: BTreeMap<Fault, u64>,
    pub events: u64,
    /// FNV-1a of all that was traced.
    pub trace: u64,
    is_told: bool,
    /// Results that are expensive are computed again now and then.
    pub audits: bool,
}

impl Context {
    pub fn new(seed: u64, is_told: bool) -> Self {
        Self {
            now: Duration::ZERO,
            random: Random::new(seed),
            net: Net::default(),
            queue: Agenda::default(),
            faults: BTreeMap::new(),
            events: 0,
            trace: 0xCBF2_9CE4_8422_2325,
            is_told,
            audits: true,
        }
    }

    pub fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub fn tell(&mut self, what: fmt::Arguments<'_>) {
        let _ = fmt::Write::write_fmt(&mut Hasher(&mut self.trace), format_args!("{:?} {what}\n", self.now));
        if self.is_told {
            println!("{:10.6} {what}", self.now.as_secs_f64());
        }
    }
}

struct Hasher<'a>(&'a mut u64);

impl fmt::Write for Hasher<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.0 = (*self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        Ok(())
    }
}
