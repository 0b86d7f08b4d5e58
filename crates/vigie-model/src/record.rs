//! The envelope of one journaled fact. It carries any stream: kinds that this program does not know are
//! kept and relayed as they are.

use crate::ids::{Incarnation, MachineId, RecordNo, Seq};
use crate::time::UnixNanos;
use minicbor::{Decode, Encode};

/// Which family of facts a record belongs to. Numbers are given here and nowhere else; a retired number
/// keeps its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Stream(#[n(0)] pub u16);

impl Stream {
    /// What happens to files: [`crate::files::FileEvent`].
    pub const FILES: Stream = Stream(1);
    /// What the hub itself does with machines: enrolments.
    pub const MACHINES: Stream = Stream(2);
    /// Who is principal of what: [`crate::roles::RoleEvent`].
    pub const ROLES: Stream = Stream(3);
    // 4 findings, 5 decoys, 6 meter: spoken for, not written by this version.
    /// Free remarks; so far only simulations write them, to prove that unknown streams travel.
    pub const NOTES: Stream = Stream(7);

    /// Whether only the hub's own machine may state such facts: they decide who is who.
    pub fn is_of_the_hub(self) -> bool {
        matches!(self, Stream::MACHINES | Stream::ROLES)
    }
}

/// A fact as its machine states it, before the hub gives it a place.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct AgentRecord {
    /// When it was observed, by the machine's own clock.
    #[n(0)]
    pub observed: UnixNanos,
    /// Family of facts.
    #[n(1)]
    pub stream: Stream,
    /// Kind within the stream.
    #[n(2)]
    pub kind: u16,
    /// Version of this kind's payload.
    #[n(3)]
    pub version: u16,
    /// CBOR for the streams of this program; any bytes for others.
    #[n(4)]
    #[cbor(with = "minicbor::bytes")]
    pub payload: Vec<u8>,
}

/// Where a record comes from: which life of which machine, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Origin {
    /// The machine that states the fact.
    #[n(0)]
    pub machine: MachineId,
    /// Life of that machine's agent.
    #[n(1)]
    pub incarnation: Incarnation,
    /// Number within that life.
    #[n(2)]
    pub n: RecordNo,
}

/// One journaled fact.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// Place in the journal.
    #[n(0)]
    pub seq: Seq,
    /// Who states it.
    #[n(1)]
    pub origin: Origin,
    /// When the hub got it, by the hub's clock; never goes back along the journal.
    #[n(2)]
    pub received: UnixNanos,
    /// The fact.
    #[n(3)]
    pub fact: AgentRecord,
}

/// Why a payload could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A kind or version that this program does not know: keep it, relay it, do not read it.
    #[error("kind {kind} version {version} of stream {stream} is unknown to this version")]
    Unknown {
        /// Stream number.
        stream: u16,
        /// Kind number.
        kind: u16,
        /// Payload version.
        version: u16,
    },
    /// A known kind with a payload that is not what it should be.
    #[error("the payload of a record of kind {kind} is damaged: {why}")]
    Damaged {
        /// Kind number.
        kind: u16,
        /// What the decoder met.
        why: String,
    },
}
