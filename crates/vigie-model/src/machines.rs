//! The stream in which the hub states what it does with machines. The hub is itself a machine here: these
//! records carry its own id, incarnation and numbers.

use crate::ids::MachineId;
use crate::record::{AgentRecord, PayloadError, Stream};
use crate::time::UnixNanos;
use minicbor::{Decode, Encode};

/// Kind and payload version of [`Enrolled`] in the envelope.
const ENROLLED: (u16, u16) = (1, 1);

/// A machine was given a certificate, or the hub's own machine was named: from here on the name means
/// this id.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Enrolled {
    /// The machine.
    #[n(0)]
    pub machine: MachineId,
    /// What people call it.
    #[n(1)]
    pub name: String,
}

impl Enrolled {
    /// Puts the fact into an envelope.
    pub fn encode(&self, observed: UnixNanos) -> AgentRecord {
        let payload = minicbor::to_vec(self).expect("writing CBOR to a vector cannot fail");
        AgentRecord { observed, stream: Stream::MACHINES, kind: ENROLLED.0, version: ENROLLED.1, payload }
    }

    /// Reads the fact out of its envelope.
    pub fn decode(fact: &AgentRecord) -> Result<Self, PayloadError> {
        if (fact.stream, fact.kind, fact.version) != (Stream::MACHINES, ENROLLED.0, ENROLLED.1) {
            return Err(PayloadError::Unknown {
                stream: fact.stream.0,
                kind: fact.kind,
                version: fact.version,
            });
        }
        let damaged = |why: String| PayloadError::Damaged { kind: fact.kind, why };
        let enrolled: Self = minicbor::decode(&fact.payload).map_err(|e| damaged(e.to_string()))?;
        check_machine_name(&enrolled.name).map_err(|e| damaged(e.to_string()))?;
        Ok(enrolled)
    }
}

/// A name that cannot be a machine's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a machine's name has 1 to 64 letters, digits, dots, hyphens or underscores, and begins with a letter or digit"
)]
pub struct BadMachineName;

/// Checks a machine's name: it is typed before a colon, shown in tables and put into certificates, so it
/// is as plain as a host name.
pub fn check_machine_name(name: &str) -> Result<(), BadMachineName> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts_well && name.len() <= crate::limits::MACHINE_NAME_BYTES_MAX && name.chars().all(plain) {
        Ok(())
    } else {
        Err(BadMachineName)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes_round_trip_and_damage() {
        let enrolled = Enrolled { machine: MachineId([7; 16]), name: "web01".into() };
        let fact = enrolled.encode(UnixNanos(3));
        let hex: String = fact.payload.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(hex, "825007070707070707070707070707070707657765623031");
        assert_eq!(Enrolled::decode(&fact), Ok(enrolled));
        for cut in 0..fact.payload.len() {
            let short = AgentRecord { payload: fact.payload[..cut].to_vec(), ..fact.clone() };
            assert!(Enrolled::decode(&short).is_err());
        }
    }

    #[test]
    fn names_that_would_confuse_are_refused() {
        for bad in ["", "-a", ".", "..", "a b", "a:b", "a/b", "é", "a\n", &"x".repeat(65)] {
            assert_eq!(check_machine_name(bad), Err(BadMachineName), "{bad:?}");
        }
        for good in ["a", "web01.example.org", "3com", "a_b-c"] {
            assert_eq!(check_machine_name(good), Ok(()), "{good:?}");
        }
    }
}
