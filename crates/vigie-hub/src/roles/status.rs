//! What people are shown of a group.

use std::collections::HashMap;
use std::time::Duration;
use vigie_model::status::{EndedStatus, GroupStatus, MemberStatus, PrincipalStatus};
use vigie_model::{MachineId, UnixNanos};
use vigie_role::group::Group;
use vigie_role::{GroupName, Settings};

/// A moment, by both clocks, and what machines are called.
pub(super) struct Now<'a> {
    pub(super) lease: Duration,
    pub(super) wall: UnixNanos,
    pub(super) names: &'a HashMap<MachineId, String>,
}

impl Now<'_> {
    fn name(&self, machine: MachineId) -> String {
        self.names.get(&machine).cloned().unwrap_or_else(|| machine.to_string())
    }

    fn ago_ms(&self, time: Duration) -> u64 {
        millis(self.lease.saturating_sub(time))
    }

    fn unix_ns(&self, time: Duration) -> i64 {
        let ago = self.lease.saturating_sub(time);
        self.wall.0.saturating_sub(i64::try_from(ago.as_nanos()).unwrap_or(i64::MAX))
    }
}

/// How a group is now.
pub(super) fn of(name: &GroupName, group: &Group<MachineId>, now: &Now<'_>) -> GroupStatus {
    let Settings { mode, ttl, preempt } = *group.settings();
    let principal = group.held().map(|held| PrincipalStatus {
        machine: now.name(held.member),
        epoch: held.epoch.0,
        since_unix_ns: now.unix_ns(held.since),
        cause: held.cause.to_string(),
        lease_left_ms: held.expires.map(|expires| millis(expires.saturating_sub(now.lease))),
        asked: held.asked.map(|cause| cause.to_string()),
    });
    let last_ended = group.last_ended().map(|last| EndedStatus {
        machine: now.name(last.member),
        epoch: last.epoch.0,
        at_unix_ns: now.unix_ns(last.at),
        cause: last.cause.to_string(),
        detection_ms: last.detection.map(millis),
    });
    GroupStatus {
        group: name.to_string(),
        mode: mode.to_string(),
        ttl_ms: millis(ttl),
        preempt,
        paused: group.is_paused(),
        epoch: group.highest().0,
        principal,
        last_ended,
        members: members(group, now),
    }
}

fn members(group: &Group<MachineId>, now: &Now<'_>) -> Vec<MemberStatus> {
    let mut members: Vec<_> = group.members().collect();
    members.sort_by_key(|(_, m)| (m.yielded, std::cmp::Reverse(m.priority), m.place));
    let is_principal = |id: &MachineId| group.held().is_some_and(|held| held.member == *id);
    let member = |(id, member): (&MachineId, &vigie_role::group::Member)| MemberStatus {
        machine: now.name(*id),
        role: if is_principal(id) { "principal" } else { "secondaire" }.into(),
        connected: member.connected,
        priority: member.priority,
        nofailover: member.nofailover,
        heard_ms_ago: now.ago_ms(member.heard),
    };
    members.into_iter().map(member).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
