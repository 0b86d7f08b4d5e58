//! What a probe saw of one port.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The verdict on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// A connection was accepted.
    Open,
    /// A reset came back: something is there, nobody listens.
    Closed,
    /// Silence, or a word that an administrator forbids it.
    Filtered,
    /// The network says that there is no way.
    Unreachable,
    /// It could not be probed. Never mistaken for any of the others.
    Unknown,
}

/// Why a port has its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The three-way handshake was answered (or, for a SYN probe, its first half).
    SynAck,
    /// An RST.
    Reset,
    /// No answer to any probe.
    NoResponse,
    /// An ICMP or ICMPv6 error, by its type and code.
    Icmp {
        /// 4 or 6: which protocol's numbers these are.
        version: u8,
        /// The ICMP type.
        kind: u8,
        /// The ICMP code.
        code: u8,
    },
    /// This machine has no route to the target (`ENETUNREACH`, a blackhole or unreachable route).
    NoRoute,
    /// No neighbour answered for the address (ARP or neighbour discovery failed, `EHOSTUNREACH`).
    NoNeighbour,
    /// This machine forbids it: a `prohibit` route (`EACCES`; the port is then [`State::Filtered`]), or its packet filter
    /// dropped every try (`EPERM`: a rule or a full table of connections; [`State::Unknown`]).
    ForbiddenHere,
    /// So many ports accept everything that an answer proves nothing (a tarpit or SYN proxy).
    Tarpit,
    /// This machine ran out of what a probe needs.
    NoResources,
    /// The scan was stopped before this port's turn.
    Stopped,
    /// The whole target gave no sign of life, and so this port was not probed.
    NoAnswer,
}

/// One port of one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The port, 1 to 65535.
    pub port: u16,
    /// The verdict.
    pub state: State,
    /// Why.
    pub reason: Reason,
    /// Probes sent to it.
    pub attempts: u32,
    /// From the probe that was answered to its answer.
    pub rtt: Option<Duration>,
    /// What usually listens there, by the name of the service.
    pub service: Option<String>,
    /// What it said by itself, if it was asked to.
    pub banner: Option<Banner>,
}

/// What a service said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    /// Its first bytes, escaped, of bounded length.
    pub text: Option<String>,
    /// Its TLS side, if it has one.
    pub tls: Option<Tls>,
}

/// The TLS side of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// `TLSv1.3`.
    pub version: String,
    /// The protocol chosen by ALPN.
    pub alpn: Option<String>,
    /// The certificate's subject, RFC 4514.
    pub subject: Option<String>,
    /// Its issuer, likewise.
    pub issuer: Option<String>,
    /// The names it is for.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, in hexadecimal.
    pub sha256: String,
    /// Its end, RFC 3339.
    pub not_after: Option<String>,
    /// Whether the certificate was checked against any authority. It is not: what is shown is what was shown to us.
    #[serde(default)]
    pub verified: bool,
}
