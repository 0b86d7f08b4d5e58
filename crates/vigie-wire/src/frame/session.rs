//! The frames that begin and end a session.

use super::{Body, open_code, peer_text, peer_word, proto, shortened};
use crate::limits::FEATURES_MAX;
use vigie_model::{Incarnation, MachineId, RecordNo, UnixNanos};

/// The versions of the protocol that a program speaks, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Oldest.
    pub min: u32,
    /// Newest.
    pub max: u32,
}

impl Versions {
    /// What this program speaks.
    pub const OURS: Versions = Versions { min: 1, max: 1 };

    /// The newest version that both sides speak.
    pub fn common(self, other: Versions) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }

    pub(super) fn from_proto(min: u32, max: u32) -> Result<Self, &'static str> {
        if min == 0 || min > max {
            return Err("its versions are not a range");
        }
        Ok(Versions { min, max })
    }
}

/// One run of an agent, random: two at once with the same certificate are two instances.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct InstanceId(pub [u8; 16]);

impl std::fmt::Debug for InstanceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// The agent's first frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Versions that it speaks.
    pub versions: Versions,
    /// Names of optional things that it can do.
    pub features: Vec<String>,
    /// Which run of the agent this is.
    pub instance: InstanceId,
    /// The life of the agent's state: what its records are numbered in.
    pub incarnation: Incarnation,
    /// Name and version of the program, for people.
    pub software: String,
    /// The kernel's boot id: tells a restart of the agent from one of the machine.
    pub boot: [u8; 16],
}

/// The hub's answer to `Hello`: the session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The version that both sides speak from here on.
    pub version: u32,
    /// The features that both sides have.
    pub features: Vec<String>,
    /// The hub, as a machine.
    pub hub: MachineId,
    /// The newest durable record of this machine; none: the hub has none.
    pub last: Option<LastRecord>,
    /// Bytes of blocks that may be sent before the first `Credit`.
    pub block_credit: u64,
    /// Records that may be sent before the first `Credit`.
    pub record_credit: u64,
}

/// Which record of a machine is the newest durable one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRecord {
    /// Life of the agent that stated it.
    pub incarnation: Incarnation,
    /// Its number there.
    pub n: RecordNo,
    /// When it was observed, by the machine's clock.
    pub observed: UnixNanos,
}

open_code! {
    /// Why there is no session or no certificate.
    RefuseCode {
        /// No version in common.
        Version = 1,
        /// Another instance with the same certificate is alive.
        InstanceConflict = 2,
        /// Only an enrolment is open to a peer without a certificate.
        NotEnrolled = 3,
        /// The token is none of this hub's.
        TokenWrong = 4,
        /// The token was used.
        TokenUsed = 5,
        /// The token's time is over.
        TokenExpired = 6,
        /// The token is for another name.
        NameMismatch = 7,
        /// What was asked is not well-formed.
        Malformed = 8,
        /// The hub cannot do it now (a full disk, a stop under way): try again later.
        Unavailable = 9,
    }
}

/// The hub's refusal of a session or an enrolment; the connection ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuse {
    /// Why, for programs.
    pub code: RefuseCode,
    /// Why, for people.
    pub reason: String,
}

open_code! {
    /// Why a side ends the session.
    CloseCode {
        /// It stops; try again later.
        Shutdown = 1,
        /// The other side broke a rule of the protocol.
        Protocol = 2,
        /// A newer session of the same instance took over.
        Replaced = 3,
        /// Nothing was heard for too long.
        Idle = 4,
        /// The peer's certificate is no longer valid.
        CertificateExpired = 5,
        /// A fault on the side that closes.
        Fault = 6,
        /// The hub's disk is full: nothing more is stored until there is room.
        DiskFull = 7,
    }
}

/// The last frame of a side that ends the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Why, for programs.
    pub code: CloseCode,
    /// Why, for people.
    pub reason: String,
}

fn features(names: Vec<String>) -> Result<Vec<String>, &'static str> {
    if names.len() > FEATURES_MAX {
        return Err("it names too many features");
    }
    names.into_iter().map(peer_word).collect()
}

fn sixteen(bytes: &[u8]) -> Result<[u8; 16], &'static str> {
    bytes.try_into().map_err(|_| "an id has not 16 bytes")
}

impl Body for Hello {
    type Proto = proto::Hello;

    fn to_proto(&self) -> proto::Hello {
        proto::Hello {
            version_min: self.versions.min,
            version_max: self.versions.max,
            features: self.features.clone(),
            instance: self.instance.0.to_vec(),
            incarnation: self.incarnation.0,
            software: shortened(&self.software),
            boot: self.boot.to_vec(),
        }
    }

    fn from_proto(p: proto::Hello) -> Result<Self, &'static str> {
        Ok(Hello {
            versions: Versions::from_proto(p.version_min, p.version_max)?,
            features: features(p.features)?,
            instance: InstanceId(sixteen(&p.instance)?),
            incarnation: Incarnation(p.incarnation),
            software: peer_text(p.software)?,
            boot: sixteen(&p.boot)?,
        })
    }
}

impl Body for Welcome {
    type Proto = proto::Welcome;

    fn to_proto(&self) -> proto::Welcome {
        proto::Welcome {
            version: self.version,
            features: self.features.clone(),
            hub: self.hub.0.to_vec(),
            last: self.last.map(|last| proto::LastRecord {
                incarnation: last.incarnation.0,
                n: last.n.0,
                observed: last.observed.0,
            }),
            block_credit: self.block_credit,
            record_credit: self.record_credit,
        }
    }

    fn from_proto(p: proto::Welcome) -> Result<Self, &'static str> {
        Ok(Welcome {
            version: p.version,
            features: features(p.features)?,
            hub: MachineId(sixteen(&p.hub)?),
            last: p.last.map(|last| LastRecord {
                incarnation: Incarnation(last.incarnation),
                n: RecordNo(last.n),
                observed: UnixNanos(last.observed),
            }),
            block_credit: p.block_credit,
            record_credit: p.record_credit,
        })
    }
}

impl Body for Refuse {
    type Proto = proto::Refuse;

    fn to_proto(&self) -> proto::Refuse {
        proto::Refuse { code: self.code.number(), reason: shortened(&self.reason) }
    }

    fn from_proto(p: proto::Refuse) -> Result<Self, &'static str> {
        Ok(Refuse { code: RefuseCode::from_number(p.code), reason: peer_text(p.reason)? })
    }
}

impl Body for Close {
    type Proto = proto::Close;

    fn to_proto(&self) -> proto::Close {
        proto::Close { code: self.code.number(), reason: shortened(&self.reason) }
    }

    fn from_proto(p: proto::Close) -> Result<Self, &'static str> {
        Ok(Close { code: CloseCode::from_number(p.code), reason: peer_text(p.reason)? })
    }
}
