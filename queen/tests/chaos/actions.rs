//! What is done to the hive while it works. A new action is a variant, a row in [`DECK`], and
//! what it does in [`Hive::act`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::hive::{Hive, Slot};
use super::proxy::{Cut, FROM_DRONE, FROM_QUEEN, Hindrance, Obstacle};
use super::support::order::Rng;

/// After so long a silence Queen and Drone give each other up.
pub const SILENCE: Duration = Duration::from_secs(3);

/// How much longer than that a long fault lasts: heartbeats are a second apart.
const BEYOND: Duration = Duration::from_millis(2_500);

/// The longest pause between two actions, in milliseconds; half of it on average.
const PAUSE: u64 = 450;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    KillQueen,
    KillDrone,
    DismissDrone,
    DrainDrone,
    StopDrone,
    StopDroneLong,
    Reset,
    Fin,
    Tear,
    Mute,
    Deafen,
    Part,
    PartLong,
    Delay,
    Throttle,
}

/// Every action, its name, and how often it comes in a round.
pub const DECK: &[(Action, &str, usize)] = &[
    (Action::KillQueen, "Queen killed and started again", 2),
    (Action::KillDrone, "Drone killed, another started", 4),
    (Action::DismissDrone, "Drone left with success, another started", 2),
    (Action::DrainDrone, "Drone drained by an operator, another started", 2),
    (Action::StopDrone, "Drone stopped and continued", 3),
    (Action::StopDroneLong, "Drone stopped beyond the silence timeout", 1),
    (Action::Reset, "connection cut with RST", 3),
    (Action::Fin, "connection cut with FIN", 3),
    (Action::Tear, "connection cut within a frame", 4),
    (Action::Mute, "half-open: nothing from the Drone", 2),
    (Action::Deafen, "half-open: nothing to the Drone", 2),
    (Action::Part, "partition", 2),
    (Action::PartLong, "partition beyond the silence timeout", 1),
    (Action::Delay, "bytes delayed", 2),
    (Action::Throttle, "bandwidth throttled", 2),
];

impl Action {
    pub fn name(self) -> &'static str {
        DECK.iter().find(|(action, ..)| *action == self).map_or("an action that is not in the deck", |row| row.1)
    }
}

/// All actions of a round, in any order.
fn shuffled(rng: &mut Rng) -> Vec<Action> {
    let mut cards: Vec<_> = DECK.iter().flat_map(|(action, _, count)| vec![*action; *count]).collect();
    (1..cards.len()).rev().for_each(|last| cards.swap(last, rng.below(last as u64 + 1) as usize));
    cards
}

/// One action after the other; at the end all is as it should be.
pub async fn rage(hive: &Arc<Hive>, seed: u64, until: Instant) {
    let mut rng = Rng::new(seed, u64::MAX);
    let mut deck = Vec::new();
    let mut acting = JoinSet::new();
    while Instant::now() < until {
        let action = deck.pop().unwrap_or_else(|| {
            deck = shuffled(&mut rng);
            deck.pop().unwrap()
        });
        let (hive, mut luck) = (Arc::clone(hive), Rng::new(rng.next(), 0));
        acting.spawn(async move {
            if hive.act(action, &mut luck).await.is_some() {
                hive.tally.count(action.name());
            }
        });
        let pause = Duration::from_millis(rng.below(PAUSE));
        sleep_until(until.min(Instant::now() + pause)).await;
        while let Some(acted) = acting.try_join_next() {
            acted.unwrap();
        }
    }
    hive.healing.cancel();
    while let Some(acted) = acting.join_next().await {
        acted.unwrap();
    }
}

impl Hive {
    /// Does it, and takes it back; nothing if it did not come to it.
    async fn act(&self, action: Action, rng: &mut Rng) -> Option<()> {
        let short = Duration::from_millis(200 + rng.below(2_500));
        match action {
            Action::KillQueen => {
                self.kill_queen(Duration::from_millis(rng.below(800))).await;
                Some(())
            }
            Action::KillDrone => {
                let (slot, mut drone) = self.some_drone(rng)?;
                drone.take()?.kill();
                *drone = Some(self.hire(slot));
                Some(())
            }
            Action::DismissDrone => {
                let (slot, mut drone) = self.some_drone(rng)?;
                let mut leaving = drone.take()?;
                leaving.until_said("looking for the Queen", &self.consoles).await;
                let name = leaving.name().to_owned();
                let status = leaving.dismiss().await;
                assert!(status.success(), "{name} was to leave: {status}");
                *drone = Some(self.hire(slot));
                Some(())
            }
            Action::DrainDrone => {
                let (slot, mut drone) = self.some_drone(rng)?;
                let name = drone.as_ref()?.name().to_owned();
                let drones = self.get("/drones").await;
                let row = drones["drones"].as_array()?.iter().find(|row| row["name"] == *name)?["id"].as_u64()?;
                let (answer, _) = self.ask("POST", &format!("/drones/{row}/drain"), &[], "").await;
                // It may have lost its connection meanwhile.
                if answer.status != 202 {
                    return None;
                }
                // The word may have been lost on its way; a second one hurries it.
                let status = drone.take()?.dismiss().await;
                assert!(status.success(), "{name} was to leave: {status}");
                *drone = Some(self.hire(slot));
                Some(())
            }
            Action::StopDrone => self.stop_drone(rng, short).await.map(drop),
            Action::StopDroneLong => self.stop_drone(rng, SILENCE + BEYOND).await?.then_some(()),
            Action::Reset => self.cut(rng, Cut::Reset),
            Action::Fin => self.cut(rng, Cut::Fin),
            Action::Tear => self.tear(rng).await,
            Action::Mute => self.hinder(rng, &[FROM_DRONE], Hindrance::Wall, short).await.map(drop),
            Action::Deafen => self.hinder(rng, &[FROM_QUEEN], Hindrance::Wall, short).await.map(drop),
            Action::Part => self.hinder(rng, &[FROM_DRONE, FROM_QUEEN], Hindrance::Wall, short).await.map(drop),
            Action::PartLong => {
                let both = [FROM_DRONE, FROM_QUEEN];
                self.hinder(rng, &both, Hindrance::Wall, SILENCE + BEYOND).await?.then_some(())
            }
            Action::Delay => {
                let delay = Hindrance::Delay(Duration::from_millis(5 + rng.below(250)));
                self.hinder(rng, &[FROM_DRONE, FROM_QUEEN], delay, short).await.map(drop)
            }
            Action::Throttle => {
                let throttle = Hindrance::Throttle(20_000 + rng.below(1_000_000));
                self.hinder(rng, &[FROM_DRONE, FROM_QUEEN], throttle, short).await.map(drop)
            }
        }
    }

    /// Lets it last, if nothing heals before; whether it lasted.
    async fn last(&self, duration: Duration) -> bool {
        tokio::select! {
            () = sleep(duration) => true,
            () = self.healing.cancelled() => false,
        }
    }

    async fn stop_drone(&self, rng: &mut Rng, duration: Duration) -> Option<bool> {
        let (_, mut drone) = self.some_drone(rng)?;
        let drone = drone.as_mut()?;
        drone.signal("-STOP");
        let has_lasted = self.last(duration).await;
        drone.signal("-CONT");
        Some(has_lasted)
    }

    /// Whether it lasted; nothing if no byte met it.
    async fn hinder(
        &self,
        rng: &mut Rng,
        directions: &[usize],
        hindrance: Hindrance,
        duration: Duration,
    ) -> Option<bool> {
        let (slot, _way) = self.some_way(rng)?;
        let obstacle = Obstacle::new(hindrance);
        directions.iter().for_each(|direction| slot.proxy.hinder(*direction, Some(Arc::clone(&obstacle))));
        let has_lasted = self.last(duration).await;
        directions.iter().for_each(|direction| slot.proxy.hinder(*direction, None));
        obstacle.is_felt().then_some(has_lasted)
    }

    fn slot(&self, rng: &mut Rng) -> &Slot {
        &self.slots[rng.below(self.slots.len() as u64) as usize]
    }

    fn cut(&self, rng: &mut Rng, cut: Cut) -> Option<()> {
        self.slot(rng).proxy.cut(cut).then_some(())
    }

    /// Waits as long as heartbeats need to come by.
    async fn tear(&self, rng: &mut Rng) -> Option<()> {
        let direction = if rng.one_in(2) { FROM_DRONE } else { FROM_QUEEN };
        let is_torn = Arc::new(AtomicBool::new(false));
        self.cut(rng, Cut::Torn(direction, Arc::clone(&is_torn)))?;
        self.last(BEYOND).await;
        is_torn.load(SeqCst).then_some(())
    }
}
