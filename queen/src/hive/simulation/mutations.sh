#!/usr/bin/env bash
# Breaks the core, the state and the session in one way after the other, and shows that the simulation
# notices each, or else a test of the code beside it. Works on a copy of what is committed, in
# target/mutations; takes an hour, since the tests are built for each.
# With an argument, only the mutations whose names contain it. With --check alone it builds and breaks nothing, and says
# for which mutations the code that they replace is no longer there; that takes a moment.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../../.."

root=$PWD
copy=$root/target/mutations/tree
only=${1:-}
checks=
[[ $only == --check ]] && checks=yes only=

if [[ -z $checks ]]; then
    export CARGO_TARGET_DIR=$root/target/mutations/target RUST_BACKTRACE=0
    export HIVE_WORLDS=${HIVE_WORLDS:-600}
    git worktree prune
    [[ -d $copy ]] && git worktree remove --force "$copy"
    git worktree add --quiet --detach "$copy" HEAD
    trap 'git -C "$root" worktree remove --force "$copy"' EXIT
    cd "$copy"
fi

# Is killed by the time limit if the mutation makes it run for ever.
simulate() {
    cargo test --quiet --locked --all-features -p queen --lib --no-run 2>"$copy/build.log" || {
        cat "$copy/build.log" >&2
        exit 2
    }
    tests simulation
}

# tests FILTER...: the tests of the Queen's library that it leaves.
tests() {
    (ulimit -v 4000000; timeout 180 cargo test --quiet --locked --all-features -p queen --lib -- "$@" >"$copy/run.log" 2>&1)
}

missed=0 count=0 outdated=0

# mutation NAME FILE OLD NEW: what if OLD were NEW?
mutation() {
    local name=$1 file=$2 old=$3 new=$4 whole
    [[ $name == *"$only"* ]] || return 0
    whole=$(<"$file")
    if [[ $whole != *"$old"* ]]; then
        echo "$name: $file has no longer: $old" >&2
        [[ -n $checks ]] || exit 2
        outdated=$((outdated + 1))
    fi
    count=$((count + 1))
    [[ -z $checks ]] || return 0
    printf '%s\n' "${whole/"$old"/"$new"}" >"$file"
    local by="" what
    if simulate; then
        by=" beside the code"
        tests --skip simulation && by=nothing
    fi
    if [[ $by == nothing ]]; then
        missed=$((missed + 1))
        echo "MISSED  $name"
    else
        # What was noticed stands behind the line that says where.
        what=$(grep -A1 -m1 'panicked at' "$copy/run.log" | tail -n1 | cut -c1-90 || true)
        echo "caught$by  $name: ${what:-it runs for ever}"
    fi
    git checkout --quiet -- "$file"
}

core=queen/src/core
session=drone/src/session
hive=queen/src/hive

[[ -n $checks ]] || simulate || { tail -n 20 "$copy/run.log" >&2; echo "it fails as it is" >&2; exit 1; }

mutation "forgets a range when its Drone is lost" $core/detach.rs \
    'None => task.release(range),' 'None => drop(range),'
mutation "wants what is out of order" $core/output.rs \
    'if range.start != lease.next || range.is_empty()' 'if range.is_empty()'
mutation "wants results of anybody" $core/output.rs \
    'self.leases.get(id).filter(|lease| lease.drone == drone_id)' 'self.leases.get(id)'
mutation "credits twins twice" $core/output.rs \
    'self.leases.change(twin, |twin| twin.range.start = wanted.end);' ''
mutation "never untwins" $core/release.rs \
    'self.leases.change(id, |lease| lease.twin = None);' ''
mutation "leaves a twin when the other is done" $core/output.rs \
    'match lease.range.is_empty() {' 'match false {'
mutation "leaves leases to whom it distrusts" $core/fleet.rs \
    'let leases: Vec<_> = held.into_iter().map(|lease| (lease, EndCause::None)).collect();
        self.give_up(&leases, true, LeaseEnd::Withdrawn, now, effects);' 'drop(held);'
mutation "leases what is paused" $core/tasks.rs \
    '(!task.is_paused).then(entry)' 'Some(entry())'
mutation "adopts what others have" $core/fleet.rs \
    'task.take_within(offer)?' 'task.take_within(offer).unwrap_or_else(|| offer.clone())'
mutation "keeps leases that a Drone does not offer" $core/fleet.rs \
    'let lost: Vec<_> = lost.collect();
        self.expire(&lost, false, now, effects);' 'drop(lost);'
mutation "waits for the silent for ever" $core/drone.rs \
    'self.last_heard + timeouts.silence)' 'self.last_heard + timeouts.silence * 100)'
mutation "keeps leases of the lost for long" $core/fleet.rs \
    'self.keep_until(*lease, now + hold, now);' 'self.keep_until(*lease, now + hold * 20, now);'
mutation "records leases that are over" $core/release.rs \
    'if lease.is_recorded {
            effects.push(Effect::Unhold(id));' \
    'if lease.is_recorded && id.0 % 2 == 0 {
            effects.push(Effect::Unhold(id));'
mutation "forgets what a Drone died of" $core/release.rs \
    'history.losses += 1;' ''
mutation "forgets what a twin came to" $core/release.rs \
    'self.blame_twin(twin, lease.drone, *fault, now);' ''
mutation "blames who goes on for what its twin came to" $core/release.rs \
    'self.blame_twin(twin, lease.drone, *fault, now);' \
    'let other = self.leases.get(twin).map_or(lease.drone, |twin| twin.drone);
                    self.blame_twin(twin, other, *fault, now);'
mutation "gives a range back to whom it failed on" $core/dispatch.rs \
    '!history.must_be_isolated() && self.may_try(task, history, drone, now)' \
    '!history.must_be_isolated()'
mutation "does not take results for a sign of life" $core/output.rs \
    'self.hear(drone_id, now);' ''
mutation "runs what kills beside other work" $core/history.rs \
    'self.losses >= MAX_LOSSES' 'self.losses >= MAX_LOSSES + 200'
mutation "tells nobody that a task is over" $core/lifecycle.rs \
    'effects.push(Effect::Withdraw { drone: lease.drone, lease: lease_id, end: lease.next });' ''
mutation "steals without telling" $core/release.rs \
    'effects.push(Effect::Withdraw { drone: lease.drone, lease: id, end });' ''
mutation "gives no part of a lease to the idle" $core/steal.rs \
    'while self.drones.get(thief).is_some_and(Drone::has_idle_thread)' 'while false'
mutation "leaves lanes empty" $core/sizing.rs \
    '0 => items.max(fair_share(task, drone, capacity).min(lanes)).min(length),' '0 => items,'
mutation "takes the least urgent first" $core/queue.rs \
    'self.levels.iter().rev()' 'self.levels.iter()'
mutation "gives a Drone too much" $core/drone.rs \
    'ahead.time_ns < threads * AHEAD.as_nanos() as u64' 'ahead.time_ns < threads * 8 * AHEAD.as_nanos() as u64'
mutation "forgets to deal out what is revoked" $core/task.rs \
    'execution.pending.insert(revoked);' ''
mutation "lets one task have it all" $core/dispatch.rs \
    'task.pass = task.pass.saturating_add(task.cost(&range));' ''
mutation "hive: stores what is not wanted" $hive/outputs.rs \
    'recheck = state.store_results(task, drone, &range, &arrival);' \
    'recheck = state.store_results(task, drone, &arrival.piece.range, &arrival);'
mutation "hive: acknowledges results before they are on the disk" $hive/drones.rs \
    'self.fleet.received(drone, outputs);' 'self.fleet.received(drone, outputs);
            self.stored(receipt);'
mutation "hive: tells of an end before it is on the disk" $hive/effects.rs \
    'self.tasks.tell_results(id);' 'self.tasks.tell_results(id);
        self.tasks.waiters.wake(id..TaskId(id.0 + 1));'
mutation "hive: calls a task of a batch failed before that is on the disk" $hive/detach.rs \
    'if !has_failed {' 'if true {'
mutation "hive: forgets who waits for an end" $hive/waiters.rs \
    '.filter_map(|id| self.by_task.remove(&id)).flatten() {' '.filter_map(|id| self.by_task.remove(&id)).flatten().skip(1) {'
mutation "hive: forgets who waits for a task of a batch" $hive/commits.rs \
    'self.tasks.waiters.wake(member_id(*task, range.start)..member_id(*task, range.end));' ''
mutation "hive: forgets that a task of a batch failed" $hive/detach.rs \
    'self.outgoing.push(Change::Detach { batch, index, outcome });
        self.feed.task(batch);
        if' 'self.feed.task(batch);
        if'
mutation "hive: leaves a liar's results on the disk" $hive/verify.rs \
    'self.outgoing.push(Change::Suspect { drone });' ''
mutation "hive: leaves a liar's results in memory" $hive/verify.rs \
    'self.tasks.change(id, |record| record.suspect(drone));' ''
mutation "hive: takes a task over as if nothing of it were done" $hive/recovery.rs \
    'self.enter(id, record, done, now);' 'self.enter(id, record, crate::core::RangeSet::default(), now);'
mutation "hive: forgets a pause at a start" $hive/recovery.rs \
    'if is_paused {' 'if false {'
mutation "hive: forgets who had what at a start" $hive/recovery.rs \
    'if !self.fleet.is_quarantined(drone) && !revoked.contains(&drone) {' 'if false {'
mutation "hive: takes over twice who had what" $hive/recovery.rs \
    'held.entry(drone).or_default().push((task, range));' \
    'held.entry(drone).or_default().extend([(task, range.clone()), (task, range)]);'
mutation "hive: begins no epoch" $hive/state.rs \
    'self.outgoing.push(Change::Epoch(epoch));' ''
mutation "hive: forgets leases that are over" $hive/outgoing.rs \
    'self.leases.insert(lease, Change::Unlease(lease));' ''
mutation "hive: takes what is no mark" $hive/search.rs \
    'if !looked.is_mark {' 'if false {'
mutation "hive: does not suspect who tells no marks" $hive/search_state.rs \
    'reputation.is_suspect = reputation.evidence.note(expected, seen);' 'reputation.evidence.note(expected, seen);'
mutation "hive: compares no marks of two who had the same" $hive/search.rs \
    'if expected >= COMPARED_MARKS && self.audits.begin_comparison() {' 'if false {'
mutation "hive: finds a candidate twice" $hive/search_state.rs \
    'self.findings.insert(finding.index, finding.digest).is_none()' 'self.findings.insert(finding.index, finding.digest).is_none() || true'
mutation "hive: goes on when enough is found" $hive/search.rs \
    'if let Some(from) = record.wanted_until() {' 'if let Some(from) = record.wanted_until().filter(|_| false) {'
mutation "session: drops results that are not stored" $session/state.rs \
    'held.phase == Phase::Abandoned)' 'held.phase != Phase::Computing)'
mutation "session: does not say again what got lost" $session/queen.rs \
    '(_, parts) => parts.iter().for_each(|part| link.say(Statement::Output(key, part.clone()))),' '(_, _) => {}'
mutation "session: keeps results for ever" $session/held.rs \
    'let Some(part) = self.parts.pop_front() else { return 0 };' \
    'let Some(part) = self.parts.pop_front().filter(|part| part.from % 2 == 0) else { return 0 };'
mutation "session: offers what is stored" $session/held.rs \
    'self.from = self.from.max(part.to());' ''
mutation "session: goes by old names" $session/queen.rs \
    'let key = Key { lease: adoption.lease, epoch };' 'let key = Key { lease: held.key.lease, epoch };'

if [[ -n $checks ]]; then
    echo "$((count - outdated)) of $count mutations apply"
    exit $((outdated > 0))
fi
echo "$((count - missed)) of $count mutations are caught"
((missed == 0))
