//! What the authority says, as records, and back.

use std::time::Duration;
use vigie_model::MachineId;
use vigie_model::roles::{GroupSet, RoleEvent, RoleRemark, TermBegun, TermEnded};
use vigie_role::authority::Authority;
use vigie_role::group::{Fact, Opening};
use vigie_role::{BootId, Cause, GroupName, Mode, Settings};
use vigie_store::GroupState;

/// The beginning of a term.
pub(super) fn begun(group: &GroupName, opening: &Opening<MachineId>) -> RoleEvent {
    RoleEvent::Begun(TermBegun {
        group: group.to_string(),
        epoch: opening.epoch,
        machine: opening.member,
        boot: opening.boot.0,
        mode: opening.mode.to_string(),
        ttl_ms: millis(opening.ttl),
        cause: opening.cause.to_string(),
    })
}

/// What is set.
pub(super) fn set(group: &GroupName, settings: &Settings, paused: bool) -> RoleEvent {
    RoleEvent::Set(GroupSet {
        group: group.to_string(),
        mode: settings.mode.to_string(),
        ttl_ms: millis(settings.ttl),
        preempt: settings.preempt,
        paused,
    })
}

/// A fact that is journaled. A grant was when it was made durable; that somebody came back, or was refused, is for
/// the log.
pub(super) fn of(group: &GroupName, fact: Fact<MachineId>) -> Option<RoleEvent> {
    let remark = |machine, why: &str| RoleRemark { group: group.to_string(), machine, why: why.to_owned() };
    match fact {
        Fact::Ended(ended) => Some(RoleEvent::Ended(TermEnded {
            group: group.to_string(),
            epoch: ended.epoch,
            machine: ended.member,
            cause: ended.cause.to_string(),
            detection_ms: ended.detection.map(millis),
        })),
        Fact::Asked { member, cause, .. } => Some(RoleEvent::Asked(remark(member, cause.as_str()))),
        Fact::Barred { member, cause } => Some(RoleEvent::Barred(remark(member, cause.as_str()))),
        Fact::Granted { .. } | Fact::Returned { .. } | Fact::Refused { .. } => None,
    }
}

/// Puts a group back as it was recorded. What a later version wrote and this one cannot read is said, and left out.
pub(super) fn restore(authority: &mut Authority<MachineId>, now: Duration, state: GroupState) {
    let Ok(name) = GroupName::new(&state.group) else {
        tracing::warn!(group = state.group, "a group with such a name cannot be; it is left out");
        return;
    };
    let settings = state.set.as_ref().and_then(|set| settings(&set.mode, set.ttl_ms, set.preempt));
    let opening = state.term.and_then(|term| {
        let Settings { mode, ttl, .. } = settings_of_term(&term)?;
        let (epoch, member, boot) = (term.epoch, term.machine, BootId(term.boot));
        let cause = Cause::from_word(&term.cause).unwrap_or(Cause::HubRestarted);
        Some(Opening { epoch, member, boot, mode, ttl, cause, after: None })
    });
    // A term whose end is recorded is waited for by nobody.
    let end = state.end.filter(|end| opening.as_ref().is_some_and(|opening| opening.epoch == end.epoch));
    let ended = end.map(|end| Cause::from_word(&end.cause).unwrap_or(Cause::Unknown));
    authority.restore(now, name.clone(), settings.unwrap_or_default(), opening, ended);
    if let (Some(group), true) = (authority.known(&name), state.set.is_some_and(|set| set.paused)) {
        group.pause();
    }
}

/// An epoch must never be given twice, so a term is restored even if its mode is of a later version: as a safe one.
fn settings_of_term(term: &TermBegun) -> Option<Settings> {
    settings(&term.mode, term.ttl_ms, false).or_else(|| Some(Settings::default()))
}

fn settings(mode: &str, ttl_ms: u64, preempt: bool) -> Option<Settings> {
    let mode = mode.parse::<Mode>().ok()?;
    Settings { mode, ttl: Duration::from_millis(ttl_ms), preempt }.check().ok()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
