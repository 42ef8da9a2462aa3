//! Who gets a place, told by examples, and compared with a model that looks through all of them.

use std::net::{IpAddr, Ipv4Addr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn origin(number: u8) -> Origin {
    IpAddr::from(Ipv4Addr::new(10, 0, 0, number)).into()
}

/// Places of which so many are held, each by its number, in this order from these origins.
fn held(most: usize, origins: &[u8]) -> (Places<usize>, Vec<PlaceId>) {
    let mut places = Places::new(most);
    let enter = |(number, from): (usize, &u8)| places.enter(origin(*from), number).unwrap().id;
    let ids = origins.iter().enumerate().map(enter).collect();
    (places, ids)
}

/// Whom a newcomer displaces; an outer `None` if it is refused.
fn comes(places: &mut Places<usize>, from: u8) -> Option<Option<usize>> {
    places.enter(origin(from), usize::MAX).map(|entered| entered.displaced)
}

#[test]
fn the_address_is_counted_and_of_ipv6_the_network() {
    let origin = |text: &str| Origin::from(text.parse::<IpAddr>().unwrap());
    assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:0:0:2"));
    assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
    assert_ne!(origin("127.0.0.1"), origin("127.0.0.2"));
    assert_eq!(origin("::ffff:127.0.0.1"), origin("127.0.0.1"));
}

#[test]
fn while_there_is_room_nobody_yields() {
    let (mut places, ids) = held(3, &[1, 1]);
    assert_eq!(comes(&mut places, 1), Some(None));
    assert_eq!(places.leave(ids[0]), Some(0));
    assert_eq!(places.leave(ids[0]), None);
    assert_eq!(comes(&mut places, 1), Some(None));
    assert_eq!(comes(&mut places, 1), Some(Some(1)));
}

#[test]
fn the_oldest_of_the_largest_crowd_yields() {
    let (mut places, _) = held(4, &[1, 2, 2, 1]);
    assert_eq!(comes(&mut places, 3), Some(Some(0)), "of equal crowds the one with the oldest");
    assert_eq!(comes(&mut places, 3), Some(Some(1)));
    assert_eq!(comes(&mut places, 3), Some(Some(usize::MAX)), "its own crowd is the largest now");
}

#[test]
fn who_is_at_work_does_not_yield() {
    for activity in [Activity::Idle, Activity::Receiving, Activity::Waiting, Activity::Watching] {
        let (mut places, ids) = held(3, &[1, 1, 2]);
        ids.iter().for_each(|id| places.set(*id, Activity::Working));
        assert_eq!(comes(&mut places, 3), None);
        places.set(ids[1], activity);
        assert_eq!(comes(&mut places, 3), Some(Some(1)));
        places.set(ids[1], Activity::Working);
        assert_eq!(places.leave(ids[1]), None, "it holds no place any more");
    }
}

#[test]
fn a_smaller_crowd_does_not_yield_to_one_that_is_at_work() {
    let (mut places, ids) = held(3, &[1, 1, 2]);
    places.set(ids[0], Activity::Working);
    places.set(ids[1], Activity::Working);
    assert_eq!(comes(&mut places, 1), None);
    assert_eq!(comes(&mut places, 2), Some(Some(2)));
    assert_eq!(comes(&mut places, 3), Some(Some(usize::MAX)));
}

#[test]
fn who_was_admitted_yields_when_nobody_else_does() {
    let (mut places, ids) = held(5, &[1, 1, 1, 2, 3]);
    ids[..3].iter().for_each(|id| places.admit(*id));
    assert_eq!(comes(&mut places, 4), Some(Some(3)), "of equal crowds of strangers the one with the oldest");
    assert_eq!(comes(&mut places, 1), Some(Some(4)), "the admitted of its origin do not count against it");
    assert_eq!(places.leave(ids[0]), Some(0));
    assert_eq!(comes(&mut places, 5), Some(None));
    for id in [1, 2, 3].map(|back| PlaceId(places.next.0 - back)) {
        places.set(id, Activity::Working);
    }
    places.set(ids[1], Activity::Working);
    assert_eq!(comes(&mut places, 6), Some(Some(2)));
}

#[test]
fn without_places_all_are_refused() {
    assert_eq!(comes(&mut Places::new(0), 1), None);
}

/// The same rules over a list, oldest first: number, origin, whether it is at work, whether it was admitted.
struct Model {
    most: usize,
    held: Vec<(usize, u8, bool, bool)>,
}

impl Model {
    fn places_of(&self, from: u8, admitted: bool) -> usize {
        self.held.iter().filter(|held| (held.1, held.3) == (from, admitted)).count()
    }

    fn oldest(&self, from: u8, admitted: bool) -> Option<usize> {
        let yielding = self.held.iter().filter(|held| !held.2 && held.3 == admitted);
        // Of equal ones the last, which is the oldest.
        let (oldest, origin, ..) = *yielding.rev().max_by_key(|held| self.places_of(held.1, admitted))?;
        (self.places_of(from, admitted) <= self.places_of(origin, admitted)).then_some(oldest)
    }

    fn enter(&mut self, number: usize, from: u8) -> Option<Option<usize>> {
        let mut displaced = None;
        if self.held.len() == self.most {
            let oldest = self.oldest(from, false).or_else(|| self.oldest(from, true))?;
            displaced = Some(oldest);
            self.held.retain(|(number, ..)| *number != oldest);
        }
        self.held.push((number, from, false, false));
        Some(displaced)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Enter(u8),
    Set(prop::sample::Index, bool),
    Admit(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8).prop_map(|from| Step::Enter(from * from / 8)),
        3 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(which, is_at_work)| Step::Set(which, is_at_work)),
        1 => any::<prop::sample::Index>().prop_map(Step::Admit),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ]
}

proptest! {
    #[test]
    fn places_go_as_if_all_were_looked_through(most in 1..12_usize, steps in vec(step(), 0..200)) {
        let (mut places, mut model) = (Places::new(most), Model { most, held: Vec::new() });
        // All that ever came in, by their numbers.
        let mut ids = Vec::new();
        for step in steps {
            match step {
                Step::Enter(from) => {
                    let entered = places.enter(origin(from), ids.len());
                    let expected = model.enter(ids.len(), from);
                    prop_assert_eq!(entered.as_ref().map(|entered| entered.displaced), expected);
                    ids.extend(entered.map(|entered| entered.id));
                }
                Step::Set(which, is_at_work) if !ids.is_empty() => {
                    let number = which.index(ids.len());
                    places.set(ids[number], if is_at_work { Activity::Working } else { Activity::Waiting });
                    model.held.iter_mut().filter(|held| held.0 == number).for_each(|held| held.2 = is_at_work);
                }
                Step::Admit(which) if !ids.is_empty() => {
                    let number = which.index(ids.len());
                    places.admit(ids[number]);
                    model.held.iter_mut().filter(|held| held.0 == number).for_each(|held| held.3 = true);
                }
                Step::Leave(which) if !ids.is_empty() => {
                    let number = which.index(ids.len());
                    let is_held = model.held.iter().any(|held| held.0 == number);
                    prop_assert_eq!(places.leave(ids[number]), is_held.then_some(number));
                    model.held.retain(|held| held.0 != number);
                }
                Step::Set(..) | Step::Admit(_) | Step::Leave(_) => {}
            }
            prop_assert_eq!(places.held.len(), model.held.len());
            prop_assert!(places.crowds.values().all(|crowd| crowd.places != [0, 0]));
        }
    }
}
