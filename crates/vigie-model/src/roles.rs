//! The stream in which the hub states who is principal of which group, and why. The hub is itself a machine here:
//! these records carry its own id, incarnation and numbers.

use crate::ids::{Epoch, MachineId};
use crate::limits::{ROLE_TEXT_BYTES_MAX, ROLE_WORD_BYTES_MAX};
use crate::record::{AgentRecord, PayloadError, Stream};
use crate::time::UnixNanos;
use minicbor::{Decode, Encode};

/// A term begins: the group's next epoch is for this machine. Durable before the machine is told, so that no epoch is
/// ever given twice; a machine that went in between never heard of it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TermBegun {
    /// Name of the group.
    #[n(0)]
    pub group: String,
    /// The fencing number.
    #[n(1)]
    pub epoch: Epoch,
    /// Who is to be principal.
    #[n(2)]
    pub machine: MachineId,
    /// The life of its process.
    #[n(3)]
    pub boot: u64,
    /// `safe` or `fast`, for the whole term.
    #[n(4)]
    pub mode: String,
    /// Time to live of the lease, in milliseconds, for the whole term.
    #[n(5)]
    pub ttl_ms: u64,
    /// Why the role was free.
    #[n(6)]
    pub cause: String,
}

/// A term ended.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct TermEnded {
    /// Name of the group.
    #[n(0)]
    pub group: String,
    /// Its epoch.
    #[n(1)]
    pub epoch: Epoch,
    /// Who was principal.
    #[n(2)]
    pub machine: MachineId,
    /// Why.
    #[n(3)]
    pub cause: String,
    /// From the last sign of life to the end, in milliseconds; absent where none was looked for.
    #[n(4)]
    pub detection_ms: Option<u64>,
}

/// What an operator set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GroupSet {
    /// Name of the group.
    #[n(0)]
    pub group: String,
    /// `safe` or `fast`.
    #[n(1)]
    pub mode: String,
    /// Time to live of a lease, in milliseconds.
    #[n(2)]
    pub ttl_ms: u64,
    /// Whether a higher priority takes the role from a lower one.
    #[n(3)]
    pub preempt: bool,
    /// Whether nobody is promoted.
    #[n(4)]
    pub paused: bool,
}

/// Something happened to one machine in a group that is no term.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RoleRemark {
    /// Name of the group.
    #[n(0)]
    pub group: String,
    /// The machine.
    #[n(1)]
    pub machine: MachineId,
    /// Why, in words.
    #[n(2)]
    pub why: String,
}

/// What can happen to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleEvent {
    /// A term begins.
    Begun(TermBegun),
    /// A term ended.
    Ended(TermEnded),
    /// An operator set something.
    Set(GroupSet),
    /// A machine is out of the line, because its hook of promotion failed.
    Barred(RoleRemark),
    /// The principal was asked to give the role back.
    Asked(RoleRemark),
}

/// Version of all payloads of this stream.
const VERSION: u16 = 1;

impl RoleEvent {
    /// Kinds, with their words. A retired number keeps its line.
    pub const KINDS: &'static [(u16, &'static str)] =
        &[(1, "role-granted"), (2, "role-ended"), (3, "role-set"), (4, "role-barred"), (5, "role-asked")];

    /// The group that it is about.
    pub fn group(&self) -> &str {
        match self {
            RoleEvent::Begun(begun) => &begun.group,
            RoleEvent::Ended(ended) => &ended.group,
            RoleEvent::Set(set) => &set.group,
            RoleEvent::Barred(remark) | RoleEvent::Asked(remark) => &remark.group,
        }
    }

    /// Puts the fact into an envelope.
    pub fn encode(&self, observed: UnixNanos) -> AgentRecord {
        let (kind, payload) = match self {
            RoleEvent::Begun(begun) => (1, minicbor::to_vec(begun)),
            RoleEvent::Ended(ended) => (2, minicbor::to_vec(ended)),
            RoleEvent::Set(set) => (3, minicbor::to_vec(set)),
            RoleEvent::Barred(remark) => (4, minicbor::to_vec(remark)),
            RoleEvent::Asked(remark) => (5, minicbor::to_vec(remark)),
        };
        let payload = payload.expect("writing CBOR to a vector cannot fail");
        AgentRecord { observed, stream: Stream::ROLES, kind, version: VERSION, payload }
    }

    /// Reads the fact out of its envelope.
    ///
    /// # Errors
    /// [`PayloadError::Unknown`] for another stream, kind or version; [`PayloadError::Damaged`] for bytes that are no
    /// such fact, or text longer than any honest one.
    pub fn decode(fact: &AgentRecord) -> Result<Self, PayloadError> {
        let unknown =
            || PayloadError::Unknown { stream: fact.stream.0, kind: fact.kind, version: fact.version };
        if (fact.stream, fact.version) != (Stream::ROLES, VERSION) {
            return Err(unknown());
        }
        let read = |e: minicbor::decode::Error| PayloadError::Damaged { kind: fact.kind, why: e.to_string() };
        let payload = &fact.payload;
        let event = match fact.kind {
            1 => RoleEvent::Begun(minicbor::decode(payload).map_err(read)?),
            2 => RoleEvent::Ended(minicbor::decode(payload).map_err(read)?),
            3 => RoleEvent::Set(minicbor::decode(payload).map_err(read)?),
            4 => RoleEvent::Barred(minicbor::decode(payload).map_err(read)?),
            5 => RoleEvent::Asked(minicbor::decode(payload).map_err(read)?),
            _ => return Err(unknown()),
        };
        if event.texts().any(|(text, most)| text.len() > most) {
            return Err(PayloadError::Damaged { kind: fact.kind, why: "a text is too long".into() });
        }
        Ok(event)
    }

    /// Its texts, with the most bytes that each may have.
    fn texts(&self) -> impl Iterator<Item = (&str, usize)> {
        let (words, text): (Vec<&str>, &str) = match self {
            RoleEvent::Begun(begun) => (vec![&begun.group, &begun.mode, &begun.cause], ""),
            RoleEvent::Ended(ended) => (vec![&ended.group, &ended.cause], ""),
            RoleEvent::Set(set) => (vec![&set.group, &set.mode], ""),
            RoleEvent::Barred(remark) | RoleEvent::Asked(remark) => (vec![&remark.group], &remark.why),
        };
        let words = words.into_iter().map(|word| (word, ROLE_WORD_BYTES_MAX));
        words.chain([(text, ROLE_TEXT_BYTES_MAX)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: MachineId = MachineId([7; 16]);

    fn all() -> [RoleEvent; 5] {
        let group = || "db".to_owned();
        let remark = |why: &str| RoleRemark { group: group(), machine: MACHINE, why: why.into() };
        [
            RoleEvent::Begun(TermBegun {
                group: group(),
                epoch: Epoch(3),
                machine: MACHINE,
                boot: 9,
                mode: "safe".into(),
                ttl_ms: 3000,
                cause: "left".into(),
            }),
            RoleEvent::Ended(TermEnded {
                group: group(),
                epoch: Epoch(3),
                machine: MACHINE,
                cause: "lease-expired".into(),
                detection_ms: Some(3001),
            }),
            RoleEvent::Set(GroupSet {
                group: group(),
                mode: "fast".into(),
                ttl_ms: 500,
                preempt: true,
                paused: false,
            }),
            RoleEvent::Barred(remark("its hook failed")),
            RoleEvent::Asked(remark("stepped-down")),
        ]
    }

    #[test]
    fn every_kind_goes_round_and_damage_is_an_error() {
        for (event, (kind, _)) in all().into_iter().zip(RoleEvent::KINDS) {
            let fact = event.encode(UnixNanos(5));
            assert_eq!(fact.kind, *kind);
            assert_eq!(RoleEvent::decode(&fact), Ok(event));
            for cut in 0..fact.payload.len() {
                let short = AgentRecord { payload: fact.payload[..cut].to_vec(), ..fact.clone() };
                assert!(RoleEvent::decode(&short).is_err());
            }
        }
    }

    #[test]
    fn golden_bytes_of_a_term() {
        let hex = |event: &RoleEvent| -> String {
            event.encode(UnixNanos(0)).payload.iter().map(|b| format!("{b:02x}")).collect()
        };
        let [begun, ended, ..] = all();
        let machine = "07".repeat(16);
        assert_eq!(hex(&begun), format!("876264620350{machine}096473616665190bb8646c656674"));
        assert_eq!(hex(&ended), format!("856264620350{machine}6d6c656173652d65787069726564190bb9"));
    }

    #[test]
    fn what_is_too_long_or_unknown_is_not_read() {
        let long = RoleRemark { group: "x".repeat(65), machine: MACHINE, why: String::new() };
        let fact = RoleEvent::Barred(long).encode(UnixNanos(0));
        assert!(matches!(RoleEvent::decode(&fact), Err(PayloadError::Damaged { .. })));
        let later = AgentRecord { version: 2, ..fact };
        assert!(matches!(RoleEvent::decode(&later), Err(PayloadError::Unknown { .. })));
    }
}
