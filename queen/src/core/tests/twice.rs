//! Tasks of which each item is computed twice.

use super::*;

/// Items of one compression that are computed twice.
fn twice(segments: &[u64]) -> TaskWork {
    TaskWork { twice: true, ..work(0, segments) }
}

impl World {
    /// Results come of a task of which each item is computed twice: what another Drone computed is done,
    /// the rest is computed once.
    pub(super) fn output_twice(
        &mut self,
        task: TaskId,
        drone: DroneId,
        lease: LeaseId,
        range: Range<u64>,
    ) -> Vec<Grant> {
        let mut grants = Vec::new();
        let mut rest = range;
        while !rest.is_empty() {
            let once = &self.twice[&task];
            let here = once.iter().find(|(claimed, _)| claimed.contains(&rest.start));
            let end = match here {
                Some((claimed, _)) => claimed.end,
                None => once
                    .iter()
                    .map(|(claimed, _)| claimed.start)
                    .filter(|start| *start > rest.start)
                    .min()
                    .unwrap_or(u64::MAX),
            };
            let is_second = here.is_some_and(|(_, by)| *by != drone);
            let part = rest.start..rest.end.min(end);
            rest.start = part.end;
            let spent = Duration::from_nanos((part.end - part.start) * 1_000_000_000 / RATE);
            grants.extend(self.handle(match is_second {
                true => Event::Output { drone, lease, range: part, spent },
                false => Event::Claim { drone, lease, range: part, spent, is_kept: true },
            }));
        }
        grants
    }

    /// These were computed a second time, or the first time anew.
    pub(super) fn forget_once(&mut self, task: TaskId, range: &Range<u64>) {
        let Some(once) = self.twice.get_mut(&task) else { return };
        let parts = once.drain(..).flat_map(|(claimed, by)| {
            let rest = [claimed.start..claimed.end.min(range.start), claimed.start.max(range.end)..claimed.end];
            rest.map(|rest| (rest, by))
        });
        *once = parts.filter(|(rest, _)| !rest.is_empty()).collect();
    }

    /// The Queen computes what she is to.
    pub(super) fn compute_seconds(&mut self, agrees: bool) {
        while let Some((task, range)) = self.seconds.pop() {
            self.handle(Event::Second { task, range, agrees });
        }
    }

    fn done(&self, task: TaskId) -> u64 {
        self.core.task(task, self.now).map_or(0, |status| status.done)
    }
}

#[test]
fn what_one_drone_computed_another_one_computes_next() {
    let mut world = World::new();
    let (one, _) = world.join(1);
    let (other, _) = world.join(1);
    let (task, grants) = world.submit_work(twice(&[10_000_000]));
    let first = grants.iter().find(|grant| grant.drone == one).unwrap();
    world.output(first.lease, u64::MAX);
    assert_eq!(world.done(task), 0, "once is not enough");
    let again = loop {
        let lease = world.held.values().find(|grant| grant.drone == other).unwrap().lease;
        let grants = world.output(lease, u64::MAX);
        assert!(grants.iter().all(|grant| grant.drone == other || grant.range != first.range));
        if let Some(again) = world.held.values().find(|grant| grant.range == first.range) {
            break again.clone();
        }
    };
    assert_eq!(again.drone, other);
    world.output(again.lease, u64::MAX);
    assert_eq!(world.done(task), first.range.end - first.range.start);
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn where_there_is_no_other_drone_the_queen_computes() {
    let mut world = World::new();
    let (_, _) = world.join(1);
    let (task, grants) = world.submit_work(twice(&[100]));
    world.output(grants[0].lease, 40);
    world.output(grants[0].lease, u64::MAX);
    for grant in &grants[1..] {
        world.output(grant.lease, u64::MAX);
    }
    while let Some(next) = world.held.keys().next().copied() {
        world.output(next, u64::MAX);
    }
    assert_eq!(world.done(task), 0);
    assert!(world.held.is_empty(), "what the Queen computes nobody else does");
    assert_eq!(world.core.waiting(task), None, "something of it is being computed");
    assert_eq!(world.core.with_queen(task, &(0..100)).iter().map(|range| range.end - range.start).sum::<u64>(), 100);
    assert_eq!(world.core.item(task, 7), Some(true));
    assert_eq!(world.core.with_queen(task, &(10..20)).first(), Some(&(10..20)));
    // An item leaves the task, and one part was not right.
    world.detach(task, 7);
    let (_, wrong) = world.seconds.pop().unwrap();
    world.handle(Event::Second { task, range: wrong.clone(), agrees: false });
    assert_eq!(
        world.held.values().map(|grant| grant.range.end - grant.range.start).sum::<u64>(),
        wrong.end - wrong.start
    );
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn who_is_left_alone_computes_it_again() {
    let mut world = World::new();
    let (one, _) = world.join(1);
    let (other, _) = world.join(1);
    let (task, grants) = world.submit_work(twice(&[10]));
    let lease = grants.iter().find(|grant| grant.drone == one).unwrap().lease;
    world.output(lease, u64::MAX);
    world.held.retain(|_, grant| grant.drone != other);
    world.handle(Event::Gone { drone: other });
    assert!(world.held.values().any(|grant| grant.drone == one), "there is nobody else");
    world.run();
    assert_eq!(world.ended[&task], Outcome::Done);
}

#[test]
fn little_waits_for_the_second_time() {
    let mut world = World::new();
    let (one, _) = world.join(1);
    let (task, _) = world.submit_work(twice(&[1_000_000_000]));
    let (other, _) = world.join(1);
    for _ in 0..500 {
        let Some(lease) = world.held.values().find(|grant| grant.drone == one).map(|grant| grant.lease) else { break };
        world.output(lease, u64::MAX);
    }
    let waits = world.twice[&task].len();
    assert!((dispatch::LOOK..dispatch::LOOK + 20).contains(&waits), "{waits} ranges wait for the other Drone");
    // When that one has computed them, both go on.
    for _ in 0..waits {
        let lease = world.held.values().find(|grant| grant.drone == other).unwrap().lease;
        world.output(lease, u64::MAX);
    }
    assert!(world.held.values().any(|grant| grant.drone == one));
}

#[test]
fn it_costs_twice_as_much() {
    let eta = |twice| {
        let mut world = World::new();
        world.join(1);
        let (task, _) = world.submit_work(TaskWork { twice, ..work(0, &[1_000_000]) });
        let totals = world.core.totals(world.now).eta.unwrap();
        (world.core.task(task, world.now).unwrap().eta.unwrap(), totals)
    };
    let (once, all) = eta(false);
    assert_eq!(eta(true), (2 * once, 2 * all));
}
