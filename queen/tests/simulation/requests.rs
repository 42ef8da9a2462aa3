//! What users want of the shell, and messages that must change nothing.

use std::rc::Rc;

use queen::core::Event;
use wire::ids::{Epoch, LeaseId, TaskId};
use wire::message::{Output, ToDrone};
use wire::work::{ChunkOutput, Digests};

use crate::context::{Context, Fault};
use crate::shell::Queen;
use crate::state::Record;
use crate::work::Spec;

impl Queen {
    pub fn submit(&mut self, ctx: &mut Context, spec: &Rc<Spec>) -> TaskId {
        let task = TaskId(self.next_task);
        self.next_task += 1;
        if let Some(poison) = spec.poison {
            self.poisons.insert((self.epoch, task), poison);
        }
        let number = self.write(ctx, Record::Task(task, spec.clone()));
        self.journal.tasks.push_back((number, spec.serial, task));
        self.submit_again(ctx, task, None);
        task
    }

    fn is_live(&self, task: TaskId) -> bool {
        self.state.tasks.get(&task).is_some_and(|kept| kept.ended.is_none())
    }

    /// Any task that has not ended.
    pub fn any_task(&self, ctx: &mut Context) -> Option<TaskId> {
        let live: Vec<_> = self.state.tasks.keys().copied().filter(|task| self.is_live(*task)).collect();
        (!live.is_empty()).then(|| ctx.random.pick(&live))
    }

    pub fn cancel(&mut self, ctx: &mut Context, task: TaskId) {
        if self.is_live(task) {
            self.handle(ctx, Event::Cancel { task });
        }
    }

    pub fn pause(&mut self, ctx: &mut Context, task: TaskId, is_paused: bool) {
        if self.is_live(task) {
            self.write(ctx, Record::Paused(task, is_paused));
            self.handle(ctx, if is_paused { Event::Pause { task } } else { Event::Resume { task } });
        }
    }

    pub fn set_priority(&mut self, ctx: &mut Context, task: TaskId, priority: i8) {
        if self.is_live(task) {
            self.write(ctx, Record::Priority(task, priority));
            self.handle(ctx, Event::SetPriority { task, priority });
        }
    }

    /// Trusts again one of those who were not caught lying.
    pub fn pardon(&mut self, ctx: &mut Context) {
        let failed = self.distrusted.iter().filter(|(_, why)| why.is_some()).map(|(drone, _)| *drone);
        let Some(drone) = failed.rev().find(|drone| self.state.distrusted.contains(drone)) else { return };
        ctx.fault(Fault::Pardon);
        self.write(ctx, Record::Trust(drone, true));
        self.model.is_trusted(drone);
        self.handle(ctx, Event::Pardon { drone });
    }

    pub fn drain_one(&mut self, ctx: &mut Context) {
        let drones: Vec<_> = self.current.keys().copied().collect();
        if !drones.is_empty() {
            ctx.fault(Fault::Drain);
            let drone = ctx.random.pick(&drones);
            self.say(ctx, drone, &ToDrone::Drain);
        }
    }

    /// Goes on after it has not listened for a while.
    pub fn awake(&mut self, ctx: &mut Context) {
        self.stalled = None;
        for drone in self.current.keys().copied().collect::<Vec<_>>() {
            self.handle(ctx, Event::Excuse { drone, was_heard: false });
        }
    }

    /// Lets a Drone say what is out of date, out of order or about somebody else's lease.
    pub fn hear_stale(&mut self, ctx: &mut Context) {
        let drones: Vec<_> = self.current.keys().copied().collect();
        let leases: Vec<_> = self.model.leases.iter().map(|(id, lent)| (*id, lent.clone())).collect();
        if drones.is_empty() || leases.is_empty() {
            return;
        }
        ctx.fault(Fault::Stale);
        let before = format!("{:?}", self.core);
        let (id, lent) = leases[ctx.random.index(leases.len())].clone();
        let others: Vec<_> = drones.iter().copied().filter(|drone| *drone != lent.drone).collect();
        let wrong = [0x77; 32];
        let output = |lease: LeaseId, from: u64| Output {
            lease,
            epoch: self.epoch,
            from,
            to: from + 1,
            spent_ns: 1_000_000,
            output: ChunkOutput::Digests(Digests::new(&wrong).unwrap()),
        };
        let mut stale = vec![
            (lent.drone, Output { epoch: Epoch(self.epoch.0 - 1), ..output(id, lent.next) }),
            (lent.drone, output(id, lent.next + 1)),
            (lent.drone, output(LeaseId(id.0 + 1_000_000), lent.next)),
        ];
        stale.extend(lent.next.checked_sub(1).map(|before| (lent.drone, output(id, before))));
        stale.extend(others.first().map(|other| (*other, output(id, lent.next))));
        for (drone, output) in stale {
            assert_eq!(self.output(ctx, drone, &output), 0, "{output:?} is not stored");
        }
        if let Some(drone) = others.first().copied() {
            self.handle(ctx, Event::Failed { drone, lease: id, reason: "nothing of its own".to_owned() });
        }
        assert!(before == format!("{:?}", self.core), "what is stale changes nothing");
    }
}
